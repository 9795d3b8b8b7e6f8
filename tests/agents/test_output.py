"""What is written in batches is written whole, however big a record is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any, cast

import faust
import pytest
from aiokafka.producer.message_accumulator import BatchBuilder

from agents.app import KafkaOutput
from agents.settings import Settings

BATCH_BYTES = 4096
Rows = list[tuple[bytes, bytes | None]]


class Producer:
    """As much of aiokafka's producer as batches need."""

    def __init__(self, batch: type = BatchBuilder) -> None:
        self.sent: list[int] = []  # records of each batch
        self._batch = batch

    def _ensure_producer(self) -> Producer:
        return self

    def create_batch(self) -> Any:
        return self._batch(BATCH_BYTES, 0, is_transactional=False)

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> Awaitable[Any]:
        self.sent.append(batch.record_count())
        written = asyncio.get_running_loop().create_future()
        written.set_result(None)
        return written


class Refusing(BatchBuilder):  # type: ignore[misc]  # aiokafka ships no types
    """A batch that takes nothing."""

    def append(self, **_: Any) -> None:
        return None


class App:
    """As much of a Faust app as the output needs."""

    def __init__(self, producer: Producer) -> None:
        self.producer = producer


def written(producer: Producer, rows: Iterable[tuple[bytes, bytes | None]]) -> None:
    settings = Settings(brokers=("localhost:1",))
    output = KafkaOutput(cast(faust.App, App(producer)), settings, "mentions", "changelog")

    async def write() -> None:
        await asyncio.gather(*await output.changelog(0, rows))

    asyncio.run(write())


def test_a_record_bigger_than_a_batch_goes_alone() -> None:
    """The state of a storm may be bigger than what a batch holds: it is in the changelog all the same."""
    producer = Producer()
    rows: Rows = [(b"a", b"small"), (b"b", b"x" * 3 * BATCH_BYTES), (b"c", b"small"), (b"d", None)]
    written(producer, rows)
    assert producer.sent == [1, 1, 2]


def test_a_record_that_no_batch_takes_ends_the_flush() -> None:
    """Nothing is acked over state that was not written."""
    with pytest.raises(RuntimeError, match="changelog, partition 0"):
        written(Producer(Refusing), [(b"a", b"small")])
