"""The learner's hyper-parameters as settings: each within bounds that a learner can work with."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Final

from pydantic import ConfigDict, model_validator
from pydantic.dataclasses import dataclass as checked

from models.lessons import LearnerSettings

# Of the model's settings; other whole numbers are at least 1, other numbers at least 0.
BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    "bits": (8, 24),
    "members": (1, 256),
    "memory_positives": (0, 2**31),
    "rehearsals": (0, 1_000),
    "river_bits": (8, 24),
    "river_members": (1, 256),
    "river_rehearsals": (0, 1_000),
    "mix": (0.0, 1.0),
    "balanced": (0.0, 1.0),
    "average": (0.0, 1.0),
    "even": (0.0, 1.0),
    "logit_adjustment": (0.0, 10.0),
    "target_precision": (1e-3, 1.0),
    "encoder_scale": (0.01, 100.0),
    "window": (16, 2**20),
}


def bounds_of(name: str, value: float) -> tuple[float, float]:
    """The least and the most that a setting of the model may be."""
    if isinstance(value, bool):
        return 0, 1
    return BOUNDS.get(name, (1, 2**31) if isinstance(value, int) else (0.0, 1e9))


@checked(config=ConfigDict(extra="forbid", allow_inf_nan=False), frozen=True, kw_only=True)
class ModelSettings(LearnerSettings):
    """The learner's hyper-parameters, checked."""

    @model_validator(mode="after")
    def _within_bounds(self) -> "ModelSettings":
        for field in fields(self):
            value = getattr(self, field.name)
            least, most = bounds_of(field.name, value)
            if isinstance(value, int | float) and not least <= value <= most:
                raise ValueError(f"model.{field.name} = {value}: between {least} and {most} is expected")
        if self.encoder and self.kind != "askance":
            raise ValueError("model.encoder is for our own model: model.kind = askance is needed")
        return self
