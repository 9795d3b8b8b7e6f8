"""Pulses: what one source has seen of a brand in one minute, so that many sources add up to the brand.

Law of this file: figures are cumulative. A source says again all it has counted of a minute, never what
came on top; hence a pulse may be sent, read and merged any number of times, in any order, and the sum over
sources is the same. Time is event time, in whole minutes; a source is a partition of `mentions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from streams.baseline import LADDER, RUNGS, SHOWN_AT, TERMS, rung
from streams.forecast import features_of, terms
from streams.mention import Mention
from streams.thread import Thread

__all__ = [
    "GRACE_MIN",
    "MINUTE_MS",
    "NEGATIVE",
    "NO_COUNTS",
    "SCORED",
    "Counts",
    "Figures",
    "Mark",
    "Open",
    "Pulse",
    "Pulses",
    "Said",
    "Told",
    "Volume",
    "Watermarks",
    "count_into",
    "merge",
    "parted",
]

MINUTE_MS: Final = 60_000
GRACE_MIN: Final = 10  # minutes of disorder that change nothing
COARSEST_S: Final = 3600  # an interval longer than that tells nothing in time


Counts = tuple[int, ...]
"""What the usual of a brand is learned from, of one source and minute: how many threads reached each step of
LADDER in it, then for each of SHOWN_AT the sums of what these showed, then texts scored and negative ones.
Cumulative as all else, so nothing in it is negative; () stands for none at all."""

_SHOWN_FROM: Final = {RUNGS[size]: len(LADDER) + TERMS * place for place, size in enumerate(SHOWN_AT)}
_PER_UNIT: Final = 1000.0  # terms are summed as whole numbers, which add up to the same in any order
_MOST_LEFT: Final = 0.02  # the first term falls from here: what is summed is how far it has
SCORED: Final = len(LADDER) + TERMS * len(SHOWN_AT)  # the place of texts scored
NEGATIVE: Final = SCORED + 1
NO_COUNTS: Final[Counts] = (0,) * (NEGATIVE + 1)


class Figures(NamedTuple):
    """Counts of one brand, source and minute; the brand's own mentions are in none of them."""

    mentions: int = 0
    reach: int = 0  # followers summed over mentions
    scored: int = 0  # texts scored for sentiment
    negative: int = 0  # of those, negative
    pages: int = 0  # threads that reached the level page


