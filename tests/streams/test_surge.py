"""What counts as a surge: small named streams with the row at which they are seen."""

import math
import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.surge import (
    Surge,
    SurgeParams,
    SurgeState,
    observe,
    observe_posts,
    read,
    return_period_d,
    usual_per_hour,
    z_of_return,
)

PARAMS = SurgeParams()
MONDAY_MS = 1_704_067_200_000  # Monday, 1 January 2024, 00:00 UTC
STEP_S = 300
DAY = 288  # rows


def run(
    counts: Sequence[int], params: SurgeParams = PARAMS, state: SurgeState | None = None
) -> tuple[SurgeState, list[int], list[Surge]]:
    """Feed counts of five minutes from Monday midnight, or onwards from a state."""
    state = state or SurgeState()
    start_ms = state.end_ms if state.end_ms is not None else MONDAY_MS
    rows, surges = [], []
    for row, count in enumerate(counts):
        state, surge = observe(state, params, start_ms + row * STEP_S * 1000, STEP_S, count)
        if surge is not None:
            rows.append(row)
            surges.append(surge)
    return state, rows, surges


def noisy(rate: Callable[[int], float], days: int, seed: int = 1) -> list[int]:
    """Make seeded Poisson counts of a rate per row."""
    dice = random.Random(seed)

    def poisson(mean: float) -> int:
        if mean > 50:
            return max(0, round(dice.gauss(mean, math.sqrt(mean))))
        limit, product, count = math.exp(-mean), dice.random(), 0
        while product > limit:
            product, count = product * dice.random(), count + 1
        return count

    return [poisson(rate(row)) for row in range(days * DAY)]


def daylight(row: int) -> float:
    """Swing between 4 at midnight and 40 at noon."""
    return 22 - 18 * math.cos(2 * math.pi * (row % DAY) / DAY)


def with_burst(counts: list[int], at: int, height: int, rows: int) -> list[int]:
    return [count + height * (at <= row < at + rows) for row, count in enumerate(counts)]


STREAMS: dict[str, tuple[list[int], list[int]]] = {
    # name: counts, rows of the surges
    "flat": ([20] * (10 * DAY), []),
    "silent": ([0] * (10 * DAY), []),
    "five posts out of silence": (with_burst([0] * (10 * DAY), 9 * DAY, 5, 1), []),
    "thirty posts out of silence": (with_burst([0] * (10 * DAY), 9 * DAY, 10, 3), [2593]),
    "flat with one spike": (with_burst([20] * (10 * DAY), 8 * DAY, 400, 1), [2304]),
    "flat with a slow swell": (
        [20] * (8 * DAY) + [20 + row for row in range(DAY)] + [20] * DAY,
        [2326],
    ),
    "first day": (with_burst([20] * DAY, 200, 200, 6), [201]),
    "first hour": (with_burst([20] * DAY, 6, 200, 6), []),
    "poisson noise": (noisy(lambda row: 10.0, 40), []),
    "daylight": (noisy(daylight, 28), []),
    "daylight with a surge at night": (
        with_burst(noisy(daylight, 28), 27 * DAY + 12, 40, 24),
        [27 * DAY + 13],
    ),
}


@pytest.mark.parametrize("name", STREAMS)
def test_named_streams_surge_at_pinned_rows(name: str) -> None:
    counts, expected = STREAMS[name]
    assert run(counts)[1] == expected


def test_the_same_height_is_a_surge_at_night_and_none_at_noon() -> None:
    """The rhythm of the day is part of what is usual."""
    calm = noisy(daylight, 28)
    assert run(with_burst(calm, 27 * DAY + 6, 16, 24))[1]
    assert not run(with_burst(calm, 27 * DAY + 144, 16, 24))[1]


def test_a_daily_peak_stops_surprising_once_learned() -> None:
    """Ten times the usual at the same half hour each day surges at first, then never again."""
    counts = [200 if 150 <= row % DAY < 156 else 20 for row in range(21 * DAY)]
    rows = run(counts)[1]
    assert rows
    assert max(rows) < 7 * DAY


