"""Thresholds change while a worker runs, hold after it died, and a second set is counted exactly."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner

from agents.cli import cli
from agents.settings import Settings
from agents.topics import topics
from tests.integration import flows
from tests.integration.brokers import Broker
from tests.integration.flows import START_MS, Process, Record, wait_for

pytestmark = pytest.mark.integration

MENTIONS = 120
NEVER = "min_mentions=100000"


def storm(brand: str, number: int) -> list[Record]:
    """A thread that pages under the default thresholds."""
    thread = f"{brand}-{number}"
    rows: list[Record] = []
    for at in range(MENTIONS):
        mention = {
            "id": f"{thread}-{at}",
            "brand": brand,
            "platform": "test",
            "thread_id": thread,
            "author": {"id": f"a{at}"},
            "created_at": START_MS + number * 3_600_000 + at * 10_000,
        }
        rows.append((thread.encode(), json.dumps(mention).encode()))
    return rows


def command(settings: Settings, *words: str) -> list[Any]:
    result = CliRunner().invoke(cli, ["thresholds", *words, "--json"], obj=settings)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def change(settings: Settings, process: Process | None, *words: str) -> None:
    """Set or unset, and wait until a worker has taken it."""
    taken = process.said().count("agents.thresholds: thresholds of") if process else 0
    command(settings, *words, "--why", "a test", "--who", "tester")
    if process:
        said = lambda: process.said().count("agents.thresholds: thresholds of") > taken  # noqa: E731
        assert wait_for(said), process.tail()


async def send_raw(settings: Settings, key: bytes | None, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=list(settings.brokers)) as producer:
        await producer.send_and_wait(topics(settings).thresholds.name, value, key=key)


def paged(settings: Settings) -> set[str]:
    rows = [json.loads(one.value or b"") for one in flows.read(settings, topics(settings).alerts.name)]
    return {row["thread_id"] for row in rows if row["scope"] == "thread" and row["level"] == "page"}


def test_thresholds_live_and_in_the_shadow(broker: Broker, prefix: str, tmp_path: Path) -> None:
    settings = flows.settings_for(broker, prefix)

    def follow(process: Process, number: int) -> None:
        flows.produce(settings, storm("acme", number) + storm("other", number))
        assert wait_for(lambda: flows.all_followed(settings) or process.poll() is not None), process.tail()

    # What is on the topic before the worker holds from its first mention on.
    change(settings, None, "set", "acme", NEVER)
    flows.produce(settings, storm("acme", 1) + storm("other", 1))
    with flows.worker(settings, tmp_path / "first.log") as first:
        first.ready()
        assert wait_for(lambda: flows.all_followed(settings)), first.tail()
        assert paged(settings) == {"other-1"}

        for key, value in ((b"acme", b"{"), (b"no brand", b"{}"), (b"acme", b'{"thresholds":{"page":7}}')):
            asyncio.run(send_raw(settings, key, value))
        assert wait_for(lambda: first.said().count("thresholds refused") == 3), first.tail()
        follow(first, 2)
        assert paged(settings) == {"other-1", "other-2"}

        change(settings, first, "unset", "acme")
        change(settings, first, "set", "other", NEVER)
        change(settings, first, "set", "acme", NEVER, "--shadow")
        follow(first, 3)
        assert paged(settings) == {"other-1", "other-2", "acme-3"}
        os.kill(first.pid, signal.SIGKILL)
        first.exit_code(within_s=5)
    with flows.worker(settings, tmp_path / "second.log") as second:
        second.ready()
        follow(second, 4)
        assert paged(settings) == {"other-1", "other-2", "acme-3", "acme-4"}
        os.kill(second.pid, signal.SIGTERM)
        assert second.exit_code(within_s=10) == 0, second.tail()
    (counts,) = command(settings, "shadow")
    assert (counts["brand"], counts["both"], counts["only_live"], counts["only_shadow"]) == ("acme", 0, 2, 0)
    assert counts["live"]["page"] == 2
    assert counts["shadow"] == {"watch": 0, "warn": 0, "page": 0}
    assert [(row["brand"], row["who"]) for row in command(settings, "history")] == [
        ("acme", "tester"),
        ("acme", "tester"),
        ("other", "tester"),
        ("acme", "tester"),
    ]
