"""A thread: a root post and all that answers it, as the few numbers that decide.

Law of this file: everything that is remembered of a thread is declared here, and changed by `step` alone, but
for its level (`streams.judge`) and what its texts say (`streams.reading`, `streams.revision`). The order in
which mentions arrive, within the grace, does not matter to what is measured (times, counts, buckets, authors,
tree, heat up to float rounding). Exceptions, all of them rare: a mention that bridges two episodes 36 hours
apart and comes when the later one has begun; by_root_author when the root comes after 65 other people; depth
when more answers wait for their parents than are kept. The brand's own mentions enter nothing but the count
and times of its replies, and the start of a thread whose root is the brand's.
"""

from __future__ import annotations

from math import exp
from sys import intern
from typing import Final

from mypy_extensions import mypyc_attr

from streams.authors import Authors, AuthorsState, Came, mentions_by, speak
from streams.buckets import BUCKET_MS, Buckets, counted, unpacked
from streams.levels import Level
from streams.mention import Mention
from streams.seen import Seen, add, depth_of, move
from streams.voice import Voice

__all__ = ["BUCKET_MS", "DAY_MS", "FRESH_TAU_S", "HEAT_TAU_S", "QUIET_MS", "State", "Thread", "step"]

DAY_MS: Final = 24 * 3600 * 1000
GRACE_MS: Final = 10 * 60 * 1000  # disorder that changes nothing
QUIET_MS: Final = 36 * 3600 * 1000  # a thread without a mention for so long is over; a later one starts anew
_5MIN: Final = 300.0
_30MIN: Final = 1800.0
FRESH_TAU_S: Final = 7200.0  # of the decayed count of people, from when they first spoke
# time constants of the exponentially decayed counts of mentions
HEAT_TAU_S: Final[tuple[float, ...]] = (_5MIN, _30MIN, FRESH_TAU_S)

Orphans = dict[int, tuple[int, ...]]  # a missing or unplaced post -> its answers, ~hash for the brand's
Scores = dict[int, int]  # what the latest texts were read as, by hash of the mention

_FADE_5MIN: Final = -1 / (1000 * _5MIN)  # per millisecond
_FADE_30MIN: Final = -1 / (1000 * _30MIN)
_FADE_2H: Final = -1 / (1000 * FRESH_TAU_S)
# Answers to posts not seen yet, and how many for each; more is a broken source or an attack.
_PARENTS_AWAITED: Final = 256
_ANSWERS_WAITING: Final = 64
_UNPLACED: Final = 0  # the depth noted for an answer whose way to the root has a gap


# fmt: off
State = tuple[
    str, str, int, int, int, int, int, int, float, float, float, float, Buckets, AuthorsState, int, int, int,
    int, int, int, int, int, int, int, int, int, Seen, Orphans | None, Level, int, int, float, int, float,
    int, int, float, float, int, int, str, str, tuple[Voice, ...], Scores | None, bool, tuple[int, ...],
]
# fmt: on
"""All of a thread, in the order in which `Thread` declares it: what is stored, and what tests compare."""


