"""What the changelog of threads holds, field by field.

Law of this file: declarations alone, in the order in which they are stored. `agents.codec` reads and writes
them.
"""

from __future__ import annotations

from typing import Final

import msgspec

from streams.shadow import Shade, Tally
from streams.thread import State

__all__ = ["STATE_VERSION", "Cursor", "Head", "Life", "StateError", "Stored", "Tallies", "Times"]

#: Raise it with every change of `Thread`'s fields: state of another version is refused, never misread.
STATE_VERSION: Final = 8


class StateError(ValueError):
    """A record of the changelog is not state of this version."""


class Stored(msgspec.Struct, frozen=True, array_like=True):
    """A thread, under its id."""

    version: int
    offset: int  # of the last mention in it: what is at or before it was counted
    thread: State
    shade: Shade | None = None


class Tallies(msgspec.Struct, frozen=True, array_like=True):
    """What second sets of thresholds would have done, under SHADOW_KEY."""

    version: int
    offset: int  # of the last mention that is counted
    tallies: dict[str, Tally]


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """How far the partition was read, under CURSOR_KEY."""

    version: int
    offset: int
    watermark_ms: int


class Head(msgspec.Struct, frozen=True, array_like=True):
    """What states and cursors of every version begin with."""

    version: int
    offset: int


class Times(msgspec.Struct, frozen=True, array_like=True):
    """What a thread begins with."""

    brand: str
    platform: str
    born_ms: int
    started_ms: int
    last_ms: int


class Life(msgspec.Struct, frozen=True, array_like=True):
    """What a state begins with: a seventh of the time that the whole takes."""

    version: int
    offset: int
    thread: Times
