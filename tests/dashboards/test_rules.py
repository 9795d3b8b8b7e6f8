"""Each rule is accepted by Prometheus, fires when it must, and is silent when it must."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
ROOM = ROOT / "dashboards" / "prometheus"
ALERTING = (ROOM / "alerting.yml").read_text()
RECORDING = (ROOM / "recording.yml").read_text()
ALERTS = re.findall(r"- alert: (\w+)", ALERTING)
RECORDS = re.findall(r"- record: (\S+)", RECORDING)


class Case(NamedTuple):
    """Series by minute, and how many series of the alert fire after `minute` minutes."""

    alert: str
    series: dict[str, str]
    minute: int
    firing: int


UP = 'up{job="flashover",instance="a"}'
DISK = '{mountpoint="/var/lib/kafka/data"}'


def flushes(quick: int) -> dict[str, str]:
    """60 flushes a minute, `quick` of them within 0.1 s and the rest within 5 s."""
    return {
        'flashover_flush_seconds_bucket{le="0.1"}': f"0+{quick}x30",
        'flashover_flush_seconds_bucket{le="5.0"}': "0+60x30",
        'flashover_flush_seconds_bucket{le="+Inf"}': "0+60x30",
    }


def records(rejected: int) -> dict[str, str]:
    return {
        'flashover_records_total{outcome="counted"}': "0+100x30",
        'flashover_records_total{outcome="rejected"}': f"0+{rejected}x30",
    }


def deliveries(late: str) -> dict[str, str]:
    """One page in time each minute; `late` ones beside them."""
    return {
        'flashover_page_deliveries_total{outcome="in-time"}': "0+1x400",
        'flashover_page_deliveries_total{outcome="late"}': late,
    }


CASES = [
    Case("Watchdog", {UP: "0x5"}, 1, 1),
    Case("FlashoverNoWorker", {UP: "0x9"}, 5, 1),
    Case("FlashoverNoWorker", {}, 5, 1),
    Case("FlashoverNoWorker", {UP: "1x9"}, 5, 0),
    Case("FlashoverWorkerDown", {UP: "1 1 0x9", 'up{job="flashover",instance="b"}': "1x9"}, 6, 1),
    Case("FlashoverWorkerDown", {UP: "1 1 0 1x9"}, 6, 0),
    Case(
        "FlashoverRestarting",
        {'process_start_time_seconds{job="flashover"}': "1 1 2 2 3 3 4 4 5 5"},
        9,
        1,
    ),
    Case("FlashoverRestarting", {'process_start_time_seconds{job="flashover"}': "1 1 1 2 2 2 2"}, 6, 0),
    Case(
        "FlashoverLagging",
        {
            'flashover_lag_records{topic="mentions",partition="0"}': "15000x9",
            'flashover_lag_records{topic="mentions",partition="1"}': "15000x9",
        },
        5,
        1,
    ),
    Case("FlashoverLagging", {'flashover_lag_records{topic="mentions",partition="0"}': "30000 0x9"}, 5, 0),
    Case(
        "FlashoverPartitionStalled",
        {'flashover_offset_age_seconds{topic="mentions",partition="3"}': "0 30 90"},
        2,
        1,
    ),
    Case(
        "FlashoverPartitionStalled",
        {'flashover_offset_age_seconds{topic="mentions",partition="3"}': "0 30 59"},
        2,
        0,
    ),
    Case("FlashoverRecovering", {"flashover_recovering": "1x20"}, 12, 1),
    Case("FlashoverRecovering", {"flashover_recovering": "1x7 0x20"}, 12, 0),
    Case("FlashoverRebalancing", {"flashover_rebalances_total": "0+1x40"}, 35, 1),
    Case("FlashoverRebalancing", {"flashover_rebalances_total": "0 1 2 3x40"}, 35, 0),
    Case("FlashoverFlushSlow", flushes(6), 20, 1),
    Case("FlashoverFlushSlow", flushes(59), 20, 0),
    Case("FlashoverBrokerErrors", {'flashover_broker_errors_total{level="error"}': "0+1x30"}, 20, 1),
    Case("FlashoverBrokerErrors", {'flashover_broker_errors_total{level="warning"}': "0+9x30"}, 20, 0),
    Case(
        "FlashoverBrokerDiskFull",
        {f"node_filesystem_avail_bytes{DISK}": "10x9", f"node_filesystem_size_bytes{DISK}": "100x9"},
        7,
        1,
    ),
    Case(
        "FlashoverBrokerDiskFull",
        {f"node_filesystem_avail_bytes{DISK}": "20x9", f"node_filesystem_size_bytes{DISK}": "100x9"},
        7,
        0,
    ),
    Case("FlashoverRejects", records(10), 25, 1),
    Case("FlashoverRejects", records(2), 25, 0),
    Case("FlashoverSourceSilent", {"flashover_source_last_success_timestamp_seconds": "0x40"}, 25, 1),
    Case("FlashoverSourceSilent", {"flashover_source_last_success_timestamp_seconds": "0+60x40"}, 25, 0),
    Case(
        "FlashoverThresholdsRefused",
        {'flashover_threshold_changes_total{outcome="refused"}': "0 0 1x9"},
        5,
        1,
    ),
    Case(
        "FlashoverThresholdsRefused",
        {
            'flashover_threshold_changes_total{outcome="refused"}': "0x9",
            'flashover_threshold_changes_total{outcome="taken"}': "0+1x9",
        },
        5,
        0,
    ),
    Case(
        "FlashoverDeliveryFailing",
        {'flashover_deliveries_total{channel="sms",outcome="failed"}': "_ _ 4 4 4"},
        4,
        1,
    ),
    Case(
        "FlashoverDeliveryFailing",
        {'flashover_deliveries_total{channel="sms",outcome="failed"}': "0+1x30"},
        20,
        1,
    ),
    Case(
        "FlashoverDeliveryFailing",
        {
            'flashover_deliveries_total{channel="sms",outcome="failed"}': "1x30",
            'flashover_deliveries_total{channel="sms",outcome="sent"}': "0+5x30",
        },
        20,
        0,
    ),
    Case("FlashoverPagesLateFast", deliveries("0+1x400"), 120, 1),
    Case("FlashoverPagesLateFast", deliveries("0+1x60 60x400"), 80, 0),  # it was late, and is no more
    Case("FlashoverPagesLateSlow", deliveries("0+0.1x400"), 390, 1),
    Case("FlashoverPagesLateSlow", deliveries("0+0.01x400"), 390, 0),
    Case("FlashoverLadderExhausted", {'flashover_ladder_exhausted_total{brand="acme"}': "_ _ 1 1"}, 3, 1),
    Case("FlashoverLadderExhausted", {'flashover_ladder_exhausted_total{brand="acme"}': "1x60"}, 40, 0),
    Case("FlashoverHeartbeatLost", {'flashover_heartbeats_total{outcome="taken"}': "0 1 2 3x20"}, 14, 1),
    Case("FlashoverHeartbeatLost", {'flashover_heartbeats_total{outcome="taken"}': "0+1x20"}, 14, 0),
    Case("FlashoverNobodyOnCall", {'flashover_nobody_to_page_total{brand="acme"}': "0 0 1x9"}, 5, 1),
    Case("FlashoverNobodyOnCall", {'flashover_nobody_to_page_total{brand="acme"}': "1x9"}, 5, 0),
    Case("FlashoverNobodyOnCall", {'flashover_on_call_people{brand="acme"}': "0x9"}, 7, 1),
    Case("FlashoverNobodyOnCall", {'flashover_on_call_people{brand="acme"}': "0x3 1x9"}, 7, 0),
    Case(
        "FlashoverCalendarStale",
        {
            'flashover_calendar_last_success_timestamp_seconds{source="desk",instance="a"}': "0x300",
            'flashover_calendar_last_success_timestamp_seconds{source="desk",instance="b"}': "0+60x300",
        },
        200,
        1,
    ),
    Case(
        "FlashoverCalendarStale",
        {'flashover_calendar_last_success_timestamp_seconds{source="desk"}': "0+60x300"},
        200,
        0,
    ),
]


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    return found


def test_prometheus_accepts_the_rules_and_its_settings(promtool: str) -> None:
    for command in (
        ["check", "rules", ROOM / "recording.yml", ROOM / "alerting.yml"],
        ["check", "config", ROOM / "prometheus.yml"],
    ):
        done = subprocess.run([promtool, *map(str, command)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_alertmanager_accepts_its_settings() -> None:
    if shutil.which("amtool") is None:
        pytest.skip("amtool is not installed (Debian: prometheus-alertmanager)")
    done = subprocess.run(
        ["amtool", "check-config", str(ROOM / "alertmanager.yml")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_case_for_and_one_against(alert: str) -> None:
    """Watchdog alone never is silent: that is its purpose."""
    told = {bool(case.firing) for case in CASES if case.alert == alert}
    assert told == ({True} if alert == "Watchdog" else {True, False})


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}-{bool(case.firing)}")
def test_it_fires_when_it_must(promtool: str, tmp_path: Path, case: Case) -> None:
    expression = f'count(ALERTS{{alertname="{case.alert}",alertstate="firing"}})'
    expected = [{"labels": "{}", "value": case.firing}] if case.firing else []
    asked = {
        "rule_files": [str(ROOM / "recording.yml"), str(ROOM / "alerting.yml")],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": one, "values": numbers} for one, numbers in case.series.items()],
                "promql_expr_test": [
                    {"expr": expression, "eval_time": f"{case.minute}m", "exp_samples": expected}
                ],
            }
        ],
    }
    file = tmp_path / "case.yml"  # JSON is YAML
    file.write_text(json.dumps(asked))
    done = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_what_to_do(alert: str) -> None:
    """Its runbook is a heading of the operations page."""
    assert f"runbook: docs/operations.md#{alert.lower()}\n" in ALERTING
    assert f"\n### {alert}\n" in (ROOT / "docs" / "operations.md").read_text()


def test_every_metric_of_a_rule_is_declared() -> None:
    from agents.metrics import METRICS

    known = {one.name for one in METRICS}
    used = set(re.findall(r"\b(?<!:)flashover_[a-z_0-9]+", ALERTING + re.sub(r"record: .*", "", RECORDING)))
    used -= {name for record in RECORDS for name in record.split(":")}
    known |= {f"{one.name}_bucket" for one in METRICS if one.kind == "histogram"}
    assert used
    assert used <= known
