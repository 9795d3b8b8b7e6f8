"""A delivery put into words: the line of a lock screen, plain text, and HTML; in the reader's language.

Law of this file: whatever a stranger or a colleague wrote passes `quoted` or `named` before it is put in, and
after that can't break a line, turn the reading order round, call a whole channel, or be a link. The words
themselves are data (`streams/pages`, one file per language, `string.Template`); the moment and the reader's
time zone are arguments.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from functools import cache
from html import escape
from string import Template
from typing import Final
from urllib.parse import urlsplit

import msgspec

from streams.delivery import Delivery, Place
from streams.links import Links
from streams.pages import LANGUAGES, page_file

__all__ = ["TEST", "PageText", "linkable", "named", "quoted", "words"]

#: The reason of a case that is none: a channel is tried out.
TEST: Final = "test"
MOST_FIRST: Final = 160  # characters of the first line
_MOST_TITLE, _MOST_VOICE, _MOST_CASE, _MOST_NAME, _MOST_WHY = 200, 280, 120, 80, 300
_VOICES: Final = 3
_MOST_PLATFORMS: Final = 6
_SOON_MIN: Final = 180

# Cc control, Cf format (bidi marks, zero-width), Cs lone surrogates, Co private use, Cn unassigned, Zl, Zp
_DROPPED: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS: Final = "\u200c\u200d"  # hold emoji and the words of some scripts together
_MARKS_IN_A_ROW: Final = 4  # more than any script stacks upon one letter
_ADDRESS: Final = re.compile(
    r"(?:\b[a-z][a-z0-9+.-]{1,30}:/{1,3}|\bwww\d?\.|\b(?:mailto|tel|javascript|data):)\S+", re.I
)
# "example.com" is a link to many who show it; with this dot it is none, and reads the same
_DOT_IN_WORD: Final = re.compile(r"(?<=\w)\.(?=[^\W\d])")
#: What Markdown, Slack, Discord and Telegram read as markup, and what it is shown as instead.
_MARKUP: Final = str.maketrans(
    {
        "<": "‹",
        ">": "›",
        "*": "∗",
        "_": "‗",
        "`": "'",
        "~": "∼",
        "|": "¦",
        "\\": "∖",
        "#": "#\u200c",  # what is not joined to the next letter tags nothing
        "@": "@\u200c",  # and calls nobody
    }
)


class PageText(msgspec.Struct, frozen=True):
    """A page in words."""

    first: str  # one line of at most 160 characters: a subject, a lock screen
    text: str  # the rest, plain, lines parted by "\n"
    html: str  # first line and rest, a whole document that loads nothing
    lines: tuple[str, ...]  # the sentences of the text without voices, cases and links
    voices: tuple[str, ...]  # as they are quoted in it
    links: tuple[tuple[str, str], ...]  # what it is called, and where it leads


def named(text: str, limit: int = _MOST_NAME) -> str:
    """One line without control, format and bidi characters, at most `limit` characters; "" becomes "?"."""
    kept: list[str] = []
    marks = 0
    for one in text[: limit * 8]:
        kind = unicodedata.category(one)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if marks > _MARKS_IN_A_ROW:
            continue
        kept.append(" " if kind in _DROPPED and one not in _JOINERS else one)
    line = " ".join("".join(kept).split())
    if len(line) > limit:
        line = line[: limit - 1].rstrip() + "…"
    return line or "?"


def quoted(text: str, limit: int) -> str:
    """`named`, and nothing in it is markup or a link to any service that shows it."""
    line = named(text, limit * 2)
    line = _DOT_IN_WORD.sub("\u2024", _ADDRESS.sub("[link]", line)).translate(_MARKUP)
    return named(line.replace("](", "] ("), limit)


def linkable(url: str | None) -> str | None:
    """An http(s) address of plain ASCII that shows where it leads, at most 500 characters; else None."""
    if (
        not url
        or len(url) > 500
        or not re.fullmatch(r"https?://[A-Za-z0-9.:-]+(?:[/?#][!#-;=?-Z\[\]_a-z~]*)?", url)
    ):
        return None
    try:
        return url if urlsplit(url).hostname else None
    except ValueError:
        return None


def words(delivery: Delivery, now_ms: int, links: Links | None = None, zone: tzinfo = UTC) -> PageText:
    """What a delivery says. `now_ms` is the wall clock, `zone` the reader's."""
    tongue = _tongue(delivery.page.lang)
    page = delivery.page
    values = _values(tongue, delivery, now_ms, zone)
    what: str = "again" if delivery.kind == "page" and page.number > 1 else delivery.kind
    if page.case.reason == TEST:
        what = TEST
    first = named(tongue.say("first", what, values), MOST_FIRST)
    lines = tuple(tongue.say("line", name, values) for name in _lines(delivery, now_ms))
    quotes = f"{tongue.quotes[0]}{{}}{tongue.quotes[1]}"
    voices: tuple[str, ...] = ()
    if delivery.kind == "page":
        voices = tuple(quotes.format(quoted(one, _MOST_VOICE)) for one in page.case.voices[:_VOICES])
    elif delivery.kind == "digest":
        voices = tuple(quotes.format(quoted(one, _MOST_CASE)) for one in page.cases)
    heading = tongue.say("line", "cases" if delivery.kind == "digest" else "voices", values)
    rest = page.more - len(voices)
    if delivery.kind == "digest" and rest > 0:
        voices = (*voices, tongue.say("line", "more", values | {"more": tongue.number(rest)}))
    named_links = tuple(_links(tongue, delivery, links, values))
    blocks = ["\n".join(lines)] if lines else []
    if voices:
        blocks.append("\n".join([heading, *(f"– {one}" for one in voices)]))
    if named_links:
        blocks.append("\n".join(f"{name}: {url}" for name, url in named_links))
    html = _html(tongue.lang, first, lines, heading, voices, named_links)
    return PageText(first, "\n\n".join(blocks), html, lines, voices, named_links)


