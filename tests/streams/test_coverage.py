"""A hole in the roster is found to the second, and named."""

from __future__ import annotations

from datetime import date, time

from streams.coverage import holes
from streams.incident import Ladder, Rung
from streams.needs import Need, Needs
from streams.rotation import Layer, Override, Rotation
from tests.streams.people import BERLIN, DESK, EVERYONE, LADDER, at, roster

SECOND, DAY = 1000, 86_400_000
BEGIN = at("2025-10-20T00:00")
END = BEGIN + 30 * DAY
REFUNDS = Needs((Need("refunds", ("refund",), {"refund": 40}),))


def test_a_roster_without_a_hole_has_none() -> None:
    assert holes(roster(needs=REFUNDS), ("acme",), BEGIN, END) == []


def test_an_amount_above_a_limit_is_a_hole_each_night() -> None:
    """The night lead may refund 50; the clocks go back on 26 October, so that night is an hour longer."""
    needs = Needs((Need("refunds", ("refund",), {"refund": 60}),))
    desk = roster(needs=needs, ladder_of_all=Ladder((Rung(("desk",), 300),)))
    found = holes(desk, ("acme",), at("2025-10-24T12:00"), at("2025-10-26T12:00"))
    assert [(one.start_ms, one.end_ms) for one in found] == [
        (at("2025-10-24T18:00"), at("2025-10-25T06:00")),
        (at("2025-10-25T18:00"), at("2025-10-26T07:00")),
    ]
    assert found[0]._replace(start_ms=0, end_ms=0) == (("acme",), "refunds", "refund", 60, 0, 0, ("desk",))


def test_a_second_without_anybody_is_found() -> None:
    desk = Rotation((Layer(("duty-lead",), BERLIN, date(2025, 1, 6), hours=(time(8), time(7, 59, 59))),))
    ladder = Ladder((Rung(("desk",), 300), Rung((EVERYONE,), 60)))
    found = holes(
        roster(rotations={"desk": desk}, needs=REFUNDS, ladder_of_all=ladder), (), BEGIN, BEGIN + DAY
    )
    assert [one.end_ms - one.start_ms for one in found] == [SECOND]


def test_who_stands_in_without_the_authority_makes_a_hole() -> None:
    away = Override(BEGIN + DAY, BEGIN + 2 * DAY, "privacy-officer")
    desk = Rotation(DESK.layers, (away,))
    only_desk = Ladder((Rung(("desk",), 300),))
    (found,) = holes(roster(rotations={"desk": desk}, needs=REFUNDS, ladder_of_all=only_desk), (), BEGIN, END)
    assert (found.start_ms, found.end_ms, found.brands) == (BEGIN + DAY, BEGIN + 2 * DAY, ())


def test_everyone_at_the_end_is_not_on_call() -> None:
    ladder = Ladder((Rung(("desk",), 300), Rung((EVERYONE,), 300)))
    found = holes(
        roster(needs=Needs((Need("data", ("data-protection",)),)), ladder_of_all=ladder), (), BEGIN, END
    )
    assert [(one.start_ms, one.end_ms) for one in found] == [(BEGIN, END)]


def test_a_person_named_on_the_ladder_is_always_on_call_if_there_is_a_channel() -> None:
    for name, count in (("service-lead", 0), ("intern", 1)):
        ladder = Ladder((Rung((name,), 300),))
        assert len(holes(roster(needs=REFUNDS, ladder_of_all=ladder), (), BEGIN, END)) == count


def test_a_need_of_another_brand_is_not_asked_of_this_ladder() -> None:
    needs = Needs((Need("legal", ("legal",), brands=("other",)), Need("refunds", ("refund",))))
    ladders = {"other": LADDER}
    found = holes(
        roster(needs=needs, ladders=ladders, ladder_of_all=Ladder((Rung(("desk",), 300),))),
        ("acme", "other"),
        BEGIN,
        END,
    )
    assert [(one.brands, one.need) for one in found] == [(("other",), "legal")]


def test_without_needs_anybody_on_call_will_do() -> None:
    ladder = Ladder((Rung(("desk",), 300),))
    assert holes(roster(needs=Needs(()), ladder_of_all=ladder), (), BEGIN, END) == []
    empty = roster(needs=Needs(()), ladder_of_all=ladder, rotations={"desk": Rotation(())})
    assert [(one.authority, one.names) for one in holes(empty, (), BEGIN, END)] == [("", ("desk",))]


def test_on_a_ladder_of_everyone_everyone_is_on_call() -> None:
    ladder = Ladder((Rung((EVERYONE,), 300),))
    desk = roster(needs=Needs((Need("data", ("data-protection",)),)), ladder_of_all=ladder)
    assert holes(desk, (), BEGIN, END) == []
    assert "privacy-officer" in desk.on_call("acme", BEGIN)
