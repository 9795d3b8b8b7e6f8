"""The reply clock: when an answer is due, and how likely it is a text block."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.reply_clock import ClockParams, Expectation, ReplyClock, expect, learn_reply

MONDAY_9 = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)
WEEK = timedelta(days=7)


def taught(
    *delays_min: float, at: datetime = MONDAY_9, canned: bool = False, clock: ReplyClock | None = None
) -> ReplyClock:
    clock = clock or ReplyClock()
    for place, delay in enumerate(delays_min):
        asked = at + place * WEEK
        clock = learn_reply(clock, asked_at=asked, replied_at=asked + timedelta(minutes=delay), canned=canned)
    return clock


def due(clock: ReplyClock, at: datetime = MONDAY_9 + 20 * WEEK) -> Expectation:
    return expect(clock, asked_at=at, now=at)


def test_a_brand_that_never_answered_promises_nothing() -> None:
    assert due(ReplyClock()) == Expectation(None, None, None, 0.0)


def test_the_usual_delay_is_the_median_and_late_outliers_move_nothing() -> None:
    steady = due(taught(*[30] * 9)).delay_s
    with_outliers = due(taught(*[30] * 9, 4000, 5000, 9000)).delay_s
    assert steady == pytest.approx(30 * 60, rel=0.13)
    assert with_outliers == pytest.approx(steady, rel=0.13)


def test_every_hour_of_the_week_has_its_own_habit() -> None:
    night = MONDAY_9 + timedelta(hours=14)
    clock = taught(*[600] * 20, at=night, canned=False, clock=taught(*[10] * 20, canned=True))
    day_due, night_due = due(clock), due(clock, night + 20 * WEEK)
    assert day_due.delay_s is not None
    assert night_due.delay_s is not None
    assert night_due.delay_s > 10 * day_due.delay_s
    assert (day_due.canned_share or 0) > 0.8 > 0.2 > (night_due.canned_share or 0)


def test_an_unseen_hour_leans_on_the_same_hour_of_other_days_and_the_week() -> None:
    clock = taught(*[600] * 20, at=MONDAY_9 + timedelta(hours=14), clock=taught(*[10] * 20))
    tuesday = due(clock, MONDAY_9 + 20 * WEEK + timedelta(days=1))
    assert tuesday.delay_s is not None
    assert 10 * 60 < tuesday.delay_s < 60 * 60


def test_an_overdue_reply_is_due_now() -> None:
    later = MONDAY_9 + 20 * WEEK + timedelta(hours=5)
    assert expect(taught(*[30] * 9), asked_at=later - timedelta(hours=5), now=later).expected_at == later


def test_the_hour_is_the_brands_own() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    clock = learn_reply(
        ReplyClock(), asked_at=MONDAY_9, replied_at=MONDAY_9 + timedelta(hours=1), canned=True, zone=berlin
    )
    assert [hour for hour, _ in clock.week] == [10]


def test_habits_change() -> None:
    clock = taught(*[600] * 100, *[10] * 60)
    assert (due(clock).delay_s or 0) < 60 * 60


def test_the_record_stays_small() -> None:
    clock = taught(*range(1, 3000, 7))
    assert len(clock.week) == len(clock.day) == 1
    assert len(clock.all.bins) <= 48


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 700), st.booleans()), max_size=30))
def test_whatever_was_learnt_the_expectation_is_sane(replies: list[tuple[int, int, bool]]) -> None:
    clock = ReplyClock()
    for delay_s, hours, canned in replies:
        asked = MONDAY_9 + timedelta(hours=hours)
        clock = learn_reply(
            clock, asked_at=asked, replied_at=asked + timedelta(seconds=delay_s), canned=canned
        )
    found = due(clock)
    assert (found.expected_at is None) == (not replies)
    if found.expected_at:
        assert found.expected_at >= MONDAY_9 + 20 * WEEK
        assert 0 <= (found.canned_share or 0) <= 1


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="precede"):
        taught(-1)
    with pytest.raises(ValueError, match="offset"):
        expect(ReplyClock(), asked_at=MONDAY_9.replace(tzinfo=None), now=MONDAY_9)
    with pytest.raises(ValueError, match="above 0"):
        ClockParams(half_life_replies=0)
