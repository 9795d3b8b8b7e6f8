"""A thread: a root post and all that answers it, as the few numbers that decide.

Law of this file: everything that is remembered of a thread is declared and changed here, by `step`
alone. The order in which mentions arrive, within the grace, does not matter to what is measured (times,
counts, buckets, authors, tree, heat up to float rounding). Exceptions, all of them rare: a mention that
bridges two episodes 36 hours apart and comes when the later one has begun; by_root_author when the root
comes after 65 other people; depth when more answers wait for their parents than are kept. The brand's
own mentions enter nothing but the count and times of its replies, and the start of a thread whose root
is the brand's.
"""

from __future__ import annotations

from math import exp
from typing import Final

import msgspec
from msgspec.structs import replace

from streams import seen as seen_
from streams.authors import NOBODY, Authors, mentions_by, newcomers, with_author
from streams.levels import Level
from streams.mention import Mention

__all__ = ["BUCKET_MS", "DAY_MS", "FRESH_TAU_S", "HEAT_TAU_S", "QUIET_MS", "Thread", "step"]

BUCKET_MS: Final = 5 * 60 * 1000
DAY_MS: Final = 24 * 3600 * 1000
GRACE_MS: Final = 10 * 60 * 1000  # disorder that changes nothing
QUIET_MS: Final = 36 * 3600 * 1000  # a thread without a mention for so long is over; a later one starts anew
HEAT_TAU_S: Final = (300.0, 1800.0, 7200.0)  # time constants of the exponentially decayed counts
FRESH_TAU_S: Final = HEAT_TAU_S[-1]  # of the decayed count of people, from when they first spoke

Heat = tuple[float, ...]
Pulse = tuple[int, ...]  # bucket, mentions in it, bucket, mentions, ...: flat, because there are many
Orphans = dict[int, tuple[int, ...]]  # a missing or unplaced post -> its answers, ~hash for the brand's

_FADE_PER_MS: Final = tuple([-1 / (1000 * tau) for tau in HEAT_TAU_S])
_BUCKETS_KEPT: Final = DAY_MS // BUCKET_MS
# Answers to posts not seen yet, and how many for each; more is a broken source or an attack.
_PARENTS_AWAITED: Final = 256
_ANSWERS_WAITING: Final = 64
_UNPLACED: Final = 0  # the depth noted for an answer whose way to the root has a gap


