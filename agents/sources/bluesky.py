"""Bluesky's public posts, by Jetstream: one WebSocket, no account, no key.

Law of this file: the cursor is Jetstream's own clock in microseconds, the same moment on every server, so any
of them goes on where another broke off, some seconds earlier. A post's own time is its author's claim: it
counts up to the moment in which the network saw it, and never later.

Payloads: https://github.com/bluesky-social/jetstream (docs/README.md, 5.1) and the lexicons
app.bsky.feed.post, app.bsky.feed.repost, app.bsky.richtext.facet, app.bsky.embed.*.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import msgspec

from agents.source_settings import Bluesky as Settings
from agents.sources.fields import JSON_TROUBLE, moment_ms, refused
from agents.sources.http import session, translated
from agents.sources.source import Arrival, Context, Cursor, OutageError, Source, UnusableError
from streams.post import Deleted, Found, Ignored, Post, Refused

__all__ = ["Bluesky", "Handles", "parse"]

log = logging.getLogger(__name__)

POST: Final = "app.bsky.feed.post"
REPOST: Final = "app.bsky.feed.repost"
_PLATFORM: Final = "bluesky"
_CURSOR_EVERY: Final = 20  # messages
_CURSOR_EVERY_S: Final = 0.5
_LARGEST: Final = 4 << 20  # bytes of a message; a record may have 1 MB
_HANDLES_KEPT: Final = 10_000
_RESOLVE_S: Final = 10.0


class _Identity(msgspec.Struct, gc=False):
    did: str
    handle: str = ""


class _Commit(msgspec.Struct, gc=False):
    operation: str
    collection: str
    rkey: str
    record: msgspec.Raw = msgspec.Raw(b"")


class _Event(msgspec.Struct, gc=False):
    did: str
    time_us: int
    kind: str
    commit: _Commit | None = None
    identity: _Identity | None = None


class _Head(msgspec.Struct, gc=False):
    time_us: int


class _Ref(msgspec.Struct, gc=False):
    uri: str


class _Reply(msgspec.Struct, gc=False):
    root: _Ref
    parent: _Ref


class _Feature(msgspec.Struct, gc=False):
    uri: str = ""  # of a link
    did: str = ""  # of a mention


class _Facet(msgspec.Struct, gc=False):
    features: list[_Feature] = []


class _External(msgspec.Struct, gc=False):
    uri: str = ""


class _Media(msgspec.Struct, gc=False):
    external: _External | None = None


class _Embedded(msgspec.Struct, gc=False):
    """Of a quote `uri`; of a quote with a picture the same one floor down."""

    uri: str = ""
    record: _Ref | None = None


class _Embed(msgspec.Struct, gc=False):
    external: _External | None = None
    record: _Embedded | None = None
    media: _Media | None = None


class _Plain(msgspec.Struct, gc=False):
    """What a post must have; the rest is decoration, and may be odd."""

    text: str = ""
    created_at: Any = msgspec.field(default=None, name="createdAt")
    reply: _Reply | None = None


class _Full(_Plain, gc=False):
    langs: list[str] = []
    facets: list[_Facet] = []
    embed: _Embed | None = None


class _Repost(msgspec.Struct, gc=False):
    subject: _Ref
    created_at: Any = msgspec.field(default=None, name="createdAt")


_event = msgspec.json.Decoder(_Event).decode
_head = msgspec.json.Decoder(_Head).decode
_full = msgspec.json.Decoder(_Full).decode
_plain = msgspec.json.Decoder(_Plain).decode
_repost = msgspec.json.Decoder(_Repost).decode

_OTHER: Final = (Ignored("other-event"),)
_IDENTITY: Final = (Ignored("identity"),)


class Handles:
    """Which handle an account has, as far as it was told: the latest of them, and always the brands' own."""

    def __init__(self) -> None:
        self._handles: OrderedDict[str, str] = OrderedDict()
        self._own: dict[str, str] = {}

    def get(self, did: str) -> str:
        """The handle, or ""."""
        return self._own.get(did) or self._handles.get(did, "")

    def keep(self, did: str, handle: str) -> None:
        """The account is a brand's, known by this handle in the settings."""
        self._own[did] = handle

    def note(self, did: str, handle: str) -> None:
        """The account has this handle now."""
        self._handles[did] = handle
        if len(self._handles) > _HANDLES_KEPT:
            self._handles.popitem(last=False)


