"""What is learned of a brand's threads."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.baseline import (
    GROWN_AT,
    LADDER,
    SHOWN_AT,
    TERMS,
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
from streams.pulses import rung
from streams.thread import DAY_MS, step

Make = Callable[..., Mention]
HOUR, DAY = 3_600_000, 86_400_000
NOTHING = (0.0,) * (TERMS * len(SHOWN_AT))


def of_size(size: int) -> list[int]:
    """One thread that reached `size`, for `counted`."""
    return [int(size >= step) for step in LADDER]


def after(baseline: Baseline | None, at_ms: int, size: int) -> Baseline:
    return counted(baseline, at_ms, of_size(size), NOTHING)


def of_threads(times: Iterable[int], size: int = 1) -> Baseline:
    baseline = None
    for at in times:
        baseline = after(baseline, at, size)
    assert baseline is not None
    return baseline


def tempo_of(baseline: Baseline, at_ms: int) -> float:
    seen_s = (at_ms - baseline.since_ms) / 1000
    return tempo(recent_of(baseline, at_ms), week_of(baseline, at_ms), seen_s, 0)


@given(
    st.lists(st.tuples(st.integers(0, 60 * DAY), st.integers(1, 9000)), min_size=1, max_size=40), st.randoms()
)
def test_order_does_not_matter(seen: list[tuple[int, int]], rng: random.Random) -> None:
    """Whatever began or grew first is told last: the same baseline."""
    both = []
    for told in (seen, rng.sample(seen, len(seen))):
        baseline = None
        for at, size in told:
            baseline = after(baseline, at, size)
        assert baseline is not None
        both.append(baseline)
    one, other = (msgspec.structs.astuple(baseline) for baseline in both)
    assert one[:4] == pytest.approx(other[:4])
    assert one[4] == pytest.approx(other[4])


def test_a_brand_hardly_seen_is_nearly_as_usual() -> None:
    """One thread says next to nothing."""
    assert tempo_of(of_threads([0]), 0) == 1.0
    assert growth_of(of_threads([0])) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("days", [1, 3, 30, 200])
def test_a_steady_brand_is_as_usual(days: int) -> None:
    """One thread an hour is tempo 1 from the first day on, not only when the week is full."""
    baseline = of_threads([n * HOUR for n in range(24 * days)])
    assert tempo_of(baseline, 24 * days * HOUR) == pytest.approx(1.0, abs=0.1)


def test_tempo_follows_the_hours() -> None:
    """Threefold for some hours is seen; a silent night lowers it, whether it was counted on or not."""
    times = [n * HOUR for n in range(24 * 20)]
    busy = of_threads(times + [20 * DAY + n * HOUR // 3 for n in range(18)])
    assert 1.8 < tempo_of(busy, 20 * DAY + 6 * HOUR) < 3.0
    quiet, last = of_threads(times), times[-1]
    assert tempo_of(quiet, last + 12 * HOUR) < 0.4
    faded = tempo(quiet.recent, quiet.week, (last + 12 * HOUR) / 1000, 12 * 3600)
    assert faded == pytest.approx(tempo_of(quiet, last + 12 * HOUR))


def test_growth_is_the_share_over_the_usual_share() -> None:
    """A brand of whose threads 11 % grow, where 2.2 % are usual, comes near to 5."""
    baseline = None
    for n in range(3_000):
        baseline = after(baseline, n * HOUR, GROWN_AT if n % 9 == 0 else 1)
    assert baseline is not None
    assert 4.0 < growth_of(baseline) < 5.2


def test_one_in_a_hundred_is_learned_from_the_brands_own_threads() -> None:
    """Sizes with a tail of 1/size**alpha: found within the ladder, unknown before 300 threads."""
    for alpha in (1.0, 1.5, 2.0):
        rng, baseline, known_at = random.Random(1), None, 0
        for n in range(20_000):
            baseline = after(baseline, n * 60_000, int(rng.random() ** (-1 / alpha)))
            if not known_at and top_size(baseline) is not None:
                known_at = n
        assert 300 <= known_at < 310
        assert baseline is not None
        assert top_size(baseline) == pytest.approx(max(20, 100 ** (1 / alpha)), rel=0.2)


@pytest.mark.parametrize(("size", "found"), [(1, 20), (10_000, 5000)])
def test_the_biggest_of_a_brand_stay_within_the_ladder(size: int, found: int) -> None:
    """All tiny, and the least storm is 20; all huge, and it is the last step."""
    learned = top_size(of_threads(range(0, 4000 * 60_000, 60_000), size))
    assert learned == pytest.approx(found, rel=0.35 if size == 1 else 0)
    assert learned is not None
    assert learned >= 20


def test_what_threads_show_is_the_mean_of_those_that_reached_the_step() -> None:
    """Each step by itself, fading as the count does."""
    size, day = SHOWN_AT[1], 24 * HOUR
    one, other = ((0.0,) * TERMS + terms + (0.0,) * TERMS for terms in ((1.0, 2, 3, 4), (3.0, 4, 5, 6)))
    baseline = counted(None, 0, of_size(size), one)
    assert shown_of(baseline)[1] == Shown(1.0, (1.0, 2, 3, 4))
    baseline = counted(baseline, 30 * day, of_size(size), other)
    first, second, third = shown_of(baseline)
    assert first.means == (0.0,) * TERMS
    assert third == Shown(0.0, (0.0,) * TERMS)
    assert second.threads == pytest.approx(1 + math.exp(-1))
    faded = math.exp(-1)
    assert second.means == pytest.approx(
        [(faded * a + b) / (faded + 1) for a, b in ((1, 3), (2, 4), (3, 5), (4, 6))]
    )


def test_a_thread_climbs_each_step_once(mention: Make) -> None:
    """Its begin and its 10th, 20th, 50th mention of the day say something new, and nothing else does."""
    thread, news = None, []
    for n in range(2 * GROWN_AT):
        said = mention("forum:root" if n == 0 else "", n * 1_000, author=f"u{n}")
        thread = step(thread, said)
        assert thread is not None
        if (number := rung(thread, said)) is not None:
            news.append((number, thread.mentions))
    assert news == [(0, 1), (1, 10), (2, 20), (3, 50), (4, 100)]
    late = mention(at=DAY_MS + 5_000)
    thread = step(thread, late)
    assert thread is not None
    assert thread.mentions_24h == 100
    assert rung(thread, late) is None
