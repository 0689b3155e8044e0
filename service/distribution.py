"""A Prometheus histogram that takes in a whole batch of values at once."""

import threading
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from service.series import Series


class Distribution(Collector):
    """A classic histogram that takes whole arrays: one pass per batch instead of one per value."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self._bounds = np.asarray(series.bounds, dtype=np.float64)
        self._counts = {labels: np.zeros(len(series.bounds) + 1, dtype=np.int64) for labels in series.values}
        self._sums = dict.fromkeys(series.values, 0.0)
        self._lock = threading.Lock()

    def observe(self, values: ArrayLike, *labels: str) -> None:
        array = np.atleast_1d(np.asarray(values, dtype=np.float64))
        if array.size == 0:
            return
        places = np.searchsorted(self._bounds, array, side="left")
        counts = np.bincount(places, minlength=self._bounds.size + 1)
        with self._lock:
            self._counts[labels] += counts
            self._sums[labels] += float(array.sum())

    def describe(self) -> Iterable[HistogramMetricFamily]:
        return [HistogramMetricFamily(self._series.name, self._series.help, labels=self._series.labels)]

    def collect(self) -> Iterator[HistogramMetricFamily]:
        (family,) = self.describe()
        with self._lock:
            snapshot = [
                (labels, counts.cumsum().tolist(), self._sums[labels]) for labels, counts in self._counts.items()
            ]
        names = [*(f"{float(bound)}" for bound in self._bounds), "+Inf"]
        for labels, cumulative, total in snapshot:
            family.add_metric(labels, list(zip(names, cumulative, strict=True)), total)
        yield family
