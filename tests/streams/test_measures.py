"""The measures say what their formulas say, and nan where there is nothing to measure."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.measures import (
    Match,
    burst_ms,
    false_pages_per_week,
    lead_time_s,
    match,
    mean,
    precision,
    recall,
    still_to_come,
)


def test_precision_and_recall_of_a_mixed_day() -> None:
    matched = match({"a", "b", "c"}, {"b", "c", "d", "e"})
    assert matched == Match(frozenset("bc"), frozenset("a"), frozenset("de"))
    assert precision(matched) == 2 / 3
    assert recall(matched) == 2 / 4


def test_a_share_of_nothing_is_nan() -> None:
    assert math.isnan(precision(match((), {"a"})))
    assert math.isnan(recall(match({"a"}, ())))
    assert math.isnan(still_to_come(5, ()))
    assert math.isnan(mean([math.nan]))
    assert math.isnan(false_pages_per_week(3, 0))


@pytest.mark.parametrize(
    ("alerted_ms", "share"), [(None, 0.0), (0, 1.0), (10, 0.75), (15, 0.75), (30, 0.0), (99, 0.0)]
)
def test_still_to_come_counts_what_lies_after_the_alert(alerted_ms: int | None, share: float) -> None:
    assert still_to_come(alerted_ms, (10, 20, 20, 30)) == share


def test_lead_time_is_measured_to_the_mention_that_made_it_viral() -> None:
    times = (0, 1000, 5000, 9000)
    assert lead_time_s(1000, times, viral_at=3) == 4.0
    assert lead_time_s(9000, times, viral_at=3) == -4.0
    assert math.isnan(lead_time_s(None, times, viral_at=3))
    assert math.isnan(lead_time_s(0, times, viral_at=5))
    with pytest.raises(ValueError, match="at least 1"):
        lead_time_s(0, times, viral_at=0)


def test_false_pages_are_counted_by_the_week() -> None:
    assert false_pages_per_week(6, 14 * 86_400) == 3.0


def test_a_static_rule_fires_at_the_mention_that_fills_its_window() -> None:
    times = (0, 5000, 6000, 7000, 7001)
    assert burst_ms(times, 3, 2.0) == 7000
    assert burst_ms(times, 4, 2.0) is None
    assert burst_ms((), 1, 2.0) is None


@given(st.lists(st.integers(0, 10**6)).map(sorted), st.integers(1, 5), st.floats(0, 500))
def test_a_rule_fires_when_a_look_at_every_window_says_so(
    times: list[int], count: int, within_s: float
) -> None:
    full = [at for at in times if sum(at - within_s * 1000 <= one <= at for one in times) >= count]
    assert burst_ms(times, count, within_s) == (full[0] if full else None)


@given(st.lists(st.integers(0, 100), min_size=1).map(sorted), st.integers(-10, 110), st.integers(-10, 110))
def test_an_earlier_alert_never_leaves_less_to_come(times: list[int], one: int, other: int) -> None:
    early, late = sorted((one, other))
    assert 0 <= still_to_come(late, times) <= still_to_come(early, times) <= 1
