"""A second set of thresholds beside the live ones: it decides, raises nothing, and is counted.

Law of this file: a mention is stepped once and, where both sets ask for the same size of a storm, forecast
once; then it is decided twice, by the same functions. What the second set sees starts where the live one
stands when the set begins, so that nothing from before it is counted.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from streams.as_usual import UNKNOWN, Snapshots, begin, keep_up
from streams.forecast import features_of, viral_probability
from streams.judge import (
    CALM,
    Followed,
    answer,
    decide,
    decide_on_reply,
    held_by_reply,
    judge,
    keep,
    level_after,
    level_after_reply,
    may_rise,
    reply_is_due,
    storm_size,
)
from streams.levels import Level
from streams.mention import Mention
from streams.params import ThreadParams
from streams.reading import NOTHING, Reader, read
from streams.revision import is_revision, revise
from streams.thread import Thread, step

__all__ = ["Beside", "Compared", "Shade", "Tally", "added", "follow_both"]

Rises = tuple[int, int, int]  # to watch, warn, page


class Beside(NamedTuple):
    """A second set: its thresholds, and when it was set (ms since the epoch), which names it."""

    params: ThreadParams
    since_ms: int


class Shade(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where the second set has a thread, and which of the two have paged for this episode of it."""

    since_ms: int
    level: Level
    live_paged: bool = False
    shadow_paged: bool = False


class Tally(msgspec.Struct, frozen=True, array_like=True):
    """Counts since a set began: how often each raised a level, and threads by who would page for them."""

    since_ms: int
    live: Rises = (0, 0, 0)
    shadow: Rises = (0, 0, 0)
    both: int = 0
    only_live: int = 0
    only_shadow: int = 0


class Compared(NamedTuple):
    """A followed mention, where the second set has the thread now, and what that adds to the counts.

    No `shade`: where the live set has it, as for a set that begins now. No `told`: nothing.
    """

    followed: Followed
    shade: Shade | None
    told: Tally | None


def follow_both(
    thread: Thread | None,
    mention: Mention,
    params: ThreadParams,
    shade: Shade | None,
    beside: Beside,
    usuals: Snapshots = UNKNOWN,
    reader: Reader | None = None,
) -> Compared | None:
    """One mention through `judge.follow`, and through the second set; None if it was counted before."""
    stepped = step(thread, mention)
    if stepped is None:
        if thread is not None and is_revision(mention):
            revise(thread, mention, reader)
        return None
    if stepped is not thread:
        begin(stepped, usuals)
    if shade is None or shade.since_ms != beside.since_ms or stepped is not thread:
        shade = _start(beside, stepped)
    if reader is not None:
        keep(stepped, mention, reader)
    second, authors = beside.params, stepped.authors
    if mention.from_brand:
        reply, level = answer(stepped, mention, usuals, reader), shade.level
        followed = decide_on_reply(stepped, mention, params, reply, usuals)
        if reply is not None and reply.kind == "canned":
            level = level_after_reply(level, stepped.mentions, authors.busiest, second)
        return _compared(shade, level, followed)
    keep_up(stepped, usuals)
    verdict, reading = judge(stepped, params), NOTHING
    if reader is not None and mention.text and (stepped.level or verdict.level):
        reading = read(stepped, mention, reader)
    followed = decide(stepped, mention, params, verdict, usuals, reading)
    level, at_ms = Level.CALM, stepped.last_ms
    if shade.level is not Level.CALM or may_rise(
        stepped.mentions, authors.estimate, at_ms - stepped.started_ms, second
    ):
        probability = verdict.viral_probability
        if verdict is CALM or second.viral_at != params.viral_at:
            probability = viral_probability(features_of(stepped), storm_size(second, stepped.viral_at))
        level = level_after(
            shade.level,
            probability,
            stepped.mentions,
            authors.busiest,
            second,
            held=held_by_reply(stepped.canned_ms, at_ms, second),
            due=reply_is_due(stepped, at_ms, second),
        )
    return _compared(shade, level, followed)


def _compared(shade: Shade, level: Level, followed: Followed) -> Compared:
    """Both decisions side by side; `shade` is where the second set had the thread, `level` has it now."""
    live = followed.thread.level
    rose = followed.alert is not None and followed.alert.level != followed.alert.previous_level
    after = Shade(
        shade.since_ms,
        level,
        shade.live_paged or (rose and live is Level.PAGE),
        shade.shadow_paged or level is Level.PAGE,
    )
    told = _told(shade, after, live if rose else Level.CALM) if rose or level > shade.level else None
    paged = live is Level.PAGE
    return Compared(followed, None if after == Shade(shade.since_ms, live, paged, paged) else after, told)


def added(tally: Tally | None, told: Tally) -> Tally:
    """The counts after some more; those of another set are let go."""
    if tally is None or tally.since_ms != told.since_ms:
        tally = Tally(told.since_ms)
    return Tally(
        told.since_ms,
        _sum(tally.live, told.live),
        _sum(tally.shadow, told.shadow),
        tally.both + told.both,
        tally.only_live + told.only_live,
        tally.only_shadow + told.only_shadow,
    )


def _start(beside: Beside, thread: Thread) -> Shade:
    paged = thread.level is Level.PAGE
    return Shade(beside.since_ms, thread.level, paged, paged)


def _sum(one: Rises, other: Rises) -> Rises:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def _rise(level: Level) -> Rises:
    return int(level is Level.WATCH), int(level is Level.WARN), int(level is Level.PAGE)


def _told(before: Shade, after: Shade, live: Level) -> Tally:
    was_live, was_shadow = before.live_paged, before.shadow_paged
    is_live, is_shadow = after.live_paged, after.shadow_paged
    return Tally(
        after.since_ms,
        _rise(live),
        _rise(after.level) if after.level > before.level else (0, 0, 0),
        (is_live and is_shadow) - (was_live and was_shadow),
        (is_live and not is_shadow) - (was_live and not was_shadow),
        (is_shadow and not is_live) - (was_shadow and not was_live),
    )
