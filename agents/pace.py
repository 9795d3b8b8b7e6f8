"""How often a worker writes down its threads: at each interval, and more seldom while it is far behind.

Law of this file: pure bookkeeping. A thread that moves again before it is written is written once, which
saves a worker that catches up a tenth of its time; the threads that wait for it take memory.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Pace"]

_INTERVALS_AT_MOST: Final = 2  # more would save less again, and take memory


class Pace:
    """Asked once an interval whether threads are to be written down now."""

    def __init__(self) -> None:
        self._read = 0
        self._waited = 0  # intervals without

    def is_due(self, read: int, waiting: int) -> bool:
        """`read` mentions so far, and about how many are `waiting`: more than came in an interval is far."""
        since, self._read = read - self._read, read
        self._waited += 1
        if waiting > since and self._waited < _INTERVALS_AT_MOST:
            return False
        self._waited = 0
        return True
