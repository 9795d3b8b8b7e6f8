"""What the agent of `mentions` does with a chunk, and how what it did becomes durable.

Law of this file: nothing is acked before everything that follows from it is written, in this order:
alerts and rejects first, then the state that says they are out, then the acks. A crash between any two
of them repeats work whose results are recognised: counted offsets are skipped, alerts that are already
on the topic are not sent again (docs/adr/0003-effectively-once-without-transactions.md). After a failure
nothing is written or acked any more, and only what a cursor in the changelog covers is ever committed.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from itertools import chain
from math import exp
from typing import Any, NamedTuple, Protocol

from agents.brand_codec import encode_open
from agents.codec import (
    CURSOR_KEY,
    PULSES_KEY,
    SHADOW_KEY,
    encode_cursor,
    encode_tallies,
    reject_headers,
)
from agents.heartbeat import BRAND as HEARTBEAT
from agents.hot_path import Found, follow_chunk, write_down
from agents.metrics import (
    ALERTS,
    FIRST_TO_PAGE,
    FLUSH_TIME,
    REPLY_GROWTH,
    SETTLED,
    SETTLED_PROBABILITY,
    STILL_TO_COME,
)
from agents.partition import Partition
from agents.tallies import Bounds, Tallies
from agents.transport import Chunk, Record
from streams.aftermath import KINDS, Answered, followed_by
from streams.alert import Alert
from streams.as_usual import UNKNOWN, Snapshots
from streams.forecast import Features, Forecast
from streams.incident import Revise
from streams.judge import has_paged
from streams.mention import Decoder, Rejected
from streams.params import AlertReason, ThreadParams
from streams.pulse import Told
from streams.reading import Reader
from streams.revision import obeyed
from streams.shadow import Beside, Tally
from streams.thread import DAY_MS, Thread

__all__ = ["Follower", "Origin", "Output", "Stats"]

_DECODED = 16_000  # threads; from there on they are let go: 1.0 KB each (2.6 interpreted), and 3 us to decode
_LATEST_ALERTS = 200
_BEGUN = 10_000  # brands times reasons; more only begin again at each alert, which changes nothing
_UNSETTLED = 10_000  # alerts whose threads are watched for a day; a memory of this process

LEVELS = ("watch", "warn", "page")

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

    async def revise(self, notice: Revise) -> Awaitable[Any]:
        """Begin to tell incidents that a post was deleted or edited."""

    async def pulses(self, told: Iterable[Told]) -> list[Awaitable[Any]]:
        """Begin to send pulses to their brands, in order, and marks to all of them."""

    async def shadow(self, partition: int, tallies: Mapping[str, Tally]) -> list[Awaitable[Any]]:
        """Begin to tell, by brand, what a second set of thresholds would have done in a partition so far."""

    async def changelog(
        self, partition: int, records: Iterable[tuple[bytes, bytes | None]]
    ) -> list[Awaitable[Any]]:
        """Begin to send state of one partition, in order."""


class Stats:
    """Counts since the worker started; the live view and the metrics read them."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.tallies = Tallies(bounds or Bounds())
        self.gained: dict[str, list[int]] = {}  # by brand: mentions, then `rest_of`, of its threads
        self.follow_s = 0.0  # spent on following mentions
        self.flushed_at_s = 0.0  # wall clock
        self.forecasts: dict[tuple[Features, int], Forecast] = {}  # of the latest scrape
        self.mentions = 0
        self.duplicates = 0
        self.revised = 0  # edits and deletions of what was counted
        self.skipped = 0  # read again after a crash or a rebalance, and already counted
        self.volumes = 0
        self.rejects: Counter[str] = Counter()
        self.alerts: Counter[str] = Counter()  # by level
        self.latest: deque[Alert] = deque(maxlen=_LATEST_ALERTS)
        self.flushes = 0
        self.flush_s = 0.0  # duration of the last flush
        self.stored = 0  # states written
        self._begun: set[tuple[str, str]] = set()  # brands and reasons whose series are there

    def raised(self, alert: Alert) -> None:
        """One more alert, of a thread or a brand."""
        self.alerts[alert.level] += 1
        self.latest.append(alert)
        tallies, brand = self.tallies, alert.brand
        if brand == HEARTBEAT:
            return
        if (brand, alert.reason) not in self._begun:
            self._begin(brand, alert.reason)
        tallies.count(ALERTS, brand, alert.level, alert.reason)

    def took(self, found: Found) -> None:
        """One more chunk was followed."""
        self.mentions += found.counted
        self.duplicates += found.duplicates
        self.revised += found.revised
        self.skipped += found.skipped
        self.volumes += found.volumes
        for _, rejected in found.rejects:
            self.rejects[rejected.reason.value] += 1

    def _begin(self, brand: str, reason: str) -> None:
        """What may well follow is at 0 before it does, so that its first time is seen."""
        if len(self._begun) < _BEGUN:
            self._begun.add((brand, reason))
        tallies = self.tallies
        for level in LEVELS:
            tallies.begin(ALERTS, brand, level, reason)
            tallies.begin(SETTLED_PROBABILITY, level)
            for outcome in ("viral", "small"):
                tallies.begin(SETTLED, level, outcome)
        tallies.begin(FIRST_TO_PAGE, brand)
        tallies.begin(STILL_TO_COME, brand)

    def obey(self, notice: Revise) -> None:
        """A post is gone, or another now: so it is among the latest alerts."""
        for place, alert in enumerate(self.latest):
            if (alert.brand, alert.thread_id) == (notice.brand, notice.thread_id):
                self.latest[place] = obeyed(alert, notice)

    def begin_brand(self, brand: str) -> None:
        """A brand's first thread is about to be written."""
        for level in LEVELS if brand != HEARTBEAT else ():
            self.tallies.begin(ALERTS, brand, level, AlertReason.VIRAL_FORECAST)


