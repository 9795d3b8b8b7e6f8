"""What the agent of `alerts` and `commands` does with a chunk, and how a page gets out of the house.

Law of this file: a page is stored before it is sent, and its outcome after; a crash in between sends it
again under the same dedup key, and that is the only window. Where a channel takes no such key its next page
waits until the outcome of the last is stored, so that one may come twice and not more. Each write goes in
this order: holds, the account of deliveries and commands, then incidents, then the cursor that says which
alerts and commands are in them, then the acks. Up to the cursor records are skipped when they are read
again; behind it an incident knows the ids of what is in it. Nothing is decided here (`streams.desk`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple, Protocol

import msgspec

from agents.codec import CURSOR_KEY, StateError
from agents.deliver import Deliver
from agents.follower import Ackable
from agents.terminal import safe
from agents.transport import Chunk, Record
from streams.audit import Audited, audited
from streams.delivery import Attempt, Case, Delivery, GiveUp, Outcome, TryAgain
from streams.desk import Desk, Held, Roster, decode_record, encode_record
from streams.incident import Revise, Rules, decode_command

__all__ = ["SOURCES", "Attempt", "DeskAgent", "Output", "Source"]

log = logging.getLogger(__name__)

Source = Literal["alerts", "commands"]
SOURCES: Final[tuple[Source, ...]] = ("alerts", "commands")

_AT_ONCE = 64  # deliveries under way
_LONGEST_SLEEP_S = 0.5
_SHORTEST_SLEEP_S = 0.02
_FIRST_LOOK_BACK_MS = 3_600_000  # a desk that begins with an old topic pages for nothing that is older


class _Cursor(msgspec.Struct, frozen=True, tag="cursor", tag_field="type"):
    alerts: int = -1
    commands: int = -1


_encode = msgspec.json.Encoder().encode
_decode_case = msgspec.json.Decoder(Case).decode
_decode_cursor = msgspec.json.Decoder(_Cursor).decode


class Output(Protocol):
    """Where results go: Kafka in a worker, lists in a test."""

    async def hold(self, thread_id: str, held: Held | None) -> Awaitable[Any]:
        """Begin to tell that replies to a thread are held, or not any more."""

    async def attempt(self, attempt: Attempt) -> Awaitable[Any]:
        """Begin to tell of a delivery."""

    async def audit(self, audited: Audited) -> Awaitable[Any]:
        """Begin to tell what became of a command."""

    async def changelog(
        self, partition: int, records: Iterable[tuple[bytes, bytes | None]]
    ) -> list[Awaitable[Any]]:
        """Begin to send incidents and mutes of one partition, in order."""


class _Partition:
    """The desk of one partition, and how far its two topics are in it."""

    def __init__(self, number: int, stored: Mapping[bytes, bytes], roster: Roster, rules: Rules) -> None:
        self.number = number
        cursor: _Cursor | None = None
        records = []
        for key, value in stored.items():
            try:
                if key == CURSOR_KEY:
                    cursor = _decode_cursor(value)
                else:
                    records.append(decode_record(value))
            except ValueError as error:
                raise StateError(f"incidents, partition {number}, key {key!r}: {error}") from error
        self.desk = Desk(roster, rules, records)
        self.begins = cursor is None  # nothing was ever written here
        cursor = cursor or _Cursor()
        self.offsets: dict[Source, int] = {"alerts": cursor.alerts, "commands": cursor.commands}
        self.stored_offsets = dict(self.offsets)
        self.attempts: list[Attempt] = []
        self.audits: list[Audited] = []

    def write(self) -> _Write:
        """Everything that waits to be written, at this moment."""
        holds, changed = self.desk.changes()
        attempts, self.attempts = self.attempts, []
        audits, self.audits = self.audits, []
        records = [
            (key.encode(), None if record is None else encode_record(record))
            for key, record in changed.items()
        ]
        if records or self.offsets != self.stored_offsets:
            records.append((CURSOR_KEY, _encode(_Cursor(**self.offsets))))  # last: it covers the others
        return _Write(self, holds, attempts, audits, records, dict(self.offsets))


class _Write(NamedTuple):
    partition: _Partition
    holds: dict[str, Held | None]
    attempts: list[Attempt]
    audits: list[Audited]
    records: list[tuple[bytes, bytes | None]]
    offsets: dict[Source, int]


class DeskAgent:
    """The desk of the partitions it is given. One per worker; not shared between tasks.

    `now_ms` is the wall clock. `timeout_s` is how long a channel may take. `keyed` answers which channels
    show two deliveries with one dedup key once. `heartbeat` is asked of each alert and when
    it was written (ms), and answers True if it was one, for which no incident is opened.
    """

    def __init__(
        self,
        roster: Roster,
        rules: Rules,
        deliver: Deliver,
        output: Output,
        now_ms: Callable[[], int] = lambda: int(time.time() * 1000),
        timeout_s: float = 15.0,
        keyed: Callable[[str], bool] = lambda channel: False,
        heartbeat: Callable[[Case, int], bool] = lambda case, at_ms: False,
    ) -> None:
        self._roster = roster
        self._rules = rules
        self._deliver = deliver
        self._output = output
        self._now_ms = now_ms
        self._timeout_s = timeout_s
        self._keyed = keyed
        self._heartbeat = heartbeat
        self._events: list[Ackable] = []
        self._writing = asyncio.Lock()
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._wake = asyncio.Event()
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._busy: dict[str, str] = {}  # channels that take no key: the page whose outcome is not stored yet
        self._told: set[str] = set()  # pages whose outcome is known
        self._failed = False
        self.partitions: dict[int, _Partition] = {}
        self.foreign = 0  # records that are no alert and no command

    def assigned(self, stored: Mapping[int, Mapping[bytes, bytes]]) -> None:
        """Start over from what is durable. Raises StateError for what no flashover of this version wrote."""
        self._events.clear()
        self.partitions = {
            number: _Partition(number, values, self._roster, self._rules) for number, values in stored.items()
        }
        self._wake.set()

    def revoked(self) -> None:
        """The partitions are no longer ours; an outcome that is still to come is the new owner's to find."""
        self.partitions = {}

    def durable(self, source: Source, partition: int) -> int | None:
        """The offset to commit: before it everything is written. None if the partition is not ours."""
        ours = self.partitions.get(partition)
        return ours.stored_offsets[source] + 1 if ours and ours.stored_offsets[source] >= 0 else None

    def take(self, source: Source, chunk: Chunk, event: Ackable) -> None:
        """Take all records of a chunk in; `work` makes them durable, acks the event and acts."""
        partition = self.partitions.get(chunk.partition)
        if partition is None or self._failed:
            return  # fetched before a rebalance took it away; its new owner reads it again
        upto = partition.offsets[source]
        if chunk.since > upto:
            self._failed = True
            raise RuntimeError(
                f"records {upto + 1} to {chunk.since} of {source} {chunk.partition} were read, "
                "and never delivered"
            )
        now_ms = self._now_ms()
        try:
            for record in chunk.records:
                if partition.begins and record.timestamp < now_ms - _FIRST_LOOK_BACK_MS:
                    continue
                if record.offset > upto:
                    self._one(partition, source, record, now_ms)
        except BaseException:
            self._failed = True
            raise
        partition.offsets[source] = max(upto, chunk.records[-1].offset)
        self._events.append(event)
        self._wake.set()

    def _one(self, partition: _Partition, source: Source, record: Record, now_ms: int) -> None:
        desk, value = partition.desk, record.value
        try:
            one = _decode_case(value or b"") if source == "alerts" else decode_command(value)
        except ValueError as error:
            self.foreign += 1
            log.warning("%s, offset %d: %s", source, record.offset, safe(str(error)))
            return
        if isinstance(one, Case):
            if not self._heartbeat(one, record.timestamp):
                desk.alert(one, now_ms)
        elif isinstance(one, Revise):  # no person asked for it
            desk.command(one, now_ms)
        else:
            reason = None if desk.command(one, now_ms) else desk.why_refused(one, now_ms)
            if reason is not None:
                name = type(one).__name__
                log.info("refused (%s): %s of %s by %s", reason, name, safe(one.incident), safe(one.who))
            partition.audits.append(audited(one, now_ms, reason))

    async def work(self) -> None:
        """Do what is due, write it down, and begin to send what is written down."""
        async with self._writing:
            if self._failed:
                return
            now_ms = self._now_ms()
            offered: set[str] = set()
            for partition in self.partitions.values():
                partition.desk.tick(now_ms)
                offered.update(one.dedup_key for one in partition.desk.deliveries(now_ms))
            await self._write()
            for partition in self.partitions.values():
                for one in partition.desk.deliveries(now_ms):  # not what was answered meanwhile
                    if one.dedup_key not in offered or one.dedup_key in self._under_way:
                        continue
                    if not self._keyed(one.channel):
                        if one.channel in self._busy:
                            continue
                        self._busy[one.channel] = one.dedup_key
                    sending = asyncio.ensure_future(self._send(partition, one))
                    self._under_way[one.dedup_key] = sending

    async def flush(self) -> None:
        """Make durable what was taken so far, then ack it."""
        async with self._writing:
            if not self._failed:
                await self._write()

    async def run(self) -> None:
        """Work whenever something comes or is due, for ever. A failure is the worker's end."""
        while True:
            self._wake.clear()
            await self.work()
            for key, sending in list(self._under_way.items()):
                if sending.done():
                    del self._under_way[key]
                    sending.result()
            deadlines = [one.desk.deadline() for one in self.partitions.values()]
            wait_s = min(((at - self._now_ms()) / 1000 for at in deadlines if at is not None), default=9.0)
            try:
                async with asyncio.timeout(min(max(wait_s, _SHORTEST_SLEEP_S), _LONGEST_SLEEP_S)):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def settled(self) -> None:
        """Wait until nothing is under way, and raise what failed."""
        while self._under_way:
            under_way, self._under_way = self._under_way, {}
            await asyncio.gather(*under_way.values())

    async def _send(self, partition: _Partition, delivery: Delivery) -> None:
        async with self._room:
            began = time.monotonic()
            outcome: Outcome
            try:
                async with asyncio.timeout(self._timeout_s):
                    outcome = await self._deliver(delivery)
            except TimeoutError:
                outcome = TryAgain(0.0, f"no answer within {self._timeout_s:g} s")
            except Exception as error:
                log.exception("channel %s failed", safe(delivery.channel))
                outcome = GiveUp(type(error).__name__)  # no text of a stranger's, and no address in it
        self._told.add(delivery.dedup_key)
        self._wake.set()
        if self.partitions.get(partition.number) is not partition:
            return
        now_ms = self._now_ms()
        partition.attempts.append(_attempt(delivery, outcome, now_ms, time.monotonic() - began))
        partition.desk.delivered(delivery, outcome, now_ms)

    async def _write(self) -> None:
        events, self._events = self._events, []
        told, self._told = self._told, set()
        writes = [partition.write() for partition in self.partitions.values()]
        try:
            pending: list[Awaitable[Any]] = []
            for write in writes:
                pending += [await self._output.hold(*one) for one in write.holds.items()]
                pending += [await self._output.attempt(one) for one in write.attempts]
                pending += [await self._output.audit(one) for one in write.audits]
            await asyncio.gather(*pending)
            pending = []
            for write in writes:
                if write.records:
                    pending += await self._output.changelog(write.partition.number, write.records)
            await asyncio.gather(*pending)
        except BaseException:
            self._failed = True
            raise
        for write in writes:
            write.partition.stored_offsets = write.offsets
        self._busy = {channel: key for channel, key in self._busy.items() if key not in told}
        for event in events:
            event.ack()


def _attempt(delivery: Delivery, outcome: Outcome, now_ms: int, took_s: float) -> Attempt:
    return Attempt(
        now_ms,
        delivery.incident,
        delivery.page.case.brand,
        delivery.dedup_key,
        delivery.kind,
        delivery.step,
        delivery.person,
        delivery.channel,
        round(took_s, 3),
        outcome,
    )
