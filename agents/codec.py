"""How state and rejects look on Kafka.

Law of this file: bytes out, the same thing back in, or a clear error; nothing here decides anything.
"""

from __future__ import annotations

from typing import Final

import msgspec

from agents.stored import STATE_VERSION, Cursor, Head, Life, StateError, Stored, Tallies
from streams.mention import Reason, Rejected
from streams.shadow import Shade, Tally
from streams.thread import Thread

__all__ = [
    "CURSOR_KEY",
    "NO_THREADS",
    "PULSES_KEY",
    "SHADOW_KEY",
    "STATE_VERSION",
    "StateError",
    "counts_further",
    "decode_cursor",
    "decode_life",
    "decode_shaded",
    "decode_state",
    "decode_tallies",
    "encode_cursor",
    "encode_state",
    "encode_tallies",
    "reject_headers",
    "source_offset",
]

#: Keys in the changelog that are no thread's.
CURSOR_KEY: Final = b""  # no thread_id is empty
PULSES_KEY: Final = b"\0"  # and none has control characters
SHADOW_KEY: Final = b"\1"
NO_THREADS: Final = frozenset({CURSOR_KEY, PULSES_KEY, SHADOW_KEY})


#: What bytes that we did not write can raise: msgspec's own, and texts in them that are not UTF-8.
_GARBAGE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


_encode = msgspec.msgpack.Encoder().encode
_decode_stored = msgspec.msgpack.Decoder(Stored).decode
_decode_head = msgspec.msgpack.Decoder(Head).decode
_decode_life = msgspec.msgpack.Decoder(Life).decode
_decode_cursor = msgspec.msgpack.Decoder(Cursor).decode
_decode_tallies = msgspec.msgpack.Decoder(Tallies).decode


def encode_state(offset: int, thread: Thread, shade: Shade | None = None) -> bytes:
    """A thread and the source offset up to which it is counted, for the changelog."""
    return _encode((STATE_VERSION, offset, thread.state(), shade))


def decode_state(value: bytes) -> tuple[int, Thread]:
    """Offset and thread back; StateError for anything that `encode_state` of this version did not write."""
    return decode_shaded(value)[:2]


def decode_shaded(value: bytes) -> tuple[int, Thread, Shade | None]:
    """As `decode_state`, and where a second set of thresholds has the thread."""
    try:
        stored = _decode_stored(value)
    except _GARBAGE as error:
        raise _refused(value, error) from error
    if stored.version != STATE_VERSION:
        raise _refused(value)
    return stored.offset, Thread.restored(stored.thread), stored.shade


def decode_life(value: bytes) -> tuple[int, int]:
    """Offset and time (ms) of the last mention of a state that `decode_state` has accepted."""
    life = _decode_life(value)
    return life.offset, life.thread.last_ms


def encode_tallies(offset: int, tallies: dict[str, Tally]) -> bytes:
    """What second sets of thresholds would have done in a partition, by brand, for the changelog."""
    return _encode(Tallies(STATE_VERSION, offset, tallies))


def decode_tallies(value: bytes) -> tuple[int, dict[str, Tally]]:
    """Offset and tallies back; StateError as with `decode_state`."""
    try:
        stored = _decode_tallies(value)
    except _GARBAGE as error:
        raise _refused(value, error) from error
    if stored.version != STATE_VERSION:
        raise _refused(value)
    return stored.offset, stored.tallies


def encode_cursor(offset: int, watermark_ms: int) -> bytes:
    """How far a partition was read, and the latest event time seen in it."""
    return _encode(Cursor(STATE_VERSION, offset, watermark_ms))


def decode_cursor(value: bytes) -> tuple[int, int]:
    """Offset and watermark back; StateError as with `decode_state`."""
    try:
        cursor = _decode_cursor(value)
    except _GARBAGE as error:
        raise _refused(value, error) from error
    if cursor.version != STATE_VERSION:
        raise _refused(value)
    return cursor.offset, cursor.watermark_ms


def source_offset(value: bytes) -> int | None:
    """The source offset of a state or a cursor, without decoding the rest; None if there is none to read."""
    try:
        return _decode_head(value).offset
    except _GARBAGE:
        return None


def counts_further(one: bytes, other: bytes) -> bool:
    """Whether the first of two states or cursors holds more of its source; False if that can't be told.

    A worker that was taken for dead may write an older state behind the newer: this tells them apart.
    """
    offset, others = source_offset(one), source_offset(other)
    return offset is not None and others is not None and offset > others


def _refused(value: bytes, error: Exception | None = None) -> StateError:
    try:
        version = _decode_head(value).version
    except _GARBAGE:
        version = None
    if version is None or version == STATE_VERSION:
        return StateError(f"not state of version {STATE_VERSION}: {error}")
    return StateError(f"state of version {version}, and this program reads version {STATE_VERSION} alone")


def reject_headers(rejected: Rejected, topic: str, partition: int, offset: int) -> list[tuple[str, bytes]]:
    """What a record in `rejects` says beside its own raw key and value: why, and where it came from."""
    reason: Reason = rejected.reason
    return [
        ("reason", reason.value.encode()),
        ("detail", rejected.detail[:500].encode("utf-8", "replace")),
        ("topic", topic.encode()),
        ("partition", str(partition).encode()),
        ("offset", str(offset).encode()),
    ]
