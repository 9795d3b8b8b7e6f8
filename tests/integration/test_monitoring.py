"""Prometheus scrapes a worker while the recording plays: panels and rules have data, or a reason why not."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from aiokafka import AIOKafkaProducer

from agents.codec import CURSOR_KEY
from agents.commands.replay import Replay
from agents.embedded import free_port
from agents.metrics import METRICS
from agents.recordings import RECORDING
from agents.settings import Settings
from agents.topics import topics
from dashboards.boards import BOARDS
from streams.desk import decode_record
from streams.incident import Incident, Resolve, Take, encode_command
from streams.mention import Mention
from tests.agents.unconnected import lines_of
from tests.integration import brokers, flows
from tests.integration.monitoring import ROOM, Monitoring, monitoring, until
from tests.integration.test_incidents import people
from tests.streams.incidents import command

pytestmark = pytest.mark.integration


def _lines() -> list[flows.Record]:
    """The recording, a record that breaks a rule, and a quiet day later a mention in every partition."""
    recorded = list(lines_of(RECORDING))
    last = json.loads(recorded[-1][1])
    at = datetime.fromisoformat(last["created_at"]) + timedelta(hours=30)
    later = [
        (
            name.encode(),
            json.dumps(
                last | {"id": name, "thread_id": name, "parent_id": None, "created_at": at.isoformat()}
            ),
        )
        for name in (f"later-{number}" for number in range(40))
    ]
    assert {flows.partition_of(key) for key, _ in later} == set(range(flows.PARTITIONS))
    return [*recorded, (b"odd", b"nonsense"), *((key, text.encode()) for key, text in later)]


LINES = _lines()
PER_S = 100  # of the recording's mentions: some fifteen seconds
RECORDING_RULES = (ROOM / "recording.yml").read_text()
RECORDS = dict(re.findall(r"- record: (\S+)\n\s+expr: '(.*)'", RECORDING_RULES))
ALERTS = dict(re.findall(r"- alert: (\w+)\n\s+expr: '(.*)'", (ROOM / "alerting.yml").read_text()))
REASONS = {one.name: one.empty for one in METRICS if one.empty}

#: Of what is counted but was 0, and is divided by: nothing to show, and rightly so.
NOTHING_TO_DIVIDE = {
    "flashover:page_deliveries_late": "until the first page",
}
#: Metrics of other programs, which are not there.
OTHERS = {"node_filesystem_avail_bytes": "needs a node exporter beside the broker"}


class Played(NamedTuple):
    """A worker that has followed the recording, and who watched it."""

    monitoring: Monitoring
    process: flows.Process
    settings: Settings


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    for program in ("prometheus", "prometheus-alertmanager"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (Debian has it)")
    folder = tmp_path_factory.mktemp("monitoring")
    with brokers.started("embedded", folder) as broker:
        settings = flows.settings_for(broker, "watched-", metrics_port=free_port())
        _second_set(settings)
        with (
            monitoring(folder, settings.metrics_port) as watching,
            flows.worker(settings, folder / "worker.log", people(f"{watching.inbox.url}/hook")) as process,
        ):
            process.ready()
            until(lambda: watching.value('up{job="flashover"}'))
            flows.produce(settings, LINES, PER_S)
            assert flows.wait_for(lambda: flows.all_followed(settings)), process.tail()
            _resolved(settings, watching)
            at = time.time()
            until(lambda: (watching.value("min(timestamp(flashover_build_info))") or 0) > at + 2)
            yield Played(watching, process, settings)


def _resolved(settings: Settings, watching: Monitoring) -> None:
    """Somebody takes each incident, and resolves it."""
    until(lambda: watching.value("sum(flashover_incidents)"))
    found = flows.read(settings, topics(settings).incidents.name)
    incidents = {
        one.id: one
        for one in (decode_record(row.value) for row in found if row.value and row.key != CURSOR_KEY)
        if isinstance(one, Incident)
    }
    now_ms = int(time.time() * 1000)
    for kind, more in ((Take, {}), (Resolve, {"resolution": "handled"})):
        asyncio.run(
            _sent(
                settings,
                [
                    command(kind, now_ms, "the duty lead", incident=one.id, brand=one.case.brand, **more)
                    for one in incidents.values()
                ],
            )
        )
    until(lambda: watching.value("sum(flashover_resolutions_total)") == len(incidents))


async def _sent(settings: Settings, commands: list[Any]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=list(settings.brokers)) as producer:
        for one in commands:
            topic = topics(settings).commands.name
            await producer.send_and_wait(topic, encode_command(one), key=one.brand.encode())


def _second_set(settings: Settings) -> None:
    """A second set of thresholds for the recording's brands, so that there is something to compare."""
    for brand in ("murmeltel", "thistledown-air"):
        command = [sys.executable, "-m", "agents.cli", "thresholds", "set", brand, "page=0.6", "--shadow"]
        done = subprocess.run(
            [*command, "--why", "to compare", "--who", "the duty lead"],
            env=flows._environment(settings),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr


def _why_empty(expression: str, watching: Monitoring) -> str | None:
    """Why an expression may have no series: the declared reason of a metric in it that has none now."""
    for record, why in NOTHING_TO_DIVIDE.items():
        if record in expression:
            return why
    for record, inner in RECORDS.items():
        expression = re.sub(re.escape(record) + r"(?![\w:])", f"({inner})", expression)
    for name in re.findall(r"\b(?:flashover|node)_\w+", expression):
        plain = re.sub(r"_(bucket|sum|count)$", "", name)
        reason = REASONS.get(name) or REASONS.get(plain) or OTHERS.get(name)
        if reason and not watching.query(f'count({{__name__="{name}"}})'):
            return reason
    return None


def _check(expressions: dict[str, str], watching: Monitoring) -> None:
    empty = {where: one for where, one in expressions.items() if not watching.query(one)}
    why = {where: _why_empty(one, watching) for where, one in empty.items()}
    print(f"\n{len(expressions) - len(empty)} of {len(expressions)} expressions have data; the others:")
    for where, reason in sorted(why.items()):
        print(f"  {where}: {reason}")
    assert not [where for where, reason in why.items() if reason is None]
    assert len(empty) < len(expressions)


def test_every_panel_has_data_or_a_reason_why_not(played: Played) -> None:
    expressions = {
        f"{board.title} / {panel.title} / {query.legend}": query.expr.replace("$brand", ".*")
        for board in BOARDS
        for row in board.rows
        for panel in row.panels
        for query in panel.queries
    }
    _check(expressions, played.monitoring)


def test_every_annotation_has_been_there_or_has_a_reason_why_not(played: Played) -> None:
    expressions = {
        f"{board.title} / {mark.name}": f"max_over_time(({mark.expr.replace('$brand', '.*')})[10m:1s])"
        for board in BOARDS
        for mark in board.marks
    }
    found = {where: played.monitoring.query(one) for where, one in expressions.items()}
    for where, one in expressions.items():
        assert found[where] or _why_empty(one, played.monitoring), where
    assert all(found[where] for where in found if where.endswith("/ Alerts"))


def test_every_recording_rule_has_data_or_a_reason_why_not(played: Played) -> None:
    _check({record: record for record in RECORDS}, played.monitoring)


def test_every_rule_is_healthy(played: Played) -> None:
    """Prometheus evaluates each without an error; but for the heartbeat none fires."""
    until(
        lambda: all(
            rule["health"] == "ok"
            for group in played.monitoring.ask("rules")["groups"]
            for rule in group["rules"]
        )
    )
    rules = [rule for group in played.monitoring.ask("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in rules} == {*RECORDS, *ALERTS}
    firing = {rule["name"] for rule in rules if rule.get("state") == "firing"}
    assert firing == {"Watchdog"}


def test_the_metrics_agree_with_a_replay(played: Played) -> None:
    """What was counted, and every alert by brand, level and reason: none is missing, none is more."""
    replay, decoder = Replay(Settings.model_construct(), brands=True), flows.decoder()
    now_ms = int(time.time() * 1000)
    raised: Counter[tuple[str, str, str]] = Counter()
    counted = 0
    for key, line in LINES:
        one = decoder.decode_keyed(line, now_ms, key)
        if isinstance(one, Mention) and one.kind != "volume":
            before = replay.duplicates
            alert = replay.follow(one)
            counted += replay.duplicates == before
            told = [*replay.brand_alerts(), *([alert] if alert is not None else [])]
            raised.update((one.brand, one.level, one.reason) for one in told)
    raised.update((one.brand, one.level, one.reason) for one in replay.brand_alerts(at_end=True))
    ask = played.monitoring.value
    assert ask('sum(flashover_records_total{outcome="counted"})') == counted
    assert ask('sum(flashover_records_total{outcome="duplicate"})') == replay.duplicates
    shown = Counter(
        {
            (one["metric"]["brand"], one["metric"]["level"], one["metric"]["reason"]): float(one["value"][1])
            for one in played.monitoring.query("sum by (brand, level, reason) (flashover_alerts_total) > 0")
        }
    )
    assert shown == raised
    pages = {brand for brand, level, reason in raised if (level, reason) == ("page", "viral-forecast")}
    assert pages == {"murmeltel", "thistledown-air"}, "both storms are paged for"
    assert raised["murmeltel", "warn", "canned-reply"], "a text block that raised a level counts as well"


def test_the_heartbeat_and_a_page_reach_their_receivers(played: Played) -> None:
    """Last: it ends the worker."""
    inbox = played.monitoring.inbox
    until(lambda: inbox.got.get("/ops_heartbeat_url"))
    assert "/ops_pages_url" not in inbox.got
    played.process.end()
    until(lambda: inbox.got.get("/ops_pages_url"))
    assert "FlashoverNoWorker" in str(inbox.got["/ops_pages_url"])
    assert "docs/operations.md#flashovernoworker" in str(inbox.got["/ops_pages_url"])
