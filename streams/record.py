"""What a mention is as strangers send it, and why one is refused.

Law of this file: declarations alone. `streams.mention` says what the core trusts, and turns the one into it.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, final

import msgspec

__all__ = ["Author", "Kind", "Reactions", "Reason", "Rejected", "Wire", "WireFields"]

Kind = Literal["post", "reply", "quote", "share", "volume"]

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
# Ten thousand million is more than mankind: a bigger follower or view count is a bug or a joke.
Count = Annotated[int, msgspec.Meta(ge=0, le=10_000_000_000)]


class Reason(StrEnum):
    """Why a record was refused; the value is the word that metrics and `flashover rejects` show."""

    EMPTY = "empty"  # no value at all
    NOT_JSON = "not-json"  # not UTF-8, cut off, or not JSON
    BAD_FIELD = "bad-field"  # JSON, but a field is missing or breaks its rule; a leap second is one such
    KEY_MISMATCH = "key-mismatch"  # the Kafka key is not the thread_id, so order can't be promised
    TOO_OLD = "too-old"  # created_at before the year 2000
    FUTURE = "future"  # created_at more than five minutes ahead of its arrival
    NO_COUNT = "no-count"  # kind volume without count and interval_s


@final
class Rejected(msgspec.Struct, frozen=True):
    """A record that broke a rule: the rule, and a detail for the person who looks into it."""

    reason: Reason
    detail: str


class Reactions(msgspec.Struct, frozen=True, gc=False):
    """A snapshot of the thread root's public counters."""

    likes: Count = 0
    shares: Count = 0
    replies: Count = 0
    views: Count = 0


class Author(msgspec.Struct, frozen=True, gc=False):
    """Who wrote it, as the platform names them: no further than the door."""

    id: Id
    handle: Annotated[str, msgspec.Meta(max_length=512)] | None = None
    followers: Count | None = None


class Wire(msgspec.Struct, frozen=True, gc=False):
    """The record as strangers send it: design contract `mentions`, unknown fields ignored."""

    id: Id
    brand: str
    platform: str
    thread_id: Id
    author: Author
    created_at: Annotated[datetime, msgspec.Meta(tz=True)] | int
    parent_id: Id | None = None
    kind: Kind | None = None
    from_brand: bool | None = None
    text: str | None = None
    lang: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    url: Annotated[str, msgspec.Meta(max_length=8192)] | None = None
    reactions: Reactions | None = None
    count: Count | None = None
    interval_s: Annotated[int, msgspec.Meta(ge=1, le=7 * 86_400)] | None = None
    edited_at: Annotated[datetime, msgspec.Meta(tz=True)] | int | None = None
    deleted: bool = False
    quoted_id: str = ""
    links: tuple[str, ...] = ()


# fmt: off
WireFields = tuple[
    str, str, str, str, Author, datetime | int, str | None, Kind | None, bool | None, str | None, str | None,
    str | None, Reactions | None, int | None, int | None, datetime | int | None, bool, str, tuple[str, ...],
]
# fmt: on
"""The fields of a `Wire` in order, as `astuple` gives them: to ask for one after the other takes longer."""
