"""Sees when a brand is talked about far more than is usual for this brand and this hour.

The law of this file: counts of closed intervals come in, in order of event time; what
is known about the brand is one frozen record of constant size; the answer is at most
one Surge per surge. No clock, no randomness: the same counts give the same surges.

The method in five lines (formulas, sources and measurements: docs/detection-brands.md):

1. usual    = level x shape: a decaying mean rate, times learned factors for hour of
              week, shrunk to hour of day, shrunk to 1.
2. rise     = ln((seen + a) / (expected + a)) in leaky sums over 15 min, 1 h and 4 h.
3. peaks    = the highest rise of each day; their decaying mean and spread say what
              "high" means for this brand.
4. return_d = how many days pass between two peaks as high as this one (Gumbel).
5. a surge  = return_d over the bar at any scale, in enough mentions, while armed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from operator import gt

import msgspec

HOUR_S = 3600
DAY_S = 86_400
WEEK_H = 168
_HOUR_MS = HOUR_S * 1000
_DAY_MS = DAY_S * 1000
_THURSDAY_H = 72  # 1 January 1970 was a Thursday; buckets start on Monday, 00:00 UTC
_EULER = 0.5772156649015329
_GUMBEL_SD = math.pi / math.sqrt(6)  # spread of the standard Gumbel distribution
_RETURN_CAP_D = 3650.0  # ten years: further out, a few remembered weeks of peaks say nothing


@dataclass(frozen=True, slots=True)
class SurgeParams:
    """What may be tuned about surges; one set serves every brand.

    The defaults lie in the middle of the plateau that docs/detection-brands.md shows.
    Raises ValueError naming every field that is nonsense.
    """

    scales_s: tuple[int, ...] = (900, 3600, 14_400)
    """Time constants of the leaky sums, seconds, rising: a spike, a surge, a slow swell."""
    pseudo_count: float = 10.0
    """Mentions added to both sides of a rise at a scale of one hour (> 0); grows with the
    root of the scale, as counting noise does."""
    return_d: float = 18.0
    """A surge is a rise this brand would reach once in so many days (> 1)."""
    rise_min: float = 1.5
    """And at least so many times the usual, as geometric mean over the scales (> 1)."""
    count_min: float = 15.0
    """And at least so many mentions in the leaky hour (>= 1): nobody is woken by five."""
    rearm_rise: float = 1.25
    """A surge is over when the mean rise falls below this (in [1, rise_min])."""
    rearm_s: int = 21_600
    """And no second surge is told within so many seconds (>= 0)."""
    shift_s: int = 172_800
    """A surge that lasts so long is the new level, and is learned as such (> 0)."""
    level_half_life_d: float = 7.0
    """Memory of the level, days (> 0)."""
    shape_half_life_d: float = 14.0
    """Memory of the hour of day, days (> 0). The hour of week, met once a week,
    remembers four times as long."""
    shape_prior_h: float = 6.0
    """Hours of evidence after which a bucket counts as much as what it is shrunk to (> 0)."""
    clip: float = 8.0
    """An interval teaches at most so many times what was expected (> 1)."""
    settle_h: float = 6.0
    """Hours after which a newcomer's rise counts half (>= 0): little seen, little sure."""
    peak_half_life_d: float = 7.0
    """Memory of daily peaks, days (> 0)."""
    peak_prior_mean: float = 0.5
    """Daily peak of a brand never seen, as ln of its rise."""
    peak_prior_sd: float = 0.3
    """Its spread (> 0)."""
    peak_sd_min: float = 0.1
    """The spread is never taken for less (> 0): months of silence must not make it nothing."""
    peak_prior_d: float = 3.0
    """How many days that prior is worth (> 0)."""
    silence_max_d: float = 28.0
    """Of a longer silence only its last so many days are learned as zeros (> 0)."""

    def __post_init__(self) -> None:
        scales = self.scales_s
        rules = {
            "scales_s": bool(scales) and all(0 < a < b for a, b in pairwise((*scales, DAY_S + 1))),
            "pseudo_count": 0 < self.pseudo_count < math.inf,
            "return_d": 1 < self.return_d <= _RETURN_CAP_D,
            "rise_min": 1 < self.rise_min < math.inf,
            "count_min": 1 <= self.count_min < math.inf,
            "rearm_rise": 1 <= self.rearm_rise <= self.rise_min,
            "rearm_s": 0 <= self.rearm_s < math.inf,
            "shift_s": 0 < self.shift_s < math.inf,
            "level_half_life_d": 0 < self.level_half_life_d < math.inf,
            "shape_half_life_d": 0 < self.shape_half_life_d < math.inf,
            "shape_prior_h": 0 < self.shape_prior_h < math.inf,
            "clip": 1 < self.clip < math.inf,
            "settle_h": 0 <= self.settle_h < math.inf,
            "peak_half_life_d": 0 < self.peak_half_life_d < math.inf,
            "peak_prior_mean": 0 <= self.peak_prior_mean < math.inf,
            "peak_prior_sd": 0 < self.peak_prior_sd < math.inf,
            "peak_sd_min": 0 < self.peak_sd_min <= self.peak_prior_sd,
            "peak_prior_d": 0 < self.peak_prior_d < math.inf,
            "silence_max_d": 0 < self.silence_max_d < math.inf,
        }
        wrong = [f"{name}={getattr(self, name)!r}" for name, holds in rules.items() if not holds]
        if wrong:
            raise ValueError("surge parameters out of range: " + ", ".join(wrong))


