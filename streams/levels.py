"""How worried flashover is, and how that may change: a table, and nothing beside the table.

Law of this file: a level rises as far as the sign of the moment says, at once; it falls one level at a
time, and only when the sign has left the band that holds the level (hysteresis). A text block raises by one
what is above calm.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

__all__ = ["TRANSITIONS", "Level", "Sign", "next_level"]


class Level(IntEnum):
    """calm < watch < warn < page."""

    CALM = 0
    WATCH = 1
    WARN = 2
    PAGE = 3

    @property
    def word(self) -> str:
        """The level as the wire, the metrics and people call it."""
        return self.name.lower()


class Sign(IntEnum):
    """What the thread shows at this moment, seen from the level it is on."""

    COOLING = 0  # below the band that holds the present level
    STEADY = 1  # inside the band: not enough to rise, too much to fall
    WATCH = 2
    WARN = 3
    PAGE = 4
    CANNED = 5  # the brand has answered it from a text block


TRANSITIONS: Final[dict[tuple[Level, Sign], Level]] = {
    (Level.CALM, Sign.COOLING): Level.CALM,
    (Level.CALM, Sign.STEADY): Level.CALM,
    (Level.CALM, Sign.WATCH): Level.WATCH,
    (Level.CALM, Sign.WARN): Level.WARN,
    (Level.CALM, Sign.PAGE): Level.PAGE,
    (Level.CALM, Sign.CANNED): Level.CALM,
    (Level.WATCH, Sign.COOLING): Level.CALM,
    (Level.WATCH, Sign.STEADY): Level.WATCH,
    (Level.WATCH, Sign.WATCH): Level.WATCH,
    (Level.WATCH, Sign.WARN): Level.WARN,
    (Level.WATCH, Sign.PAGE): Level.PAGE,
    (Level.WATCH, Sign.CANNED): Level.WARN,
    (Level.WARN, Sign.COOLING): Level.WATCH,
    (Level.WARN, Sign.STEADY): Level.WARN,
    (Level.WARN, Sign.WATCH): Level.WARN,
    (Level.WARN, Sign.WARN): Level.WARN,
    (Level.WARN, Sign.PAGE): Level.PAGE,
    (Level.WARN, Sign.CANNED): Level.PAGE,
    (Level.PAGE, Sign.COOLING): Level.WARN,
    (Level.PAGE, Sign.STEADY): Level.PAGE,
    (Level.PAGE, Sign.WATCH): Level.PAGE,
    (Level.PAGE, Sign.WARN): Level.PAGE,
    (Level.PAGE, Sign.PAGE): Level.PAGE,
    (Level.PAGE, Sign.CANNED): Level.PAGE,
}


def next_level(level: Level, sign: Sign) -> Level:
    """The level after `sign`; every pair is in the table, so this can't fail."""
    return TRANSITIONS[level, sign]
