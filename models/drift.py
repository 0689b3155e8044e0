"""Change in a stream of signals: river's ADWIN on each of them, all together with few false alarms."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

WARM: Final = 50  # values that set the scale of a signal
_REACH: Final = 4.0  # standard deviations on either side; beyond, values are cut off
_CLOCK: Final = 4  # values between two looks
_LEAST: Final = 1e-3  # standard deviation taken for granted


def _adwin(delta: float) -> Any:
    """One detector. It brings scipy's statistics along, a second that a start need not wait for."""
    from river.drift import ADWIN  # noqa: PLC0415 - see above

    return ADWIN(delta=delta, clock=_CLOCK)


class Detectors:
    """One detector (Bifet and Gavaldà 2007) for each of several signals.

    ADWIN's bound takes values for granted that lie in [0, 1] and is loose where they use little of it, so the first
    values set a scale by which the others are shifted, stretched and cut off: a fixed function of each value.
    """

    def __init__(self, signals: int, delta: float) -> None:
        """Watch so many signals.

        Args:
            signals: how many.
            delta: chance of a false alarm per look that the detectors are set to, all signals together.

        """
        self._delta = delta / max(1, signals)
        self._first: list[NDArray[np.float64]] = []
        self._signals = signals
        self._detectors: list[Any] = []
        self._centre = self._spread = np.zeros(signals)

    def see(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Take in the next value of each signal (signals,); returns which of them have changed."""
        if self._detectors:
            return self._seen(values)
        self._first.append(values)
        if len(self._first) == WARM:
            first = np.stack(self._first)
            self._centre, self._spread = first.mean(axis=0), np.maximum(first.std(axis=0), _LEAST)
            self._detectors = [_adwin(self._delta) for _ in range(self._signals)]
            for row in self._first:
                self._seen(row)
            self._first.clear()
        return np.zeros(0, np.int64)

    def _seen(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        scaled = np.clip(0.5 + (values - self._centre) / (2.0 * _REACH * self._spread), 0.0, 1.0)
        changed = []
        for place, (detector, value) in enumerate(zip(self._detectors, scaled.tolist(), strict=True)):
            detector.update(value)
            if detector.drift_detected:
                changed.append(place)
        return np.asarray(changed, np.int64)


class Worsening:
    """One detector for mistakes among answers: it alarms when they become more, not when they become fewer."""

    def __init__(self, delta: float) -> None:
        self._detector = _adwin(delta)

    def see(self, *, wrong: bool) -> bool:
        """Take in whether the next decision was wrong; says whether that has become more frequent."""
        before = self._detector.estimation
        self._detector.update(float(wrong))
        return bool(self._detector.drift_detected and self._detector.estimation > before)
