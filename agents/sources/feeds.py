"""News and forums by RSS and Atom: asked in turn, seldom, and only for what is new.

Law of this file: politeness. A feed is asked once in `interval_s` and not sooner, with what it said of itself
the last time (ETag, Last-Modified: RFC 9110, 13.1); one that is busy, gone or broken is left alone for
longer, and the others do not wait for it. Entries that were seen are known by their ids in the cursor.
"""

from __future__ import annotations

import asyncio
import calendar
import io
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Final, NamedTuple

import aiohttp
import feedparser
import msgspec

from agents.source_settings import Feeds as Settings
from agents.sources.fields import JSON_TROUBLE, refused, text_of_html
from agents.sources.http import retry_after_s, session, translated
from agents.sources.source import Arrival, Context, Cursor, OutageError, Source
from streams.mention import Reason, hash64
from streams.post import Found, Ignored, Post, Refused

__all__ = ["Feeds", "entries_of", "parse"]

log = logging.getLogger(__name__)

_PLATFORM: Final = "feed"
_SEEN_KEPT: Final = 500  # entries of a feed at least, or twice what it holds
_BACK_OFF_MOST: Final = 24.0  # times the interval
_DEAD: Final = (404, 410)
_ID_LIMIT: Final = 500


class Entry(msgspec.Struct, frozen=True):
    """One entry as it is handed on: what feedparser made of it, and nothing of its markup."""

    id: str
    title: str = ""
    html: str = ""
    link: str = ""
    author: str = ""
    lang: str = ""
    published_ms: int = 0
    updated_ms: int = 0
    answers: str = ""  # the id of another entry (RFC 4685, thr:in-reply-to)


class _Read(NamedTuple):
    entries: list[Entry]
    trouble: str  # why it is no feed, "" if it is one


_entry = msgspec.json.Decoder(Entry).decode


def entries_of(body: bytes, url: str, content_type: str = "") -> _Read:
    """The entries of a feed, oldest first, or why it is none. Raises nothing, fetches nothing."""
    try:
        told = feedparser.parse(
            io.BytesIO(body),
            response_headers={"content-type": content_type or "application/xml", "content-location": url},
            # What it does to markup is done here, and in less time: only texts are kept.
            sanitize_html=False,
            resolve_relative_uris=False,
        )
        found = [_read(one, url, told) for one in told.get("entries", ())]
    except Exception as error:  # feedparser on a stranger's bytes: its own errors are of many kinds
        return _Read([], f"{type(error).__name__} while reading it")
    if not found and not told.get("version"):
        trouble = told.get("bozo_exception")
        return _Read([], f"no feed: {type(trouble).__name__}" if trouble else "no feed")
    return _Read([one for one in reversed(found) if one is not None], "")


def _read(one: Any, url: str, told: Any) -> Entry | None:
    link = _text(one.get("link"))
    title = text_of_html(_text(one.get("title")))[0]
    contents = one.get("content") or []
    html = max((_text(each.get("value")) for each in contents), key=len, default="") or _text(
        one.get("summary")
    )
    id = _text(one.get("id")) or link or (f"{url}#{hash64(title + html):x}" if title or html else "")
    if not id:
        return None
    lang = next((_text(each.get("language")) for each in contents if each.get("language")), "")
    return Entry(
        id=id if len(id) <= _ID_LIMIT else f"{url}#{hash64(id):x}",
        title=title,
        html=html,
        link=link,
        author=text_of_html(_text(one.get("author")))[0][:200],
        lang=lang or _text(told.get("feed", {}).get("language")),
        published_ms=_moment(one.get("published_parsed")),
        updated_ms=_moment(dict.get(one, "updated_parsed")),  # its own `get` answers with `published` instead
        answers=_text((one.get("thr_in-reply-to") or {}).get("ref"))[:_ID_LIMIT],
    )


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _moment(parsed: Any) -> int:
    """Milliseconds of feedparser's UTC time tuple; 0 where there is none that a calendar has."""
    try:
        return int(calendar.timegm(parsed)) * 1000 if parsed else 0
    except (TypeError, ValueError, OverflowError):
        return 0


def parse(payload: bytes, url: str, at_ms: int, brand: str | None = None) -> Iterable[Found]:
    """The post that an entry is; without a time of its own it was written when it was found, `at_ms`."""
    try:
        entry = _entry(payload)
    except JSON_TROUBLE as error:
        return (refused(error),)
    text, links = text_of_html(entry.html)
    if entry.title and not text.startswith(entry.title):
        text = f"{entry.title}\n{text}".rstrip()
    if not text and not entry.link:
        return (Ignored("empty-entry"),)
    created_ms = min(entry.published_ms or entry.updated_ms or at_ms, at_ms)
    host = url.partition("://")[2].partition("/")[0].lower()
    edited = entry.updated_ms if entry.published_ms and entry.updated_ms > entry.published_ms else 0
    return (
        Post(
            platform=_PLATFORM,
            id=entry.id,
            root_id=entry.answers or entry.id,
            parent_id=entry.answers,
            kind="reply" if entry.answers else "post",
            created_ms=created_ms,
            author_id=f"{host}/{entry.author}" if entry.author else host or "feed",
            handle=host,
            text=text,
            lang=entry.lang[:64],
            url=entry.link,
            links=links,
            brands=(brand,) if brand else (),
            edited_ms=min(edited, at_ms),
        ),
    )


