"""Scripts of faults: what is done to the processes and the broker, as data."""

import random
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

SCRIPTS = Path(__file__).with_name("scripts.toml")
KILLS = ("kill", "restart")


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
    rounds: int = 1

    @property
    def kills(self):
        return sum(event.words[0] in KILLS for event in self.events)


def read_scripts(seed, *, long=False, path=SCRIPTS):
    """Read all scripts, by name; the random moments in them follow from the seed.

    An event is `"verb who ..."`, or `"2.5s verb who ..."` after a pause, or `"0-2s verb who ..."` after a random one.
    """
    told = tomllib.loads(path.read_text())["script"]
    return {one["name"]: _script(one, random.Random(f"{seed} {one['name']}"), long) for one in told}


def _script(told, rng, long):
    fields = {name: value for name, value in told.items() if name not in ("events", "rounds", "long_rounds")}
    rounds = told.get("long_rounds", told.get("rounds", 1)) if long else told.get("rounds", 1)
    events = tuple(_event(text, rng) for _ in range(rounds) for text in told["events"])
    return Script(**fields | {"ends": tuple(told.get("ends", ()))}, events=events, rounds=rounds)


def _event(text, rng):
    first, *rest = text.split()
    if not first[0].isdigit():
        return Event((first, *rest))
    least, _, most = first.removesuffix("s").partition("-")
    after = rng.uniform(float(least), float(most)) if most else float(least)
    return replace(Event(tuple(rest)), after=after)
