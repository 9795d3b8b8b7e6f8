"""What is kept of a thread above calm, for the metrics.

Law of this file: a few numbers in place of a state of ten times their size.
"""

from __future__ import annotations

from typing import NamedTuple

from streams.forecast import Features, features_of
from streams.levels import Level
from streams.thread import Thread

__all__ = ["Above", "above_of"]


class Above(NamedTuple):
    """What the metrics ask of a thread above calm: its state would take ten times the memory."""

    brand: str
    level: Level
    heat: float  # mentions, each fading with the longest of the time constants
    viral_at: int  # as the thread learned it; 0: not known
    features: Features


def above_of(thread: Thread) -> Above:
    """What is kept of a thread above calm."""
    return Above(
        thread.brand,
        thread.level,
        thread.heat_2h,
        thread.viral_at,
        features_of(thread),
    )