class _Tongue:
    """The words of one language."""

    def __init__(self, lang: str) -> None:
        self.lang = lang
        self._table = tomllib.loads(page_file(lang))
        self.quotes: str = self._table["quotes"]

    def say(self, section: str, name: str, values: Mapping[str, str]) -> str:
        """A line with its values; in sections that have one, `other` stands for a name that is not there."""
        lines: dict[str, str] = self._table[section]
        return Template(lines.get(name) or lines["other"]).substitute(values)

    def number(self, value: float) -> str:
        """A whole number, its thousands parted."""
        parted = f"{max(0.0, value):,.0f}" if value < 1e15 else "∞"
        return parted.replace(",", str(self._table["thousands"]))


@cache
def _tongue(lang: str) -> _Tongue:
    return _Tongue(lang if lang in LANGUAGES else _nearest(lang))


def _nearest(lang: str) -> str:
    base = lang.replace("_", "-").split("-", 1)[0].lower()
    return base if base in LANGUAGES else LANGUAGES[0]


def _values(tongue: _Tongue, delivery: Delivery, now_ms: int, zone: tzinfo) -> dict[str, str]:
    """Every name that a line of the files may use."""
    page = delivery.page
    case, seen = page.case, page.case.forecast
    number = tongue.number
    none: dict[str, str] = {}
    title = quoted(case.title, _MOST_TITLE) if case.title else ""
    return {
        "brand": named(case.brand, 64),
        "person": quoted(delivery.person, _MOST_NAME),
        "channel": named(delivery.channel, 64),
        "what": tongue.say("what", case.reason, none),
        "mentions": number(case.mentions),
        "authors": number(case.authors),
        "expected": number(_rounded(seen.expected_24h)),
        "p10": number(_rounded(seen.p10)),
        "p90": number(_rounded(seen.p90)),
        "viral_at": number(seen.viral_at),
        "probability": f"{100 * seen.viral_probability:.0f}",
        "negative": f"{100 * (case.negative_share or 0):.0f}",
        "canned": f"{100 * (case.reply.canned_share or 0):.0f}",
        "title": f"{tongue.quotes[0]}{title}{tongue.quotes[1]}",
        "due": _due(tongue, case.reply.expected_at, now_ms, zone),
        "why": quoted(page.why, _MOST_WHY),
        "silent": ", ".join(quoted(one, _MOST_NAME) for one in page.silent[:20]),
        "number": number(page.number),
        "more": number(page.more),
        "places": number(len(page.places)),
        "together": number(sum(one.mentions for one in page.places)),
        "ahead": number(_rounded(sum(one.expected_24h for one in page.places))),
        "where": _where(page.places, number),
        "owner": quoted(page.owner or "", _MOST_NAME),
        "resolution": tongue.say("resolution", page.resolution or "other", none),
    }


def _where(places: tuple[Place, ...], number: Callable[[float], str]) -> str:
    """Platforms with their mentions, the biggest first."""
    sizes: Counter[str] = Counter()
    for one in places:
        sizes[one.platform or "?"] += one.mentions
    return ", ".join(f"{named(name, 64)} {number(size)}" for name, size in sizes.most_common(_MOST_PLATFORMS))


