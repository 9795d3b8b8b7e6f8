"""The table of levels."""

from __future__ import annotations

from itertools import product

import pytest

from streams.levels import TRANSITIONS, Level, Sign, next_level

RISING = {Sign.WATCH: Level.WATCH, Sign.WARN: Level.WARN, Sign.PAGE: Level.PAGE}


def test_every_pair_is_in_the_table() -> None:
    """No sign on any level can find the table without an answer."""
    assert set(TRANSITIONS) == set(product(Level, Sign))


@pytest.mark.parametrize(("level", "sign"), list(product(Level, RISING)))
def test_a_level_rises_at_once_as_far_as_the_sign_says(level: Level, sign: Sign) -> None:
    """From calm straight to page if need be; a lower sign never lowers it."""
    assert next_level(level, sign) == max(level, RISING[sign])


@pytest.mark.parametrize("level", list(Level))
def test_a_level_falls_one_at_a_time_and_only_when_cooling(level: Level) -> None:
    """Inside the band it stays; below it goes down by one, and calm is the floor."""
    assert next_level(level, Sign.STEADY) is level
    assert next_level(level, Sign.COOLING) == max(Level.CALM, level - 1)


def test_levels_are_ordered_and_have_words() -> None:
    """calm < watch < warn < page, as the wire says it."""
    assert [level.word for level in sorted(Level)] == ["calm", "watch", "warn", "page"]