class SurgeState(msgspec.Struct, frozen=True):
    """All that is remembered of a brand: some 430 numbers, whatever its age or size."""

    end_ms: int | None = None
    """End of the last interval seen, ms since the epoch; None before the first."""
    start_ms: int = 0
    """Its start: the hour and the day it belongs to."""
    seen_h: float = 0.0
    """Hours seen so far."""
    level_sum: float = 0.0
    """Decayed sum of deseasoned mentions; over level_h it is the level, mentions per hour."""
    level_h: float = 0.0
    recent: float = 0.0
    """The deseasoned rate of about the last day, mentions per hour: the next level after a shift."""
    hour_sum: float = 0.0
    """Of the hour now running: mentions learned from, and hours covered."""
    hour_h: float = 0.0
    day_sum: tuple[float, ...] = (0.0,) * 24
    """Decayed sums of rate / level by hour of day (UTC), and their weights in hours."""
    day_h: tuple[float, ...] = (0.0,) * 24
    week_sum: tuple[float, ...] = (0.0,) * WEEK_H
    """The same by hour of week, from Monday 00:00 UTC."""
    week_h: tuple[float, ...] = (0.0,) * WEEK_H
    seen: tuple[float, ...] = ()
    """Leaky sums of mentions, and of what was expected, one for each scale."""
    expected: tuple[float, ...] = ()
    peak: tuple[float, ...] = ()
    """Highest rise of the day now running, by scale, and how much of the day was covered."""
    peak_d: float = 0.0
    peak_mean: tuple[float, ...] = ()
    """Decayed mean and variance of daily peaks by scale, and their weight in days."""
    peak_var: tuple[float, ...] = ()
    peak_weight_d: float = 0.0
    surging: bool = False
    fired_ms: int | None = None
    """When the last surge was told, ms since the epoch."""


class Reading(msgspec.Struct, frozen=True):
    """What one scale says at one moment."""

    scale_s: int
    observed: float
    """Mentions in the leaky sum: those of the last scale_s seconds, softly cut."""
    usual: float
    """What level and shape expected there."""
    rise: float
    """ln of observed over usual, both padded, damped while the brand is new."""
    usual_peak: float
    """Mean of this brand's daily peaks of rise."""
    z: float
    """Spreads of those peaks by which the rise lies above their mean."""
    return_d: float
    """Days between two peaks as high, in [1, 3650]."""


class Surge(msgspec.Struct, frozen=True):
    """A brand is talked about far more than usual, since just now."""

    at_ms: int
    """End of the interval that raised it, ms since the epoch: when it could be known."""
    observed: float
    """Of the scale that speaks loudest: mentions, usual mentions, scale."""
    usual: float
    scale_s: int
    z: float
    return_d: float
    readings: tuple[Reading, ...]
    """Every scale, loudest first: the evidence."""


