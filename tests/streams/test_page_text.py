"""Pages in words: what they say in each language, and that no text of a stranger's can do harm in them."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from html.parser import HTMLParser
from string import Template
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.alert import Reply
from streams.delivery import Delivery, Kind, PageContent, Place
from streams.links import Links
from streams.page_text import MOST_FIRST, PageText, linkable, quoted, words
from streams.pages import LANGUAGES, page_file
from tests.streams.incidents import T0, case

BERLIN = ZoneInfo("Europe/Berlin")
SHOW = "https://f.example/i"
LINKS = Links(SHOW, "https://f.example/a?k=2", "https://f.example/t?k=1")
KINDS: tuple[Kind, ...] = ("page", "digest", "acknowledged", "resolved")
WHOLE = case(
    reason="viral-forecast",
    authors=19,
    title="A contract that cannot be cancelled",
    voices=("Shame on you", "Same here", "I call [phone]"),
    reply=Reply("canned", "2025-06-15T15:20:00Z", 0.8),
    negative_share=0.62,
    url="https://social.example/@someone/1",
)
HOSTILE = (
    "<script>alert(1)</script>\r\nBcc: all@evil.example\x1b[2J\x00\u202egnp.exe\u2066 "
    "<!channel> <@U1> @everyone *b* _i_ `c` ~s~ ||x|| [t](https://evil.example) evil.example "
    "javascript:alert(1) www.evil.example \u2028next <https://evil.example|bank> # h ${brand} {0} \ud800"
)


def delivery(kind: Kind = "page", lang: str = "en", the_case: Any = WHOLE, **more: Any) -> Delivery:
    page = PageContent(the_case, more.pop("why", "may refund"), lang, **more)
    return Delivery("in-1", 0, "lead", "mail", f"in-1/1.0.{kind}/x", kind, page)


def told(one: Delivery, links: Links = LINKS) -> PageText:
    return words(one, T0, links, BERLIN)


def test_a_page_tells_all_that_is_needed_to_decide_at_night() -> None:
    one = told(delivery(silent=("duty", "deputy"), number=2))
    assert one.first == ("acme, page no. 2: complaint about to go viral. 25 mentions, some 600 within a day")
    assert one.text.split("\n") == [
        "So far 25 mentions by 19 people. A day after its start some 600, between 100 and 2,000; "
        "the chance of a storm (100 mentions) is 90 %.",
        "It began with: “A contract that cannot be cancelled”",
        "62 % of the texts that were read are angry.",
        "The brand has answered from a text block.",
        "Its next answer is to be expected at 17:20 CEST (in 13 min); 80 % of its answers are text blocks.",
        "Why you: may refund.",
        "This is page no. 2 of this case: it was paged before, and is not resolved.",
        "Paged before, without an answer: duty, deputy.",
        "",
        "Voices, personal data masked:",
        "– “Shame on you”",
        "– “Same here”",
        "– “I call [phone]”",
        "",
        "Take the case: https://f.example/t?k=1",
        "Seen, I look at it: https://f.example/a?k=2",
        "All about it: https://f.example/i",
        "The post: https://social.example/@someone/1",
    ]


def test_a_case_of_several_threads_says_where_it_burns() -> None:
    """Platforms by size, and all of it together."""
    burns = (
        Place("t1", "bluesky", "page", 120, 600.0),
        Place("t2", "mastodon", "watch", 45, 80.0),
        Place("t3", "bluesky", "warn", 23, 104.0),
        Place("t4", "forum", "warn", 2, 4.0),
    )
    english = told(delivery(places=burns)).text.split("\n")
    assert english[1] == (
        "It burns in 4 threads: bluesky 143, mastodon 45, forum 2; "
        "together 190 mentions, some 790 expected within a day."
    )
    german = told(delivery(lang="de", places=burns)).text.split("\n")
    assert german[1].startswith("Es brennt in 4 Threads: bluesky 143, ")
    assert "burns" not in told(delivery(places=())).text


def test_the_reader_gets_their_own_language_and_others_english() -> None:
    assert told(delivery(lang="de-AT")).first == (
        "acme: Beschwerde geht gleich viral. 25 Beiträge, binnen eines Tages etwa 600"
    )
    assert told(delivery(lang="fr")) == told(delivery(lang="en"))


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("kind", ["acknowledged", "resolved"])
def test_notices_are_short_and_offer_nothing_to_take(kind: Kind, lang: str) -> None:
    one = told(delivery(kind, lang, owner="deputy", resolution="handled"), Links(SHOW))
    assert [url for _, url in one.links] == [SHOW]
    assert not one.voices
    assert "deputy" in one.text


def test_a_digest_says_how_many_and_which() -> None:
    one = told(delivery("digest", more=12, cases=("first case", "second case")))
    assert one.first == "12 more cases, beyond what you are paged for one by one"
    assert one.text.startswith("Among them:\n– “first case”\n– “second case”\n– and 10 more")


def test_a_case_that_was_merged_is_not_called_handled() -> None:
    assert "part of another" in told(delivery("resolved", owner="lead")).text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_each_line_of_a_language_can_be_said(lang: str) -> None:
    """A name that a line uses and nobody fills would be an error at night."""
    table = tomllib.loads(page_file(lang))
    for kind in KINDS:
        for state in ("none", "canned", "own-words"):
            for due in (None, "2025-06-15T15:20:00Z", "2025-06-14T15:20:00Z", "2025-06-20T15:20:00Z"):
                for share in (None, 0.5):
                    for scope in ("thread", "brand"):
                        for resolution in (None, "handled"):
                            reply = Reply(state, due, share)
                            one = replace(WHOLE, reply=reply, scope=scope)
                            told(delivery(kind, lang, one, owner="lead", resolution=resolution, more=3))
    english = tomllib.loads(page_file("en"))
    assert {name: set(lines) for name, lines in table.items() if isinstance(lines, dict)} == {
        name: set(lines) for name, lines in english.items() if isinstance(lines, dict)
    }
    for section, lines in english.items():
        if isinstance(lines, dict):
            for name, line in lines.items():
                ours = Template(table[section][name]).get_identifiers()
                assert set(ours) == set(Template(line).get_identifiers()), f"{lang}: {section}.{name}"


def test_a_test_says_that_it_is_one() -> None:
    one = told(delivery(the_case=replace(WHOLE, reason="test")))
    assert one.first == "TEST by way of mail: nothing has happened"
    assert "lead" in one.text


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value for name, value in attrs if name in ("href", "src")]


def harmless(one: PageText) -> None:
    assert len(one.first) <= MOST_FIRST
    assert len(one.first.splitlines()) == 1
    parser = _Tags()
    parser.feed(one.html)
    assert parser.tags <= {"html", "head", "meta", "title", "body", "div", "p", "ul", "li", "a"}
    assert set(parser.addresses) <= {url for _, url in one.links}
    for text in (one.first, one.text, one.html):
        for letter in text.replace("\n", ""):
            assert unicodedata.category(letter) not in ("Cc", "Cs", "Zl", "Zp")
            assert unicodedata.category(letter) != "Cf" or letter in "\u200c\u200d"
    shown = " ".join((one.first, *one.lines, *one.voices))
    for markup in ("<", ">", "*", "_", "`", "~", "|", "](", "://", "www."):
        assert markup not in shown, markup
    assert not re.search("[@#](?!\u200c)", shown)


def test_a_hostile_text_is_shown_and_does_nothing() -> None:
    bad = replace(WHOLE, title=HOSTILE, voices=(HOSTILE,) * 5, url="javascript:alert(1)", brand="a\nb")
    for kind in KINDS:
        for lang in LANGUAGES:
            one = delivery(kind, lang, bad, owner=HOSTILE, silent=(HOSTILE,), cases=(HOSTILE,), why=HOSTILE)
            harmless(told(replace(one, person=HOSTILE)))


@given(st.text(max_size=600), st.sampled_from(KINDS), st.sampled_from(LANGUAGES))
def test_no_text_breaks_out(text: str, kind: Kind, lang: str) -> None:
    bad = replace(WHOLE, title=text, voices=(text,), url=text)
    harmless(told(delivery(kind, lang, bad, owner=text, silent=(text,), cases=(text,), why=text)))


def test_ten_megabytes_are_cut_before_they_are_read() -> None:
    bad = replace(WHOLE, title="ä" * 10_000_000, voices=("<" * 10_000_000,))
    assert len(told(delivery(the_case=bad)).text) < 4000


def test_stacked_marks_do_not_cover_other_lines() -> None:
    assert len(quoted("a" + "\u0301" * 100, 200)) == 5


def test_domains_are_readable_and_no_links() -> None:
    assert quoted("see evil.example and https://evil.example/x now.Really 3.5", 200) == (
        "see evil\u2024example and [link] now\u2024Really 3.5"
    )


@pytest.mark.parametrize(
    ("url", "right"),
    [
        ("https://social.example/@a/1?b=c#d", True),
        ("http://[::1]/", False),
        ("https://bank.example@evil.example/", False),
        ("https://bank.exämple/", False),
        ("javascript:alert(1)", False),
        ("https://a.example/ b", False),
        ('https://a.example/"onload=x', False),
        ("https://a.example/<b>", False),
        ("https://a.example/" + "x" * 600, False),
        (None, False),
    ],
)
def test_only_plain_web_addresses_are_links(url: str | None, right: bool) -> None:
    assert (linkable(url) is not None) == right


def test_a_moment_that_nobody_understands_is_left_out() -> None:
    one = told(delivery(the_case=replace(WHOLE, reply=Reply("none", "soon", 0.5))))
    assert "expected at" not in one.text
