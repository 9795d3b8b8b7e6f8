"""Bluesky: what a message of Jetstream says, and that no break loses or doubles a post.

The shapes are those of Jetstream's documentation (bluesky-social/jetstream, docs/README.md, 5.1) and of the
lexicons app.bsky.feed.post, app.bsky.feed.repost, app.bsky.richtext.facet and app.bsky.embed.*; the values
are our own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import zstandard
from aiohttp import web

from agents.source_settings import Bluesky as Settings
from agents.sources.bluesky import POST, REPOST, Bluesky, Handles, parse
from agents.sources.source import Arrival, Context, UnusableError
from streams.followed import Followed
from streams.post import Deleted, Ignored, Post, Refused
from tests.agents.sources.world import Kept, check_hostile, follow, reader

START_US = 1_779_999_000_000_000
ANN, BOB, MARMOT = "did:plc:ann", "did:plc:bob", "did:plc:marmot"


def uri(did: str, rkey: str, collection: str = POST) -> str:
    return f"at://{did}/{collection}/{rkey}"


def commit(
    number: int,
    record: dict[str, Any] | None,
    did: str = ANN,
    collection: str = POST,
    operation: str = "create",
) -> bytes:
    """One message of kind commit; the record key is the number."""
    what: dict[str, Any] = {
        "rev": "3mabcdefghi2x",
        "operation": operation,
        "collection": collection,
        "rkey": f"3k{number}",
    }
    if record is not None:
        what |= {
            "record": {"$type": collection, **record},
            "cid": "bafyreib2rxk3rybk3aobmv5cjuql3bm2twh4jo5uxgf5",
        }
    return json.dumps(
        {
            "did": did,
            "time_us": START_US + number * 1_000_000,
            "cursor": number,
            "kind": "commit",
            "commit": what,
        }
    ).encode()


def post(number: int, text: str, did: str = ANN, **more: Any) -> bytes:
    return commit(
        number, {"text": text, "createdAt": "2026-05-28T20:00:00.000Z", "langs": ["en"], **more}, did
    )


def answer(number: int, text: str, root: str, parent: str, did: str = BOB, **more: Any) -> bytes:
    refs = {"root": {"cid": "bafy", "uri": root}, "parent": {"cid": "bafy", "uri": parent}}
    return post(number, text, did, reply=refs, **more)


def one(payload: bytes, handles: Handles | None = None) -> Any:
    (found,) = parse(payload, handles or Handles())
    return found


def test_a_root_is_read_with_its_times_links_and_language() -> None:
    """The author's claim counts, but never later than the network saw the post."""
    found = one(post(1, "Hello", createdAt="2026-05-28T20:03:00+02:00"))
    assert isinstance(found, Post)
    assert (found.id, found.root_id, found.parent_id, found.kind) == (
        uri(ANN, "3k1"),
        uri(ANN, "3k1"),
        "",
        "post",
    )
    assert found.created_ms == 1_779_991_380_000
    assert (found.author_id, found.root_author, found.lang) == (ANN, ANN, "en")
    assert found.url == f"https://bsky.app/profile/{ANN}/post/3k1"
    late = one(post(1, "from the future", createdAt="2031-01-01T00:00:00Z"))
    odd = one(post(1, "whenever", createdAt="yesterday"))
    assert late.created_ms == odd.created_ms == (START_US + 1_000_000) // 1000


def test_an_answer_has_the_root_that_it_says() -> None:
    found = one(answer(2, "me too", uri(ANN, "3k1"), uri(BOB, "3k9")))
    assert (found.kind, found.root_id, found.parent_id) == ("reply", uri(ANN, "3k1"), uri(BOB, "3k9"))
    assert found.root_author == ANN


