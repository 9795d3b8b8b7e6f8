"""Which mentions of a thread were counted already, and how deep each sits in the reply tree.

Law of this file: at least the latest 32,768 mentions of a thread are remembered exactly; of a storm beyond
that the oldest are forgotten, because state has to fit into one message of the changelog.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

__all__ = ["Seen", "note"]

Seen = dict[int, int]  # hash of a mention's id -> its depth (0 = root, 1 = direct answer), oldest first

_KEPT: Final = 32_768  # entries; 9 to 11 bytes each when encoded, and there are less than twice as many


def note(seen: Seen, key: int, depth: int) -> None:
    """Remember, in place, that `key` sits at `depth`: a new mention, or one whose place is known only now."""
    seen[key] = depth
    if len(seen) == 2 * _KEPT:  # by halves, so that it costs nothing on average
        for oldest in list(islice(seen, _KEPT)):
            del seen[oldest]
