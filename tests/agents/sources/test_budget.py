"""What is rationed: it ends, begins anew where the platform says, and is not forgotten by a restart."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agents.sources.budget import Budget
from agents.sources.source import OutageError


class Clock:
    """A clock that stands until it is set."""

    def __init__(self, said: str) -> None:
        self.set(said)

    def set(self, said: str) -> None:
        self.ms = int(datetime.fromisoformat(said).replace(tzinfo=UTC).timestamp() * 1000)

    def __call__(self) -> int:
        return self.ms


def test_a_spent_budget_waits_for_the_next_month() -> None:
    clock = Clock("2026-11-28T12:00:00")
    budget = Budget("posts", 3, "month", clock)
    budget.must_have(3)
    budget.spend(2)
    assert budget.left == 1
    with pytest.raises(OutageError, match=r"budget of 3 posts a month is spent") as error:
        budget.must_have(2)
    assert error.value.reason == "budget"
    assert error.value.after_s == 2.5 * 86_400
    clock.set("2026-12-01T00:00:00")
    assert budget.left == 3


def test_a_day_of_the_platform_s_own_time_zone_decides() -> None:
    """YouTube's quota begins anew at midnight in Los Angeles, which is 08:00 UTC in winter."""
    clock = Clock("2026-11-25T07:59:00")
    budget = Budget("units", 10, "day", clock, "America/Los_Angeles")
    budget.spend(10)
    assert budget.left == 0
    assert budget.resets_s == 60
    clock.set("2026-11-25T08:00:00")
    assert budget.left == 10
    assert budget.resets_s == 86_400


def test_the_night_the_clocks_change_is_as_long_as_it_is() -> None:
    budget = Budget("units", 10, "day", Clock("2026-11-01T07:00:00"), "America/Los_Angeles")
    assert budget.resets_s == 25 * 3600


def test_what_was_spent_comes_back_from_its_cursor_and_nothing_else_does() -> None:
    clock = Clock("2026-11-25T12:00:00")
    before = Budget("posts", 10, "month", clock)
    before.spend(4)
    after = Budget("posts", 10, "month", clock)
    after.restore(before.cursor())
    assert after.left == 6
    after.spend()
    after.restore(before.cursor())  # older than what was spent since
    assert after.left == 5
    foreign: list[object] = [None, 3, [], {"period": 1}, {"period": "2026-11", "units": -1}]
    for odd in foreign:
        after.restore(odd)
        assert after.left == 5
    clock.set("2026-12-25T12:00:00")
    after.restore(before.cursor())
    assert after.left == 10


def test_rounds_are_spread_so_that_the_budget_lasts() -> None:
    budget = Budget("units", 100, "day", Clock("2026-06-01T12:00:00"))
    assert budget.spare_s(1) == 432  # 100 rounds in the 12 hours that are left
    budget.spend(100)
    assert budget.spare_s(1) == 12 * 3600
