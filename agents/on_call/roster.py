"""The roster of the settings, with what its calendars say now.

Law of this file: it fetches, keeps and hands over; who is picked is decided in `streams.roster`. Of each
calendar the last good copy holds until there is a better one, and it reaches a month ahead; a failure is
logged, counted and shown, and stops nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from agents.on_call.calendar_reader import Read
from agents.on_call.calendars import CalendarError, expanded, fetched, file_content
from agents.on_call.people import RotationTable
from agents.settings import Settings
from agents.terminal import safe
from streams.delivery import Case
from streams.incident import Incident, Ladder, Reach
from streams.language import detect_language
from streams.matching import fold
from streams.needs import Needs
from streams.roster import Roster
from streams.rotation import Agenda

__all__ = ["AHEAD_MS", "Calendar", "LiveRoster", "roster_of"]

log = logging.getLogger(__name__)

_DAY_MS: Final = 86_400_000
AHEAD_MS: Final = 32 * _DAY_MS  # how far calendars are read
_AGAIN_S: Final = 600.0  # from one reading of them to the next


class Calendar(NamedTuple):
    """The last good copy of a rotation's calendar, and when it was read, ms."""

    at_ms: int
    read: Read


def roster_of(settings: Settings, calendars: dict[str, Calendar]) -> Roster:
    """The roster of the settings; a rotation whose calendar was never read has its layers and overrides."""
    rotations = {}
    for name, table in settings.rotations.items():
        agendas = [Agenda(calendars[name].read.shifts)] if name in calendars else []
        rotations[name] = table.rotation(agendas)
    zones: dict[str, str] = {}
    for name, table in settings.rotations.items():
        for person in rotations[name].people():
            zones.setdefault(person, table.time_zone)
    ladders = {name: table.ladder() for name, table in settings.ladders.items()}
    own = {brand: ladders[name] for name, table in settings.ladders.items() for brand in table.brands}
    of_all = [ladders[name] for name, table in settings.ladders.items() if not table.brands]
    return Roster(
        {name: table.person(name, zones.get(name, "")) for name, table in settings.people.items()},
        rotations,
        Needs(table.need(name) for name, table in settings.needs.items()),
        own,
        of_all[0] if of_all else None,
        detect_language,
    )


class LiveRoster:
    """The roster of a worker or a command; see `streams.desk.Roster`. `refresh` reads the calendars."""

    def __init__(
        self, settings: Settings, now_ms: Callable[[], int] = lambda: int(time.time() * 1000)
    ) -> None:
        self._settings = settings
        self._now_ms = now_ms
        self._begun = asyncio.Lock()
        self.calendars: dict[str, Calendar] = {}
        self.failures: Counter[str] = Counter({name: 0 for name, _ in self._with_calendar()})
        self.problems: dict[str, str] = {}  # of the calendars that failed when last read
        self.now = roster_of(settings, {})

    def ladder(self, case: Case, now_ms: int) -> Ladder:
        """As `streams.roster.Roster`."""
        return self.now.ladder(case, now_ms)

    def reach(self, whom: tuple[str, ...], incident: Incident, now_ms: int) -> tuple[Reach, ...]:
        """As `streams.roster.Roster`."""
        return self.now.reach(whom, incident, now_ms)

    async def begin(self) -> None:
        """Read the calendars, if they were not yet."""
        async with self._begun:
            if not self.calendars and not self.problems:
                await self.refresh()

    async def run(self) -> None:
        """Read them again and again, for ever."""
        await self.begin()
        while True:
            await asyncio.sleep(_AGAIN_S)
            await self.refresh()

    async def refresh(self, at_ms: int | None = None) -> None:
        """Read all calendars now, side by side, around the moment `at_ms` (None: now)."""
        at_ms = self._now_ms() if at_ms is None else at_ms
        async with asyncio.TaskGroup() as group:
            for name, table in self._with_calendar():
                group.create_task(self._refresh(name, table, at_ms))
        self.now = roster_of(self._settings, self.calendars)

    def _with_calendar(self) -> Iterator[tuple[str, RotationTable]]:
        for name, table in self._settings.rotations.items():
            if table.calendar_file is not None or table.calendar_url is not None:
                yield name, table

    async def _refresh(self, name: str, table: RotationTable, at_ms: int) -> None:
        try:
            if table.calendar_url is not None:
                contents = [await fetched(table.calendar_url.get_secret_value())]
            else:
                contents = []
            if table.calendar_file is not None:
                contents.append(await asyncio.to_thread(file_content, table.calendar_file))
            reads = [
                await asyncio.to_thread(
                    expanded, one, at_ms - _DAY_MS, at_ms + AHEAD_MS, table.time_zone, self._names()
                )
                for one in contents
            ]
        except CalendarError as error:
            self.failures[name] += 1
            self.problems[name] = str(error)
            log.warning("calendar of rotation %s: %s", safe(name), safe(str(error)))
            return
        self.problems.pop(name, None)
        self.calendars[name] = Calendar(self._now_ms(), _joined(reads))

    def _names(self) -> dict[str, str]:
        """People by what calendars call them, folded."""
        names = {}
        for name, person in self._settings.people.items():
            for called in (name, name.replace("-", " "), *person.known_as):
                names[fold(called)] = name
        return names


def _joined(reads: list[Read]) -> Read:
    return Read(
        tuple(shift for one in reads for shift in one.shifts),
        sum(one.unknown for one in reads),
        tuple(title for one in reads for title in one.titles),
    )
