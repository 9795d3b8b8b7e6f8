"""Threads, whatever the order in which their mentions arrive."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.authors import Authors
from streams.mention import Kind, Mention, hash64
from streams.seen import depth_of
from streams.thread import BUCKET_MS, DAY_MS, FRESH_TAU_S, GRACE_MS, HEAT_TAU_S, QUIET_MS, State, Thread, step
from tests.threads import changed

Make = Callable[..., Mention]
ROOT = "forum:root"
MIN, HOUR = 60_000, 3_600_000


def told(mentions: Iterable[Mention], thread: Thread | None = None) -> Thread:
    for mention in mentions:
        thread = step(thread, mention) or thread
    assert thread is not None
    return thread


def measured(thread: Thread) -> dict[str, Any]:
    """All of a thread that is exact, but how it got there: what arrived first, how memory is stacked."""
    names = [one for one in dir(thread) if not one.startswith(("_", "heat"))]
    figures = {one: value for one in names if not callable(value := getattr(thread, one))}
    for path in ("born_ms", "pulse", "fresh"):
        del figures[path]
    figures["orphans"] = {parent: sorted(answers) for parent, answers in (thread.orphans or {}).items()}
    figures["authors"] = unstacked(thread.authors)
    if isinstance(thread.seen, bytes):
        figures["seen"] = entries(thread.seen, 9)
    return figures


def entries(packed: bytes, each: int) -> list[bytes]:
    return sorted(packed[at : at + each] for at in range(0, len(packed), each))


def unstacked(authors: Authors) -> tuple[Any, ...]:
    """What is known of people, in whatever order they came."""
    return authors.estimate, authors.busiest, entries(authors.people, 16), authors.state()[3]


@st.composite
def stories(draw: st.DrawFn, brand: bool = True) -> list[tuple[Any, ...]]:
    """Arguments of the mentions of one thread, in the order of their dates, over at most 25 hours."""
    moments = st.tuples(st.sampled_from([0, 0, 0, 4, 23, 24]), st.integers(0, 25 * MIN))
    times = sorted(hour * HOUR + ms for hour, ms in draw(st.lists(moments, min_size=1, max_size=30)))
    rooted = draw(st.booleans())
    story: list[tuple[Any, ...]] = []
    for number, at in enumerate(times):
        is_root = rooted and number == 0
        parents = [None, ROOT, "forum:never-seen"] + [one[0] for one in story[-6:]]
        story.append(
            (
                ROOT if is_root else f"forum:{number}",
                at,
                None if is_root else draw(st.sampled_from(parents)),
                draw(st.sampled_from(["anna", "ben", "cem", "dora", "eva"])),
                brand and draw(st.integers(0, 4)) == 0,
                draw(st.sampled_from(["reply", "share", "quote"])),
                draw(st.integers(0, 1_000)),
            )
        )
    return story


def mentions_of(story: list[tuple[Any, ...]], mention: Make) -> list[Mention]:
    return [
        mention(id, at, parent=parent, author=author, from_brand=brand, kind=kind, followers=followers)
        for id, at, parent, author, brand, kind, followers in story
    ]


@given(stories(), st.data())
def test_disorder_within_the_grace_changes_nothing(
    mention: Make, story: list[tuple[Any, ...]], data: st.DataObject
) -> None:
    """Mentions that overtake each other by up to ten minutes, some of them twice, give an equal thread."""
    ordered = mentions_of(story, mention)
    delays = data.draw(st.lists(st.integers(0, GRACE_MS), min_size=len(ordered), max_size=len(ordered)))
    arrivals = [m for _, m in sorted(zip(delays, ordered, strict=True), key=lambda p: p[0] + p[1].created_ms)]
    again = [one for one in arrivals for _ in range(data.draw(st.integers(1, 2)))]
    thread, disordered = told(ordered), told(again)
    assert measured(disordered) == measured(thread)
    assert disordered.heat == pytest.approx(thread.heat)
    assert disordered.fresh == pytest.approx(thread.fresh)
    assert disordered.late == 0


@given(stories(), st.randoms(use_true_random=False))
def test_any_order_counts_the_same(mention: Make, story: list[tuple[Any, ...]], rng: random.Random) -> None:
    """However late, a mention counts once, in its bucket, for its author, at its place in the tree."""
    ordered = mentions_of(story, mention)
    thread = told(ordered)
    shuffled = told(rng.sample(ordered * 2, 2 * len(ordered)))
    assert unstacked(shuffled.authors) == unstacked(thread.authors)
    for figure in ("mentions", "buckets", "reach", "breadth", "depth", "shares", "last_ms"):
        assert getattr(shuffled, figure) == getattr(thread, figure), figure
    for figure in ("brand_replies", "first_reply_ms", "last_reply_ms", "root_author", "by_root_author"):
        assert getattr(shuffled, figure) == getattr(thread, figure), figure


@given(stories())
def test_figures_are_what_a_plain_count_says(mention: Make, story: list[tuple[Any, ...]]) -> None:
    """Every figure equals the one counted from the whole list, without cleverness."""
    everyone = mentions_of(story, mention)
    people = [one for one in everyone if not one.from_brand]
    brand = [one for one in everyone if one.from_brand and one.id != ROOT]
    thread = told(everyone)
    root = next((one for one in everyone if one.id == ROOT), None)
    assert thread.mentions == len(people)
    assert dict(thread.buckets) == Counter(one.created_ms // BUCKET_MS for one in people)
    assert thread.authors.estimate == len({one.author for one in people})
    assert thread.reach == sum(one.followers for one in people)
    assert thread.breadth == sum(one.to_root for one in people)
    assert thread.shares == sum(one.kind != "reply" for one in people)
    assert thread.brand_replies == len(brand)
    assert thread.first_reply_ms == min((one.created_ms for one in brand), default=0)
    assert thread.last_reply_ms == max((one.created_ms for one in brand), default=0)
    assert thread.by_root_author == (sum(one.author == root.author for one in people) if root else 0)
    if people:
        start = min(one.created_ms for one in [*people, *([root] if root else [])])
        assert thread.started_ms == start
        assert thread.last_ms == max(one.created_ms for one in people)
        assert thread.mentions_24h == sum(one.created_ms - start < DAY_MS for one in people)
        faded = [
            sum(2.718281828459045 ** ((one.created_ms - thread.last_ms) / 1000 / tau) for one in people)
            for tau in HEAT_TAU_S
        ]
        assert thread.heat == pytest.approx(faded)
        firsts = {
            one.author: one.created_ms // 1000 for one in sorted(people, key=lambda m: -m.created_ms)
        }.values()
        new = sum(2.718281828459045 ** ((first - thread.last_ms / 1000) / FRESH_TAU_S) for first in firsts)
        assert thread.fresh == pytest.approx(new)


@given(stories(brand=False), stories())
def test_the_brand_never_enters_the_figures(
    mention: Make, story: list[tuple[Any, ...]], brands: list[tuple[Any, ...]]
) -> None:
    """However often the brand speaks, size, heat, authors, reach and tree are those of its customers."""
    people = mentions_of(story, mention)
    brand = [mention(f"brand:{one[0]}", one[1], from_brand=True, followers=10**6) for one in brands]
    alone = told(people)
    together = told(sorted(people + brand, key=lambda one: one.created_ms))
    for figure in ("mentions", "mentions_24h", "authors", "reach", "breadth", "depth", "shares", "buckets"):
        assert getattr(together, figure) == getattr(alone, figure), figure
    assert (together.started_ms, together.last_ms, together.heat) == (
        alone.started_ms,
        alone.last_ms,
        alone.heat,
    )
    assert together.brand_replies == len(brand)


@given(stories(), st.randoms(use_true_random=False))
def test_what_was_counted_before_changes_nothing(
    mention: Make, story: list[tuple[Any, ...]], rng: random.Random
) -> None:
    """A mention that comes again is said to be none, and leaves the thread byte for byte as it was."""
    mentions = mentions_of(story, mention)
    thread = told(mentions)
    before = msgspec.msgpack.encode(thread.state())
    assert [step(thread, one) for one in rng.sample(mentions, len(mentions))] == [None] * len(mentions)
    assert msgspec.msgpack.encode(thread.state()) == before


@given(stories())
def test_a_thread_survives_its_encoding(mention: Make, story: list[tuple[Any, ...]]) -> None:
    """What the changelog gives back is equal, and goes on as if nothing had happened."""
    *first, last = mentions_of(story, mention)
    thread = None
    for one in first:
        stepped = step(thread, one)
        assert stepped is not None
        thread = Thread.restored(msgspec.msgpack.decode(msgspec.msgpack.encode(stepped.state()), type=State))
    assert step(thread, last) == told([*first, last])


def test_thousands_of_mentions_count_once_each(mention: Make) -> None:
    """Of 3,000 mentions delivered twice, in any order over a day, each counts once."""
    rng = random.Random(4)
    mentions = [mention(f"forum:{n}", rng.randrange(DAY_MS // 2), author=f"u{n % 700}") for n in range(3_000)]
    thread = told(rng.sample(mentions * 2, 6_000))
    assert thread.mentions == thread.mentions_24h == thread.breadth == 3_000
    assert sum(count for _, count in thread.buckets) == 3_000
    for one in mentions[::97]:
        assert step(thread, one) is None


def test_a_late_mention_counts_where_it_belongs(mention: Make) -> None:
    """Three hours late is in its own bucket, hardly warms the thread, and is measured as late."""
    thread = told([mention(ROOT, 0, parent=None), mention(at=5 * HOUR)])
    heat, started_ms, last_ms = thread.heat, thread.started_ms, thread.last_ms
    assert step(thread, mention(at=2 * HOUR)) is thread
    assert (thread.mentions, thread.mentions_24h, thread.late) == (3, 3, 1)
    assert dict(thread.buckets)[(started_ms + 2 * HOUR) // BUCKET_MS] == 1
    assert thread.heat[0] - heat[0] < 1e-9
    assert (thread.started_ms, thread.last_ms) == (started_ms, last_ms)


@pytest.mark.parametrize(
    ("arrivals", "start"),
    [
        ([(5, "c"), (0, "c")], 0),  # disorder within the grace
        ([(60, "c"), (20, "c")], 60),  # one stray date
        ([(60, "c"), (20, "root")], 20),  # the root, late
        ([(40 * 60, "c"), (0, "root")], 40 * 60),  # the root of an earlier episode
        ([(0, "b"), (5, "c")], 5),  # the brand's answer came first
        ([(0, "b-root"), (50, "c")], 0),  # the brand's post began it
        ([(50, "c"), (0, "b-root")], 0),
        ([(0, "b"), (1, "b-root"), (2, "c")], 1),
        ([(1, "b"), (0, "b")], 0),
    ],
)
def test_a_thread_starts_with_its_root_or_its_first_mention(
    mention: Make, arrivals: list[tuple[int, str]], start: int
) -> None:
    """Neither a stray date nor the brand's answers move the start of the first day."""
    thread = told(
        mention(ROOT if "root" in who else "", at * MIN, from_brand=who.startswith("b"))
        for at, who in arrivals
    )
    assert thread.started_ms == mention(at=start * MIN).created_ms


