"""What is learned of a brand's threads: how fast they begin, how big they become.

Law of this file: a few fading counts a brand, whatever the order of what is counted. A brand never seen is
like all others (1), and leaves that as slowly as the few threads seen of it allow.

Tempo: threads of one brand compete for the same eyes; the more begin, the sooner each is out of sight. The
same ratio stands in for the clock: it is high in the brand's own busy hours and low in its night, with no
time zone to be told.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec

__all__ = [
    "GROWN_AT",
    "LADDER",
    "RUNGS",
    "SHOWN_AT",
    "TERMS",
    "Baseline",
    "Shown",
    "counted",
    "growth_of",
    "recent_of",
    "shown_of",
    "tempo",
    "top_size",
    "week_of",
]

#: Sizes, in mentions within 24 h, whose first reaching is counted; the first is that a thread began.
LADDER: Final = (1, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
RUNGS: Final = {size: number for number, size in enumerate(LADDER)}
SHOWN_AT: Final = (10, 20, 50)  # steps at which it is noted what a thread shows, for the evidence of alerts
TERMS: Final = 4  # of `streams.forecast.terms`, those that are about the thread and not about its brand
GROWN_AT: Final = 50  # mentions within 24 h at which a thread counts as grown; a step of LADDER
_GROWN: Final = RUNGS[GROWN_AT]

_RECENT_S: Final = 6 * 3600.0
_WEEK_S: Final = 7 * 86_400.0
_MONTH_S: Final = 30 * 86_400.0
_THREADS: Final = 1.0  # added to both sides of the tempo
_USUAL_SHARE: Final = 0.022  # of all threads in the recordings grow so far (docs/detection-threads.md)
_UNSEEN: Final = 20.0  # threads of the usual kind that a brand is taken to have had before

_TOP_SHARE: Final = 0.01  # the biggest of a brand's threads, one in a hundred
_KNOWN_FROM: Final = 300.0  # fading threads before which nothing is said about the biggest
_TOP_UNSEEN: Final = 100.0  # threads with the sizes of _USUAL_LADDER that a brand is taken to have had before
_TOP_FLOOR: Final = 20  # mentions: less is no storm, however calm the brand
#: Share of the threads of all recordings that reached each step of LADDER; from 500 on none did, and it falls
#: as between 100 and 200 (size ** -2.17).
_USUAL_LADDER: Final = (1.0, 0.187, 0.073, 0.025, 0.00925, 0.00206, 2.8e-4, 6.3e-5, 1.4e-5, 1.9e-6)


class Shown(msgspec.Struct, frozen=True):
    """What the brand's threads show as they reach a step: so many, fading, and the means of their terms."""

    threads: float
    means: tuple[float, ...]


