"""What is counted fits its declaration, and strangers can't make series without end."""

from __future__ import annotations

import pytest

from agents.tallies import LABELS, OTHER, Bounds, Metric, Spread, Tallies

COUNTER = Metric("flashover_things_total", "counter", "Things.", ("brand",))
TIMES = Metric("flashover_wait_seconds", "histogram", "Waiting.", (), (1.0, 5.0))


@pytest.mark.parametrize(
    ("name", "kind", "labels", "buckets"),
    [
        ("things_total", "counter", (), ()),
        ("flashover_things", "counter", (), ()),
        ("flashover_things_total", "gauge", (), ()),
        ("flashover_Things", "gauge", (), ()),
        ("flashover_things", "gauge", ("thread_id",), ()),
        ("flashover_things", "gauge", ("author",), ()),
        ("flashover_wait", "histogram", (), (1.0,)),
        ("flashover_wait_seconds", "histogram", (), ()),
        ("flashover_wait_seconds", "histogram", (), (2.0, 1.0)),
    ],
)
def test_a_declaration_that_does_not_fit_is_refused(
    name: str, kind: str, labels: tuple[str, ...], buckets: tuple[float, ...]
) -> None:
    with pytest.raises(ValueError, match=name):
        Metric(name, kind, "What.", labels, buckets)  # type: ignore[arg-type]


def test_a_histogram_counts_a_value_at_its_bound_as_within() -> None:
    spread = Spread((1.0, 5.0))
    for value in (0.5, 1.0, 1.1, 5.0, 9.0, -3.0):
        spread.observe(value)
    assert list(spread.cumulative()) == [(1.0, 3), (5.0, 5), (float("inf"), 6)]
    assert spread.sum == pytest.approx(16.6)


def test_unknown_brands_are_bounded_and_known_ones_keep_their_name() -> None:
    tallies = Tallies(Bounds({"brand": ["late-comer"]}))
    for number in range(3 * LABELS["brand"]):
        tallies.count(COUNTER, f"stranger-{number}")
    tallies.count(COUNTER, "late-comer")
    values = tallies.values[COUNTER]
    assert len(values) == LABELS["brand"] + 1
    assert values["late-comer",] == 1
    assert values[OTHER,] == 2 * LABELS["brand"] + 1


def test_what_does_not_fit_a_metric_is_refused() -> None:
    tallies = Tallies(Bounds())
    with pytest.raises(ValueError, match="things"):
        tallies.count(COUNTER)
    with pytest.raises(ValueError, match="things"):
        tallies.observe(COUNTER, 1.0, "acme")
    with pytest.raises(ValueError, match="wait"):
        tallies.set(TIMES, 1.0)


def test_a_counter_can_be_shown_before_it_counts() -> None:
    tallies = Tallies(Bounds())
    tallies.begin(COUNTER, "acme")
    assert tallies.values[COUNTER] == {("acme",): 0}
    tallies.count(COUNTER, "acme")
    tallies.begin(COUNTER, "acme")
    assert tallies.values[COUNTER] == {("acme",): 1}
