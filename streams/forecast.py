"""How big a thread will be a day after it began, and how sure that is.

Law of this file: a pure function of what the thread shows and of weights; constant time. What counts is
never worth less for one mention more: no weight of a count is negative. The weights are a part of the
program and read once, at import; docs/detection-threads.md tells how they came about and what they achieve.

Method: the size N after 24 hours is log-logistic around what the thread shows now, with n mentions so far:

    ln odds(N >= v) = bias + sum(weight * signal) - progress * ln(1 - n / v)
                      - spread(age) * ln(v / viral_at) - tail * max(0, ln(v / viral_at))

The signals are logarithms of fading counts (the state of a self-exciting process with an exponential
kernel, Hawkes 1971; as in SEISMIC, Zhao et al. 2015), of people rather than of mentions, of how much of the
day is left, and of what is usual for the brand. For every threshold v the odds come from the same weights;
p10 is the size where they are 9 to 1, p90 where they are 1 to 9.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.resources import files
from itertools import pairwise
from math import exp, log
from typing import Any, Final, NamedTuple

import msgspec

from streams.baseline import SHOWN_AT, Shown
from streams.odds import LATE, ODDS_LIMIT, Odds
from streams.odds import terms as odds_terms
from streams.thread import DAY_MS, Thread

__all__ = [
    "ODDS",
    "SHIPPED",
    "SIGNALS",
    "Features",
    "Forecast",
    "Model",
    "Signal",
    "decode_model",
    "features_of",
    "forecast",
    "forecast_from",
    "signals",
    "terms",
    "viral_probability",
]

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
_PROGRESS: Final = "mentions"

#: ln odds of being larger than the middles of five equal parts: 10, 30, 50, 70, 90 %.
_FIFTHS: Final = tuple(log((1 - part) / part) for part in (0.1, 0.3, 0.5, 0.7, 0.9))
_SHOWN_UNSEEN: Final = 20.0  # threads that show what is usual everywhere, which a brand is taken to have had


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


def _odds_of(model: Model) -> Odds:
    left, beyond, newcomers, mentions, faster, bigger = model.weights.values()
    return Odds(
        model.viral_at,
        model.bias,
        (left, beyond, newcomers, mentions, faster, bigger),
        model.progress,
        model.spread,
        model.spread_by_age,
        model.tail,
    )


#: The formula with the weights that ship.
ODDS: Final = _odds_of(SHIPPED)


def _with(model: Model) -> Odds:
    return ODDS if model is SHIPPED else _odds_of(model)


def features_of(thread: Thread) -> Features:
    """What the forecast looks at."""
    age_s = (thread.last_ms - thread.started_ms) / 1000
    return Features(thread.mentions_24h, age_s, thread.fresh, thread.heat_30min, thread.tempo, thread.growth)


def terms(features: Features) -> tuple[float, ...]:
    """The signals as they are weighed, in the order of SIGNALS."""
    return odds_terms(*features[1:])


def viral_probability(features: Features, viral_at: int, model: Model = SHIPPED) -> float:
    """The chance, 0..1, that the thread has `viral_at` mentions or more 24 h after its start."""
    return _with(model).probability(*features, viral_at)


def forecast_from(features: Features, viral_at: int, model: Model = SHIPPED) -> Forecast:
    """What the thread will have become 24 h after its start: twenty times the work of the probability."""
    now = float(features.mentions)
    probability = viral_probability(features, viral_at, model)
    if features.age_s * 1000 >= DAY_MS:
        return Forecast(now, now, now, probability, viral_at)
    odds = _with(model)
    level, spread = odds.level(*features[1:])
    sizes = []
    rest = log(now + 1.0)
    for fifth in _FIFTHS:
        rest = odds.rest_at(fifth, level, spread, now, rest)
        sizes.append(now + exp(rest))
    return Forecast(sum(sizes) / len(sizes), sizes[0], sizes[-1], probability, viral_at)


def forecast(thread: Thread, viral_at: int, model: Model = SHIPPED) -> Forecast:
    """What the thread will have become 24 h after its start, as of its latest mention."""
    return forecast_from(features_of(thread), viral_at, model)


def signals(
    features: Features, viral_at: int, shown: Sequence[Shown] = (), model: Model = SHIPPED
) -> tuple[Signal, ...]:
    """Why: every signal beside its usual value at this many mentions, the weightiest first.

    Usual is what threads of the recordings that stayed small showed when they had as many mentions; as far as
    the brand's own threads are known (`shown`, at each of SHOWN_AT), what these show.
    """
    mentions = max(1, features.mentions)
    ln_mentions = log(mentions)
    own = _of_brand(shown, ln_mentions, model)
    found = []
    for number, ((name, unit), term, weight) in enumerate(
        zip(SIGNALS.items(), terms(features), model.weights.values(), strict=True)
    ):
        base, slope = model.usual[name]
        usual = base + slope * ln_mentions + (own[number] if number < len(own) else 0.0)
        found.append(Signal(name, _value(name, term), unit, _value(name, usual), weight * (term - usual)))
    gain = -model.progress * log(1.0 - mentions / viral_at) if mentions < viral_at else ODDS_LIMIT
    found.append(Signal(_PROGRESS, float(mentions), "mentions", None, gain))
    return tuple(sorted(found, key=lambda one: -abs(one.weight)))


def _of_brand(shown: Sequence[Shown], ln_mentions: float, model: Model) -> list[float]:
    """By how much the terms of the brand's own threads differ from what is usual everywhere.

    Each step counts as far as threads were seen there; between steps it is linear in ln mentions.
    """
    steps: list[tuple[float, list[float]]] = []
    for size, one in zip(SHOWN_AT, shown, strict=False):
        at, trust = log(size), one.threads / (one.threads + _SHOWN_UNSEEN)
        lines = zip(one.means, model.usual.values(), strict=False)
        steps.append((at, [trust * (mean - base - slope * at) for mean, (base, slope) in lines]))
    if not steps:
        return []
    for (low, below), (high, above) in pairwise(steps):
        if ln_mentions < high:
            part = max(0.0, (ln_mentions - low) / (high - low))
            return [one + part * (other - one) for one, other in zip(below, above, strict=True)]
    return steps[-1][1]


def _value(name: str, term: float) -> float:
    """A signal's own figure from its term."""
    figure = exp(term)
    if name == "day_left":
        return min(1.0, max(0.0, figure - LATE))
    return max(0.0, figure - 1.0) if name in ("new_people_2h", "mentions_30min") else figure
