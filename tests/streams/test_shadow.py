"""A second set of thresholds: what it would have done is what it does when it is the live one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import streams.shadow
from streams.judge import follow
from streams.mention import Mention
from streams.params import ThreadParams
from streams.shadow import Beside, Shade, Tally, added, follow_both
from streams.thread import Thread
from tests.streams.readers import reader

Make = Callable[..., Mention]
LIVE = ThreadParams()
READER = reader()
MIN = 60_000
LEVELS = ("watch", "warn", "page")

params = st.builds(
    lambda levels, viral_at, few: ThreadParams(
        viral_at=viral_at, watch=levels[0], warn=levels[1], page=levels[2], min_mentions=few, min_authors=2
    ),
    st.lists(st.floats(0.01, 0.99), min_size=3, max_size=3, unique=True).map(sorted),
    st.sampled_from([20, 100, 200]),
    st.integers(2, 12),
)


def alone(mentions: Iterable[Mention], params: ThreadParams) -> tuple[Thread | None, Counter[str]]:
    thread, levels = None, Counter[str]()
    for one in mentions:
        if (followed := follow(thread, one, params, reader=READER)) is not None:
            thread, alert = followed.thread, followed.alert
            levels.update([alert.level] if alert and alert.level != alert.previous_level else [])
    return thread, levels


def both(
    mentions: Iterable[Mention], live: ThreadParams, second: ThreadParams, since: int = 1
) -> tuple[Thread | None, Tally]:
    thread: Thread | None = None
    shade: Shade | None = None
    tally = Tally(since)
    for one in mentions:
        if (compared := follow_both(thread, one, live, shade, Beside(second, since), reader=READER)) is None:
            continue
        followed, shade, told = compared
        thread = followed.thread
        tally = added(tally, told) if told else tally
    return thread, tally


def by_level(counts: Counter[str]) -> tuple[int, ...]:
    return tuple(counts[level] for level in LEVELS)


@given(st.lists(st.integers(0, 20 * MIN), max_size=80), params, params)
def test_it_counts_what_it_would_raise_alone(
    mention: Make, gaps: list[int], live: ThreadParams, second: ThreadParams
) -> None:
    """And the live one does not feel it."""
    at, mentions = 0, []
    for number, gap in enumerate(gaps):
        at += gap
        text = "bad dm" if number % 2 else "fine"
        mentions.append(mention(at=at, author=f"u{number}", from_brand=number % 7 == 6, text=text))
    thread, tally = both(mentions, live, second)
    live_thread, live_counts = alone(mentions, live)
    _, second_counts = alone(mentions, second)
    assert thread == live_thread
    assert tally.live == by_level(live_counts)
    assert tally.shadow == by_level(second_counts)
    paged = (live_counts["page"] > 0, second_counts["page"] > 0)
    assert (tally.both, tally.only_live, tally.only_shadow) == (
        paged == (True, True),
        paged == (True, False),
        paged == (False, True),
    )


def storm(mention: Make, size: int, from_ms: int = 0) -> list[Mention]:
    return [mention(at=from_ms + n * 10_000, author=f"u{n}") for n in range(size)]


def test_what_was_before_it_is_not_counted(mention: Make) -> None:
    """Set amid a storm that has paged, it starts where the live one stands."""
    mentions = storm(mention, 150)
    thread, _ = alone(mentions[:100], LIVE)
    assert thread is not None
    assert thread.level.word == "page"
    shade, counts = None, []
    for one in mentions[100:]:
        compared = follow_both(thread, one, LIVE, shade, Beside(LIVE, 1))
        assert compared is not None
        followed, shade, told = compared
        thread = followed.thread
        counts.append(told)
    assert set(counts) == {None}
    assert shade is None


def test_each_episode_is_counted_for_itself(mention: Make) -> None:
    day = 24 * 60 * MIN
    mentions = storm(mention, 150) + storm(mention, 150, 4 * day)
    _, tally = both(mentions, LIVE, ThreadParams(page=0.9))
    assert (tally.both, tally.only_live, tally.only_shadow) == (2, 0, 0)


def test_another_set_begins_anew(mention: Make) -> None:
    """Counts of one set are never added to those of another."""
    first = Tally(1, live=(1, 0, 0), both=3)
    assert added(first, Tally(2, only_live=1)) == Tally(2, only_live=1)
    assert added(first, Tally(1, both=1)) == Tally(1, live=(1, 0, 0), both=4)


def test_the_same_forecast_serves_both(mention: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one size of a storm, none is made for the second set where the live one has made its own."""

    def never(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(streams.shadow, "viral_probability", never)
    _, tally = both(storm(mention, 150), LIVE, ThreadParams(page=0.9))
    assert tally.both == 1
