"""Alerts fire when they should and are quiet when they should be, by promtool."""

import re

import pytest
import yaml

from shared.monitoring import BUILD_LIMIT, MONITORING

pytestmark = [pytest.mark.slow, pytest.mark.timeout(BUILD_LIMIT + 60)]


TIMELINES = {
    "AskanceLedgerUnbalanced": {
        'askance_queries_issued{job="askance",instance="a"}': "10x20",
        'askance_queries{job="askance",instance="a",state="open"}': "4x20",
        'askance_queries{job="askance",instance="a",state="answered"}': "5x20",
    },
    "AskanceDown": {'up{job="askance",instance="a"}': "0x20"},
    "AskanceStandsStill": {
        'askance_consumer_lag_records{job="askance",instance="a",topic="products",partition="0"}': "9x60",
        'askance_batch_records_count{job="askance",instance="a",step="score"}': "5x60",
    },
    "AskanceTurnsRecordsAway": {
        'askance_rejected_records_total{job="askance",instance="a",topic="products",reason="wrong_shape"}': "0+6x60",
        'askance_batch_records_sum{job="askance",instance="a",step="score"}': "0+100x60",
    },
    "AskanceCheckpointFails": {'askance_checkpoint_failures_total{job="askance",instance="a"}': "0+1x60"},
    "AskanceLearnerAway": {
        'askance_model_timestamp_seconds{job="askance",instance="a"}': "0x20",
        'askance_snapshots_taken_total{job="askance",instance="a"}': "5x20",
    },
}


QUIET = {
    "AskanceLedgerUnbalanced": {
        'askance_queries_issued{job="askance",instance="a"}': "10x20",
        'askance_queries{job="askance",instance="a",state="open"}': "4x20",
        'askance_queries{job="askance",instance="a",state="answered"}': "6x20",
    },
    "AskanceDown": {'up{job="askance",instance="a"}': "1x20"},
    "AskanceStandsStill": {
        'askance_consumer_lag_records{job="askance",instance="a",topic="products",partition="0"}': "9x60",
        'askance_batch_records_count{job="askance",instance="a",step="score"}': "5+1x60",
    },
    "AskanceTurnsRecordsAway": {
        'askance_rejected_records_total{job="askance",instance="a",topic="products",reason="wrong_shape"}': "0+4x60",
        'askance_batch_records_sum{job="askance",instance="a",step="score"}': "0+100x60",
    },
    "AskanceCheckpointFails": {'askance_checkpoint_failures_total{job="askance",instance="a"}': "3x60"},
    "AskanceLearnerAway": {  # `askance run` makes its own models, however seldom
        'askance_model_timestamp_seconds{job="askance",instance="a"}': "0x60",
        'askance_snapshots_taken_total{job="askance",instance="a"}': "0x60",
    },
}


def fires(promtool, folder, alert, series):
    """Whether the alert fires on a timeline of one value a minute, at its last minute."""
    file = folder / "timeline.yaml"
    at = f"{min(int(values.split('x')[1]) for values in series.values())}m"
    timeline = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": at, "alertname": alert, "exp_alerts": []}],
    }
    file.write_text(
        yaml.safe_dump(
            {"rule_files": [str(MONITORING / "alerts.yaml")], "evaluation_interval": "1m", "tests": [timeline]}
        )
    )
    result = promtool("test", "rules", str(file))
    assert result.returncode == 0 or "got:[" in re.sub(r"\s", "", result.stdout + result.stderr), result
    return result.returncode != 0


@pytest.mark.parametrize("alert", TIMELINES)
def test_an_alert_fires_when_it_should(promtool, tmp_path, alert):
    assert fires(promtool, tmp_path, alert, TIMELINES[alert])


@pytest.mark.parametrize("alert", QUIET)
def test_an_alert_is_quiet_when_it_should_be(promtool, tmp_path, alert):
    assert not fires(promtool, tmp_path, alert, QUIET[alert])
