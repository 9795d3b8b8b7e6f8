"""On which line of a TOML file a setting stands.

Law of this file: the standard library's parser is the only one that says what the text means; no library
that is kept well tells positions. The beginning of a file that ends between two statements is a file itself,
so the first such beginning that holds a setting ends with the statement that sets it.
"""

from __future__ import annotations

import tomllib
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

__all__ = ["Lines"]


class Lines:
    """The lines of one file, which must be TOML as a whole."""

    def __init__(self, text: str) -> None:
        self._lines = text.replace("\r\n", "\n").split("\n")
        self._beginnings: dict[int, dict[str, Any] | None] = {}

    def of(self, loc: Sequence[str | int]) -> int | None:
        """The line, from 1, on which begins what sets `loc`, or the longest part of it that is set at all.

        Parts that name nothing are passed over: validators add some of their own. None if nothing is set.
        """
        count = len(self._lines)
        depth = _depth(self._beginning(count), loc)
        if depth == 0:
            return None
        return bisect_left(range(count + 1), True, key=lambda n: _depth(self._beginning(n), loc) == depth)

    def _beginning(self, end: int) -> dict[str, Any]:
        """The first `end` lines, and as many more as the statement that they cut needs."""
        for more in range(end, len(self._lines) + 1):
            if more not in self._beginnings:
                try:
                    self._beginnings[more] = tomllib.loads("\n".join(self._lines[:more]))
                except tomllib.TOMLDecodeError:
                    self._beginnings[more] = None
            if (table := self._beginnings[more]) is not None:
                return table
        raise ValueError("it is not TOML")


def _depth(table: object, loc: Sequence[str | int]) -> int:
    """How many parts of `loc` lead somewhere."""
    depth = 0
    for part in loc:
        named = isinstance(table, dict) and part in table
        if named or (isinstance(table, list) and isinstance(part, int) and part < len(table)):
            table = table[part]  # type: ignore[index]  # which of the two it is was asked above
            depth += 1
    return depth