def test_links_mentions_cards_and_quotes_are_found() -> None:
    facets = [
        {
            "index": {"byteStart": 0, "byteEnd": 5},
            "features": [{"$type": "app.bsky.richtext.facet#link", "uri": "https://a.example/x"}],
        },
        {
            "index": {"byteStart": 6, "byteEnd": 9},
            "features": [{"$type": "app.bsky.richtext.facet#mention", "did": MARMOT}],
        },
    ]
    card = {
        "$type": "app.bsky.embed.external",
        "external": {"uri": "https://b.example/y", "title": "t", "description": "d"},
    }
    handles = Handles()
    handles.note(MARMOT, "murmeltel.example")
    found = one(post(1, "see this", facets=facets, embed=card), handles)
    assert found.links == ("https://a.example/x", "https://b.example/y")
    assert found.named == (MARMOT, "murmeltel.example")
    quoted = {"cid": "bafy", "uri": uri(BOB, "3k7")}
    plain = one(post(1, "look", embed={"$type": "app.bsky.embed.record", "record": quoted}))
    record = {"$type": "app.bsky.embed.record", "record": quoted}
    pictured = {"$type": "app.bsky.embed.recordWithMedia", "record": record, "media": card}
    both = one(post(1, "look", embed=pictured))
    assert (plain.kind, plain.quoted_id) == (both.kind, both.quoted_id) == ("quote", uri(BOB, "3k7"))
    assert both.links == ("https://b.example/y",)


def test_odd_decoration_does_not_cost_the_post() -> None:
    assert one(post(1, "still here", facets="none", embed=[1])).text == "still here"


