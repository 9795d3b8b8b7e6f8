"""What a reply tool is told of a draft."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.canned import ReplyBook, learn, shipped_rules
from streams.levels import Level
from streams.reply_check import Checked, CheckReason, check_reply

DM = "Please send us a DM with your number."
OWN = "Your contract ends today; the letter of March is void, and that mistake was ours."
FRIENDLY = "Thanks for stopping by, we love to hear that!"
FOREIGN = "Grazie, ti preghiamo di scriverci in privato."


def book_of(*texts: str) -> ReplyBook:
    book = ReplyBook()
    for at_ms, text in enumerate(texts):
        book = learn(book, text, at_ms)
    return book


def checked(
    text: str,
    lang: str | None = "en",
    *,
    held: bool = False,
    level: Level | None = Level.CALM,
    book: ReplyBook | None = None,
) -> Checked:
    return check_reply(
        text,
        lang,
        rules=shipped_rules,
        templates=(book or ReplyBook()).templates,
        at_ms=1000,
        held=held,
        level=level,
        owner="duty-lead",
    )


@pytest.mark.parametrize(
    ("text", "lang", "held", "level", "decision", "reason"),
    [
        (DM, "en", False, Level.CALM, "send", CheckReason.CANNED_INTO_CALM),
        (DM, "en", False, Level.WATCH, "hold", CheckReason.CANNED_INTO_HOT),
        (DM, "en", False, Level.PAGE, "hold", CheckReason.CANNED_INTO_HOT),
        (DM, "en", False, None, "unknown", CheckReason.THREAD_UNKNOWN),
        (DM, "en", True, Level.CALM, "hold", CheckReason.ON_HOLD),
        (DM, "en", True, None, "hold", CheckReason.ON_HOLD),
        (OWN, "en", False, Level.PAGE, "send", CheckReason.OWN_WORDS),
        (OWN, "en", False, None, "send", CheckReason.OWN_WORDS),
        (OWN, "en", True, Level.PAGE, "send", CheckReason.OWN_WORDS),
        (FOREIGN, "it", False, Level.CALM, "send", CheckReason.OWN_WORDS),
        (FOREIGN, "it", False, Level.WARN, "unknown", CheckReason.LANGUAGE_UNKNOWN),
        (FOREIGN, "it", False, None, "unknown", CheckReason.LANGUAGE_UNKNOWN),
        (FOREIGN, "it", True, Level.WARN, "hold", CheckReason.ON_HOLD),
        (" \n", "en", True, Level.PAGE, "unknown", CheckReason.NO_TEXT),
    ],
)
def test_a_draft_is_sent_held_or_unknown_for_one_reason(
    text: str, lang: str, held: bool, level: Level | None, decision: str, reason: CheckReason
) -> None:
    found = checked(text, lang, held=held, level=level)
    assert (found.decision, found.reason) == (decision, reason)
    assert found.owner == "duty-lead"


def test_a_friendly_line_said_often_may_be_sent_but_not_into_a_held_thread() -> None:
    """Recurrence is not harm; a hold is about every text block all the same."""
    book = book_of(*[FRIENDLY] * 5)
    assert checked(FRIENDLY, level=Level.PAGE, book=book).reason is CheckReason.RECURRING
    assert checked(FRIENDLY, level=Level.PAGE, book=book, held=True).decision == "hold"


def test_the_answer_carries_both_witnesses() -> None:
    """Who is told to wait is told by which rule."""
    found = checked(DM, level=Level.WARN).verdict
    assert found is not None
    assert [hit.kind for hit in found.hits] == ["dm"]
    assert found.langs == ("en",)


@given(st.text(max_size=400), st.sampled_from(["de", "en", "xx", None]), st.sampled_from([None, *Level]))
def test_any_text_is_answered_and_a_text_block_never_passes_a_hold(
    text: str, lang: str | None, level: Level | None
) -> None:
    found = checked(text, lang, level=level, held=True)
    if found.decision == "send":
        assert found.verdict is not None
        assert found.verdict.kind == "own-words"
        assert found.verdict.langs
