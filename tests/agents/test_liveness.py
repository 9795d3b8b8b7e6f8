"""A partition is stalled if its records wait while nothing moves, and for no other reason."""

from __future__ import annotations

from agents.liveness import Progress, stalled


def test_records_that_wait_too_long_are_a_stall() -> None:
    progress = Progress()
    progress.note(0, 5, 9, now_s=100.0)
    progress.note(0, 5, 12, now_s=130.0)
    assert progress.age_s(130.0) == {0: 30.0}
    assert progress.lag() == {0: 7}
    assert stalled(progress, 130.0, after_s=30.0) == set()
    assert stalled(progress, 130.1, after_s=30.0) == {0}


def test_a_partition_at_its_end_has_all_the_time_in_the_world() -> None:
    progress = Progress()
    for now_s in (0.0, 1000.0):
        progress.note(0, 9, 9, now_s)
    assert stalled(progress, 2000.0, after_s=10.0) == set()


def test_time_runs_from_the_moment_that_records_wait() -> None:
    """Not from the last record before them."""
    progress = Progress()
    progress.note(0, 9, 9, now_s=0.0)
    progress.note(0, 9, 9, now_s=1000.0)
    progress.note(0, 9, 10, now_s=1001.0)
    assert progress.age_s(1001.0) == {0: 1.0}


def test_a_move_begins_the_time_again_and_each_partition_has_its_own() -> None:
    progress = Progress()
    for partition in (0, 1):
        progress.note(partition, 5, 9, now_s=0.0)
    progress.note(0, 6, 9, now_s=50.0)
    progress.note(1, 5, 9, now_s=50.0)
    assert progress.age_s(60.0) == {0: 10.0, 1: 60.0}
    assert stalled(progress, 60.0, after_s=20.0) == {1}


def test_an_end_that_is_not_known_yet_is_no_stall() -> None:
    progress = Progress()
    progress.note(0, 5, None, now_s=0.0)
    progress.note(0, 5, None, now_s=500.0)
    assert stalled(progress, 500.0, after_s=10.0) == set()


def test_a_rebalance_begins_everything_again() -> None:
    progress = Progress()
    progress.note(0, 5, 9, now_s=0.0)
    progress.forget()
    progress.note(0, 5, 9, now_s=100.0)
    assert progress.age_s(110.0) == {0: 10.0}
