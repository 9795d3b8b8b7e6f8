"""Facebook Pages and Instagram accounts, as Meta's webhooks tell of them.

Law of this file: a notification is a list of entries of changes, and each change is judged by itself. Fields
are those of Meta's Webhooks reference (objects `page`, field `feed`; `instagram`, fields `comments` and
`live_comments`). The root is the Page's post or the account's media; a comment answers it or another comment.
Meta tells of a Page only to an app that the Page has installed, so all that comes is about a brand of ours.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from agents.secret import clear
from agents.source_settings import Meta as Settings
from agents.sources.inbox import Answer, Inboxes, Knock
from agents.sources.signature import hub
from agents.sources.source import Arrival, Context, Cursor, Source
from streams.mention import Reason
from streams.post import Deleted, Found, Ignored, Post, Refused

__all__ = ["Meta"]

#: Items of a `feed` change that are posts; everything else but comments and reactions is none of ours.
_POSTS: Final = frozenset(
    {"status", "post", "photo", "video", "share", "link", "album", "reel", "note", "event"}
)
_REACTIONS: Final = frozenset({"reaction", "like"})
_EDITS: Final = frozenset({"edit", "edited", "update"})
_REMOVALS: Final = frozenset({"remove", "delete"})
_MS_FROM: Final = 100_000_000_000  # a time above it is in milliseconds: seconds reach it in the year 5138
_DETAIL_LIMIT: Final = 200


class _Who(msgspec.Struct, frozen=True, gc=False):
    id: str | int
    username: str | None = None  # Instagram's; Facebook tells a name, which is nobody's business here
    self_ig_scoped_id: str | int | None = None


class _Media(msgspec.Struct, frozen=True, gc=False):
    id: str | int


class _Feed(msgspec.Struct, frozen=True, gc=False, rename={"from_": "from"}):
    """The value of a `feed` change. `from` is there only if the app has pages_read_user_content."""

    item: str
    verb: str
    post_id: str | int | None = None
    comment_id: str | int | None = None
    parent_id: str | int | None = None
    message: str | None = None
    link: str | None = None
    created_time: int | None = None
    from_: _Who | None = None
    sender_id: str | int | None = None  # in notifications of old API versions


class _Comment(msgspec.Struct, frozen=True, gc=False, rename={"from_": "from"}):
    """The value of a `comments` change of Instagram; it says nothing of when it was written."""

    id: str | int
    from_: _Who
    media: _Media
    text: str | None = None
    parent_id: str | int | None = None


class _Change(msgspec.Struct, frozen=True, gc=False):
    field: str
    value: msgspec.Raw = msgspec.Raw(b"null")


class _Entry(msgspec.Struct, frozen=True, gc=False):
    """Of one Page or account. Apps with Instagram Login get field and value without a list around them."""

    id: str | int
    time: int = 0
    changes: list[msgspec.Raw] = []
    field: str | None = None
    value: msgspec.Raw = msgspec.Raw(b"null")


class _Notice(msgspec.Struct, frozen=True, gc=False):
    object: str
    entry: list[msgspec.Raw]


_WRONG: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)
_as_notice = msgspec.json.Decoder(_Notice).decode
_as_notices = msgspec.json.Decoder(list[_Notice]).decode
_as_entry = msgspec.json.Decoder(_Entry).decode
_as_change = msgspec.json.Decoder(_Change).decode
_as_feed = msgspec.json.Decoder(_Feed).decode
_as_comment = msgspec.json.Decoder(_Comment).decode


class Meta(Source):
    """What Meta posts to one path. Answers its challenge, and lets in what the app's secret signed."""

    def __init__(self, settings: Settings, context: Context, inboxes: Inboxes) -> None:
        self._settings, self._inboxes = settings, inboxes
        self._secret = clear(settings.app_secret).encode()
        self._verify_token = clear(settings.verify_token).encode()
        self._away: Counter[str] = Counter()
        self.port = 0  # where it listens, while it does

    def parse(self, arrival: Arrival) -> Iterable[Found]:
        """The changes of a notification."""
        payload = arrival.payload or b""
        try:
            notices = _as_notices(payload) if payload.lstrip()[:1] == b"[" else [_as_notice(payload)]
        except _WRONG as error:
            return [_refused(error, None)]
        return [
            found
            for notice in notices
            for raw in notice.entry
            for found in self._entry(notice.object, raw, arrival.at_ms)
        ]

    def turned_away(self) -> Mapping[str, int]:
        """Requests that were not let in."""
        return self._away

    async def arrivals(self, since: Mapping[str, Cursor]) -> AsyncGenerator[Arrival, None]:
        """Every notification that is signed; there are no cursors: Meta tries for 36 hours."""
        given = self._settings
        async with self._inboxes.reading(
            given.host,
            given.port,
            given.path,
            self._guard,
            self._away,
            limit=given.max_body_bytes,
            success=200,
        ) as (queue, self.port):
            while True:
                yield await queue.get()

    def _guard(self, knock: Knock) -> Answer | None:
        if knock.method == "GET":
            given = knock.query.get("hub.verify_token", "")
            same = hmac.compare_digest(given.encode("utf-8", "replace"), self._verify_token)
            challenge = knock.query.get("hub.challenge", "")
            # What is given back is Meta's number, and never markup of a stranger's.
            if knock.query.get("hub.mode") != "subscribe" or not same or not challenge.isalnum():
                return Answer(403, "wrong-token")
            return Answer(200, challenge[:200])
        wrong = hub(knock.headers.get("x-hub-signature-256", ""), knock.body, self._secret)
        return Answer(401, wrong) if wrong else None

    def _entry(self, object: str, raw: msgspec.Raw, at_ms: int) -> Iterator[Found]:
        try:
            entry = _as_entry(raw)
        except _WRONG as error:
            yield _refused(error, raw)
            return
        page = str(entry.id)
        brand = self._settings.pages.get(page)
        if brand is None:
            yield Ignored("unknown-page")
            return
        told_ms = _ms(entry.time) or at_ms
        changes = [_Change(entry.field, entry.value)] if entry.field is not None else []
        for one in entry.changes:
            try:
                changes.append(_as_change(one))
            except _WRONG as error:
                yield _refused(error, one)
        if not changes and not entry.changes:
            yield Ignored("no-changes")  # messages: nobody's public business
        for change in changes:
            try:
                if object == "page" and change.field == "feed":
                    yield _feed(_as_feed(change.value), page, brand, told_ms)
                elif object == "instagram" and change.field in ("comments", "live_comments"):
                    yield _comment(_as_comment(change.value), page, brand, told_ms)
                else:
                    yield Ignored("other-field")
            except _WRONG as error:
                yield _refused(error, change.value)


