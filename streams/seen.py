"""Which mentions of a thread were counted already, and how deep each sits in the reply tree.

Law of this file: a set that is never changed in place and remembers at least the latest 32,768 mentions
of its thread exactly; of a storm beyond that it forgets the oldest, because state has to fit into one
message of the changelog. It is a log-structured stack of dicts (hash of the mention's id -> depth), each
at least twice the size of the next, so that adding costs O(log n) amortised and asking O(log n)
(O'Neil et al. 1996, LSM-tree).
"""

from __future__ import annotations

from typing import Final

__all__ = ["EMPTY", "Seen", "add", "depth_of"]

Seen = tuple[dict[int, int], ...]  # big and old first; treated as immutable

EMPTY: Final[Seen] = ()
_SMALL: Final = 32  # entries; copying this many costs less than a function call
_KEPT: Final = 32_768  # entries; 9 to 11 bytes each when encoded, and there are less than twice as many


def depth_of(seen: Seen, key: int) -> int | None:
    """What was noted for a counted mention (its depth, 0 = root, 1 = direct answer), None if it is new."""
    for level in reversed(seen):  # the newest entry for a key is the one that holds
        depth = level.get(key)
        if depth is not None:
            return depth
    return None


def add(seen: Seen, key: int, depth: int) -> Seen:
    """The same set with `key` at `depth` in it."""
    if not seen:
        return ({key: depth},)
    top = seen[-1]
    if len(top) < _SMALL:
        return (*seen[:-1], {**top, key: depth})
    levels = [*seen, {key: depth}]
    while len(levels) > 2 and len(levels[-3]) <= len(levels[-2]):
        older, newer = levels[-3:-1]
        # Like a carry: equal neighbours melt into one. Two that are full make room instead.
        levels[-3:-1] = [older | newer if len(newer) < _KEPT else newer]
    return tuple(levels)
