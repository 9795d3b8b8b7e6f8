"""Scores detections against labelled windows: the standard profile of the Numenta Anomaly Benchmark.

Pure arithmetic, for judging only; nothing that runs live asks it. Rows are the records of
one stream in time order, counted from 0; a window is a pair of rows, both ends inside.

Source: Lavin and Ahmad, "Evaluating Real-time Anomaly Detection Algorithms: the Numenta
Anomaly Benchmark", 2015 (sigmoid scoring, probation, the standard profile's weights).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

FALSE_POSITIVE = 0.11
"""Weight of a detection outside every window; hits and misses weigh 1."""

Window = tuple[int, int]


def probation(rows: int) -> int:
    """How many rows at the start aren't scored: 15 %, at most 750."""
    return min(int(0.15 * rows), 750)


def sigmoid(y: float) -> float:
    """Scaled sigmoid 2 / (1 + e^(5y)) - 1: from nearly 1 at y = -1 through 0 at 0 to -1."""
    return -math.tanh(2.5 * y)


def hit(row: int, window: Window) -> float:
    """Worth of a detection inside its window: 1 at the first row, towards 0 at the last."""
    left, right = window
    return sigmoid(-(right - row + 1) / (right - left + 1)) / sigmoid(-1)


def false_alarm(row: int, previous: Window | None) -> float:
    """Cost (>= 0) of a detection outside: little just after a window, 0.11 far from any."""
    if previous is None:
        return FALSE_POSITIVE
    left, right = previous
    width = right - left + 1
    return -FALSE_POSITIVE * sigmoid((row - right) / max(width - 1, 1))


def raw_score(detections: Iterable[int], windows: Sequence[Window], rows: int) -> float:
    """Sum of the best hit of each window, minus 1 for each missed, minus false alarms.

    A perfect score is len(windows); no detection at all scores -len(windows).
    Raises ValueError for windows that overlap, run backwards or leave the rows.
    """
    spans = sorted(windows)
    if any(not 0 <= left <= right < rows for left, right in spans) or any(
        first[1] >= second[0] for first, second in pairwise(spans)
    ):
        raise ValueError("windows must lie apart and inside the rows")
    best: dict[Window, float] = {}
    cost = 0.0
    for row in sorted(set(detections)):
        if row < probation(rows):
            continue
        inside = next((span for span in spans if span[0] <= row <= span[1]), None)
        if inside is not None:
            best[inside] = max(best.get(inside, 0.0), hit(row, inside))
        else:
            earlier = [span for span in spans if span[1] < row]
            cost += false_alarm(row, earlier[-1] if earlier else None)
    return sum(best.get(span, -1.0) for span in spans) - cost


def normalised(raw: float, windows: int) -> float:
    """100 for perfect, 0 for no detection at all; nan without windows."""
    return 100 * (raw + windows) / (2 * windows) if windows else math.nan
