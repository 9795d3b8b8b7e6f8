"""The table of threads: what is in the changelog, by partition, and what is being worked on above it.

Law of this file: `stored` is exactly what the changelog holds (Faust recovers it, a flush extends it);
`hot` and `warm` are decoded and run ahead of it. What is hot and not stored is lost with the process, and
read again from the source, because offsets are committed only after the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, cast

import faust
from faust.stores import memory
from faust.types import TP, EventT

from agents.brand_codec import decode_open
from agents.codec import (
    CURSOR_KEY,
    NO_THREADS,
    PULSES_KEY,
    SHADOW_KEY,
    StateError,
    counts_further,
    decode_cursor,
    decode_life,
    decode_shaded,
    decode_state,
    decode_tallies,
)
from streams.forecast import Features, features_of
from streams.levels import Level
from streams.pulse import Pulses
from streams.shadow import Shade, Tally, added
from streams.thread import QUIET_MS, Thread

__all__ = [
    "CURSOR_KEY",
    "NO_THREADS",
    "PULSES_KEY",
    "SHADOW_KEY",
    "Above",
    "Partition",
    "Slot",
    "ThreadTable",
]

_HOUR_MS = 3_600_000
_RECORDS_ALIVE = 20_000  # of a partition


class Slot:
    """A thread being worked on: its state, and the source offset up to which that state counts."""

    __slots__ = ("born_ms", "known", "mentions", "offset", "rest", "shade", "thread")

    def __init__(self, offset: int, thread: Thread | None, shade: Shade | None = None) -> None:
        self.offset = offset
        self.thread = thread
        self.shade = shade  # where a second set of thresholds has it
        self.known = thread is not None  # whether it stands among those that will be over
        self.born_ms = self.mentions = 0  # what the metrics have of it: the episode, and its counts
        self.rest = NO_REST
        if thread is not None:
            self.born_ms, self.mentions, self.rest = thread.born_ms, thread.mentions, rest_of(thread)


Rest = tuple[int, int, int, int, int, int]
NO_REST: Rest = (0, 0, 0, 0, 0, 0)


def rest_of(thread: Thread) -> Rest:
    """What the metrics count of a thread beside its mentions."""
    return (
        thread.brand_replies,
        thread.canned_replies,
        thread.scored,
        thread.negative,
        thread.late,
        thread.unread,
    )


class Above(NamedTuple):
    """What the metrics ask of a thread above calm: its state would take ten times the memory."""

    brand: str
    level: Level
    heat: float  # mentions, each fading with the longest of the time constants
    viral_at: int  # as the thread learned it; 0: not known
    features: Features


def above_of(thread: Thread) -> Above:
    """What is kept of a thread above calm."""
    return Above(
        thread.brand,
        thread.level,
        thread.heat[-1],
        thread.viral_at,
        features_of(thread),
    )


class Partition:
    """All threads of one partition."""

    def __init__(self, number: int, stored: dict[bytes, bytes]) -> None:
        self.number = number
        self.stored = stored
        self.hot: dict[bytes, Slot] = {}  # asked for since decoded threads were last let go
        self.warm: dict[bytes, Slot] = {}  # not since, and before that: they go next
        self.dirty: dict[bytes, Slot] = {}
        self.offset = -1  # of the last record looked at
        self.stored_offset = -1  # of the last record whose rejects are known to be out
        self.watermark_ms = 0  # latest event time
        self._due: dict[int, list[bytes]] = {}  # hour of event time -> threads to look at once it is over
        self._later: dict[bytes, int] = {}  # hours of those that are far behind event time
        self._swept_hour = 0
        self.raised: dict[bytes, Above] = {}  # those above calm, as of the latest flush
        if (cursor := stored.get(CURSOR_KEY)) is not None:
            try:
                self.stored_offset, self.watermark_ms = decode_cursor(cursor)
            except StateError as error:
                raise StateError(f"changelog, partition {number}, the cursor: {error}") from error
            self.offset = self.stored_offset
        # Written before the threads of the same flush: no thread is ahead of what its brand was told.
        self.pulsed_offset, self.pulses = -1, Pulses(number)
        if (rows := stored.get(PULSES_KEY)) is not None:
            self.pulsed_offset, restored = decode_open(rows)
            self.pulses = Pulses(number, restored)
        # As the pulses: written before the threads, and not counted again up to its offset.
        self.tallied_offset, self.tallies = -1, dict[str, Tally]()
        self.told: set[str] = set()  # brands whose tally is not written yet
        if (counts := stored.get(SHADOW_KEY)) is not None:
            self.tallied_offset, self.tallies = decode_tallies(counts)
        for key, value in stored.items():
            if key not in NO_THREADS:
                _, thread = self._checked(key, value)
                if thread.level:
                    self.raised[key] = above_of(thread)
                self._look_after(key, _hour(max(thread.last_ms, self.watermark_ms) + QUIET_MS))

    def _checked(self, key: bytes, value: bytes) -> tuple[int, Thread]:
        """Refuse what we did not write: to drop it would count its thread anew, and page for it again."""
        try:
            if key is None:
                raise StateError("a record without a key")
            return decode_state(value)
        except StateError as error:
            raise StateError(f"changelog, partition {self.number}, key {key!r}: {error}") from error

    def slot(self, key: bytes) -> Slot:
        """The thread under `key`, decoded if it was cold, empty if it is new."""
        slot = self.hot.get(key)
        if slot is None:
            slot = self.warm.pop(key, None)
            if slot is None:
                value = self.stored.get(key)
                slot = Slot(*decode_shaded(value)) if value is not None else Slot(-1, None)
            self.hot[key] = slot
        return slot

    def has(self, key: bytes) -> bool:
        """Whether there is a thread under `key`."""
        return key in self.hot or key in self.warm or key in self.stored

    def tally(self, brand: str, told: Tally, offset: int) -> None:
        """Count what a second set of thresholds would have done at the mention at `offset`, once."""
        if offset > self.tallied_offset:
            self.tallies[brand] = added(self.tallies.get(brand), told)
            self.told.add(brand)

    def note_alive(self, key: bytes, slot: Slot, thread: Thread) -> None:
        """A thread is about to be stored: see that it is forgotten in time, and not before.

        It is over `QUIET_MS` of event time after its last mention, and not before `_RECORDS_ALIVE` more
        records went by: one mention of today among a recording of last year moves event time by a year, and
        the recording's threads must not be forgotten for that.
        """
        if thread.level:
            self.raised[key] = above_of(thread)
        elif self.raised:
            self.raised.pop(key, None)
        if not slot.known:
            slot.known = True
            self._look_after(key, _hour(max(thread.last_ms, self.watermark_ms) + QUIET_MS))
        if thread.last_ms + _HOUR_MS < self.watermark_ms:
            self._later[key] = _hour(self.watermark_ms + QUIET_MS)

    def over(self) -> list[bytes]:
        """Threads that have been quiet long enough to be forgotten; asked once an hour of event time."""
        now = _hour(self.watermark_ms)
        if now == self._swept_hour:
            return []
        self._swept_hour = now
        gone: list[bytes] = []
        for due in [hour for hour in self._due if hour < now]:
            for key in self._due.pop(due):
                if (life := self._life(key)) is None:  # forgotten, and perhaps begun anew
                    continue
                offset, last_ms = life
                hour = max(_hour(last_ms + QUIET_MS), self._later.get(key, 0))
                if hour >= now or offset + _RECORDS_ALIVE >= self.offset or key in self.dirty:
                    self._look_after(key, max(hour, now))
                    continue
                gone.append(key)
                for kept in (self._later, self.warm, self.raised):
                    kept.pop(key, None)
                self.hot[key] = Slot(-1, None)  # it is stored until the flush is out, and no more to be read
        return gone

    def _look_after(self, key: bytes, hour: int) -> None:
        if (keys := self._due.get(hour)) is None:
            keys = self._due[hour] = []
        keys.append(key)

    def _life(self, key: bytes) -> tuple[int, int] | None:
        """Offset and time of the thread's last mention; None of one that is not ours any more."""
        slot = self.hot.get(key) or self.warm.get(key)
        if slot is not None and slot.thread is not None:
            return slot.offset, slot.thread.last_ms
        value = self.stored.get(key)
        return decode_life(value) if value is not None else None

    def cool(self) -> None:
        """Let go of the decoded threads that were not asked for since the last time.

        All of those must be stored: so one that is dirty stays for a whole flush more.
        """
        self.warm, self.hot = self.hot, {}


