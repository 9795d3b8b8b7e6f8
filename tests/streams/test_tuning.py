"""What settings would have done, what that costs, which is best, and whose word counts."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.incident import Raised, Resolve, apply
from streams.params import ThreadParams
from streams.tuning import (
    PROFILES,
    Costs,
    Label,
    Outcome,
    Resolution,
    Seen,
    Wish,
    best,
    combinations,
    cost,
    frontier,
    labelled,
    labels_of,
    outcome,
)
from tests.streams.incidents import LADDER, RULES, T0, case, command


def params(**changes: Any) -> ThreadParams:
    """Thresholds that the numbers below were chosen for, whatever the defaults become."""
    chosen = {"watch": 0.15, "warn": 0.3, "page": 0.5, "min_mentions": 8, "min_authors": 5}
    return ThreadParams(**(chosen | changes))


WEEK_S = 7 * 86_400.0


def made(**fields: float) -> Outcome:
    values = {"pages": 4, "precision": 0.5, "still_to_come": 0.5, "busiest_pages_per_week": 1.0, "cost": 1.0}
    blank = dict.fromkeys(Outcome._fields, 0.0)
    return Outcome(**{**blank, **values, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("false", "missed", "shares", "price"),
    [
        (0, 0, [], 0.0),
        (2, 0, [], 2.0),
        (0, 3, [], 30.0),
        (0, 0, [1.0], 0.0),  # paged before anybody answered
        (0, 0, [0.0], 5.0),  # paged when all was over
        (0, 0, [0.25, 0.75], 5.0),
        (0, 0, [math.nan], 5.0),
        (1, 1, [0.4], 14.0),
    ],
)
def test_cost_is_what_each_error_is_worth(false: int, missed: int, shares: list[float], price: float) -> None:
    assert cost(false, missed, shares, Costs(false=1, missed=10, late=5)) == pytest.approx(price)


@pytest.mark.parametrize("price", [-1.0, math.nan, math.inf])
def test_a_price_is_no_less_than_nothing(price: float) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        Costs(price, 1, 1)


def test_profiles_shift_the_weight() -> None:
    standard = PROFILES["standard"]
    assert PROFILES["reward-low-fp"].false > standard.false
    assert PROFILES["reward-low-fn"].missed > standard.missed


def test_an_outcome_measures_a_week_of_two_brands() -> None:
    seen = {
        "storm": Seen("acme", (10, 20, 30, 40)),
        "missed": Seen("acme", (10, 20, 30, 40)),
        "calm": Seen("acme", (10,)),
        "other": Seen("dull", (10,)),
    }
    truth = {"storm": True, "missed": True, "calm": False}
    one = outcome(
        {"storm": 10, "calm": 10, "other": 10},
        seen,
        truth,
        dict.fromkeys(seen, 3),
        WEEK_S,
        Costs(0.1, 1.0, 1.0),
    )
    assert (one.pages, one.hits, one.missed) == (3, 1, 1)
    assert (one.precision, one.recall) == (1 / 3, 1 / 2)
    assert one.still_to_come == 0.75 / 2  # the missed storm has none
    assert one.lead_time_s == 0.02
    assert (one.pages_per_week, one.false_pages_per_week, one.busiest_pages_per_week) == (3, 2, 2)
    assert one.cost == pytest.approx(2 * 0.1 + 1 + 0.25)


def test_without_pages_there_is_no_precision_and_all_is_missed() -> None:
    one = outcome({}, {}, {"a": True}, {}, 0.0, PROFILES["standard"])
    assert math.isnan(one.precision)
    assert (one.recall, one.still_to_come, one.cost) == (0.0, 0.0, 1.0)
    assert math.isnan(one.pages_per_week)


@pytest.mark.parametrize(
    ("wish", "number"),
    [
        (Wish(), 2),  # the cheapest
        (Wish(pages_per_week=9.0), 0),  # the earliest
        (Wish(pages_per_week=2.0), 1),
        (Wish(pages_per_week=0.5), None),
        (Wish(precision=0.7), 1),
        (Wish(pages_per_week=1.0, precision=0.7), 2),
        (Wish(precision=0.95), None),
    ],
)
def test_the_best_is_the_cheapest_or_the_earliest_within_the_wish(wish: Wish, number: int | None) -> None:
    outcomes = [
        made(still_to_come=0.9, precision=0.4, busiest_pages_per_week=8.0, cost=7.0),
        made(still_to_come=0.8, precision=0.7, busiest_pages_per_week=2.0, cost=5.0),
        made(still_to_come=0.3, precision=0.9, busiest_pages_per_week=1.0, cost=4.0),
        made(still_to_come=0.0, precision=math.nan, busiest_pages_per_week=math.nan, cost=9.0),
    ]
    assert best(outcomes, wish) == number


def test_among_equals_the_nearest_to_the_present_setting_is_best() -> None:
    equal = [made(), made(), made(pages=5)]
    assert best(equal, Wish()) == 0
    assert best(equal, Wish(), [2, 1, 0]) == 1


@given(st.lists(st.tuples(st.sampled_from([0, 0.25, 0.5, 1, math.nan]), st.sampled_from([0, 0.5, 1]))))
def test_nothing_beats_the_frontier(points: list[tuple[float, float]]) -> None:
    outcomes = [made(precision=precision, still_to_come=share) for precision, share in points]
    kept = {(outcomes[n].precision, outcomes[n].still_to_come) for n in frontier(outcomes)}
    known = {(p, s) for p, s in points if not math.isnan(p)}
    assert kept == {
        (p, s) for p, s in known if not any(q >= p and t >= s and (q, t) != (p, s) for q, t in known)
    }


def test_combinations_keep_watch_and_warn_below_page_and_leave_nonsense_out() -> None:
    found, refused = combinations(params(), {"page": [0.25, 0.5, 2.0], "min_mentions": [8, 20]})
    assert refused == 2
    assert params(watch=0.075, warn=0.15, page=0.25, min_mentions=20) in found
    assert params() in found
    assert len(found) == 4
    assert combinations(params(), {"page": [0.2], "warn": [0.3]}) == ([], 1)  # as asked, and wrong
    with pytest.raises(TypeError):
        combinations(params(), {"pages": [1]})


def label(resolution: Resolution, thread: str | None = None, alert: str | None = None) -> Label:
    return Label(resolution, thread, alert)


@pytest.mark.parametrize(
    ("labels", "storms", "overridden", "unmatched"),
    [
        ([], {"big"}, (), 0),
        ([label("false-alarm", "big")], set(), ("big",), 0),
        ([label("handled", "big")], {"big"}, (), 0),
        ([label("handled", "small")], {"big", "small"}, ("small",), 0),
        ([label("missed-too-late", alert="fl-1")], {"big", "small"}, ("small",), 0),
        ([label("handled", "small"), label("false-alarm", "small")], {"big"}, (), 0),  # the last word
        ([label("handled", "nowhere"), label("handled", alert="fl-9")], {"big"}, (), 2),
        ([label("handled", "small", "fl-9")], {"big", "small"}, ("small",), 0),  # by the one that is known
        ([label("false-alarm", "big", "fl-1")], {"big"}, (), 0),  # the alert's id says which life is meant
    ],
)
def test_peoples_word_is_above_the_truth(
    labels: list[Label], storms: set[str], overridden: tuple[str, ...], unmatched: int
) -> None:
    joined = labelled({"big": True, "small": False}, labels, ["big", "small"], {"fl-1": "small"})
    assert {thread for thread, is_storm in joined.truth.items() if is_storm} == storms
    assert (joined.overridden, joined.unmatched) == (overridden, unmatched)
    assert joined.used == len(labels) - unmatched


def test_a_resolved_incident_labels_its_threads_and_those_merged_into_it() -> None:
    """Not before it is resolved, and nothing where it is about a brand as a whole."""
    incident = apply(None, Raised(case(), LADDER), T0, RULES)
    assert incident is not None
    assert labels_of(incident) == ()
    incident = apply(incident, command(Resolve, resolution="handled"), T0, RULES)
    assert incident is not None
    assert labels_of(incident) == (label("handled", "t1", "fl-acme-t1-1"),)
    merged = replace(incident, threads=("t2",))
    assert labels_of(merged)[1:] == (label("handled", "t2"),)
    again = apply(incident, Raised(case(2), LADDER), T0, RULES)
    assert again is not None
    assert labels_of(again) == ()  # it goes on
    brand = replace(incident, case=case(thread=None))
    assert labels_of(brand) == ()


def test_what_came_too_late_is_remembered() -> None:
    joined = labelled({}, [label("missed-too-late", "a"), label("handled", "b")], ["a", "b"], {})
    assert joined.too_late == {"a"}
    assert joined.overridden == ("a", "b")  # nobody knew of them
