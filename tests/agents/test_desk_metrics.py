"""A night at the desk is counted as it went, once, whether looked at once or after every step."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, cast

import pytest
from msgspec.structs import replace

from agents.desk import Attempt, Output
from agents.desk_metrics import DeskWatch, Watched
from agents.metrics import (
    DELIVERIES,
    DELIVERY_TIME,
    FIRST_ANSWERS,
    INCIDENTS,
    LADDER_EXHAUSTED,
    NOBODY,
    PAGE_TO_TAKEN,
    PAGES_IN_TIME,
    RESOLUTIONS,
)
from agents.tallies import Bounds, Tallies
from streams.delivery import GiveUp, Ok, TryAgain
from streams.incident import Entry, Incident, Rung, State
from tests.agents.night import World, at, run
from tests.agents.test_desk import NIGHT, RULES, UNTIL


@pytest.fixture(scope="module")
def night() -> list[Incident]:
    world = run(World(NIGHT, broken=frozenset({"sms"})), UNTIL, RULES)
    return [one for one in world.records().values() if isinstance(one, Incident)]


def counted(tallies: Tallies) -> dict[tuple[str, ...], float]:
    return {
        (metric.name.removeprefix("flashover_"), *labels): value
        for metric, values in tallies.values.items()
        for labels, value in values.items()
        if value
    }


EXPECTED = {
    ("resolutions_total", "acme", "handled"): 2,
    ("resolutions_total", "acme", "false-alarm"): 1,
    ("resolutions_total", "other", "missed-too-late"): 1,
    ("first_answers_total", "acme", "authority"): 2,
    ("first_answers_total", "other", "authority"): 1,
    ("page_deliveries_total", "in-time"): 4,
}


def test_a_night_looked_at_once(night: list[Incident]) -> None:
    tallies = Tallies(Bounds())
    watch = DeskWatch(tallies, lambda: night)
    watch.look(UNTIL)
    assert counted(tallies) == EXPECTED
    taken = tallies.spreads[PAGE_TO_TAKEN]
    assert taken["acme",].sum == 20 * 60 + 15 * 60  # 21:00 to 21:20, and 0:50 to 1:05
    assert sum(tallies.spreads[DELIVERY_TIME]["pager",].counts) == 4
    before = counted(tallies)
    watch.look(UNTIL)
    assert counted(tallies) == before


def test_a_night_looked_at_after_every_step(night: list[Incident]) -> None:
    """Histories grow entry by entry, and the sums are the same."""
    tallies, shown = Tallies(Bounds()), list[Incident]()
    watch = DeskWatch(tallies, lambda: shown)
    for length in range(1, max(len(one.history) for one in night) + 1):
        shown[:] = [replace(one, history=one.history[:length]) for one in night]
        watch.look(at("25 21:00"))
    assert counted(tallies) == EXPECTED


def test_what_was_in_it_when_it_became_ours_is_not_counted(night: list[Incident]) -> None:
    tallies = Tallies(Bounds())
    watch = DeskWatch(tallies, lambda: night)
    watch.begin()
    watch.look(UNTIL)
    assert counted(tallies) == {}
    assert tallies.values[RESOLUTIONS]["acme", "handled"] == 0  # and is there to be counted


def test_incidents_stand_where_they_stand(night: list[Incident]) -> None:
    two = [replace(night[0], state=State.PAGED), replace(night[1], state=State.ACKNOWLEDGED)]
    samples = DeskWatch(Tallies(Bounds()), lambda: two).look(UNTIL)
    assert {sample.metric for sample in samples} == {INCIDENTS}
    assert sum(cast(float, sample.value) for sample in samples) == 2


def test_a_page_that_nobody_took_in_time_is_late_once(night: list[Incident]) -> None:
    opened = at("25 21:00")
    entries = (Entry(opened, "opened"), Entry(opened, "paging", "lead"))
    ladder = replace(night[0].ladder, rungs=(Rung(("lead",), 60.0),))
    shown = [replace(night[0], state=State.PAGED, history=entries, ladder=ladder)]
    tallies = Tallies(Bounds())
    watch = DeskWatch(tallies, lambda: shown)
    watch.look(opened + 60_000)
    assert tallies.values[PAGES_IN_TIME]["late",] == 0
    watch.look(opened + 60_001)
    sent = Entry(opened + 90_000, "page sent", "lead", note="by sms")
    over = Entry(opened + 95_000, "the ladder is over, nobody has answered")
    nobody = Entry(opened + 94_000, "nobody to page")
    shown[0] = replace(shown[0], history=(*entries, sent, nobody, over))
    watch.look(opened + 100_000)
    assert tallies.values[PAGES_IN_TIME]["late",] == 1
    assert tallies.values[LADDER_EXHAUSTED][shown[0].case.brand,] == 1
    assert tallies.values[NOBODY][shown[0].case.brand,] == 1


def test_a_text_block_that_came_first_is_told(night: list[Incident]) -> None:
    one = night[0]
    reply = replace(one.case.reply, state="canned")
    shown = [replace(one, case=replace(one.case, reply=reply))]
    tallies = Tallies(Bounds())
    DeskWatch(tallies, lambda: shown).look(UNTIL)
    assert tallies.values[FIRST_ANSWERS][one.case.brand, "canned"] >= 1


class _Kept:
    def __init__(self) -> None:
        self.attempts: list[Attempt] = []

    async def attempt(self, attempt: Attempt) -> Awaitable[Any]:
        self.attempts.append(attempt)
        return asyncio.sleep(0)


def test_attempts_are_counted_and_go_on() -> None:
    kept, tallies = _Kept(), Tallies(Bounds())
    output = Watched(cast(Output, kept), tallies)

    async def go() -> None:
        for outcome in (Ok(), TryAgain(1.0), GiveUp("no"), Ok()):
            one = Attempt(0, "i", "acme", "key", "page", 0, "lead", "sms", 0.1, outcome)
            await (await output.attempt(one))

    asyncio.run(go())
    assert len(kept.attempts) == 4
    assert tallies.values[DELIVERIES] == {
        ("sms", "sent"): 2,
        ("sms", "failed"): 1,
        ("sms", "gave-up"): 1,
    }
