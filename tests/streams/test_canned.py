"""Canned replies: the two witnesses, and what they amount to together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.canned import (
    DAY_MS,
    RecurrenceParams,
    ReplyBook,
    Verdict,
    VerdictKind,
    bare_words,
    judge_reply,
    learn,
    recurrence,
    shipped_rules,
)

FRIENDLY = "Thanks for stopping by, we love to hear that!"
EMPTY_APOLOGY = "We are really sorry for the unpleasant experience. Thank you for your patience."


def told(*texts: str, every_ms: int = 1000) -> ReplyBook:
    book = ReplyBook()
    for place, text in enumerate(texts):
        book = learn(book, text, place * every_ms)
    return book


def verdict(text: str, *before: str, lang: str | None = None) -> Verdict:
    return judge_reply(
        text, shipped_rules(lang), recurrence(told(*before).templates, text, len(before) * 1000)
    )


@pytest.mark.parametrize(
    "text",
    [
        "Hallo Kim, bitte poste keine Kundendaten hier auf Facebook. Diese können nicht legitimiert "
        "werden und wir haben hier auch keinen Zugriff auf Kundendaten. LG, Robin",
        "Hallo Kim, sehr gerne, aber leider ist das nicht möglich. Wir versenden keine PMs und kommen auch "
        "nicht an deine Kundendaten. Wir haben einfach keine Zugänge. LG, Robin",
    ],
)
@pytest.mark.parametrize("lang", ["de", "de-AT", None])
def test_the_replies_this_was_built_for_are_caught(text: str, lang: str | None) -> None:
    """The two policy-bot replies that the project began with, seen for the first time."""
    found = verdict(text, lang=lang)
    assert found.kind == "canned"
    assert {"no-access", "refusal"} <= {hit.kind for hit in found.hits}


@pytest.mark.parametrize(
    ("text", "times_before", "kind"),
    [
        (FRIENDLY, 0, "own-words"),
        (FRIENDLY, 3, "own-words"),
        (FRIENDLY, 4, "recurring"),
        (EMPTY_APOLOGY, 0, "own-words"),
        (EMPTY_APOLOGY, 4, "canned"),
        ("Please send us a DM with your number.", 0, "canned"),
        ("Please send us a DM with your number.", 4, "canned"),
        ("I have refunded the 12 pounds, you will see them tomorrow.", 0, "own-words"),
    ],
)
def test_the_verdict_of_two_witnesses(text: str, times_before: int, kind: VerdictKind) -> None:
    assert verdict(text, *[text] * times_before).kind == kind


def test_both_witnesses_are_told() -> None:
    text = "Please send us a DM with your number."
    assert verdict(text, *[text] * 5, lang="en").reasons == (
        "dm: ask-for-dm (please send us a dm)",
        "recurrence: 100% like 5 earlier replies",
    )


def test_a_language_without_rules_is_judged_by_recurrence_alone_and_says_so() -> None:
    found = verdict("Envíanos un mensaje directo", lang="es")
    assert (found.kind, found.langs) == ("own-words", ())


@pytest.mark.parametrize(
    "variant",
    [
        "@someone Hi Kim! Sorry to read this. Which shop was it, and when? ^AB",
        "@other @more Hi Alex! Sorry to read this. Which shop was it, and when? -Sam",
        "Hello Kim Lee, Sorry to read this. Which shop was it, and when? ^AB (1/2)",
        "Hi Kim! Sorry to read this. Which shop was it, and when? Kind regards - Sam https://example.com/x1",
        "Hi Kim! Sorry to read this. Which shop was it, and when? 2/2 /XY",
    ],
)
def test_names_handles_links_and_signatures_make_no_difference(variant: str) -> None:
    plain = "Hi Jo! Sorry to read this. Which shop was it, and when?"
    assert recurrence(told(*[plain] * 4).templates, variant, 9000).recurs


def test_another_text_does_not_recur() -> None:
    book = told(*["Hi Jo! Sorry to read this. Which shop was it, and when?"] * 9)
    assert (
        recurrence(
            book.templates, "The line is closed until five, buses leave from the north exit.", 10_000
        ).earlier
        == 0
    )


def test_the_window_forgets() -> None:
    book = told(*[FRIENDLY] * 4)
    assert recurrence(book.templates, FRIENDLY, 90 * DAY_MS).earlier == 4
    assert recurrence(book.templates, FRIENDLY, 90 * DAY_MS + 1001).earlier == 2


def test_a_reply_is_not_its_own_precedent_and_later_ones_are_none() -> None:
    """A replay in another order of reading asks what had been said before, not after."""
    assert recurrence(told(*[FRIENDLY] * 4).templates, FRIENDLY, 1500).earlier == 2


def test_the_least_recently_used_template_goes_first() -> None:
    params = RecurrenceParams(max_templates=2)
    book = ReplyBook()
    for place, text in enumerate(
        ["one first thing", "two other matters", "one first thing", "three more points"]
    ):
        book = learn(book, text, place, params)
    assert [t.words for t in book.templates] == ["one first thing", "three more points"]


def test_the_book_holds_no_name_handle_or_link() -> None:
    kept = told(
        "@someone Hi Kim Lee, parcel 123456 is at https://example.com/kim now, Kim. -Robin"
    ).templates[0]
    assert kept.words == "hi parcel 0 is at <link> now"


def test_bare_words_of_nothing() -> None:
    assert bare_words("@user ^AB") == ()
    assert learn(ReplyBook(), "@user", 5) == ReplyBook()


@given(st.lists(st.text(max_size=40), max_size=12))
def test_uses_add_up_and_ids_are_unique(texts: list[str]) -> None:
    book = told(*texts)
    assert sum(t.uses for t in book.templates) <= len(texts)
    assert len({t.id for t in book.templates}) == len(book.templates)


@pytest.mark.parametrize("field", ["min_earlier", "window_ms", "max_templates", "min_similarity"])
def test_params_refuse_nonsense(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        RecurrenceParams(**{field: 0})
