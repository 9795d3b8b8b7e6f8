"""X's API v2 as both of its sources speak it: its shapes, what is in them, and how long to wait.

Law of this file: pure but for the memory of failures in `Waits`. Shapes are those of docs.x.com, waits those
of its page "Handling disconnections": a dropped stream at once; network errors 250 ms more each time to 16 s;
HTTP errors from 5 s doubling to 320 s; 429 from 60 s doubling, and never before the reset that it names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from agents.sources.fields import JSON_TROUBLE, moment_ms, refused
from agents.sources.source import OutageError
from streams.mention import Kind, Reactions
from streams.post import Count, Deleted, Found, Ignored, Post

__all__ = [
    "SETTLED_MS", "WEEK_MS", "Waits", "as_buckets", "as_page", "as_rules", "gone_in", "id_ms", "is_farewell",
    "parse_counts", "parse_lookup", "parse_post", "post_id",
]  # fmt: skip

WEEK_MS: Final = 7 * 86_400_000  # as far back as recent search and counts go
SETTLED_MS: Final = 30_000  # X asks for an end this far back
_EPOCH_MS: Final = 1_288_834_974_657  # of X's ids: their upper bits are milliseconds since then
_KINDS: Final[Mapping[str, Kind]] = {"retweeted": "share", "quoted": "quote", "replied_to": "reply"}
_WRONG: Final = (*JSON_TROUBLE, ValueError, OverflowError)


class _Named(msgspec.Struct, frozen=True, gc=False):
    username: str = ""
    id: str = ""


class _Link(msgspec.Struct, frozen=True, gc=False):
    expanded_url: str = ""
    unwound_url: str = ""


class _Entities(msgspec.Struct, frozen=True, gc=False):
    mentions: list[_Named] = []
    urls: list[_Link] = []


class _Reference(msgspec.Struct, frozen=True, gc=False):
    type: str
    id: str


class _Metrics(msgspec.Struct, frozen=True, gc=False):
    retweet_count: int = 0
    reply_count: int = 0
    like_count: int = 0
    quote_count: int = 0
    impression_count: int = 0


class _Note(msgspec.Struct, frozen=True, gc=False):
    """A post of more than 280 characters in full."""

    text: str
    entities: _Entities = _Entities()


class _Data(msgspec.Struct, frozen=True, gc=False):
    id: str
    text: str
    author_id: str
    created_at: str
    conversation_id: str = ""
    in_reply_to_user_id: str = ""
    referenced_tweets: list[_Reference] = []
    entities: _Entities = _Entities()
    lang: str = ""
    public_metrics: _Metrics | None = None
    edit_history_tweet_ids: list[str] = []
    note_tweet: _Note | None = None


class _UserMetrics(msgspec.Struct, frozen=True, gc=False):
    followers_count: int | None = None


class _User(msgspec.Struct, frozen=True, gc=False):
    id: str
    username: str = ""
    public_metrics: _UserMetrics = _UserMetrics()


class _Includes(msgspec.Struct, frozen=True, gc=False):
    users: list[_User] = []


class _Rule(msgspec.Struct, frozen=True, gc=False):
    tag: str = ""


class _Line(msgspec.Struct, frozen=True, gc=False):
    """One line of the stream."""

    data: _Data
    includes: _Includes = _Includes()
    matching_rules: list[_Rule] = []


class _Probe(msgspec.Struct, frozen=True, gc=False):
    """Whether a line is a post or X's farewell."""

    data: msgspec.Raw = msgspec.Raw(b"")
    errors: list[msgspec.Raw] = []
    title: str = ""


class _Page(msgspec.Struct, frozen=True, gc=False):
    """One answer of recent search."""

    data: list[msgspec.Raw] = []
    includes: msgspec.Raw = msgspec.Raw(b"{}")
    meta: dict[str, Any] = {}


class _OwnRule(msgspec.Struct, frozen=True, gc=False):
    id: str
    value: str
    tag: str = ""


class _OwnRules(msgspec.Struct, frozen=True, gc=False):
    data: list[_OwnRule] = []
    errors: list[msgspec.Raw] = []


class _Bucket(msgspec.Struct, frozen=True, gc=False):
    start: str
    end: str
    tweet_count: int


class _Buckets(msgspec.Struct, frozen=True, gc=False):
    data: list[msgspec.Raw]
    meta: dict[str, Any] = {}


class _PostId(msgspec.Struct, frozen=True, gc=False):
    id: str


class _Absent(msgspec.Struct, frozen=True, gc=False):
    resource_id: str = ""
    resource_type: str = ""


class _Looked(msgspec.Struct, frozen=True, gc=False):
    """One answer of post lookup: what can't be shown to us any more is named among the errors."""

    errors: list[_Absent] = []


_as_named = msgspec.json.Decoder(_PostId).decode
_as_looked = msgspec.json.Decoder(_Looked).decode
_as_line = msgspec.json.Decoder(_Line).decode
_as_probe = msgspec.json.Decoder(_Probe).decode
as_page = msgspec.json.Decoder(_Page).decode
as_rules = msgspec.json.Decoder(_OwnRules).decode
as_buckets = msgspec.json.Decoder(_Buckets).decode
_as_bucket = msgspec.json.Decoder(_Bucket).decode


