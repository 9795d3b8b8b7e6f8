"""Pulses: what one source has seen of a brand in one minute, so that many sources add up to the brand.

Law of this file: figures are cumulative. A source says again all it has counted of a minute, never what
came on top; hence a pulse may be sent, read and merged any number of times, in any order, and the sum over
sources is the same. Time is event time, in whole minutes; a source is a partition of `mentions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from streams.baseline import LADDER, RUNGS, SHOWN_AT, TERMS

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
    "Said",
    "Told",
    "Volume",
    "Watermarks",
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

SHOWN_FROM: Final = {RUNGS[size]: len(LADDER) + TERMS * place for place, size in enumerate(SHOWN_AT)}
PER_UNIT: Final = 1000.0  # terms are summed as whole numbers, which add up to the same in any order
MOST_LEFT: Final = 0.02  # the first term falls from here: what is summed is how far it has
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


def parted(counts: Sequence[int]) -> tuple[Sequence[int], list[float]]:
    """Threads by step of LADDER, and the sums of their terms at SHOWN_AT, for `streams.baseline.counted`."""
    sums = [one / PER_UNIT for one in counts[len(LADDER) : SCORED]]
    for size, place in zip(SHOWN_AT, range(0, len(sums), TERMS), strict=True):
        sums[place] = counts[RUNGS[size]] * MOST_LEFT - sums[place]
    return counts[: len(LADDER)], sums


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
