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
    "Bin",
    "Match",
    "auc",
    "brier",
    "burst_ms",
    "false_pages_per_week",
    "lead_time_s",
    "match",
    "mean",
    "per_week",
    "precision",
    "quantile",
    "recall",
    "reliability",
    "still_to_come",
    "wilson",
]

_WEEK_S: Final = 7 * 86_400
_Z95: Final = 1.959963984540054  # the 97.5th percentile of the standard normal


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
    return per_week(false_pages, observed_s)


def per_week(count: int, observed_s: float) -> float:
    """So many in each week of event time; nan if nothing was observed (`observed_s` is 0 or less)."""
    return count * _WEEK_S / observed_s if observed_s > 0 else math.nan


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


def quantile(values: Iterable[float], at: float) -> float:
    """The value below which the share `at` (0..1) of those that are not nan lies; nan if none is left.

    Linear between neighbours: type 7 of Hyndman and Fan, "Sample quantiles in statistical packages", 1996.
    Raises ValueError for an `at` outside 0..1.
    """
    if not 0 <= at <= 1:
        raise ValueError("a quantile lies between 0 and 1")
    known = sorted(value for value in values if not math.isnan(value))
    if not known:
        return math.nan
    below, part = divmod(at * (len(known) - 1), 1)
    low = known[int(below)]
    return low + part * (known[min(int(below) + 1, len(known) - 1)] - low) if part else low


def auc(scores: Sequence[float], meant: Sequence[bool]) -> float:
    """The chance that one that is meant scores above one that is not, ties half (Mann and Whitney 1947).

    nan where there are none of either.
    """
    order = sorted(range(len(scores)), key=scores.__getitem__)
    rank_sum, place = 0.0, 0
    while place < len(order):
        last = place
        while last + 1 < len(order) and scores[order[last + 1]] == scores[order[place]]:
            last += 1
        rank_sum += (place + last) / 2 * sum(meant[order[each]] for each in range(place, last + 1))
        place = last + 1
    yes = sum(meant)
    no = len(meant) - yes
    return (rank_sum - yes * (yes - 1) / 2) / (yes * no) if yes and no else math.nan


def brier(forecasts: Iterable[tuple[float, bool]]) -> float:
    """The mean squared error of (probability, came true), 0 best, 1 worst; nan of none.

    Source: Brier, "Verification of forecasts expressed in terms of probability", 1950, for two outcomes.
    """
    return mean((probability - happened) ** 2 for probability, happened in forecasts)


class Bin(NamedTuple):
    """The forecasts between two probabilities, `above` included, `below` not (but 1 in the last bin)."""

    above: float
    below: float
    forecasts: int
    predicted: float  # their mean probability; nan of none
    observed: float  # the share that came true; nan of none


def reliability(forecasts: Iterable[tuple[float, bool]], bins: int = 10) -> tuple[Bin, ...]:
    """The reliability curve of (probability, came true): calibrated forecasts have observed = predicted.

    Bins of equal width over 0..1, all of them told, also the empty ones. Source: Murphy and Winkler,
    "Reliability of subjective probability forecasts of precipitation and temperature", 1977.
    Raises ValueError for a probability outside 0..1 and for less than one bin.
    """
    if bins < 1:
        raise ValueError("at least one bin")
    sorted_in: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for probability, happened in forecasts:
        if not 0 <= probability <= 1:
            raise ValueError(f"a probability lies between 0 and 1, not at {probability}")
        sorted_in[min(int(probability * bins), bins - 1)].append((probability, happened))
    return tuple(
        Bin(
            number / bins,
            (number + 1) / bins,
            len(inside),
            mean(probability for probability, _ in inside),
            mean(float(happened) for _, happened in inside),
        )
        for number, inside in enumerate(sorted_in)
    )


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share, as hits of so many: honest about few (nan, nan of none).

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    if not of:
        return math.nan, math.nan
    share, square = hits / of, _Z95 * _Z95
    middle = (share + square / (2 * of)) / (1 + square / of)
    reach = _Z95 * math.sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