def observe(
    state: SurgeState,
    params: SurgeParams,
    interval_start_ms: int,
    interval_s: int,
    count: int,
    *,
    missing_is_zero: bool = True,
) -> tuple[SurgeState, Surge | None]:
    """Learn one closed interval of mentions; tell a surge if one begins with it.

    interval_start_ms is event time; interval_s lies in [1, 3600]; count >= 0. Time between
    the last interval and this one holds no mentions where the pulse is derived from posts
    (missing_is_zero), and is unknown where a volume feed had a gap: unknown time teaches
    nothing and can raise nothing. Zeros inside a silence end surges and teach calm.

    Raises ValueError for an interval that starts before the last one ended, for a negative
    count, for an interval length out of range (the pulse table merges what is late, splits
    what is long, before it comes here), and for a state of another number of scales.
    """
    if not 1 <= interval_s <= HOUR_S:
        raise ValueError(f"interval_s must lie in [1, {HOUR_S}], not {interval_s}")
    if count < 0:
        raise ValueError(f"count must not be negative, not {count}")
    if state.end_ms is None:
        state = _newborn(params, interval_start_ms)
    end_ms = state.end_ms if state.end_ms is not None else interval_start_ms
    if interval_start_ms < end_ms:
        raise ValueError(f"intervals come in order: {interval_start_ms} lies before {end_ms}")
    step_ms = interval_s * 1000
    if missing_is_zero and interval_start_ms - end_ms >= step_ms:
        learn_from_ms = interval_start_ms - int(params.silence_max_d * DAY_S) * 1000
        silent = (interval_start_ms - max(end_ms, learn_from_ms)) // step_ms
        state, _ = _learn_run(state, params, interval_start_ms - silent * step_ms, interval_s, [0] * silent)
    state, rises = _learn(state, params, interval_start_ms, interval_s, count)
    return _judge(state, params, rises)


def observe_posts(
    state: SurgeState, params: SurgeParams, interval_s: int, closed: Iterable[tuple[int, int]]
) -> tuple[SurgeState, bool]:
    """Learn closed intervals, (start_ms, count) in order; whether a surge began with one of them.

    Number for number what `observe` makes of one after the other, at a fraction of the cost while nothing
    happens. Raises ValueError as `observe` does.
    """
    step_ms, fired = interval_s * 1000, False
    day = DAY_S // interval_s
    end_ms = from_ms = state.end_ms
    run: list[int] = []  # counts of intervals that follow one another from from_ms on
    for start_ms, count in closed:
        silent, off = divmod(start_ms - end_ms, step_ms) if end_ms is not None else (-1, 0)
        if not off and 0 <= silent <= day and count >= 0:
            run += [*(0,) * silent, count]
        else:
            state, told = _learn_run(state, params, from_ms or 0, interval_s, run)
            state, surge = observe(state, params, start_ms, interval_s, count)
            fired = fired or told or surge is not None
            run, from_ms = [], start_ms + step_ms
        end_ms = start_ms + step_ms
    state, told = _learn_run(state, params, from_ms or 0, interval_s, run)
    return state, fired or told


def may_surge(
    state: SurgeState, params: SurgeParams, end_ms: int, mentions: int, *, missing_is_zero: bool
) -> bool:
    """False only where so many more mentions until `end_ms` can't begin a surge, wherever they lie.

    To look ahead costs tens of microseconds, this two.
    """
    if state.fired_ms is not None and end_ms - state.fired_ms < params.rearm_s * 1000:
        return False
    if state.surging:
        return True
    hourly = max([state.seen[number] for number in _hourly(params.scales_s)]) if state.seen else 0.0
    if hourly + mentions < params.count_min:
        return False
    if not state.level_h:
        return True
    rises = _most_rises(state, params, end_ms, mentions, missing_is_zero=missing_is_zero)
    if sum(rises) <= len(rises) * math.log(params.rise_min):
        return False
    if state.start_ms // _DAY_MS != (end_ms - 1) // _DAY_MS:  # the usual peaks will have changed
        return True
    bar = z_of_return(params.return_d)
    return any(
        rise > mean + bar * math.sqrt(var)
        for rise, mean, var in zip(rises, state.peak_mean, state.peak_var, strict=True)
    )


