"""What the agent of `mentions` does with a chunk, and how what it did becomes durable.

Law of this file: nothing is acked before everything that follows from it is written, in this order:
alerts and rejects first, then the state that says they are out, then the acks. A crash between any two
of them repeats work whose results are recognised: counted offsets are skipped, alerts that are already
on the topic are not sent again (docs/adr/0003-effectively-once-without-transactions.md).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from aiokafka.structs import ConsumerRecord

from agents.codec import encode_cursor, encode_state, reject_headers
from agents.state import CURSOR_KEY, Partition, Slot
from agents.transport import Chunk
from streams.alert import Alert
from streams.judge import ThreadParams, follow
from streams.mention import Decoder, Rejected
from streams.thread import Thread

__all__ = ["Follower", "Origin", "Output", "Stats"]

_COOL_AFTER_FLUSHES = 3  # a decoded thread takes ten times the memory of a stored one, and 5 us to decode
_LATEST_ALERTS = 200

Headers = list[tuple[str, bytes]]
Origin = tuple[int, int]  # partition and offset of the mention that raised an alert


class Ackable(Protocol):
    """An event of Faust, as far as it matters here."""

    def ack(self) -> bool:
        """Mark the event's offset as done."""


class Output(Protocol):
    """Where results go: Kafka in a worker, a list in a test."""

    async def alert(self, alert: Alert, origin: Origin) -> Awaitable[Any]:
        """Begin to send one alert; the answer is done when the broker has it."""

    async def reject(self, key: bytes | None, value: bytes | None, headers: Headers) -> Awaitable[Any]:
        """Begin to send one reject."""

    async def changelog(
        self, partition: int, records: Iterable[tuple[bytes, bytes | None]]
    ) -> list[Awaitable[Any]]:
        """Begin to send state of one partition, in order."""


class Stats:
    """Counts since the worker started; the live view and the metrics read them."""

    def __init__(self) -> None:
        self.mentions = 0
        self.duplicates = 0
        self.skipped = 0  # read again after a crash or a rebalance, and already counted
        self.volumes = 0
        self.rejects: Counter[str] = Counter()
        self.alerts: Counter[str] = Counter()  # by level
        self.latest: deque[Alert] = deque(maxlen=_LATEST_ALERTS)
        self.flushes = 0
        self.flush_s = 0.0  # duration of the last flush
        self.stored = 0  # states written


class _Writes(NamedTuple):
    """What one flush makes durable."""

    sends: list[Awaitable[Any]]
    states: dict[int, list[tuple[bytes, bytes | None]]]
    events: list[Ackable]
    offsets: dict[int, int]


