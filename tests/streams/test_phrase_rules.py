"""Phrase rules: what a pattern means, that shipped files keep their promises, that bad files are refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.canned import HARD, LANGUAGES, shipped_rules
from streams.phrase_rules import Hit, Rule, RuleBook, sentences_of

SHIPPED = {lang: shipped_rules(lang)[0] for lang in LANGUAGES}
RULES = [(lang, rule) for lang, book in SHIPPED.items() for rule in book.rules]


def book(pattern: str, *unless: str, alone: bool = False) -> RuleBook:
    rule = Rule("r", "refusal", "en", (pattern,), unless, alone)
    return RuleBook(
        "en",
        [rule],
        words={"us": ("us", "me")},
        same={"direct message": "dm", "dms": "dm"},
        filler=("^ hello",),
    )


def said(lang: str, text: str) -> dict[str, Hit]:
    return {hit.rule: hit for hit in SHIPPED[lang].hits(text)}


@pytest.mark.parametrize(
    ("pattern", "text", "words"),
    [
        ("send @us", "Please SEND me it.", "send me"),
        ("send @us", "send it to us", None),
        ("send .. us", "send it over to us", "send it over to us"),
        ("send ..1 us", "send it over to us", None),
        ("send .. us", "Do not send. Ask us.", None),
        ("a|an? dm", "dm", "dm"),
        ("escalat* it", "we escalated it", "escalated it"),
        ("^ dm", "please dm", None),
        ("^ dm", "Please. DM now", "dm"),
        ("us $", "tell us", "us"),
        ("us $", "tell us now", None),
        ("dm", "a Direct Message", "dm"),
        ("dm", "@dm hello", None),
        ("see <link>", "see https://example.com/a?b=1.", "see <link>"),
        ("call <phone>", "call 0800 / 123-4567", "call <phone>"),
        ("call <phone>", "call [phone]", "call <phone>"),
        ("to <mail>", "to a@b.example", "to <mail>"),
        ("* dm", "please dm", "please dm"),
        ("can't", "can’t", "can't"),
        ("grüsse", "Grüße", "grüsse"),
        ("pls dm", "pls. dm", "pls dm"),
    ],
)
def test_what_a_pattern_finds(pattern: str, text: str, words: str | None) -> None:
    hits = book(pattern).hits(text)
    assert [hit.words for hit in hits] == ([] if words is None else [words])


def test_unless_takes_back_its_own_sentence_only() -> None:
    rules = book("dm", "sent ..2 dm")
    assert not rules.hits("I sent a dm.")
    assert rules.hits("I sent a dm. Please dm again.")


def test_alone_holds_only_if_nothing_else_is_said() -> None:
    rules = book("sorry", alone=True)
    assert rules.hits("Hello Kim! Sorry.")
    assert not rules.hits("Sorry. Your refund is booked.")


@pytest.mark.parametrize(
    ("lang", "rule"), RULES, ids=lambda each: each if isinstance(each, str) else each.name
)
def test_a_shipped_rule_keeps_its_promises(lang: str, rule: Rule) -> None:
    """Examples are found by this rule; counter-examples by no rule that makes a reply canned."""
    for example in rule.examples:
        assert rule.name in said(lang, example), example
    for counter in rule.counter_examples:
        hits = said(lang, counter)
        assert rule.name not in hits, counter
        assert not [hit for hit in hits.values() if hit.kind in HARD], counter


@pytest.mark.parametrize(
    ("toml", "fault"),
    [
        ('[[rule]]\nname="a"\nkind="refusal"\npatterns=["x"]', "lacks examples, counter_examples"),
        (
            '[[rule]]\nname="a"\nkind="rude"\npatterns=["x"]\nexamples=["x"]\ncounter_examples=["y"]',
            "kind 'rude'",
        ),
        ('[[rule]]\nkind="dm"\n[[rule]]\nname="b"', "rule 1: lacks name.*rule b: lacks kind"),
        (
            '[[rule]]\nname="a"\nkind="dm"\npatterns=["@no"]\nexamples=["x"]\ncounter_examples=["y"]',
            "no list named",
        ),
        (
            '[[rule]]\nname="a"\nkind="dm"\npatterns=[".."]\nexamples=["x"]\ncounter_examples=["y"]',
            "has no word",
        ),
        (
            2 * '[[rule]]\nname="a"\nkind="dm"\npatterns=["x"]\nexamples=["x"]\ncounter_examples=["y"]\n',
            "share a name",
        ),
    ],
)
def test_a_bad_file_is_refused_with_its_faults(toml: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        RuleBook.read("en", toml)


@given(st.text(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_text_can_be_read(text: str) -> None:
    assert all(sentence for sentence in sentences_of(text))
    for rules in SHIPPED.values():
        rules.hits(text)


@pytest.mark.parametrize(
    "piece", ["send ", "dm us ", "we can't ", "http://", "@", "1 ", ".", "a@b.", "sorry "]
)
def test_the_longest_hostile_text_comes_back(piece: str) -> None:
    for rules in SHIPPED.values():
        rules.hits(piece * (10_000 // len(piece)))