def parse_post(payload: bytes, brand_of: Callable[[str], str] = lambda tag: "") -> Found:
    """The post in one line of the stream; `brand_of` says whose a rule is, by its tag ("": nobody's)."""
    try:
        line = _as_line(payload)
        data = line.data
        note = data.note_tweet
        versions = data.edit_history_tweet_ids or [data.id]
        edited = len(versions) > 1 and data.id != versions[0]
        at_ms = moment_ms(data.created_at)
        user = next((one for one in line.includes.users if one.id == data.author_id), None)
        referenced = {_KINDS[one.type]: one.id for one in data.referenced_tweets if one.type in _KINDS}
        kind: Kind = next((one for one in ("share", "reply", "quote") if one in referenced), "post")
        own_id = f"x:{versions[0]}"
        root = data.conversation_id or data.id
        root_id = own_id if root in versions or kind == "share" else f"x:{root}"
        parent_id = f"x:{referenced['reply']}" if "reply" in referenced else ""
        quoted = referenced.get("share") or referenced.get("quote")
        entities = (data.entities, note.entities) if note is not None else (data.entities,)
        metrics = data.public_metrics
        return Post(
            platform="x",
            id=own_id,
            root_id=root_id,
            root_author=data.in_reply_to_user_id if parent_id == root_id else "",
            created_ms=(id_ms(versions[0]) or at_ms) if edited else at_ms,
            author_id=data.author_id,
            handle=user.username if user is not None else "",
            followers=user.public_metrics.followers_count if user is not None else None,
            kind=kind,
            parent_id=parent_id,
            quoted_id=f"x:{quoted}" if quoted else "",
            text=note.text if note is not None else data.text,
            lang="" if data.lang in ("und", "zxx") else data.lang,  # X's words for "we don't know"
            url=f"https://x.com/i/status/{data.id}",
            links=tuple(one.unwound_url or one.expanded_url for some in entities for one in some.urls),
            named=tuple(
                word for some in entities for one in some.mentions for word in (one.username, one.id) if word
            ),
            reactions=None
            if metrics is None or root_id != own_id
            else Reactions(
                metrics.like_count,
                metrics.retweet_count + metrics.quote_count,
                metrics.reply_count,
                metrics.impression_count,
            ),
            brands=tuple(sorted({brand for one in line.matching_rules if (brand := brand_of(one.tag))})),
            edited_ms=at_ms if edited else 0,
        )
    except _WRONG as error:
        return refused(error)


def parse_lookup(payload: bytes, at_ms: int) -> list[Found]:
    """The deletions in one answer of post lookup: posts that are gone, or whose authors are, or hide."""
    try:
        errors = _as_looked(payload).errors
    except _WRONG as error:
        return [refused(error)]
    gone = [Deleted("x", f"x:{one.resource_id}", at_ms) for one in errors if _is_post(one)]
    return [*gone] or [Ignored("still-there")]


def _is_post(absent: _Absent) -> bool:
    return absent.resource_type in ("tweet", "post") and absent.resource_id.isdecimal()


def parse_counts(payload: bytes, feed: str, brand: str, interval_s: int) -> list[Found]:
    """The intervals of one answer of recent counts; those that are no whole interval are ignored."""
    try:
        listed = as_buckets(payload)
    except _WRONG as error:
        return [refused(error)]
    found: list[Found] = []
    for raw in listed.data:
        try:
            bucket = _as_bucket(raw)
            started_ms, ended_ms = moment_ms(bucket.start), moment_ms(bucket.end)
            if ended_ms - started_ms == interval_s * 1000:
                found.append(Count("x", feed, brand, started_ms, interval_s, bucket.tweet_count))
            else:
                found.append(Ignored("part-of-interval"))
        except _WRONG as error:
            found.append(refused(error, bytes(raw)))
    return found or [Ignored("nothing")]


class Waits:
    """How long to wait after which failure, by X's rules; what has said something begins anew."""

    def __init__(self) -> None:
        self.failures = 0

    def well(self) -> None:
        """It has said something."""
        self.failures = 0

    def after(self, error: OutageError) -> OutageError:
        """The same error, with the wait that X asks for."""
        before, self.failures = self.failures, self.failures + 1
        if error.reason in ("connect", "broken", "timeout", "dropped"):
            wait_s = min(0.25 * before, 16.0)
        elif error.reason == "rate-limit":
            wait_s = max(60.0 * 2 ** min(before, 10), error.after_s or 0.0)
        else:
            wait_s = max(min(5.0 * 2 ** min(before, 10), 320.0), error.after_s or 0.0)
        return OutageError(error.reason, str(error), wait_s)


def is_farewell(line: bytes) -> bool:
    """Whether a line is no post but X's word that it closes the stream."""
    try:
        probe = _as_probe(line)
    except JSON_TROUBLE:
        return False
    return not probe.data and bool(probe.errors or probe.title)


def post_id(line: bytes) -> str:
    """The id of the post in a line; "" for what is none."""
    try:
        return _as_named(_as_probe(line).data).id
    except JSON_TROUBLE:
        return ""


def gone_in(payload: bytes) -> list[str]:
    """The ids of posts that an answer of post lookup calls gone. Raises what msgspec raises."""
    return [one.resource_id for one in _as_looked(payload).errors if _is_post(one)]


def id_ms(id: str) -> int:
    """When an id was given out; 0 for what is none."""
    return (int(id) >> 22) + _EPOCH_MS if id.isascii() and id.isdecimal() and len(id) < 20 else 0
