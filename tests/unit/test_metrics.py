import math

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from models.joining import Outcome
from models.messages import Reason
from service.drift import Alarm
from service.learn import Learnt
from service.metrics import MAX_OUTPUTS, MAX_PARTITIONS, Metrics
from service.score import Scored
from service.series import SIGNALS, STATES


def scored(**changed):
    values = {
        "outgoing": (),
        "arrivals": 4,
        "asked": 1,
        "rejected": {("products", Reason.WRONG_SHAPE): 2},
        "chances": np.array([0.05, 0.05, 0.3, 1.0]),
        "positives": {"category:shoes": 3},
        "model": 7,
        "policy": "iwal",
        "target": 0.1,
        "scale": 1.5,
        "output_scales": {},
        "seconds": {"decode": 0.001, "classify": 0.01},
    }
    return Scored(**(values | changed))


def learnt(**changed):
    values = {
        "outgoing": (),
        "queries": 3,
        "outcomes": {Outcome.APPLIED: 2, Outcome.UNKNOWN_QUERY: 1},
        "ignored": {"not_asked": 4},
        "rejected": {("labels", Reason.UNDECODABLE): 1},
        "delays": (2.0, 90.0),
        "batch": 5,
        "lessons": 6,
        "steps": 2,
        "evaluated": 0,
        "states": {"issued": 10, "open": 4, "answered": 3, "skipped": 1, "expired": 1, "withdrawn": 1},
        "model": 8,
        "seconds": {"decode": 0.001, "update": 0.2},
    }
    return Learnt(**(values | changed))


def test_a_scored_batch_is_counted(registry, metrics):
    metrics.scored(scored())
    value = registry.get_sample_value

    assert value("askance_arrivals_total") == 4
    assert value("askance_asked_total") == 1
    assert value("askance_rejected_records_total", {"topic": "products", "reason": "wrong_shape"}) == 2
    assert value("askance_batch_records_sum", {"step": "score"}) == 6
    assert value("askance_batch_duration_seconds_sum", {"step": "score"}) == pytest.approx(0.011)
    assert value("askance_stage_duration_seconds_sum", {"step": "score", "stage": "classify"}) == pytest.approx(0.01)
    assert value("askance_positives_total", {"output": "category:shoes"}) == 3
    assert value("askance_positives_total", {"output": "category:bags"}) == 0
    assert value("askance_budget_target_ratio") == 0.1
    assert value("askance_budget_actual_ratio") == 0.25
    assert value("askance_budget_scale") == 1.5
    assert value("askance_model_version") == 7


def test_chances_fall_into_the_bucket_whose_bound_they_reach(registry, metrics):
    metrics.scored(scored())
    below = [
        registry.get_sample_value("askance_chance_ratio_bucket", {"le": le}) for le in ("0.02", "0.05", "0.3", "1.0")
    ]

    assert below == [0, 2, 3, 4]
    assert registry.get_sample_value("askance_chance_ratio_bucket", {"le": "+Inf"}) == 4
    assert registry.get_sample_value("askance_chance_ratio_sum") == pytest.approx(1.4)


def test_a_learnt_batch_is_counted(registry, metrics):
    metrics.learnt(learnt())
    value = registry.get_sample_value

    assert value("askance_labels_total", {"outcome": "applied"}) == 2
    assert value("askance_labels_total", {"outcome": "unknown_query"}) == 1
    assert value("askance_ignored_answers_total", {"reason": "not_asked"}) == 4
    assert value("askance_rejected_records_total", {"topic": "labels", "reason": "undecodable"}) == 1
    assert value("askance_queries_read_total") == 3
    assert value("askance_lessons_total") == 6
    assert value("askance_updates_total") == 1
    assert value("askance_optimiser_steps_total") == 2
    assert value("askance_label_delay_seconds_count") == 2
    assert value("askance_label_delay_seconds_bucket", {"le": "60.0"}) == 1
    assert value("askance_learner_version") == 8


def test_drift_is_counted_by_its_signal(registry, metrics):
    metrics.learnt(learnt(alarm=Alarm(1, "unknown", "drift: unknown", 1e9, 7_000, 12_000)))
    metrics.reacting(alert=True)

    counted = {s: registry.get_sample_value("askance_drift_detected_total", {"signal": s}) for s in SIGNALS}
    assert counted == dict.fromkeys(SIGNALS, 0.0) | {"unknown": 1.0}
    assert registry.get_sample_value("askance_drift_reacting") == 1.0


def test_the_states_of_queries_sum_to_those_issued(registry, metrics):
    metrics.learnt(learnt())
    states = [registry.get_sample_value("askance_queries", {"state": state}) for state in STATES]

    assert sum(states) == registry.get_sample_value("askance_queries_issued")