def parse(payload: bytes, handles: Handles, shares: bool = True) -> Iterable[Found]:
    """What one message says. An identity event is remembered in `handles`, which has no other owner."""
    try:
        event = _event(payload)
        commit = event.commit
        if commit is None:
            if event.identity is not None and event.kind == "identity":
                handles.note(event.identity.did, event.identity.handle)
                return _IDENTITY
            return _OTHER
        at_ms = event.time_us // 1000
        if commit.collection == POST:
            id = f"at://{event.did}/{POST}/{commit.rkey}"
            if commit.operation == "delete":
                return (Deleted(_PLATFORM, id, at_ms),)
            return (_post(event, commit, id, at_ms, handles),)
        if commit.collection == REPOST and shares:
            id = f"at://{event.did}/{REPOST}/{commit.rkey}"
            if commit.operation == "delete":
                return (Deleted(_PLATFORM, id, at_ms),)
            return (_share(event, commit, id, at_ms, handles),)
        return _OTHER
    except (*JSON_TROUBLE, ValueError) as error:
        return (refused(error),)


def _post(event: _Event, commit: _Commit, id: str, at_ms: int, handles: Handles) -> Post | Refused:
    record: _Plain
    try:
        record = _full(commit.record)
        decorated = True
    except msgspec.ValidationError:
        record, decorated = _plain(commit.record), False
    did, reply = event.did, record.reply
    links: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    quoted, lang = "", ""
    if decorated:
        assert isinstance(record, _Full)  # noqa: S101 — what `_full` answers
        if record.langs:
            lang = record.langs[0][:64]
        if record.facets:
            features = [feature for facet in record.facets for feature in facet.features]
            links = tuple([one.uri for one in features if one.uri])
            dids = [one.did for one in features if one.did]
            named = tuple([name for one in dids for name in (one, handles.get(one)) if name])
        if (embed := record.embed) is not None:
            quoted, links = _embedded(embed, links)
    root_id = reply.root.uri if reply is not None else id
    parent_id = reply.parent.uri if reply is not None else ""
    return Post(
        platform=_PLATFORM,
        id=id,
        root_id=root_id,
        parent_id=parent_id,
        root_author=_did_of(root_id),
        created_ms=_created_ms(record.created_at, at_ms),
        author_id=did,
        handle=handles.get(did),
        kind="reply" if parent_id else "quote" if quoted else "post",
        quoted_id=quoted,
        text=record.text,
        lang=lang,
        url=f"https://bsky.app/profile/{did}/post/{commit.rkey}",
        links=links,
        named=named,
        edited_ms=at_ms if commit.operation == "update" else 0,
    )


def _share(event: _Event, commit: _Commit, id: str, at_ms: int, handles: Handles) -> Post:
    record = _repost(commit.record)
    subject = record.subject.uri
    return Post(
        platform=_PLATFORM,
        id=id,
        root_id=subject,
        parent_id=subject,
        root_author=_did_of(subject),
        created_ms=_created_ms(record.created_at, at_ms),
        author_id=event.did,
        handle=handles.get(event.did),
        kind="share",
    )


