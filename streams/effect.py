"""What followed a brand's reply: growth and negativity after it, against the forecast made without it.

The law of this file: association, never cause. A reply comes where a desk chose to reply, often when a
thread peaks, and threads cool down by themselves; the forecast takes out only what it foresees. Every
figure carries its uncertainty, too few replies have no figure, and the sentence says what may be concluded.
No author, no employee: the keys are templates and kinds of reply.

Published work points the other way from intuition (Herhausen et al. 2019: early apologies and moves to a
private channel went with lower virality), so nothing is assumed here about either sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt

from streams.sentiment import NegativeShare

_Z90 = 1.6448536  # two-sided 90 %
_P10_TO_P90 = 2 * 1.2815516  # standard deviations between a normal's 10th and 90th percentile


@dataclass(frozen=True, slots=True)
class EffectParams:
    """When an effect may be measured and told.

    min_mentions_before  a thread needs so many mentions before the reply
    min_scored           texts scored on each side, for the change in negativity
    min_replies          replies behind a told mean
    max_log_ratio        one thread's growth counts at most so far from the forecast (log 20: a factor of 20)
    """

    min_mentions_before: int = 10
    min_scored: int = 5
    min_replies: int = 5
    max_log_ratio: float = log(20)

    def __post_init__(self) -> None:
        if min(self.min_mentions_before, self.min_scored) < 1 or self.min_replies < 2:
            raise ValueError("min_mentions_before and min_scored must be 1 or more, min_replies 2 or more")
        if self.max_log_ratio <= 0:
            raise ValueError("max_log_ratio must be above 0")


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What is known of one reply once its window has passed; brand mentions are in none of the counts.

    mentions_before           in the thread until the reply
    mentions_after            in the window after it
    expected, p10, p90        mentions in that window, as forecast at the reply without knowing of it
    negative_before, negative_after   the texts on both sides
    """

    mentions_before: int
    mentions_after: int
    expected: float
    p10: float
    p90: float
    negative_before: NegativeShare
    negative_after: NegativeShare

    def __post_init__(self) -> None:
        if min(self.mentions_before, self.mentions_after) < 0 or not 0 <= self.p10 <= self.p90:
            raise ValueError("counts must be 0 or more and 0 <= p10 <= p90")
        if self.expected < 0:
            raise ValueError("expected must be 0 or more")


@dataclass(frozen=True, slots=True)
class Effect:
    """One reply's aftermath as two numbers with standard errors.

    log_growth        natural log of mentions after / forecast: 0 as forecast, below 0 fewer, above 0 more
    negative_change   mean negativity after minus before, -1..1; None with too few scored texts
    """

    log_growth: float
    log_growth_error: float
    negative_change: float | None
    negative_change_error: float | None


@dataclass(frozen=True, slots=True)
class Effects:
    """Many replies of one template or kind: initialise empty, `add`, read `summary`. Sums only, in any
    order.
    """

    replies: int = 0
    growth_sum: float = 0.0
    growth_squares: float = 0.0
    scored: int = 0
    change_sum: float = 0.0
    change_squares: float = 0.0

    def add(self, effect: Effect) -> Effects:
        """The sums with one reply more."""
        change = effect.negative_change
        return Effects(
            self.replies + 1,
            self.growth_sum + effect.log_growth,
            self.growth_squares + effect.log_growth**2,
            self.scored + (change is not None),
            self.change_sum + (change or 0.0),
            self.change_squares + (change or 0.0) ** 2,
        )

    def merge(self, other: Effects) -> Effects:
        """Both sums as one."""
        return Effects(
            self.replies + other.replies,
            self.growth_sum + other.growth_sum,
            self.growth_squares + other.growth_squares,
            self.scored + other.scored,
            self.change_sum + other.change_sum,
            self.change_squares + other.change_squares,
        )


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its two-sided 90 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Summary:
    """What followed a template's or kind's replies.

    growth_ratio      mentions after / forecast, geometric mean: 1 as forecast; None with too few replies
    negative_change   in negativity, -1..1; None with too few
    """

    replies: int
    growth_ratio: Interval | None
    negative_change: Interval | None

    @property
    def sentence(self) -> str:
        """The figures in words that claim no more than they show."""
        if self.growth_ratio is None:
            return f"{self.replies} measured replies: too few to say what followed."
        growth = self.growth_ratio
        said = (
            f"After {self.replies} measured replies, threads had {growth.mean:.2f} times the mentions "
            f"forecast before (90 % interval {growth.low:.2f} to {growth.high:.2f}{_doubt(growth, 1.0)})"
        )
        if change := self.negative_change:
            said += (
                f", and negativity changed by {100 * change.mean:+.0f} points "
                f"({100 * change.low:+.0f} to {100 * change.high:+.0f}{_doubt(change, 0.0)})"
            )
        return said + ". An association: which threads were answered, and when, was no chance."


DEFAULTS = EffectParams()


def measure(after: Aftermath, params: EffectParams = DEFAULTS) -> Effect | None:
    """One reply's effect, or None for a thread too small to tell.

    The error of the growth joins the forecast's (from p10 and p90, log-normal) and the count's own
    (Poisson; half a mention is added to both counts, so that none at all has a logarithm).
    """
    if after.mentions_before < params.min_mentions_before:
        return None
    growth = log((after.mentions_after + 0.5) / (after.expected + 0.5))
    forecast_error = log((after.p90 + 0.5) / (after.p10 + 0.5)) / _P10_TO_P90
    before, later = after.negative_before, after.negative_after
    change = error = None
    if min(before.texts, later.texts) >= params.min_scored:
        change = later.sum_ / later.texts - before.sum_ / before.texts
        error = sqrt(_mean_error_squared(before) + _mean_error_squared(later))
    return Effect(
        max(-params.max_log_ratio, min(params.max_log_ratio, growth)),
        sqrt(forecast_error**2 + 1 / (after.mentions_after + 0.5)),
        change,
        error,
    )


def summary(effects: Effects, params: EffectParams = DEFAULTS) -> Summary:
    """Means over replies with 90 % intervals from how much the replies differ (Student's t): this holds
    whatever the single forecasts' errors are, as long as they are not all wrong in one direction.
    """
    growth = change = None
    if effects.replies >= params.min_replies:
        logs = _interval(effects.replies, effects.growth_sum, effects.growth_squares)
        growth = Interval(exp(logs.mean), exp(logs.low), exp(logs.high))
    if effects.scored >= params.min_replies:
        change = _interval(effects.scored, effects.change_sum, effects.change_squares)
    return Summary(effects.replies, growth, change)


def _interval(count: int, total: float, squares: float) -> Interval:
    mean = total / count
    error = sqrt(max(0.0, squares - count * mean * mean) / (count - 1) / count)
    reach = _t90(count - 1) * error
    return Interval(mean, mean - reach, mean + reach)


def _t90(freedom: int) -> float:
    """Student's t for a two-sided 90 % interval: Cornish and Fisher's expansion, within 1 % from 4 degrees
    on.
    """
    z = _Z90
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def _mean_error_squared(side: NegativeShare) -> float:
    mean = side.sum_ / side.texts
    return max(0.0, side.sum_squares / side.texts - mean * mean) / side.texts


def _doubt(interval: Interval, nothing: float) -> str:
    return ", so perhaps no difference" if interval.low <= nothing <= interval.high else ""
