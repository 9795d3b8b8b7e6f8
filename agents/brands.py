"""What the agent of `brand-pulse` does with a chunk, and how what it did becomes durable.

Law of this file: that of `agents.follower`, with brands for threads. Nothing is acked before everything
that follows from it is written: alerts and what is usual first, then the state that says they are out, then
the acks. Each brand carries the offset of the last record that is in it, and what is read again is skipped by
it. An alert that is on the topic already is known by its id, because one mark may raise several; what is
usual may be told again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

from agents.brand_codec import (
    decode_brand,
    decode_habits,
    decode_marks,
    decode_pulses,
    encode_brand,
    encode_habits,
    encode_marks,
)
from agents.codec import CURSOR_KEY, StateError
from agents.follower import Ackable, Origin, Stats
from agents.transport import Chunk, Record
from streams.alert import Alert
from streams.brand import NEVER, Brand, BrandParams, add, advance, due
from streams.pulse import Mark, Watermarks
from streams.usual import Usual

__all__ = ["Brands", "Idle"]

log = logging.getLogger(__name__)

Records = list[tuple[bytes, bytes | None]]


class Output(Protocol):
    """Where results go: Kafka in a worker, a list in a test."""

    async def alert(self, alert: Alert, origin: Origin) -> Awaitable[Any]:
        """Begin to send one alert; the answer is done when the broker has it."""

    async def usual(self, brand: str, latest: tuple[Usual, ...]) -> Awaitable[Any]:
        """Begin to send the latest snapshots of what is usual for a brand."""

    async def changelog(
        self, partition: int, records: Iterable[tuple[bytes, bytes | None]]
    ) -> list[Awaitable[Any]]:
        """Begin to send state of one partition, in order."""


_HABITS = b"\0"  # before a brand, whose name has no such sign


class _Slot:
    """A brand and the offset of the last record that is in it."""

    __slots__ = ("brand", "habits", "offset")

    def __init__(self, offset: int, brand: Brand) -> None:
        self.offset = offset
        self.brand = brand
        self.habits = brand.learning.habits  # as they were last written


class _Partition:
    """All brands of one partition, decoded: they are few, and a mark may concern every one."""

    def __init__(self, number: int, stored: dict[bytes, bytes], sources: int) -> None:
        self.number = number
        self.stored = stored
        self.offset = -1  # of the last record looked at
        self.watermarks = Watermarks(sources)
        if (cursor := stored.get(CURSOR_KEY)) is not None:
            self.offset, minute, marks = decode_marks(cursor)
            self.watermarks = Watermarks(sources, marks, minute)
        self.stored_offset = self.offset
        self.slots = {
            key: self._slot(key, value)
            for key, value in stored.items()
            if key != CURSOR_KEY and not key.startswith(_HABITS)
        }
        self.dirty: dict[bytes, None] = {}
        self.learned: dict[bytes, None] = {}  # brands with a new snapshot that is not told
        self.due = {key: at for key, slot in self.slots.items() if (at := due(slot.brand)) < NEVER}

    def _slot(self, key: bytes, value: bytes) -> _Slot:
        offset, brand = decode_brand(value)
        if (habits := self.stored.get(_HABITS + key)) is not None:
            brand.learning.habits = decode_habits(habits)
        return _Slot(offset, brand)

    def told(self) -> list[tuple[str, tuple[Usual, ...]]]:
        """What is usual for brands, as far as it is new; asked for by the flush that tells it."""
        learned, self.learned = self.learned, {}
        brands = [self.slots[key].brand for key in learned]
        return [(brand.brand, brand.learning.latest) for brand in brands]

    def put(self, key: bytes, slot: _Slot, offset: int) -> None:
        """The brand has changed by the record at `offset`."""
        slot.offset = offset
        self.dirty[key] = None
        if (at := due(slot.brand)) < NEVER:
            self.due[key] = at
        else:
            self.due.pop(key, None)


class Brands:
    """Follows the brands of the partitions it is given. One per worker; not shared between tasks.

    `sources` is the number of partitions of `mentions`: every one of them has a say in the watermark.
    `stats` are the worker's: alerts of brands are counted beside those of threads.
    """

    def __init__(
        self, params: Callable[[str], BrandParams], output: Output, sources: int, stats: Stats
    ) -> None:
        self._params = params
        self._output = output
        self._sources = sources
        self._stats = stats
        self._sends: list[asyncio.Task[list[Awaitable[Any]]]] = []
        self._events: list[Ackable] = []
        self._flushing = asyncio.Lock()
        self._known: set[str] = set()
        self._failed = False
        self.partitions: dict[int, _Partition] = {}
        self.foreign = 0  # records of the topic that no flashover of this version wrote

    def assigned(self, stored: Mapping[int, dict[bytes, bytes]], known: Iterable[str] = ()) -> None:
        """Start over from what is durable; `known` are the ids of alerts that are on the topic already."""
        self.partitions = {
            number: _Partition(number, values, self._sources) for number, values in stored.items()
        }
        self._known = set(known)
        self._sends.clear()
        self._events.clear()

    def revoked(self) -> None:
        """The partitions are no longer ours: what is still to come of them is the new owner's."""
        self.partitions = {}

    def durable(self, partition: int) -> int | None:
        """The offset to commit: before it everything is written. None if the partition is not ours."""
        ours = self.partitions.get(partition)
        return ours.stored_offset + 1 if ours is not None and ours.stored_offset >= 0 else None

    async def take(self, chunk: Chunk, event: Ackable) -> None:
        """Merge all pulses of a chunk; what is due at its marks is judged. Up to the first await one step."""
        partition = self.partitions.get(chunk.partition)
        if partition is None or self._failed:
            return  # fetched before a rebalance took it away; its new owner reads it again
        if chunk.since > partition.offset:
            self._failed = True
            raise RuntimeError(
                f"records {partition.offset + 1} to {chunk.since} of brand-pulse {chunk.partition} "
                "were read, and never delivered"
            )
        try:
            alerts = self._merge(partition, chunk.records)
        except BaseException:
            self._failed = True  # half a chunk is in the state: it must not be written
            raise
        self._events.append(event)
        for alert, _ in alerts:
            self._stats.raised(alert)
        if fresh := [one for one in alerts if one[0].id not in self._known]:
            sending = asyncio.ensure_future(self._send(fresh))
            self._sends.append(sending)
            await asyncio.shield(sending)

    async def _send(self, alerts: list[tuple[Alert, Origin]]) -> list[Awaitable[Any]]:
        return [await self._output.alert(alert, origin) for alert, origin in alerts]

    def _merge(self, partition: _Partition, records: list[Record]) -> list[tuple[Alert, Origin]]:
        alerts: list[tuple[Alert, Origin]] = []
        upto = partition.offset  # read again, after a rebalance or a crash
        for record in records:
            offset = record.offset
            if offset <= upto:
                continue
            try:
                told = decode_pulses(record.value)
            except StateError as error:
                self.foreign += 1
                log.warning("brand-pulse, partition %d, offset %d: %s", partition.number, offset, error)
                continue
            changed = None
            for one in told:
                if isinstance(one, Mark):
                    alerts += self._hear(partition, one, offset)
                    continue
                key = one.brand.encode()
                slot = partition.slots.get(key) or partition.slots.setdefault(
                    key, _Slot(-1, Brand(one.brand))
                )
                if offset > slot.offset and add(slot.brand, one):
                    changed = key, slot
            if changed is not None:  # a record is about one brand
                partition.put(*changed, offset)
        partition.offset = max(upto, records[-1].offset)
        return alerts

    def _hear(self, partition: _Partition, mark: Mark, offset: int) -> list[tuple[Alert, Origin]]:
        """A source has told more: what is due by now."""
        alerts: list[tuple[Alert, Origin]] = []
        minute = partition.watermarks.hear(mark)
        for key in sorted([key for key, at in partition.due.items() if at <= minute]):
            slot = partition.slots[key]
            if offset > slot.offset:
                known = slot.brand.learning.latest
                raised = advance(slot.brand, minute, self._params(slot.brand.brand))
                if slot.brand.learning.latest is not known:
                    partition.learned[key] = None
                partition.put(key, slot, offset)
                alerts += [(alert, (partition.number, offset)) for alert in raised]
        return alerts

    async def flush(self) -> None:
        """Make durable what was taken so far, then ack it. One at a time; a failure is the worker's end."""
        async with self._flushing:
            if self._failed or not self._events:
                return
            sends, self._sends = self._sends, []
            events, self._events = self._events, []
            learned = [latest for partition in self.partitions.values() for latest in partition.told()]
            states = [
                (partition, self._records(partition), partition.offset)
                for partition in self.partitions.values()
                if partition.offset > partition.stored_offset
            ]
            try:
                told = [await self._output.usual(brand, latest) for brand, latest in learned]
                for sent in (told, *await asyncio.gather(*sends)):
                    await asyncio.gather(*sent)
                pending: list[Awaitable[Any]] = []
                for partition, records, _ in states:
                    pending += await self._output.changelog(partition.number, records)
                await asyncio.gather(*pending)
            except BaseException:
                self._failed = True
                raise
            for partition, records, offset in states:
                if self.partitions.get(partition.number) is partition:  # else begun anew meanwhile
                    partition.stored.update({key: value for key, value in records if value is not None})
                    partition.stored_offset = offset
            for event in events:
                event.ack()

    def _records(self, partition: _Partition) -> Records:
        records: Records = []
        for key in partition.dirty:
            slot = partition.slots[key]
            if (habits := slot.brand.learning.habits) is not slot.habits:
                slot.habits = habits
                records.append((_HABITS + key, encode_habits(slot.offset, habits)))  # before its brand
            records.append((key, encode_brand(slot.offset, slot.brand)))
        partition.dirty = {}
        marks = partition.watermarks
        records.append(
            (CURSOR_KEY, encode_marks(partition.offset, marks.minute, marks.marks.values()))
        )  # last: it covers the others
        return records


class Idle:
    """Which sources have nothing left to read, so that nobody need wait for their watermark.

    A source that has stood at the end of its partition for `after_s` seconds of wall clock is idle until
    it reads on. The wall clock is right here: how long to wait for what may not come is no matter of
    event time.
    """

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._since: dict[int, tuple[int, float]] = {}  # position, and since when at the end (s)
        self._told: set[int] = set()

    def note(self, source: int, position: int, end: int | None, now_s: float) -> bool:
        """True once for every time that the source falls idle; `end` None: not known yet."""
        before = self._since.get(source)
        if end is None or position < end or before is None or before[0] != position:
            self._since[source] = (position, now_s)
            self._told.discard(source)
            return False
        if source in self._told or now_s - before[1] < self._after_s:
            return False
        self._told.add(source)
        return True

    def forget(self) -> None:
        """Begin again after a rebalance: it may be another's source now."""
        self._since.clear()
        self._told.clear()
