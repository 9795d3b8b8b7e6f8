"""The measures say what their formulas say, and nan where there is nothing to measure."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.measures import (
    Match,
    auc,
    brier,
    burst_ms,
    false_pages_per_week,
    lead_time_s,
    match,
    mean,
    per_week,
    precision,
    quantile,
    recall,
    reliability,
    still_to_come,
    wilson,
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


@pytest.mark.parametrize(
    ("at", "value"), [(0.0, 1.0), (0.25, 1.75), (0.5, 2.5), (0.75, 3.25), (1.0, 4.0), (1 / 3, 2.0)]
)
def test_quantiles_are_linear_between_neighbours(at: float, value: float) -> None:
    """Type 7, as R and numpy have it by default; nan has no place in the order."""
    assert quantile([4, math.nan, 1, 3, 2], at) == pytest.approx(value)


def test_a_quantile_of_nothing_is_nan_and_of_120_percent_is_nonsense() -> None:
    assert math.isnan(quantile([math.nan], 0.5))
    assert quantile([7.0], 0.25) == 7.0
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile([1], 1.2)


def test_counts_are_told_by_the_week() -> None:
    assert per_week(3, 7 * 86_400 / 2) == 6.0
    assert math.isnan(per_week(3, 0))


@pytest.mark.parametrize(
    ("forecasts", "score"),
    [([(1.0, True), (0.0, False)], 0.0), ([(1.0, False)], 1.0), ([(0.5, True), (0.5, False)], 0.25)],
)
def test_brier_scores(forecasts: list[tuple[float, bool]], score: float) -> None:
    assert brier(forecasts) == score


def test_reliability_puts_each_forecast_into_its_bin() -> None:
    curve = reliability([(0.0, False), (0.24, True), (0.25, False), (0.5, True), (1.0, True)], bins=4)
    assert [one.forecasts for one in curve] == [2, 1, 1, 1]
    assert [(one.above, one.below) for one in curve] == [(0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1)]
    assert (curve[0].predicted, curve[0].observed) == (0.12, 0.5)
    assert curve[3].observed == 1.0
    empty = reliability([], bins=1)[0]
    assert empty.forecasts == 0
    assert math.isnan(empty.predicted)
    assert math.isnan(brier([]))


@pytest.mark.parametrize(("probability", "bins"), [(1.1, 10), (-0.1, 10), (0.5, 0)])
def test_reliability_refuses_nonsense(probability: float, bins: int) -> None:
    with pytest.raises(ValueError, match=r"at least one bin|between 0 and 1"):
        reliability([(probability, True)], bins)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1), st.integers(1, 12))
def test_bins_hold_every_forecast_once(forecasts: list[tuple[float, bool]], bins: int) -> None:
    curve = reliability(forecasts, bins)
    assert sum(one.forecasts for one in curve) == len(forecasts)
    hits = sum(one.observed * one.forecasts for one in curve if one.forecasts)
    assert hits == pytest.approx(sum(happened for _, happened in forecasts))


def test_the_interval_of_a_share_is_wilsons() -> None:
    """Checked against the formula by hand for 8 of 10; sure of nothing from one or none."""
    low, high = wilson(8, 10)
    assert low == pytest.approx(0.4901625)
    assert high == pytest.approx(0.9433178)
    assert wilson(0, 1)[0] == 0.0
    assert wilson(1, 1)[1] == 1.0
    assert math.isnan(wilson(0, 0)[0])


@pytest.mark.parametrize(
    ("scores", "meant", "value"),
    [
        ([0.1, 0.2, 0.8, 0.9], [False, False, True, True], 1.0),
        ([0.9, 0.8, 0.2, 0.1], [False, False, True, True], 0.0),
        ([0.5, 0.5, 0.5], [True, False, True], 0.5),
        ([0.1, 0.4, 0.35, 0.8], [False, False, True, True], 0.75),
    ],
)
def test_auc_is_the_chance_of_the_right_order(scores: list[float], meant: list[bool], value: float) -> None:
    assert auc(scores, meant) == value
    assert math.isnan(auc([0.1], [True]))
