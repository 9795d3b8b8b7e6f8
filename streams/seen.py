"""Which mentions of a thread were counted already, and how deep each sits in the reply tree.

Law of this file: at least the latest 32,768 mentions of a thread are remembered exactly; of a storm beyond
that the oldest are forgotten, because state has to fit into one message of the changelog. Few are one string
of bytes: most threads are small, and a dict of hashes takes ten times the memory, and the time to store it.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

__all__ = ["Seen", "add", "depth_of", "find", "move"]

#: hash of a mention's id -> its depth (0 = root, 1 = direct answer), oldest first; nine bytes each while few
Seen = bytes | dict[int, int]

_FEW: Final = 64
_BYTES: Final = [bytes((depth,)) for depth in range(256)]  # to make one for each mention takes longer
_EACH: Final = 9  # bytes: the hash, little-endian, and the depth
# Entries; 9 to 11 bytes each when encoded, and there are less than twice as many.
_KEPT: Final = 32_768


def find(packed: bytes, hashed: bytes, each: int) -> int:
    """Where `hashed` stands at the head of one of the entries of `each` bytes in `packed`; -1: nowhere."""
    at = packed.find(hashed)
    while at > 0 and at % each:  # across two entries: by chance, once in a lifetime
        at = packed.find(hashed, at + 1)
    return at


def depth_of(seen: Seen, key: int) -> int | None:
    """How deep `key` sits; None if it was not counted."""
    if isinstance(seen, dict):
        return seen.get(key)
    at = seen.find(key.to_bytes(8, "little"))
    if at < 0 or (at % _EACH and (at := find(seen, key.to_bytes(8, "little"), _EACH)) < 0):
        return None
    return seen[at + 8]


def add(seen: Seen, key: int, depth: int) -> Seen:
    """With `key`, which is not in it, at `depth`: a dict is changed in place."""
    if not isinstance(seen, dict):
        if len(seen) < _FEW * _EACH:  # so few are no deeper than they are many
            return seen + key.to_bytes(8, "little") + _BYTES[depth]
        entries = range(0, len(seen), _EACH)
        seen = {int.from_bytes(seen[at : at + 8], "little"): seen[at + 8] for at in entries}
    seen[key] = depth
    if len(seen) == 2 * _KEPT:  # by halves, so that it costs nothing on average
        for oldest in list(islice(seen, _KEPT)):
            del seen[oldest]
    return seen


def move(seen: Seen, key: int, depth: int) -> Seen:
    """With `key` at `depth`, now that its place is known; if it was forgotten, it is the newest again."""
    if isinstance(seen, dict) or (at := find(seen, key.to_bytes(8, "little"), _EACH)) < 0:
        return add(seen, key, depth)
    return seen[: at + 8] + _BYTES[depth] + seen[at + _EACH :]
