"""What `ablation.py` switches off, one at a time, and what each is compared with."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from models.learner import LearnerSettings

BASE: Final = "default"
UNIFORM: Final = "random"
NETWORK: Final = "network alone"
ALONE: Final = {"mix": 1.0, "rehearsals": 0}  # nothing of the linear path is in the scores, and little in the seconds
APART: Final = {"joint": False, "table_megabytes": 16_384}  # room for the rows of all networks
GROUPS: Final = (
    "asking", "importance weights", "ensemble", "joint training", "linear path and network", "class imbalance",
    "replay and averaging", "features",
)  # fmt: skip
# Settings by themselves, with the values tried; the default's own value makes no run.
SINGLE: Final[Mapping[str, Mapping[str, tuple[Any, ...]]]] = {
    "importance weights": {"weights": ("none", "clipped", "full")},
    "ensemble": {"members": (1,), "heads": ("shared",), "prior": (0.0,), "bootstrap": (False,)},
    "linear path and network": {"mix": (0.0,)},
    "class imbalance": {
        "prior_bias": (False,),
        "balanced": (0.0, 0.3),
        "logit_adjustment": (0.0, 1.0),
        "target": ("half", "precision"),
        "calibration": ("none",),
    },
    "replay and averaging": {"rehearsals": (0,), "average": (0.0,)},
    "features": {"names": (0.0,), "rarity": (False,), "even": (1.0,)},
}


@dataclass(frozen=True, slots=True)
class Switch:
    """A learner and a policy that differ in one thing from those of `against`.

    Args:
        name: of its row, and of its reports.
        group: the part of the system that it is about.
        against: the name of the switch it is compared with; its own for a baseline.
        policy: who is asked about.
        settings: of the learner, where they differ from the default.
        slow: takes minutes.

    """

    name: str
    group: str
    against: str
    policy: str
    settings: dict[str, Any] = field(default_factory=dict)
    slow: bool = False


def switches(default: LearnerSettings, policy: str) -> list[Switch]:
    """All switches: the default first, then by the part they are about."""
    found = [*_asking(policy), *_single(default, policy), *_networks(policy)]
    return [Switch(BASE, "", BASE, policy), *sorted(found, key=lambda switch: GROUPS.index(switch.group))]


def _asking(policy: str) -> Iterator[Switch]:
    yield Switch(UNIFORM, "asking", BASE, "random")
    # One member never disagrees with itself, so that only the same asking for both tells what the others are worth.
    yield Switch("random, members = 1", "ensemble", UNIFORM, "random", {"members": 1})
    nothing = {"mix": 0.0, "spread": 0.0, "steps_per_lesson": 0.0}
    yield Switch("random, no network", "linear path and network", UNIFORM, "random", nothing)
    bounded = {"memory": 64, "memory_positives": 0}
    yield Switch("memory of 64 answers", "replay and averaging", BASE, policy, bounded)


def _single(default: LearnerSettings, policy: str) -> Iterator[Switch]:
    for group, settings in SINGLE.items():
        for name, values in settings.items():
            for value in values:
                if value != getattr(default, name):
                    yield Switch(f"{name} = {_said(value)}", group, BASE, policy, {name: value})


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _networks(policy: str) -> Iterator[Switch]:
    yield Switch("joint = off", "joint training", BASE, policy, APART, slow=True)
    yield Switch(NETWORK, "linear path and network", BASE, policy, ALONE)
    yield Switch(f"{NETWORK}, joint = off", "joint training", NETWORK, policy, {**ALONE, **APART}, slow=True)
