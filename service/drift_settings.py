"""Settings about drift."""

from pydantic import Field

from service.asking_settings import Group


class DriftSettings(Group):
    """Noticing that the feed changes, and what is then done."""

    watch: bool = Field(True, description="look for drift in the feed and in the scores")
    arrivals: int = Field(5_000, ge=100, description="arrivals that a reaction lasts; nothing is watched meanwhile")
    raise_share: float = Field(2.0, ge=1.0, le=100.0, description="factor on share and p_min meanwhile")
    new_epoch: bool = Field(True, description="evaluate anew; outputs finished before are asked for again")
    recalibrate_on: int = Field(0, ge=0, le=2**20, description="newest answers to calibrate on at once; 0: as ever")
    candidate: bool = Field(
        False, description="try a model that learns only from answers since; it serves once shown to be better"
    )
    candidate_answers: int = Field(
        1_000, ge=1, description="answers after which that candidate ends if it was not promoted"
    )
