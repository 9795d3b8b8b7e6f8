"""An alert: the fact that a level rose, in the words and figures that leave the house.

Law of this file: the records here are the wire contract of the topic `alerts`; the same input gives
the same bytes, so the id may serve as a dedup key anywhere.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal

import msgspec

from streams.forecast import Forecast
from streams.levels import Level

__all__ = ["Alert", "Evidence", "Reply", "alert_id", "encode_alert"]


class Evidence(msgspec.Struct, frozen=True):
    """One thing that went into the decision; `usual` is what is normal here, None if not known."""

    signal: str
    value: float
    unit: str
    usual: float | None
    weight: float  # share of the decision, -1..1; below 0 it spoke against


class Reply(msgspec.Struct, frozen=True):
    """What the brand has said in the thread, and when its next text block is due."""

    state: Literal["none", "canned", "own-words"] = "none"
    expected_at: str | None = None  # RFC 3339
    canned_share: float | None = None  # 0..1


class Alert(msgspec.Struct, frozen=True):
    """A level rose. Field by field the contract of the topic `alerts`; times are RFC 3339, UTC."""

    id: str
    scope: Literal["thread", "brand"]
    brand: str
    thread_id: str | None
    level: str
    previous_level: str
    raised_at: str
    reason: str
    summary: str
    forecast: Forecast
    evidence: tuple[Evidence, ...]
    reply: Reply
    mentions: int
    authors: int
    reach: int
    negative_share: float | None  # 0..1, None while no text was scored
    title: str = ""  # masked beginning of the root's text, "" not known
    voices: tuple[
        str, ...
    ] = ()  # masked texts of at most three customers, drawn by lot from the negative ones
    url: str | None = None  # the root's
    voice_ids: tuple[str, ...] = ()  # of the posts in `voices`, hashed: what a deletion names
    root_deleted: bool = False  # by its author: hence no title
    platform: str = ""  # of the thread
    refs: tuple[str, ...] = ()  # hashes; threads with one in common are one case (`streams.cases`)


def alert_id(scope: str, brand: str, thread_id: str | None, born_ms: int, number: int, level: Level) -> str:
    """A name for "the `number`-th alert of this episode of this thread", the same wherever computed."""
    parts = msgspec.json.encode([scope, brand, thread_id, born_ms, number, level])
    return "fl-" + blake2b(parts, digest_size=10).hexdigest()


_encoder = msgspec.json.Encoder()


def encode_alert(alert: Alert) -> bytes:
    """The one spelling of an alert: compact JSON, fields in the order of the contract."""
    return _encoder.encode(alert)