def _feed(value: _Feed, page: str, brand: str, told_ms: int) -> Found:
    if value.item in _REACTIONS:
        return Ignored("reaction")  # one by one, and no sum that would outlive a restart
    comment = value.item == "comment"
    if not comment and value.item not in _POSTS:
        return Ignored("other-item")
    post_id = _id("facebook", value.post_id)
    own_id = _id("facebook", value.comment_id) if comment else post_id
    if value.verb in _REMOVALS:
        return Deleted("facebook", own_id, told_ms)
    if value.verb not in _EDITS and value.verb != "add":
        return Ignored("other-verb")  # hidden, shown again: it is still there
    who = value.from_
    author = str(who.id) if who is not None else str(value.sender_id or "")
    from_page = author == page
    return Post(
        platform="facebook",
        id=own_id,
        root_id=post_id,
        created_ms=_ms(value.created_time or 0) or told_ms,
        # Who is not named is somebody all the same, and most likely not the one before.
        author_id=author or f"unnamed:{own_id}",
        kind="reply" if comment else "post",
        parent_id=_id("facebook", value.parent_id or value.post_id) if comment else "",
        text=value.message or "",
        url=f"https://www.facebook.com/{value.comment_id if comment else value.post_id}",
        links=(value.link,) if value.link else (),
        brands=(brand,),
        own=from_page,
        edited_ms=told_ms if value.verb in _EDITS else 0,
    )


def _comment(value: _Comment, account: str, brand: str, told_ms: int) -> Found:
    media_id = _id("instagram", value.media.id)
    who = value.from_
    return Post(
        platform="instagram",
        id=_id("instagram", value.id),
        root_id=media_id,
        created_ms=told_ms,
        author_id=str(who.id),
        handle=who.username or "",
        kind="reply",
        parent_id=_id("instagram", value.parent_id) if value.parent_id else media_id,
        text=value.text or "",
        brands=(brand,),
        # Meta names the account itself by this field, whatever the scoped id is
        own=str(who.id) == account or who.self_ig_scoped_id is not None,
    )


def _id(platform: str, id: str | int | None) -> str:
    if not id:
        raise ValueError("an id is missing")
    return f"{platform}:{id}"


def _ms(time: int) -> int:
    """Seconds or milliseconds since the epoch, as milliseconds."""
    return time if time >= _MS_FROM else time * 1000


def _refused(error: Exception, raw: msgspec.Raw | None) -> Refused:
    reason = (
        Reason.BAD_FIELD if isinstance(error, msgspec.ValidationError) or raw is not None else Reason.NOT_JSON
    )
    detail = "".join(c if c.isprintable() else "?" for c in str(error)[:_DETAIL_LIMIT])
    return Refused(reason, detail, None if raw is None else bytes(raw))
