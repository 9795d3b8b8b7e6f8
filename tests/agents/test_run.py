"""The try-out of everything at once: what it tells of its sources and threads."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from agents.app import Worker
from agents.follower import Stats
from agents.listen import Status
from agents.run import Playing, Watch
from agents.settings import Settings
from streams.levels import Level
from streams.thread import Thread
from tests.threads import thread_of

HOUR_MS = 3_600_000


def test_a_source_that_does_not_read_is_told_with_the_reason_and_made_harmless() -> None:
    """An empty view is no riddle: it says which source waits, and why; one that reads says nothing."""
    waiting = Status("waiting", "sky.example can't be reached\x1b[2J")
    playing = Playing(0, sources={"sky": waiting, "news": Status("reading")})
    assert playing.troubles == ["Source sky is waiting: sky.example can't be reached\\x1b[2J"]
    waiting.state, waiting.why = "reading", ""
    assert playing.troubles == []


def test_a_raised_thread_that_rests_stays_on_the_board_for_half_a_day() -> None:
    """A worker packs away what did not move lately; at the end of the day its storms are still seen."""
    storm = thread_of(
        "acme", "x", HOUR_MS, HOUR_MS, 2 * HOUR_MS, mentions=30, mentions_24h=30, level=Level.PAGE
    )
    moving: list[tuple[str, Thread]] = [("t1", storm)]
    part = SimpleNamespace(watermark_ms=2 * HOUR_MS)
    follower = SimpleNamespace(stats=Stats(), partitions={0: part}, threads=lambda: list(moving))
    worker: Any = SimpleNamespace(
        follower=follower,
        settings=Settings.model_construct(),
        storm_size=lambda brand, learned: 100,
        progress=SimpleNamespace(lag=dict),
    )
    watch = Watch(cast(Worker, worker), Playing(0), 1.0)
    assert [row.thread_id for row in watch.board().rows] == ["t1"]
    moving.clear()
    part.watermark_ms = 13 * HOUR_MS
    assert [row.thread_id for row in watch.board().rows] == ["t1"]
    part.watermark_ms = 14 * HOUR_MS
    assert watch.board().rows == []