class Follower:
    """Follows the threads of the partitions it is given. One per worker; not shared between tasks.

    `stored` is the table's own mapping of partition -> key -> state. `now_ms` is the wall clock (injected),
    for nothing but refusing mentions from the future.
    """

    def __init__(
        self,
        decoder: Decoder,
        params: Callable[[str], ThreadParams],
        output: Output,
        now_ms: Callable[[], int] = lambda: int(time.time() * 1000),
    ) -> None:
        self._decode = decoder.decode_keyed
        self._params = params
        self._output = output
        self._now_ms = now_ms
        self._sends: list[Awaitable[Any]] = []
        self._events: list[Ackable] = []
        self._flushing = asyncio.Lock()
        self._known: set[Origin] = set()
        self._period = 0  # flushes asked for, whether there was something to write or not
        self.partitions: dict[int, Partition] = {}
        self.stats = Stats()

    def assigned(self, stored: Mapping[int, dict[bytes, bytes]], known: Iterable[Origin] = ()) -> None:
        """Start over from what is durable: after recovery, before the first chunk.

        `known` are the origins of alerts that are on the topic already: those are not sent twice.
        """
        self.partitions = {number: Partition(number, values) for number, values in stored.items()}
        self._known = set(known)
        self._sends.clear()
        self._events.clear()

    async def take(self, chunk: Chunk, event: Ackable) -> None:
        """Follow all mentions of a chunk. Its event is acked by the flush that makes them durable."""
        partition = self.partitions.get(chunk.partition)
        if partition is None:
            return  # fetched before a rebalance took it away; its new owner reads it again
        alerts, rejects = self._follow(partition, chunk.records)
        self._events.append(event)
        for alert, origin in alerts:
            self.stats.alerts[alert.level] += 1
            self.stats.latest.append(alert)
            if origin not in self._known:
                self._sends.append(await self._output.alert(alert, origin))
        for record, rejected in rejects:
            self.stats.rejects[rejected.reason.value] += 1
            headers = reject_headers(rejected, record.topic, record.partition, record.offset)
            self._sends.append(await self._output.reject(record.key, record.value, headers))
        chunk.records.clear()  # the event waits for the flush; what it brought need not

    def _follow(
        self, partition: Partition, records: list[ConsumerRecord]
    ) -> tuple[list[tuple[Alert, Origin]], list[tuple[ConsumerRecord, Rejected]]]:
        """The hot path: no await, no allocation that is not state."""
        alerts: list[tuple[Alert, Origin]] = []
        rejects: list[tuple[ConsumerRecord, Rejected]] = []
        now_ms = self._now_ms()
        decode, params_of, slot_of = self._decode, self._params, partition.slot
        hot, dirty, period = partition.hot, partition.dirty, self._period
        watermark_ms, stored_offset = partition.watermark_ms, partition.stored_offset
        counted = duplicates = skipped = volumes = 0
        for record in records:
            key = record.key
            mention = decode(record.value, now_ms, key)
            if isinstance(mention, Rejected):
                if record.offset > stored_offset:
                    rejects.append((record, mention))
                continue
            if mention.kind == "volume":
                volumes += 1
                continue
            slot = hot.get(key) or slot_of(key)
            offset = record.offset
            if offset <= slot.offset:
                skipped += 1
                continue
            before = slot.thread
            after, alert = follow(before, mention, params_of(mention.brand))
            slot.offset = offset
            if after is before:
                duplicates += 1
                continue
            slot.thread = after
            slot.touched = period
            dirty[key] = slot
            counted += 1
            if mention.created_ms > watermark_ms:
                watermark_ms = mention.created_ms
            if alert is not None:
                alerts.append((alert, (partition.number, offset)))
        partition.watermark_ms = watermark_ms
        partition.offset = records[-1].offset
        stats = self.stats
        stats.mentions += counted
        stats.duplicates += duplicates
        stats.skipped += skipped
        stats.volumes += volumes
        return alerts, rejects

    async def flush(self) -> None:
        """Make durable what was taken so far, then ack it. One at a time; a failure is the worker's end."""
        async with self._flushing:
            writes = self._writes()
            self._period += 1
            for one in self.partitions.values():
                one.cool(self._period - _COOL_AFTER_FLUSHES)
            if not writes.events:
                return
            began = time.monotonic()
            await asyncio.gather(*writes.sends)
            pending: list[Awaitable[Any]] = []
            for number, states in writes.states.items():
                pending += await self._output.changelog(number, states)
            await asyncio.gather(*pending)
            for number, states in writes.states.items():
                if (partition := self.partitions.get(number)) is not None:
                    self._store(partition, states, writes.offsets[number])
            for event in writes.events:
                event.ack()
            self.stats.flushes += 1
            self.stats.flush_s = time.monotonic() - began

    def _writes(self) -> _Writes:
        """Take everything that waits, at one moment: what comes while it is written belongs to the next."""
        sends, self._sends = self._sends, []
        events, self._events = self._events, []
        states: dict[int, list[tuple[bytes, bytes | None]]] = {}
        offsets: dict[int, int] = {}
        if not events:
            return _Writes(sends, states, events, offsets)
        for number, partition in self.partitions.items():
            if partition.offset <= partition.stored_offset:
                continue
            records: list[tuple[bytes, bytes | None]] = []
            for key, slot in partition.dirty.items():
                thread: Thread | None = slot.thread
                if thread is not None:
                    records.append((key, encode_state(slot.offset, thread)))
                    partition.note_alive(key, thread.last_ms)
            partition.dirty = {}
            records += [(key, None) for key in partition.over()]
            records.append((CURSOR_KEY, encode_cursor(partition.offset, partition.watermark_ms)))
            states[number] = records
            offsets[number] = partition.offset
        return _Writes(sends, states, events, offsets)

    def _store(self, partition: Partition, records: list[tuple[bytes, bytes | None]], offset: int) -> None:
        stored = partition.stored
        for key, value in records:
            if value is None:
                stored.pop(key, None)
            else:
                stored[key] = value
        partition.stored_offset = offset
        self.stats.stored += len(records)

    def threads(self) -> Iterable[tuple[str, Thread]]:
        """The threads that moved lately, for a view: thread id and state."""
        for partition in self.partitions.values():
            for key, slot in partition.hot.items():
                if isinstance(slot, Slot) and slot.thread is not None:
                    yield key.decode("utf-8", "replace"), slot.thread