def may_be_high(
    state: SurgeState, params: SurgeParams, end_ms: int, mentions: int, *, missing_is_zero: bool
) -> bool:
    """As `may_surge`, of the mean rise alone: False only where it can't come above `rise_min`."""
    if state.surging or not state.level_h:
        return True
    rises = _most_rises(state, params, end_ms, mentions, missing_is_zero=missing_is_zero)
    return sum(rises) > len(rises) * math.log(params.rise_min)


def _most_rises(
    state: SurgeState, params: SurgeParams, end_ms: int, mentions: int, *, missing_is_zero: bool
) -> list[float]:
    """What the rise at each scale can be at the most until `end_ms`, with so many more mentions.

    They may all come at the end, so none of them fades. What is known, and the least that is still to be
    expected, has faded and grown until then, or not at all: a rise is monotone in that, so one of both is
    the highest.
    """
    end = state.end_ms or 0
    elapsed_s = (end_ms - end) / 1000
    least_per_s = 0.0
    if missing_is_zero and 0 < elapsed_s <= HOUR_S:  # two hours at most, and neither's shape will change
        level_fade, _ = _fades(elapsed_s, params.level_half_life_d)
        level = state.level_sum * level_fade / (state.level_h + elapsed_s / HOUR_S)
        least_per_s = level * min(_shape(state, params, end), _shape(state, params, end_ms)) / HOUR_S
    rises = []
    for scale_s, padding, fade, seen, expected in zip(
        params.scales_s,
        _paddings(params.scales_s, params.pseudo_count),
        _keeps(params.scales_s, elapsed_s),
        state.seen,
        state.expected,
        strict=True,
    ):
        more = mentions + padding
        now = (seen + more) / (expected + padding)
        then = (fade * seen + more) / (fade * expected + least_per_s * scale_s * (1 - fade) + padding)
        rises.append(math.log(now if now > then else then))
    return rises


def read(state: SurgeState, params: SurgeParams) -> tuple[Reading, ...]:
    """Tell what each scale says now, shortest first; () before the first interval."""
    sure = state.seen_h / (state.seen_h + params.settle_h) if state.seen_h else 0.0
    readings = []
    rises = _rises(params, sure, state.seen, state.expected) if state.seen else []
    for i, (scale_s, rise) in enumerate(zip(params.scales_s, rises, strict=False)):
        z = (rise - state.peak_mean[i]) / math.sqrt(state.peak_var[i])
        readings.append(
            Reading(
                scale_s, state.seen[i], state.expected[i], rise, state.peak_mean[i], z, return_period_d(z)
            )
        )
    return tuple(readings)


def return_period_d(z: float) -> float:
    """Days between two daily peaks z spreads above their mean, in [1, 3650].

    Daily maxima follow about a Gumbel law (Fisher and Tippett 1928; Gumbel 1958), fitted
    by its moments: P(peak > x) = 1 - exp(-exp(-y)), y = 0.5772 + z pi / sqrt(6).
    """
    y = _EULER + max(z, -10.0) * _GUMBEL_SD
    chance = -math.expm1(-math.exp(-y))
    return min(_RETURN_CAP_D, 1 / chance) if chance > 0 else _RETURN_CAP_D


@lru_cache(maxsize=16)
def z_of_return(return_d: float) -> float:
    """Invert return_period_d for return_d in (1, 3650]."""
    return (-math.log(-math.log1p(-1 / return_d)) - _EULER) / _GUMBEL_SD


def usual_per_hour(state: SurgeState, params: SurgeParams, at_ms: int) -> float:
    """Tell the mentions per hour that are usual for this brand at that time of its week."""
    return _level(state) * _shape(state, params, at_ms)


def _newborn(params: SurgeParams, at_ms: int) -> SurgeState:
    scales = len(params.scales_s)
    return SurgeState(
        end_ms=at_ms,
        seen=(0.0,) * scales,
        expected=(0.0,) * scales,
        peak=(0.0,) * scales,
        peak_mean=(params.peak_prior_mean,) * scales,
        peak_var=(params.peak_prior_sd**2,) * scales,
        peak_weight_d=params.peak_prior_d,
    )


