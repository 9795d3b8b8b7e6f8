"""What several sources need to read a platform's JSON: moments, texts out of HTML, and refusals.

Law of this file: small pure functions that raise ValueError for nonsense and nothing else.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
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


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.links: list[str] = []
        self._unread = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS:
            self.parts.append("\n")
        elif tag in _UNREAD:
            self._unread += 1
        elif tag == "a":
            given = dict(attrs)
            if (address := given.get("href")) and "mention" not in (given.get("class") or ""):
                self.links.append(address)

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.parts.append("\n")
        elif tag in _UNREAD:
            self._unread = max(0, self._unread - 1)

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self.parts.append(data)


def text_of_html(html: str) -> tuple[str, tuple[str, ...]]:
    """The readable text of a piece of HTML, and the addresses that it links to.

    Links of class `mention`, by which Mastodon marks accounts and hashtags, are no addresses.
    """
    reader = _Text()
    reader.feed(html[:_HTML_LIMIT])
    reader.close()
    text = _LINES.sub("\n", _SPACES.sub(" ", "".join(reader.parts))).strip()
    return text, tuple(dict.fromkeys(reader.links))