class Thread(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is known of one thread. Times are event time in milliseconds, UTC; 0 means never."""

    brand: str
    platform: str
    born_ms: int  # created_at of the mention that arrived first: fixed, names the episode
    started_ms: int  # created_at of the root or the earliest mention; a lone stray date does not move it
    last_ms: int  # created_at of the latest mention
    mentions: int = 0
    mentions_24h: int = 0  # within 24 h of the start: what forecasts are about
    late: int = 0  # mentions that arrived more than the grace behind the latest
    heat: Heat = (0.0,) * len(HEAT_TAU_S)  # mentions, each fading with exp(-age / tau), as of last_ms
    fresh: float = 0.0  # people, each fading since the second of their first mention
    pulse: Pulse = ()  # mentions by 5 minutes, counted from the bucket of born_ms; read it as `buckets`
    authors: Authors = NOBODY
    root_author: int = 0  # hash, 0 while the root was not seen
    by_root_author: int = 0  # mentions by whom the thread belongs to, the root included
    reach: int = 0  # followers summed over mentions: how many could have seen it, at the most
    breadth: int = 0  # direct answers to the root
    depth: int = 0  # of the deepest mention; the root is 0, an answer to a post never seen is 2
    shares: int = 0  # shares and quotes
    scored: int = 0  # texts scored for sentiment
    negative: int = 0  # of those, negative
    brand_replies: int = 0
    canned_replies: int = 0
    first_reply_ms: int = 0  # first reply of the brand
    last_reply_ms: int = 0
    seen: seen_.Seen = seen_.EMPTY
    orphans: Orphans = {}
    level: Level = Level.CALM
    raised_ms: int = 0  # when the present level was reached
    alerts: int = 0  # how many alerts this episode has raised

    @property
    def buckets(self) -> tuple[tuple[int, int], ...]:
        """(created_at // BUCKET_MS, mentions), sorted: the last 288 that are not empty."""
        first = self.born_ms // BUCKET_MS
        numbers, mentions = self.pulse[::2], self.pulse[1::2]
        return tuple([(first + number, count) for number, count in zip(numbers, mentions, strict=True)])


def step(thread: Thread | None, mention: Mention) -> Thread:
    """The thread after one more mention; the very same object if the mention was counted before.

    O(1) time and space but for the memory of ids, which is O(log n). `mention.kind` must not be
    ``volume`` (counts belong to brands, not to threads): ValueError.
    """
    if mention.kind == "volume":
        raise ValueError("a volume count has no thread")
    at = mention.created_ms
    if thread is None or at > thread.last_ms + QUIET_MS:
        thread = Thread(mention.brand, mention.platform, at, at, at)
    elif seen_.depth_of(thread.seen, mention.key) is not None:
        return thread
    is_root = mention.id == mention.thread_id
    depth, seen, orphans = _place(thread, mention, is_root)
    if mention.from_brand:
        return _with_brand(thread, mention, is_root, depth, seen, orphans)

    started, last = thread.started_ms, thread.last_ms
    if not thread.mentions:  # what the brand said before has no say in when its customers spoke
        started, last = min(started, at) if thread.root_author else at, at
    elif at < started and started - at <= (QUIET_MS if is_root else GRACE_MS):
        started = at  # only disorder, or the root itself: one stray date must not end the first day
    at_s, before = at // 1000, thread.authors
    authors = with_author(before, mention.author, at_s)
    came = newcomers(before, authors, mention.author, at_s)
    heat, fresh = _heated(thread.heat, thread.fresh, at - last, at, came)
    root_author, by_root_author = thread.root_author, thread.by_root_author
    if is_root:
        root_author = mention.author
        by_root_author = mentions_by(thread.authors, root_author) + 1
    elif mention.author == root_author:
        by_root_author += 1
    return Thread(
        thread.brand,
        thread.platform,
        thread.born_ms,
        started,
        at if at > last else last,
        thread.mentions + 1,
        thread.mentions_24h + (-DAY_MS < at - started < DAY_MS),
        thread.late + (last - at > GRACE_MS),
        heat,
        fresh,
        _with_bucket(thread.pulse, at // BUCKET_MS - thread.born_ms // BUCKET_MS),
        authors,
        root_author,
        by_root_author,
        thread.reach + mention.followers,
        thread.breadth + mention.to_root,
        depth if depth > thread.depth else thread.depth,
        thread.shares + (mention.kind == "share" or mention.kind == "quote"),
        thread.scored,
        thread.negative,
        thread.brand_replies,
        thread.canned_replies,
        thread.first_reply_ms,
        thread.last_reply_ms,
        seen,
        orphans,
        thread.level,
        thread.raised_ms,
        thread.alerts,
    )


def _with_brand(
    thread: Thread, mention: Mention, is_root: bool, depth: int, seen: seen_.Seen, orphans: Orphans
) -> Thread:
    """The thread after the brand itself spoke: a reply, or the post that all the others answer."""
    at = mention.created_ms
    thread = replace(thread, depth=max(thread.depth, depth), seen=seen, orphans=orphans)
    if not thread.mentions:  # nobody else has spoken yet: its own times stand in
        started = thread.started_ms if thread.root_author else min(thread.started_ms, at)
        thread = replace(thread, started_ms=started, last_ms=max(thread.last_ms, at))
    if not is_root:
        return replace(
            thread,
            brand_replies=thread.brand_replies + 1,
            first_reply_ms=min(thread.first_reply_ms or at, at),
            last_reply_ms=max(thread.last_reply_ms, at),
        )
    if not thread.mentions or 0 < thread.started_ms - at <= QUIET_MS:
        thread = replace(thread, started_ms=at)
    author = mention.author
    return replace(thread, root_author=author, by_root_author=mentions_by(thread.authors, author))


def _place(thread: Thread, mention: Mention, is_root: bool) -> tuple[int, seen_.Seen, Orphans]:
    """Where the mention sits in the reply tree; answers that waited for it are moved below it.

    The depth that comes back is that of the deepest customer's mention that was placed now.
    """
    key, orphans = mention.key, thread.orphans
    if is_root:
        depth = 0
    elif not mention.parent:  # an answer to the root, or to nobody in particular
        depth = 1
    else:
        above = seen_.depth_of(thread.seen, mention.parent)
        if not above:  # missing, or itself below one that is
            waiting = orphans.get(mention.parent, ())
            if len(orphans) < _PARENTS_AWAITED and len(waiting) < _ANSWERS_WAITING:
                orphans = {**orphans, mention.parent: (*waiting, ~key if mention.from_brand else key)}
            # Its parent is not the root: it is this deep at least.
            return 0 if mention.from_brand else 2, seen_.add(thread.seen, key, _UNPLACED), orphans
        depth = above + 1
    seen = seen_.add(thread.seen, key, depth)
    deepest = 0 if mention.from_brand else depth
    if key in orphans:
        orphans = dict(orphans)
        below = [(key, depth + 1)]
        while below:
            parent, depth = below.pop()
            for answer in orphans.pop(parent, ()):
                if answer < 0:
                    answer = ~answer
                else:
                    deepest = max(deepest, depth)
                seen = seen_.add(seen, answer, depth)
                below.append((answer, depth + 1))
    return deepest, seen, orphans


def _heated(
    heat: Heat, fresh: float, later_ms: int, at_ms: int, came: tuple[tuple[int, int], ...]
) -> tuple[Heat, float]:
    """Heat and fresh after one more mention, `later_ms` after (or, negative, before) the latest.

    `came` are the people who came in with it. One function for both, since they fade alike.
    """
    per_ms, apart_ms = _FADE_PER_MS, abs(later_ms)
    by_short = exp(apart_ms * per_ms[0])
    by_middle = exp(apart_ms * per_ms[1])
    by_long = exp(apart_ms * per_ms[2])
    short, middle, long = heat
    if later_ms >= 0:
        heat = (short * by_short + 1.0, middle * by_middle + 1.0, long * by_long + 1.0)
        fresh *= by_long
    else:
        heat = (short + by_short, middle + by_middle, long + by_long)
        at_ms -= later_ms
    for second, people in came:
        fresh += people * exp((at_ms - 1000 * second) * per_ms[2])
    return heat, fresh


def _with_bucket(pulse: Pulse, bucket: int) -> Pulse:
    if not pulse or bucket > pulse[-2]:
        return (*pulse[-2 * (_BUCKETS_KEPT - 1) :], bucket, 1)
    if bucket == pulse[-2]:
        return (*pulse[:-1], pulse[-1] + 1)
    counts = dict(zip(pulse[::2], pulse[1::2], strict=True))
    counts[bucket] = counts.get(bucket, 0) + 1
    return tuple([number for pair in sorted(counts.items())[-_BUCKETS_KEPT:] for number in pair])
