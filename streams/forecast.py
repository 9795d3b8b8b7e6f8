"""How big a thread will be a day after it began, and how sure that is.

Law of this file: a pure function of what the thread shows and of weights (`streams.weights`); constant time.
docs/detection-threads.md tells what it achieves.

Method: the size N after 24 hours is log-logistic around what the thread shows now, with n mentions so far:

    ln odds(N >= v) = bias + sum(weight * signal) - progress * ln(1 - n / v)
                      - spread(age) * ln(v / viral_at) - tail * max(0, ln(v / viral_at))

The signals are logarithms of fading counts (the state of a self-exciting process with an exponential
kernel, Hawkes 1971; as in SEISMIC, Zhao et al. 2015), of people rather than of mentions, of how much of the
day is left, and of what is usual for the brand. For every threshold v the odds come from the same weights;
p10 is the size where they are 9 to 1, p90 where they are 1 to 9.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import exp, log
from typing import Final

from streams.baseline import SHOWN_AT, Shown
from streams.odds import LATE, ODDS_LIMIT, Odds
from streams.odds import terms as odds_terms
from streams.thread import DAY_MS, Thread
from streams.weights import SHIPPED, SIGNALS, Features, Forecast, Model, Signal

__all__ = [
    "ODDS",
    "SHIPPED",
    "SIGNALS",
    "Features",
    "Forecast",
    "Model",
    "Signal",
    "features_of",
    "forecast",
    "forecast_from",
    "signals",
    "terms",
    "viral_probability",
]

_PROGRESS: Final = "mentions"

#: ln odds of being larger than the middles of five equal parts: 10, 30, 50, 70, 90 %.
_FIFTHS: Final = tuple(log((1 - part) / part) for part in (0.1, 0.3, 0.5, 0.7, 0.9))
_SHOWN_UNSEEN: Final = 20.0  # threads that show what is usual everywhere, which a brand is taken to have had


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