class Pulse(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """All that `source` has counted so far of `brand` in the minute `minute` (since the epoch)."""

    brand: str
    source: int
    minute: int
    figures: Figures
    counts: Counts = ()


class Volume(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """A count from a feed: `count` mentions of `brand` in the `interval_s` seconds from `start_ms` on."""

    brand: str
    feed: str
    start_ms: int
    interval_s: int
    count: int


class Said(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """A reply of the brand itself, as it was judged where its thread is; without its text."""

    brand: str
    at_ms: int
    key: int  # hash of the mention: told twice, it counts once
    waited_s: int  # since the thread began, if it was the first reply to a customer's post; else -1
    canned: bool
    shingles: frozenset[int]  # `streams.canned.signature`


class Mark(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """`source` has told everything before `minute` that it has read; `idle`: it has nothing left to read."""

    source: int
    minute: int
    idle: bool


Told = Pulse | Volume | Said | Mark


class Open(msgspec.Struct, frozen=True, array_like=True):
    """What a source must remember over a restart: its watermark and the minutes that may still change."""

    minute: int
    late: int
    rows: tuple[tuple[str, int, Figures, Counts], ...]


def merge(one: Figures, other: Figures) -> Figures:
    """The later of two reports of the same brand, source and minute: each count only ever grows."""
    return Figures(*map(max, one, other))


def count_into(counts: list[int], thread: Thread, mention: Mention) -> bool:
    """Add to `counts` what a customer's mention, just counted, did to its thread; False if nothing."""
    if thread.mentions_24h not in RUNGS or (number := rung(thread, mention)) is None:
        return False
    counts[number] += 1
    if (place := _SHOWN_FROM.get(number)) is not None:
        day_left, *rest = terms(features_of(thread))[:TERMS]
        for term in (max(0.0, _MOST_LEFT - day_left), *rest):
            counts[place] += round(term * _PER_UNIT)
            place += 1
    return True


def parted(counts: Sequence[int]) -> tuple[Sequence[int], list[float]]:
    """Threads by step of LADDER, and the sums of their terms at SHOWN_AT, for `streams.baseline.counted`."""
    sums = [one / _PER_UNIT for one in counts[len(LADDER) : SCORED]]
    for size, place in zip(SHOWN_AT, range(0, len(sums), TERMS), strict=True):
        sums[place] = counts[RUNGS[size]] * _MOST_LEFT - sums[place]
    return counts[: len(LADDER)], sums


class Pulses:
    """Counts the mentions of one source by brand and minute. Adding costs some 0.4 us.

    A minute is told once the watermark (the latest created_at) has left it, and again whenever it changed.
    It may change for `GRACE_MIN` minutes; what comes later is left out and counted in `late`, and so are
    volumes whose interval ended before that. Volumes coarser than an hour are left out, in `coarse`.
    """

    def __init__(self, source: int, restored: Open | None = None) -> None:
        self.source = source
        self.minute = 0  # that the watermark lies in
        self.late = 0
        self.coarse = 0
        self._first = -1  # oldest minute that may change
        self._told = 0
        # minute -> brand -> figures, whether they have yet to be told, and a list of counts or None
        self._rows: dict[int, dict[str, list[Any]]] = {}
        self._now: dict[str, list[Any]] = {}  # those of the watermark's minute
        self._volumes: list[Volume] = []
        self._said: list[Said] = []
        if restored is not None:
            self.late = restored.late
            self._reach(restored.minute)
            for brand, minute, figures, counts in restored.rows:
                self._rows.setdefault(minute, {})[brand] = [*figures, True, [*counts]]

    def add(
        self,
        mention: Mention,
        thread: Thread | None = None,
        scored: int = 0,
        negative: int = 0,
        paged: bool = False,
    ) -> None:
        """Count one mention, no duplicate and no volume, and what it did to its `thread`, if that matters.

        `scored` texts were scored with it, `negative` of them are; `paged`: its thread rose to page, as it
        also may by what the brand itself said.
        """
        minute = mention.created_ms // MINUTE_MS
        if mention.from_brand and not paged:
            self.reach(minute)
            return
        if minute == self.minute:
            rows = self._now
        elif minute > self.minute:
            self._reach(minute)
            rows = self._now
        elif minute >= self._first:
            rows = self._rows.setdefault(minute, {})
        else:
            self.late += 1
            return
        row = rows.get(mention.brand)
        if row is None:
            row = rows[mention.brand] = [0, 0, 0, 0, 0, True, None]
        row[5] = True
        if paged or scored:
            row[2] += scored
            row[3] += negative
            row[4] += paged
        if mention.from_brand:
            return
        row[0] += 1
        row[1] += mention.followers
        if scored:
            counts = row[6] = row[6] or [*NO_COUNTS]
            counts[SCORED] += scored
            counts[NEGATIVE] += negative
        if thread is not None and thread.mentions_24h in RUNGS:
            counts = row[6] or [*NO_COUNTS]
            if count_into(counts, thread, mention):
                row[6] = counts

    def volume(self, mention: Mention) -> None:
        """Pass on one mention of kind volume; its thread_id names the feed."""
        minute = mention.created_ms // MINUTE_MS
        if minute > self.minute:
            self._reach(minute)
        if mention.interval_s > COARSEST_S:
            self.coarse += 1
        elif (mention.created_ms + mention.interval_s * 1000) // MINUTE_MS < self._first:
            self.late += 1
        else:
            self._volumes.append(
                Volume(
                    mention.brand,
                    mention.thread_id,
                    mention.created_ms,
                    mention.interval_s,
                    mention.count,
                )
            )

    def said(self, reply: Said | None) -> None:
        """Pass on what a brand has said; None is nothing. Too late it is left out, as all else."""
        if reply is None:
            return
        if reply.at_ms // MINUTE_MS < self._first:
            self.late += 1
        else:
            self._said.append(reply)

    def reach(self, minute: int) -> None:
        """The watermark is at `minute` at the least."""
        if minute > self.minute:
            self._reach(minute)

    def take(self, *, idle: bool = False) -> list[Told]:
        """What there is to tell by now, the mark last; the minute now running only if the source is `idle`.

        An idle source is one that has read all there is: nobody need wait for it.
        """
        told: list[Told] = [*self._volumes, *self._said]
        self._volumes, self._said = [], []
        if not idle and self.minute == self._told:
            return told
        self._told = self.minute
        for minute, rows in self._rows.items():
            if idle or minute < self.minute:
                for brand, row in rows.items():
                    if row[5]:
                        row[5] = False
                        told.append(Pulse(brand, self.source, minute, Figures(*row[:5]), tuple(row[6] or ())))
        self._rows = {minute: rows for minute, rows in self._rows.items() if minute >= self._first}
        told.append(Mark(self.source, self.minute, idle))
        return told

    def open(self) -> Open:
        """What must outlive the process, once `take` has told the rest."""
        rows = [
            (brand, minute, Figures(*row[:5]), tuple(row[6] or ()))
            for minute, brands in self._rows.items()
            for brand, row in brands.items()
        ]
        return Open(self.minute, self.late, tuple(rows))

    def _reach(self, minute: int) -> None:
        self.minute = minute
        self._first = minute - GRACE_MIN
        self._now = self._rows.setdefault(minute, {})


class Watermarks:
    """The minute up to which everything has been told, from the marks of all sources.

    That is the earliest minute among the sources that are not idle, the latest of all if every one is, and
    0 as long as one of the `sources` was never heard of. It never goes back.
    """

    def __init__(self, sources: int, marks: Iterable[Mark] = (), minute: int = 0) -> None:
        self.minute = minute
        self._marks: dict[int, Mark] = dict.fromkeys(range(sources), Mark(-1, 0, False))
        self._marks.update({mark.source: mark for mark in marks if 0 <= mark.source < sources})

    @property
    def marks(self) -> Mapping[int, Mark]:
        """The latest mark of each source; source -1 stands for one never heard of."""
        return self._marks

    def hear(self, mark: Mark) -> int:
        """The minute after one more mark; a source out of range is none of ours and changes nothing."""
        before = self._marks.get(mark.source)
        if before is not None and mark.minute >= before.minute:
            self._marks[mark.source] = mark
            busy = [one.minute for one in self._marks.values() if not one.idle]
            reached = min(busy) if busy else max(one.minute for one in self._marks.values())
            self.minute = max(self.minute, reached)
        return self.minute