def test_the_weekend_is_learned() -> None:
    """After some weeks a Sunday's usual is well below a Monday's, and Mondays surprise nobody."""
    state, rows, _ = run([40 if row // DAY % 7 < 5 else 4 for row in range(8 * 7 * DAY)])
    noon_ms = (state.end_ms or 0) + 12 * 3_600_000
    monday = usual_per_hour(state, PARAMS, noon_ms)
    assert monday == pytest.approx(480, rel=0.25)
    assert usual_per_hour(state, PARAMS, noon_ms + 6 * 86_400_000) < monday / 2
    assert not [row for row in rows if row >= 14 * DAY]


def test_a_weekly_peak_stops_surprising_once_learned() -> None:
    """A newsletter every Tuesday at ten surges at first, and not after five weeks."""
    at = DAY + 120
    rows = run([60 if at <= row % (7 * DAY) < at + 24 else 20 for row in range(16 * 7 * DAY)])[1]
    assert rows
    assert max(rows) < 5 * 7 * DAY


def test_a_surge_of_a_day_is_told_once() -> None:
    dice = random.Random(5)
    counts = [20] * (14 * DAY) + [dice.randint(150, 450) for _ in range(DAY)] + [20] * (2 * DAY)
    assert len(run(counts)[1]) == 1


def test_after_a_surge_the_detector_is_armed_again() -> None:
    """A larger one a week later is told as well."""
    counts = with_burst(with_burst([20] * (30 * DAY), 14 * DAY, 200, 12), 21 * DAY, 600, 12)
    assert [row // DAY for row in run(counts)[1]] == [14, 21]


def test_a_level_shift_is_told_once_and_becomes_the_new_usual() -> None:
    """Three days after tripling, calm is calm again and a surge on top is seen."""
    shifted = [20] * (14 * DAY) + [60] * (21 * DAY)
    state, rows, _ = run(shifted)
    assert len(rows) == 1
    assert not state.surging
    state, _, _ = run(shifted[: 17 * DAY])
    assert usual_per_hour(state, PARAMS, state.end_ms or 0) == pytest.approx(720, rel=0.1)
    assert run(with_burst(shifted, 24 * DAY, 900, 6))[1][1:] == [24 * DAY]


def test_the_surge_carries_its_evidence() -> None:
    _, rows, (surge,) = run(with_burst([20] * (10 * DAY), 8 * DAY, 400, 1))
    assert surge.at_ms == MONDAY_MS + (rows[0] + 1) * STEP_S * 1000
    assert [reading.scale_s for reading in surge.readings] == [900, 3600, 14_400]
    loudest = surge.readings[0]
    assert (surge.scale_s, surge.observed, surge.usual) == (900, loudest.observed, loudest.usual)
    # leaky sums: 20 a row settle at 20 / (1 - e^(-300/900)) = 70.6
    assert surge.usual == pytest.approx(70.6, abs=0.1)
    assert surge.observed == pytest.approx(470.6, abs=0.1)
    assert surge.return_d > PARAMS.return_d
    assert [r.return_d for r in surge.readings] == sorted((r.return_d for r in surge.readings), reverse=True)


def test_silence_between_pulses_is_zeros() -> None:
    """Leaving zeros out and sending them end in the same state, bit for bit."""
    counts = with_burst([0] * (20 * DAY), 15 * DAY, 20, 3)
    counts[0] = 1
    whole, rows, surges = run([*counts, 2])
    state, found = SurgeState(), []
    for row, count in enumerate([*counts, 2]):
        if count:
            state, surge = observe(state, PARAMS, MONDAY_MS + row * STEP_S * 1000, STEP_S, count)
            found += [surge] if surge else []
    assert rows
    assert (state, found) == (whole, surges)


def test_silence_beyond_its_limit_costs_no_more_than_the_limit() -> None:
    """Ten years without a post are walked as four weeks."""
    state, _ = observe(SurgeState(), PARAMS, MONDAY_MS, STEP_S, 1)
    state, _ = observe(state, PARAMS, MONDAY_MS + 3650 * 86_400_000, STEP_S, 1)
    assert state.seen_h == pytest.approx(28 * 24 + 2 / 12)


def test_a_gap_in_a_volume_feed_teaches_nothing() -> None:
    """Unknown is not zero: the level stays, and nothing surges when the feed comes back."""
    state, _, _ = run([20] * (10 * DAY))
    later_ms = (state.end_ms or 0) + 2 * 86_400_000
    back, surge = observe(state, PARAMS, later_ms, STEP_S, 20, missing_is_zero=False)
    as_zero, _ = observe(state, PARAMS, later_ms, STEP_S, 20)
    assert surge is None
    assert usual_per_hour(back, PARAMS, later_ms) == pytest.approx(240, rel=0.01)
    assert usual_per_hour(as_zero, PARAMS, later_ms) < 210


def test_interval_lengths_may_differ() -> None:
    """Minutes and quarters of an hour of the same stream tell the same usual."""
    usual = []
    for step_s, count in ((60, 4), (900, 60)):
        state = SurgeState()
        for row in range(3 * 86_400 // step_s):
            state, surge = observe(state, PARAMS, MONDAY_MS + row * step_s * 1000, step_s, count)
            assert surge is None
        usual.append(usual_per_hour(state, PARAMS, state.end_ms or 0))
    assert usual == pytest.approx([240, 240])


def test_the_state_has_one_size_and_survives_the_wire() -> None:
    young, _, _ = run([3] * DAY)
    old, _, _ = run([3] * (60 * DAY))
    sizes = [len(msgspec.msgpack.encode(state)) for state in (young, old)]
    assert sizes[1] == pytest.approx(sizes[0], abs=64)
    assert sizes[1] < 4096
    assert msgspec.json.decode(msgspec.json.encode(old), type=SurgeState) == old


def test_return_period_and_its_inverse() -> None:
    # Gumbel: at the mean P = 1 - exp(-e^-0.5772) = 0.4296: once in 2.33 days
    assert return_period_d(0) == pytest.approx(2.3276, abs=1e-4)
    assert return_period_d(z_of_return(18)) == pytest.approx(18)
    assert return_period_d(1e6) == 3650
    assert return_period_d(-1e6) == pytest.approx(1)


def test_nothing_is_read_before_the_first_interval() -> None:
    assert read(SurgeState(), PARAMS) == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scales_s", ()),
        ("scales_s", (3600, 900)),
        ("scales_s", (0, 900)),
        ("scales_s", (900, 100_000)),
        ("pseudo_count", 0),
        ("pseudo_count", math.nan),
        ("return_d", 1),
        ("return_d", 4000),
        ("rise_min", 1),
        ("rise_min", math.inf),
        ("count_min", 0),
        ("rearm_rise", 1.6),
        ("rearm_rise", 0.9),
        ("rearm_s", -1),
        ("shift_s", 0),
        ("level_half_life_d", 0),
        ("shape_half_life_d", -3),
        ("shape_prior_h", 0),
        ("clip", 1),
        ("settle_h", -1),
        ("peak_half_life_d", 0),
        ("peak_prior_mean", -0.1),
        ("peak_prior_sd", 0),
        ("peak_sd_min", 0),
        ("peak_sd_min", 0.5),
        ("peak_prior_d", 0),
        ("silence_max_d", 0),
    ],
)
def test_nonsense_parameters_are_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        SurgeParams(**{field: value})


def test_all_wrong_parameters_are_named_together() -> None:
    with pytest.raises(ValueError, match=r"return_d.*clip"):
        SurgeParams(return_d=0, clip=0)


@pytest.mark.parametrize(
    ("start_ms", "interval_s", "count", "word"),
    [
        (MONDAY_MS + 299_000, 300, 1, "in order"),
        (MONDAY_MS + 300_000, 300, -1, "negative"),
        (MONDAY_MS + 300_000, 0, 1, "interval_s"),
        (MONDAY_MS + 300_000, 3601, 1, "interval_s"),
    ],
)
def test_intervals_that_break_the_contract_are_refused(
    start_ms: int, interval_s: int, count: int, word: str
) -> None:
    state, _ = observe(SurgeState(), PARAMS, MONDAY_MS, STEP_S, 1)
    with pytest.raises(ValueError, match=word):
        observe(state, PARAMS, start_ms, interval_s, count)


INTERVALS = st.lists(
    st.tuples(
        st.one_of(st.just(0), st.integers(0, 400), st.integers(0, 3 * 10**5)),  # gap in seconds
        st.sampled_from([60, 300, 900, 3600]),
        st.one_of(st.just(0), st.integers(0, 30), st.integers(0, 10**12)),
        st.booleans(),
    ),
    max_size=40,
)


@settings(max_examples=30, deadline=None)
@given(INTERVALS)
def test_any_ordered_intervals_are_taken_and_give_the_same_twice(
    intervals: list[tuple[int, int, int, bool]],
) -> None:
    """No gap, size or mixture raises; state stays finite; no randomness hides anywhere."""
    endings = []
    for _ in range(2):
        state, at_ms, surges = SurgeState(), MONDAY_MS, []
        for gap_s, interval_s, count, zero in intervals:
            at_ms += gap_s * 1000
            state, surge = observe(state, PARAMS, at_ms, interval_s, count, missing_is_zero=zero)
            at_ms += interval_s * 1000
            surges.append(surge)
        endings.append((state, surges))
    assert endings[0] == endings[1]
    for reading in read(endings[0][0], PARAMS):
        assert all(map(math.isfinite, msgspec.structs.astuple(reading)))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, DAY - 1), st.integers(0, 400), st.integers(0, 400))
