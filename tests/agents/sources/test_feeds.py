"""Feeds: what an entry says, and that a feed is asked politely, once, and only for what is new.

The shapes are those of RSS 2.0 (rssboard.org/rss-specification), Atom (RFC 4287) and its threads (RFC 4685);
the conditional requests are those of RFC 9110, 13.1. The values are our own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web

from agents.source_settings import Feeds as Settings
from agents.sources.feeds import Feeds, entries_of
from agents.sources.source import Arrival, Context
from streams.post import Post, Refused
from tests.agents.sources.world import NOW_MS, Kept, check_hostile, follow, reader

URL = "https://news.example/feed.xml"


def rss(*items: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel><title>News</title>'
        f"<link>https://news.example/</link><description>d</description><language>de</language>{''.join(items)}"
        "</channel></rss>"
    ).encode()


def item(number: int, title: str, description: str = "") -> str:
    return (
        f"<item><title>{title}</title><link>https://news.example/{number}</link><guid>tag:news.example,{number}</guid>"
        f"<pubDate>Thu, 28 May 2026 20:{number:02d}:00 GMT</pubDate>"
        f"<description>{description}</description></item>"
    )


ATOM = b"""<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:thr="http://purl.org/syndication/thread/1.0">
<title>Forum</title><id>urn:forum</id><updated>2026-05-28T20:00:00Z</updated>
<entry><title>Re: Murmeltel</title><id>urn:2</id><link href="https://forum.example/2"/>
<published>2026-05-28T20:01:00Z</published><updated>2026-05-28T20:05:00Z</updated>
<author><name>Bob</name></author><thr:in-reply-to ref="urn:1"/>
<content type="html">&lt;p&gt;Same &lt;a href="https://b.example/"&gt;here&lt;/a&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;/p&gt;</content>
</entry></feed>"""


def source_of(*urls: str, **more: Any) -> Feeds:
    return Feeds(Settings(kind="feeds", urls=urls or (URL,), **more), Context("here"))


def posts(body: bytes) -> list[Post]:
    found = list(source_of().parse(Arrival(body, NOW_MS)))
    assert all(isinstance(one, Post) for one in found)
    return [one for one in found if isinstance(one, Post)]


def test_items_of_rss_come_oldest_first_as_text() -> None:
    first, second = posts(
        rss(item(2, "Murmeltel &amp; Co", "&lt;b&gt;Bold&lt;/b&gt; claim"), item(1, "Older"))
    )
    assert (first.id, first.text, first.url) == ("tag:news.example,1", "Older", "https://news.example/1")
    assert second.text == "Murmeltel & Co\nBold claim"
    assert second.created_ms - first.created_ms == 60_000
    assert (second.platform, second.lang, second.handle) == ("feed", "de", "news.example")


def test_an_entry_of_atom_has_its_author_its_links_its_edit_and_what_it_answers() -> None:
    (entry,) = posts(ATOM)
    assert (entry.root_id, entry.parent_id, entry.kind) == ("urn:1", "urn:1", "reply")
    assert entry.text == "Re: Murmeltel\nSame here"
    assert entry.links == ("https://b.example/",)
    assert entry.author_id == "news.example/Bob"
    assert entry.edited_ms - entry.created_ms == 240_000


def test_an_entry_without_a_time_was_written_when_it_was_found() -> None:
    (entry,) = posts(rss("<item><title>Murmeltel</title><link>https://news.example/9</link></item>"))
    assert entry.created_ms == NOW_MS


def test_bombs_and_nonsense_are_no_feed() -> None:
    bomb = (
        b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">'
        + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
        + b"]><rss version='2.0'><channel><item><title>&j;</title></item></channel></rss>"
    )
    began = time.process_time()
    read = entries_of(bomb, URL)
    assert time.process_time() - began < 5
    assert sum(len(one.title) for one in read.entries) < 10_000
    for body in (b"", b"\x00\xff", b"<html><body>404</body></html>", b"{}", b"<rss"):
        assert all(isinstance(one, Refused) for one in source_of().parse(Arrival(body, NOW_MS)))


def test_ten_thousand_malformed_entries_end_in_rejects() -> None:
    payloads = [msgspec.json.encode(one) for one in entries_of(ATOM, URL).entries]
    payloads += [msgspec.json.encode(one) for one in entries_of(rss(item(1, "Murmeltel")), URL).entries]
    assert check_hostile(source_of(), payloads, URL) > 5_000


class Site:
    """A server of one feed that knows ETags, and remembers what it was asked."""

    def __init__(self, body: Callable[[], bytes]) -> None:
        self.body = body
        self.asked: list[dict[str, str]] = []
        self.sent = 0
        self.answers: list[web.Response] = []

    async def feed(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(dict(request.headers))
        if self.answers:
            return self.answers.pop(0)
        etag = f'"{hash(self.body())}"'
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304)
        self.sent += 1
        headers = {"ETag": etag, "Last-Modified": "Thu, 28 May 2026 20:00:00 GMT"}
        return web.Response(body=self.body(), headers=headers, content_type="application/rss+xml")

    @asynccontextmanager
    async def started(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/feed.xml", self.feed)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/feed.xml"
        finally:
            await runner.cleanup()


class Clock:
    """A clock that goes on only where politeness waits, and keeps the pauses."""

    def __init__(self) -> None:
        self.now_s = NOW_MS / 1000
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds
        await asyncio.sleep(0.001)

    def source(self, *urls: str) -> Feeds:
        settings = Settings(kind="feeds", urls=urls, interval_s=300)
        return Feeds(settings, Context("here", agent="flashover/test"), lambda: self.now_s, self.sleep)


def test_a_feed_is_asked_for_what_is_new_alone() -> None:
    """With its ETag, once in an interval; an entry is handed on once, and again when it was changed."""
    body = [rss(item(1, "Murmeltel one"))]

    async def run() -> None:
        kept, clock, site = Kept(), Clock(), Site(lambda: body[0])
        async with site.started() as url:
            await follow(clock.source(url), kept, lambda: len(site.asked) >= 4)
            assert kept.texts() == ["Murmeltel one"]
            assert site.sent == 1
            body[0] = rss(item(2, "Murmeltel two"), item(1, "Murmeltel one"))
            since = {url: kept.cursors["here", url]}
            await follow(clock.source(url), kept, lambda: len(kept.mentions) >= 2, since)
        assert kept.texts() == ["Murmeltel one", "Murmeltel two"]
        assert "If-None-Match" not in site.asked[0]
        assert site.asked[1]["If-None-Match"]
        assert site.asked[1]["If-Modified-Since"] == "Thu, 28 May 2026 20:00:00 GMT"
        assert site.asked[0]["User-Agent"] == "flashover/test"
        assert all(280 < pause <= 300 for pause in clock.pauses)

    asyncio.run(run())


def test_a_restart_asks_no_sooner() -> None:
    """When the feed was asked last is part of the cursor."""

    async def run() -> None:
        kept, clock, site = Kept(), Clock(), Site(lambda: rss(item(1, "Murmeltel")))
        async with site.started() as url:
            await follow(clock.source(url), kept, lambda: ("here", url) in kept.cursors)
            cursor = kept.cursors["here", url]
            # how often it was asked until it was stopped nobody knows: the pauses tell
            clock.now_s, clock.pauses = cursor["asked_ms"] / 1000 + 10, []
            await follow(clock.source(url), kept, lambda: bool(clock.pauses), {url: cursor})
        assert clock.pauses[0] == pytest.approx(290, abs=1)

    asyncio.run(run())


def test_a_busy_or_broken_feed_is_left_alone_and_stops_no_other() -> None:
    async def run() -> None:
        kept, clock = Kept(), Clock()
        bad = Site(lambda: b"<html>")
        bad.answers = [web.Response(status=503, headers={"Retry-After": "3000"}), web.Response(status=500)]
        good = Site(lambda: rss(item(1, "Murmeltel fine")))
        async with bad.started() as first, good.started() as second:
            await follow(clock.source(first, second), kept, lambda: len(bad.asked) >= 4)
        assert kept.texts() == ["Murmeltel fine"]
        # 3000 s as asked for, then 1200 s and 600 s after failures; the other one every 300 s of that
        assert len(good.asked) >= 15
        assert {one[2]["reason"] for one in kept.rejects} == {b"bad-field"}
        assert all(one[2]["topic"].decode().endswith("/feed.xml") for one in kept.rejects)

    asyncio.run(run())


def test_a_feed_that_is_too_big_is_not_read() -> None:
    async def run() -> None:
        kept, clock = Kept(), Clock()
        site = Site(lambda: rss(item(1, "Murmeltel " + "x" * 9_000_000)))
        async with site.started() as url:
            await follow(clock.source(url), kept, lambda: len(site.asked) >= 2)
        assert not kept.mentions

    asyncio.run(run())


def test_a_whole_document_can_be_tried() -> None:
    records, _ = reader(source_of()).read(
        Arrival(rss(item(1, "Murmeltel"), item(2, "other")), NOW_MS), NOW_MS
    )
    assert [one.kind for one in records] == ["mention"]