def test_a_batch_of_nothing_is_not_a_batch(registry, metrics):
    metrics.scored(scored(arrivals=0, asked=0, rejected={}, chances=np.zeros(0), positives={}))
    metrics.learnt(learnt(queries=0, outcomes={}, rejected={}, delays=(), batch=None))

    assert registry.get_sample_value("askance_batch_records_count", {"step": "score"}) == 0
    assert registry.get_sample_value("askance_batch_records_count", {"step": "learn"}) == 0
    assert registry.get_sample_value("askance_updates_total") == 0
    assert registry.get_sample_value("askance_budget_actual_ratio") == 0


def test_a_label_delay_below_zero_is_none(registry, metrics):
    metrics.learnt(learnt(delays=(-5.0, 3.0)))

    assert registry.get_sample_value("askance_label_delay_seconds_sum") == 3


def test_the_share_asked_follows_the_latest_arrivals(registry, metrics):
    for asked in (1_000, 0):
        for _ in range(100):
            metrics.scored(scored(arrivals=1_000, asked=asked))

    assert registry.get_sample_value("askance_budget_actual_ratio") == pytest.approx(math.exp(-10), rel=1e-2)


def test_outputs_beyond_the_bound_share_one_label():
    registry = CollectorRegistry()
    outputs = [f"output:{number}" for number in range(MAX_OUTPUTS + 5)]
    metrics = Metrics(registry, outputs, version="1")
    metrics.scored(scored(positives=dict.fromkeys(outputs, 1)))
    series = [s for f in registry.collect() for s in f.samples if s.name == "askance_positives_total"]

    assert len(series) == MAX_OUTPUTS + 1
    assert registry.get_sample_value("askance_positives_total", {"output": "other"}) == 5


def test_names_nobody_told_of_count_as_other(registry, metrics):
    metrics.scored(scored(seconds={"dream": 1.0}, positives={"category:hats": 2}))
    metrics.learnt(learnt(ignored={"mislaid": 3}, rejected={("dreams", Reason.TOO_LARGE): 4}))

    assert registry.get_sample_value("askance_stage_duration_seconds_sum", {"step": "score", "stage": "other"}) == 1
    assert registry.get_sample_value("askance_positives_total", {"output": "other"}) == 2
    assert registry.get_sample_value("askance_ignored_answers_total", {"reason": "other"}) == 3
    assert registry.get_sample_value("askance_rejected_records_total", {"topic": "other", "reason": "too_large"}) == 4


def test_lag_names_the_partitions_assigned_now(registry, metrics):
    metrics.lag({("products", 0): 5, ("products", 1): 6})
    metrics.lag({("products", 1): 2})

    assert registry.get_sample_value("askance_consumer_lag_records", {"topic": "products", "partition": "0"}) is None
    assert registry.get_sample_value("askance_consumer_lag_records", {"topic": "products", "partition": "1"}) == 2


def test_partitions_beyond_the_bound_share_one_label(registry, metrics):
    metrics.lag({("products", number): 1 for number in range(MAX_PARTITIONS + 9)})
    lags = [s for f in registry.collect() for s in f.samples if s.name == "askance_consumer_lag_records"]

    assert len(lags) == MAX_PARTITIONS + 1
    assert registry.get_sample_value("askance_consumer_lag_records", {"topic": "products", "partition": "other"}) == 9


def test_what_the_loop_reports_is_kept(registry, metrics):
    metrics.published("score", 0.02)
    metrics.serving(9, 1_700_000_000.0)
    metrics.checkpoint(at=1_700_000_001.0, seconds=0.5, batch=12)
    metrics.checkpoint_failed()
    metrics.log_failed("unavailable")
    value = registry.get_sample_value

    assert value("askance_stage_duration_seconds_count", {"step": "score", "stage": "publish"}) == 1
    assert value("askance_model_version") == 9
    assert value("askance_model_timestamp_seconds") == 1_700_000_000.0
    assert value("askance_checkpoint_timestamp_seconds") == 1_700_000_001.0
    assert value("askance_checkpoint_duration_seconds_sum") == 0.5
    assert value("askance_checkpoint_batch") == 12
    assert value("askance_checkpoint_failures_total") == 1
    assert value("askance_log_failures_total", {"kind": "unavailable"}) == 1


@pytest.mark.usefixtures("metrics")
def test_the_process_is_measured(registry):
    assert registry.get_sample_value("process_resident_memory_bytes") > 0


@pytest.mark.usefixtures("metrics")
def test_the_release_is_named(registry):
    assert registry.get_sample_value("askance_build_info", {"version": "1.2.3"}) == 1
