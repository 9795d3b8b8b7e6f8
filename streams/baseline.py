"""What is usual for a brand's threads: how fast they begin, how many of them grow.

Law of this file: four fading counts a brand, whatever the order of what is counted. A brand never seen is
like all others (1), and leaves that as slowly as the few threads seen of it allow.

Tempo: threads of one brand compete for the same eyes; the more begin, the sooner each is out of sight. The
same ratio stands in for the clock: it is high in the brand's own busy hours and low in its night, with no
time zone to be told.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from streams.mention import Mention
from streams.thread import Thread

__all__ = ["GROWN_AT", "Baseline", "begun", "grown", "growth_of", "learned", "tempo_of"]

GROWN_AT: Final = 50  # mentions within 24 h at which a thread counts as grown
_RECENT_S: Final = 6 * 3600.0
_WEEK_S: Final = 7 * 86_400.0
_MONTH_S: Final = 30 * 86_400.0
_THREADS: Final = 1.0  # added to both sides of the tempo
_USUAL_SHARE: Final = 0.022  # of all threads in the recordings grow so far (docs/detection-threads.md)
_UNSEEN: Final = 20.0  # threads of the usual kind that a brand is taken to have had before


class Baseline(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Threads, each fading with exp(-age / tau), as of `last_ms`. Event time, milliseconds, UTC."""

    since_ms: int  # the first thread seen
    last_ms: int
    recent: float = 0.0  # begun, tau 6 h
    week: float = 0.0  # begun, tau 7 d
    month: float = 0.0  # begun, tau 30 d
    grown: float = 0.0  # grown to GROWN_AT mentions, tau 30 d


def learned(baseline: Baseline | None, before: int, after: Thread, mention: Mention) -> Baseline | None:
    """The brand's baseline after `mention`, counted for the first time, led a thread of its to `after`.

    `before` is what `mentions_24h` was. Nearly always the very same object comes back: only a root and the
    GROWN_AT-th mention say anything new.
    """
    if mention.from_brand:
        return baseline
    if mention.id == mention.thread_id:
        baseline = begun(baseline, mention.created_ms)
    if before and before < GROWN_AT <= after.mentions_24h:
        baseline = grown(baseline, mention.created_ms)
    return baseline


def begun(baseline: Baseline | None, at_ms: int) -> Baseline:
    """The baseline after one more thread of the brand began at `at_ms`."""
    return _with(baseline, at_ms, 1.0, 0.0)


def grown(baseline: Baseline | None, at_ms: int) -> Baseline:
    """The baseline after one more thread of the brand came to have GROWN_AT mentions at `at_ms`."""
    return _with(baseline, at_ms, 0.0, 1.0)


def tempo_of(baseline: Baseline | None, at_ms: int) -> float:
    """Threads begun in the last hours over what the last days let expect, above 0; 1 is as usual.

    Both counts are corrected for the time before the brand was first seen. `at_ms` before what was counted
    last means the moment of that.
    """
    if baseline is None or (seen_s := (max(at_ms, baseline.last_ms) - baseline.since_ms) / 1000) <= 0:
        return 1.0
    faded_s = max(0, at_ms - baseline.last_ms) / 1000
    recent = baseline.recent * math.exp(-faded_s / _RECENT_S)
    week = baseline.week * math.exp(-faded_s / _WEEK_S)
    # A constant rate r has led to r * tau * (1 - exp(-seen / tau)) by now.
    share = _RECENT_S * math.expm1(-seen_s / _RECENT_S) / (_WEEK_S * math.expm1(-seen_s / _WEEK_S))
    return (recent + _THREADS) / (week * share + _THREADS)


def growth_of(baseline: Baseline | None) -> float:
    """The share of the brand's threads that grow over the share usual for any brand, above 0; 1 is usual."""
    if baseline is None:
        return 1.0
    return (baseline.grown / _USUAL_SHARE + _UNSEEN) / (baseline.month + _UNSEEN)


def _with(baseline: Baseline | None, at_ms: int, began: float, grew: float) -> Baseline:
    if baseline is None:
        return Baseline(at_ms, at_ms, began, began, began, grew)
    last_ms = max(baseline.last_ms, at_ms)
    kept_s, new_s = (last_ms - baseline.last_ms) / 1000, (last_ms - at_ms) / 1000
    recent, week, month = (
        (math.exp(-kept_s / tau), math.exp(-new_s / tau)) for tau in (_RECENT_S, _WEEK_S, _MONTH_S)
    )
    return Baseline(
        min(baseline.since_ms, at_ms),
        last_ms,
        baseline.recent * recent[0] + began * recent[1],
        baseline.week * week[0] + began * week[1],
        baseline.month * month[0] + began * month[1],
        baseline.grown * month[0] + grew * month[1],
    )