class _Raised(NamedTuple):
    """What there is to settle of an alert whose thread's first day is not over."""

    partition: int
    key: bytes
    born_ms: int
    level: str
    paged: bool
    mentions: int
    viral_at: int
    probability: float


class _Reply(NamedTuple):
    """A reply of a brand into a thread whose first day is not over."""

    partition: int
    key: bytes
    answered: Answered


class _Writes(NamedTuple):
    """What one flush makes durable."""

    sends: list[asyncio.Task[list[Awaitable[Any]]]]
    told: list[Told]
    tallies: dict[int, dict[str, Tally]]  # by partition and brand
    states: list[tuple[Partition, list[tuple[bytes, bytes | None]], int]]  # and up to which offset
    events: list[Ackable]


class Follower:
    """Follows the threads of the partitions it is given. One per worker; not shared between tasks.

    `stored` is the table's own mapping of partition -> key -> state. `now_ms` is the wall clock (injected),
    for nothing but refusing mentions from the future. `beside` answers, for each chunk, with the look-up of
    second sets of thresholds by brand, or None while there are none at all. `usuals` are the latest snapshots
    of brands, which somebody else keeps up to date. Without a `reader` no text is looked at.
    """

    def __init__(
        self,
        decoder: Decoder,
        params: Callable[[str], ThreadParams],
        output: Output,
        now_ms: Callable[[], int] = lambda: int(time.time() * 1000),
        beside: Callable[[], Callable[[str], Beside | None] | None] = lambda: None,
        stats: Stats | None = None,
        usuals: Snapshots = UNKNOWN,
        reader: Reader | None = None,
    ) -> None:
        self._reader = reader
        self._decoder = decoder
        self._params = params
        self._output = output
        self._now_ms = now_ms
        self._beside = beside
        self._usuals = usuals
        self._sends: list[asyncio.Task[list[Awaitable[Any]]]] = []
        self._events: list[Ackable] = []
        self._flushing = asyncio.Lock()
        self._known: set[Origin] = set()
        self._failed = False
        self.partitions: dict[int, Partition] = {}
        self.stats = stats or Stats()
        self._unsettled: deque[_Raised] = deque(maxlen=_UNSETTLED)
        self._replies: deque[_Reply] = deque(maxlen=_UNSETTLED)

    def assigned(self, stored: Mapping[int, dict[bytes, bytes]], known: Iterable[Origin] = ()) -> None:
        """Start over from what is durable: after recovery, before the first chunk.

        `known` are the origins of alerts that are on the topic already: those are not sent twice.
        """
        self.partitions = {number: Partition(number, values) for number, values in stored.items()}
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
        """Follow all mentions of a chunk. Its event is acked by the flush that makes them durable.

        Up to the first await all of it is one step: a flush sees the whole chunk or nothing of it.
        """
        partition = self.partitions.get(chunk.partition)
        if partition is None or self._failed:
            return  # fetched before a rebalance took it away; its new owner reads it again
        if chunk.since > partition.offset:
            self._failed = True
            raise RuntimeError(
                f"records {partition.offset + 1} to {chunk.since} of partition {chunk.partition} were read, "
                "and never delivered"
            )
        try:
            began = time.perf_counter()
            found = follow_chunk(
                partition,
                chunk.records,
                self._decoder,
                self._now_ms(),
                self._params,
                self._usuals,
                self._reader,
                self._beside(),
            )
            self.stats.follow_s += time.perf_counter() - began
        except BaseException:
            self._failed = True  # half a chunk is in the state: it must not be written
            raise
        self._events.append(event)
        for notice in found.notices:  # before the alerts: one that quotes what an edit says stays as it is
            self.stats.obey(notice)
        for alert, _ in found.alerts:
            self._note(partition, alert)
        for key, brand, reply in found.replies:
            self._note_reply(partition, key, brand, reply)
        self.stats.took(found)
        origins = [(alert, (partition.number, offset)) for alert, offset in found.alerts]
        alerts = [one for one in origins if one[1] not in self._known]
        if alerts or found.rejects or found.notices:
            sending = asyncio.ensure_future(self._send(chunk, alerts, found.rejects, found.notices))
            self._sends.append(sending)
            await asyncio.shield(sending)  # not faster than the producer takes them

    async def _send(
        self,
        chunk: Chunk,
        alerts: list[tuple[Alert, Origin]],
        rejects: list[tuple[Record, Rejected]],
        notices: list[Revise],
    ) -> list[Awaitable[Any]]:
        sent = [await self._output.alert(alert, origin) for alert, origin in alerts]
        sent += [await self._output.revise(notice) for notice in notices]
        for record, rejected in rejects:
            headers = reject_headers(rejected, chunk.topic, chunk.partition, record.offset)
            sent.append(await self._output.reject(record.key, record.value, headers))
        return sent

    def _note(self, partition: Partition, alert: Alert) -> None:
        self.stats.raised(alert)
        key = (alert.thread_id or "").encode()
        slot = partition.hot.get(key)
        if slot is None or slot.thread is None:
            return
        thread = slot.thread
        if alert.brand == HEARTBEAT:
            return
        paged, seen = has_paged(alert), alert.forecast
        one = _Raised(
            partition.number,
            key,
            thread.born_ms,
            alert.level,
            paged,
            alert.mentions,
            seen.viral_at,
            seen.viral_probability,
        )
        self._unsettled.append(one)
        if paged:
            age_s = (thread.raised_ms - thread.started_ms) / 1000
            self.stats.tallies.observe(FIRST_TO_PAGE, age_s, alert.brand)

    def _note_reply(self, partition: Partition, key: bytes, brand: str, reply: Answered) -> None:
        """Remember a reply, to see a day later what followed it."""
        if brand == HEARTBEAT:
            return
        self._replies.append(_Reply(partition.number, key, reply))
        for kind in KINDS:
            self.stats.tallies.begin(REPLY_GROWTH, brand, kind)

    def settle(self) -> None:
        """Look back at alerts and replies whose threads' first day is over: what became of them."""
        self._settle_replies()
        left: list[_Raised] = []
        for one in self._unsettled:
            partition = self.partitions.get(one.partition)
            if partition is None or not partition.has(one.key):
                continue  # another worker's now, or forgotten
            thread = partition.slot(one.key).thread
            if thread is None or thread.born_ms != one.born_ms:
                continue
            if partition.watermark_ms < thread.started_ms + DAY_MS:
                left.append(one)
                continue
            tallies = self.stats.tallies
            viral = thread.mentions_24h >= one.viral_at
            tallies.count(SETTLED, one.level, "viral" if viral else "small")
            tallies.count(SETTLED_PROBABILITY, one.level, by=one.probability)
            if one.paged and thread.mentions_24h:
                share = 1 - min(1.0, one.mentions / thread.mentions_24h)
                tallies.observe(STILL_TO_COME, share, thread.brand)
        self._unsettled.clear()
        self._unsettled.extend(left)

    def _settle_replies(self) -> None:
        left: list[_Reply] = []
        for one in self._replies:
            partition = self.partitions.get(one.partition)
            if partition is None or not partition.has(one.key):
                continue
            thread = partition.slot(one.key).thread
            if thread is None:
                continue
            if partition.watermark_ms < thread.started_ms + DAY_MS:
                left.append(one)
            elif (effect := followed_by(one.answered, thread)) is not None:
                growth = exp(effect.log_growth)
                self.stats.tallies.observe(REPLY_GROWTH, growth, thread.brand, one.answered.kind)
        self._replies.clear()
        self._replies.extend(left)

    async def flush(self) -> None:
        """Make durable what was taken so far, then ack it. One at a time; a failure is the worker's end.

        After a failure, of this or of `take`, it does nothing: the state then holds what is not written.
        """
        async with self._flushing:
            if self._failed:
                return
            writes = self._writes()
            if not writes.events or sum(len(one.hot) for one in self.partitions.values()) > _DECODED:
                for one in self.partitions.values():
                    one.cool()
            if not writes.events:
                return
            began = time.monotonic()
            try:
                told = await self._output.pulses(writes.told)
                for number, tallies in writes.tallies.items():
                    told += await self._output.shadow(number, tallies)
                for sent in (told, *await asyncio.gather(*writes.sends)):
                    await asyncio.gather(*sent)
                pending: list[Awaitable[Any]] = []
                for partition, records, _ in writes.states:
                    pending += await self._output.changelog(partition.number, records)
                await asyncio.gather(*pending)
            except BaseException:
                self._failed = True
                raise
            for partition, records, offset in writes.states:
                if self.partitions.get(partition.number) is partition:  # else begun anew meanwhile
                    self._store(partition, records, offset)
            for event in writes.events:
                event.ack()
            self.stats.flushes += 1
            self.stats.flush_s = time.monotonic() - began
            self.stats.flushed_at_s = time.time()
            self.stats.tallies.observe(FLUSH_TIME, self.stats.flush_s)

    async def release(self) -> None:
        """In place of a flush: let go of decoded threads that nobody has asked for since the last one."""
        async with self._flushing:  # what it has written is stored now
            for one in self.partitions.values():
                one.release()

    async def rest(self, number: int) -> None:
        """Tell the brands that a partition has nothing left to read: nobody need wait for it."""
        async with self._flushing:
            if (partition := self.partitions.get(number)) is not None and not self._failed:
                await asyncio.gather(*await self._output.pulses(partition.pulses.take(idle=True)))

    def _writes(self) -> _Writes:
        """Take everything that waits, at one moment: what comes while it is written belongs to the next."""
        sends, self._sends = self._sends, []
        events, self._events = self._events, []
        writes = _Writes(sends, [], {}, [], events)
        for partition in self.partitions.values() if events else ():
            if partition.offset <= partition.stored_offset:
                continue
            writes.told.extend(partition.pulses.take())
            records: list[tuple[bytes, bytes | None]] = [
                (PULSES_KEY, encode_open(partition.offset, partition.pulses.open()))
            ]
            if partition.told:
                tallies = partition.tallies
                records.append((SHADOW_KEY, encode_tallies(partition.offset, tallies)))
                writes.tallies[partition.number] = {brand: tallies[brand] for brand in partition.told}
                partition.told = set()
            write_down(partition, records, self.stats.gained, self.stats.begin_brand)
            records += [(key, None) for key in partition.over()]
            records.append((CURSOR_KEY, encode_cursor(partition.offset, partition.watermark_ms)))
            writes.states.append((partition, records, partition.offset))
        return writes

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
            for key, slot in chain(partition.hot.items(), partition.warm.items()):
                if slot.thread is not None:
                    yield key.decode("utf-8", "replace"), slot.thread