def _embedded(embed: _Embed, links: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The post that is quoted, and the links with that of the card."""
    quoted = ""
    if embed.record is not None:
        quoted = embed.record.uri or (embed.record.record.uri if embed.record.record is not None else "")
        if f"/{POST}/" not in quoted:
            quoted = ""  # a list or a feed can be embedded too
    card = embed.external or (embed.media.external if embed.media is not None else None)
    return quoted, (*links, card.uri) if card is not None and card.uri else links


def _did_of(uri: str) -> str:
    return uri[5:].partition("/")[0] if uri.startswith("at://") else ""


def _created_ms(claim: Any, at_ms: int) -> int:
    try:
        return min(moment_ms(claim), at_ms)
    except ValueError:
        return at_ms


class Bluesky(Source):
    """One connection to one of the servers, the next one after each break."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._turn = 0
        self._handles = Handles()
        self._unresolved = {name for name in context.accounts if "." in name and not name.startswith("did:")}
        self._unpack = _unpacker(settings)

    def parse(self, arrival: Arrival) -> Iterable[Found]:
        """One message."""
        return parse(arrival.payload or b"", self._handles, self._settings.shares)

    async def arrivals(self, since: Mapping[str, Cursor]) -> AsyncGenerator[Arrival, None]:
        """Messages of one server, from the cursor on, until it breaks."""
        settings = self._settings
        server = settings.servers[self._turn % len(settings.servers)]
        self._turn += 1
        cursor = since.get("")
        last_us = cursor if isinstance(cursor, int) else 0
        async with session(self._context.agent, total_s=None) as client:
            await self._resolve(client)
            with translated(server):
                connection = await client.ws_connect(
                    self._address(server, last_us),
                    max_msg_size=_LARGEST,
                    heartbeat=settings.silent_s,
                    timeout=aiohttp.ClientWSTimeout(ws_receive=settings.silent_s, ws_close=2.0),
                    decode_text=False,
                )
            log.info("connected to %s, cursor %s", server, last_us or "now")
            try:
                count, told_s = 0, 0.0
                while True:
                    with translated(server):
                        message = await connection.receive()
                    if message.type is aiohttp.WSMsgType.BINARY:
                        payload = self._unpack(message.data)
                    elif message.type is aiohttp.WSMsgType.TEXT:
                        payload = bytes(message.data)
                    else:
                        raise OutageError("closed", f"{server} closed the connection")
                    count += 1
                    now_s = time.monotonic()
                    if count % _CURSOR_EVERY and now_s - told_s < _CURSOR_EVERY_S:
                        yield Arrival(payload, last_us // 1000)
                        continue
                    told_s = now_s
                    try:
                        time_us = _head(payload).time_us
                    except JSON_TROUBLE:
                        yield Arrival(payload, last_us // 1000)
                        continue
                    last_us = max(last_us, time_us)
                    yield Arrival(payload, last_us // 1000, cursor=last_us)
            finally:
                await connection.close()

    def _address(self, server: str, last_us: int) -> str:
        query = [("wantedCollections", POST)]
        if self._settings.shares:
            query.append(("wantedCollections", REPOST))
        if last_us:
            query.append(("cursor", str(max(0, last_us - int(self._settings.rewind_s * 1_000_000)))))
        if self._settings.zstd_dictionary is not None:
            query.append(("compress", "true"))
        return f"{server}/subscribe?{urlencode(query)}"

    async def _resolve(self, client: aiohttp.ClientSession) -> None:
        """Ask whose the brands' handles are. What can't be told now is asked at the next connection."""
        for handle in sorted(self._unresolved):
            address = f"{self._settings.resolver}/xrpc/com.atproto.identity.resolveHandle"
            timeout = aiohttp.ClientTimeout(total=_RESOLVE_S)
            try:
                async with client.get(address, params={"handle": handle}, timeout=timeout) as response:
                    answer = await response.json() if response.status == 200 else {}
                    gone = response.status == 400
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                log.warning("the account %s can't be looked up now (%s)", handle, type(error).__name__)
                return
            did = answer.get("did") if isinstance(answer, dict) else None
            if isinstance(did, str) and did.startswith("did:"):
                self._handles.keep(did, handle)
            elif gone:
                log.warning("no account has the handle %s", handle)
            else:
                continue
            self._unresolved.discard(handle)


def _unpacker(settings: Settings) -> Callable[[bytes], bytes]:
    """What makes a message of a compressed frame. Raises UnusableError."""
    if settings.zstd_dictionary is None:
        return bytes
    import zstandard

    try:
        dictionary = zstandard.ZstdCompressionDict(settings.zstd_dictionary.read_bytes())
    except OSError as error:
        raise UnusableError("dictionary", f"the zstd dictionary can't be read ({error.strerror})") from None
    decompressor = zstandard.ZstdDecompressor(dict_data=dictionary)

    def unpack(frame: bytes) -> bytes:
        try:
            return decompressor.decompress(frame, max_output_size=_LARGEST)
        except zstandard.ZstdError:
            raise OutageError("undecodable", "a frame can't be unpacked: the dictionary is another") from None

    return unpack
