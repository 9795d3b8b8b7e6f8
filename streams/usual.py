"""What is usual for a brand, as of each full hour of event time.

Law of this file: a snapshot is made of closed minutes alone, in order, so disorder within the grace and the
pace of partitions change nothing (docs/adr/0008-usual-is-a-snapshot.md). Which of it a thread is given,
`streams.as_usual` says.

To learn something new of brands: count it in `Counts` (behind the steps of LADDER), fold it in `learn`, and
give `Usual` a field with a default.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from streams.baseline import (
    RUNGS,
    Baseline,
    Shown,
    counted,
    growth_of,
    recent_of,
    shown_of,
    top_size,
    week_of,
)
from streams.canned import Verdict
from streams.habits import Habits, Known, learned, said_of
from streams.mention import Mention
from streams.pulse import GRACE_MIN, MINUTE_MS, NEGATIVE, NO_COUNTS, SCORED, Counts, Said, parted
from streams.pulses import count_into
from streams.reply_clock import by_hour
from streams.thread import DAY_MS, Thread

__all__ = [
    "KEPT",
    "Learning",
    "Usual",
    "Usuals",
    "hear",
    "heard",
    "learn",
]

KEPT: Final = 4  # snapshots: what a worker reads anew after a restart must cover what it left off with
_HOUR_MIN: Final = 60
_HOUR_MS: Final = _HOUR_MIN * MINUTE_MS
_NEVER: Final = 1 << 62
_MONTH_MS: Final = 30 * DAY_MS
_ENOUGH_TEXTS: Final = 100.0  # fading; below it a share says more about the texts than about the brand


class Usual(msgspec.Struct, frozen=True):
    """What was usual for a brand at a full hour. Counts fade, see `streams.baseline`."""

    as_of_ms: int  # event time; all that lies before it is in
    since_ms: int  # the brand's first thread
    recent: float  # threads begun, tau 6 h
    week: float  # threads begun, tau 7 d
    growth: float = 1.0  # share of its threads that grow over that of all brands
    viral_at: int | None = None  # mentions that one in a hundred of its threads reaches; None: not known yet
    shown: tuple[Shown, ...] = ()  # what its threads show as they reach each of SHOWN_AT
    reply_delays_s: tuple[int, ...] = ()  # to its first reply, by the hour of the week of the question, UTC
    canned_shares: tuple[float, ...] = ()  # how often that is canned, 0..1, by the same hours; both or none
    negative_share: float | None = None  # of the texts of threads above calm, 0..1; None: too few were read
    templates: tuple[Known, ...] = ()  # its replies that recur; with the newest snapshot alone


class Learning(msgspec.Struct, array_like=True):
    """What was learned of one brand, and what is still open. It has one owner; changed in place."""

    baseline: Baseline | None = None
    open: dict[int, dict[int, Counts]] = {}  # minute -> source -> counts, of hours that are not closed
    due: int = _NEVER  # the watermark, in minutes, at which the next hour is closed
    latest: tuple[Usual, ...] = ()  # at most KEPT, the newest last
    said: dict[int, dict[int, Said]] = {}  # minute -> hash of the reply -> it; open as `open` is
    scored: float = 0.0  # texts, fading with tau 30 d as of `words_ms`
    negative: float = 0.0  # of those
    words_ms: int = 0
    habits: Habits = Habits()


def heard(learning: Learning, said: Said) -> bool:
    """Take one reply of the brand; False if it is known, or its hour is closed."""
    minute = said.at_ms // MINUTE_MS
    if said.at_ms < max(learning.habits.upto_ms, learning.latest[-1].as_of_ms if learning.latest else 0):
        return False
    replies = learning.said.setdefault(minute, {})
    if said.key in replies:
        return False
    replies[said.key] = said
    learning.due = min(learning.due, _closing(minute))
    return True


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
        hour = min((*learning.open, *learning.said)) // _HOUR_MIN
        end_ms = (hour + 1) * _HOUR_MS
        for number in sorted([one for one in learning.open if one // _HOUR_MIN == hour]):
            counts = tuple(map(sum, zip(*learning.open.pop(number).values(), strict=True)))
            learning.baseline = counted(learning.baseline, number * MINUTE_MS, *parted(counts))
            _score(learning, number * MINUTE_MS, counts)
        minutes = [one for one in learning.said if one // _HOUR_MIN == hour]
        replies = [said for number in minutes for said in learning.said.pop(number).values()]
        if replies:
            learning.habits = learned(learning.habits, replies, end_ms)
        still_open = (*learning.open, *learning.said)
        learning.due = _closing(min(still_open)) if still_open else _NEVER
        if learning.baseline is not None:
            earlier = [replace(one, templates=()) for one in learning.latest[1 - KEPT :]]
            learning.latest = (*earlier, _snapshot(learning, learning.baseline, end_ms))
    return learning.latest is not before


def _score(learning: Learning, at_ms: int, counts: Counts) -> None:
    """Fade the texts that were read before, and add those of a minute."""
    if counts[SCORED]:
        faded = math.exp(-max(0, at_ms - learning.words_ms) / _MONTH_MS)
        learning.scored = learning.scored * faded + counts[SCORED]
        learning.negative = learning.negative * faded + counts[NEGATIVE]
        learning.words_ms = max(at_ms, learning.words_ms)


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

    def add(
        self,
        thread: Thread,
        mention: Mention,
        scored: int = 0,
        negative: int = 0,
        reply: Verdict | None = None,
    ) -> None:
        """Count what `mention`, no duplicate and no volume, did to its thread; as `Pulses.add` and `said`."""
        minute = mention.created_ms // MINUTE_MS
        if minute < self._minute - GRACE_MIN:
            return  # too late, as live
        if mention.from_brand:
            if (said := said_of(mention, thread, reply)) is not None:
                learning = self._learning(mention.brand)
                heard(learning, said)
                self._due = min(self._due, learning.due)
            return
        if not scored and thread.mentions_24h not in RUNGS:
            return
        learning = self._learning(mention.brand)
        counts = [*learning.open.get(minute, {}).get(0, NO_COUNTS)]
        counts[SCORED] += scored
        counts[NEGATIVE] += negative
        if count_into(counts, thread, mention) or scored:
            hear(learning, minute, 0, tuple(counts))
        self._due = min(self._due, learning.due)

    def _learning(self, brand: str) -> Learning:
        return self._brands.get(brand) or self._brands.setdefault(brand, Learning())


def _snapshot(learning: Learning, baseline: Baseline, as_of_ms: int) -> Usual:
    last, habits = learning.latest[-1] if learning.latest else None, learning.habits
    if last is not None and habits.upto_ms < as_of_ms:  # no reply since: the clock says the same
        delays_s, shares = last.reply_delays_s, last.canned_shares
    else:
        hours = by_hour(habits.clock)
        delays_s, shares = tuple(delay_s for delay_s, _ in hours), tuple(share for _, share in hours)
    enough = learning.scored >= _ENOUGH_TEXTS
    return Usual(
        as_of_ms,
        baseline.since_ms,
        recent_of(baseline, as_of_ms),
        week_of(baseline, as_of_ms),
        growth_of(baseline),
        top_size(baseline),
        shown_of(baseline),
        delays_s,
        shares,
        round(learning.negative / learning.scored, 4) if enough else None,
        habits.known,
    )


def _closing(minute: int) -> int:
    return (minute // _HOUR_MIN + 1) * _HOUR_MIN + GRACE_MIN
