"""What one incident cannot decide alone: mutes, merges, rations, and when to forget."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from streams.audit import Audited, Refusal, audited, decode_audited
from streams.delivery import Case, Delivery, Ok
from streams.desk import Desk, Muted, decode_record, encode_record
from streams.incident import (
    Acknowledge,
    Command,
    HandOver,
    HoldReplies,
    Incident,
    Ladder,
    Merge,
    Mute,
    Reach,
    Release,
    Resolve,
    Rules,
    Rung,
    State,
    Take,
    Unmute,
)
from tests.streams.incidents import LADDER, MINUTE, T0, case, command, ident, roster

HOUR = 60 * MINUTE


class Everybody:
    def ladder(self, case: Case, now_ms: int) -> Ladder:
        return LADDER

    def reach(self, whom: tuple[str, ...], incident: Incident, now_ms: int) -> tuple[Reach, ...]:
        return roster(whom, incident, now_ms)


class Once(Everybody):
    """The duty is paged, and nobody else, once for each incident."""

    def ladder(self, case: Case, now_ms: int) -> Ladder:
        return Ladder((Rung(("duty",), 300),), repeat=0)


def desk(people: Everybody | None = None, **rules: float) -> Desk:
    return Desk(people or Everybody(), Rules(**rules))  # type: ignore[arg-type]


def send(one: Desk, now_ms: int) -> list[Delivery]:
    one.tick(now_ms)
    sent = list(one.deliveries(now_ms))
    for delivery in sent:
        one.delivered(delivery, Ok(), now_ms)
    return sent


def test_only_a_page_opens_an_incident() -> None:
    one = desk()
    one.alert(case(level="warn"), T0)
    assert one.incidents == {}
    one.alert(case(), T0)
    one.alert(case(2, level="warn", mentions=70), T0)
    assert one.incidents[ident()].case.mentions == 70
    assert one.deadline() == T0


@pytest.mark.parametrize("thread_id", [None, "t1"])
def test_a_mute_is_seen_holds_the_ladder_and_ends(thread_id: str | None) -> None:
    one = desk(mute_at_most_s=3600)
    mute = command(Mute, incident="", until_ms=T0 + 99 * HOUR, why="planned", thread_id=thread_id)
    assert one.command(mute, T0)
    one.alert(case(), T0)
    assert send(one, T0) == []
    (muted,) = one.mutes.values()
    assert (muted.who, muted.why, muted.until_ms) == ("duty", "planned", T0 + HOUR)  # never for ever
    _, records = one.changes()
    assert Muted in {type(record) for record in records.values()}
    assert [delivery.person for delivery in send(one, T0 + HOUR)] == ["duty"]
    assert one.mutes == {}
    assert None in one.changes()[1].values()


def test_a_mute_of_another_thread_mutes_nothing_here_and_an_unmute_ends_one_at_once() -> None:
    one = desk()
    one.command(command(Mute, incident="", until_ms=T0 + HOUR, why="x", thread_id="t1"), T0)
    one.alert(case(), T0)
    one.alert(case(thread="t2"), T0)
    assert [delivery.page.case.thread_id for delivery in send(one, T0)] == ["t2"]
    assert one.command(command(Unmute, incident="", thread_id="t1"), T0 + MINUTE)
    assert [delivery.page.case.thread_id for delivery in send(one, T0 + MINUTE)] == ["t1"]
    assert not one.command(command(Unmute, incident="", thread_id="t1"), T0 + MINUTE)
    assert one.refused == 1


def test_who_is_handed_a_case_is_paged_under_a_mute_too() -> None:
    one = desk()
    one.alert(case(), T0)
    send(one, T0)
    one.command(command(Mute, incident="", until_ms=T0 + HOUR, why="x"), T0)
    one.command(command(HandOver, to="service"), T0)
    assert [delivery.person for delivery in send(one, T0)] == ["service"]


def test_what_is_more_than_a_person_can_take_comes_as_one_digest() -> None:
    """Six pages an hour; the others wait for a minute and are told together, those that are still waiting."""
    one = desk(Once())
    sent = []
    for number in range(10):
        one.alert(case(thread=f"t{number}", title=f"case {number}"), T0 + number * 1000)
        sent += send(one, T0 + number * 1000)
    assert [delivery.kind for delivery in sent] == ["page"] * 6
    one.command(command(Resolve, incident=ident("t6"), resolution="handled"), T0 + MINUTE)
    (digest,) = [delivery for delivery in send(one, T0 + MINUTE + 6000) if delivery.kind == "digest"]
    assert (digest.person, digest.page.more, digest.page.cases) == ("duty", 3, ("case 7", "case 8", "case 9"))
    one.alert(case(thread="later"), T0 + 10 * MINUTE)
    assert send(one, T0 + 10 * MINUTE) == []
    (digest,) = send(one, T0 + 3 * HOUR)
    assert (digest.kind, digest.page.more) == ("digest", 1)
    one.alert(case(thread="next"), T0 + 3 * HOUR)
    assert [delivery.kind for delivery in send(one, T0 + 3 * HOUR)] == ["page"]


def test_the_ration_outlives_a_restart() -> None:
    one = desk(Once())
    for number in range(6):
        one.alert(case(thread=f"t{number}"), T0)
        send(one, T0)
    stored = [decode_record(encode_record(record)) for record in one.incidents.values()]
    again = Desk(Once(), Rules(), stored)
    again.alert(case(thread="t7"), T0)
    assert send(again, T0) == []


def merged() -> Desk:
    one = desk()
    for thread in ("t1", "t2"):
        one.alert(case(thread=thread), T0)
    send(one, T0)
    one.command(command(Take, incident=ident("t2")), T0)
    assert one.command(command(Merge, into=ident("t2")), T0)
    return one


def test_merged_threads_are_one_case_and_one_hold() -> None:
    one = merged()
    holds, _ = one.changes()
    assert {key: held and held.incident for key, held in holds.items()} == {
        "t1": ident("t2"),
        "t2": ident("t2"),
    }
    one.alert(case(2, "t1", mentions=500), T0 + MINUTE)  # it is told of what happens to the other
    assert one.incidents[ident()].state is State.MERGED
    assert one.incidents[ident("t2")].history[-1].what == "grew"
    one.command(command(Resolve, incident=ident("t2"), resolution="handled"), T0 + MINUTE)
    assert one.changes()[0] == {"t1": None, "t2": None}


def test_a_merge_done_by_half_is_done_whole_when_it_is_read_again() -> None:
    one = merged()
    before = desk()
    before.alert(case(thread="t2"), T0)
    half = Desk(Everybody(), Rules(), [one.incidents[ident()], before.incidents[ident("t2")]])
    half.command(command(Merge, into=ident("t2")), T0)
    assert half.incidents[ident("t2")].threads == ("t1",)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: command(Merge, into=ident()),  # with itself
        lambda: command(Merge, into="in-none"),
        lambda: command(Merge, into=ident("t1", "other")),  # of another brand
        lambda: command(Acknowledge, incident="in-none"),
        lambda: command(Acknowledge, brand="other"),  # read in another brand's partition
        lambda: command(Mute, until_ms=T0, why="already over"),
    ],
)
def test_nonsense_is_refused_and_counted(wrong: Callable[[], Acknowledge]) -> None:
    one = desk()
    one.alert(case(), T0)
    one.alert(case(brand="other"), T0)
    before = dict(one.incidents)
    assert not one.command(wrong(), T0)
    assert (one.refused, one.incidents) == (1, before)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (command(Take, incident="in-none"), Refusal.UNKNOWN_INCIDENT),
        (command(Take, brand="other"), Refusal.UNKNOWN_INCIDENT),
        (command(Acknowledge, id="first"), Refusal.COUNTED_BEFORE),
        (command(Acknowledge, id="second"), Refusal.NOT_NOW),
        (command(Merge, into="in-none"), Refusal.BAD_TARGET),
        (command(Merge, into=ident()), Refusal.BAD_TARGET),
        (command(Release), Refusal.NOTHING_HELD),
        (command(HoldReplies, until_ms=T0 - 1), Refusal.PAST),
        (command(Mute, until_ms=T0, why="already over"), Refusal.PAST),
        (command(Unmute), Refusal.NO_SUCH_MUTE),
    ],
)
def test_what_is_refused_says_why(wrong: Command, why: Refusal) -> None:
    """The audit tells of it, with who asked and from where."""
    one = desk()
    one.alert(case(), T0)
    assert one.command(command(Acknowledge, id="first"), T0)
    assert not one.command(wrong, T0)
    assert one.why_refused(wrong, T0) is why
    told = audited(wrong, T0, why)
    assert (told.outcome, told.who, told.where, told.command) == (
        "refused",
        "duty",
        "cli",
        wrong.__struct_config__.tag,
    )
    assert decode_audited(msgspec.json.encode(told)) == told
    assert isinstance(told, Audited)


def test_a_case_that_is_over_is_forgotten_and_may_come_again() -> None:
    one = desk(forget_after_s=3600)
    one.alert(case(), T0)
    one.command(command(Resolve, resolution="handled"), T0)
    one.tick(T0 + HOUR - 1)
    assert ident() in one.incidents
    one.tick(T0 + HOUR)
    assert one.incidents == {}
    assert one.changes()[1] == {ident(): None}
    assert one.deadline() is None
    again = merged()
    del again.incidents[ident("t2")]
    again.alert(case(7), T0)
    assert again.incidents[ident()].state is State.OPEN
