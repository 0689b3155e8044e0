"""Labels per hour as a share of arrivals: what people can answer, over how fast the feed comes."""

from dataclasses import dataclass
from typing import Final

from models.messages import Tally

HOUR: Final = 3_600.0
MOST_OVERSPENT: Final = 1.0  # hours: then the floor alone is asked
LEAST_SECONDS: Final = 60.0  # of the feed seen before its pace is believed


@dataclass(slots=True)
class Allowance:
    """How many labels an hour may be asked for; follows the feed's pace over about the last hour.

    The pace is that of the log's own times, so a backlog that is caught up with is no rush. What a quiet time left
    unspent is spent over about an hour once there is something to ask about, up to a bound; what was overspent is
    saved again, up to an hour's worth. From the past alone: the share that a batch is decided by does not depend on
    the batch.

    Args:
        labels_per_hour: what is wanted; None keeps to a fixed share.
        carry_over: hours whose labels may be carried over at most.
        half_life: seconds after which an arrival counts half.

    """

    labels_per_hour: float | None
    carry_over: float = 1.0
    half_life: float = HOUR
    _arrivals: float = 0.0
    _seconds: float = 0.0
    _left: float = 0.0  # hours' worth of labels; below 0 where too many were asked for
    _last: float | None = None

    def arrivals_per_hour(self) -> float | None:
        """The feed's pace; None until enough of it was seen."""
        return HOUR * self._arrivals / self._seconds if self._seconds >= LEAST_SECONDS else None

    def share(self, otherwise: float, floor: float) -> float:
        """The share of arrivals to ask about, in [floor, 1]; `otherwise` while the pace is unknown."""
        pace = self.arrivals_per_hour()
        if self.labels_per_hour is None or not pace:
            return otherwise
        return min(1.0, max(floor, self.labels_per_hour * (1.0 + self._left) / pace))

    def seen(self, tally: Tally) -> None:
        """Take in the arrivals of one batch. A log whose clock goes back counts as one that stood still.

        Labels are counted as expected from the chances: what the coins made of them says nothing of the next.
        """
        newest = tally.at if tally.newest is None else tally.newest
        spent = tally.chance if tally.spent is None else tally.spent
        if self._last is not None:
            passed = max(0.0, newest - self._last)
            kept = 0.5 ** (passed / self.half_life)
            # The time seen is weighed as the arrivals in it are; 1.4427 is one over the logarithm of two.
            self._seconds = self._seconds * kept + 1.4426950408889634 * self.half_life * (1.0 - kept)
            self._arrivals = self._arrivals * kept + tally.n
            self._left = min(self.carry_over, self._left + passed / HOUR)
        if self.labels_per_hour is not None:
            self._left = max(-MOST_OVERSPENT, self._left - spent / self.labels_per_hour)
        if self._last is None or newest > self._last:
            self._last = newest
