"""A thread: a root post and all that answers it, as the few numbers that decide.

Law of this file: everything that is remembered of a thread is declared and changed here, by `step`
alone. The order in which mentions arrive does not matter to what is measured (counts, buckets,
authors, tree, heat up to float rounding); the brand's own mentions never enter size, reach or authors.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from streams import seen as seen_
from streams.authors import NOBODY, Authors, with_author
from streams.levels import Level
from streams.mention import Mention

__all__ = ["BUCKET_MS", "DAY_MS", "HEAT_TAU_S", "QUIET_MS", "Thread", "step"]

BUCKET_MS: Final = 5 * 60 * 1000
DAY_MS: Final = 24 * 3600 * 1000
GRACE_MS: Final = 10 * 60 * 1000  # disorder that changes nothing
QUIET_MS: Final = 36 * 3600 * 1000  # a thread without a mention for so long is over; a later one starts anew
HEAT_TAU_S: Final = (300.0, 1800.0, 7200.0)  # time constants of the exponentially decayed counts
_BUCKETS_KEPT: Final = DAY_MS // BUCKET_MS
_ORPHANS_KEPT: Final = 256  # answers to posts not seen yet; more is a broken source or an attack


class Thread(msgspec.Struct, frozen=True, array_like=True):
    """What is known of one thread. Times are event time in milliseconds, UTC; 0 means never."""

    brand: str
    platform: str
    born_ms: int  # created_at of the mention that arrived first: fixed, names the episode
    started_ms: int  # created_at of the earliest mention
    last_ms: int  # created_at of the latest mention
    mentions: int
    mentions_24h: int  # within 24 h of the start: what forecasts are about
    late: int  # mentions that arrived more than the grace behind the latest
    heat: tuple[float, ...]  # mentions, each fading with exp(-age / tau), as of last_ms; one per HEAT_TAU_S
    buckets: tuple[tuple[int, int], ...]  # (created_at // BUCKET_MS, mentions), sorted, the last 288
    authors: Authors
    root_author: int  # hash, 0 while the root was not seen
    by_root_author: int  # mentions by whom the thread belongs to, the root included
    reach: int  # followers summed over mentions: how many could have seen it, at the most
    breadth: int  # direct answers to the root
    depth: int  # of the deepest mention; the root is 0
    shares: int  # shares and quotes
    scored: int  # texts scored for sentiment
    negative: int  # of those, negative
    brand_replies: int
    canned_replies: int
    first_reply_ms: int  # first reply of the brand
    last_reply_ms: int
    seen: seen_.Seen
    orphans: dict[int, tuple[int, ...]]  # hash of a missing parent -> hashes of its answers
    level: Level
    raised_ms: int  # when the present level was reached
    alerts: int  # how many alerts this episode has raised


def step(thread: Thread | None, mention: Mention) -> Thread:
    """The thread after one more mention; the very same object if the mention was counted before.

    O(1) time and space but for the memory of ids, which is O(log n). `mention.kind` must not be
    ``volume`` (counts belong to brands, not to threads): ValueError.
    """
    if mention.kind == "volume":
        raise ValueError("a volume count has no thread")
    at = mention.created_ms
    if thread is None or at > thread.last_ms + QUIET_MS:
        thread = _new(mention)
    elif seen_.depth_of(thread.seen, mention.key) is not None:
        return thread

    is_root = mention.id == mention.thread_id
    depth, seen, orphans = _place(thread, mention, is_root)
    if mention.from_brand:
        return msgspec.structs.replace(
            thread,
            brand_replies=thread.brand_replies + (not is_root),
            first_reply_ms=min(thread.first_reply_ms or at, at),
            last_reply_ms=max(thread.last_reply_ms, at),
            root_author=mention.author if is_root else thread.root_author,
            started_ms=min(thread.started_ms, at) if is_root else thread.started_ms,
            seen=seen,
            orphans=orphans,
        )

    started, last, heat = thread.started_ms, thread.last_ms, thread.heat
    if at >= last:
        age_s = (at - last) / 1000
        heat = tuple([h * math.exp(-age_s / tau) + 1.0 for h, tau in zip(heat, HEAT_TAU_S, strict=True)])
        last = at
    else:
        age_s = (last - at) / 1000
        heat = tuple([h + math.exp(-age_s / tau) for h, tau in zip(heat, HEAT_TAU_S, strict=True)])
        # Only disorder, or the root itself, moves the start: one stray date must not end the first day.
        if at < started and (is_root or started - at <= GRACE_MS):
            started = at
    root_author = mention.author if is_root else thread.root_author
    return Thread(
        thread.brand,
        thread.platform,
        thread.born_ms,
        started,
        last,
        thread.mentions + 1,
        thread.mentions_24h + (at - started < DAY_MS),
        thread.late + (last - at > GRACE_MS),
        heat,
        _with_bucket(thread.buckets, at // BUCKET_MS),
        with_author(thread.authors, mention.author),
        root_author,
        thread.by_root_author + (mention.author == root_author),
        thread.reach + mention.followers,
        thread.breadth + mention.to_root,
        max(thread.depth, depth),
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


def _new(mention: Mention) -> Thread:
    at = mention.created_ms
    return Thread(
        brand=mention.brand,
        platform=mention.platform,
        born_ms=at,
        started_ms=at,
        last_ms=at,
        mentions=0,
        mentions_24h=0,
        late=0,
        heat=(0.0,) * len(HEAT_TAU_S),
        buckets=(),
        authors=NOBODY,
        root_author=0,
        by_root_author=0,
        reach=0,
        breadth=0,
        depth=0,
        shares=0,
        scored=0,
        negative=0,
        brand_replies=0,
        canned_replies=0,
        first_reply_ms=0,
        last_reply_ms=0,
        seen=seen_.EMPTY,
        orphans={},
        level=Level.CALM,
        raised_ms=0,
        alerts=0,
    )


def _place(
    thread: Thread, mention: Mention, is_root: bool
) -> tuple[int, seen_.Seen, dict[int, tuple[int, ...]]]:
    """Where the mention sits in the reply tree; answers that waited for it are moved below it."""
    orphans = thread.orphans
    if is_root:
        depth = 0
    elif mention.to_root or not mention.parent:
        depth = 1
    else:
        known = seen_.depth_of(thread.seen, mention.parent)
        if known is not None:
            depth = known + 1
        else:
            depth = 2  # its parent is not the root, so this deep at least
            waiting = orphans.get(mention.parent, ())
            if len(orphans) < _ORPHANS_KEPT and len(waiting) < _ORPHANS_KEPT:
                orphans = {**orphans, mention.parent: (*waiting, mention.key)}
    seen = seen_.add(thread.seen, mention.key, depth)
    deepest = depth
    if mention.key in orphans:
        orphans = dict(orphans)
        below = [(mention.key, depth)]
        while below:
            parent, at_depth = below.pop()
            for child in orphans.pop(parent, ()):
                seen = seen_.add(seen, child, at_depth + 1)
                below.append((child, at_depth + 1))
                deepest = max(deepest, at_depth + 1)
    return deepest, seen, orphans


def _with_bucket(buckets: tuple[tuple[int, int], ...], index: int) -> tuple[tuple[int, int], ...]:
    if not buckets:
        return ((index, 1),)
    last, count = buckets[-1]
    if index == last:
        return (*buckets[:-1], (index, count + 1))
    if index > last:
        return (*buckets[-_BUCKETS_KEPT + 1 :], (index, 1))
    merged = dict(buckets)
    merged[index] = merged.get(index, 0) + 1
    return tuple(sorted(merged.items()))[-_BUCKETS_KEPT:]
