"""The trained model: it learns, is small, is the same each time, and joins the lexicons."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.ngram_model import MAGIC, SLOTS, EnsembleScorer, NgramModel, train
from streams.sentiment import LexiconScorer

BAD = ["der zug kommt nie", "kein netz seit gestern", "router defekt", "rechnung schon wieder falsch"]
FINE = ["der zug fährt um acht", "welcher tarif passt", "gibt es das in blau", "der laden ist in der mitte"]


def labelled(copies: int = 20) -> list[tuple[bool, str]]:
    return [
        (bad, f"{text} {n}")
        for n in range(copies)
        for bad, texts in ((True, BAD), (False, FINE))
        for text in texts
    ]


@cache
def model() -> NgramModel:
    return train(labelled(), "de")


def test_it_learns_what_the_labels_say_and_more() -> None:
    assert min(model().negativity(text) for text in BAD) > 0.8
    assert max(model().negativity(text) for text in FINE) < 0.2
    assert model().negativity("netz seit heute defekt") > 0.6


def test_a_file_is_a_model_again_and_small() -> None:
    data = model().to_bytes()
    assert NgramModel.from_bytes(data) == model()
    assert len(data) < 132_000


def test_the_same_labels_give_the_same_bytes() -> None:
    assert train(labelled(), "de").to_bytes() == model().to_bytes()


def test_rare_negatives_are_heard() -> None:
    rare = [(False, f"{text} {n}") for n in range(50) for text in FINE]
    rare += [(True, f"{text} {n}") for n in range(15) for text in BAD]
    assert train(rare, "de").negativity(BAD[0]) > 0.7


def test_it_joins_the_lexicons() -> None:
    both = EnsembleScorer((model(),))
    alone = LexiconScorer().score(BAD[1], "de")
    joined = both.score(BAD[1], "de-CH")
    assert alone.negativity is not None
    assert joined.negativity == pytest.approx((alone.negativity + model().negativity(BAD[1])) / 2)
    assert joined.words == alone.words
    assert both.score("great", "en") == LexiconScorer().score("great", "en")
    assert both.score("¿?", "es").negativity is None


def test_a_language_with_a_model_alone_is_known() -> None:
    spanish = NgramModel("es", model().scale, model().bias, model().weights)
    scored = EnsembleScorer((spanish,)).score("kein netz", "es")
    assert scored.negativity is not None
    assert scored.anger is None


@pytest.mark.parametrize(
    "data",
    [b"", b"x" * SLOTS, MAGIC + b"{}\n" + bytes(SLOTS), MAGIC + b'{"lang":"de"}\n12', MAGIC + bytes(SLOTS)],
)
def test_another_file_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="model"):
        NgramModel.from_bytes(data)


def test_too_few_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="50 texts"):
        train(labelled(12), "de")


@given(st.text(max_size=300))
@settings(max_examples=60, deadline=None)
def test_any_text_has_a_probability(text: str) -> None:
    assert 0 < model().negativity(text) < 1