class _Feed:
    """One feed: when it is asked next, and with what. Its cursor holds the same."""

    def __init__(self, url: str, cursor: Cursor) -> None:
        self.url = url
        told = cursor if isinstance(cursor, dict) else {}
        self.etag, self.modified = str(told.get("etag") or ""), str(told.get("modified") or "")
        asked_ms = told.get("asked_ms")
        self.asked_ms = asked_ms if isinstance(asked_ms, int) else 0
        seen = told.get("seen")
        self.seen: dict[str, None] = (
            dict.fromkeys(one for one in seen if isinstance(one, str)) if isinstance(seen, list) else {}
        )
        self.keep = _SEEN_KEPT
        self.failures = 0
        self.after_s = 0.0

    def due_ms(self, interval_s: float) -> float:
        """When it may be asked again: later after each failure, and not before it said."""
        wait_s = min(interval_s * 2.0**self.failures, interval_s * _BACK_OFF_MOST)
        return self.asked_ms + max(wait_s, self.after_s) * 1000 if self.asked_ms else 0.0

    def fresh(self, entry: Entry) -> bool:
        """True once for each version of an entry."""
        key = f"{hash64(entry.id):x}.{entry.updated_ms // 1000:x}"
        if key in self.seen:
            return False
        self.seen[key] = None
        while len(self.seen) > self.keep:
            del self.seen[next(iter(self.seen))]
        return True

    def cursor(self) -> dict[str, Any]:
        """A new object each time: what was handed out never changes."""
        return {
            "etag": self.etag,
            "modified": self.modified,
            "asked_ms": self.asked_ms,
            "seen": list(self.seen),
        }


class Feeds(Source):
    """All configured feeds, one request at a time. `now_s` and `sleep` are the clock, for tests to turn."""

    def __init__(
        self,
        settings: Settings,
        context: Context,
        now_s: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._context = context
        self._now_s, self._sleep = now_s, sleep

    def parse(self, arrival: Arrival) -> Iterable[Found]:
        """One entry, as JSON; a whole document is taken apart first, or refused."""
        payload = arrival.payload or b""
        if payload.startswith(b"{"):
            return parse(
                payload, arrival.place or self._settings.urls[0], arrival.at_ms, self._settings.brand
            )
        url = arrival.place or self._settings.urls[0]
        read = entries_of(payload, url)
        if read.trouble:
            return (Refused(Reason.BAD_FIELD, read.trouble),)
        return [
            found
            for entry in read.entries
            for found in parse(msgspec.json.encode(entry), url, arrival.at_ms, self._settings.brand)
        ]

    async def arrivals(self, since: Mapping[str, Cursor]) -> AsyncGenerator[Arrival, None]:
        """New entries, each feed when it is due; a feed's cursor comes with the last of its entries."""
        feeds = [_Feed(url, since.get(url)) for url in self._settings.urls]
        async with session(self._context.agent) as client:
            while True:
                feed = min(feeds, key=lambda one: one.due_ms(self._settings.interval_s))
                wait_s = feed.due_ms(self._settings.interval_s) / 1000 - self._now_s()
                if wait_s > 0:
                    await self._sleep(wait_s)
                async with aclosing(self._ask(client, feed)) as asked:
                    async for arrival in asked:
                        yield arrival

    async def _ask(self, client: aiohttp.ClientSession, feed: _Feed) -> AsyncGenerator[Arrival, None]:
        headers = {"Accept": "application/atom+xml, application/rss+xml, application/xml;q=0.9, */*;q=0.5"}
        if feed.etag:
            headers["If-None-Match"] = feed.etag
        if feed.modified:
            headers["If-Modified-Since"] = feed.modified
        host = feed.url.partition("://")[2].partition("/")[0].rpartition("@")[2]
        feed.asked_ms = int(self._now_s() * 1000)
        feed.after_s = 0.0
        body = b""
        try:
            with translated(host):
                async with client.get(feed.url, headers=headers) as response:
                    status = response.status
                    if status == 200:
                        body = await _bounded(response, self._settings.largest_bytes, host)
                    elif status != 304:
                        feed.after_s = (
                            retry_after_s(response.headers.get("Retry-After"), self._now_s()) or 0.0
                        )
                        raise OutageError(f"http-{status}", f"{host} answers {status}")
                    content_type = response.headers.get("Content-Type", "")
                    etag = response.headers.get("ETag", "")
                    modified = response.headers.get("Last-Modified", "")
        except OutageError as error:
            feed.failures = min(feed.failures + 1, 10)
            log.warning("feed of %s: %s", host, error)
            yield Arrival(None, 0, feed.url, feed.cursor())
            return
        feed.failures = 0
        if status == 304:
            yield Arrival(None, feed.asked_ms, feed.url, feed.cursor())
            return
        read = await asyncio.to_thread(entries_of, body, feed.url, content_type)
        if read.trouble:
            feed.failures = 1
            yield Arrival(body, feed.asked_ms, feed.url)  # refused by `parse`, for the same reason
        else:
            feed.etag, feed.modified = etag, modified
            feed.keep = max(_SEEN_KEPT, 2 * len(read.entries))
        for entry in read.entries:
            if feed.fresh(entry):
                yield Arrival(msgspec.json.encode(entry), feed.asked_ms, feed.url)
        yield Arrival(None, feed.asked_ms, feed.url, feed.cursor())


async def _bounded(response: aiohttp.ClientResponse, most: int, host: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_chunked(1 << 16):
        size += len(part)
        if size > most:
            raise OutageError("too-big", f"the feed of {host} is larger than {most} bytes")
        parts.append(part)
    return b"".join(parts)
