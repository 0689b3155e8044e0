"""The Prometheus series of the service: every name, type, unit and label, in one table."""

from typing import Final, Literal, NamedTuple

from models.arrivals import Ignored
from models.joining import Outcome
from models.messages import Reason
from service.stopping import Cause

Kind = Literal["counter", "gauge", "histogram"]

STAGES: Final = {
    "score": ("decode", "featurise", "classify", "watch", "decide", "encode", "publish"),
    "learn": ("decode", "join", "update", "rivals", "publish"),
}
READ: Final = ("products", "queries", "labels", "tallies")
STATES: Final = ("open", "answered", "skipped", "expired", "withdrawn")
IGNORED: Final = ("unknown_output", "not_asked")
TROUBLES: Final = ("unavailable", "refused", "delivery_failed")
SIGNALS: Final = ("score", "unknown", "disagreement", "look", "audit")  # watched for drift
EMBEDDED: Final = ("cache", "encoder")
OTHER: Final = "other"
BOUNDS: Final = ("estimate", "lower", "upper")
QUALITY: Final = {
    "precision": "Share of those decided positive that are, with bounds that hold at 95 % at all times",
    "recall": "Share of the positives that are decided so, with bounds as for precision",
    "f1": "Harmonic mean of precision and recall, with bounds as for precision",
    "prevalence": "Share of arrivals that are positive, with bounds as for precision",
}

SIZES: Final = tuple(float(4**power) for power in range(8))
DURATIONS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
DELAYS: Final = (1, 5, 15, 60, 300, 900, 3_600, 14_400, 43_200, 86_400, 172_800, 604_800)
CHANCES: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)


