"""A voice: what one customer said in a thread, as it may be shown.

Law of this file: nothing of a person but a keyed hash and a text that was masked.
"""

from __future__ import annotations

import msgspec

__all__ = ["Voice"]


class Voice(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one customer said, masked and cut; see `streams.reading`."""

    lot: int  # hash of the mention: the smallest stay
    at_ms: int
    author: int  # keyed hash
    negativity: float  # 0.5..1
    text: str
