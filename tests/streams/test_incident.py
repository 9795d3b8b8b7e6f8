"""What may happen to an incident, and whom it pages when nobody answers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from streams.delivery import GiveUp, Ok, Outcome, TryAgain
from streams.escalation import deadline, deliveries, due
from streams.incident import (
    TRANSITIONS,
    Acknowledge,
    Delivered,
    HandOver,
    HoldReplies,
    Incident,
    Ladder,
    Merge,
    Move,
    Raised,
    Release,
    Resolve,
    Rules,
    Rung,
    State,
    Take,
    decode_command,
    encode_command,
    thread_ids,
)
from tests.streams.incidents import (
    LADDER,
    MINUTE,
    RULES,
    T0,
    act,
    after,
    case,
    command,
    opened,
    paged,
    roster,
    told,
)

COMMANDS: list[tuple[type[Any], dict[str, Any]]] = [
    (Acknowledge, {}),
    (Take, {}),
    (HandOver, {"to": "service"}),
    (Resolve, {"resolution": "handled"}),
    (Merge, {"into": "in-other"}),
]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize(("kind", "fields"), COMMANDS, ids=[one.__name__ for one, _ in COMMANDS])
def test_a_command_does_what_the_table_says_or_nothing(
    state: State, kind: type[Any], fields: dict[str, Any]
) -> None:
    before = replace(opened(), state=state)
    one = command(kind, **fields)
    wanted = TRANSITIONS.get((state, Move(str(one.__struct_config__.tag))))
    changed = after(before, one)
    if wanted is None:
        assert changed is before
    else:
        assert changed.state == wanted
        assert changed.history[-1].who == "duty"
        assert changed.history[-1].where == "cli"
        assert after(changed, one) is changed  # the same command twice counts once


def test_the_ladder_goes_on_until_somebody_answers() -> None:
    one = act(opened(), T0)
    assert (one.state, paged(one)) == ("paged", [("duty", "push", "sent")])
    assert deadline(one) == T0 + 5 * MINUTE
    assert act(one, T0 + 5 * MINUTE - 1) is one
    one = act(one, T0 + 5 * MINUTE)
    assert paged(one)[1:] == [("lead", "mail", "sent"), ("deputy", "push", "sent")]
    one = act(one, T0 + 15 * MINUTE)  # and from the start
    assert paged(one)[3:] == [("duty", "push", "sent")]
    assert len({page.key for page in one.pages}) == len(one.pages)
    one = after(one, command(Acknowledge, who="lead"), T0 + 16 * MINUTE)
    assert (one.state, one.owner) == ("acknowledged", "lead")
    assert deadline(act(one, T0 + 16 * MINUTE)) == T0 + 76 * MINUTE


def test_a_ladder_that_stops_stops() -> None:
    one = act(opened(Ladder((Rung(("duty",), 300),), repeat=1)), T0)
    for minutes in (5, 10, 15):
        one = act(one, T0 + minutes * MINUTE)
    assert len(paged(one)) == 2
    assert deadline(one) is None
    assert one.history[-1].what == "the ladder is over, nobody has answered"


def test_a_page_names_who_was_paged_before_and_did_not_answer() -> None:
    one = due(act(opened(), T0), T0 + 5 * MINUTE, roster, RULES)
    assert {one.person: one.page.silent for one in deliveries(one, T0 + 5 * MINUTE)} == {
        "lead": ("duty",),
        "deputy": ("duty",),
    }
    assert deliveries(one, T0 + 5 * MINUTE)[0].page.why == "lead may decide"


def test_what_is_acknowledged_and_not_resolved_starts_again() -> None:
    one = after(act(opened(), T0), command(Acknowledge), T0 + MINUTE)
    one = act(one, T0 + 61 * MINUTE - 1)
    assert one.state == "acknowledged"
    one = due(one, T0 + 61 * MINUTE, roster, RULES)
    (delivery,) = deliveries(one, T0 + 61 * MINUTE)
    assert (one.state, delivery.page.number, delivery.page.owner) == ("paged", 2, "duty")


def test_who_was_paged_is_told_when_it_is_taken_and_when_it_is_over() -> None:
    one = after(act(opened(), T0), command(Take), T0 + MINUTE)
    assert [(d.kind, d.person, d.page.owner) for d in deliveries(one, T0 + MINUTE)] == [
        ("acknowledged", "duty", "duty")
    ]
    one = after(act(one, T0 + MINUTE), command(Resolve, resolution="handled"), T0 + 2 * MINUTE)
    assert told(one) == [("acknowledged", "duty"), ("resolved", "duty")]
    assert act(one, T0 + 2 * MINUTE).next_ms is None


def test_a_hand_over_pages_that_person_first_and_the_ladder_after() -> None:
    one = after(act(opened(), T0), command(Take), T0 + MINUTE)
    one = after(one, command(HandOver, to="service", note="knows the contract"), T0 + 2 * MINUTE)
    one = act(one, T0 + 2 * MINUTE)
    assert (one.state, one.owner, paged(one)[-1]) == ("paged", "service", ("service", "pager", "sent"))
    assert one.hold is not None
    assert one.hold.owner == "service"
    assert paged(act(one, T0 + 7 * MINUTE))[-1] == ("duty", "push", "sent")


@pytest.mark.parametrize("outcome", [GiveUp("no such number"), TryAgain(20, "busy")])
def test_a_channel_that_fails_moves_on_at_once(outcome: Outcome) -> None:
    """To the person's next channel; when none is left, to the ladder's next step. And it shows."""
    one = due(opened(), T0, roster, RULES)
    (push,) = deliveries(one, T0)
    one = after(one, Delivered(push.dedup_key, outcome))
    (sms,) = deliveries(one, T0)
    assert (sms.person, sms.channel) == ("duty", "sms")
    one = act(after(one, Delivered(sms.dedup_key, outcome)), T0)
    assert ("lead", "mail", "sent") in paged(one)
    assert isinstance(outcome, GiveUp | TryAgain)
    assert {page.reason for page in one.pages if page.person == "duty"} == {outcome.reason}


def test_a_channel_is_tried_again_at_growing_pauses_and_then_has_failed() -> None:
    one = due(opened(Ladder((Rung(("lead",), 600),))), T0, roster, RULES)
    at, tries = T0, []
    for _ in range(RULES.tries):
        (mail,) = [d for d in deliveries(one, at) if d.dedup_key == one.pages[0].key]
        tries.append(at - T0)
        one = after(one, Delivered(mail.dedup_key, TryAgain(10, "busy")), at)
        at = max(at, one.pages[0].at_ms)
    assert tries == [0, 10_000, 30_000]
    assert (one.pages[0].state, one.history[-1].what) == ("failed", "page failed")
    assert after(one, Delivered(one.pages[0].key, Ok()), at) is one


def test_when_one_of_a_step_was_reached_a_failure_beside_it_does_not_move_the_ladder() -> None:
    one = act(
        opened(Ladder((Rung(("lead", "deputy"), 300), Rung(("duty",), 300)))), T0, {"mail": GiveUp("x")}
    )
    assert paged(one) == [("lead", "mail", "failed"), ("deputy", "push", "sent")]


def test_where_nobody_stands_the_ladder_goes_on_and_does_not_spin() -> None:
    one = act(opened(Ladder((Rung(("nobody",), 300), Rung(("lead",), 300)))), T0)
    assert paged(one) == [("lead", "mail", "sent")]
    one = act(opened(Ladder((Rung(("nobody",), 300),))), T0)
    assert (paged(one), deadline(one)) == ([], T0 + MINUTE)
    without = act(opened(Ladder(())), T0)
    assert without.next_ms is None
    assert without.history[-1].what == "no ladder: nobody else is paged"


def test_taking_holds_canned_replies_until_released_or_expired() -> None:
    taken = after(act(opened(), T0), command(Take, reason="refund is under way"), T0)
    assert taken.hold is not None
    assert (taken.hold.owner, taken.hold.reason) == ("duty", "refund is under way")
    assert after(taken, command(Release), T0).hold is None
    resolved = after(taken, command(Resolve, resolution="false-alarm"), T0)
    assert resolved.hold is None
    longer = after(taken, command(HoldReplies, who="lead", until_ms=T0 + 600 * MINUTE), T0)
    assert longer.hold is not None
    assert (longer.hold.owner, longer.hold.until_ms) == ("lead", T0 + 600 * MINUTE)
    taken = replace(taken, next_ms=None)
    assert act(taken, T0 + 240 * MINUTE - 1).hold is not None
    expired = act(taken, T0 + 240 * MINUTE)
    assert expired.hold is None
    assert "hold expired" in [entry.what for entry in expired.history]
    assert after(act(opened(), T0), command(Take, hold=False), T0).hold is None


def test_it_reopens_when_it_grows_again_and_a_running_one_keeps_its_ladder() -> None:
    other = Ladder((Rung(("service",), 60),))
    one = after(act(opened(), T0), Raised(case(2, mentions=50), other), T0 + MINUTE)
    assert (one.case.mentions, one.ladder, one.history[-1].what) == (50, LADDER, "grew")
    assert after(one, Raised(case(1), other), T0 + MINUTE) is one  # told before
    one = after(one, command(Resolve, resolution="handled"), T0 + 2 * MINUTE)
    one = act(after(one, Raised(case(3, mentions=90), other), T0 + 60 * MINUTE), T0 + 60 * MINUTE)
    assert (one.state, one.ladder, one.resolution, one.owner) == ("paged", other, None, None)
    assert paged(one)[-1] == ("service", "pager", "sent")


def test_a_merged_incident_is_quiet_and_says_where_it_went() -> None:
    one = after(act(opened(), T0), command(Merge, into="in-other"), T0)
    assert (one.state, one.merged_into) == ("merged", "in-other")
    assert act(one, T0 + 60 * MINUTE).state == "merged"
    assert thread_ids(replace(one, threads=("t2",))) == ("t1", "t2")


def test_under_a_mute_no_ladder_starts_and_then_it_does() -> None:
    one = act(opened(), T0, muted_ms=T0 + 30 * MINUTE)
    assert (one.state, paged(one), deadline(one)) == ("open", [], T0 + 30 * MINUTE)
    assert one.history[-1].what == "muted"
    assert paged(act(one, T0 + 30 * MINUTE)) == [("duty", "push", "sent")]


def test_a_deadline_missed_by_hours_acts_once() -> None:
    one = act(act(opened(), T0), T0 + 600 * MINUTE)
    assert len(paged(one)) == 3
    assert deadline(one) == T0 + 610 * MINUTE


def test_records_come_back_as_they_went() -> None:
    one = after(act(opened(), T0), command(Take), T0)
    assert msgspec.json.decode(msgspec.json.encode(one), type=Incident) == one
    for kind, fields in COMMANDS:
        assert decode_command(encode_command(command(kind, **fields))) == command(kind, **fields)
    for value in (None, b"{", b"{}", b'{"command":"explode"}'):
        with pytest.raises(ValueError, match=r"JSON|Invalid|truncated|missing"):
            decode_command(value)
    with pytest.raises(ValueError, match="pages_per_hour"):
        Rules(pages_per_hour=0)
