"""Prometheus metrics, fed from the results of the two steps and nothing else."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Final

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector

from models.arrivals import Ignored
from models.messages import Reason
from service.distribution import Distribution
from service.learn import Learnt
from service.report import Bounded, Section
from service.score import Scored
from service.series import BOUNDS, EMBEDDED, OTHER, QUALITY, READ, SERIES, STAGES, STATES, Series
from service.stopping import Cause
from service.trials import Trials

MAX_OUTPUTS: Final = 1_000
MAX_PARTITIONS: Final = 256
WINDOW: Final = 10_000.0  # arrivals over which the share asked about is averaged


class Metrics:
    """The series of one process.

    Every label combination of the table exists from the start, at 0. Safe to feed from one thread and scrape from
    another. Nothing here raises for a value: an unknown output, stage or reason counts as `other`.

    Args:
        registry: where the series are registered; one `Metrics` per registry.
        outputs: the model's outputs, as for `name`.
        version: the release that runs.

    """

    def __init__(self, registry: CollectorRegistry, outputs: Sequence[str] = (), *, version: str) -> None:
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._distributions: dict[str, Distribution] = {}
        ProcessCollector(registry=registry)
        for series in SERIES:
            self._register(series, registry)
        self._counter = {
            (series.name, *values): self._counters[series.name].labels(*values)
            if values
            else self._counters[series.name]
            for series in SERIES
            if series.kind == "counter"
            for values in series.values
        }
        self._other_positives = self._counters["askance_positives_total"].labels(OTHER)
        self._positives: dict[str, Counter] = {}
        self.name(outputs)
        self._gauges["askance_build_info"].labels(version).set(1)
        self._lagging: set[tuple[str, str]] = set()
        self._seen = self._asked = 0.0
        self._embedded = dict.fromkeys(EMBEDDED, 0)
        self._ignored = dict.fromkeys(Ignored, 0)

    def name(self, outputs: Sequence[str]) -> None:
        """Give the model's outputs labels of their own, as long as there are no more than MAX_OUTPUTS."""
        fresh = [output for output in outputs if output not in self._positives]
        for output in fresh[: MAX_OUTPUTS - len(self._positives)]:
            self._positives[output] = self._counters["askance_positives_total"].labels(output)
            self._gauges["askance_answered_ratio"].labels(output).set(math.nan)
            for figure, (bound, value) in product(QUALITY, zip(BOUNDS, (math.nan, 0.0, 1.0), strict=True)):
                self._gauges[f"askance_quality_{figure}_ratio"].labels(output, bound).set(value)

    def _register(self, series: Series, registry: CollectorRegistry) -> None:
        if series.kind == "histogram":
            self._distributions[series.name] = Distribution(series)
            registry.register(self._distributions[series.name])
        elif series.kind == "counter":
            self._counters[series.name] = Counter(series.name, series.help, series.labels, registry=registry)
        else:
            gauge = self._gauges[series.name] = Gauge(series.name, series.help, series.labels, registry=registry)
            for values in filter(None, series.values):
                gauge.labels(*values)

    def _count(self, amount: float, name: str, *values: str) -> None:
        counter = self._counter.get((name, *values)) or self._counter[name, *values[:-1], OTHER]
        counter.inc(amount)

    def scored(self, result: Scored) -> None:
        """Take in one batch of the scoring step."""
        self._rejected(result.rejected)
        self._batch("score", result.arrivals + sum(result.rejected.values()), result.seconds)
        self._count(result.arrivals, "askance_arrivals_total")
        self._count(result.asked, "askance_asked_total")
        self._distributions["askance_chance_ratio"].observe(result.chances)
        for output, count in result.positives.items():
            self._positives.get(output, self._other_positives).inc(count)
        kept = math.exp(-result.arrivals / WINDOW)
        self._seen = self._seen * kept + result.arrivals
        self._asked = self._asked * kept + result.asked
        self._gauges["askance_budget_target_ratio"].set(result.target)
        self._gauges["askance_budget_actual_ratio"].set(self._asked / self._seen if self._seen else 0.0)
        self._gauges["askance_budget_scale"].set(result.scale)
        self._gauges["askance_model_version"].set(result.model)

    def learnt(self, result: Learnt) -> None:
        """Take in one batch of the learning step."""
        self._rejected(result.rejected)
        size = result.queries + sum(result.outcomes.values()) + sum(result.rejected.values())
        self._batch("learn", size, result.seconds)
        self._count(result.queries, "askance_queries_read_total")
        for outcome, count in result.outcomes.items():
            self._count(count, "askance_labels_total", outcome.value)
        for reason, count in result.ignored.items():
            self._count(count, "askance_ignored_answers_total", reason)
        # Clocks of two machines differ: a delay below zero is none.
        self._distributions["askance_label_delay_seconds"].observe(np.maximum(result.delays, 0.0))
        if result.alarm is not None:
            self._count(1, "askance_drift_detected_total", result.alarm.signal)
        self._count(result.lessons, "askance_lessons_total")
        self._count(result.batch is not None, "askance_updates_total")
        self._count(result.steps, "askance_optimiser_steps_total")
        self._gauges["askance_queries_issued"].set(result.states.get("issued", 0))
        for state in STATES:
            self._gauges["askance_queries"].labels(state).set(result.states.get(state, 0))
        self._gauges["askance_learner_version"].set(result.model)

    def embeddings(self, found: int, encoded: int) -> None:
        """Take in how many texts were ever found in the encoder's cache, and how many it encoded."""
        for source, total in (("cache", found), ("encoder", encoded)):
            counter = self._counter["askance_embeddings_total", source]
            counter.inc(max(0.0, total - self._embedded[source]))
            self._embedded[source] = max(self._embedded[source], total)

    def published(self, step: str, seconds: float) -> None:
        """Take in the time one publish of a step's batch took."""
        self._distributions["askance_stage_duration_seconds"].observe(seconds, step, "publish")

    def serving(self, version: int, made_at: float) -> None:
        """Take in which model serves from now on and the unix time at which it was made."""
        self._gauges["askance_model_version"].set(version)
        self._gauges["askance_model_timestamp_seconds"].set(made_at)

    def shipped(self, size: int) -> None:
        """Take in a shipment of so many bytes to scorers."""
        self._count(1, "askance_snapshots_shipped_total")
        self._count(size, "askance_snapshot_bytes_total")

    def taken(self) -> None:
        """Take in that a model, or a word about it, has come from the learner."""
        self._count(1, "askance_snapshots_taken_total")

    def ignored(self, parts: Mapping[Ignored, int]) -> None:
        """Take in how many parts of snapshots were ever ignored, by reason."""
        for reason, total in parts.items():
            self._count(total - self._ignored[reason], "askance_snapshot_parts_ignored_total", reason.value)
            self._ignored[reason] = total

    def evaluated(self, section: Section, waiting: int) -> None:
        """Take in the figures of the newest epoch and how many arrivals wait; outputs without a label are left out."""
        self._gauges["askance_evaluation_epoch"].set(section.epoch)
        self._gauges["askance_evaluated_arrivals"].set(section.arrivals)
        self._gauges["askance_unevaluated_arrivals"].set(waiting)
        for output in section.outputs:
            if output.output not in self._positives:
                continue
            self._gauges["askance_answered_ratio"].labels(output.output).set(_number(output.answered))
            for figure, bound in product(QUALITY, BOUNDS):
                value = getattr(getattr(output, figure), bound)
                self._gauges[f"askance_quality_{figure}_ratio"].labels(output.output, bound).set(_number(value))

    def tried(self, trials: Trials) -> None:
        """Take in what is known of models tried beside the one that serves."""
        candidate, savings = trials.candidate, trials.savings
        self._gauges["askance_promoted_models"].set(trials.promoted)
        self._gauges["askance_candidate_running"].set(candidate is not None and candidate.outcome is None)
        self._gauges["askance_candidate_answers"].set(0 if candidate is None else candidate.answers)
        self._bounded("askance_candidate_loss_difference", None if candidate is None else candidate.difference)
        self._bounded("askance_savings_labels_ratio", None if savings is None else savings.worth)

    def _bounded(self, name: str, figure: Bounded | None) -> None:
        for bound in BOUNDS:
            self._gauges[name].labels(bound).set(_number(None if figure is None else getattr(figure, bound)))

    def finished(self, outputs: Mapping[Cause, int]) -> None:
        """Take in how many outputs are finished, by cause."""
        for cause in Cause:
            self._gauges["askance_finished_outputs"].labels(cause.value).set(outputs.get(cause, 0))

    def reacting(self, *, alert: bool) -> None:
        """Take in whether a reaction to drift is on."""
        self._gauges["askance_drift_reacting"].set(alert)

    def checkpoint(self, *, at: float, seconds: float, batch: int) -> None:
        """Take in a checkpoint that is safely written: when, how long it took, up to which batch it reaches."""
        self._distributions["askance_checkpoint_duration_seconds"].observe(seconds)
        self._gauges["askance_checkpoint_timestamp_seconds"].set(at)
        self._gauges["askance_checkpoint_batch"].set(batch)

    def checkpoint_failed(self) -> None:
        self._count(1, "askance_checkpoint_failures_total")

    def log_failed(self, kind: str) -> None:
        """Take in a trouble with the log: `unavailable`, `refused` or `delivery_failed`."""
        self._count(1, "askance_log_failures_total", kind)

    def lag(self, records: Mapping[tuple[str, int], int]) -> None:
        """Take in the lag of all partitions now assigned; those not named any more disappear."""
        by_label: defaultdict[tuple[str, str], int] = defaultdict(int)
        for (topic, partition), count in records.items():
            by_label[topic, str(partition) if partition < MAX_PARTITIONS else OTHER] += count
        gauge = self._gauges["askance_consumer_lag_records"]
        for labels, count in by_label.items():
            gauge.labels(*labels).set(count)
        for labels in self._lagging - by_label.keys():
            gauge.remove(*labels)
        self._lagging = set(by_label)

    def _batch(self, step: str, size: int, seconds: Mapping[str, float]) -> None:
        if size == 0:
            return
        self._distributions["askance_batch_records"].observe(size, step)
        self._distributions["askance_batch_duration_seconds"].observe(sum(seconds.values()), step)
        for stage, taken in seconds.items():
            known = stage if stage in STAGES[step] else OTHER
            self._distributions["askance_stage_duration_seconds"].observe(taken, step, known)

    def _rejected(self, rejected: Mapping[tuple[str, Reason], int]) -> None:
        for (topic, reason), count in rejected.items():
            known = topic if topic in READ else OTHER
            self._count(count, "askance_rejected_records_total", known, reason.value)


def _number(value: float | None) -> float:
    return math.nan if value is None else value
