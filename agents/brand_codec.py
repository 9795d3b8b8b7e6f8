"""How pulses and the state of brands look on Kafka.

Law of this file: that of `agents.codec`: bytes out, the same thing back in, or a StateError.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec.structs import replace

from agents.codec import StateError
from streams.brand import Brand
from streams.habits import Habits
from streams.pulse import NO_COUNTS, Mark, Open, Pulse, Told

__all__ = [
    "BRAND_VERSION",
    "decode_brand",
    "decode_habits",
    "decode_marks",
    "decode_open",
    "decode_pulses",
    "encode_brand",
    "encode_habits",
    "encode_marks",
    "encode_open",
    "encode_pulses",
]

#: Raise it with every change of the fields of `Brand`, `SurgeState`, `Learning`, `Habits`, `Open` or
#: the pulses, and of LADDER.
BRAND_VERSION: Final = 4


class _Told(msgspec.Struct, frozen=True, array_like=True):
    version: int
    told: tuple[Told, ...]


class _StoredBrand(msgspec.Struct, frozen=True, array_like=True):
    version: int
    offset: int  # of the last record of `brand-pulse` that is in it
    brand: Brand


class _StoredHabits(msgspec.Struct, frozen=True, array_like=True):
    version: int
    offset: int  # of the brand's last record of `brand-pulse` when this was written
    habits: Habits


class _StoredOpen(msgspec.Struct, frozen=True, array_like=True):
    version: int
    offset: int  # of the last mention that is in it
    open: Open


class _StoredMarks(msgspec.Struct, frozen=True, array_like=True):
    version: int
    offset: int
    minute: int
    marks: tuple[Mark, ...]


_NO_HABITS: Final = Habits()
_encode = msgspec.msgpack.Encoder().encode
_decode_told = msgspec.msgpack.Decoder(_Told).decode
_decode_brand = msgspec.msgpack.Decoder(_StoredBrand).decode
_decode_habits = msgspec.msgpack.Decoder(_StoredHabits).decode
_decode_open = msgspec.msgpack.Decoder(_StoredOpen).decode
_decode_marks = msgspec.msgpack.Decoder(_StoredMarks).decode


def encode_pulses(told: Iterable[Told]) -> bytes:
    """One record of the topic `brand-pulse`: what a flush tells of one brand, in order; or a mark."""
    return _encode(_Told(BRAND_VERSION, tuple(told)))


def decode_pulses(value: bytes | None) -> tuple[Told, ...]:
    """It back; StateError for anything that `encode_pulses` of this version did not write."""
    try:
        told = _decode_told(value or b"")
    except msgspec.MsgspecError as error:
        raise _foreign("no pulses", error) from error
    _check(told.version)
    for one in told.told:
        if isinstance(one, Pulse) and len(one.counts) not in (0, len(NO_COUNTS)):
            raise _foreign("no pulses", ValueError(f"one has {len(one.counts)} counts"))
    return told.told


def encode_brand(offset: int, brand: Brand) -> bytes:
    """A brand and the offset of `brand-pulse` up to which it is told, for the changelog; without its habits.

    Those change once an hour at most, and are big beside the rest: they have a record of their own.
    """
    bare = replace(brand, learning=replace(brand.learning, habits=_NO_HABITS))
    return _encode(_StoredBrand(BRAND_VERSION, offset, bare))


def decode_brand(value: bytes) -> tuple[int, Brand]:
    """Offset and brand back; StateError as above."""
    try:
        stored = _decode_brand(value)
    except msgspec.MsgspecError as error:
        raise _foreign("no brand", error) from error
    _check(stored.version)
    return stored.offset, stored.brand


def encode_habits(offset: int, habits: Habits) -> bytes:
    """The habits of a brand, for the changelog: written before the brand that they belong to."""
    return _encode(_StoredHabits(BRAND_VERSION, offset, habits))


def decode_habits(value: bytes) -> Habits:
    """Them back; StateError as above."""
    try:
        stored = _decode_habits(value)
    except msgspec.MsgspecError as error:
        raise _foreign("no habits", error) from error
    _check(stored.version)
    return stored.habits


def encode_open(offset: int, rows: Open) -> bytes:
    """The open minutes of a partition of mentions, and the offset up to which they are counted."""
    return _encode(_StoredOpen(BRAND_VERSION, offset, rows))


def decode_open(value: bytes) -> tuple[int, Open]:
    """Offset and open minutes back; StateError as above."""
    try:
        stored = _decode_open(value)
    except msgspec.MsgspecError as error:
        raise _foreign("no open minutes", error) from error
    _check(stored.version)
    return stored.offset, stored.open


def encode_marks(offset: int, minute: int, marks: Iterable[Mark]) -> bytes:
    """How far a partition of `brand-pulse` was read, its watermark, and the latest mark of each source."""
    return _encode(_StoredMarks(BRAND_VERSION, offset, minute, tuple(marks)))


def decode_marks(value: bytes) -> tuple[int, int, tuple[Mark, ...]]:
    """Offset, watermark and marks back; StateError as above."""
    try:
        stored = _decode_marks(value)
    except msgspec.MsgspecError as error:
        raise _foreign("no marks", error) from error
    _check(stored.version)
    return stored.offset, stored.minute, stored.marks


def _check(version: int) -> None:
    if version != BRAND_VERSION:
        raise StateError(f"state of version {version}, this is version {BRAND_VERSION}")


def _foreign(what: str, error: Exception) -> StateError:
    return StateError(f"{what} of version {BRAND_VERSION}: {error}")