def test_a_quiet_thread_is_over(mention: Make) -> None:
    """36 hours after its last mention it still goes on, a millisecond later it starts anew."""
    thread = told([mention(ROOT, 0, parent=None), mention(at=HOUR)])
    assert step(changed(thread), mention(at=HOUR + QUIET_MS)).mentions == 3  # type: ignore[union-attr]
    anew = step(thread, mention(at=HOUR + QUIET_MS + 1))
    assert anew is not None
    assert (anew.mentions, anew.root_author, anew.born_ms) == (1, 0, anew.last_ms)
    assert thread.mentions == 2  # the old one is as it was


CHAIN = [(ROOT, None), ("a", ROOT), ("b", "a"), ("c", "b"), ("d", "c"), ("e", "a")]


@pytest.mark.parametrize("seed", range(20))
def test_the_tree_grows_in_any_order(mention: Make, seed: int) -> None:
    """Answers that come before what they answer find their depth when the gap closes."""
    order = random.Random(seed).sample(CHAIN, len(CHAIN))
    thread = told(mention(id, 0, parent=parent) for id, parent in order)
    assert [depth_of(thread.seen, hash64(id)) for id, _ in CHAIN] == [0, 1, 2, 3, 4, 2]
    assert (thread.depth, thread.breadth, thread.orphans) == (4, 1, None)