class Baseline(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Threads, each fading with exp(-age / tau), as of `last_ms`. Event time, milliseconds, UTC."""

    since_ms: int  # the first thread seen
    last_ms: int
    recent: float = 0.0  # begun, tau 6 h
    week: float = 0.0  # begun, tau 7 d
    reached: tuple[float, ...] = (0.0,) * len(LADDER)  # each step of LADDER, tau 30 d
    shown: tuple[float, ...] = (0.0,) * (len(SHOWN_AT) * TERMS)  # sums over threads at SHOWN_AT, tau 30 d


def counted(
    baseline: Baseline | None, at_ms: int, threads: Sequence[int], shown: Sequence[float]
) -> Baseline:
    """The baseline after so many `threads` of the brand reached each step of LADDER at `at_ms`.

    `shown` are the sums of their terms at each of SHOWN_AT.
    """
    if baseline is None:
        baseline = Baseline(at_ms, at_ms)
    last_ms = max(baseline.last_ms, at_ms)
    kept_s, new_s = (last_ms - baseline.last_ms) / 1000, (last_ms - at_ms) / 1000
    recent, week, month = (
        (math.exp(-kept_s / tau), math.exp(-new_s / tau)) for tau in (_RECENT_S, _WEEK_S, _MONTH_S)
    )
    return Baseline(
        min(baseline.since_ms, at_ms),
        last_ms,
        baseline.recent * recent[0] + threads[0] * recent[1],
        baseline.week * week[0] + threads[0] * week[1],
        _faded(baseline.reached, threads, month),
        _faded(baseline.shown, shown, month),
    )


def shown_of(baseline: Baseline) -> tuple[Shown, ...]:
    """What the brand's threads show at each of SHOWN_AT."""
    found = []
    for number, size in enumerate(SHOWN_AT):
        threads = baseline.reached[RUNGS[size]]
        sums = baseline.shown[number * TERMS : (number + 1) * TERMS]
        found.append(Shown(threads, tuple([one / threads if threads else 0.0 for one in sums])))
    return tuple(found)


def _faded(had: Sequence[float], new: Sequence[float], by: tuple[float, float]) -> tuple[float, ...]:
    return tuple([old * by[0] + more * by[1] for old, more in zip(had, new, strict=True)])


def recent_of(baseline: Baseline, at_ms: int) -> float:
    """Threads begun lately, fading with a time constant of 6 h, as of `at_ms`, not before the last one."""
    return baseline.recent * math.exp((baseline.last_ms - at_ms) / 1000 / _RECENT_S)


def week_of(baseline: Baseline, at_ms: int) -> float:
    """The same with 7 days."""
    return baseline.week * math.exp((baseline.last_ms - at_ms) / 1000 / _WEEK_S)


def tempo(recent: float, week: float, seen_s: float, silent_s: float) -> float:
    """Threads begun in the last hours over what the last days let expect, above 0; 1 is as usual.

    `recent` and `week` are as of `silent_s` seconds (>= 0) before the moment that is asked about; in between
    no thread began. Both are corrected for the time before the brand was first seen, `seen_s` before that
    moment.
    """
    if seen_s <= 0:
        return 1.0
    recent *= math.exp(-silent_s / _RECENT_S)
    week *= math.exp(-silent_s / _WEEK_S)
    # A constant rate r has led to r * tau * (1 - exp(-seen / tau)) by now.
    share = _RECENT_S * math.expm1(-seen_s / _RECENT_S) / (_WEEK_S * math.expm1(-seen_s / _WEEK_S))
    return (recent + _THREADS) / (week * share + _THREADS)


def growth_of(baseline: Baseline) -> float:
    """The share of the brand's threads that grow over the share usual for any brand, above 0; 1 is usual."""
    begun, grown = baseline.reached[0], baseline.reached[_GROWN]
    return (grown / _USUAL_SHARE + _UNSEEN) / (begun + _UNSEEN)


def top_size(baseline: Baseline) -> int | None:
    """The size, in mentions within 24 h, that one in a hundred of the brand's threads reaches.

    None until some 300 threads were seen, which a brand with less than ten a day never has: counts fade with
    a time constant of 30 days. Between steps of LADDER ln share is linear in ln size; the least is 20.
    """
    begun = baseline.reached[0]
    if begun < _KNOWN_FROM:
        return None
    total = begun + _TOP_UNSEEN
    ln_top, below, ln_below = math.log(_TOP_SHARE), 1, 0.0
    for size, reached, usual in zip(LADDER[1:], baseline.reached[1:], _USUAL_LADDER[1:], strict=True):
        # Threads still growing have yet to reach their size, and none can have reached this and not the one
        # below: the share only falls.
        ln_share = min(ln_below, math.log((reached + _TOP_UNSEEN * usual) / total))
        if ln_share <= ln_top:
            part = (ln_below - ln_top) / (ln_below - ln_share)
            found = math.exp(math.log(below) + part * math.log(size / below))
            return max(_TOP_FLOOR, round(found))
        below, ln_below = size, ln_share
    return LADDER[-1]
