"""What is told again: all that is open, and for a while what is closed, by those channels that ask."""

from __future__ import annotations

from streams.delivery import Ok
from streams.escalation import deliveries, due
from streams.incident import Acknowledge, Delivered, Incident, Raised, Resolve, apply
from streams.standing import CLOSED_FOR_MS, standing
from tests.streams.incidents import LADDER, MINUTE, RULES, T0, case, command, opened, roster


def sent(incident: Incident, now_ms: int) -> Incident:
    one = due(incident, now_ms, roster, RULES)
    for delivery in deliveries(one, now_ms):
        one = apply(one, Delivered(delivery.dedup_key, Ok()), now_ms, RULES) or one
    return one


def told(incident: Incident, now_ms: int, channel: str = "push") -> list[tuple[str, int, int]]:
    found = standing(incident, now_ms, lambda name: name == channel)
    return [(one.delivery.kind, one.delivery.run, one.at_ms) for one in found]


def answered(incident: Incident, kind: type, now_ms: int, **more: str) -> Incident:
    one = apply(incident, command(kind, now_ms, **more), now_ms, RULES)
    assert one is not None
    return one


def test_nothing_is_told_before_the_first_page_was_taken() -> None:
    assert told(opened(), T0) == []
    assert told(due(opened(), T0, roster, RULES), T0) == []


def test_an_open_case_is_told_as_it_stands_now() -> None:
    one = sent(opened(), T0)
    assert told(one, T0 + MINUTE) == [("page", 1, T0 + MINUTE)]
    one = answered(one, Acknowledge, T0 + MINUTE)
    assert told(one, T0 + 2 * MINUTE) == [("acknowledged", 1, T0 + 2 * MINUTE)]
    (only,) = standing(one, T0 + 2 * MINUTE, lambda name: name == "push")
    assert only.delivery.page.owner == "duty"


def test_a_channel_that_does_not_ask_is_left_alone() -> None:
    assert told(sent(opened(), T0), T0, channel="sms") == []


def test_two_people_of_one_channel_are_one_telling() -> None:
    """Duty and deputy share it; the alert is that of the case."""
    one = sent(sent(opened(), T0), T0 + 300_000)
    assert len(told(one, T0 + 300_000)) == 1


def test_a_closed_case_is_told_for_a_while_as_of_when_it_was_closed() -> None:
    one = answered(sent(opened(), T0), Resolve, T0 + MINUTE, resolution="handled")
    one = sent(one, T0 + 2 * MINUTE)  # the notice that it is closed changes the incident once more
    at_ms = T0 + MINUTE
    assert told(one, at_ms + CLOSED_FOR_MS) == [("resolved", 1, at_ms)]
    assert told(one, at_ms + CLOSED_FOR_MS + 1) == []


def test_a_case_that_is_opened_again_is_told_once_it_is_paged_again() -> None:
    one = answered(sent(opened(), T0), Resolve, T0 + MINUTE, resolution="handled")
    again = apply(one, Raised(case(2), LADDER), T0 + 10 * MINUTE, RULES)
    assert again is not None
    assert told(again, T0 + 10 * MINUTE) == []
    again = sent(again, T0 + 10 * MINUTE)
    assert told(again, T0 + 11 * MINUTE) == [("page", 2, T0 + 11 * MINUTE)]
