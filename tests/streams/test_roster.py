"""A rung means the people who may decide this case now, and somebody wherever there is anybody."""

from __future__ import annotations

from datetime import date

import pytest
from msgspec.structs import replace

from streams.incident import Incident, Ladder, Raised, Reach, Rung
from streams.roster import Roster
from streams.rotation import Layer, Rotation
from tests.streams.incidents import after
from tests.streams.people import BERLIN, DAY, EVERYONE, LADDER, NIGHT, roster, worded


def incident(title: str, now_ms: int = DAY, desk: Roster | None = None) -> Incident:
    case = worded(title)
    return after(None, Raised(case, (desk or roster()).ladder(case, now_ms)), now_ms)


def reached(title: str, *whom: str, now_ms: int = DAY, desk: Roster | None = None) -> list[str]:
    desk = desk or roster()
    return [one.person for one in desk.reach(whom, incident(title, now_ms, desk), now_ms)]


def test_the_ladder_carries_what_the_case_needs() -> None:
    ladder = roster().ladder(worded("my flight"), DAY)
    assert (ladder.rungs, ladder.repeat) == (LADDER.rungs, 1)
    assert (ladder.needs, ladder.amounts) == (("refund",), (("refund", 400),))


def test_a_brand_may_have_a_ladder_of_its_own() -> None:
    own = Ladder((Rung(("service-lead",), 60),))
    desk = roster(ladders={"other": own})
    assert desk.ladder(worded(brand="other"), DAY).rungs == own.rungs
    assert desk.ladder(worded(brand="acme"), DAY).rungs == LADDER.rungs
    assert roster(ladder_of_all=None).ladder(worded(), DAY).rungs == ()


def test_a_rotation_means_who_is_on_call_now() -> None:
    assert reached("refund", "desk") == ["duty-lead"]
    assert reached("refund", "desk", now_ms=NIGHT) == ["night-lead"]


def test_who_may_not_decide_is_left_out() -> None:
    assert reached("contract", "desk", now_ms=NIGHT) == []
    assert reached("my flight", "desk") == []  # 400 is more than the duty lead's 200
    assert reached("my data", "desk", "service-lead") == []


def test_everyone_means_all_who_may_decide_on_call_or_not() -> None:
    assert reached("contract", EVERYONE, now_ms=NIGHT) == ["duty-lead", "service-lead"]


def test_who_has_no_channel_is_nobody() -> None:
    assert "intern" not in reached("refund", EVERYONE)


def test_where_nobody_on_the_ladder_may_decide_whoever_stands_there_is_told_so() -> None:
    desk = roster(ladder_of_all=Ladder((Rung(("desk",), 300),)))
    (reach,) = desk.reach(("desk",), incident("my data", DAY, desk), DAY)
    assert reach == Reach(
        "duty-lead",
        ("push", "sms"),
        "im Dienst (desk); niemand im Dienst darf über Datenschutz entscheiden",
        "de",
    )


def test_what_nobody_has_is_said_to_who_has_the_rest() -> None:
    desk = roster(ladder_of_all=Ladder((Rung(("desk",), 300),)))
    (reach,) = desk.reach(("desk",), incident("my data and a refund", DAY, desk), DAY)
    assert "erstatten" in reach.why
    assert "niemand im Dienst darf über Datenschutz entscheiden" in reach.why


def test_who_is_handed_the_case_is_paged_whatever_they_may_decide() -> None:
    handed = replace(incident("contract"), owner="privacy-officer")
    (reach,) = roster().reach(("privacy-officer",), handed, DAY)
    assert (reach.person, reach.why) == ("privacy-officer", "Ihnen übergeben")


def test_who_stands_on_a_rung_twice_is_paged_once() -> None:
    assert reached("refund", "desk", "duty-lead", EVERYONE) == ["duty-lead", "night-lead", "service-lead"]


def test_the_language_of_the_case_decides_between_equals() -> None:
    for lang, first in (("en", "service-lead"), ("de", "duty-lead")):
        desk = roster(
            rotations={"both": _side_by_side("duty-lead", "service-lead")},
            ladder_of_all=Ladder((Rung(("both",), 60),)),
            detect=lambda text, lang=lang: lang,
        )
        assert reached("refund", "both", desk=desk) == [first]


def test_on_call_is_who_stands_on_the_brands_ladder_now() -> None:
    assert roster().on_call("acme", DAY) == ("duty-lead", "service-lead")
    assert roster(ladder_of_all=None).on_call("acme", DAY) == ()


def test_a_hand_over_to_somebody_unknown_reaches_nobody_and_the_ladder_goes_on() -> None:
    assert roster().reach(("nobody",), replace(incident("refund"), owner="nobody"), DAY) == ()


def test_a_name_that_is_gone_from_the_settings_means_everyone() -> None:
    """A running incident keeps its ladder; a rotation that was renamed meanwhile must not silence it."""
    old = replace(incident("my data"), ladder=Ladder((Rung(("old-desk",), 60),), needs=("data-protection",)))
    assert [one.person for one in roster().reach(("old-desk",), old, DAY)] == ["privacy-officer"]


def test_a_ladder_that_names_nobody_known_is_refused() -> None:
    with pytest.raises(ValueError, match="a ladder names somebody"):
        roster(ladder_of_all=Ladder((Rung(("somebody",), 60),)))


def _side_by_side(*names: str) -> Rotation:
    return Rotation(tuple(Layer((name,), BERLIN, date(2025, 1, 6)) for name in names))