def _level(state: SurgeState) -> float:
    return state.level_sum / state.level_h if state.level_h else 0.0


def _shape(state: SurgeState, params: SurgeParams, at_ms: int) -> float:
    hour = at_ms // (HOUR_S * 1000)
    prior = params.shape_prior_h
    of_day, of_week = hour % 24, (hour + _THURSDAY_H) % WEEK_H
    daily = (state.day_sum[of_day] + prior) / (state.day_h[of_day] + prior)
    return (state.week_sum[of_week] + prior * daily) / (state.week_h[of_week] + prior)


def _rises(
    params: SurgeParams, sure: float, seen: tuple[float, ...], expected: tuple[float, ...]
) -> list[float]:
    """The rise at every scale, as far as a newcomer's is to be believed."""
    paddings = _paddings(params.scales_s, params.pseudo_count)
    log = math.log
    return [sure * log((s + p) / (e + p)) for s, e, p in zip(seen, expected, paddings, strict=True)]


@lru_cache(maxsize=16)
def _hourly(scales_s: tuple[int, ...]) -> tuple[int, ...]:
    """Which scale is nearest to an hour; two may be."""
    off = [abs(scale_s - HOUR_S) for scale_s in scales_s]
    return tuple([number for number, one in enumerate(off) if one == min(off)])


@lru_cache(maxsize=16)
def _paddings(scales_s: tuple[int, ...], pseudo_count: float) -> tuple[float, ...]:
    return tuple([pseudo_count * math.sqrt(scale_s / HOUR_S) for scale_s in scales_s])


@lru_cache(maxsize=4096)
def _keeps(scales_s: tuple[int, ...], elapsed_s: float) -> tuple[float, ...]:
    return tuple([math.exp(-elapsed_s / scale_s) for scale_s in scales_s])


@lru_cache(maxsize=4096)
def _fades(interval_s: float, level_half_life_d: float) -> tuple[float, float]:
    return 0.5 ** (interval_s / (DAY_S * level_half_life_d)), math.exp(-interval_s / DAY_S)


def _learn(
    state: SurgeState, params: SurgeParams, start_ms: int, interval_s: int, count: int
) -> tuple[SurgeState, list[float]]:
    """Take one interval into every memory; expectation comes before learning. Also the rises it left."""
    end_ms = start_ms + interval_s * 1000
    hours = interval_s / HOUR_S
    state = _turn(state, params, start_ms)
    gap_s = (start_ms - (state.end_ms if state.end_ms is not None else start_ms)) / 1000
    shape = _shape(state, params, start_ms)
    # The first interval of all is its own expectation: there is nothing to compare it with.
    expected = _level(state) * shape * hours if state.level_h else float(count)
    learned = min(float(count), params.clip * (expected + params.pseudo_count * hours))

    keep = _keeps(params.scales_s, interval_s + gap_s)
    seen = tuple([k * s + count for k, s in zip(keep, state.seen, strict=True)])
    awaited = tuple([k * s + expected for k, s in zip(keep, state.expected, strict=True)])
    seen_h = state.seen_h + hours
    sure = seen_h / (seen_h + params.settle_h)
    rises = _rises(params, sure, seen, awaited)
    peak = tuple([p if p > rise else rise for p, rise in zip(state.peak, rises, strict=True)])
    fade, day_fade = _fades(interval_s, params.level_half_life_d)
    rate = count / hours / shape
    after = msgspec.structs.replace(
        state,
        end_ms=end_ms,
        start_ms=start_ms,
        seen_h=seen_h,
        level_sum=state.level_sum * fade + learned / shape,
        level_h=state.level_h * fade + hours,
        recent=rate if not state.level_h else state.recent * day_fade + rate * (1 - day_fade),
        hour_sum=state.hour_sum + learned,
        hour_h=state.hour_h + hours,
        seen=seen,
        expected=awaited,
        peak=peak,
        peak_d=state.peak_d + interval_s / DAY_S,
    )
    return after, rises


