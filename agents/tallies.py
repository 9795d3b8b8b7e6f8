"""Figures that nobody reads off the worker's state: counted as they happen, kept until they are scraped.

Law of this file: plain bookkeeping without a clock, a client or a lock; one event loop writes and reads it.
A `Metric` is the whole declaration of a figure; what is counted under it must fit it. The number of label
values is bounded: strangers name brands, and each new name would be a series for ever.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["LABELS", "OTHER", "Bounds", "Metric", "Spread", "Tallies"]

#: Every label there is, and how many values of it are told apart before the rest is `other`.
LABELS: Final[Mapping[str, int]] = {
    "brand": 200,
    "level": 8,
    "reason": 50,
    "channel": 50,
    "source": 50,
    "budget": 20,
    "outcome": 20,
    "topic": 20,
    "partition": 10_000,  # the setting's own limit
    "version": 1,
}
OTHER: Final = "other"
_NAME: Final = re.compile(r"flashover_[a-z0-9]+(_[a-z0-9]+)*")
_UNITS: Final = (
    "seconds",
    "bytes",
    "mentions",
    "records",
    "threads",
    "share",
    "probability",
    "info",
    "ratio",
)

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure: its name with unit, what it means, its labels in order, a histogram's upper bounds.

    `empty` says why a healthy worker may show no series of it; None: it always has one. Raises ValueError
    for a name, a label or bounds that do not fit.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: Labels = ()
    buckets: tuple[float, ...] = ()
    empty: str | None = None

    def __post_init__(self) -> None:
        wrong = []
        if not _NAME.fullmatch(self.name):
            wrong.append("a name is flashover_ and words parted by underscores")
        if (self.kind == "counter") != self.name.endswith("_total"):
            wrong.append("counters, and nothing else, end in _total")
        if self.kind == "histogram" and not self.name.endswith(_UNITS):
            wrong.append("a histogram ends in its unit")
        if set(self.help) & set('"\\\n'):
            wrong.append("a help is one line without quotes or backslashes")
        if unknown := set(self.labels) - LABELS.keys():
            wrong.append(f"no such labels: {sorted(unknown)}")
        if (self.kind == "histogram") != bool(self.buckets) or list(self.buckets) != sorted(
            set(self.buckets)
        ):
            wrong.append("histograms have rising bounds, others have none")
        if wrong:
            raise ValueError(f"{self.name}: {'; '.join(wrong)}")

    def __hash__(self) -> int:
        return hash(self.name)  # names are unique, and a page asks for thousands


class Spread:
    """A histogram: how many values were at most each of `bounds`, and their sum."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)  # the last: above all bounds
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """One more value; negative ones (clocks that disagree) count as 0."""
        value = max(0.0, value)
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def cumulative(self) -> Iterator[tuple[float, int]]:
        """(upper bound, values at most that), the last bound infinite."""
        total = 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            total += count
            yield bound, total


class Bounds:
    """Which label values are told apart: those `known` beforehand always, others as long as there is room."""

    def __init__(self, known: Mapping[str, Iterable[str]] | None = None) -> None:
        self._seen = {name: set(values) for name, values in (known or {}).items()}
        self._room = {name: max(0, most - len(self._seen.get(name, ()))) for name, most in LABELS.items()}

    def value(self, label: str, value: str) -> str:
        """The value itself, or `other` once too many are known."""
        seen = self._seen.setdefault(label, set())
        if value in seen:
            return value
        if not self._room[label]:
            return OTHER
        self._room[label] -= 1
        seen.add(value)
        return value


class Tallies:
    """Counters, gauges and histograms by metric and label values. Raises ValueError for what does not fit."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.values: defaultdict[Metric, dict[Labels, float]] = defaultdict(dict)
        self.spreads: defaultdict[Metric, dict[Labels, Spread]] = defaultdict(dict)

    def count(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """Add to a counter."""
        fitting = self._fitting(metric, "counter", labels)
        values = self.values[metric]
        values[fitting] = values.get(fitting, 0) + by

    def begin(self, metric: Metric, *labels: str) -> None:
        """Show a counter or histogram at 0: Prometheus sees an increase only of what it has seen before."""
        if metric.kind == "counter":
            self.count(metric, *labels, by=0)
        else:
            self.spreads[metric].setdefault(
                self._fitting(metric, "histogram", labels), Spread(metric.buckets)
            )

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Set a gauge."""
        self.values[metric][self._fitting(metric, "gauge", labels)] = value

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Put a value into a histogram."""
        fitting = self._fitting(metric, "histogram", labels)
        spreads = self.spreads[metric]
        if (spread := spreads.get(fitting)) is None:
            spread = spreads[fitting] = Spread(metric.buckets)
        spread.observe(value)

    def _fitting(self, metric: Metric, kind: str, labels: Labels) -> Labels:
        if metric.kind != kind or len(labels) != len(metric.labels):
            raise ValueError(f"{metric.name} is a {metric.kind} with labels {metric.labels}, not {labels}")
        return tuple(map(self.bounds.value, metric.labels, labels))
