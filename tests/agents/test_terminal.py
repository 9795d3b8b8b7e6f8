"""Strangers' text can't steer a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.terminal import safe


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grüße, 你好 👍🏽 👨‍👩‍👧", "Grüße, 你好 👍🏽 👨‍👩‍👧"),
        ("\x1b]0;owned\x07\x1b[2J", r"\x1b]0;owned\x07\x1b[2J"),
        ("first\r\nsecond\tthird\u2028fourth", r"first\r\nsecond\tthird\u2028fourth"),
        ("\x9b31m", r"\x9b31m"),
        ("ab\u202ecod.exe", r"ab\u202ecod.exe"),
        ("\ud800", r"\ud800"),
        ("\ufeff\u200b", r"\ufeff\u200b"),
    ],
)
def test_what_steers_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_a_long_text_is_cut() -> None:
    assert safe("a" * 100, 10) == "a" * 9 + "…"
    assert safe("a" * 10, 10) == "a" * 10


@given(st.text(st.characters(codec=None)))
def test_nothing_that_steers_is_left(text: str) -> None:
    shown = safe(text)
    assert not {unicodedata.category(one) for one in shown if one not in "\u200c\u200d"} & {
        "Cc", "Cf", "Cs", "Co", "Zl", "Zp",
    }  # fmt: skip
    assert len(shown.splitlines()) <= 1
    assert safe(shown) == shown
    shown.encode()
