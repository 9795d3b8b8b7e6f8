"""What is usual for a brand: snapshots of closed hours, and which of them a thread begins with."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.as_usual import NEUTRAL_MS, begin, keep_up
from streams.brand import Brand, BrandParams, add, advance, due
from streams.habits import said_of
from streams.judge import follow, has_paged
from streams.mention import Mention
from streams.params import ThreadParams
from streams.pulse import GRACE_MIN, MINUTE_MS, NO_COUNTS, Figures, Mark, Pulse, Said
from streams.pulses import Pulses
from streams.thread import Thread
from streams.usual import KEPT, Learning, Usual, Usuals, hear, learn
from tests.mentions import altered
from tests.streams.readers import reader

Make = Callable[..., Mention]
M0 = 28_401_120  # 2024-01-01T00:00Z in minutes
HOUR_MS = 60 * MINUTE_MS
READER = reader()
BEGUN = (1, *NO_COUNTS[1:])


def test_an_hour_is_learned_once_the_grace_has_passed_its_end() -> None:
    learning = Learning()
    assert hear(learning, M0 + 5, 0, BEGUN)
    assert learning.due == M0 + 60 + GRACE_MIN
    assert not learn(learning, M0 + 60 + GRACE_MIN - 1)
    assert learn(learning, M0 + 60 + GRACE_MIN)
    (usual,) = learning.latest
    assert (usual.as_of_ms, usual.since_ms) == ((M0 + 60) * MINUTE_MS, (M0 + 5) * MINUTE_MS)
    assert 0.85 < usual.recent < 1
    assert not learn(learning, M0 + 1000)  # nothing came: nothing to say


def test_told_twice_is_counted_once_before_and_after_the_hour_is_closed() -> None:
    learning = Learning()
    assert hear(learning, M0, 0, BEGUN)
    assert not hear(learning, M0, 0, BEGUN)
    learn(learning, M0 + 70)
    assert not hear(learning, M0, 0, BEGUN)
    assert hear(learning, M0 + 60, 1, BEGUN)
    learn(learning, M0 + 130)
    assert learning.baseline is not None
    assert learning.baseline.reached[0] == pytest.approx(2, abs=0.01)


@given(st.data())
@settings(max_examples=40)
def test_the_pace_of_sources_and_of_the_watermark_changes_nothing(data: st.DataObject) -> None:
    """Three sources, each late by up to the grace, told in parts, the watermark in steps or at once."""
    final = data.draw(
        st.dictionaries(
            st.tuples(st.integers(0, 400), st.integers(0, 2)), st.integers(1, 9), min_size=1, max_size=30
        )
    )
    arrivals = []
    for (minute, source), count in final.items():
        for part in (*data.draw(st.lists(st.integers(1, count), max_size=2)), count):
            late = data.draw(st.integers(0, GRACE_MIN))
            arrivals.append((minute + late, data.draw(st.integers()), minute, source, part))
    mixed, ordered = Learning(), Learning()
    for watermark, _, minute, source, part in sorted(arrivals):
        learn(mixed, M0 + watermark)
        hear(mixed, M0 + minute, source, (part, *BEGUN[1:]))
    learn(mixed, M0 + 1000)
    for (minute, source), count in final.items():
        hear(ordered, M0 + minute, source, (count, *BEGUN[1:]))
    learn(ordered, M0 + 1000)
    assert (mixed.latest, mixed.baseline) == (ordered.latest, ordered.baseline)
    assert len(mixed.latest) <= KEPT


def usual(hour: int, since: int = -100, growth: float = 2.0) -> Usual:
    return Usual(hour * HOUR_MS, since * HOUR_MS, 1.0, 28.0, growth, 70 + hour)


def thread(at_min: int, latest: Sequence[Usual]) -> Thread:
    """A thread that begins then, with what it takes from its brand."""
    at_ms = at_min * MINUTE_MS
    found = Thread("acme", "forum", at_ms, at_ms, at_ms)
    begin(found, {"acme": latest})
    keep_up(found, {"acme": latest})
    return found


@pytest.mark.parametrize(
    ("started_min", "viral_at"),
    [
        (9 * 60, 78),  # that of an hour ago
        (9 * 60 + 59, 78),
        (10 * 60, 79),
        (50 * 60, 79),  # none is newer
        (8 * 60 + 59, 77),
        (7 * 60, 0),  # late: what it should begin with is forgotten
    ],
)
def test_a_thread_takes_the_newest_that_is_an_hour_older(started_min: int, viral_at: int) -> None:
    found = thread(started_min, [usual(7), usual(8), usual(9)])
    assert (found.viral_at, found.growth) == (viral_at, 2.0 if viral_at else 1.0)
    assert (found.tempo < 1) == bool(viral_at)


def test_a_brand_is_as_all_others_for_two_days() -> None:
    since = 10
    begin_min = since * 60 + NEUTRAL_MS // MINUTE_MS + 60
    found = thread(begin_min - 1, [usual(11, since)])
    assert (found.tempo, found.growth, found.viral_at) == (1.0, 1.0, 0)
    assert thread(begin_min, [usual(11, since)]).growth == 2.0
    assert thread(begin_min, []).growth == 1.0


def test_the_tempo_fades_in_hours_without_a_snapshot() -> None:
    """Of a thread that begins then, and just so of one that goes on."""
    latest = [Usual(0, -500 * HOUR_MS, 6.0, 168.0, 1.0, None)]
    paces = [thread(hour * 60, latest).tempo for hour in range(1, 30)]
    assert paces == sorted(paces, reverse=True)
    assert paces[0] == pytest.approx(1.0, abs=0.1)
    assert paces[-1] < 0.2
    old = thread(60, latest)
    for hour in range(1, 30):
        old.last_ms = hour * HOUR_MS
        keep_up(old, {"acme": latest})
        assert old.tempo == paces[hour - 1]


def recording(mention: Make, days: int, seed: int) -> list[Mention]:
    """Two brands' threads of a few answers, each mention late by up to nine minutes."""
    rng, said = random.Random(seed), []
    for number in range(days * 24):
        root, brand = f"forum:t{number}", "acme" if number % 3 else "other"
        began = number * HOUR_MS
        for n in range(int(rng.paretovariate(0.7)) % 90 + 1):
            late = rng.randrange(9 * MINUTE_MS)
            ours = n % 9 == 5  # the desk, from one of three text blocks, or in its own words
            text = f"block {number % 3} of ours, dm" if number % 4 else f"words {number} {n} alone"
            one = mention(
                f"{root}-{n}" if n else root,
                began + n * 3 * MINUTE_MS,
                author="desk" if ours else f"{root}{n}",
                from_brand=ours,
                text=text if ours else "bad" if n % 3 else "fine",
            )
            said.append((one.created_ms + late, altered(one, brand=brand, thread_id=root)))
    return [one for _, one in sorted(said, key=lambda pair: pair[0])]


