"""Faust's Kafka transport, but an agent gets one fetched chunk of a partition per event.

Law of this file: only the delivery differs from Faust's own, and what may be committed: exactly what the
state says is durable. Faust's own account of acks is not asked for chunks, because it also acks what it
skips during a rebalance, and fills the gap before a chunk that was read and not yet followed. Rebalance and
recovery stay Faust's, for which a chunk is a message whose offset is that of its last record.

Why: stock Faust spends hundreds of microseconds on every event, whatever the agent does with it; a
chunk spreads that over some thousand records (docs/adr/0001-faust-with-a-chunk-transport.md).
The internals this leans on (`_getmany`, `_to_message`, `_new_offset`, `_add_gap`, `_wait_for_ack`; of
aiokafka's fetcher `_records`, `_consumer_record` and what `_all_of` names) are why both are pinned.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, Protocol, cast

from aiokafka.consumer.fetcher import FetchResult
from faust import Schema
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from agents.watermarks import high_watermarks

__all__ = ["Chunk", "RawSchema", "Record", "transport"]

_FETCH_MAX_WAIT_MS = 50


class Record(Protocol):
    """A record as aiokafka reads it; which topic and partition it is of, its chunk knows."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""

    @property
    def timestamp(self) -> int:
        """When it was made, or appended; ms since the epoch."""

    @property
    def timestamp_type(self) -> int:
        """0 if made, 1 if appended."""

    @property
    def key(self) -> Any:
        """Bytes as sent, or None."""

    @property
    def value(self) -> Any:
        """Bytes as sent, or None."""


class Chunk(NamedTuple):
    """Records of one partition in offset order, never empty."""

    partition: int
    records: list[Record]
    since: int = -1  # offset of the record read before these; what lies between them holds no record
    topic: str = ""


class RawSchema(Schema[Any, Any]):
    """Keys and values pass as they are: decoding belongs to the agent, which can say what was wrong."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:
        """The key's own bytes."""
        return message.key

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        """The value's own bytes, or the chunk."""
        return message.value


class _Fetched(OrderedDict[Any, Any]):
    """The fetcher's results, whose records come as they were read where they go into a chunk.

    To make a `ConsumerRecord` of each, with the same topic and partition in all, costs as much as to find its
    thread.
    """

    def __init__(self, chunked: frozenset[str], fetched: Mapping[Any, Any]) -> None:
        self.chunked = chunked
        super().__init__(fetched)

    def __setitem__(self, tp: Any, result: Any) -> None:
        if tp.topic in self.chunked and isinstance(result, FetchResult):
            result._partition_records._consumer_record = _as_it_is
            result.getall = partial(_all_of, result)
        super().__setitem__(tp, result)


def _as_it_is(tp: Any, record: Record) -> Record:
    return record


def _all_of(result: Any, most: int | None = None) -> list[Record]:
    """`FetchResult.getall`, without three steps of the interpreter for each record."""
    if not result.check_assignment(result._topic_partition) or not result.has_more():
        return []
    found = list(islice(result._partition_records._records_iterator, most))
    result._update_position()
    if most is None or len(found) < most:
        result._partition_records = None
    return found


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    """Asks for the ends of partitions, and for records, in a way that serves on every broker."""

    async def _fetch_records(self, consumer: Any, *args: Any, **kwargs: Any) -> Any:
        fetcher = consumer._fetcher
        if not isinstance(fetcher._records, _Fetched):  # the first fetch of this consumer
            fetcher._records = _Fetched(cast(Consumer, self.consumer).chunked, fetcher._records)
        return await super()._fetch_records(consumer, *args, **kwargs)

    def _create_consumer(self, loop: Any) -> Any:
        """Faust would let a fetch wait for 1.5 s, and the embedded broker waits though records come."""
        consumer = super()._create_consumer(loop)
        consumer._fetch_max_wait_ms = _FETCH_MAX_WAIT_MS
        return consumer

    async def _highwaters(self, partitions: list[TP]) -> Mapping[TP, int]:
        return await high_watermarks(self._ensure_consumer(), partitions)


