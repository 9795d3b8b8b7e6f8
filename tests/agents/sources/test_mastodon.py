"""Mastodon: what a message of the streaming API says, and that no break of the stream loses a post.

The shapes are those of docs.joinmastodon.org: /methods/streaming/#websocket, /entities/Status/,
/methods/statuses/#context, /methods/timelines/; the values are our own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from agents.source_settings import Mastodon as Settings
from agents.sources.mastodon import Mastodon, Statuses, parse
from agents.sources.source import Arrival, Context, Source
from streams.mention import Reactions
from streams.post import Deleted, Ignored, Post, Refused
from tests.agents.sources.world import Kept, check_hostile, follow, intake

SERVER = "marmots.example"
START_MS = 1_779_999_000_000


def id_of(number: int) -> str:
    return str((START_MS + number * 1_000) << 16)


def uri(number: int) -> str:
    return f"https://{SERVER}/users/ann/statuses/{number}"


def status(number: int, content: str, answers: int | None = None, **more: Any) -> dict[str, Any]:
    return {
        "id": id_of(number),
        "created_at": "2026-05-28T20:10:00.000Z",
        "in_reply_to_id": None if answers is None else id_of(answers),
        "in_reply_to_account_id": None if answers is None else "7",
        "sensitive": False,
        "spoiler_text": "",
        "visibility": "public",
        "language": "en",
        "uri": uri(number),
        "url": f"https://{SERVER}/@ann/{number}",
        "replies_count": 0,
        "reblogs_count": 0,
        "favourites_count": 0,
        "edited_at": None,
        "content": content,
        "reblog": None,
        "account": {
            "id": "7",
            "username": "ann",
            "acct": "ann",
            "display_name": "Ann",
            "bot": False,
            "followers_count": 41,
        },
        "media_attachments": [],
        "mentions": [],
        "tags": [],
        "emojis": [],
        "card": None,
        "poll": None,
    } | more


def frame(event: str, payload: Any, *stream: str) -> bytes:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return json.dumps({"stream": list(stream or ("public",)), "event": event, "payload": text}).encode()


def one(payload: bytes, statuses: Statuses | None = None) -> Any:
    (found,) = parse(payload, SERVER, statuses or Statuses())
    return found


def test_a_post_is_text_without_markup_and_links_without_accounts() -> None:
    html = (
        '<p>Hey <span class="h-card"><a class="u-url mention" href="https://murmel.example/@hilfe">@<span>hilfe</span></a>'
        '</span>, see <a href="https://thistledown.example/x"><span class="invisible">https://</span>thistledown</a></p>'
        "<p>second &lt;b&gt;</p><script>alert(1)</script>"
    )
    named = [
        {
            "id": "9",
            "username": "hilfe",
            "acct": "hilfe@murmel.example",
            "url": "https://murmel.example/@hilfe",
        }
    ]
    found = one(frame("update", status(1, html, mentions=named, favourites_count=3)))
    assert isinstance(found, Post)
    assert found.text == "Hey @hilfe, see https://thistledown\nsecond <b>"
    assert found.links == ("https://thistledown.example/x",)
    assert found.named == ("hilfe@murmel.example",)
    assert (found.id, found.root_id, found.author_id, found.followers) == (
        uri(1),
        uri(1),
        f"ann@{SERVER}",
        41,
    )
    assert found.reactions == Reactions(3, 0, 0)


def test_an_answer_to_what_was_seen_needs_no_request() -> None:
    statuses = Statuses()
    one(frame("update", status(1, "root")), statuses)
    one(frame("update", status(2, "answer", 1)), statuses)
    found = one(frame("update", status(3, "answer to the answer", 2)), statuses)
    assert (found.kind, found.root_id, found.parent_id, found.root_author) == (
        "reply",
        uri(1),
        uri(2),
        f"ann@{SERVER}",
    )


def test_an_edit_a_deletion_a_share_and_a_quote() -> None:
    statuses = Statuses()
    one(frame("update", status(1, "root")), statuses)
    edit = one(
        frame("status.update", status(1, "<p>changed</p>", edited_at="2026-05-28T20:15:00.000Z")), statuses
    )
    assert (edit.text, edit.edited_ms) == ("changed", 1_779_999_300_000)
    assert one(frame("delete", id_of(1)), statuses) == Deleted("mastodon", uri(1), 0)
    assert one(frame("delete", id_of(99)), statuses) == Ignored("unknown-deletion")
    share = one(frame("update", status(4, "", reblog={"uri": uri(1)})), statuses)
    assert (share.kind, share.root_id) == ("share", uri(1))
    quoting = {"state": "accepted", "quoted_status": {"uri": uri(1)}}
    quote = one(frame("update", status(5, "look", quote=quoting)), statuses)
    assert (quote.kind, quote.quoted_id) == ("quote", uri(1))


def test_what_is_not_public_and_other_events_are_passed_over() -> None:
    assert one(frame("update", status(1, "x", visibility="private"))) == Ignored("not-public")
    assert one(b'{"stream":["user"],"event":"filters_changed"}') == Ignored("other-event")
    assert isinstance(one(b'{"stream":["public"],"event":"update"}'), Refused)


def source_of(place: str = SERVER, wants: str = "Murmeltel", **more: Any) -> Mastodon:
    settings = Settings(kind="mastodon", server=f"http://{place}", **more)
    return Mastodon(settings, Context("here", wants=lambda text: wants in text))


def test_ten_thousand_malformed_messages_end_in_rejects() -> None:
    payloads = [
        frame("update", status(1, "<p>Murmeltel</p>")),
        frame("status.update", status(1, "<p>Murmeltel</p>", edited_at="2026-05-28T20:15:00.000Z")),
        json.dumps(status(2, "Murmeltel", 1)).encode(),
        frame("delete", id_of(1)),
    ]
    assert check_hostile(source_of(), payloads) > 5_000


class Server:
    """A server that streams `statuses` one after another, cuts the stream, and has them on its timeline."""

    def __init__(self, statuses: list[dict[str, Any]], breaks: list[int]) -> None:
        self.statuses, self.breaks, self.token = statuses, breaks, "secret-token"
        self.published = 0
        self.walked: list[str] = []
        self.subscribed: list[dict[str, str]] = []
        self.pages = 0

    def allowed(self, request: web.Request) -> None:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            raise web.HTTPUnauthorized

    async def stream(self, request: web.Request) -> web.WebSocketResponse:
        self.allowed(request)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.subscribed.append(await socket.receive_json())
        left = self.breaks.pop(0) if self.breaks else None
        while self.published < len(self.statuses) and left != 0:
            await socket.send_str(frame("update", self.statuses[self.published]).decode())
            self.published += 1
            left = None if left is None else left - 1
            await asyncio.sleep(0)
        if left == 0:
            assert request.transport is not None
            request.transport.abort()
            self.published = min(self.published + 95, len(self.statuses))  # written while nobody listened
            return socket
        async for _ in socket:
            pass
        return socket

    async def timeline(self, request: web.Request) -> web.Response:
        self.allowed(request)
        self.pages += 1
        least, limit = int(request.query["min_id"]), int(request.query["limit"])
        later = [one for one in self.statuses[: self.published] if int(one["id"]) > least]
        headers = {"X-RateLimit-Remaining": "250", "X-RateLimit-Reset": "2026-05-28T20:15:00.000Z"}
        return web.json_response(later[:limit][::-1], headers=headers)

    async def context(self, request: web.Request) -> web.Response:
        self.walked.append(request.match_info["id"])
        return web.json_response(
            {"ancestors": [status(-2, "the root"), status(-1, "between", -2)], "descendants": []}
        )

    async def instance(self, _: web.Request) -> web.Response:
        return web.json_response({"domain": SERVER, "configuration": {"urls": {}}})

    @asynccontextmanager
    async def started(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/api/v1/streaming", self.stream)
        app.router.add_get("/api/v1/timelines/{which:.*}", self.timeline)
        app.router.add_get("/api/v1/statuses/{id}/context", self.context)
        app.router.add_get("/api/v2/instance", self.instance)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


POSTS = [
    status(number, f"<p>Murmeltel {number}</p>" if number % 2 else f"<p>nothing {number}</p>")
    for number in range(400)
]
WANTED = {uri(number) for number in range(400) if number % 2}


def test_a_broken_stream_is_read_back_from_the_timeline() -> None:
    """What was written while nobody listened is on the timeline, page after page; the ids stay the same."""

    async def run() -> None:
        kept, server = Kept(), Server(POSTS, [50, 20])
        async with server.started() as place:
            source = source_of(place, token="secret-token", streams=("public",))
            await follow(source, kept, lambda: set(kept.ids()) >= WANTED)
        assert set(kept.ids()) == WANTED
        assert server.pages > 4
        assert source.budgets() == {"requests": 250.0}

    asyncio.run(run())


def test_a_killed_source_goes_on_from_its_cursor() -> None:
    async def run() -> None:
        kept, again, server = Kept(), Kept(), Server(POSTS, [60])
        async with server.started() as place:
            await follow(source_of(place, token="secret-token"), kept, lambda: len(kept.mentions) >= 25)
            since = {"": kept.cursors["here", ""]}
            await follow(
                source_of(place, token="secret-token"),
                again,
                lambda: {*kept.ids(), *again.ids()} >= WANTED,
                since,
            )
        assert {*kept.ids(), *again.ids()} == WANTED

    asyncio.run(run())


def test_the_root_is_found_by_walking_the_context_once() -> None:
    """Only for a text that names a brand; a second answer to the same thread needs no second walk."""

    async def run() -> None:
        posts = [
            status(1, "<p>whatever</p>", -1),
            status(2, "<p>Murmeltel again</p>", -1),
            status(3, "<p>Murmeltel too</p>", -1),
        ]
        kept, server = Kept(), Server(posts, [])
        async with server.started() as place:
            await follow(source_of(place, token="secret-token"), kept, lambda: len(kept.mentions) == 2)
        assert server.walked == [id_of(2)]
        assert {mention["thread_id"] for _, mention, _ in kept.mentions} == {uri(-2)}
        assert [mention["parent_id"] for _, mention, _ in kept.mentions] == [uri(-1)] * 2

    asyncio.run(run())


def test_a_wrong_token_stops_this_source_and_is_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        server = Server(POSTS, [])
        async with server.started() as place:
            one = await follow(source_of(place, token="wrong-one"), Kept(), lambda: False)
        assert one.status.state == "stopped"
        assert "401" in one.status.why

    asyncio.run(run())
    assert "wrong-one" not in caplog.text


def test_hashtags_are_subscribed_to_with_their_tag() -> None:
    async def run() -> None:
        kept, server = Kept(), Server(POSTS[:2], [])
        async with server.started() as place:
            source = source_of(place, token="secret-token", streams=("hashtag:local:murmeltel",))
            await follow(source, kept, lambda: len(kept.mentions) == 1)
        assert server.subscribed == [{"type": "subscribe", "stream": "hashtag:local", "tag": "murmeltel"}]

    asyncio.run(run())


def test_a_deletion_gets_the_time_at_which_it_came() -> None:
    source: Source = source_of()
    kept = Kept()

    async def run() -> None:
        taking = intake(source, kept)
        await taking.take(Arrival(frame("update", status(1, "<p>Murmeltel</p>")), START_MS))
        await taking.take(Arrival(frame("delete", id_of(1)), START_MS + 5))

    asyncio.run(run())
    gone = kept.mentions[-1][1]
    assert gone["deleted"] is True
    assert (gone["id"], gone["thread_id"], gone["created_at"]) == (uri(1), uri(1), START_MS + 5)
    assert "text" not in gone
