"""Chunks are what one fetch brought, whole and in order; what is committed is what the state covers.

Faust's own consumer is used, not started: its bookkeeping of acks, gaps and partitions is what is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from aiokafka.consumer.fetcher import FetchError, FetchResult, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import ConsumerRecord
from faust.transport.consumer import ThreadDelegateConsumer
from faust.types import TP, ConsumerMessage
from yarl import URL

from agents.transport import Chunk, Consumer, RawSchema, _Fetched, transport
from tests.agents.mentions import mention

MENTIONS = TP("mentions", 0)
OTHER = TP("mentions", 1)
CHANGELOG = TP("changelog", 0)

Fetched = dict[TP, list[ConsumerRecord]]


class Bench:
    """A consumer, what it will fetch, what is durable, and what it was asked for."""

    def __init__(self, consumer: Consumer, durable: dict[int, int]) -> None:
        self.consumer = consumer
        self.durable = durable
        self.fetched: Fetched = {}
        self.waited = 0

    async def chunk(self, tp: TP, offsets: range) -> ConsumerMessage:
        """One fetch of one partition, as the message that an agent would get."""
        self.fetched = {tp: [mention(offset, "t", partition=tp.partition) for offset in offsets]}
        (record,) = (await self.consumer._getmany({tp}, 1.0))[tp]
        return self.consumer._to_message(tp, record)


async def nothing(*_: Any) -> None:
    return


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Bench], Any]], Any]:
    """Calls an async function with a bench."""

    async def with_bench(function: Callable[[Bench], Any]) -> Any:
        app = faust.App("test", store="memory://")
        app.finalize()
        durable: dict[int, int] = {}

        async def before_wait() -> None:
            bench.waited += 1

        def durable_upto(tp: TP) -> int | None:
            return durable.get(tp.partition)

        kafka = transport(frozenset({"mentions"}), before_wait, durable_upto, idempotent=True)
        consumer: Any = kafka([URL("kafka://nowhere")], app).create_consumer(
            callback=nothing, on_partitions_revoked=nothing, on_partitions_assigned=nothing
        )
        app.topics._acking_topics.add("mentions")  # type: ignore[attr-defined]
        bench = Bench(consumer, durable)

        async def fetch(self: Any, active: set[TP] | None, timeout: float) -> Fetched:  # noqa: ASYNC109
            await asyncio.sleep(0)
            return {tp: rows for tp, rows in bench.fetched.items() if not active or tp in active}

        monkeypatch.setattr(ThreadDelegateConsumer, "_getmany", fetch)
        try:
            return await function(bench)
        finally:
            consumer._thread.thread_loop.close()

    return lambda function: asyncio.run(with_bench(function))


Run = Callable[[Callable[[Bench], Any]], Any]


def test_a_chunk_is_a_message_at_the_offset_of_its_last_record(run: Run) -> None:
    async def look(bench: Bench) -> None:
        message = await bench.chunk(OTHER, range(5, 9))
        assert (message.topic, message.partition, message.offset, message.tp) == ("mentions", 1, 8, OTHER)
        value: Any = RawSchema().loads_value(None, message)
        assert isinstance(value, Chunk)
        assert (value.partition, [record.offset for record in value.records]) == (1, [5, 6, 7, 8])

    run(look)


def test_other_topics_come_record_by_record_and_no_records_are_no_chunk(run: Run) -> None:
    async def look(bench: Bench) -> None:
        one = ConsumerRecord("changelog", 0, 3, 0, 0, b"k", b"v", None, 0, 0, ())
        bench.fetched = {CHANGELOG: [one], MENTIONS: []}
        assert await bench.consumer._getmany(None, 1.0) == {CHANGELOG: [one]}
        message = bench.consumer._to_message(CHANGELOG, one)
        assert (message.key, message.value, message.offset) == (b"k", b"v", 3)

    run(look)


def test_records_of_a_chunk_come_as_they_were_read() -> None:
    """None is made into a `ConsumerRecord`; those of other topics are, and errors pass as they are."""
    batch = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1024)
    for offset in range(3):
        batch.append(offset, 7, b"k", b"v%d" % offset, [])
    data = bytes(batch.build())
    state = SimpleNamespace(paused=False, position=0, consumed_to=lambda offset: None)
    assignment = SimpleNamespace(active=True, state_value=lambda tp: state)
    fetched = _Fetched(frozenset({"mentions"}), {})
    for tp in (MENTIONS, CHANGELOG):
        records = PartitionRecords(tp, MemoryRecords(data), [], 0, None, None, True, 0)
        fetched[tp] = FetchResult(tp, assignment=assignment, partition_records=records, backoff=0)
    assert [type(one) for one in fetched[CHANGELOG].getall()] == [ConsumerRecord] * 3
    found = fetched[MENTIONS].getall()
    assert [(one.offset, one.key, one.value, one.timestamp) for one in found] == [
        (offset, b"k", b"v%d" % offset, 7) for offset in range(3)
    ]
    assert not any(isinstance(one, ConsumerRecord) for one in found)
    fetched[OTHER] = error = FetchError(error=ValueError(), backoff=0)
    assert fetched[OTHER] is error


@pytest.mark.parametrize("most", [None, 1, 2, 4, 5, 6, 9])
@pytest.mark.parametrize("state", ["fine", "paused", "elsewhere", "not ours"])
def test_chunks_are_read_as_the_library_reads(most: int | None, state: str) -> None:
    """In the same portions, with the same positions: two batches, begun amid the first; none if it moved."""
    data = b""
    for offsets in (range(3), range(3, 7)):
        batch = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1024)
        for number, offset in enumerate(offsets):
            batch.append(number, 7, b"k", b"v%d" % offset, [])
        one = bytearray(batch.build())
        one[:8] = offsets[0].to_bytes(8, "big")  # the checksum does not cover it
        data += one
    told = []
    for tp in (MENTIONS, CHANGELOG):
        at = SimpleNamespace(paused=state == "paused", position=9 if state == "elsewhere" else 2)
        at.consumed_to = partial(setattr, at, "position")
        assignment = SimpleNamespace(active=state != "not ours", state_value=lambda tp, at=at: at)
        records = PartitionRecords(tp, MemoryRecords(data), [], 2, None, None, True, 0)
        fetched = _Fetched(frozenset({"mentions"}), {})
        result = fetched[tp] = FetchResult(tp, assignment=assignment, partition_records=records, backoff=0)
        seen: list[Any] = []
        while result.has_more():  # one that is spent is never asked again
            seen.append(([one.offset for one in result.getall(most)], at.position, result.has_more()))
        told.append(seen)
    assert told[0] == told[1]
    assert bool(told[0][0][0]) is (state == "fine")


def test_each_chunk_says_up_to_where_was_read_before_it(run: Run) -> None:
    """So that one that is never delivered is missed. A rebalance begins anew; so does a seek to a commit."""

    async def look(bench: Bench) -> None:
        async def since(offsets: range) -> int:
            value: Any = (await bench.chunk(MENTIONS, offsets)).value
            return int(value.since)

        assert await since(range(3)) == -1
        assert await since(range(7, 9)) == 2
        assert await since(range(9, 10)) == 8
        committed: dict[TP, int | None] = {MENTIONS: 4}

        async def seek_to_committed() -> Any:
            return committed

        bench.consumer.seek_to_committed = seek_to_committed  # type: ignore[method-assign]
        await bench.consumer.perform_seek()
        assert await since(range(4, 6)) == 3
        await bench.consumer.on_partitions_assigned({MENTIONS})
        assert await since(range(20, 30)) == -1
        committed[MENTIONS] = None  # nothing committed: aiokafka stays where it is
        bench.consumer._committed_offset.clear()
        await bench.consumer.perform_seek()
        assert await since(range(30, 40)) == 29

    run(look)


def test_a_fetch_that_waits_keeps_to_the_partitions_it_was_begun_for(run: Run) -> None:
    """Faust empties the set that it gave when it pauses them, and an empty set means all partitions."""

    async def look(bench: Bench) -> None:
        bench.fetched = {MENTIONS: [mention(0, "t")]}
        active = {CHANGELOG}
        waiting = asyncio.ensure_future(bench.consumer._getmany(active, 1.0))
        await asyncio.sleep(0)
        active.clear()
        assert await waiting == {}

    run(look)


def test_mentions_are_opened_when_the_flow_resumes_and_not_before(run: Run) -> None:
    """Between the two Faust empties its queues: what was fetched in between would be lost."""

    async def look(bench: Bench) -> None:
        consumer = bench.consumer
        consumer._set_active_tps({MENTIONS, OTHER, CHANGELOG})
        consumer.pause_partitions({MENTIONS, OTHER, CHANGELOG})
        consumer.resume_partitions({MENTIONS, OTHER, CHANGELOG})
        assert consumer._get_active_partitions() == {CHANGELOG}
        consumer.pause_partitions({OTHER})
        consumer.resume_flow()
        assert consumer._get_active_partitions() == {MENTIONS, CHANGELOG}

    run(look)


def test_what_is_committed_is_what_the_state_covers(run: Run) -> None:
    """Not what was acked: Faust acks what it skips in a rebalance, and fills gaps with what was read."""

    async def look(bench: Bench) -> None:
        consumer = bench.consumer
        chunks: list[ConsumerMessage] = []
        for offsets in (range(10), range(10, 25), range(25, 40)):
            message = await bench.chunk(MENTIONS, offsets)
            if chunks:
                await consumer._add_gap(MENTIONS, chunks[-1].offset + 1, message.offset)
            chunks.append(message)
        consumer.ack(chunks[0])
        bench.durable[0] = 10
        assert consumer._filter_committable_offsets([MENTIONS]) == {MENTIONS: 10}
        consumer._committed_offset[MENTIONS] = 10
        consumer.ack(chunks[1])  # skipped, not followed: the state has not moved
        assert consumer._filter_committable_offsets([MENTIONS]) == {}
        consumer.ack(chunks[2])
        bench.durable[0] = 40
        assert consumer._filter_committable_offsets([MENTIONS]) == {MENTIONS: 40}
        consumer._committed_offset[MENTIONS] = 40
        assert consumer._filter_committable_offsets([MENTIONS]) == {}
        assert list(consumer._gap[MENTIONS]) == []
        assert consumer._acked[MENTIONS] == []

    run(look)


def test_a_first_chunk_of_one_record_holds_nothing_up(run: Run) -> None:
    """Faust takes the offset 0 for none, and then waits for ever for the records of the next chunk."""

    async def look(bench: Bench) -> None:
        consumer = bench.consumer
        for offsets in (range(1), range(1, 9)):
            consumer.ack(await bench.chunk(MENTIONS, offsets))
            bench.durable[0] = offsets.stop
            assert consumer._filter_committable_offsets([MENTIONS]) == {MENTIONS: offsets.stop}
            consumer._committed_offset[MENTIONS] = offsets.stop

    run(look)


def test_a_partition_that_is_not_ours_is_not_committed(run: Run) -> None:
    async def look(bench: Bench) -> None:
        bench.consumer.ack(await bench.chunk(OTHER, range(5)))
        assert bench.consumer._filter_committable_offsets([OTHER]) == {}

    run(look)


def test_whoever_waits_for_acks_has_the_state_written_first(run: Run) -> None:
    """And again each time it waits on: a chunk may have been in the agent's hands."""

    async def look(bench: Bench) -> None:
        consumer = bench.consumer
        message = await bench.chunk(MENTIONS, range(3))
        consumer._unacked_messages.add(message)

        async def before_wait() -> None:
            bench.waited += 1
            if bench.waited == 3:
                consumer.ack(message)

        consumer.before_wait = before_wait

        commits = 0

        async def commit(*_: Any, **__: Any) -> bool:
            nonlocal commits
            commits += 1
            if commits == 6:
                consumer.ack(message)  # or this would not end
            return True

        consumer.commit = commit  # type: ignore[method-assign]
        await consumer.wait_empty()
        assert bench.waited == 3

    run(look)
