"""The signed webhook: anybody who listens for us posts mentions here, in the wire form.

Law of this file: a body is one mention or a list of them, and each is judged by itself. One that names its
brand is passed on as it is; one that does not is a post as any platform's, and its text is matched. Who may
post is decided by Standard Webhooks 1.0 (https://www.standardwebhooks.com): headers `webhook-id`,
`webhook-timestamp` and `webhook-signature`, so any sender that knows it needs no code of ours. What a
recorded request could do within the window is to say again what was said: the same ids count once.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from typing import Final, Literal

import msgspec

from agents.source_settings import Webhook as Settings
from agents.sources.fields import JSON_TROUBLE, moment_ms, refused
from agents.sources.inbox import Answer, Inboxes, Knock
from agents.sources.signature import key_of, standard
from agents.sources.source import Arrival, Context, Cursor, Source
from streams.mention import Reason
from streams.post import Deleted, Found, Post, Ready, Refused

__all__ = ["Webhook"]


class _Who(msgspec.Struct, frozen=True, gc=False):
    id: str
    handle: str | None = None
    followers: int | None = None


class _Unbranded(msgspec.Struct, frozen=True, gc=False):
    """A mention without its brand: the fields of the wire form, as far as a post has them."""

    id: str
    platform: str
    thread_id: str
    author: _Who
    created_at: str | int
    parent_id: str | None = None
    kind: Literal["post", "reply", "quote", "share"] | None = None
    text: str | None = None
    lang: str | None = None
    url: str | None = None
    quoted_id: str | None = None
    links: tuple[str, ...] = ()
    edited_at: str | int | None = None
    deleted: bool = False


class _Brand(msgspec.Struct, frozen=True, gc=False):
    brand: msgspec.Raw = msgspec.Raw(b"")


_brand_of = msgspec.json.Decoder(_Brand).decode
_unbranded = msgspec.json.Decoder(_Unbranded).decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_any = msgspec.json.Decoder(msgspec.Raw).decode
ITEMS_MOST: Final = 10_000  # of one request


class Webhook(Source):
    """What is posted to one path, signed with one of `keys` (several while one is being replaced)."""

    def __init__(
        self,
        settings: Settings,
        context: Context,
        inboxes: Inboxes,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._inboxes, self._now_s = settings, inboxes, now_s
        self._keys = [key_of(key.get_secret_value()) for key in settings.keys]
        self._away: Counter[str] = Counter()
        self.port = 0  # where it listens, while it does

    def parse(self, arrival: Arrival) -> Iterable[Found]:
        """Each mention as it is; that it is a right one is checked with all the others."""
        body = (arrival.payload or b"").lstrip(b" \t\r\n\xef\xbb\xbf")
        try:
            if not body.startswith(b"["):
                return [_found(bytes(_any(body)))]
            items = _list(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return [Refused(Reason.NOT_JSON, "the body is neither a JSON object nor a list of them")]
        if len(items) > ITEMS_MOST:
            return [Refused(Reason.BAD_FIELD, f"a list has at most {ITEMS_MOST} mentions")]
        return [_found(bytes(one)) for one in items]

    def turned_away(self) -> Mapping[str, int]:
        """Requests that were not let in."""
        return self._away

    async def arrivals(self, since: Mapping[str, Cursor]) -> AsyncGenerator[Arrival, None]:
        """Every request that is signed; there are no cursors: the sender keeps what was not stored."""
        given = self._settings
        async with self._inboxes.reading(
            given.host, given.port, given.path, self._guard, self._away, limit=given.max_body_bytes
        ) as (queue, self.port):
            while True:
                yield await queue.get()

    def _guard(self, knock: Knock) -> Answer | None:
        if knock.method != "POST":
            return Answer(405, "POST")
        wrong = standard(knock.headers, knock.body, self._keys, self._now_s(), self._settings.tolerance_s)
        return Answer(401, wrong) if wrong else None


def _found(item: bytes) -> Found:
    try:
        if bytes(_brand_of(item).brand) not in (b"", b"null"):
            return Ready(item)
        told = _unbranded(item)
        if told.deleted:
            return Deleted(told.platform, told.id, moment_ms(told.created_at))
        return Post(
            platform=told.platform,
            id=told.id,
            root_id=told.thread_id,
            created_ms=moment_ms(told.created_at),
            author_id=told.author.id,
            handle=told.author.handle or "",
            followers=told.author.followers,
            kind=told.kind or ("reply" if told.parent_id else "post"),
            parent_id=told.parent_id or "",
            quoted_id=told.quoted_id or "",
            text=told.text or "",
            lang=told.lang or "",
            url=told.url or "",
            links=told.links,
            edited_ms=moment_ms(told.edited_at) if told.edited_at is not None else 0,
        )
    except (*JSON_TROUBLE, ValueError) as error:
        return refused(error, item)