def test_a_recording_learns_what_pulses_and_brands_learn(mention: Make) -> None:
    """The short way of replay, tune and train, and the long one of a worker: the same snapshots, exactly."""
    params, usuals, pulses = ThreadParams(), Usuals(), Pulses(0)
    threads: dict[str, Thread] = {}
    brands: dict[str, Brand] = {}
    recurred = set[str]()
    for said in recording(mention, 4, seed=3):
        latest = usuals.reach(said.created_ms)
        followed = follow(threads.get(said.thread_id), said, params, latest, READER)
        assert followed is not None
        threads[said.thread_id] = followed.thread
        scored, negative, _ = followed.reading
        usuals.add(followed.thread, said, scored, negative, followed.reply)
        pulses.add(said, followed.thread, scored, negative, has_paged(followed.alert))
        pulses.said(said_of(said, followed.thread, followed.reply))
        if followed.reply is not None and followed.reply.recurrence.recurs:
            recurred.add(said.brand)
        for told in pulses.take():
            if isinstance(told, Mark):
                for brand in brands.values():
                    if due(brand) <= told.minute:
                        advance(brand, told.minute, BrandParams())
            elif isinstance(told, Pulse | Said):
                add(brands.setdefault(told.brand, Brand(told.brand)), told)
        known = {name: one.learning.latest for name, one in brands.items() if one.learning.latest}
        assert usuals.latest == known
    assert {brand: len(one) for brand, one in usuals.latest.items()} == {"acme": KEPT, "other": KEPT}
    ten = usuals.latest["acme"][-1].shown[0]
    day_left, beyond, fresh, heat = ten.means
    assert ten.threads > 5
    assert -0.1 < day_left <= 0.02  # half an hour after the begin
    assert (beyond, math.exp(fresh) - 1, math.exp(heat) - 1) == pytest.approx((0, 9, 7), abs=1.5)
    assert len({one.growth for one in threads.values()}) > 20
    assert len({one.tempo for one in threads.values()}) > 5
    first = [threads[f"forum:t{number}"] for number in range(49)]
    assert {one.growth for one in first} == {1.0}
    assert {one.reply_due_ms for one in first} == {0}
    due_s = [(one.reply_due_ms - one.started_ms) / 1000 for one in threads.values() if one.reply_due_ms]
    assert len(due_s) > 20
    assert all(10 * 60 < one < 25 * 60 for one in due_s)  # fifteen minutes, and up to nine late
    assert any(0 < one.negative_usual < 1 for one in threads.values())
    assert recurred == {"acme", "other"}


def test_a_thread_keeps_the_growth_it_began_with(mention: Make) -> None:
    """What its brand's usual becomes later is for other threads; a thread that begins anew takes it."""
    began = mention(at=0).created_ms

    def known(growth: float) -> dict[str, tuple[Usual, ...]]:
        return {"acme": (Usual(began - 2 * HOUR_MS, 0, 1.0, 28.0, growth, 60),)}

    followed = follow(None, mention(at=0), ThreadParams(), known(3.0))
    assert followed is not None
    assert (followed.thread.growth, followed.thread.viral_at) == (3.0, 60)
    followed = follow(followed.thread, mention(at=1000), ThreadParams(), known(0.5))
    assert followed is not None
    assert followed.thread.growth == 3.0
    followed = follow(followed.thread, mention(at=3 * 24 * HOUR_MS), ThreadParams(), known(0.5))
    assert followed is not None
    assert followed.thread.growth == 0.5


def test_a_brands_own_posts_and_volumes_teach_nothing(mention: Make) -> None:
    usuals = Usuals()
    followed = follow(None, said := mention("forum:root", from_brand=True), ThreadParams())
    assert followed is not None
    usuals.reach(said.created_ms)
    usuals.add(followed.thread, said)
    assert usuals.reach(said.created_ms + 10 * HOUR_MS) == {}
    brand = Brand("acme")
    assert add(brand, Pulse("acme", 0, M0, Figures(1)))
    assert brand.learning.open == {}


def test_a_snapshot_that_is_too_new_leaves_no_trace() -> None:
    """When it is told depends on the pace; what a thread remembers must not."""
    untouched = Thread("acme", "forum", HOUR_MS, HOUR_MS, HOUR_MS)
    assert thread(60, [usual(1, since=0)]) == untouched
