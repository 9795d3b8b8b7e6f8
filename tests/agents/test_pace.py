"""A worker that keeps up writes at each interval, one far behind at each second one, and none never."""

from __future__ import annotations

from agents.pace import Pace


def test_one_that_keeps_up_writes_each_time() -> None:
    pace = Pace()
    assert [pace.is_due(read, 900) for read in (1000, 2000, 3000)] == [True, True, True]


def test_one_that_is_far_behind_writes_every_second_time() -> None:
    pace = Pace()
    due = [pace.is_due(read, 100_000 - read) for read in range(1000, 7000, 1000)]
    assert due == [False, True, False, True, False, True]


def test_having_caught_up_it_writes_at_once() -> None:
    pace = Pace()
    assert [pace.is_due(1000, 5000), pace.is_due(2000, 5000), pace.is_due(3000, 0)] == [False, True, True]


def test_one_that_reads_nothing_still_writes() -> None:
    """What waits may be what it must not read: what it has read is written all the same."""
    pace = Pace()
    assert [pace.is_due(0, 7), pace.is_due(0, 7)] == [False, True]
    assert pace.is_due(0, 0)
