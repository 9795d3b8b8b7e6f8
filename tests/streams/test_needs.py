"""What a case needs follows from its words and its circumstances, and says by which needs."""

from __future__ import annotations

from typing import Any

import pytest

from streams.needs import Need, Needs
from tests.streams.people import NEEDS, worded


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("They will not end my contract", ("contract",)),
        ("Die KÜNDIGUNG wurde ignoriert", ("contract",)),  # a star behind, a capital, an umlaut
        ("Ich habe längst gekuendigt!", ("contract",)),  # a star before, written out
        ("contractor wanted", ("default",)),  # no star, no part of a word
        ("Kontaktaufkündigung", ("default",)),  # the star is behind only
        ("Where is my\u200b refund for the fl\u00adight?", ("small-refund", "trip")),  # hidden characters
        ("my data and my contract", ("contract", "data")),
        ("", ("default",)),
    ],
)
def test_words_find_their_need(title: str, names: tuple[str, ...]) -> None:
    assert NEEDS.of(worded(title)).names == names


def test_the_highest_amount_counts_and_each_authority_once() -> None:
    needed = NEEDS.of(worded("a refund for my flight and contract")).needed
    assert needed == (("cancel-contract", "refund"), (("refund", 400),))


def test_voices_count_as_the_title_does() -> None:
    assert NEEDS.of(worded("hm", voices=("what of my Vertrag?",))).names == ("contract",)


ALL: dict[str, Any] = {
    "brands": ("acme",),
    "words": ("broken",),
    "languages": ("en",),
    "replies": ("canned",),
    "reasons": ("surge",),
}


@pytest.mark.parametrize("changed", ["brand", "title", "lang", "reply", "reason", None])
def test_every_condition_of_a_need_must_hold(changed: str | None) -> None:
    needs = Needs([Need("all", ("refund",), **ALL)])
    right = {"brand": "acme", "title": "it is broken", "reply": "canned", "reason": "surge"}
    wrong = {"brand": "other", "title": "it is fine", "reply": "none", "reason": "viral-forecast"}
    fields = {key: wrong[key] if key == changed else value for key, value in right.items()}
    found = needs.of(worded(**fields), "de" if changed == "lang" else "en")
    assert found.names == (("all",) if changed is None else ())


def test_a_language_that_nobody_knows_is_within_every_need() -> None:
    needs = Needs([Need("german", ("refund",), languages=("de",))])
    assert needs.of(worded("x"), "").names == ("german",)
    assert needs.of(worded("x"), "en").names == ()


def test_without_a_default_nothing_is_needed() -> None:
    assert Needs([]).of(worded("x")).needed == ((), ())


def test_a_word_of_stars_is_refused() -> None:
    with pytest.raises(ValueError, match="a term has"):
        Need("empty", (), words=("**",))
