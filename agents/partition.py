"""The threads of one partition: as they are stored, and decoded where they are worked on.

Law of this file: `stored` is exactly what the changelog holds (Faust recovers it, a flush extends it);
`hot` and `warm` are decoded and run ahead of it. What is hot and not stored is lost with the process, and
read again from the source, because offsets are committed only after the store.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from mypy_extensions import mypyc_attr

from agents.above import Above, above_of
from agents.brand_codec import decode_open
from agents.codec import (
    CURSOR_KEY,
    NO_THREADS,
    PULSES_KEY,
    SHADOW_KEY,
    StateError,
    decode_cursor,
    decode_life,
    decode_shaded,
    decode_state,
    decode_tallies,
)
from streams.pulses import Pulses
from streams.shadow import Shade, Tally, added
from streams.thread import QUIET_MS, Thread

__all__ = ["NO_REST", "Partition", "Rest", "Slot", "rest_of"]

_HOUR_MS: Final = 3_600_000
_RECORDS_ALIVE: Final = 20_000  # of a partition


@mypyc_attr(acyclic=True)
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
    rest = (
        thread.brand_replies,
        thread.canned_replies,
        thread.scored,
        thread.negative,
        thread.late,
        thread.unread,
    )
    return NO_REST if rest == NO_REST else rest  # of most threads, and then not one for each


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
        keys: Collection[object] = stored
        if None in keys:
            raise StateError(f"changelog, partition {number}: a record without a key")
        for key, value in stored.items():
            if key not in NO_THREADS:
                _, thread = self._checked(key, value)
                if thread.level:
                    self.raised[key] = above_of(thread)
                self._look_after(key, _hour(max(thread.last_ms, self.watermark_ms) + QUIET_MS))

    def _checked(self, key: bytes, value: bytes) -> tuple[int, Thread]:
        """Refuse what we did not write: to drop it would count its thread anew, and page for it again."""
        try:
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

    def release(self) -> None:
        """Let go of those that were not asked for since the last time; for the time between two flushes.

        What the last one wrote must be stored. Then all of those are, and none is dirty.
        """
        self.warm = {}


def _hour(ms: int) -> int:
    return ms // _HOUR_MS