def _rounded(value: float) -> float:
    """To two digits: a forecast is not more exact."""
    return float(f"{value:.2g}")


def _moment_ms(text: str | None) -> int | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _due(tongue: _Tongue, expected_at: str | None, now_ms: int, zone: tzinfo) -> str:
    due_ms = _moment_ms(expected_at)
    if due_ms is None:
        return ""
    due, now = (datetime.fromtimestamp(one / 1000, UTC).astimezone(zone) for one in (due_ms, now_ms))
    day = "" if due.date() == now.date() else f"{due:%Y-%m-%d} "
    minutes = (due_ms - now_ms) // 60_000
    how = "soon" if 0 <= minutes <= _SOON_MIN else "later"
    time = f"{day}{due:%H:%M} {due.tzname() or ''}".rstrip()
    return tongue.say("due", how, {"time": time, "minutes": str(minutes)})


def _lines(delivery: Delivery, now_ms: int) -> Iterator[str]:
    """Which sentences, in order."""
    page, case = delivery.page, delivery.page.case
    if case.reason == TEST:
        yield "test"
        return
    if delivery.kind == "digest":
        return
    if delivery.kind == "acknowledged":
        yield "owner"
        return
    if delivery.kind == "resolved":
        yield "closed" if page.resolution else "closed-merged"
        return
    yield "size" if case.scope == "thread" else "size-brand"
    if page.places:
        yield "places"
    if case.title:
        yield "title"
    elif case.root_deleted:
        yield "root-deleted"
    if case.negative_share is not None:
        yield "negative"
    if case.scope == "thread":
        yield f"reply-{case.reply.state}"
    if (due_ms := _moment_ms(case.reply.expected_at)) is not None:
        if due_ms < now_ms:
            yield "due-past"
        else:
            yield "due" if case.reply.canned_share is None else "due-canned"
    if page.why:
        yield "why"
    if page.number > 1:
        yield "again"
    if page.silent:
        yield "silent"


def _links(
    tongue: _Tongue, delivery: Delivery, links: Links | None, values: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    post = linkable(delivery.page.case.url) if delivery.kind == "page" else None
    answers = (links.take, links.acknowledge, links.show) if links is not None else (None, None, None)
    for name, url in zip(("take", "acknowledge", "show", "post"), (*answers, post), strict=True):
        if url is not None:
            yield tongue.say("link", name, values), url


def _html(
    lang: str,
    first: str,
    lines: tuple[str, ...],
    heading: str,
    voices: tuple[str, ...],
    links: tuple[tuple[str, str], ...],
) -> str:
    """Colours are the reader's own, light or dark; only what is pressed and what is quoted stands out."""
    told = "".join(f'<p style="margin:0 0 8px">{escape(one)}</p>' for one in lines)
    said = "".join(f'<li dir="auto" style="margin:0 0 8px">{escape(one)}</li>' for one in voices)
    if said:
        said = (
            f'<p style="margin:16px 0 8px;font-weight:600">{escape(heading)}</p>'
            '<ul style="margin:0;padding:0 0 0 16px;border-left:3px solid #c2410c;list-style:none">'
            f"{said}</ul>"
        )
    style = "display:inline-block;margin:0 8px 8px 0;padding:13px 18px;border-radius:8px;text-decoration:none"
    primary = f"{style};background:#b91c1c;color:#ffffff;border:1px solid #b91c1c;font-weight:600"
    other = f"{style};border:1px solid #8a8a8a;color:inherit"
    pressed = " ".join(
        f'<a href="{escape(url)}" style="{other if place else primary}">{escape(name)}</a>'
        for place, (name, url) in enumerate(links)
    )
    spelt = "".join(  # for who reads mail as text, and who wants to see where it leads
        f'<p style="margin:0 0 4px;font-size:13px">{escape(name)}: {escape(url)}</p>' for name, url in links
    )
    return (
        f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        '<meta name="supported-color-schemes" content="light dark">'
        f'<title>{escape(first)}</title></head><body style="margin:0;padding:16px">'
        '<div dir="ltr" style="max-width:36em;font:16px/1.45 system-ui,sans-serif;overflow-wrap:anywhere">'
        f'<p style="margin:0 0 12px;font-size:19px;font-weight:700">{escape(first)}</p>'
        f'{told}{said}<p style="margin:20px 0 12px">{pressed}</p>{spelt}</div></body></html>'
    )
