"""Tells the channels that ask for it of the cases that are open, once a minute.

Law of this file: it reads the incidents of this worker and changes none of them. What fails is told again a
minute later; the channel knows by itself when it has not heard for too long.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from agents.desk_metrics import outcome_word
from agents.metrics import TOLD_AGAIN
from agents.tallies import Tallies
from agents.terminal import safe
from streams.delivery import Ok, Outcome
from streams.incident import Incident
from streams.standing import Standing, standing

__all__ = ["EVERY_S", "StandingCases"]

log = logging.getLogger(__name__)

EVERY_S: Final = 60.0

Tell = Callable[[list[Standing]], Awaitable[dict[str, Outcome]]]


class StandingCases:
    """`asks` answers which channels want to hear again, `tell` tells them; `incidents` are this worker's."""

    def __init__(
        self,
        incidents: Callable[[], Iterable[Incident]],
        asks: Callable[[str], bool],
        tell: Tell,
        tallies: Tallies,
        now_ms: Callable[[], int] = lambda: int(time.time() * 1000),
    ) -> None:
        self._incidents = incidents
        self._asks = asks
        self._tell = tell
        self._tallies = tallies
        self._now_ms = now_ms
        self._silent: set[str] = set()  # channels that did not take the last one

    async def tell(self) -> None:
        """Once, now."""
        now_ms = self._now_ms()
        told = [one for incident in self._incidents() for one in standing(incident, now_ms, self._asks)]
        for channel, outcome in (await self._tell(told) if told else {}).items():
            self._tallies.count(TOLD_AGAIN, channel, outcome_word(outcome))
            if isinstance(outcome, Ok):
                self._silent.discard(channel)
            elif channel not in self._silent:
                self._silent.add(channel)
                log.warning("channel %s could not be told what is open: %s", channel, safe(outcome.reason))

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.tell()
            await asyncio.sleep(EVERY_S)