@mypyc_attr(acyclic=True)
class Thread:
    """What is known of one thread. Times are event time in milliseconds, UTC; 0 means never.

    It has one owner, who hands it to `step` and goes on with what comes back: to copy what a storm remembers
    of its mentions and people for each one more would cost several times what is done with it.
    """

    brand: str
    platform: str
    born_ms: int  # created_at of the mention that arrived first: fixed, names the episode
    started_ms: int  # created_at of the root or the earliest mention; a lone stray date does not move it
    last_ms: int  # created_at of the latest mention
    mentions: int = 0
    mentions_24h: int = 0  # within 24 h of the start: what forecasts are about
    late: int = 0  # mentions that arrived more than the grace behind the latest
    heat_5min: float = 0.0  # mentions, each fading with exp(-age / 5 min), as of last_ms
    heat_30min: float = 0.0
    heat_2h: float = 0.0
    fresh: float = 0.0  # people, each fading since the second of their first mention
    pulse: Buckets = b""  # mentions by 5 minutes, from the bucket of born_ms on; read it as `buckets`
    authors: Authors
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
    seen: Seen = b""
    orphans: Orphans | None = None
    level: Level = Level.CALM
    raised_ms: int = 0  # when the present level was reached
    alerts: int = 0  # how many alerts this episode has raised
    # What is usual for the brand (streams/usual.py): the tempo as of each full hour in which it is asked for,
    # the rest as of the begin of the episode.
    tempo: float = 1.0
    tempo_hour: int = 0  # since the epoch, that the tempo was taken in
    growth: float = 1.0
    viral_at: int = 0  # mentions that one in a hundred of the brand's threads reaches; 0: not known
    reply_due_ms: int = 0  # when the brand's first reply is due; 0: not known
    canned_share: float = 0.0  # how often such a reply is canned, 0..1; tells nothing while nothing is due
    negative_usual: float = -1.0  # share of negative texts in the brand's hot threads; below 0: not known
    # What was read (streams/reading.py)
    unread: int = 0  # texts in a language that nobody here can score
    canned_ms: int = 0  # latest canned reply of the brand
    title: str = ""  # masked beginning of the root's text
    url: str = ""  # the root's
    voices: tuple[Voice, ...] = ()
    scores: Scores | None = None
    root_deleted: bool = False
    refs: tuple[int, ...] = ()  # hashes of what the root quotes and where it leads (`streams.cases`)

    def __init__(self, brand: str, platform: str, born_ms: int, started_ms: int, last_ms: int) -> None:
        self.brand = intern(brand)  # a few words in many threads
        self.platform = intern(platform)
        self.born_ms = born_ms
        self.started_ms = started_ms
        self.last_ms = last_ms
        self.authors = Authors()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Thread) and self.state() == other.state()

    def __repr__(self) -> str:
        return f"Thread.restored({self.state()!r})"

    @property
    def heat(self) -> tuple[float, ...]:
        """The decayed counts of mentions, in the order of HEAT_TAU_S."""
        return (self.heat_5min, self.heat_30min, self.heat_2h)

    @property
    def buckets(self) -> tuple[tuple[int, int], ...]:
        """(created_at // BUCKET_MS, mentions), sorted: the last 288 that are not empty."""
        first = self.born_ms // BUCKET_MS
        return tuple([(first + number, count) for number, count in unpacked(self.pulse)])

    # fmt: off
    def state(self) -> State:
        """All of it, not copied: it goes on with the thread."""
        return (
            self.brand, self.platform, self.born_ms, self.started_ms, self.last_ms, self.mentions,
            self.mentions_24h, self.late, self.heat_5min, self.heat_30min, self.heat_2h, self.fresh,
            self.pulse, self.authors.state(), self.root_author, self.by_root_author, self.reach,
            self.breadth, self.depth, self.shares, self.scored, self.negative, self.brand_replies,
            self.canned_replies, self.first_reply_ms, self.last_reply_ms, self.seen, self.orphans,
            self.level, self.raised_ms, self.alerts, self.tempo, self.tempo_hour, self.growth,
            self.viral_at, self.reply_due_ms, self.canned_share, self.negative_usual, self.unread,
            self.canned_ms, self.title, self.url, self.voices, self.scores, self.root_deleted, self.refs,
        )

    @staticmethod
    def restored(state: State) -> Thread:
        """The thread that `state` came from."""
        one = Thread(state[0], state[1], state[2], state[3], state[4])
        (
            _brand, _platform, one.born_ms, one.started_ms, one.last_ms, one.mentions,
            one.mentions_24h, one.late, one.heat_5min, one.heat_30min, one.heat_2h, one.fresh, one.pulse,
            authors, one.root_author, one.by_root_author, one.reach, one.breadth, one.depth, one.shares,
            one.scored, one.negative, one.brand_replies, one.canned_replies, one.first_reply_ms,
            one.last_reply_ms, one.seen, one.orphans, one.level, one.raised_ms, one.alerts, one.tempo,
            one.tempo_hour, one.growth, one.viral_at, one.reply_due_ms, one.canned_share,
            one.negative_usual, one.unread, one.canned_ms, one.title, one.url, one.voices, one.scores,
            one.root_deleted, one.refs,
        ) = state
        one.authors = Authors.restored(authors)
        return one
    # fmt: on


