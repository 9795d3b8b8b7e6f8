"""Alerts of threads and brands are the same live and replayed, whoever counted what and however fast."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.brand_codec import decode_pulses
from agents.commands.replay import Replay
from agents.settings import Settings
from agents.topics import topics
from agents.usuals import decode_usuals
from streams.alert import encode_alert
from streams.mention import Mention
from streams.pulse import Pulse
from streams.usual import Usual
from tests.integration import flows
from tests.integration.brokers import Broker
from tests.integration.flows import START_MS, Record, wait_for

pytestmark = pytest.mark.integration

_MINUTE_MS = 60_000
_DAY_MIN = 1440
_STORM_MIN = 2 * _DAY_MIN


def _record(at_ms: int, number: int, thread: str, brand: str = "acme", **more: Any) -> tuple[int, Record]:
    mention = {
        "id": f"{brand}-{number}",
        "brand": brand,
        "platform": "test",
        "thread_id": thread,
        "author": {"id": f"a{number}", "followers": number % 50},
        "created_at": at_ms,
        **more,
    }
    return at_ms, (thread.encode(), json.dumps(mention).encode())


def _mentions() -> Iterator[tuple[int, Record]]:
    """Two calm days and an hour's storm, then half of it in one thread; a feed that counts another brand."""
    for number in range(0, _STORM_MIN, 3):
        yield _record(START_MS + number * _MINUTE_MS, number, f"calm-{number}")
    began_ms = START_MS + _STORM_MIN * _MINUTE_MS
    for number in range(720):
        thread = "viral" if number > 300 and number % 2 else f"storm-{number % 60}"
        yield _record(began_ms + number * 5000, 10_000 + number, thread)
    for number in range(_STORM_MIN // 5 + 12):
        count = 200 if number > _STORM_MIN // 5 else 20
        at_ms = START_MS + number * 5 * _MINUTE_MS
        yield _record(at_ms, number, "volume:counted", "counted", kind="volume", count=count, interval_s=300)


def _replayed(settings: Settings, records: list[Record]) -> tuple[list[bytes], set[Usual]]:
    """The alerts, and all snapshots of what was usual for the brand."""
    run, decoder = Replay(settings, brands=True), settings.decoder()
    alerts: list[bytes] = []
    usual: set[Usual] = set()
    for _, value in records:
        mention = decoder.decode(value, flows.NOW_MS)
        assert isinstance(mention, Mention)
        alert = run.follow(mention)
        alerts += [encode_alert(one) for one in (*run.brand_alerts(), *([alert] if alert else []))]
        usual.update(run._usuals.latest.get("acme", ()))
    alerts += map(encode_alert, run.brand_alerts(at_end=True))
    return alerts, usual


def _pieces(records: list[Record]) -> Counter[tuple[int, int]]:
    """How many mentions of the brand each partition holds of each minute."""
    pieces: Counter[tuple[int, int]] = Counter()
    for key, value in records:
        mention = json.loads(value or b"")
        if mention["brand"] == "acme":
            pieces[mention["created_at"] // _MINUTE_MS, flows.partition_of(key)] += 1
    return pieces


def _told_pieces(settings: Settings) -> Counter[tuple[int, int]]:
    """The same as told to the brand: a piece may be told again as it grows, never as less."""
    pieces: Counter[tuple[int, int]] = Counter()
    for one in flows.read(settings, topics(settings).brand_pulse.name):
        for told in decode_pulses(one.value):
            if isinstance(told, Pulse) and told.brand == "acme":
                piece = told.minute, told.source
                assert told.figures.mentions >= pieces[piece]
                pieces[piece] = told.figures.mentions
    return pieces


def test_live_and_replayed_alerts_are_the_same(broker: Broker, prefix: str, tmp_path: Path) -> None:
    """The worker is killed on the way, and the next goes on; partitions are read at any pace.

    The brand's minutes travel in pieces, one for each partition, from both workers: they are merged as if one
    had counted them.
    """
    settings = flows.settings_for(broker, prefix, idle_after_s=3.0)
    records = [record for _, record in sorted(_mentions(), key=lambda one: one[0])]
    want, usual = _replayed(settings, records)
    raised = [json.loads(one) for one in want]
    assert [(one["brand"], one["level"], one["reason"]) for one in raised if one["scope"] == "brand"] == [
        ("acme", "warn", "surge"),
        ("counted", "warn", "surge"),
        ("acme", "page", "surge-with-viral-thread"),
    ]
    newest = max(usual, key=lambda one: one.as_of_ms)
    assert newest.as_of_ms > START_MS + _STORM_MIN * _MINUTE_MS
    pieces = _pieces(records)
    in_storm = Counter(minute for minute, _ in pieces if minute >= START_MS // _MINUTE_MS + _STORM_MIN)
    assert len(in_storm) == 61  # an hour that begins within a minute
    assert min(in_storm.values()) > 1, "no partition alone sees a minute of the surge"

    def alerts() -> list[bytes]:
        return [one.value or b"" for one in flows.read(settings, topics(settings).alerts.name)]

    def snapshots() -> list[Usual]:
        told = [one for one in flows.read(settings, topics(settings).usual.name) if one.key == b"acme"]
        return [snapshot for one in told for snapshot in decode_usuals(one.value or b"")]

    def all_told() -> bool:
        pieces_there = _told_pieces(settings).total() >= pieces.total()
        return pieces_there and len(alerts()) >= len(want) and newest in snapshots()

    flows.produce(settings, records[: len(records) // 2])
    with flows.worker(settings, tmp_path / "first.log") as first:
        first.ready()
        assert wait_for(lambda: flows.all_followed(settings)), first.tail()
        flows.produce(settings, records[len(records) // 2 :], per_s=2000)
        os.kill(first.pid, signal.SIGKILL)
        first.exit_code(within_s=5)
    by_first = _told_pieces(settings).total()
    with flows.worker(settings, tmp_path / "second.log") as second:
        second.ready()
        assert wait_for(lambda: all_told() or second.poll() is not None), second.tail()
        os.kill(second.pid, signal.SIGTERM)
        assert second.exit_code(within_s=10) == 0, second.tail()
    assert sorted(alerts()) == sorted(want)
    assert _told_pieces(settings) == pieces
    assert 0 < by_first < pieces.total(), "both workers counted for the brand"
    # One record for each flush that came upon new snapshots: of days that are read in seconds only some are
    # there. Each holds what was counted in every hour until then, the newest in all of them.
    assert set(snapshots()) <= usual
    assert snapshots()[-1] == newest