def test_more_mentions_never_lower_the_rise(row: int, some: int, more: int) -> None:
    state, _, _ = run(with_burst([20] * (3 * DAY), 2 * DAY + row, 30, 6)[: 2 * DAY + row + 3])
    at_ms = state.end_ms or 0
    low, high = (observe(state, PARAMS, at_ms, STEP_S, count)[0] for count in (some, some + more))
    for before, after in zip(read(low, PARAMS), read(high, PARAMS), strict=True):
        assert after.rise >= before.rise


@settings(max_examples=6, deadline=None)
@given(st.lists(st.integers(0, 300), min_size=4 * DAY, max_size=4 * DAY))
def test_surges_keep_their_distance(counts: list[int]) -> None:
    _, rows, _ = run(counts)
    assert all((b - a) * STEP_S >= PARAMS.rearm_s for a, b in pairwise(rows))


@given(
    before=st.lists(st.integers(0, 40), min_size=1, max_size=60),
    silence=st.integers(1, 700),
    step_s=st.sampled_from([60, 300, 420, 1800]),
    begins_s=st.integers(0, 7200),
)
@settings(deadline=None, max_examples=60)
def test_a_silence_at_once_is_a_silence_interval_by_interval(
    before: list[int], silence: int, step_s: int, begins_s: int
) -> None:
    """Number for number: a restart in the middle of a silence must not change what is told after it."""
    state, at_ms = SurgeState(), MONDAY_MS + begins_s * 1000
    for count in before:
        state, _ = observe(state, PARAMS, at_ms, step_s, count)
        at_ms += step_s * 1000
    later_ms = at_ms + silence * step_s * 1000
    at_once = observe(state, PARAMS, later_ms, step_s, 25)
    while at_ms < later_ms:
        state, _ = observe(state, PARAMS, at_ms, step_s, 0)
        at_ms += step_s * 1000
    assert observe(state, PARAMS, later_ms, step_s, 25) == at_once