class Consumer(driver.Consumer):
    """Hands out chunks for the topics in `chunked`, single records (changelogs) for all others."""

    #: names of the topics that are delivered by the chunk
    chunked: frozenset[str] = frozenset()
    #: awaited whenever Faust waits for open acks (rebalance, stop), so that nothing is left to wait for
    before_wait: Callable[[], Awaitable[None]] | None = None
    #: the offset up to which (exclusive) all that follows from a chunked partition is written; None: not ours
    durable: Callable[[TP], int | None] = staticmethod(lambda tp: None)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._to_resume: set[TP] = set()
        self._read_upto: dict[TP, int] = {}  # offset of the last record read, by chunked partition

    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(
        self,
        active_partitions: set[TP] | None,
        timeout: float,  # noqa: ASYNC109 — Faust's signature
    ) -> Mapping[TP, list[Any]]:
        # A copy: Faust hands over its own set, and empties it when it pauses what is in it. While the fetch
        # still waits, no partition then means every partition, and Faust drops what it did not ask for.
        wanted = None if active_partitions is None else set(active_partitions)
        fetched = await super()._getmany(wanted, timeout)
        return {
            tp: [self._chunk(tp, records)] if tp.topic in self.chunked else records
            for tp, records in fetched.items()
            if records
        }

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        if not isinstance(record, Chunk):
            return super()._to_message(tp, record)
        last = record.records[-1]
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000,
            last.timestamp_type,
            None,
            None,
            cast(bytes, record),  # `RawSchema` hands it on as it is
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    def _chunk(self, tp: TP, records: list[Record]) -> Chunk:
        since = self._read_upto.get(tp, -1)
        self._read_upto[tp] = records[-1].offset
        return Chunk(tp.partition, records, since, tp.topic)

    # Faust opens the partitions to its running fetcher, seeks back, and then empties the queues (`resume` of
    # the flow does that): what was fetched in between would be lost. So chunked ones are opened after it.

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Open partitions to the fetcher; the chunked ones once the flow resumes."""
        later = {tp for tp in tps if tp.topic in self.chunked}
        self._to_resume |= later
        super().resume_partitions(set(tps) - later)

    def pause_partitions(self, tps: Iterable[TP]) -> None:
        """Close partitions to the fetcher."""
        self._to_resume.difference_update(tps)
        super().pause_partitions(tps)

    def resume_flow(self) -> None:
        """Let records flow; Faust calls it after it has emptied the queues."""
        opened, self._to_resume = self._to_resume, set()
        super().resume_partitions(opened)
        super().resume_flow()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Begin anew: aiokafka reads every partition from its commit again."""
        self._to_resume.clear()
        self._read_upto.clear()
        await super().on_partitions_assigned(assigned, generation_id)

    async def perform_seek(self) -> None:
        """Seek to the commits; where there is none the position stays, and so what was read up to."""
        await super().perform_seek()
        for tp, offset in self._committed_offset.items():
            if offset and tp in self._read_upto:
                self._read_upto[tp] = offset - 1

    def reached(self, tp: TP, followed: int) -> int:
        """The next offset to follow, given that all before `followed` is.

        It lies beyond that where what was read after it holds no record: the end of a transaction.
        """
        if self._read_upto.get(tp, -1) >= followed:
            return followed  # some of it is still to be delivered
        subscription = self._thread._ensure_consumer()._subscription.subscription
        assignment = subscription and subscription.assignment
        if assignment is None or tp not in assignment.tps:
            return followed
        state = assignment.state_value(tp)
        return max(followed, state.position) if state.has_valid_position else followed

    def _new_offset(self, tp: TP) -> int | None:
        if tp.topic not in self.chunked:
            return super()._new_offset(tp)
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        return self.durable(tp)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        if tp.topic not in self.chunked:
            await super()._add_gap(tp, offset_from, offset_to)

    async def wait_empty(self) -> None:
        """Let the state be written first: what is open then is acked without waiting."""
        if self.before_wait is not None:
            await self.before_wait()
        await super().wait_empty()

    async def _wait_for_ack(self, timeout: float) -> None:  # noqa: ASYNC109 — Faust's signature
        """A chunk that was in the agent's hands when `wait_empty` began is written now: no one else would."""
        if self.before_wait is not None:
            await self.before_wait()
        if self._unacked_messages:
            await super()._wait_for_ack(timeout)


class Producer(driver.Producer):
    """Faust's producer, idempotent where the broker can: a retried send is stored once, in order."""

    idempotent = True

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": self.idempotent}


def transport(
    chunked: frozenset[str],
    before_wait: Callable[[], Awaitable[None]],
    durable: Callable[[TP], int | None],
    *,
    idempotent: bool,
) -> type[driver.Transport]:
    """The transport for one app: see the class attributes of `Consumer` and `Producer`."""
    attributes = {
        "chunked": chunked,
        "before_wait": staticmethod(before_wait),
        "durable": staticmethod(durable),
    }

    class Transport(driver.Transport):
        pass

    Transport.Consumer = type("Consumer", (Consumer,), attributes)
    Transport.Producer = type("Producer", (Producer,), {"idempotent": idempotent})
    return Transport