def _learn_run(
    state: SurgeState, params: SurgeParams, start_ms: int, interval_s: int, counts: Sequence[int]
) -> tuple[SurgeState, bool]:
    """Learn intervals that follow one another from start_ms on; whether a surge began with one of them."""
    step_ms, at, fired = interval_s * 1000, 0, False
    while at < len(counts):
        at_ms = start_ms + at * step_ms
        if at_ms == state.end_ms and state.level_h and not state.surging:
            state = _turn(state, params, at_ms)
            within_hour = -(-(_HOUR_MS - at_ms % _HOUR_MS) // step_ms)
            state = _learn_calm(state, params, interval_s, counts[at : at + within_hour])
            if state.end_ms != at_ms:
                at = ((state.end_ms or 0) - start_ms) // step_ms
                continue
        state, rises = _learn(state, params, at_ms, interval_s, counts[at])
        state, surge = _judge(state, params, rises)
        fired = fired or surge is not None
        at += 1
    return state, fired


def _learn_calm(state: SurgeState, params: SurgeParams, interval_s: int, counts: Sequence[int]) -> SurgeState:
    """What `_learn` and `_judge` make of intervals that follow the last one, at a tenth of the cost.

    The same arithmetic, number by number, as long as nothing turns and nothing happens: all of them begin
    within one hour, whose past is folded. It stops before one that `_judge` might have something to say of.
    """
    hours, days = interval_s / HOUR_S, interval_s / DAY_S
    fade, day_fade = _fades(interval_s, params.level_half_life_d)
    keeps = _keeps(params.scales_s, interval_s + 0.0)
    seen_h, level_sum, level_h = state.seen_h, state.level_sum, state.level_h
    recent, hour_sum, hour_h, peak_d = state.recent, state.hour_sum, state.hour_h, state.peak_d
    seen, expected, peak = state.seen, state.expected, state.peak
    shape = _shape(state, params, state.end_ms or 0)
    is_high = any(map(gt, seen, expected))
    silence: list[
        float
    ] = []  # what was expected in silent intervals that seen and expected have yet to fade by
    learned_from = 0
    for count in counts:
        usual = level_sum / level_h * shape * hours
        learned, after_h = 0.0, seen_h + hours
        # Where no more was seen than expected, no rise is above 0, the least of peaks; silence keeps it so.
        if count or is_high:
            if silence:
                seen, expected = _faded(keeps, seen, expected, silence)
                silence = []
            now = tuple([keep * one + count for keep, one in zip(keeps, seen, strict=True)])
            awaited = tuple([keep * one + usual for keep, one in zip(keeps, expected, strict=True)])
            if is_high := any(map(gt, now, awaited)):
                rises = _rises(params, after_h / (after_h + params.settle_h), now, awaited)
                if sum(rises) / len(rises) > math.log(params.rise_min):
                    break
                peak = tuple(map(max, peak, rises))
            seen, expected = now, awaited
            learned = min(float(count), params.clip * (usual + params.pseudo_count * hours))
        else:
            silence.append(usual)
        level_sum, level_h = level_sum * fade + learned / shape, level_h * fade + hours
        recent = recent * day_fade + count / hours / shape * (1 - day_fade)
        hour_sum += learned
        hour_h += hours
        seen_h = after_h
        peak_d += days
        learned_from += 1
    if not learned_from:
        return state
    seen, expected = _faded(keeps, seen, expected, silence)
    end_ms = (state.end_ms or 0) + learned_from * interval_s * 1000
    return msgspec.structs.replace(
        state,
        end_ms=end_ms,
        start_ms=end_ms - interval_s * 1000,
        seen_h=seen_h,
        level_sum=level_sum,
        level_h=level_h,
        recent=recent,
        hour_sum=hour_sum,
        hour_h=hour_h,
        seen=seen,
        expected=expected,
        peak=peak,
        peak_d=peak_d,
    )


def _faded(
    keeps: tuple[float, ...], seen: tuple[float, ...], expected: tuple[float, ...], silence: list[float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Both leaky sums after silent intervals in which so much was expected."""
    pairs = []
    for keep, one, other in zip(keeps, seen, expected, strict=True):
        for usual in silence:
            one, other = keep * one, keep * other + usual
        pairs.append((one, other))
    return tuple([one for one, _ in pairs]), tuple([other for _, other in pairs])


def _turn(state: SurgeState, params: SurgeParams, start_ms: int) -> SurgeState:
    """Fold the hour and the day that ended before start_ms into shape and peaks."""
    hour = state.start_ms // (HOUR_S * 1000)
    if state.hour_h and hour != start_ms // (HOUR_S * 1000):
        level = _level(state)
        # One mention an hour on both sides: a nearly silent brand has no shape to speak of.
        factor = (state.hour_sum / state.hour_h + 1) / (level + 1)
        fade = 0.5 ** (1 / params.shape_half_life_d)
        week_fade = 0.5 ** (1.75 / params.shape_half_life_d)
        of_day, of_week = hour % 24, (hour + _THURSDAY_H) % WEEK_H
        state = msgspec.structs.replace(
            state,
            hour_sum=0.0,
            hour_h=0.0,
            day_sum=_put(state.day_sum, of_day, fade, factor * state.hour_h),
            day_h=_put(state.day_h, of_day, fade, state.hour_h),
            week_sum=_put(state.week_sum, of_week, week_fade, factor * state.hour_h),
            week_h=_put(state.week_h, of_week, week_fade, state.hour_h),
        )
    if state.peak_d and state.start_ms // (DAY_S * 1000) != start_ms // (DAY_S * 1000):
        # A day's peak teaches at most one spread above the bar, and as much as was covered.
        bar = z_of_return(params.return_d) + 1
        old = state.peak_weight_d * 0.5 ** (1 / params.peak_half_life_d)
        new = old + state.peak_d
        mean, var = [], []
        for peak, m, v in zip(state.peak, state.peak_mean, state.peak_var, strict=True):
            off = min(peak, m + bar * math.sqrt(v)) - m
            mean.append(m + off * state.peak_d / new)
            var.append(max(old / new * (v + off * off * state.peak_d / new), params.peak_sd_min**2))
        state = msgspec.structs.replace(
            state,
            peak=(0.0,) * len(mean),
            peak_d=0.0,
            peak_mean=tuple(mean),
            peak_var=tuple(var),
            peak_weight_d=new,
        )
    return state


def _put(row: tuple[float, ...], at: int, fade: float, value: float) -> tuple[float, ...]:
    return (*row[:at], row[at] * fade + value, *row[at + 1 :])


def _judge(state: SurgeState, params: SurgeParams, rises: list[float]) -> tuple[SurgeState, Surge | None]:
    """Move between armed and surging; the step into surging is the surge."""
    now_ms = state.end_ms or 0
    fired_ms = state.fired_ms
    mean_rise = sum(rises) / len(rises)
    if state.surging:
        if mean_rise < math.log(params.rearm_rise):
            return msgspec.structs.replace(state, surging=False), None
        if fired_ms is not None and now_ms - fired_ms >= params.shift_s * 1000:
            return _relevel(state), None
        return state, None
    if mean_rise <= math.log(params.rise_min):
        return state, None
    if fired_ms is not None and now_ms - fired_ms < params.rearm_s * 1000:
        return state, None
    readings = tuple(sorted(read(state, params), key=lambda reading: -reading.return_d))
    hourly = min(readings, key=lambda reading: abs(reading.scale_s - HOUR_S))
    loudest = max(readings, key=lambda reading: reading.z)
    if loudest.z <= z_of_return(params.return_d) or hourly.observed < params.count_min:
        return state, None
    surge = Surge(
        now_ms, loudest.observed, loudest.usual, loudest.scale_s, loudest.z, loudest.return_d, readings
    )
    return msgspec.structs.replace(state, surging=True, fired_ms=now_ms), surge


def _relevel(state: SurgeState) -> SurgeState:
    """Take the last day's rate as the level: what lasts is no surge."""
    return msgspec.structs.replace(
        state, surging=False, level_sum=state.recent * 24, level_h=24.0, expected=state.seen
    )