@given(
    before=st.lists(st.integers(0, 40), max_size=30),
    rows=st.lists(
        st.tuples(st.sampled_from([0, 0, 0, 0, 1, 7, 40, 300]), st.integers(0, 4) | st.integers(0, 60)),
        max_size=60,
    ),
    step_s=st.sampled_from([60, 300, 420, 1800]),
    begins_s=st.integers(0, 7200),
)
@settings(deadline=None, max_examples=100)
def test_many_intervals_at_once_are_the_same_one_by_one(
    before: list[int], rows: list[tuple[int, int]], step_s: int, begins_s: int
) -> None:
    """Number for number, with silence between them: how much a reader got at once must not matter."""
    state, at_ms = SurgeState(), MONDAY_MS + begins_s * 1000
    for count in before:
        state, _ = observe(state, PARAMS, at_ms, step_s, count)
        at_ms += step_s * 1000
    closed = []
    for silent, count in rows:
        at_ms += silent * step_s * 1000
        closed.append((at_ms, count))
        at_ms += step_s * 1000
    at_once = observe_posts(state, PARAMS, step_s, closed)
    fired = False
    for start_ms, count in closed:
        state, surge = observe(state, PARAMS, start_ms, step_s, count)
        fired = fired or surge is not None
    assert (state, fired) == at_once
