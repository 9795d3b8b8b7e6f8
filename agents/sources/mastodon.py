"""What one server of Mastodon's kind knows of the public: its streaming API, and its timelines after a break.

Law of this file: a post's id is its `uri`, the same on every server, so that two servers that tell of it tell
of one; what is the server's own (status ids) stays within. The root of an answer is found by walking its
context once, and only where a text is worth the request; the server's rate limit decides how often.

Payloads: https://docs.joinmastodon.org/methods/streaming/#websocket, /entities/Status/, /methods/timelines/
and /methods/statuses/#context. aiohttp speaks to it directly: Mastodon.py is synchronous, a thread for each
stream.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Final

import aiohttp
import msgspec

from agents.source_settings import Mastodon as Settings
from agents.sources.fields import JSON_TROUBLE, moment_ms, refused, text_of_html
from agents.sources.http import checked, session, translated
from agents.sources.source import Arrival, Context, Cursor, OutageError, Source, UnusableError
from streams.mention import Reactions, Reason
from streams.post import Deleted, Found, Ignored, Post, Refused

__all__ = ["Known", "Mastodon", "Statuses", "parse"]

log = logging.getLogger(__name__)

_PLATFORM: Final = "mastodon"
_PUBLIC: Final = frozenset({"public", "unlisted"})
_LARGEST: Final = 4 << 20  # bytes of a message
_HEARTBEAT_S: Final = 30.0
_SIGN_OF_LIFE_S: Final = 60.0
_KEPT: Final = 100_000  # statuses whose root is remembered: some 40 MB
_PAGE: Final = 40
_RESERVE: Final = 20  # requests of the rate limit that walking leaves to others
_SNOWFLAKE: Final = 16  # bits behind the milliseconds of a status id


class _Account(msgspec.Struct, gc=False):
    acct: str
    followers_count: int | None = None


class _Named(msgspec.Struct, gc=False):
    acct: str = ""


class _Card(msgspec.Struct, gc=False):
    url: str | None = None


class _Uri(msgspec.Struct, gc=False):
    uri: str


class _Quote(msgspec.Struct, gc=False):
    quoted_status: _Uri | None = None


class _Status(msgspec.Struct, gc=False):
    id: str
    uri: str
    created_at: Any
    account: _Account
    visibility: str = "public"
    content: str = ""
    spoiler_text: str = ""
    in_reply_to_id: str | None = None
    edited_at: Any = None
    language: str | None = None
    url: str | None = None
    reblog: _Uri | None = None
    mentions: list[_Named] = []
    card: _Card | None = None
    quote: _Quote | None = None
    replies_count: int = 0
    reblogs_count: int = 0
    favourites_count: int = 0


class _Frame(msgspec.Struct, gc=False):
    event: str | None = None
    payload: str | None = None
    error: str | None = None
    status: int | None = None


class _Context(msgspec.Struct, gc=False):
    ancestors: list[_Status] = []


_frame = msgspec.json.Decoder(_Frame).decode
_status = msgspec.json.Decoder(_Status).decode
_context = msgspec.json.Decoder(_Context).decode
_page = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Known(msgspec.Struct, frozen=True, gc=False):
    """What is remembered of a status: where its thread begins, and who began it."""

    uri: str
    root_uri: str
    root_author: str


class Statuses:
    """The statuses of one server that were seen lately, by its own ids. One owner."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Known] = OrderedDict()

    def get(self, id: str) -> Known | None:
        """What is known of a status."""
        return self._known.get(id)

    def note(self, status: _Status, server: str) -> Known:
        """Remember a status; its thread is that of what it answers, as far as that is known."""
        above = self._known.get(status.in_reply_to_id) if status.in_reply_to_id else None
        if above is not None:
            known = Known(status.uri, above.root_uri, above.root_author)
        elif status.in_reply_to_id:
            root_id = _stand_in(server, status.in_reply_to_id)
            return self._known.get(status.id) or Known(status.uri, root_id, "")  # walked later, perhaps
        else:
            known = Known(status.uri, status.uri, _full(status.account.acct, server))
        self._known[status.id] = known
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return known


def parse(payload: bytes, server: str, statuses: Statuses) -> Iterable[Found]:
    """What one message of the stream says, or one status of a timeline; `server` is the server's name.

    What is seen is remembered in `statuses`, which has no other owner.
    """
    try:
        frame = _frame(payload)
        if frame.error is not None:
            return (Ignored("error"),)
        if frame.event is None:
            return (_post(_status(payload), server, statuses),)
        if frame.event == "delete":
            known = statuses.get(frame.payload or "")
            at_ms = 0  # the message has no time: that of its arrival is put in
            return (
                Deleted(_PLATFORM, known.uri, at_ms) if known is not None else Ignored("unknown-deletion"),
            )
        if frame.event not in ("update", "status.update"):
            return (Ignored("other-event"),)
        if frame.payload is None:
            return (Refused(Reason.BAD_FIELD, "an update without its payload"),)
        status = _status(frame.payload.encode("utf-8", "surrogatepass"))
        if status.reblog is not None:
            return (_share(status, server),)
        return (_post(status, server, statuses),)
    except (*JSON_TROUBLE, ValueError) as error:
        return (refused(error),)


