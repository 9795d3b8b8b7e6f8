"""How many deliveries a channel takes a minute, and how long it asked to be left alone.

Law of this file: the one place where a channel is spared. Pure: time is an argument, seconds of any clock
that only rises.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Rate"]

_BURST_S: Final = 10.0  # so much of a minute's share may come at once


class Rate:
    """A token bucket: `per_min` a minute, a sixth of that (at least 1) at once. One per channel."""

    def __init__(self, per_min: float) -> None:
        if not per_min > 0:
            raise ValueError("per_min must be more than 0")
        self._pause_s = 60.0 / per_min
        self._burst = max(1.0, _BURST_S / self._pause_s)
        self._free_s = 0.0  # when the bucket is full again
        self._not_before_s = 0.0

    def wait_s(self, now_s: float) -> float:
        """How long until there is room, >= 0; changes nothing."""
        full_in_s = self._free_s - now_s
        own_s = full_in_s - (self._burst - 1) * self._pause_s
        return max(0.0, own_s, self._not_before_s - now_s)

    def take(self, now_s: float) -> None:
        """One delivery goes out now."""
        self._free_s = max(self._free_s, now_s) + self._pause_s

    def rest(self, now_s: float, for_s: float) -> None:
        """The channel asks to be left alone for so long."""
        self._not_before_s = max(self._not_before_s, now_s + for_s)
