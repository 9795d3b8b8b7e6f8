"""Channels that ask for it are told again; what fails is counted, and logged once."""

from __future__ import annotations

import asyncio
import logging

import pytest

from agents.metrics import TOLD_AGAIN
from agents.standing import StandingCases
from agents.tallies import Bounds, Tallies
from streams.delivery import GiveUp, Ok, Outcome, TryAgain
from streams.standing import Standing
from tests.streams.incidents import T0, opened
from tests.streams.test_standing import sent


def test_each_telling_is_counted_and_a_silent_channel_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    answers: list[Outcome] = [Ok(), TryAgain(2.0, "503"), GiveUp("404"), Ok(), TryAgain(2.0, "503")]
    told: list[list[Standing]] = []

    async def tell(standing: list[Standing]) -> dict[str, Outcome]:
        told.append(standing)
        return {"push": answers[len(told) - 1]}

    tallies = Tallies(Bounds())
    incidents = [sent(opened(), T0)]
    cases = StandingCases(lambda: incidents, lambda name: name == "push", tell, tallies, lambda: T0)
    for _ in answers:
        asyncio.run(cases.tell())
    assert [len(one) for one in told] == [1] * 5
    assert tallies.values[TOLD_AGAIN] == {
        ("push", "sent"): 2,
        ("push", "failed"): 2,
        ("push", "gave-up"): 1,
    }
    assert len(caplog.records) == 2


def test_where_nothing_is_open_nobody_is_told() -> None:
    async def tell(standing: list[Standing]) -> dict[str, Outcome]:
        raise AssertionError

    asyncio.run(StandingCases(lambda: [], lambda name: True, tell, Tallies(Bounds())).tell())
