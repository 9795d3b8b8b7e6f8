"""What a process that runs sources shows of them: what came, what is rationed, who was turned away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping

from prometheus_client.parser import text_string_to_metric_families

from agents.exposition import Page
from agents.intake import Intake
from agents.listen import Status, Supervised, _Process
from agents.settings import read_settings
from agents.sources.source import Arrival, Cursor, Source
from streams.mention import Reason
from streams.post import Found, Refused
from tests.agents.sources.world import NOW_MS, Kept, reader


class Rationed(Source):
    """Has seven posts of its month left, and turned two requests away."""

    def parse(self, arrival: Arrival) -> Iterable[Found]:
        return [Refused(Reason.NOT_JSON, "no")]

    async def arrivals(self, since: Mapping[str, Cursor]) -> AsyncGenerator[Arrival, None]:
        yield Arrival(b"odd", NOW_MS, cursor=1)

    def budgets(self) -> Mapping[str, float]:
        return {"posts": 7.0}

    def turned_away(self) -> Mapping[str, int]:
        return {"unsigned": 2}


def test_rations_refusals_and_ages_are_on_the_page() -> None:
    taking = reader(Rationed())
    process = _Process(read_settings(), {"here": taking})
    intake = Intake(taking, Kept(), process.tallies, lambda: NOW_MS + 9_000)

    async def run() -> None:
        await intake.take(Arrival(b"odd", NOW_MS, cursor=1))
        await intake.flush()

    asyncio.run(run())
    process.sources.append(Supervised(intake, {}, Status("reading")))
    text, _ = Page(process.look).written()
    told = {
        (one.name, *one.labels.values()): one.value
        for family in text_string_to_metric_families(text.decode())
        for one in family.samples
    }
    assert told["flashover_source_budget_left", "here", "posts"] == 7
    assert told["flashover_source_turned_away_total", "here", "unsigned"] == 2
    assert told["flashover_source_rejects_total", "here", "not-json"] == 1
    assert told["flashover_source_cursor_age_seconds", "here"] == 9
    assert told["flashover_source_up", "here"] == 1
