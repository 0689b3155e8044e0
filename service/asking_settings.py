"""The settings of deciding whom to ask, and what all groups of settings share."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.chance import floor_for

Share = Annotated[float, Field(ge=1e-5, le=1.0)]  # weights are up to twice its inverse, in single precision
Policy = Literal["random", "iwal", "iwal-rare", "iwal-novel", "iwal-cal", "uncertainty", "least-positive", "evidence"]
Positive = Annotated[float, Field(gt=0.0)]


class Group(BaseModel):
    """What all groups share: frozen, unknown keys refused, defaults checked too."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, coerce_numbers_to_str=True)


class AskingSettings(Group):
    """Deciding whom to ask."""

    policy: Policy = Field("iwal-novel", description="rule that makes the chance")
    damping: bool = Field(False, description="ask less about what is much like something answered already")
    unit: Literal["product", "output"] = Field("product", description="ask about whole products, or single outputs")
    share: Share = Field(0.1, description="share of arrivals to ask about")
    output_shares: dict[str, Share] = Field(
        default_factory=dict,
        description='share of arrivals to ask some outputs about at most, by name; `unit = "output"` is needed',
    )
    labels_per_hour: float | None = Field(
        None, gt=0.0, description="labels an hour, instead of `share` once the feed's pace is known"
    )
    carry_over_hours: float = Field(
        1.0, ge=0.0, le=168.0, description="hours whose labels, left unspent, may be asked for later at most"
    )
    p_min: Share | None = Field(None, description="smallest chance of any arrival; none: one that suits the share")
    eta: Annotated[float, Field(gt=0.0, le=0.5)] = Field(0.02, description="step of the budget's feedback")
    seed: str = Field("", description="secret key of the draws; empty: made once and kept in data_dir/seed")
    expires_days: float = Field(7.0, gt=0.0, le=3_650.0, description="an unanswered query expires after this")

    @property
    def floor(self) -> float:
        """The smallest chance of any arrival; importance weights are at most 1 / floor."""
        return floor_for(self.share) if self.p_min is None else self.p_min

    @model_validator(mode="after")
    def _floor_within_share(self) -> "AskingSettings":
        if self.floor > self.share:
            raise ValueError(f"p_min {self.p_min} is above share {self.share}: the floor alone would break the budget")
        return self

    @model_validator(mode="after")
    def _output_shares_can_be_kept(self) -> "AskingSettings":
        if self.output_shares and self.unit != "output":
            raise ValueError(
                "output_shares: whole products are asked about, all outputs with one chance; unit = output is needed"
            )
        for name, share in self.output_shares.items():
            if share < self.floor:
                raise ValueError(
                    f"output_shares: {share} for {name} is below p_min {self.floor}: the floor alone would break it"
                )
        return self
