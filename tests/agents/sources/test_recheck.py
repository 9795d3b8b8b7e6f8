"""What is asked for again, for how long, and when it is called gone."""

from __future__ import annotations

from agents.sources.recheck import StillThere

HOUR_MS = 3_600_000


def test_the_latest_are_asked_for_until_they_are_old() -> None:
    there = StillThere(3, HOUR_MS)
    for number in range(5):
        there.note(str(number), number)
    assert there.batches(HOUR_MS, 2) == [["2", "3"], ["4"]]
    assert there.batches(HOUR_MS + 4, 2) == [["4"]]
    assert len(there) == 1


def test_what_the_platform_calls_gone_is_told_once() -> None:
    there = StillThere(3, HOUR_MS)
    there.note("a", 0)
    assert there.gone(["a", "stranger"]) == ["a"]
    assert there.gone(["a"]) == []


def test_what_an_answer_does_not_hold_is_gone_only_if_the_next_does_not_either() -> None:
    there = StillThere(3, HOUR_MS)
    for id in "ab":
        there.note(id, 0)
    assert there.absent("ab", "b") == []
    assert there.absent("ab", "ab") == []
    assert there.absent("ab", "") == []
    assert there.absent("ab", "b") == ["a"]
    assert there.absent("ab", "b") == []
