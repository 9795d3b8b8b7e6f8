"""What a thread will have become a day later."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streams.baseline import SHOWN_AT, TERMS, Shown
from streams.forecast import (
    SHIPPED,
    SIGNALS,
    Features,
    features_of,
    forecast,
    forecast_from,
    signals,
    viral_probability,
)
from streams.mention import Mention
from streams.thread import DAY_MS, GRACE_MS, Thread, step
from streams.weights import decode_model
from tests.threads import changed

Make = Callable[..., Mention]
MIN, HOUR = 60_000, 3_600_000

moments = st.builds(
    Features,
    st.integers(1, 3_000),
    st.floats(0, 86_399),
    st.floats(0, 500),
    st.floats(0, 500),
    st.floats(0.05, 20),
    st.floats(0.05, 20),
)


def told(mentions: list[Mention]) -> Thread:
    thread = None
    for mention in mentions:
        thread = step(thread, mention) or thread
    assert thread is not None
    return thread


# Named streams: (at in minutes, author) of every mention after the root.
STREAMS: dict[str, list[tuple[float, str]]] = {
    "a question and its answer": [(30, "ben"), (34, "root")],
    "a chat of two": [(3.0 * n, ("ben", "root")[n % 2]) for n in range(1, 31)],
    "a slow day": [(40.0 * n, f"u{n}") for n in range(1, 31)],
    "a busy evening": [(6.0 * n, f"u{n}") for n in range(1, 21)],
    "a storm": [(1.5 * n, f"u{n}") for n in range(1, 31)],
}


@pytest.mark.parametrize(
    ("name", "expected", "p10", "p90", "probability"),
    [
        ("a question and its answer", 7.0, 3.8, 13.9, 0.009),
        ("a chat of two", 37.2, 32.9, 44.5, 0.005),
        ("a slow day", 34.7, 32.2, 38.7, 0.001),
        ("a busy evening", 147.8, 61.7, 260.5, 0.752),
        ("a storm", 437.2, 189.8, 810.8, 0.988),
    ],
)
def test_named_streams_keep_their_forecast(
    mention: Make, name: str, expected: float, p10: float, p90: float, probability: float
) -> None:
    """A change of weights or signals shows here, in figures that one can argue about."""
    root = mention("forum:root", 0, author="root")
    seen = forecast(told([root] + [mention(at=int(m * MIN), author=a) for m, a in STREAMS[name]]), 100)
    assert seen.expected_24h == pytest.approx(expected, abs=0.05)
    assert (seen.p10, seen.p90) == pytest.approx((p10, p90), abs=0.05)
    assert seen.viral_probability == pytest.approx(probability, abs=5e-4)


@given(moments, st.integers(2, 5_000), st.data())
def test_more_of_anything_that_counts_never_lowers_it(
    features: Features, viral_at: int, data: st.DataObject
) -> None:
    """More mentions, warmer, more people: neither size nor chance falls."""
    more = features._replace(
        mentions=features.mentions + data.draw(st.integers(0, 50)),
        new_people_2h=features.new_people_2h + data.draw(st.floats(0, 50)),
        mentions_30min=features.mentions_30min + data.draw(st.floats(0, 50)),
        brand_growth=features.brand_growth + data.draw(st.floats(0, 5)),
    )
    before, after = forecast_from(features, viral_at), forecast_from(more, viral_at)
    assert after.viral_probability >= before.viral_probability - 1e-12
    for figure in ("expected_24h", "p10", "p90"):
        assert getattr(after, figure) >= getattr(before, figure) * (1 - 1e-6), figure


@given(
    st.lists(st.tuples(st.integers(0, 20 * MIN), st.integers(0, 9)), min_size=1, max_size=60),
    st.integers(0, 2 * HOUR),
    st.integers(0, 12),
)
def test_one_mention_more_never_lowers_it(
    mention: Make, gaps: list[tuple[int, int]], behind: int, author: int
) -> None:
    """At any moment, one mention more at or before it, by anybody, leaves all figures as high at least.

    But for one that shows that a known author spoke earlier than was thought: that person is less new.
    """
    at, mentions = 0, [mention("forum:root", 0, author="u0")]
    for gap, who in gaps:
        at += gap
        mentions.append(mention(at=at, author=f"u{who}"))
    thread = told(mentions)
    one = mention(at=max(0, at - behind), author=f"u{author}")
    firsts = [m.created_ms for m in mentions if m.author == one.author]
    assume(not firsts or one.created_ms >= min(firsts))
    more = step(changed(thread), one)
    assert more is not None
    assume(more.last_ms - more.started_ms < DAY_MS)
    before, after = forecast(thread, 100), forecast(more, 100)
    assert after.viral_probability >= before.viral_probability - 1e-12
    assert after.expected_24h >= before.expected_24h * (1 - 1e-6)
    assert after.p10 >= before.p10 * (1 - 1e-6)


@given(st.lists(st.tuples(st.integers(0, 4 * HOUR), st.integers(0, 9)), min_size=2, max_size=50), st.data())
def test_disorder_within_the_grace_changes_nothing(
    mention: Make, said: list[tuple[int, int]], data: st.DataObject
) -> None:
    """However mentions overtake each other by up to ten minutes, the forecast ends up the same."""
    mentions = [mention("forum:root", 0, author="u0")]
    mentions += [mention(at=at, author=f"u{who}") for at, who in sorted(said)]
    delays = data.draw(st.lists(st.integers(0, GRACE_MS), min_size=len(mentions), max_size=len(mentions)))
    late = [m for _, m in sorted(zip(delays, mentions, strict=True), key=lambda p: p[0] + p[1].created_ms)]
    assert features_of(told(late)) == pytest.approx(features_of(told(mentions)))


@given(moments, st.integers(2, 5_000))
def test_a_forecast_agrees_with_itself(features: Features, viral_at: int) -> None:
    """Sizes are in order and not below what is there; the chance is even where the sizes say so."""
    seen = forecast_from(features, viral_at)
    assert features.mentions <= seen.p10 <= seen.p90
    assert seen.p10 <= seen.expected_24h * (1 + 1e-9)
    assert 0 <= seen.viral_probability <= 1
    if features.mentions + 1 < viral_at:
        slack = 1e-6
        assert (viral_at <= seen.p10 * (1 + slack)) or seen.viral_probability <= 0.9 + slack
        assert (viral_at >= seen.p90 * (1 - slack)) or seen.viral_probability >= 0.1 - slack


@given(moments, st.integers(2, 5_000), st.integers(1, 5_000))
def test_a_higher_threshold_is_never_likelier(features: Features, viral_at: int, higher: int) -> None:
    """For any threshold a brand may set, the chance falls as the threshold rises."""
    assert viral_probability(features, viral_at + higher) <= viral_probability(features, viral_at) + 1e-12


def test_what_has_happened_is_certain() -> None:
    """A threshold that was reached has probability 1; once the day is over, the size is what it is."""
    assert viral_probability(Features(100, 60.0, 0.0, 0.0), 100) == 1.0
    over = forecast_from(Features(60, 86_400.0, 90.0, 90.0), 100)
    assert (over.expected_24h, over.p10, over.p90, over.viral_probability) == (60, 60, 60, 0)


@pytest.mark.parametrize("every_ms", [0, 1_000, 30_000])
@pytest.mark.parametrize("people", [1, 3, 6])
def test_one_person_can_not_shout_a_thread_hot(mention: Make, every_ms: int, people: int) -> None:
    """40 mentions by one author, after a few people spoke within the hour, stay far from certain."""
    said = [mention(at=n * 10 * MIN, author=f"u{n}") for n in range(people)]
    said += [mention(at=people * 10 * MIN + n * every_ms, author="troll") for n in range(40)]
    assert viral_probability(features_of(told(said)), 100) < 0.6


def test_a_brand_never_seen_is_like_all_others(mention: Make) -> None:
    """As long as nothing is known its signals are as usual; a brand whose threads grow raises the odds."""
    thread = told([mention(at=n * MIN, author=f"u{n}") for n in range(15)])
    plain = features_of(thread)
    assert (plain.brand_tempo, plain.brand_growth) == (1.0, 1.0)
    thread.growth = 3.0
    assert viral_probability(features_of(thread), 100) > viral_probability(plain, 100)


@given(moments, st.floats(0, 1000), st.floats(-2, 2))
def test_usual_is_what_the_brands_own_threads_show(features: Features, threads: float, by: float) -> None:
    """As far as they are known: none changes nothing, very many are all that counts, at steps and between."""
    own = tuple(
        [
            Shown(threads, tuple([a + b * math.log(size) + by for a, b in [*SHIPPED.usual.values()][:TERMS]]))
            for size in SHOWN_AT
        ]
    )
    plain = {one.name: one for one in signals(features, 100)}
    for name, weight in [*SHIPPED.weights.items()][:TERMS]:
        told = next(one for one in signals(features, 100, own) if one.name == name)
        trust = threads / (threads + 20)
        assert told.weight == pytest.approx(plain[name].weight - weight * trust * by, abs=1e-9)
        assert told.value == plain[name].value


@given(moments, st.integers(2, 5_000))
def test_the_signals_are_the_whole_reason(features: Features, viral_at: int) -> None:
    """Beside what is usual, the weights of all signals add up to the odds; the weightiest comes first."""
    found = signals(features, viral_at)
    assert {one.name for one in found} == {*SIGNALS, "mentions"}
    weights = [abs(one.weight) for one in found]
    assert weights == sorted(weights, reverse=True)
    assume(features.mentions < viral_at)
    ln_mentions = math.log(features.mentions)
    usually = SHIPPED.bias + sum(
        weight * (SHIPPED.usual[name][0] + SHIPPED.usual[name][1] * ln_mentions)
        for name, weight in SHIPPED.weights.items()
    )
    spread = SHIPPED.spread + SHIPPED.spread_by_age * math.log(features.age_s / 300 + 1)
    size = math.log(viral_at / SHIPPED.viral_at)
    odds = usually + sum(one.weight for one in found) - (spread + SHIPPED.tail * (size > 0)) * size
    chance = viral_probability(features, viral_at)
    assert chance == pytest.approx(1 / (1 + math.exp(-max(-700.0, odds))), abs=1e-9)


def test_a_signal_is_shown_as_it_is(mention: Make) -> None:
    """Values are what was measured, not their logarithms."""
    rng = random.Random(4)
    thread = told([mention(at=rng.randrange(5 * HOUR), author=f"u{n // 2}") for n in range(40)])
    features = features_of(thread)
    shown = {one.name: one.value for one in signals(features, 100)}
    assert shown["new_people_2h"] == pytest.approx(features.new_people_2h)
    assert shown["mentions_30min"] == pytest.approx(min(features.mentions_30min, features.new_people_2h))
    assert shown["day_left"] == pytest.approx(1 - features.age_s / 86_400)
    assert shown["age_beyond_2h"] == pytest.approx((features.age_s + 300) / 7_200)
    assert (shown["mentions"], shown["brand_tempo"]) == (40.0, 1.0)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"kind": "cats"}, "kind"),
        ({"viral_at": 1}, "viral_at"),
        ({"weights": {}}, "weights"),
        ({"weights": {**SHIPPED.weights, "new_people_2h": -0.1}}, "new_people_2h"),
        ({"weights": dict(reversed(SHIPPED.weights.items()))}, "order"),
        ({"usual": {"day_left": (0.0, 0.0)}}, "usual"),
        ({"progress": -1.0}, "progress"),
        ({"spread": 0.0}, "spread"),
        ({"spread_by_age": -0.1}, "spread"),
        ({"tail": -0.1}, "tail"),
        ({"bias": "high"}, "bias"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_weights_that_break_a_promise_are_refused(wrong: dict[str, Any], word: str) -> None:
    """A file that is none, or under which more could mean less, is named and not used."""
    fields = msgspec.to_builtins(SHIPPED) | wrong
    with pytest.raises(ValueError, match=word):
        decode_model(msgspec.json.encode(fields))


def test_shipped_weights_say_where_they_come_from() -> None:
    """The file survives its encoding, and tells on what and how it was trained and what it achieved."""
    assert decode_model(msgspec.json.encode(SHIPPED)) == SHIPPED
    assert {"on", "how", "threads", "viral"} <= set(SHIPPED.trained)
    assert SHIPPED.measured
