"""Labels per hour as a share of arrivals: what people can answer, over how fast the feed comes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from models.records import Record

HOUR: Final = 3_600.0
LEAST_SECONDS: Final = 60.0  # of the feed seen before its pace is believed


@dataclass(slots=True)
class Allowance:
    """How many labels an hour may be asked for; follows the feed's pace over about the last hour.

    The pace is that of the log's own times, so a backlog that is caught up with is no rush. From the past alone: the
    share that a batch is decided by does not depend on the batch.

    Args:
        labels_per_hour: what is wanted; None keeps to a fixed share.
        half_life: seconds after which an arrival counts half.

    """

    labels_per_hour: float | None
    half_life: float = HOUR
    _arrivals: float = 0.0
    _seconds: float = 0.0
    _last: float | None = None

    def arrivals_per_hour(self) -> float | None:
        """The feed's pace; None until enough of it was seen."""
        return HOUR * self._arrivals / self._seconds if self._seconds >= LEAST_SECONDS else None

    def share(self, otherwise: float, floor: float) -> float:
        """The share of arrivals to ask about, in [floor, 1]; `otherwise` while the pace is unknown."""
        pace = self.arrivals_per_hour()
        if self.labels_per_hour is None or not pace:
            return otherwise
        return min(1.0, max(floor, self.labels_per_hour / pace))

    def seen(self, records: Sequence[Record]) -> None:
        """Take in the arrivals of one batch. A log whose clock goes back counts as one that stood still."""
        newest = max((record.at for record in records), default=self._last)
        if self._last is not None and newest is not None:
            passed = max(0.0, newest - self._last)
            kept = 0.5 ** (passed / self.half_life)
            # The time seen is weighed as the arrivals in it are; 1.4427 is one over the logarithm of two.
            self._seconds = self._seconds * kept + 1.4426950408889634 * self.half_life * (1.0 - kept)
            self._arrivals = self._arrivals * kept + len(records)
        if newest is not None and (self._last is None or newest > self._last):
            self._last = newest