class Series(NamedTuple):
    """One series. `values` are the label values it starts with, at 0; `bounds` are a histogram's upper bounds."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    values: tuple[tuple[str, ...], ...] = ()
    bounds: tuple[float, ...] = ()


def _each(names: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple((name,) for name in names)


_STEPS: Final = _each(tuple(STAGES))
_STEP_STAGES: Final = tuple((step, stage) for step, stages in STAGES.items() for stage in (*stages, OTHER))
_REJECTIONS: Final = tuple((topic, reason.value) for topic in (*READ, OTHER) for reason in Reason)
_STARTED: Final = ((),)

SERIES: Final = (
    Series("askance_build_info", "gauge", "1, labelled with the release that runs", ("version",)),
    Series("askance_arrivals_total", "counter", "Products scored", (), _STARTED),
    Series("askance_rejected_records_total", "counter", "Records turned away", ("topic", "reason"), _REJECTIONS),
    Series("askance_batch_records", "histogram", "Records in a batch", ("step",), _STEPS, SIZES),
    Series("askance_batch_duration_seconds", "histogram", "Time for a batch", ("step",), _STEPS, DURATIONS),
    Series(
        "askance_stage_duration_seconds",
        "histogram",
        "Time for one stage of a batch",
        ("step", "stage"),
        _STEP_STAGES,
        DURATIONS,
    ),
    Series("askance_chance_ratio", "histogram", "Chance of asking, one per arrival", (), _STARTED, CHANCES),
    Series("askance_asked_total", "counter", "Arrivals asked about", (), _STARTED),
    Series(
        "askance_embeddings_total",
        "counter",
        "Embeddings of texts, by where each came from",
        ("source",),
        _each(EMBEDDED),
    ),
    Series("askance_positives_total", "counter", "Arrivals decided positive", ("output",)),
    Series("askance_budget_target_ratio", "gauge", "Share of arrivals that is to be asked about", (), _STARTED),
    Series("askance_budget_actual_ratio", "gauge", "Share of about the last 10,000 arrivals asked about", (), _STARTED),
    Series("askance_budget_scale", "gauge", "Factor that steers the chances to the budget", (), _STARTED),
    Series("askance_queries_read_total", "counter", "Queries entered in the ledger", (), _STARTED),
    Series("askance_queries_issued", "gauge", "Queries in the ledger; equals the sum of askance_queries", (), _STARTED),
    Series("askance_queries", "gauge", "Queries in the ledger by state", ("state",), _each(STATES)),
    Series(
        "askance_labels_total",
        "counter",
        "Labels read, by what became of them",
        ("outcome",),
        _each(tuple(outcome.value for outcome in Outcome)),
    ),
    Series(
        "askance_ignored_answers_total",
        "counter",
        "Answers left aside inside good labels",
        ("reason",),
        _each((*IGNORED, OTHER)),
    ),
    Series("askance_label_delay_seconds", "histogram", "Time from asking to the label", (), _STARTED, DELAYS),
    Series("askance_lessons_total", "counter", "Answered queries the model learnt from", (), _STARTED),
    Series("askance_updates_total", "counter", "Batches of lessons applied to the model", (), _STARTED),
    Series("askance_optimiser_steps_total", "counter", "Optimiser steps taken", (), _STARTED),
    Series("askance_model_version", "gauge", "Version of the model that serves", (), _STARTED),
    Series("askance_model_timestamp_seconds", "gauge", "Unix time at which that model was made", (), _STARTED),
    Series("askance_snapshots_shipped_total", "counter", "Shipments of the model, or of a word about it", (), _STARTED),
    Series("askance_snapshot_bytes_total", "counter", "Bytes of those shipments", (), _STARTED),
    Series("askance_snapshots_taken_total", "counter", "Shipments that this scorer took in", (), _STARTED),
    Series(
        "askance_snapshot_parts_ignored_total",
        "counter",
        "Parts of shipments that this scorer could not use, by reason",
        ("reason",),
        _each(tuple(Ignored)),
    ),
    Series("askance_learner_version", "gauge", "Version of the model that learns", (), _STARTED),
    Series("askance_checkpoint_duration_seconds", "histogram", "Time to write a checkpoint", (), _STARTED, DURATIONS),
    Series("askance_checkpoint_timestamp_seconds", "gauge", "Unix time of the newest good checkpoint", (), _STARTED),
    Series("askance_checkpoint_batch", "gauge", "Last batch of lessons the newest checkpoint holds", (), _STARTED),
    Series("askance_checkpoint_failures_total", "counter", "Checkpoints that could not be written", (), _STARTED),
    *(
        Series(f"askance_quality_{figure}_ratio", "gauge", text, ("output", "bound"))
        for figure, text in QUALITY.items()
    ),
    Series("askance_answered_ratio", "gauge", "Share answered of what was asked, in the newest epoch", ("output",)),
    Series("askance_evaluation_epoch", "gauge", "Number of the newest epoch of evaluation", (), _STARTED),
    Series("askance_evaluated_arrivals", "gauge", "Arrivals evaluated in the newest epoch", (), _STARTED),
    Series("askance_unevaluated_arrivals", "gauge", "Arrivals that wait for answers to be evaluated", (), _STARTED),
    Series("askance_finished_outputs", "gauge", "Outputs finished, by cause", ("cause",), _each(tuple(Cause))),
    Series("askance_promoted_models", "gauge", "Models promoted one upon the other, not rolled back", (), _STARTED),
    Series("askance_candidate_running", "gauge", "1 while a candidate is tried", (), _STARTED),
    Series("askance_candidate_answers", "gauge", "Answers the newest candidate was compared on", (), _STARTED),
    Series(
        "askance_candidate_loss_difference",
        "gauge",
        "Loss of the newest candidate minus that of the model that serves, per product, with bounds at 95 %",
        ("bound",),
        _each(BOUNDS),
    ),
    Series(
        "askance_savings_labels_ratio",
        "gauge",
        "Labels that asking at random takes for one, with bounds at 95 %; NaN while not known",
        ("bound",),
        _each(BOUNDS),
    ),
    Series(
        "askance_drift_detected_total",
        "counter",
        "Drifts found, by the signal that changed first",
        ("signal",),
        _each(SIGNALS),
    ),
    Series("askance_drift_reacting", "gauge", "1 while more is asked because of drift", (), _STARTED),
    Series("askance_consumer_lag_records", "gauge", "Records not yet read", ("topic", "partition")),
    Series("askance_log_failures_total", "counter", "Troubles with the log", ("kind",), _each(TROUBLES)),
)
