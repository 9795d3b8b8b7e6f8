"""Mentions counted by five minutes, packed: what a thread's course is drawn from.

Law of this file: sorted by bucket, the latest 288 that are not empty, eight bytes each. Most threads have
few, and nearly every mention falls into the last of them or behind it; a dict takes several times the memory.
"""

from __future__ import annotations

from typing import Final

__all__ = ["BUCKETS_KEPT", "BUCKET_MS", "Buckets", "counted", "unpacked"]

BUCKET_MS: Final = 5 * 60 * 1000
BUCKETS_KEPT: Final = 24 * 3600 * 1000 // BUCKET_MS  # a day

#: for each the number of the bucket, plus `_ZERO`, and its mentions: two big-endian integers of four bytes
Buckets = bytes

_EACH: Final = 8
_ONCE: Final = (1).to_bytes(4, "big")
_ZERO: Final = 1 << 31  # numbers go from minus this to this: 20,000 years either way


def counted(buckets: Buckets, number: int) -> Buckets:
    """With one more mention in the bucket of this `number`."""
    sought, at = number + _ZERO, len(buckets) - _EACH
    while at >= 0 and (there := _integer(buckets, at)) >= sought:
        if there == sought:
            more = (_integer(buckets, at + 4) + 1).to_bytes(4, "big")
            return buckets[: at + 4] + more + buckets[at + _EACH :]
        at -= _EACH
    new, at = sought.to_bytes(4, "big") + _ONCE, at + _EACH
    buckets = buckets + new if at == len(buckets) else buckets[:at] + new + buckets[at:]
    return buckets if len(buckets) <= BUCKETS_KEPT * _EACH else buckets[_EACH:]


def unpacked(buckets: Buckets) -> list[tuple[int, int]]:
    """(number of the bucket, mentions), sorted."""
    places = range(0, len(buckets), _EACH)
    return [(_integer(buckets, at) - _ZERO, _integer(buckets, at + 4)) for at in places]


def _integer(packed: bytes, at: int) -> int:
    return packed[at] << 24 | packed[at + 1] << 16 | packed[at + 2] << 8 | packed[at + 3]
