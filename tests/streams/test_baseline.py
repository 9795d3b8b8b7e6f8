"""What is usual for a brand."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.baseline import GROWN_AT, Baseline, begun, grown, growth_of, learned, tempo_of
from streams.mention import Mention
from streams.thread import step

Make = Callable[..., Mention]
HOUR, DAY = 3_600_000, 86_400_000


def of_threads(times: list[int]) -> Baseline:
    baseline = None
    for at in times:
        baseline = begun(baseline, at)
    assert baseline is not None
    return baseline


@given(st.lists(st.tuples(st.integers(0, 60 * DAY), st.booleans()), min_size=1, max_size=40), st.randoms())
def test_order_does_not_matter(seen: list[tuple[int, bool]], rng: random.Random) -> None:
    """Whatever began or grew first is told last: the same baseline."""
    both = []
    for told in (seen, rng.sample(seen, len(seen))):
        baseline = None
        for at, is_grown in told:
            baseline = grown(baseline, at) if is_grown else begun(baseline, at)
        both.append(baseline)
    one, other = (msgspec.structs.astuple(baseline) for baseline in both if baseline is not None)
    assert one == pytest.approx(other)


def test_a_brand_never_seen_is_as_usual() -> None:
    """Nothing known, nothing said; hardly anything known, hardly anything said."""
    assert tempo_of(None, 0) == growth_of(None) == 1.0
    assert tempo_of(of_threads([0]), 0) == 1.0
    assert growth_of(of_threads([0])) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("days", [1, 3, 30, 200])
def test_a_steady_brand_is_as_usual(days: int) -> None:
    """One thread an hour is tempo 1 from the first day on, not only when the week is full."""
    baseline = of_threads([n * HOUR for n in range(24 * days)])
    assert tempo_of(baseline, 24 * days * HOUR) == pytest.approx(1.0, abs=0.1)


def test_tempo_follows_the_hours() -> None:
    """Threefold for some hours is seen; a silent night lowers it."""
    times = [n * HOUR for n in range(24 * 20)]
    busy = of_threads(times + [20 * DAY + n * HOUR // 3 for n in range(18)])
    assert 1.8 < tempo_of(busy, 20 * DAY + 6 * HOUR) < 3.0
    assert tempo_of(of_threads(times), 20 * DAY + 12 * HOUR) < 0.4


def test_growth_is_the_share_over_the_usual_share() -> None:
    """A brand of whose threads 11 % grow, where 2.2 % are usual, comes near to 5."""
    baseline = None
    for n in range(3_000):
        baseline = begun(baseline, n * HOUR)
        if n % 9 == 0:
            baseline = grown(baseline, n * HOUR)
    assert 4.0 < growth_of(baseline) < 5.2


def test_a_thread_teaches_when_it_begins_and_when_it_has_grown(mention: Make) -> None:
    """The root and the 50th mention say something new, and nothing else does."""
    thread, baseline, news = None, None, []
    for n in range(2 * GROWN_AT):
        said = mention("forum:root" if n == 0 else "", n * 1_000, author=f"u{n}")
        before = thread.mentions_24h if thread is not None else 0
        thread = step(thread, said)
        assert thread is not None
        heard = learned(baseline, before, thread, said)
        if heard is not baseline:
            news.append(thread.mentions)
        baseline = heard
    assert news == [1, GROWN_AT]
    assert baseline is not None
    assert baseline.month == pytest.approx(1.0, abs=1e-4)
    assert baseline.grown == 1.0


def test_the_brand_teaches_nothing(mention: Make) -> None:
    """What the brand itself posts is no customer's thread."""
    said = mention("forum:root", 0, from_brand=True)
    thread = step(None, said)
    assert thread is not None
    assert learned(None, 0, thread, said) is None
