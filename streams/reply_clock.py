"""How long a brand usually takes to answer, and how often that answer is canned, by hour of the week.

The law of this file: one record per brand, learnt one reply at a time, in event time. Each hour of the week
leans on its neighbours: its own hour first, then the same hour of day, then the whole week, as far as each
has been seen. A median over a bounded histogram, so that a reply three days late moves nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from math import exp, log
from typing import NamedTuple

import msgspec

# Upper edges of the delay bins in seconds: a factor of 1.25 apart, from 10 s to 3 days. A median is told
# within a tenth of its length; all the rest lies in one last bin.
_STEP = 1.25
_LEAST_S = 10.0
EDGES_S = tuple(_LEAST_S * _STEP**place for place in range(47))

HOURS = 168


@dataclass(frozen=True, slots=True)
class ClockParams:
    """How the clock learns.

    half_life_replies  an hour's older replies count half after so many newer ones: desks change their habits
    enough_replies     below so many (decayed) replies an hour leans on the wider one
    """

    half_life_replies: float = 50.0
    enough_replies: float = 5.0

    def __post_init__(self) -> None:
        if self.half_life_replies <= 0 or self.enough_replies <= 0:
            raise ValueError("half_life_replies and enough_replies must be above 0")


class Habit(msgspec.Struct, frozen=True, array_like=True):
    """Decayed counts: replies by delay bin (sparse, bin -> weight), all replies, and the canned ones."""

    bins: tuple[tuple[int, float], ...] = ()
    replies: float = 0.0
    canned: float = 0.0

    def median_s(self) -> float | None:
        """The delay half of the replies stay under, seconds; None without any. The last bin says its edge."""
        if not self.replies:
            return None
        passed = 0.0
        for place, weight in self.bins:
            if passed + weight >= self.replies / 2:
                high = EDGES_S[min(place, len(EDGES_S) - 1)]
                low = high / _STEP
                return float(exp(log(low) + (log(high) - log(low)) * (self.replies / 2 - passed) / weight))
            passed += weight
        return EDGES_S[-1]


class ReplyClock(msgspec.Struct, frozen=True, array_like=True):
    """A brand's habits: by hour of the week (sparse, 0 = Monday 00 h in the brand's zone), by hour of the
    day, all.
    """

    week: tuple[tuple[int, Habit], ...] = ()
    day: tuple[tuple[int, Habit], ...] = ()
    all: Habit = Habit()


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the clock says of a thread that began at a given time.

    expected_at   when the first brand reply is due (UTC); None: this brand has not been seen to answer
    delay_s       the usual delay behind it, seconds
    canned_share  0..1, how often such a reply is canned; None as above
    replies       how many (decayed) replies it rests on; say little on few
    """

    expected_at: datetime | None
    delay_s: float | None
    canned_share: float | None
    replies: float


DEFAULTS = ClockParams()
NOBODY = Expectation(None, None, None, 0.0)


def learn_reply(
    clock: ReplyClock,
    *,
    asked_at: datetime,
    replied_at: datetime,
    canned: bool,
    zone: tzinfo = UTC,
    params: ClockParams = DEFAULTS,
) -> ReplyClock:
    """The clock after a thread's first brand reply. The hour is the question's, since that is when one asks.

    Raises ValueError for times without an offset, or a reply before its question.
    """
    hour = _hour_of_week(asked_at, zone)
    delay_s = (replied_at - asked_at).total_seconds()
    if delay_s < 0:
        raise ValueError("a reply can't precede its question")
    place = bisect_left(EDGES_S, delay_s)
    keep = 0.5 ** (1 / params.half_life_replies)
    week, day = dict(clock.week), dict(clock.day)
    week[hour] = _with(week.get(hour, Habit()), place, canned, keep)
    day[hour % 24] = _with(day.get(hour % 24, Habit()), place, canned, keep)
    # the whole week sees every hour's replies: it forgets slower, to be a background and no echo of today
    return ReplyClock(
        tuple(sorted(week.items())),
        tuple(sorted(day.items())),
        _with(clock.all, place, canned, keep ** (1 / 8)),
    )


def expect(
    clock: ReplyClock,
    *,
    asked_at: datetime,
    now: datetime,
    zone: tzinfo = UTC,
    params: ClockParams = DEFAULTS,
) -> Expectation:
    """When the brand's first reply to a thread begun at `asked_at` is due, seen from `now` (event time).

    A reply that is overdue is due now: `expected_at` is never before `now`. The delay is the weighted
    (geometric) mean of the medians of the same hour of the week, the same hour of the day, and the whole
    week.
    """
    usual = _usual(clock, _hour_of_week(asked_at, zone), params)
    if usual is None:
        return NOBODY
    due = asked_at.astimezone(UTC) + timedelta(seconds=round(usual.delay_s))
    return Expectation(max(due, now.astimezone(UTC)), *usual)


def by_hour(clock: ReplyClock, params: ClockParams = DEFAULTS) -> tuple[tuple[int, float], ...]:
    """(delay in seconds, canned share) for each hour of the week of the question, from Monday 00 h on.

    Empty while the clock rests on less than `enough_replies`: nobody should be woken by a guess.
    """
    if clock.all.replies < params.enough_replies:
        return ()
    hours = (_usual(clock, hour, params) for hour in range(HOURS))
    return tuple((round(one.delay_s), round(one.canned_share, 3)) for one in hours if one is not None)


class _Usual(NamedTuple):
    delay_s: float
    canned_share: float
    replies: float


def _usual(clock: ReplyClock, hour: int, params: ClockParams) -> _Usual | None:
    if clock.all.replies == 0:
        return None
    nothing = Habit()
    habits = (_at(clock.week, hour) or nothing, _at(clock.day, hour % 24) or nothing, clock.all)
    delay = canned = seen = 0.0
    left = 1.0
    for place, habit in enumerate(habits):
        median = habit.median_s()
        if median is None:
            continue
        last = place == len(habits) - 1
        trust = left if last else left * habit.replies / (habit.replies + params.enough_replies)
        delay += trust * log(median)
        canned += trust * habit.canned / habit.replies
        seen += trust * habit.replies
        left -= trust
    return _Usual(exp(delay), min(1.0, canned), seen)


def _at(habits: tuple[tuple[int, Habit], ...], hour: int) -> Habit | None:
    place = bisect_left(habits, hour, key=lambda one: one[0])
    return habits[place][1] if place < len(habits) and habits[place][0] == hour else None


def _hour_of_week(at: datetime, zone: tzinfo) -> int:
    if at.tzinfo is None:
        raise ValueError("times need an offset")
    local = at.astimezone(zone)
    return local.weekday() * 24 + local.hour


def _with(habit: Habit, place: int, canned: bool, keep: float) -> Habit:
    bins = {each: weight * keep for each, weight in habit.bins if weight * keep > 1e-3}
    bins[place] = bins.get(place, 0.0) + 1.0
    ordered = tuple(sorted(bins.items()))
    return Habit(ordered, sum(weight for _, weight in ordered), habit.canned * keep + canned)
