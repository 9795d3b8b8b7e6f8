"""How good alerts were, once the truth is known.

Law of this file: pure functions of alerts and truth, nothing rounded. What has no answer (a share of
nothing) is nan, never 0 or 1, and each function says when.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

__all__ = [
    "Match",
    "burst_ms",
    "false_pages_per_week",
    "lead_time_s",
    "match",
    "mean",
    "precision",
    "recall",
    "still_to_come",
]

_WEEK_S: Final = 7 * 86_400


class Match(NamedTuple):
    """Thread ids by how the alert and the truth agree."""

    hits: frozenset[str]  # alerted and viral
    false_alarms: frozenset[str]  # alerted and not viral
    missed: frozenset[str]  # viral and not alerted


def match(alerted: Collection[str], viral: Collection[str]) -> Match:
    """Compare the threads that had an alert with those that became viral; one alert a thread counts."""
    raised, true = frozenset(alerted), frozenset(viral)
    return Match(raised & true, raised - true, true - raised)


def precision(matched: Match) -> float:
    """hits / (hits + false alarms), 0..1; nan if nothing was alerted."""
    return _share(len(matched.hits), len(matched.hits) + len(matched.false_alarms))


def recall(matched: Match) -> float:
    """hits / (hits + missed), 0..1; nan if nothing was viral."""
    return _share(len(matched.hits), len(matched.hits) + len(matched.missed))


def still_to_come(alerted_ms: int | None, mentions_ms: Sequence[int]) -> float:
    """The share, 0..1, of a thread's mentions that lie after its alert: what the alert could still prevent.

    `mentions_ms` are the times of its first 24 hours (the root may be left out), sorted; a mention at the
    very time of the alert is not still to come. 0 for a thread without an alert (None); nan for a thread
    without mentions.
    """
    if not mentions_ms:
        return math.nan
    if alerted_ms is None:
        return 0.0
    return 1.0 - bisect_right(mentions_ms, alerted_ms) / len(mentions_ms)


def lead_time_s(alerted_ms: int | None, mentions_ms: Sequence[int], viral_at: int) -> float:
    """Seconds from the alert to the mention that made the thread viral, the `viral_at`-th (at least 1).

    Negative if the alert came later; nan if there was no alert or the thread never grew so big.
    `mentions_ms` is sorted. Raises ValueError for a `viral_at` below 1.
    """
    if viral_at < 1:
        raise ValueError("viral_at must be at least 1")
    if alerted_ms is None or len(mentions_ms) < viral_at:
        return math.nan
    return (mentions_ms[viral_at - 1] - alerted_ms) / 1000


def false_pages_per_week(false_pages: int, observed_s: float) -> float:
    """False pages in each week of event time; nan if nothing was observed (`observed_s` is 0 or less)."""
    return false_pages * _WEEK_S / observed_s if observed_s > 0 else math.nan


def burst_ms(mentions_ms: Sequence[int], count: int, within_s: float) -> int | None:
    """When the static rule "`count` mentions within `within_s` seconds" first fires; None if it never does.

    The yardstick that a forecast must beat. `mentions_ms` is sorted, `count` at least 1, the window closed.
    """
    within_ms = within_s * 1000
    for first, last in zip(mentions_ms, mentions_ms[count - 1 :], strict=False):
        if last - first <= within_ms:
            return last
    return None


def mean(values: Iterable[float]) -> float:
    """The arithmetic mean of those values that are not nan; nan if none is left."""
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