def _post(status: _Status, server: str, statuses: Statuses) -> Post | Ignored:
    if status.visibility not in _PUBLIC:
        return Ignored("not-public")
    created_ms = moment_ms(status.created_at)
    text, links = text_of_html(status.content)
    if status.spoiler_text:
        text = f"{status.spoiler_text}\n{text}"
    if status.card is not None and status.card.url:
        links = (*links, status.card.url)
    known = statuses.note(status, server)
    parent_id = ""
    if status.in_reply_to_id:
        above = statuses.get(status.in_reply_to_id)
        parent_id = above.uri if above is not None else _stand_in(server, status.in_reply_to_id)
    quoted = status.quote.quoted_status.uri if status.quote and status.quote.quoted_status else ""
    is_root = known.root_uri == status.uri
    return Post(
        platform=_PLATFORM,
        id=status.uri,
        root_id=known.root_uri,
        root_author=known.root_author,
        parent_id=parent_id,
        created_ms=created_ms,
        author_id=_full(status.account.acct, server),
        handle=_full(status.account.acct, server),
        followers=max(0, status.account.followers_count or 0),
        kind="reply" if parent_id else "quote" if quoted else "post",
        quoted_id=quoted,
        text=text,
        lang=(status.language or "")[:64],
        url=status.url or "",
        links=links,
        named=tuple([_full(one.acct, server) for one in status.mentions if one.acct]),
        reactions=Reactions(
            max(0, status.favourites_count), max(0, status.reblogs_count), max(0, status.replies_count)
        )
        if is_root
        else None,
        edited_ms=moment_ms(status.edited_at) if status.edited_at is not None else 0,
    )


def _share(status: _Status, server: str) -> Post | Ignored:
    if status.visibility not in _PUBLIC or status.reblog is None:
        return Ignored("not-public")
    return Post(
        platform=_PLATFORM,
        id=status.uri,
        root_id=status.reblog.uri,
        parent_id=status.reblog.uri,
        created_ms=moment_ms(status.created_at),
        author_id=_full(status.account.acct, server),
        handle=_full(status.account.acct, server),
        followers=max(0, status.account.followers_count or 0),
        kind="share",
    )


def _full(acct: str, server: str) -> str:
    """An account's name with its server; the server's own people are told without."""
    return (acct if "@" in acct else f"{acct}@{server}").lower()


def _stand_in(server: str, id: str) -> str:
    return f"mastodon:{server}:{id}"


