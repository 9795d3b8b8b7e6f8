"""What a rehearsal shows is what a night would do."""

from __future__ import annotations

from streams.incident import Ladder, Rules, Rung
from streams.rehearsal import climb
from tests.streams.people import DAY, NIGHT, roster, worded

MINUTE = 60_000


def climbed(title: str, now_ms: int, **more: object) -> list[tuple[int, int, list[str]]]:
    steps = climb(roster(**more), worded(title), now_ms, Rules())
    return [
        ((one.at_ms - now_ms) // MINUTE, one.rung, [reach.person for reach in one.people]) for one in steps
    ]


def test_a_ladder_is_shown_step_by_step_once() -> None:
    assert climbed("refund", DAY) == [
        (0, 0, ["duty-lead"]),
        (5, 1, ["service-lead"]),
        (15, 2, ["duty-lead", "night-lead", "service-lead"]),
    ]


def test_a_rung_on_which_nobody_may_decide_is_passed_at_once() -> None:
    assert climbed("contract", NIGHT) == [(0, 1, ["service-lead"]), (10, 2, ["duty-lead", "service-lead"])]


def test_who_is_on_call_counts_at_the_moment_of_the_step() -> None:
    """At 7:58 the night lead is paged, and 5 minutes later it is the duty lead's turn."""
    ladder = Ladder((Rung(("desk",), 300), Rung(("desk",), 300)), repeat=0)
    early = NIGHT + 8 * 60 * MINUTE - 2 * MINUTE  # Berlin is two hours ahead
    assert climbed("refund", early, ladder_of_all=ladder) == [(0, 0, ["night-lead"]), (5, 1, ["duty-lead"])]


def test_every_way_to_reach_a_person_is_shown() -> None:
    first = climb(roster(), worded("refund"), DAY, Rules())[0]
    assert first.people[0].channels == ("push", "sms")
    assert first.next_ms == DAY + 5 * MINUTE


def test_where_nobody_can_be_paged_there_is_no_step() -> None:
    assert climbed("refund", DAY, people={}, rotations={}, ladder_of_all=None) == []
    before = DAY - 400 * 24 * 60 * MINUTE  # no layer has started
    assert climbed("refund", before, ladder_of_all=Ladder((Rung(("desk",), 60),))) == []
