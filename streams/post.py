"""A post as a platform tells of it, before anybody has asked which brands it is about, and its wire form.

Law of this file: records and their bytes, nothing else. What sources read becomes one of these; which brand
it counts for is decided in `streams.followed`; the wire form is that of `streams.mention` with fields added
that older readers ignore: `edited_at`, `deleted`, `quoted_id`, `links`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from streams.mention import Kind, Reactions, Reason

__all__ = [
    "Addressed",
    "Count",
    "Deleted",
    "Found",
    "Ignored",
    "Post",
    "Ready",
    "Refused",
    "count_address",
    "wire",
]

_NOBODY: Final = "-"  # whose deletion it is, where the platform names the post alone
_LINKS_KEPT: Final = 20


class Post(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One public post, reply, quote or share.

    Ids are unique over all platforms. `root_id` is the id of what all the others answer, the post's own for a
    root; `root_author` is who wrote that, "" where nobody knows. `named` are ids and handles that the
    platform itself says are named in the text, `links` the addresses behind it. `brands` are those that it is
    about whatever it says, because of where it stands, `own` that it is their own word. Times are in ms
    since the epoch; `edited_ms` is 0 for a post as it was first written, else the time of its last change.
    """

    platform: str
    id: str
    root_id: str
    created_ms: int
    author_id: str
    handle: str = ""
    followers: int | None = None
    kind: Kind = "post"
    parent_id: str = ""
    quoted_id: str = ""
    root_author: str = ""
    text: str = ""
    lang: str = ""
    url: str = ""
    links: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    reactions: Reactions | None = None
    brands: tuple[str, ...] = ()
    own: bool = False
    edited_ms: int = 0


class Deleted(msgspec.Struct, frozen=True, gc=False):
    """A post is gone. Platforms name it and nothing else; `at_ms` is when they said so."""

    platform: str
    id: str
    at_ms: int


class Count(msgspec.Struct, frozen=True, gc=False):
    """So many mentions of a brand within the `interval_s` seconds that began at `started_ms`."""

    platform: str
    feed: str  # names the feed within the platform
    brand: str
    started_ms: int
    interval_s: int
    count: int


class Ready(msgspec.Struct, frozen=True, gc=False):
    """A mention that came in the wire form: checked as any other, sent as it is."""

    value: bytes


class Ignored(msgspec.Struct, frozen=True, gc=False):
    """Nothing wrong, and nothing for us; `why` is one word out of few, for the metrics."""

    why: str


class Refused(msgspec.Struct, frozen=True, gc=False):
    """What broke a rule; `raw` is the part that did, None for the whole payload."""

    reason: Reason
    detail: str
    raw: bytes | None = None


#: What a source finds in a payload.
Found = Post | Deleted | Count | Ready | Ignored | Refused


class Addressed(NamedTuple):
    """One brand that a post counts for, and the ids under which it does; see `streams.followed`."""

    brand: str
    id: str
    thread_id: str
    parent_id: str


class _Author(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    id: str
    handle: str = ""
    followers: int | None = None


class _Record(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    id: str
    brand: str
    platform: str
    thread_id: str
    author: _Author
    created_at: int
    kind: str = ""
    parent_id: str = ""
    text: str = ""
    lang: str = ""
    url: str = ""
    reactions: Reactions | None = None
    count: int | None = None
    interval_s: int | None = None
    quoted_id: str = ""
    links: tuple[str, ...] = ()
    edited_at: int = 0
    deleted: bool = False
    from_brand: bool | None = None


_encode = msgspec.json.Encoder().encode


def wire(found: Post | Deleted | Count, to: Addressed) -> bytes:
    """The JSON object for the topic `mentions`; its key is `to.thread_id`."""
    if isinstance(found, Deleted):
        return _encode(
            _Record(
                to.id,
                to.brand,
                found.platform,
                to.thread_id,
                _Author(_NOBODY),
                found.at_ms,
                parent_id=to.parent_id,
                deleted=True,
            )
        )
    if isinstance(found, Count):
        return _encode(
            _Record(
                to.id,
                to.brand,
                found.platform,
                to.thread_id,
                _Author(found.feed),
                found.started_ms,
                kind="volume",
                count=found.count,
                interval_s=found.interval_s,
            )
        )
    return _encode(
        _Record(
            to.id,
            to.brand,
            found.platform,
            to.thread_id,
            _Author(found.author_id, found.handle, found.followers),
            found.created_ms,
            found.kind,
            to.parent_id,
            found.text,
            found.lang,
            found.url,
            found.reactions,
            quoted_id=found.quoted_id,
            links=found.links[:_LINKS_KEPT],
            edited_at=found.edited_ms,
            from_brand=True if found.own and to.brand in found.brands else None,
        )
    )


def count_address(count: Count) -> Addressed:
    """Where a count goes: one thread id for a feed and brand, one id for an interval."""
    thread = f"volume:{count.feed}:{count.brand}"
    return Addressed(count.brand, f"{thread}:{count.started_ms}:{count.interval_s}", thread, "")