@pytest.mark.parametrize(
    "parents",
    [
        {"a": "a"},
        {"a": "b", "b": "a"},
        {"a": "b", "b": "c", "c": "a"},
        {f"x{n}": f"y{n}" for n in range(2_000)},
        {f"x{n}": "y" for n in range(2_000)},
        {f"x{n}": f"x{n + 1}" for n in range(2_000)},
    ],
)
def test_an_impossible_tree_costs_little(mention: Make, parents: dict[str, str]) -> None:
    """Circles and thousands of answers to posts that never come end, count, and stay small."""
    thread = told(mention(id, 0, parent=parent) for id, parent in parents.items())
    assert (thread.mentions, thread.depth) == (len(parents), 2)
    waiting = thread.orphans or {}
    assert 0 < len(waiting) <= 256
    assert sum(map(len, waiting.values())) <= 256 * 64


def test_buckets_reach_back_a_day_of_talk(mention: Make) -> None:
    """The last 288 that are not empty are kept, however late their mentions."""
    times = [n * BUCKET_MS for n in range(400)]
    first = mention(at=0).created_ms // BUCKET_MS
    for order in (times, random.Random(5).sample(times, 400)):
        thread = told(mention(at=at) for at in order)
        assert thread.buckets == tuple((first + n, 1) for n in range(112, 400))


@pytest.mark.parametrize("kind", ["post", "reply", "quote", "share"])
def test_every_kind_counts_and_volume_is_refused(mention: Make, kind: Kind) -> None:
    """A count of a brand's mentions has no thread; handing one over is a mistake of ours."""
    assert told([mention(kind=kind)]).shares == (kind in ("quote", "share"))
    with pytest.raises(ValueError, match="volume"):
        step(None, mention(kind="volume"))
