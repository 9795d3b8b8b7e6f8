"""What several sources need to read a platform's JSON: moments, texts out of HTML, and refusals.

Law of this file: small pure functions that raise ValueError for nonsense and nothing else.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any, Final

import msgspec

from streams.mention import Reason
from streams.post import Refused

__all__ = ["JSON_TROUBLE", "moment_ms", "refused", "text_of_html"]

#: What msgspec raises for bytes that strangers wrote.
JSON_TROUBLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_DETAIL_LIMIT: Final = 200
_HTML_LIMIT: Final = 200_000  # characters; what lies behind is not read
_SPACES: Final = re.compile(r"[ \t\r\f\v]+")
_LINES: Final = re.compile(r" ?\n[ \n]*")
# Each repeat ends where the next tag begins, so that no character is looked at twice.
_TAG: Final = re.compile(r"<(?:(/?)([a-zA-Z][a-zA-Z0-9]{0,15})(?![a-zA-Z0-9])|[!?])([^<>]*)>")
_ATTRIBUTE: Final = re.compile(
    r"""(?<![^\s"'/])(href|class)\s{0,9}=\s{0,9}(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.I
)
_BLOCKS: Final = frozenset({"p", "br", "div", "li", "blockquote", "tr", "h1", "h2", "h3", "h4", "h5", "h6"})
_UNREAD: Final = frozenset({"script", "style", "template"})


def moment_ms(value: Any) -> int:
    """Milliseconds since the epoch, from RFC 3339 (UTC where it has no offset) or a number of them."""
    if isinstance(value, bool) or value is None:
        raise ValueError("no moment")
    if isinstance(value, int | float):
        if not abs(value) < 1e15:
            raise ValueError("no moment: the number is too big")
        return int(value)
    text = str(value).strip()
    if text.lstrip("-").isascii() and text.lstrip("-").isdecimal() and len(text) <= 15:
        return int(text)
    try:
        moment = datetime.fromisoformat(text[:64])
        return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MS
    except (ValueError, OverflowError):
        raise ValueError("no moment: neither RFC 3339 nor milliseconds") from None


def refused(error: Exception, raw: bytes | None = None) -> Refused:
    """The refusal for what msgspec or `moment_ms` said of a payload, in words fit for a header."""
    bad_field = isinstance(error, msgspec.ValidationError) or not isinstance(error, JSON_TROUBLE)
    reason = Reason.BAD_FIELD if bad_field else Reason.NOT_JSON
    said = "".join([c if c.isprintable() else "?" for c in str(error)[:_DETAIL_LIMIT]])
    return Refused(reason, said or type(error).__name__, raw)


def text_of_html(html: str) -> tuple[str, tuple[str, ...]]:
    """The readable text of a piece of HTML, and the addresses that it links to. Linear in any case.

    Links of class `mention`, by which Mastodon marks accounts and hashtags, are no addresses. The library's
    parser is not used: it takes minutes for some hundred kilobytes of tags that never close.
    """
    html = _without_comments(html[:_HTML_LIMIT])
    parts: list[str] = []
    links: list[str] = []
    at, unread = 0, ""
    for tag in _TAG.finditer(html):
        closing, name, attributes = tag[1] == "/", (tag[2] or "").lower(), tag[3] or ""
        if unread:
            if closing and name == unread:
                unread, at = "", tag.end()
            continue
        parts.append(html[at : tag.start()])
        at = tag.end()
        if name in _BLOCKS:
            parts.append("\n")
        elif name in _UNREAD and not closing:
            unread = name
        elif name == "a" and not closing:
            given = {
                one[1].lower(): one[2] or one[3] or one[4] or "" for one in _ATTRIBUTE.finditer(attributes)
            }
            if (address := unescape(given.get("href", ""))) and "mention" not in given.get("class", ""):
                links.append(address)
    if not unread:
        parts.append(html[at:])
    text = _LINES.sub("\n", _SPACES.sub(" ", unescape("".join(parts)))).strip()
    return text, tuple(dict.fromkeys(links))


def _without_comments(html: str) -> str:
    parts: list[str] = []
    at = 0
    while (begin := html.find("<!--", at)) >= 0:
        parts.append(html[at:begin])
        end = html.find("-->", begin + 4)
        if end < 0:
            return "".join(parts)
        at = end + 3
    parts.append(html[at:])
    return "".join(parts)
