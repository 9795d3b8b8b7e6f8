"""What the core saw of a thread, kept so that other thresholds can be asked afterwards.

Law of this file: `rises` decides with the very functions that `judge` decides with (`may_rise`,
`level_after`), so a trace answers for every setting of `DECIDED_BY` what a replay under it would answer,
at a thousandth of its cost. What else is set (the size of a storm, whatever shapes the forecast) needs a
trace of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, NamedTuple

import msgspec

from streams.alert import alert_id
from streams.forecast import features_of, viral_probability
from streams.judge import held_by_reply, level_after, level_after_reply, may_rise, reply_is_due, storm_size
from streams.levels import Level
from streams.params import ThreadParams
from streams.thread import Thread

__all__ = [
    "DECIDED_BY",
    "MARKS",
    "Floor",
    "Glimpse",
    "Rise",
    "Trace",
    "alert_ids",
    "first_ms",
    "floor_of",
    "glimpse",
    "rises",
    "with_page",
]

# The thresholds that a trace leaves open. Anything else, and what is new, makes another trace.
DECIDED_BY: Final = frozenset(
    {"watch", "warn", "page", "release", "min_mentions", "min_authors", "max_author_share"}
)
MARKS: Final = (10, 20, 30, 50)  # mentions at which every thread's probability is kept
_ALERTS_NAMED: Final = 8  # alerts of one episode whose ids are told


class Glimpse(NamedTuple):
    """All that a decision looks at, as of one mention; 0 <= probability <= 1."""

    at_ms: int  # created_at of the mention, that of an alert it raises
    age_ms: int
    mentions: int
    authors: int
    busiest: int  # mentions by the busiest author
    probability: float
    last_ms: int = 0  # created_at of the thread's latest mention
    canned: bool = False  # a canned reply of the brand, which changes none of the above
    due: bool = False  # one is about to come


class Floor(NamedTuple):
    """Below any of these a thread is calm under every threshold that will be asked for."""

    mentions: int
    authors: int
    probability: float


class Rise(NamedTuple):
    """A level rose, as an alert would tell."""

    at_ms: int
    level: Level
    probability: float


class Trace(msgspec.Struct, frozen=True, gc=False):
    """One recorded thread; one that began anew after 36 quiet hours is another. Times: event time in ms."""

    name: str  # the thread's id; with #2, #3, ... behind it if it began anew
    thread_id: str
    brand: str
    born_ms: int
    started_ms: int
    size_24h: int  # mentions in its first day by the core's own count, root and all
    day_ms: tuple[int, ...]  # the answers of that day, sorted: what measures are about
    glimpses: tuple[Glimpse, ...]  # in the order of arrival, from the floor on
    at_marks: tuple[tuple[int, float], ...]  # (mark, probability), of marks reached that day
    learned_at: int = 0  # what one in a hundred of its brand's threads reached as it began; 0: not known
    canned_ms: int = 0  # the latest canned reply before the glimpses


def glimpse(thread: Thread, at_ms: int, params: ThreadParams, *, canned: bool = False) -> Glimpse:
    """What the core sees of `thread` just after a mention of `at_ms`; the forecast is made here."""
    return Glimpse(
        at_ms,
        thread.last_ms - thread.started_ms,
        thread.mentions,
        thread.authors.estimate,
        thread.authors.busiest,
        viral_probability(features_of(thread), storm_size(params, thread.viral_at)),
        thread.last_ms,
        canned,
        reply_is_due(thread, thread.last_ms, params),
    )


def rises(trace: Trace, params: ThreadParams) -> tuple[Rise, ...]:
    """The alerts that a replay under `params` raises for this thread, in order.

    `params` may differ from those of the recording in `DECIDED_BY`, if they are among those whose
    `floor_of` the recorder kept to.
    """
    found = []
    level = Level.CALM
    canned_ms = trace.canned_ms
    for one in trace.glimpses:
        if one.canned:
            canned_ms = max(canned_ms, one.at_ms)
            after = level_after_reply(level, one.mentions, one.busiest, params)
        elif level is Level.CALM and not may_rise(one.mentions, one.authors, one.age_ms, params):
            continue
        else:
            held = held_by_reply(canned_ms, one.last_ms, params)
            after = level_after(
                level, one.probability, one.mentions, one.busiest, params, held=held, due=one.due
            )
        if after > level:
            found.append(Rise(one.at_ms, after, one.probability))
        level = after
    return tuple(found)


def first_ms(found: tuple[Rise, ...], level: Level) -> int | None:
    """When `level` or one above it was first reached, None if never."""
    return next((one.at_ms for one in found if one.level >= level), None)


def with_page(params: ThreadParams, page: float) -> ThreadParams:
    """The same thresholds with another `page`, 0 < page <= 1; watch and warn keep below it.

    A page above the present one leaves them where they are, a lower one lowers both by the same factor (to
    six decimals, so that what is printed is what was tried). Raises ValueError as `ThreadParams` does.
    """
    if page >= params.page:
        return replace(params, page=page)
    watch, warn = (round(one * page / params.page, 6) for one in (params.watch, params.warn))
    return replace(params, page=page, watch=watch, warn=warn)


def floor_of(several: Iterable[ThreadParams]) -> Floor:
    """The floor above which a recorder must look, so that its traces answer for all of these thresholds."""
    many = tuple(several)
    return Floor(
        min(one.min_mentions for one in many),
        min(one.min_authors for one in many),
        min(one.watch for one in many),
    )


def alert_ids(brand: str, thread_id: str, born_ms: int) -> frozenset[str]:
    """The ids that the first alerts of this episode have, whatever the thresholds that raised them."""
    return frozenset(
        alert_id("thread", brand, thread_id, born_ms, number, level)
        for number in range(1, _ALERTS_NAMED + 1)
        for level in (Level.WATCH, Level.WARN, Level.PAGE)
    )
