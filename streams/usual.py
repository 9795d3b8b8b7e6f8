"""What is usual for a brand, as of each full hour of event time, and which of it a thread begins with.

Law of this file: a snapshot is made of closed minutes alone, in order, so disorder within the grace and the
pace of partitions change nothing. A thread uses the newest snapshot that is at least LAG_MS older than its
start (for what it keeps) or its latest mention (for the tempo). So live and replay use the same one as long
as brands are followed less than that behind; a brand not yet seen for NEUTRAL_MS counts as one like all
others (docs/adr/0008-usual-is-a-snapshot.md).

To learn something new of brands: count it in `Counts` (behind the steps of LADDER), fold it in `learn`, and
give `Usual` a field with a default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from streams.baseline import (
    RUNGS,
    Baseline,
    Shown,
    counted,
    growth_of,
    recent_of,
    shown_of,
    tempo,
    top_size,
    week_of,
)
from streams.mention import Mention
from streams.pulse import GRACE_MIN, MINUTE_MS, NO_COUNTS, Counts, count_into, parted
from streams.thread import DAY_MS, Thread

__all__ = [
    "KEPT",
    "LAG_MS",
    "NEUTRAL_MS",
    "UNKNOWN",
    "Learning",
    "Snapshots",
    "Usual",
    "Usuals",
    "begin",
    "hear",
    "keep_up",
    "known",
    "learn",
]

LAG_MS: Final = 3_600_000  # of event time that brands may be followed behind threads
NEUTRAL_MS: Final = 2 * DAY_MS
KEPT: Final = 4  # snapshots: what a worker reads anew after a restart must cover what it left off with
_HOUR_MIN: Final = 60
_HOUR_MS: Final = _HOUR_MIN * MINUTE_MS
_NEVER: Final = 1 << 62


class Usual(msgspec.Struct, frozen=True):
    """What was usual for a brand at a full hour. Counts fade, see `streams.baseline`."""

    as_of_ms: int  # event time; all that lies before it is in
    since_ms: int  # the brand's first thread
    recent: float  # threads begun, tau 6 h
    week: float  # threads begun, tau 7 d
    growth: float = 1.0  # share of its threads that grow over that of all brands
    viral_at: int | None = None  # mentions that one in a hundred of its threads reaches; None: not known yet
    shown: tuple[Shown, ...] = ()  # what its threads show as they reach each of SHOWN_AT


Snapshots = Mapping[str, Sequence[Usual]]
"""The latest of each brand, the newest last."""

UNKNOWN: Final[Snapshots] = {}


class Learning(msgspec.Struct, array_like=True):
    """What was learned of one brand, and what is still open. It has one owner; changed in place."""

    baseline: Baseline | None = None
    open: dict[int, dict[int, Counts]] = {}  # minute -> source -> counts, of hours that are not closed
    due: int = _NEVER  # the watermark, in minutes, at which the next hour is closed
    latest: tuple[Usual, ...] = ()  # at most KEPT, the newest last


def hear(learning: Learning, minute: int, source: int, counts: Counts) -> bool:
    """Take one more report of a minute, cumulative; False if it is nothing new, or its hour is closed."""
    if learning.latest and minute * MINUTE_MS < learning.latest[-1].as_of_ms:
        return False
    sources = learning.open.setdefault(minute, {})
    before = sources.get(source)
    after = tuple(map(max, before, counts)) if before is not None else counts
    if after == before:
        return False
    sources[source] = after
    learning.due = min(learning.due, _closing(minute))
    return True


def learn(learning: Learning, minute: int) -> bool:
    """Learn all hours that are closed at the watermark `minute`; whether there is a new snapshot.

    An hour is closed once the watermark has passed its end by the grace. One in which nothing was counted
    makes no snapshot: that of the hour before it says the same.
    """
    before = learning.latest
    while learning.due <= minute:
        hour = min(learning.open) // _HOUR_MIN
        for number in sorted([one for one in learning.open if one // _HOUR_MIN == hour]):
            counts = tuple(map(sum, zip(*learning.open.pop(number).values(), strict=True)))
            learning.baseline = counted(learning.baseline, number * MINUTE_MS, *parted(counts))
        learning.due = _closing(min(learning.open)) if learning.open else _NEVER
        assert learning.baseline is not None  # noqa: S101 — something was open
        snapshot = _snapshot(learning.baseline, (hour + 1) * _HOUR_MS)
        learning.latest = (*learning.latest[1 - KEPT :], snapshot)
    return learning.latest is not before


def begin(thread: Thread, usuals: Snapshots) -> None:
    """Give a thread that has just begun, in place, what it keeps for its life."""
    if (one := known(usuals, thread.brand, thread.started_ms)) is not None:
        thread.growth, thread.viral_at = one.growth, one.viral_at or 0


def keep_up(thread: Thread, usuals: Snapshots) -> None:
    """Give a thread that is about to be judged, in place, the tempo of its brand as of its latest mention.

    It moves with the full hours alone, and not with who asks how often. It is faded to the last hour that may
    be known: without a newer snapshot no thread began since the one that is taken.
    """
    hour = thread.last_ms // _HOUR_MS
    if hour == thread.tempo_hour or thread.brand not in usuals:
        return
    thread.tempo_hour = hour
    if (one := known(usuals, thread.brand, thread.last_ms)) is not None:
        upto_ms = _upto_ms(thread.last_ms)
        seen_s, silent_s = (upto_ms - one.since_ms) / 1000, (upto_ms - one.as_of_ms) / 1000
        thread.tempo = tempo(one.recent, one.week, seen_s, silent_s)


def known(usuals: Snapshots, brand: str, at_ms: int) -> Usual | None:
    """The snapshot of the brand to be used at `at_ms`; None if it is too new, or was forgotten."""
    upto_ms = _upto_ms(at_ms)
    for one in reversed(usuals.get(brand, ())):
        if one.as_of_ms <= upto_ms:
            return one if upto_ms - one.since_ms >= NEUTRAL_MS else None
    return None


def _upto_ms(at_ms: int) -> int:
    """The last full hour that is known at `at_ms`, everywhere."""
    return (at_ms - LAG_MS) // _HOUR_MS * _HOUR_MS


class Usuals:
    """What is usual for the brands of one recording, as it is followed.

    It is to a recording what pulses, brands and the topic `usual` are to a worker, for one source that has
    all there is, without the surges.
    """

    def __init__(self) -> None:
        self.latest: dict[str, tuple[Usual, ...]] = {}
        self._minute = 0  # that the watermark lies in
        self._due = _NEVER
        self._brands: dict[str, Learning] = {}

    def reach(self, at_ms: int) -> Mapping[str, tuple[Usual, ...]]:
        """The snapshots by brand once the watermark is at `at_ms`: ask before a mention is followed."""
        minute = at_ms // MINUTE_MS
        if minute > self._minute:
            self._minute = minute
            if minute >= self._due:
                for brand, learning in self._brands.items():
                    if learn(learning, minute):
                        self.latest[brand] = learning.latest
                self._due = min(one.due for one in self._brands.values())
        return self.latest

    def add(self, thread: Thread, mention: Mention) -> None:
        """Count what `mention`, no duplicate and no volume, did to its thread."""
        if mention.from_brand or thread.mentions_24h not in RUNGS:
            return
        minute = mention.created_ms // MINUTE_MS
        if minute < self._minute - GRACE_MIN:
            return  # too late, as live
        learning = self._brands.get(mention.brand) or self._brands.setdefault(mention.brand, Learning())
        counts = [*learning.open.get(minute, {}).get(0, NO_COUNTS)]
        if count_into(counts, thread, mention):
            hear(learning, minute, 0, tuple(counts))
        self._due = min(self._due, learning.due)


def _snapshot(baseline: Baseline, as_of_ms: int) -> Usual:
    return Usual(
        as_of_ms,
        baseline.since_ms,
        recent_of(baseline, as_of_ms),
        week_of(baseline, as_of_ms),
        growth_of(baseline),
        top_size(baseline),
        shown_of(baseline),
    )


def _closing(minute: int) -> int:
    return (minute // _HOUR_MIN + 1) * _HOUR_MIN + GRACE_MIN