class Mastodon(Source):
    """One connection for all streams of a server."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._server = settings.server.partition("://")[2]
        self._statuses = Statuses()
        self._left: float | None = None  # of the rate limit
        self._reset_s = 0.0

    def budgets(self) -> Mapping[str, float]:
        """Requests that the server still grants within its five minutes."""
        return {} if self._left is None else {"requests": self._left}

    def parse(self, arrival: Arrival) -> Iterable[Found]:
        """One message, or one status."""
        found = parse(arrival.payload or b"", self._server, self._statuses)
        return [
            Deleted(one.platform, one.id, arrival.at_ms) if isinstance(one, Deleted) else one for one in found
        ]

    async def arrivals(self, since: Mapping[str, Cursor]) -> AsyncGenerator[Arrival, None]:
        """What the timelines hold since the cursor, then what the streams bring."""
        cursor = since.get("")
        latest = int(cursor) if isinstance(cursor, str) and cursor.isascii() and cursor.isdecimal() else 0
        headers = {}
        if self._settings.token is not None:
            headers["Authorization"] = f"Bearer {self._settings.token.get_secret_value()}"
        async with session(self._context.agent, total_s=None) as client:
            client.headers.update(headers)
            with translated(self._server):
                connection = await client.ws_connect(
                    await self._streaming(client) + "/api/v1/streaming",
                    max_msg_size=_LARGEST,
                    heartbeat=_HEARTBEAT_S,
                    timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
                    decode_text=False,
                )
                for stream in self._settings.streams:
                    await connection.send_json(_subscription(stream))
            try:
                # Subscribed first, so that what is written while the timelines are read is not missed.
                if latest:
                    async with aclosing(self._missed(client, latest)) as missed:
                        async for raw in missed:
                            latest = max(latest, await self._find_root(client, raw))
                            yield Arrival(raw, _now_ms())
                    # Only now: the other timelines are read back from the same moment.
                    yield Arrival(None, _now_ms(), cursor=str(latest))
                while True:
                    with translated(self._server):
                        try:
                            message = await connection.receive(timeout=_SIGN_OF_LIFE_S)
                        except TimeoutError:
                            message = None
                    if message is None:
                        yield Arrival(None, _now_ms())  # quiet, and alive: the heartbeat is answered
                        continue
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        raise OutageError("closed", f"{self._server} closed the connection")
                    payload = bytes(message.data)
                    _raise_error(payload, self._server)
                    latest = max(latest, await self._find_root(client, payload))
                    yield Arrival(payload, _now_ms(), cursor=str(latest) if latest else None)
            finally:
                await connection.close()

    async def _streaming(self, client: aiohttp.ClientSession) -> str:
        """Where the streams are: not always where the rest is."""
        async with client.get(f"{self._settings.server}/api/v2/instance") as response:
            if response.status != 200:
                return self._settings.server
            try:
                told = msgspec.json.decode(await response.read())
                address = told["configuration"]["urls"]["streaming"]
            except (*JSON_TROUBLE, KeyError, TypeError):
                return self._settings.server
        return address.rstrip("/") if isinstance(address, str) and address else self._settings.server

    async def _missed(self, client: aiohttp.ClientSession, latest: int) -> AsyncGenerator[bytes, None]:
        """The statuses of all timelines since some time before `latest`, each timeline's oldest first."""
        begin = max(0, (latest >> _SNOWFLAKE) - int(self._settings.rewind_s * 1000)) << _SNOWFLAKE
        for stream in self._settings.streams:
            path, query = _timeline(stream)
            upto = begin
            for _ in range(self._settings.backfill_pages):
                raws = await self._get(client, path, {**query, "min_id": str(upto), "limit": str(_PAGE)})
                if not raws:
                    break
                for raw in reversed(raws):
                    upto = max(upto, _id_of(raw))
                    yield raw
            else:
                if self._settings.backfill_pages:
                    log.warning("%s %s: more was missed than is read back", self._server, stream)

    async def _get(self, client: aiohttp.ClientSession, path: str, query: Mapping[str, str]) -> list[bytes]:
        with translated(self._server):
            async with client.get(
                self._settings.server + path, params=query, timeout=aiohttp.ClientTimeout(total=30)
            ) as response:
                self._heed(response)
                checked(response, self._server)
                body = await response.read()
        try:
            return [bytes(one) for one in _page(body)]
        except JSON_TROUBLE:
            raise OutageError("undecodable", f"{self._server} answers with no list of posts") from None

    async def _find_root(self, client: aiohttp.ClientSession, payload: bytes) -> int:
        """Walk the context of an answer to something unknown, if its text is wanted. The status' own id."""
        try:
            frame = _frame(payload)
            if frame.event not in (None, "update", "status.update"):
                return 0
            text = payload if frame.event is None else (frame.payload or "").encode("utf-8", "surrogatepass")
            status = _status(text)
        except JSON_TROUBLE:
            return 0
        id = int(status.id) if status.id.isascii() and status.id.isdecimal() and len(status.id) < 20 else 0
        if not status.in_reply_to_id or self._statuses.get(status.in_reply_to_id) is not None:
            return id
        by_brand = _full(status.account.acct, self._server) in self._context.accounts
        if not (by_brand or self._context.wants(text_of_html(status.content)[0])) or not self._may_ask():
            return id
        try:
            with translated(self._server):
                async with client.get(
                    f"{self._settings.server}/api/v1/statuses/{status.id}/context",
                    timeout=aiohttp.ClientTimeout(total=10),
                ) as response:
                    self._heed(response)
                    if response.status == 200:
                        for one in _context(await response.read()).ancestors:
                            self._statuses.note(one, self._server)
        except (OutageError, *JSON_TROUBLE) as error:
            log.warning("%s: a thread's root can't be found (%s)", self._server, type(error).__name__)
        return id

    def _may_ask(self) -> bool:
        return self._left is None or self._left > _RESERVE or time.time() > self._reset_s

    def _heed(self, response: aiohttp.ClientResponse) -> None:
        try:
            self._left = float(response.headers["X-RateLimit-Remaining"])
            self._reset_s = moment_ms(response.headers["X-RateLimit-Reset"]) / 1000
        except (KeyError, ValueError):
            return


def _subscription(stream: str) -> dict[str, str]:
    if stream.startswith("hashtag:"):
        head, _, tag = stream.rpartition(":")
        return {"type": "subscribe", "stream": head, "tag": tag}
    return {"type": "subscribe", "stream": stream}


def _timeline(stream: str) -> tuple[str, dict[str, str]]:
    if stream.startswith("hashtag:"):
        head, _, tag = stream.rpartition(":")
        return f"/api/v1/timelines/tag/{tag}", {"local": "true"} if head.endswith("local") else {}
    _, _, which = stream.partition(":")
    return "/api/v1/timelines/public", {which: "true"} if which else {}


def _id_of(raw: bytes) -> int:
    try:
        id = msgspec.json.decode(raw, type=_Id).id
    except JSON_TROUBLE:
        return 0
    return int(id) if id.isascii() and id.isdecimal() and len(id) < 20 else 0


class _Id(msgspec.Struct, gc=False):
    id: str = ""


def _raise_error(payload: bytes, server: str) -> None:
    """Raise what the server says of a subscription that it refuses."""
    try:
        frame = _frame(payload)
    except JSON_TROUBLE:
        return
    if frame.error is None or frame.event is not None:
        return
    if frame.status in (400, 401, 403, 404):
        raise UnusableError("refused", f"{server} refuses a stream with {frame.status}")
    raise OutageError("refused", f"{server} refuses a stream")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
