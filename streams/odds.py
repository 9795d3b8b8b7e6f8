"""The formula of a thread's forecast: what it shows, weighed, as ln odds of a size after 24 hours.

Law of this file: plain numbers in and out, constant time, no text and no threads. What the numbers mean, and
where the weights come from, `streams.forecast` says.
"""

from __future__ import annotations

from math import exp, log
from typing import Final

from mypy_extensions import mypyc_attr

__all__ = ["LATE", "ODDS_LIMIT", "Odds", "terms"]

LATE: Final = 0.02  # added to the share of the day that is left
ODDS_LIMIT: Final = 30.0  # ln odds beyond which a double can't tell a probability from 0 or 1

_DAY_S: Final = 86_400.0
_YOUNG_S: Final = 300.0  # added to the age: the first minutes are all alike
_LN_YOUNG: Final = log(_YOUNG_S)
_LN_BEYOND: Final = log(7200.0)
_LEAST: Final = log(0.01)  # logarithms of what may still come
_MOST: Final = log(1e7)
_ROUNDS: Final = 60  # at the most, of the search for a quantile
_CLOSE: Final = 1e-10  # between the logarithms of two rounds: it is found


def terms(
    age_s: float, fresh: float, heat: float, tempo: float, growth: float
) -> tuple[float, float, float, float, float, float]:
    """The signals as they are weighed, in the order of `streams.forecast.SIGNALS`."""
    left = 1.0 - age_s / _DAY_S
    beyond = log(age_s + _YOUNG_S) - _LN_BEYOND
    return (
        log((left if left > 0.0 else 0.0) + LATE),
        beyond if beyond > 0.0 else 0.0,
        log(1.0 + fresh),
        log(1.0 + (heat if heat < fresh else fresh)),  # one each: nobody can shout a thread hot
        log(tempo),
        log(growth),
    )


@mypyc_attr(acyclic=True)
class Odds:
    """The weights of a model as numbers; `weights` in the order of `streams.forecast.SIGNALS`."""

    def __init__(
        self,
        viral_at: int,
        bias: float,
        weights: tuple[float, float, float, float, float, float],
        progress: float,
        spread: float,
        spread_by_age: float,
        tail: float,
    ) -> None:
        self.viral_at = float(viral_at)
        self.bias = bias
        self.by_left, self.by_beyond, self.by_newcomers = weights[:3]
        self.by_mentions, self.by_faster, self.by_bigger = weights[3:]
        self.progress = progress
        self.spread = spread
        self.spread_by_age = spread_by_age
        self.tail = tail

    def probability(
        self,
        mentions: int,
        age_s: float,
        fresh: float,
        heat: float,
        tempo: float,
        growth: float,
        viral_at: int,
    ) -> float:
        """The chance, 0..1, of `viral_at` mentions or more 24 h after the start."""
        if mentions >= viral_at:
            return 1.0
        if age_s >= _DAY_S:
            return 0.0
        level, spread = self.level(age_s, fresh, heat, tempo, growth)
        odds = self._ln_odds(level, spread, float(mentions), float(viral_at))
        if odds > ODDS_LIMIT:
            return 1.0
        return 1.0 / (1.0 + exp(-odds)) if odds > -ODDS_LIMIT else 0.0

    def level(
        self, age_s: float, fresh: float, heat: float, tempo: float, growth: float
    ) -> tuple[float, float]:
        """What does not depend on the threshold: the ln odds without it, and how fast they fall with it."""
        left, beyond, newcomers, mentions, faster, bigger = terms(age_s, fresh, heat, tempo, growth)
        level = (
            self.bias
            + self.by_left * left
            + self.by_beyond * beyond
            + self.by_newcomers * newcomers
            + self.by_mentions * mentions
            + self.by_faster * faster
            + self.by_bigger * bigger
        )
        return level, self.spread + self.spread_by_age * (log(age_s + _YOUNG_S) - _LN_YOUNG)

    def rest_at(self, ln_odds: float, level: float, spread: float, now: float, rest: float) -> float:
        """The logarithm of what still comes with these odds: Newton's method in a bracket, from `rest`."""
        low, high = _LEAST, _MOST
        for _ in range(_ROUNDS):
            size = now + exp(rest)
            miss = self._ln_odds(level, spread, now, size) - ln_odds
            if miss > 0.0:
                low = rest
            else:
                high = rest
            slower = spread + self.tail if size > self.viral_at else spread
            slope = self.progress * now / size + slower * (1.0 - now / size)
            ahead = rest + miss / slope
            if not low < ahead < high:
                ahead = (low + high) / 2.0
            if abs(ahead - rest) < _CLOSE:
                break
            rest = ahead
        return rest

    def _ln_odds(self, level: float, spread: float, now: float, size: float) -> float:
        """ln odds of a size after 24 h of at least `size` > now: falls steadily as `size` grows."""
        beyond = log(size / self.viral_at)
        if beyond > 0.0:
            spread += self.tail
        return level - self.progress * log(1.0 - now / size) - spread * beyond
