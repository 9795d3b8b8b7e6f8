"""What followed a reply: against the forecast, with its uncertainty, and in words that claim no cause."""

from functools import reduce
from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.effect import Aftermath, Effect, EffectParams, Effects, measure, summary
from streams.sentiment import NegativeShare, Sentiment


def texts(*negativities: float) -> NegativeShare:
    total = NegativeShare()
    for value in negativities:
        total = total.add(Sentiment(value, 0.0, 1.0), from_brand=False)
    return total


def aftermath(
    after: int,
    expected: float = 40,
    *,
    before: int = 30,
    calm: NegativeShare | None = None,
    angry: NegativeShare | None = None,
) -> Aftermath:
    empty = NegativeShare()
    return Aftermath(before, after, expected, expected / 2, expected * 2, calm or empty, angry or empty)


def effect(log_growth: float, change: float | None = None) -> Effect:
    return Effect(log_growth, 0.1, change, None if change is None else 0.1)


def gathered(*effects: Effect) -> Effects:
    return reduce(Effects.add, effects, Effects())


@pytest.mark.parametrize(("after", "growth"), [(40, 0.0), (80, log(80.5 / 40.5)), (0, log(0.5 / 40.5))])
def test_growth_is_against_the_forecast(after: int, growth: float) -> None:
    found = measure(aftermath(after), EffectParams(max_log_ratio=9))
    assert found is not None
    assert found.log_growth == pytest.approx(growth)


def test_the_error_joins_the_forecasts_and_the_counts() -> None:
    found = measure(aftermath(40))
    assert found is not None
    assert found.log_growth_error == pytest.approx(
        ((log(80.5 / 20.5) / 2.5631) ** 2 + 1 / 40.5) ** 0.5, rel=1e-3
    )


def test_a_small_thread_tells_nothing() -> None:
    assert measure(aftermath(40, before=9)) is None
    assert measure(aftermath(40, before=10)) is not None


def test_one_thread_cannot_carry_the_mean() -> None:
    found = measure(aftermath(100_000, 1))
    assert found is not None
    assert found.log_growth == pytest.approx(log(20))


def test_the_change_in_negativity_needs_texts_on_both_sides() -> None:
    calm, angry = texts(*[0.2] * 6), texts(*[0.7] * 6)
    found = measure(aftermath(40, calm=calm, angry=angry))
    assert found is not None
    assert found.negative_change == pytest.approx(0.5)
    assert found.negative_change_error == pytest.approx(0, abs=1e-6)
    lonely = measure(aftermath(40, calm=calm, angry=texts(0.7)))
    assert lonely is not None
    assert lonely.negative_change is None


def test_a_mean_and_its_interval_by_hand() -> None:
    """Logs 0.1 … 0.5: mean 0.3, standard error 0.0707, t(4) = 2.132."""
    found = summary(gathered(*[effect(each / 10) for each in (1, 2, 3, 4, 5)])).growth_ratio
    assert found is not None
    assert found.mean == pytest.approx(exp(0.3))
    assert log(found.high) == pytest.approx(0.3 + 2.132 * 0.0707, rel=0.01)
    assert log(found.low) == pytest.approx(0.3 - 2.132 * 0.0707, rel=0.02)


def test_too_few_replies_have_no_figure() -> None:
    found = summary(gathered(*[effect(1.0)] * 4))
    assert found.growth_ratio is None
    assert found.sentence == "4 measured replies: too few to say what followed."


def test_the_sentence_claims_an_association_and_admits_doubt() -> None:
    sure = summary(gathered(*[effect(each, 0.1) for each in (0.5, 0.6, 0.7, 0.6, 0.5, 0.6)])).sentence
    unsure = summary(gathered(*[effect(each) for each in (-0.5, 0.6, -0.7, 0.6, -0.5, 0.6)])).sentence
    assert "1.79 times" in sure
    assert "+10 points" in sure
    assert "perhaps no difference" not in sure
    assert "perhaps no difference" in unsure
    for sentence in (sure, unsure):
        assert "An association" in sentence
        assert "caus" not in sentence


@given(
    st.lists(st.tuples(st.floats(-3, 3), st.floats(-1, 1) | st.none()), min_size=2, max_size=30),
    st.integers(1, 29),
)
def test_effects_add_up_in_any_split_and_lie_in_their_interval(
    rows: list[tuple[float, float | None]], cut: int
) -> None:
    effects = [effect(*row) for row in rows]
    parts = Effects()
    for half in (effects[:cut], effects[cut:]):
        if half:
            parts = parts.merge(gathered(*half))
    whole = gathered(*effects)
    assert parts.replies == whole.replies
    assert parts.growth_sum == pytest.approx(whole.growth_sum)
    assert parts.change_squares == pytest.approx(whole.change_squares)
    found = summary(whole)
    for interval in (found.growth_ratio, found.negative_change):
        assert interval is None or interval.low <= interval.mean <= interval.high


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="p10"):
        Aftermath(1, 1, 1, 2, 1, NegativeShare(), NegativeShare())
    with pytest.raises(ValueError, match="min_replies"):
        EffectParams(min_replies=1)
