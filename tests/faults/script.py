"""Scripts of faults: what is done to the processes and the broker, as data."""

import random
import tomllib
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).with_name("scripts.toml")
KILLS = ("kill", "restart", "stand", "orphan")


@dataclass(frozen=True)
class Event:
    """One thing that happens: `words` are a verb of `events.VERBS` and to whom; `after` so many seconds."""

    words: tuple[str, ...]
    after: float = 0.0


@dataclass(frozen=True)
class Script:
    """What happens in one run, in order."""

    name: str
    says: str
    events: tuple[Event, ...]
    scorers: int = 2
    own_broker: bool = False  # since it is done harm
    short: bool = True  # part of the tests; the others only of `make faults`
    ends: tuple[str, ...] = ()  # who may end by itself, as documented, and is started again

    @property
    def kills(self):
        return sum(event.words[0] in KILLS for event in self.events)


def read_scripts(seed, path=SCRIPTS):
    """Read all scripts, by name; the random moments in them follow from the seed.

    An event is `"verb who ..."`, or `"2.5s verb who ..."` after a pause, or `"0-2s verb who ..."` after a random one.
    `rounds` repeats all events so often.
    """
    return {told["name"]: _script(told, seed) for told in tomllib.loads(path.read_text())["script"]}


def _script(told, seed):
    rng = random.Random(f"{seed} {told['name']}")
    events = tuple(_event(text, rng) for _ in range(told.pop("rounds", 1)) for text in told["events"])
    return Script(**told | {"events": events, "ends": tuple(told.get("ends", ()))})


def _event(text, rng):
    first, *rest = text.split()
    if not first[0].isdigit():
        return Event((first, *rest))
    least, _, most = first.removesuffix("s").partition("-")
    return Event(tuple(rest), rng.uniform(float(least), float(most or least)))
