"""Every word in both languages; numbers and times as each writes them."""

from __future__ import annotations

import re
from importlib.resources import files
from zoneinfo import ZoneInfo

import pytest

from agents.web.words import _ROWS, Words, chosen
from streams.audit import Refusal
from streams.brand import BrandReason
from streams.forecast import SIGNALS
from streams.incident import State
from streams.params import AlertReason

EN, DE = Words("en", ZoneInfo("UTC")), Words("de", ZoneInfo("Europe/Berlin"))
T0 = 1_781_990_400_000  # 20 June 2026, 21:20 UTC


@pytest.mark.parametrize("name", sorted(_ROWS))
def test_both_languages_say_it_with_the_same_places(name: str) -> None:
    english, german = _ROWS[name]
    assert english.strip()
    assert german.strip()
    assert sorted(re.findall(r"{\w+}", english)) == sorted(re.findall(r"{\w+}", german))


def test_every_word_that_a_page_asks_for_is_there() -> None:
    """Fixed names in the templates, states, reasons to raise and to refuse, signals."""
    asked = {str(one) for one in (*State, *Refusal, *AlertReason, *BrandReason, *SIGNALS)}
    for template in files("agents.web").joinpath("templates").iterdir():
        asked |= set(re.findall(r"\bw\('([^']+)'[,)]", template.read_text()))
    assert asked <= _ROWS.keys()


@pytest.mark.parametrize(
    ("asked", "accepted", "lang"),
    [
        (None, "", "en"),
        (None, "de-AT,de;q=0.9,en;q=0.8", "de"),
        (None, "fr, en;q=0.3, de;q=0.4", "de"),
        (None, "en;q=0.9, de;q=nonsense", "en"),
        (None, "de;q=0", "en"),
        ("de", "en", "de"),
        ("fr", "de", "de"),
        (None, "x" * 100_000, "en"),
    ],
)
def test_the_language_is_the_readers_choice_then_their_browsers(
    asked: str | None, accepted: str, lang: str
) -> None:
    assert chosen(asked, accepted) == lang


def test_numbers_and_times() -> None:
    assert (EN.number(48_210), DE.number(48_210)) == ("48,210", "48.210")
    assert (EN.number(1.74), DE.number(0.934), EN.number(3.0)) == ("1.7", "0,93", "3")
    assert (EN.percent(0.712), DE.percent(0.712)) == ("71%", "71 %")
    assert (EN.clock(T0), DE.clock(T0)) == ("20 Jun 21:20", "20.06. 23:20")
    assert (EN.ago(T0, T0 + 59_000), EN.ago(T0, T0 + 3_600_000), EN.ago(T0 + 120_000, T0)) == (
        "now",
        "1 h ago",
        "in 2 min",
    )
    assert DE.ago(T0, T0 + 3 * 86_400_000) == "vor 3 Tg."
    assert EN.clock(10**18) == "1 Jan 00:00"


def test_signals_with_figures_in_their_names() -> None:
    assert EN.signal("mentions_30min_fading") == "mentions, 30 min, fading"
    assert DE.signal("template t0a1b") == "fast so schon gesagt"
    assert EN.signal("dm: send-us-a-dm") == "dm: send-us-a-dm"


def test_a_name_that_is_not_known_is_shown_as_it_is() -> None:
    assert EN("something-new") == "something-new"
    assert DE.did("take") == "übernommen"
    assert DE.did("something new") == "something new"