def step(thread: Thread | None, mention: Mention) -> Thread | None:
    """The thread after one more mention; None if the mention was counted before, and nothing has changed.

    A deletion is no mention: None. What it takes away, and an edit changes, is `streams.revision`'s.

    `thread` is changed in place and handed back, unless it is over: then it stays as it was and a new one
    begins. O(1) time; of space, the memory of ids alone grows, up to a limit. `mention.kind` must not be
    ``volume`` (counts belong to brands, not to threads): ValueError.
    """
    if mention.kind == "volume":
        raise ValueError("a volume count has no thread")
    if mention.deleted:
        return None
    at = mention.created_ms
    if thread is None or at > thread.last_ms + QUIET_MS:
        thread = Thread(mention.brand, mention.platform, at, at, at)
    elif depth_of(thread.seen, mention.key) is not None:
        return None
    is_root = mention.id == mention.thread_id
    depth = _place(thread, mention, is_root)
    if depth > thread.depth:
        thread.depth = depth
    if mention.from_brand:
        _hear_brand(thread, mention, is_root)
        return thread

    started, last = thread.started_ms, thread.last_ms
    if not thread.mentions:  # what the brand said before has no say in when its customers spoke
        started, last = min(started, at) if thread.root_author else at, at
        thread.started_ms = started
    elif at < started and started - at <= (QUIET_MS if is_root else GRACE_MS):
        thread.started_ms = started = at  # only disorder, or the root: a stray date must not end the day
    if at >= last:
        thread.last_ms = at
    elif last - at > GRACE_MS:
        thread.late += 1
    thread.mentions += 1
    if -DAY_MS < at - started < DAY_MS:
        thread.mentions_24h += 1
    author = mention.author
    if is_root:
        thread.root_author = author
        thread.by_root_author = mentions_by(thread.authors, author) + 1
    elif author == thread.root_author:
        thread.by_root_author += 1
    _heat(thread, at - last, at, speak(thread.authors, author, at // 1000))
    thread.pulse = counted(thread.pulse, at // BUCKET_MS - thread.born_ms // BUCKET_MS)
    thread.reach += mention.followers
    if mention.to_root:
        thread.breadth += 1
    if mention.kind == "share" or mention.kind == "quote":
        thread.shares += 1
    return thread


def _hear_brand(thread: Thread, mention: Mention, is_root: bool) -> None:
    """The brand itself spoke: a reply, or the post that all the others answer."""
    at = mention.created_ms
    if not thread.mentions:  # nobody else has spoken yet: its own times stand in
        if not thread.root_author:
            thread.started_ms = min(thread.started_ms, at)
        thread.last_ms = max(thread.last_ms, at)
    if not is_root:
        thread.brand_replies += 1
        thread.first_reply_ms = min(thread.first_reply_ms or at, at)
        thread.last_reply_ms = max(thread.last_reply_ms, at)
        return
    if not thread.mentions or 0 < thread.started_ms - at <= QUIET_MS:
        thread.started_ms = at
    thread.root_author = mention.author
    thread.by_root_author = mentions_by(thread.authors, mention.author)


def _place(thread: Thread, mention: Mention, is_root: bool) -> int:
    """Put the mention where it sits in the reply tree, and move answers that waited for it below it.

    What comes back is the depth of the deepest customer's mention that was placed now.
    """
    key, seen, orphans = mention.key, thread.seen, thread.orphans
    if is_root:
        depth = 0
    elif not mention.parent:  # an answer to the root, or to nobody in particular
        depth = 1
    else:
        above = depth_of(seen, mention.parent)
        if not above:  # missing, or itself below one that is
            if orphans is None:
                orphans = thread.orphans = {}
            waiting = orphans.get(mention.parent, ())
            if len(orphans) < _PARENTS_AWAITED and len(waiting) < _ANSWERS_WAITING:
                orphans[mention.parent] = (*waiting, ~key if mention.from_brand else key)
            thread.seen = add(seen, key, _UNPLACED)
            return 0 if mention.from_brand else 2  # its parent is not the root: it is this deep at least
        depth = above + 1
    thread.seen = add(seen, key, depth)
    deepest = 0 if mention.from_brand else depth
    if orphans is not None and key in orphans:
        below = [(key, depth + 1)]
        while below:
            parent, depth = below.pop()
            for answer in orphans.pop(parent, ()):
                if answer < 0:
                    answer = ~answer
                else:
                    deepest = max(deepest, depth)
                thread.seen = move(thread.seen, answer, depth)
                below.append((answer, depth + 1))
        if not orphans:
            thread.orphans = None
    return deepest


def _heat(thread: Thread, later_ms: int, at_ms: int, came: Came) -> None:
    """Fade heat and people, and add one more mention, `later_ms` after (negative: before) the latest.

    `came` are the people who came in with it. One function for both, since they fade alike.
    """
    apart_ms = float(abs(later_ms))
    by_5min = exp(apart_ms * _FADE_5MIN)
    by_30min = exp(apart_ms * _FADE_30MIN)
    by_2h = exp(apart_ms * _FADE_2H)
    if later_ms >= 0:
        thread.heat_5min = thread.heat_5min * by_5min + 1.0
        thread.heat_30min = thread.heat_30min * by_30min + 1.0
        thread.heat_2h = thread.heat_2h * by_2h + 1.0
        thread.fresh *= by_2h
    else:
        thread.heat_5min += by_5min
        thread.heat_30min += by_30min
        thread.heat_2h += by_2h
        at_ms -= later_ms
    for second, people in came:
        thread.fresh += people * exp((at_ms - 1000 * second) * _FADE_2H)
