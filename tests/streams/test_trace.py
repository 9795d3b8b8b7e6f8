"""A trace answers for other thresholds what a true replay under them answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.alert import Alert
from streams.judge import follow
from streams.levels import Level
from streams.mention import Mention
from streams.params import ThreadParams
from streams.thread import Thread
from streams.trace import (
    Floor,
    Glimpse,
    Rise,
    Trace,
    alert_ids,
    first_ms,
    floor_of,
    glimpse,
    rises,
    with_page,
)
from tests.streams.readers import reader


def params(**changes: Any) -> ThreadParams:
    """Thresholds that the numbers below were chosen for, whatever the defaults become."""
    chosen = {"watch": 0.15, "warn": 0.3, "page": 0.5, "min_mentions": 8, "min_authors": 5}
    return ThreadParams(**(chosen | changes))


MINUTE = 60_000
READER = reader()
BASE = params(viral_at=12, min_mentions=3, min_authors=2)


def glimpsed(probability: float, **fields: Any) -> Glimpse:
    values: dict[str, Any] = {"at_ms": 0, "age_ms": 0, "mentions": 20, "authors": 20, "busiest": 1, **fields}
    return Glimpse(probability=probability, **values)


def traced(*glimpses: Glimpse) -> Trace:
    return Trace("t", "t", "acme", 1, 1, 20, (), glimpses, ())


@pytest.mark.parametrize(
    ("glimpses", "levels"),
    [
        ([glimpsed(0.6)], [Level.PAGE]),
        ([glimpsed(0.2), glimpsed(0.4), glimpsed(0.6)], [Level.WATCH, Level.WARN, Level.PAGE]),
        ([glimpsed(0.6, mentions=7)], []),  # too few mentions
        ([glimpsed(0.6, authors=4)], []),  # by too few people
        ([glimpsed(0.6, age_ms=24 * 60 * MINUTE)], []),  # its first day is over
        ([glimpsed(0.2), glimpsed(0.6, age_ms=24 * 60 * MINUTE)], [Level.WATCH, Level.PAGE]),
        ([glimpsed(0.6, busiest=11)], [Level.WARN]),  # one person's flood
        ([glimpsed(0.6), glimpsed(0.2), glimpsed(0.55)], [Level.PAGE, Level.PAGE]),  # fell, and rose again
        ([glimpsed(0.6), glimpsed(0.3), glimpsed(0.55)], [Level.PAGE]),  # held by the band
    ],
)
def test_rises_follow_the_thresholds(glimpses: list[Glimpse], levels: list[Level]) -> None:
    assert [one.level for one in rises(traced(*glimpses), params())] == levels


def test_the_first_rise_to_a_level_or_above_is_its_moment() -> None:
    found = (Rise(1, Level.WATCH, 0.2), Rise(2, Level.PAGE, 0.6), Rise(3, Level.WARN, 0.4))
    assert [first_ms(found, level) for level in (Level.WATCH, Level.WARN, Level.PAGE)] == [1, 2, 2]
    assert first_ms(found[:1], Level.PAGE) is None


def test_watch_and_warn_keep_below_another_page() -> None:
    assert with_page(params(), 0.9) == params(page=0.9)
    assert with_page(params(), 0.25) == params(watch=0.075, warn=0.15, page=0.25)
    with pytest.raises(ValueError, match="page"):
        with_page(params(), 1.5)


def test_the_floor_is_the_loosest_of_all() -> None:
    several = [params(min_mentions=3), params(min_authors=2), with_page(params(), 0.25)]
    assert floor_of(several) == Floor(3, 2, 0.075)


Said = tuple[int, int, bool]  # minutes since the last, author, by the brand
STREAM = st.lists(st.tuples(st.integers(-8, 90), st.integers(0, 12), st.booleans()), min_size=1, max_size=60)
PAGES = st.floats(0.02, 0.99)


@given(
    stream=STREAM,
    page=PAGES,
    share=st.floats(0.1, 1),
    release=st.floats(0.1, 0.9),
    mentions=st.integers(1, 12),
    authors=st.integers(1, 6),
)
def test_a_trace_says_what_a_replay_would_say(
    mention: Callable[..., Mention],
    stream: list[Said],
    page: float,
    share: float,
    release: float,
    mentions: int,
    authors: int,
) -> None:
    """Whatever the stream: disorder, floods, the brand's replies, threads of more than a day."""
    params = replace(
        with_page(BASE, page),
        max_author_share=share,
        release=release,
        min_mentions=mentions,
        min_authors=authors,
    )
    thread: Thread | None = None
    at, glimpses, alerts = 0, [], list[Alert]()
    recorded: Thread | None = None
    for minutes, author, by_brand in stream:
        at = max(0, at + minutes * MINUTE)
        text = "dm" if author % 2 else "fine"
        one = mention(at=at, author=str(author), from_brand=by_brand, text=text)
        followed = follow(thread, one, params, reader=READER)
        again = follow(recorded, one, BASE, reader=READER)  # recorded under other thresholds
        assert followed is not None
        assert again is not None
        thread, alert = followed.thread, followed.alert
        if alert is not None and alert.level != alert.previous_level:
            alerts.append(alert)
        recorded = again.thread
        if not by_brand or (again.reply is not None and again.reply.kind == "canned"):
            glimpses.append(glimpse(recorded, one.created_ms, BASE, canned=by_brand))
    found = rises(traced(*glimpses), params)
    assert [one.level.word for one in found] == [one.level for one in alerts]
    assert [one.probability for one in found] == [one.forecast.viral_probability for one in alerts]


def test_the_ids_of_alerts_are_known_without_raising_them(mention: Callable[..., Mention]) -> None:
    thread: Thread | None = None
    raised = set()
    for number in range(60):
        followed = follow(thread, mention(at=number * MINUTE, author=str(number)), params())
        assert followed is not None
        thread, alert = followed.thread, followed.alert
        if alert is not None:
            raised.add(alert.id)
    assert thread is not None
    trace = Trace("x", "forum:root", "acme", thread.born_ms, 0, 60, (), (), ())
    assert raised
    assert raised <= alert_ids(trace.brand, trace.thread_id, trace.born_ms)