def _hour(ms: int) -> int:
    return ms // _HOUR_MS


class _Store(memory.Store[bytes, bytes]):
    """Faust's side of the table: raw bytes per partition, in memory, filled by recovery."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.partitions: dict[int, dict[bytes, bytes]] = {}
        self.upto: dict[int, int] = {}  # offset of the last changelog record in it, by partition

    def persisted_offset(self, tp: TP) -> int:
        """Where recovery goes on: Faust's own account can outlive what we have forgotten in a rebalance."""
        return self.upto.get(tp.partition, -1)

    def apply_changelog_batch(
        self, batch: Iterable[EventT[Any]], to_key: Callable[[Any], Any], to_value: Callable[[Any], Any]
    ) -> None:
        """Take records of the changelog as they are; an empty value is a thread that is over.

        Of two states of a thread the one that counted further wins: a worker that was taken for dead may
        have written the older one after the newer. Nothing raises here, Faust would only log it.
        """
        for event in batch:
            message: Any = event.message
            key, value = message.key, message.value
            stored = self.partitions.setdefault(message.partition, {})
            self.upto[message.partition] = message.offset
            if value is None:
                stored.pop(key, None)
            elif (held := stored.get(key)) is None or not counts_further(held, value):
                stored[key] = value

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Forget what is not ours any more, and what will be read again from the start."""
        for tp in revoked | newly_assigned:
            if tp.topic == self.table.changelog_topic.get_topic_name():
                self.partitions.pop(tp.partition, None)
                self.upto.pop(tp.partition, None)

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Keep active partitions only, and all of them: one without a record yet is empty, not absent."""
        active = {tp.partition for tp in active_tps}
        self.partitions = {number: self.partitions.get(number, {}) for number in active}
        self.upto = {number: self.upto[number] for number in active & self.upto.keys()}

    def _clear(self) -> None:
        self.partitions.clear()
        self.upto.clear()


class ThreadTable(faust.Table[bytes, bytes]):
    """A Faust table whose changelog is written by the flush, in batches, not key by key."""

    def _new_store(self) -> _Store:
        return _Store("memory://", self.app, self, table_name=self.name, loop=self.loop)

    async def on_start(self) -> None:
        """Start the store; the changelog topic is made by `flashover topics create`, not here."""
        await self.add_runtime_dependency(self.data)

    @property
    def stored(self) -> dict[int, dict[bytes, bytes]]:
        """What the changelog holds, by partition."""
        return cast(_Store, self.data).partitions
