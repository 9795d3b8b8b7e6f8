"""Which brands a text is about."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.matching import Matcher, Terms, Verdict, fold

BRANDS = {
    "target": Terms(names=("Target",), exclude=("target practice", "on target"), languages=("en", "de")),
    "muehle": Terms(names=("Müllers Mühle", "Straßenbräu"), hashtags=("#Mühlentag",), languages=("de",)),
    "acme": Terms(
        handles=("@acme", "did:plc:acme", "acme@social.example"),
        domains=("https://www.acme.example/",),
        phrases=("the anvil people",),
    ),
    "sakura": Terms(names=("さくら電気", "Nestlé")),
    "obrien": Terms(names=("O'Brien's", "Łuk-Sport")),
}
MATCHER = Matcher(BRANDS)


@pytest.mark.parametrize(
    ("text", "brands"),
    [
        ("I went to Target today", {"target"}),
        ("TARGET's till is broken", {"target"}),
        ("they targeted me, re-retarget", set()),
        ("some target practice", set()),
        ("target practice behind the Target", {"target"}),
        ("right on target", set()),
        ("Müllers Mühle antwortet nicht", {"muehle"}),
        ("MUELLERS  MUEHLE\nantwortet nicht", {"muehle"}),
        ("Mu\u0308llers Mu\u0308hle", {"muehle"}),
        ("Mullers Muhle", set()),
        ("STRASSENBRÄU, Strassenbraeu", {"muehle"}),
        ("#mühlentag!", {"muehle"}),
        ("#muehlentag2026", set()),
        ("mühlentag", set()),
        ("hey @ACME, where is it?", {"acme"}),
        ("＠acme", {"acme"}),
        ("@acme.", {"acme"}),
        ("@acme.example.org is another", set()),
        ("@acme@elsewhere.example is another", set()),
        ("@acme@social.example is theirs", {"acme"}),
        ("mail@acme", set()),
        ("acme", set()),
        ("see shop.acme.example/cart", {"acme"}),
        ("acme.example.", {"acme"}),
        ("notacme.example", set()),
        ("acme.example.evil.test", set()),
        ("It's The Anvil People again", {"acme"}),
        ("昨日さくら電気で買った", {"sakura"}),
        ("Nestle and Target", {"sakura", "target"}),
        ("Tar\u200bget", {"target"}),
        ("at O\u2019Brien\u2019s again", {"obrien"}),
        ("LUK\u2011SPORT!", {"obrien"}),
        ("Ｔａｒｇｅｔ", {"target"}),
        ("", set()),
    ],
)
def test_a_text_is_about_these_brands(text: str, brands: set[str]) -> None:
    assert set(MATCHER.brands(text)) == brands


def test_links_count_for_domains_alone() -> None:
    """An address is often cut in the text; that of somebody else who writes about Target is not Target's."""
    links = ["https://news.example/target-fails", "https://ACME.example/returns"]
    assert MATCHER.brands("look at this", links=links) == ("acme",)
    assert [one.verdict for one in MATCHER.find("look", links=links[:1])] == [Verdict.ONLY_A_LINK]


def test_accounts_that_the_platform_says_are_named_count() -> None:
    assert MATCHER.brands("hello", accounts=["did:plc:acme"]) == ("acme",)


@pytest.mark.parametrize(("lang", "brands"), [("de-AT", ("muehle",)), ("", ("muehle",)), ("nl", ())])
def test_languages_limit_names(lang: str, brands: tuple[str, ...]) -> None:
    assert MATCHER.brands("Müllers Mühle", lang=lang) == brands


def test_an_unknown_language_is_asked_for_once_and_only_where_it_matters() -> None:
    asked = []

    def detect(text: str) -> str | None:
        asked.append(text)
        return "nl"

    assert MATCHER.brands("Target Müllers Mühle @acme", detect=detect) == ("acme",)
    assert asked == ["Target Müllers Mühle @acme"]
    assert MATCHER.brands("@acme", detect=detect) == ("acme",)
    assert len(asked) == 1


def test_a_handle_is_plain_in_any_language() -> None:
    limited = Matcher({"acme": Terms(handles=("acme",), languages=("de",))})
    assert limited.brands("@acme", lang="fr") == ("acme",)


@pytest.mark.parametrize("terms", [{"names": ("",)}, {"hashtags": ("#",)}, {"names": ("\u200b",)}])
def test_a_term_that_is_nothing_is_refused(terms: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(ValueError, match="a term has"):
        Terms(**terms)


def test_without_brands_nothing_is_found() -> None:
    assert Matcher({}).brands("anything") == ()


@given(st.text(max_size=60))
def test_folding_is_the_same_for_every_normal_form_and_for_itself(text: str) -> None:
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))
    assert fold(fold(text)) == fold(text)


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_name_between_spaces_is_found_whatever_stands_around(before: str, after: str) -> None:
    assert "sakura" in Matcher({"sakura": BRANDS["sakura"]}).brands(f"{before} Nestlé {after}")
