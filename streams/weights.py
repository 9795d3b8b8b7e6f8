"""The weights of a thread's forecast, what they weigh, and what comes of it.

Law of this file: declarations, and the weights that ship, read once, at import. They are checked here:
what counts is never worth less for one mention more, so no weight of a count is negative.
`streams.forecast` has the formula, and docs/detection-threads.md how they came about.
"""

from __future__ import annotations

import math
from importlib.resources import files
from typing import Any, Final, NamedTuple

import msgspec

__all__ = ["SHIPPED", "SIGNALS", "Features", "Forecast", "Model", "Signal", "decode_model"]

#: Signal -> unit. In this order they are summed. A count may only raise the odds.
SIGNALS: Final = {
    "day_left": "share",
    "age_beyond_2h": "times",
    "new_people_2h": "people, fading",
    "mentions_30min": "mentions, fading",
    "brand_tempo": "times usual",
    "brand_growth": "times usual",
}
_COUNTS: Final = ("new_people_2h", "mentions_30min", "brand_growth")


class Forecast(msgspec.Struct, frozen=True):
    """A thread's mentions in its first 24 hours: mean, 80 % interval, and the chance to reach `viral_at`."""

    expected_24h: float  # mean of five equally likely sizes, so that no rare giant carries it
    p10: float
    p90: float
    viral_probability: float  # 0..1
    viral_at: int  # mentions


class Features(NamedTuple):
    """All that the forecast looks at, as of the thread's latest mention."""

    mentions: int  # within 24 h of the start, the root included
    age_s: float  # from the start to the latest mention, >= 0
    new_people_2h: float  # who spoke, the root's author included, each fading since then, tau 2 h
    mentions_30min: float  # each fading, tau 30 min
    brand_tempo: float = 1.0  # as the thread began, `streams.baseline.tempo`; 1 is as usual, or unknown
    brand_growth: float = 1.0  # as the thread began, `streams.baseline.growth_of`; 1 is as usual, or unknown


class Signal(NamedTuple):
    """One reason for a forecast: what it is, what is usual at this many mentions, what it adds."""

    name: str
    value: float
    unit: str
    usual: float | None  # None of the mentions themselves
    weight: float  # ln odds of becoming viral, added (or taken) by its being what it is and not as usual


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Weights, and where they come from. ValueError for what could break a promise of this file."""

    kind: str
    about: str
    viral_at: int  # the threshold that training was about; others are judged by `spread`
    bias: float
    weights: dict[str, float]
    progress: float  # >= 0
    spread: float  # > 0, of a thread that begins
    spread_by_age: float  # >= 0, for each unit of ln age
    tail: float  # >= 0, added to the spread beyond `viral_at`
    usual: dict[str, tuple[float, float]]  # signal -> (a, b): usually it is a + b * ln(mentions), in its term
    trained: dict[str, Any] = {}  # on what, and how
    measured: dict[str, Any] = {}  # what it achieved there

    def __post_init__(self) -> None:
        wrong = []
        if self.kind != "flashover-threads":
            wrong.append(f"kind must be flashover-threads, not {self.kind!r}")
        if self.viral_at < 2:
            wrong.append(f"viral_at must be at least 2 mentions, not {self.viral_at}")
        for name in ("weights", "usual"):
            if (found := list(getattr(self, name))) != list(SIGNALS):
                wrong.append(f"{name} must name {', '.join(SIGNALS)} in this order, not {', '.join(found)}")
        numbers = [
            self.bias,
            self.progress,
            self.spread,
            self.spread_by_age,
            self.tail,
            *self.weights.values(),
        ]
        if not all(map(math.isfinite, [*numbers, *(x for pair in self.usual.values() for x in pair)])):
            wrong.append("every weight must be a finite number")
        for name in _COUNTS:
            if self.weights.get(name, 0.0) < 0:
                wrong.append(f"the weight of {name} must not be negative: more would lower the forecast")
        if min(self.progress, self.spread_by_age, self.tail) < 0 or self.spread <= 0:
            wrong.append("need spread > 0, and progress, spread_by_age and tail not negative")
        if wrong:
            raise ValueError("; ".join(wrong))


def decode_model(data: bytes) -> Model:
    """Weights from their JSON file; ValueError (msgspec.ValidationError is one) for anything else."""
    return msgspec.json.decode(data, type=Model)


SHIPPED: Final = decode_model((files("streams") / "models" / "threads.json").read_bytes())
