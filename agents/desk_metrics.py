"""What Prometheus is told of the desk: read off the histories of incidents, and off the attempts to deliver.

Law of this file: it looks and counts, and changes nothing. An incident's history says all that happened to
it; what is newer than the last look is counted once. What was in it when its partition became ours was
counted by whoever had it before. Never a person, a thread or a text.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from agents.desk import Attempt, Output
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
    Sample,
)
from agents.tallies import Tallies
from streams.audit import Audited
from streams.delivery import Ok, Outcome, TryAgain
from streams.desk import Held
from streams.incident import Entry, Incident, State

__all__ = ["DeskWatch", "Watched", "outcome_word"]

_IN_TIME_MS: Final = 60_000
_STATES: Final = (State.OPEN, State.PAGED, State.ACKNOWLEDGED)
_ANSWERS: Final = ("acknowledge", "take")
_BEGINS: Final = ("opened", "reopened")
_RESOLUTIONS: Final = ("handled", "false-alarm", "missed-too-late")


class DeskWatch:
    """Counts what the incidents of a worker went through; `incidents` answers with all that it has now."""

    def __init__(self, tallies: Tallies, incidents: Callable[[], Iterable[Incident]]) -> None:
        self._tallies = tallies
        self._incidents = incidents
        self._last: dict[str, Entry] = {}  # of each incident's history, at the last look
        self._late: set[str] = set()  # whose page was late already, in the present episode

    def begin(self) -> None:
        """Those that there are have just become ours: what is in their histories is counted."""
        self._last = {one.id: one.history[-1] for one in self._incidents() if one.history}
        self._late = set(self._last)

    def look(self, now_ms: int) -> list[Sample]:
        """Count what is new, and answer with how many incidents stand where."""
        counts: dict[tuple[str, str], int] = {}
        bounds = self._tallies.bounds
        last: dict[str, Entry] = {}
        for one in self._incidents():
            brand = one.case.brand
            self._shown(brand)
            for state in _STATES:
                key = (bounds.value("brand", brand), state.value)
                counts[key] = counts.get(key, 0) + (one.state is state)
            for place in self._fresh(one):
                self._count(one, place)
            self._overdue(one, now_ms)
            if one.history:
                last[one.id] = one.history[-1]
        self._last = last
        self._late &= last.keys()
        return [Sample(INCIDENTS, key, count) for key, count in counts.items()]

    def _shown(self, brand: str) -> None:
        """All that may follow, at 0 before it does."""
        for metric in (LADDER_EXHAUSTED, NOBODY):
            self._tallies.begin(metric, brand)
        for outcome in _RESOLUTIONS:
            self._tallies.begin(RESOLUTIONS, brand, outcome)
        for outcome in ("canned", "authority"):
            self._tallies.begin(FIRST_ANSWERS, brand, outcome)
        for outcome in ("in-time", "late"):
            self._tallies.begin(PAGES_IN_TIME, outcome)
        self._tallies.begin(PAGE_TO_TAKEN, brand)

    def _fresh(self, one: Incident) -> range:
        """The places in the history of what came since the last look."""
        seen = self._last.get(one.id)
        for place in range(len(one.history) - 1, -1, -1):
            if one.history[place] == seen:
                return range(place + 1, len(one.history))
        return range(len(one.history))

    def _count(self, one: Incident, place: int) -> None:
        entry, brand, count = one.history[place], one.case.brand, self._tallies.count
        if entry.what in _BEGINS:
            self._late.discard(one.id)
            return
        episode = one.history[_begun(one, place) : place]
        earlier = {before.what for before in episode}
        since_ms = episode[0].at_ms if episode else one.opened_ms
        if entry.what == "resolve":
            count(RESOLUTIONS, brand, entry.note.partition(":")[0])
        elif entry.what in _ANSWERS and not earlier.intersection(_ANSWERS):
            paged = [before.at_ms for before in episode if before.what == "page sent"]
            self._tallies.observe(PAGE_TO_TAKEN, (entry.at_ms - (paged or [since_ms])[0]) / 1000, brand)
            count(FIRST_ANSWERS, brand, "canned" if one.case.reply.state == "canned" else "authority")
        elif entry.what == "page sent" and "page sent" not in earlier:
            took_ms = entry.at_ms - since_ms
            self._tallies.observe(DELIVERY_TIME, took_ms / 1000, entry.note.removeprefix("by "))
            if one.id not in self._late:
                self._late.add(one.id)
                count(PAGES_IN_TIME, "in-time" if took_ms <= _IN_TIME_MS else "late")
        elif entry.what.startswith("the ladder is over") and one.ladder.rungs:
            count(LADDER_EXHAUSTED, brand)
        elif entry.what in ("nobody to page", "nobody can be paged"):
            count(NOBODY, brand)

    def _overdue(self, one: Incident, now_ms: int) -> None:
        """A page that no channel took within its time is late before it ever comes."""
        if one.id in self._late or one.state not in (State.OPEN, State.PAGED) or not one.ladder.rungs:
            return
        if now_ms - one.history[_begun(one, len(one.history))].at_ms > _IN_TIME_MS:
            self._late.add(one.id)
            self._tallies.count(PAGES_IN_TIME, "late")


def _begun(one: Incident, before: int) -> int:
    """Where the present episode begins in the history."""
    return max((place for place in range(before) if one.history[place].what in _BEGINS), default=0)


def outcome_word(outcome: Outcome) -> str:
    """What an outcome is called among the labels."""
    return "sent" if isinstance(outcome, Ok) else "failed" if isinstance(outcome, TryAgain) else "gave-up"


class Watched:
    """An output of the desk whose attempts are counted; everything goes on to `output`."""

    def __init__(self, output: Output, tallies: Tallies) -> None:
        self._output = output
        self._tallies = tallies

    async def hold(self, thread_id: str, held: Held | None) -> Awaitable[Any]:
        """As `Output`."""
        return await self._output.hold(thread_id, held)

    async def attempt(self, attempt: Attempt) -> Awaitable[Any]:
        """As `Output`, and counted by channel and outcome."""
        told = outcome_word(attempt.outcome)
        for one in ("sent", "failed", "gave-up"):
            self._tallies.begin(DELIVERIES, attempt.channel, one)
        self._tallies.count(DELIVERIES, attempt.channel, told)
        return await self._output.attempt(attempt)

    async def audit(self, audited: Audited) -> Awaitable[Any]:
        """As `Output`."""
        return await self._output.audit(audited)

    async def changelog(
        self, partition: int, records: Iterable[tuple[bytes, bytes | None]]
    ) -> list[Awaitable[Any]]:
        """As `Output`."""
        return await self._output.changelog(partition, records)
