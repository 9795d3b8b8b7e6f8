"""A night at the desk, with a worker killed between any two steps: no page lost, none told twice."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import pytest

from agents.desk import Source
from streams.delivery import Case, GiveUp
from streams.incident import Acknowledge, Command, HandOver, Incident, Resolve, Rules, State, Take
from tests.agents.night import RESTART_S, World, at, run
from tests.streams.incidents import case, command, ident

DEATH, BILLS, LEAK = ident("death"), ident("bills"), ident("leak", "other")
RULES = Rules()
UNTIL = at("26 20:00")


def order(kind: type[Any], moment: str, incident: str, who: str, **more: Any) -> tuple[int, Source, Command]:
    brand = "other" if incident == LEAK else "acme"
    return (at(moment), "commands", command(kind, at(moment), who, incident=incident, brand=brand, **more))


def storm(moment: str, number: int, thread: str, brand: str = "acme") -> tuple[int, Source, Case]:
    return (at(moment), "alerts", case(number, thread, brand))


#: Three storms. Clocks in the comments are Berlin's, and New York's where they say so.
NIGHT: list[tuple[int, Source, Case | Command]] = [
    storm("25 21:00", 1, "death"),  # 23:00; the night desk does not answer, the lead does at 23:20
    order(Take, "25 21:20", DEATH, "lead", reason="cancelling the contract"),
    order(Resolve, "25 22:10", DEATH, "lead", resolution="handled", note="contract cancelled"),
    storm("26 00:50", 1, "bills"),  # 2:50, ten minutes before it is 2:00 again
    order(Acknowledge, "26 01:05", BILLS, "acme night"),  # and not resolved within the hour
    order(HandOver, "26 02:30", BILLS, "lead", to="acme desk"),
    order(Resolve, "26 02:40", BILLS, "acme night", resolution="false-alarm"),
    storm("26 06:55", 2, "death"),  # 7:55: it grows again, five minutes before the desk hands over at 8:00
    order(Resolve, "26 07:20", DEATH, "acme day", resolution="handled"),
    storm("26 11:55", 1, "leak", "other"),  # 7:55 in New York
    order(Take, "26 12:10", LEAK, "other day"),
    order(Resolve, "26 12:30", LEAK, "other day", resolution="missed-too-late"),
]


@cache
def night(broken: frozenset[str] = frozenset({"sms"})) -> World:
    return run(World(NIGHT, broken=broken), UNTIL, RULES)


def seen(world: World, thread: str) -> list[str]:
    """When (UTC), to whom, by what, and what it was."""
    return [
        f"{_clock(moment)} {one.person} by {one.channel}: {one.kind}"
        for moment, one in world.took
        if one.page.case.thread_id == thread
    ]


def _clock(moment: int) -> str:
    minutes = (moment - at("25 00:00")) // 60_000 % 1440
    return f"{minutes // 60:02}:{minutes % 60:02}"


def incidents(world: World) -> dict[str, Incident]:
    return {key: one for key, one in world.records().items() if isinstance(one, Incident)}


def test_a_night_with_three_storms() -> None:
    """Nobody answers at the night desk; text messages fail, so that the pager comes at once."""
    world = night()
    assert seen(world, "death") == [
        "21:00 acme night by pager: page",
        "21:10 lead by push: page",
        "21:10 acme night by pager: page",
        "21:20 acme night by pager: acknowledged",
        "21:20 lead by push: acknowledged",
        "22:10 acme night by pager: resolved",
        "22:10 lead by push: resolved",
        "06:55 acme night by pager: page",
        "07:05 lead by push: page",
        "07:05 acme day by pager: page",  # 8:05 in Berlin, since the clocks went back
        "07:20 acme night by pager: resolved",
        "07:20 lead by push: resolved",
        "07:20 acme day by pager: resolved",
    ]
    assert seen(world, "bills") == [
        "00:50 acme night by pager: page",
        "01:00 lead by push: page",  # ten minutes later, though Berlin's clocks say 2:00
        "01:00 acme night by pager: page",
        "01:05 acme night by pager: acknowledged",
        "01:05 lead by push: acknowledged",
        "02:05 acme night by pager: page",  # not resolved within the hour
        "02:15 lead by push: page",
        "02:15 acme night by pager: page",
        "02:30 acme night by pager: page",  # handed over to the desk
        "02:35 acme night by pager: page",  # which does not answer
        "02:40 acme night by pager: resolved",
        "02:40 lead by push: resolved",
    ]
    assert seen(world, "leak")[:3] == [
        "11:55 other night by pager: page",
        "12:05 lead by push: page",
        "12:05 other day by pager: page",  # 8:05 in New York
    ]
    ends = {one.case.thread_id: (one.state, one.resolution, one.owner) for one in incidents(world).values()}
    assert ends == {
        "death": (State.RESOLVED, "handled", "acme day"),
        "bills": (State.RESOLVED, "false-alarm", "acme desk"),
        "leak": (State.RESOLVED, "missed-too-late", "other day"),
    }
    assert world.holds == {"death": None, "leak": None}
    (silent,) = {one.page.silent for _, one in world.took if (one.person, one.step) == ("other day", 1)}
    assert silent == ("other night",)
    failed = [one for one in world.attempts if one.channel == "sms"]
    assert failed
    assert all(isinstance(one.outcome, GiveUp) for one in failed)
    assert len(world.attempts) == len(world.took) + len(failed)


def test_every_command_is_audited_once() -> None:
    """With who asked and what became of it, in their order."""
    asked = [one for _, source, one in NIGHT if source == "commands"]
    assert [one.id for one in night().audits] == [one.id for one in asked]
    assert {one.outcome for one in night().audits} == {"done"}


def test_when_all_channels_of_a_person_fail_the_next_is_paged_at_once() -> None:
    world = night(frozenset({"sms", "pager"}))
    assert seen(world, "death")[:2] == ["21:00 lead by push: page", "21:15 lead by push: page"]
    history = [(entry.what, entry.who) for entry in incidents(world)[DEATH].history]
    assert history[1:7] == [
        ("paging", "acme night"),
        ("page failed", "acme night"),
        ("page failed", "acme night"),
        ("paging", "acme night, lead"),
        ("page failed", "acme night"),
        ("page sent", "lead"),
    ]


@pytest.mark.parametrize("kill_at", range(night().steps))
def test_killed_at_any_step_no_page_is_lost_and_one_is_told_twice_at_most(kill_at: int) -> None:
    """Told twice only where it was sent and not yet written down, under the same key."""
    world = run(World(NIGHT, kill_at, broken=frozenset({"sms"})), UNTIL, RULES)
    (killed,) = world.kills
    keys = Counter(one.dedup_key for _, one in world.took)
    assert keys.keys() == {one.dedup_key for _, one in night().took}
    doubled = Counter(one.channel for _, one in world.took) - Counter(one.channel for _, one in night().took)
    assert doubled["push"] <= 1
    assert max(keys.values()) <= 2
    if killed in ("before a hold", "before an ack"):
        assert not doubled
    for key, one in incidents(night()).items():
        again = incidents(world)[key]
        assert (again.state, again.owner, again.resolution, again.hold) == (
            one.state,
            one.owner,
            one.resolution,
            one.hold,
        )
        assert {page.key for page in again.pages} == {page.key for page in one.pages}
    assert world.holds == night().holds
    # What was told before a worker died may be told again: done once, and not twice.
    first_told = {one.id: one.outcome for one in reversed(world.audits)}
    assert first_told == {one.id: one.outcome for one in night().audits}
    late_ms = RESTART_S * 1000
    first = {one.dedup_key: moment for moment, one in reversed(world.took)}
    for moment, delivery in night().took:
        assert moment <= first[delivery.dedup_key] <= moment + 2 * late_ms


TWINS = [storm("25 21:00", 1, "death"), storm("25 21:00", 1, "bills")]


@cache
def twins(kill_at: int = -1) -> World:
    """Two storms at once for one person, whose only channel takes no key."""
    return run(World(TWINS, kill_at, broken=frozenset({"sms", "pager"})), at("25 21:10"), RULES)


def test_of_pages_at_the_same_time_one_at_most_comes_twice() -> None:
    assert [one.person for _, one in twins().took] == ["lead", "lead"]
    taken = [len(twins(kill_at).took) for kill_at in range(twins().steps)]
    assert set(taken) == {2, 3}