def test_a_share_an_edit_and_a_deletion() -> None:
    share = one(
        commit(
            3,
            {"subject": {"uri": uri(ANN, "3k1"), "cid": "b"}, "createdAt": "2026-05-28T20:00:00Z"},
            BOB,
            REPOST,
        )
    )
    assert (share.kind, share.root_id, share.parent_id) == ("share", uri(ANN, "3k1"), uri(ANN, "3k1"))
    edit = one(commit(4, {"text": "changed", "createdAt": "2026-05-28T20:00:00Z"}, operation="update"))
    assert edit.edited_ms == START_US // 1000 + 4_000
    gone = one(commit(5, None, operation="delete"))
    assert gone == Deleted("bluesky", uri(ANN, "3k5"), START_US // 1000 + 5_000)
    assert list(parse(commit(6, {"subject": {"uri": "x"}}, collection=REPOST), Handles(), shares=False)) == [
        Ignored("other-event")
    ]


def test_handles_are_learned_from_identity_events() -> None:
    handles = Handles()
    told = {"did": MARMOT, "handle": "murmeltel.example", "seq": 1, "time": "2026-05-28T20:00:00Z"}
    event = {"did": MARMOT, "time_us": START_US, "kind": "identity", "identity": told}
    assert list(parse(json.dumps(event).encode(), handles)) == [Ignored("identity")]
    assert one(post(1, "Moin", MARMOT), handles).handle == "murmeltel.example"
    account = {
        "did": ANN,
        "time_us": START_US,
        "kind": "account",
        "account": {"active": True, "did": ANN, "seq": 2},
    }
    assert list(parse(json.dumps(account).encode(), handles)) == [Ignored("other-event")]


def test_a_brands_handle_is_kept_however_many_others_are_told() -> None:
    handles = Handles()
    handles.keep(MARMOT, "murmeltel.example")
    for number in range(20_000):
        handles.note(f"did:plc:{number}", f"h{number}.example")
    assert handles.get(MARMOT) == "murmeltel.example"
    assert (handles.get("did:plc:1"), handles.get("did:plc:19999")) == ("", "h19999.example")


def test_ten_thousand_malformed_messages_end_in_rejects() -> None:
    source = Bluesky(Settings(kind="bluesky"), Context("here"))
    payloads = [
        post(1, "Murmeltel"),
        answer(2, "Murmeltel", uri(ANN, "3k1"), uri(ANN, "3k1")),
        commit(3, {"subject": {"uri": uri(ANN, "3k1")}}, BOB, REPOST),
        commit(4, None, operation="delete"),
    ]
    assert check_hostile(source, payloads) > 5_000


def test_a_record_without_its_fields_is_refused_and_says_which() -> None:
    found = one(commit(1, {"subject": {}}, collection=REPOST))
    assert isinstance(found, Refused)
    assert "uri" in found.detail


class Jetstream:
    """A server that speaks Jetstream's protocol over the given messages, and breaks off as it is told."""

    def __init__(self, messages: list[bytes], breaks: list[int], dictionary: bytes | None = None) -> None:
        self.messages = messages
        self.breaks = breaks  # after so many messages the connection is cut; then the next of the list
        self.cursors: list[int | None] = []
        self.queries: list[dict[str, list[str]]] = []
        self._pack = None
        if dictionary is not None:
            self._pack = zstandard.ZstdCompressor(dict_data=zstandard.ZstdCompressionDict(dictionary))

    async def subscribe(self, request: web.Request) -> web.WebSocketResponse:
        query = {key: request.query.getall(key) for key in request.query}
        cursor = int(query["cursor"][0]) if "cursor" in query else None
        self.cursors.append(cursor)
        self.queries.append(query)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        left = self.breaks.pop(0) if self.breaks else None
        for message in self.messages:
            if cursor is not None and json.loads(message)["time_us"] < cursor:
                continue
            if left is not None:
                if left == 0:
                    assert request.transport is not None
                    request.transport.abort()  # no farewell
                    return socket
                left -= 1
            if self._pack is not None and "compress" in query:
                await socket.send_bytes(self._pack.compress(message))
            else:
                await socket.send_str(message.decode())
        async for _ in socket:
            pass
        return socket

    async def resolve(self, request: web.Request) -> web.Response:
        known = {"murmeltel.example": MARMOT}
        did = known.get(request.query["handle"])
        return web.json_response(
            {"did": did} if did else {"error": "InvalidRequest"}, status=200 if did else 400
        )

    @asynccontextmanager
    async def started(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/subscribe", self.subscribe)
        app.router.add_get("/xrpc/com.atproto.identity.resolveHandle", self.resolve)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


def source_of(*places: str, accounts: frozenset[str] = frozenset(), **more: Any) -> Bluesky:
    settings = Settings(
        kind="bluesky",
        servers=tuple(f"ws://{place}" for place in places),
        resolver=f"http://{places[0]}",
        rewind_s=3,
        **more,
    )
    return Bluesky(settings, Context("here", accounts))


STORM = [
    post(0, "Murmeltel cut me off"),
    *[
        answer(number, f"answer {number}", uri(ANN, "3k0"), uri(ANN, "3k0"), f"did:plc:{number}")
        if number % 3
        else post(number, f"nothing about it {number}", f"did:plc:{number}")
        for number in range(1, 200)
    ],
]
WANTED = {uri(ANN, "3k0"), *(uri(f"did:plc:{n}", f"3k{n}") for n in range(1, 200) if n % 3)}


def test_broken_connections_lose_and_double_nothing() -> None:
    """Two servers in turn, cut off again and again: each goes on some seconds before the cursor."""

    async def run() -> None:
        kept = Kept()
        one, two = Jetstream(STORM, [40, 50]), Jetstream(STORM, [1, 90])
        async with one.started() as first, two.started() as second:
            await follow(source_of(first, second), kept, lambda: set(kept.ids()) >= WANTED)
        assert set(kept.ids()) == WANTED
        assert one.cursors[0] is None
        later = [cursor for cursor in (*one.cursors[1:], *two.cursors) if cursor is not None]
        assert len(later) >= 3
        last = kept.cursors["here", ""]
        assert last > START_US + 178 * 1_000_000  # of one message in twenty, or of two a second
        doubled = len(kept.ids()) - len(WANTED)
        assert (
            0 < doubled < 100
        )  # the seconds it went back, and what lay between two cursors; the ids are the same

    asyncio.run(run())


def test_a_killed_source_goes_on_from_the_cursor_and_knows_its_threads() -> None:
    """What answers a thread counts for a process that never saw the root: it learns from what was sent."""

    async def run() -> None:
        kept, again, followed = Kept(), Kept(), Followed()
        server = Jetstream(STORM, [100])
        async with server.started() as place:
            source = source_of(place)
            await follow(source, kept, lambda: len(kept.mentions) >= 60)
            cursor = kept.cursors["here", ""]
            for _, mention, headers in kept.mentions:
                whole = dict(headers)["follows"] == b"thread"
                followed.learn(
                    mention["brand"], mention["id"], mention["thread_id"], mention["created_at"], whole
                )
            server.breaks.clear()
            await follow(
                source_of(place), again, lambda: {*kept.ids(), *again.ids()} >= WANTED, {"": cursor}, followed
            )
        assert server.cursors[-1] == cursor - 3_000_000
        assert {*kept.ids(), *again.ids()} == WANTED

    asyncio.run(run())


def test_a_server_that_falls_silent_is_left() -> None:
    async def run() -> None:
        kept = Kept()
        dead, alive = Jetstream(STORM[:1], []), Jetstream(STORM, [])
        async with dead.started() as first, alive.started() as second:
            await follow(source_of(first, second, silent_s=1), kept, lambda: set(kept.ids()) >= WANTED)

    asyncio.run(run())


def test_the_brands_own_handle_is_looked_up_and_its_posts_are_its_own() -> None:
    async def run() -> None:
        kept = Kept()
        server = Jetstream(
            [post(1, "We are sorry.", MARMOT), answer(2, "Sorry?", uri(MARMOT, "3k1"), uri(MARMOT, "3k1"))],
            [],
        )
        async with server.started() as place:
            source = source_of(place, accounts=frozenset({"murmeltel.example", "gone.example"}))
            await follow(source, kept, lambda: len(kept.mentions) == 2)
        (_, own, _), (_, theirs, _) = kept.mentions
        assert own["author"] == {"id": MARMOT, "handle": "murmeltel.example"}
        assert theirs["brand"] == "murmeltel"

    asyncio.run(run())


def test_the_compressed_stream_is_the_same(tmp_path: Path) -> None:
    samples: list[bytes | bytearray | memoryview[int]] = [*STORM, *STORM, *STORM]
    dictionary = zstandard.train_dictionary(8_192, samples).as_bytes()
    path = tmp_path / "dictionary"
    path.write_bytes(dictionary)

    async def run() -> None:
        kept = Kept()
        server = Jetstream(STORM, [], dictionary)
        async with server.started() as place:
            await follow(source_of(place, zstd_dictionary=path), kept, lambda: set(kept.ids()) >= WANTED)
        assert server.queries[0]["compress"] == ["true"]
        assert set(kept.ids()) == WANTED

    asyncio.run(run())
    with pytest.raises(UnusableError, match="dictionary"):
        source_of("x.example", zstd_dictionary=tmp_path / "none")


def test_the_query_names_the_collections() -> None:
    async def run() -> None:
        kept = Kept()
        server = Jetstream(STORM[:1], [])
        async with server.started() as place:
            await follow(source_of(place, shares=False), kept, lambda: len(kept.mentions) == 1)
        assert server.queries[0]["wantedCollections"] == [POST]

    asyncio.run(run())


def test_a_share_of_a_followed_post_counts_in_its_thread() -> None:
    source = Bluesky(Settings(kind="bluesky"), Context("here"))
    every = reader(source)
    share = {"subject": {"uri": uri(ANN, "3k0"), "cid": "b"}, "createdAt": "2026-05-28T20:00:00Z"}
    payloads = [
        STORM[0],
        commit(9, share, BOB, REPOST),
        commit(8, {"subject": {"uri": uri(BOB, "3k8")}}, BOB, REPOST),
    ]
    sent = [one for each in payloads for one in every.read(Arrival(each, 0), START_US // 1000)[0]]
    assert [json.loads(one.value or b"")["kind"] for one in sent] == ["post", "share"]
    assert {one.key for one in sent} == {uri(ANN, "3k0").encode()}
