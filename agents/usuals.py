"""What is usual for each brand, as a worker knows it: the topic `usual`, from its start on.

Law of this file: a record holds the last snapshots of a brand, not one, so that compaction takes nothing that
a thread may still begin with. All that was on the topic when the worker began is known before the first
mention is followed. A record that is no such thing changes nothing, is logged and counted.
"""

from __future__ import annotations

import logging

import msgspec

from agents.settings import Settings
from agents.terminal import safe
from agents.topics import topics
from agents.whole_topic import WholeTopic
from streams.reply_clock import HOURS
from streams.usual import Usual

__all__ = ["LiveUsuals", "decode_usuals", "encode_usuals"]

log = logging.getLogger(__name__)

_RECORD_BYTES = 512 * 1024  # a brand of a hundred long text blocks, and some


class _Told(msgspec.Struct, frozen=True):
    """The value of a record; its key is the brand."""

    latest: tuple[Usual, ...]  # the newest last


_decode = msgspec.json.Decoder(_Told).decode


def encode_usuals(latest: tuple[Usual, ...]) -> bytes:
    """The value of a record of the topic `usual`."""
    return msgspec.json.encode(_Told(latest))


def decode_usuals(value: bytes) -> tuple[Usual, ...]:
    """The snapshots back, the newest last; ValueError for anything else. Unknown fields are left out."""
    if len(value) > _RECORD_BYTES:
        raise ValueError(f"it has {len(value)} bytes, and may have {_RECORD_BYTES}")
    latest = _decode(value).latest
    if [one.as_of_ms for one in latest] != sorted({one.as_of_ms for one in latest}):
        raise ValueError("its snapshots are not in order")
    if any(one.growth <= 0 or min(one.recent, one.week) < 0 or (one.viral_at or 2) < 2 for one in latest):
        raise ValueError("a figure of it is out of range")
    for one in latest:
        if len(one.reply_delays_s) != len(one.canned_shares) or len(one.canned_shares) not in (0, HOURS):
            raise ValueError("its reply clock has not the hours of a week")
        shares = (*one.canned_shares, one.negative_share or 0.0)
        if min(one.reply_delays_s, default=0) < 0 or not all(0 <= share <= 1 for share in shares):
            raise ValueError("a figure of it is out of range")
    return latest


class LiveUsuals:
    """The snapshots of all brands that hold now. One per worker; `latest` is changed in place."""

    def __init__(self, settings: Settings) -> None:
        self.topic = WholeTopic(settings, topics(settings).usual.name, self.take)
        self.latest: dict[str, tuple[Usual, ...]] = {}
        self.refused = 0

    def take(self, key: bytes | None, value: bytes | None, where: str) -> None:
        """One record of the topic, `where` it stood for the log. No value: nothing is known of the brand."""
        try:
            brand = (key or b"").decode()
            if value is None:
                self.latest.pop(brand, None)
            else:
                self.latest[brand] = decode_usuals(value)
        except (ValueError, RecursionError) as error:  # msgspec's own are ValueErrors
            self.refused += 1
            log.warning("what is usual refused (%s): %s", where, safe(str(error), 200))
