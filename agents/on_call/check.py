"""What is wrong with who may decide, told in the daytime.

Law of this file: it looks ahead with the functions that page (`streams.coverage`), and changes nothing. Each
finding is a status and a sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import Final, Literal
from zoneinfo import ZoneInfo

from agents.on_call.roster import LiveRoster
from agents.settings import Settings
from agents.terminal import safe
from streams.coverage import Hole, holes
from streams.incident import Ladder
from streams.roster import Roster
from streams.rotation import Interval, gaps

__all__ = ["DAYS", "Found", "findings"]

DAYS: Final = 30
_DAY_MS: Final = 86_400_000
_SHOWN: Final = 3  # holes of one need and authority

Found = tuple[Literal["ok", "warning", "problem"], str]


def findings(settings: Settings, live: LiveRoster, now_ms: int) -> list[Found]:
    """All there is to say of people, rotations, needs and ladders for the coming 30 days."""
    if not settings.ladders:
        return [("warning", "no ladder is set: incidents are kept and shown, and nobody is paged")]
    found = [*_calendars(live), *_people(settings, live.now), *_ladders(settings, live.now, now_ms)]
    found += _holes(settings, live.now, now_ms)
    if all(status != "problem" for status, _ in found):
        found.append(("ok", f"somebody who may decide is on call for the coming {DAYS} days"))
    return found


def _calendars(live: LiveRoster) -> Iterator[Found]:
    for name, problem in sorted(live.problems.items()):
        yield "problem", f"the calendar of rotation {name}: {problem}"
    for name, calendar in sorted(live.calendars.items()):
        if calendar.read.unknown:
            titles = ", ".join(f"'{safe(one)}'" for one in calendar.read.titles)
            what = f"{calendar.read.unknown} events of nobody known: {titles}"
            yield "warning", f"the calendar of rotation {name} has {what}"


def _people(settings: Settings, roster: Roster) -> Iterator[Found]:
    standing = {
        person
        for table in settings.ladders.values()
        for step in table.steps
        for name in step.whom
        for person in (roster.rotations[name].people() if name in roster.rotations else (name,))
    }
    for name, person in roster.people.items():
        if not person.channels:
            yield "problem" if name in standing else "warning", f"{name} has no channel and can't be paged"


def _ladders(settings: Settings, roster: Roster, now_ms: int) -> Iterator[Found]:
    of_all = any(not table.brands for table in settings.ladders.values())
    if not of_all:
        owned = {brand for table in settings.ladders.values() for brand in table.brands}
        for brand in settings.brands:
            if brand not in owned:
                yield "problem", f"{brand} has no ladder: nobody is paged for it"
    for name, table in settings.ladders.items():
        yield from _ends(name, table.ladder(), _zone(settings, table.steps[-1].whom), roster, now_ms)


def _ends(name: str, ladder: Ladder, zone: ZoneInfo, roster: Roster, now_ms: int) -> Iterator[Found]:
    """A last rung on which nobody stands for a time."""
    end_ms = now_ms + DAYS * _DAY_MS
    last = ladder.rungs[-1].whom
    manned = [
        Interval(duty.start_ms, duty.end_ms)
        for one in last
        for duty in roster.duties_of(one, now_ms, end_ms)
        if duty.people
    ]
    missing = gaps(manned, now_ms, end_ms)
    if missing:
        what = f"the ladder {name} ends in nobody ({', '.join(last)})"
        yield "problem", f"{what} {_times([_span(one.start_ms, one.end_ms, zone) for one in missing])}"


def _holes(settings: Settings, roster: Roster, now_ms: int) -> Iterator[Found]:
    found = holes(roster, tuple(settings.brands), now_ms, now_ms + DAYS * _DAY_MS)
    for (brands, need, authority, amount, names), those in groupby(found, _kind):
        zone = _zone(settings, names)
        whose = ", ".join(brands) or "every brand"
        limit = f" up to {amount:g}" if amount else ""
        lacking = f"has the authority {authority}{limit}" if authority else "can be paged"
        asked = f", which need {need} asks for," if need and authority else ""
        where = f"nobody on call for {whose} ({', '.join(names)}) {lacking}{asked}"
        yield "problem", f"{where} {_times([_span(one.start_ms, one.end_ms, zone) for one in those])}"


def _kind(hole: Hole) -> tuple[tuple[str, ...], str, str, float, tuple[str, ...]]:
    return hole.brands, hole.need, hole.authority, hole.amount, hole.names


def _times(spans: list[str]) -> str:
    more = len(spans) - _SHOWN
    return "; ".join(spans[:_SHOWN]) + (f"; and {more} times more" if more > 0 else "")


def _span(start_ms: int, end_ms: int, zone: ZoneInfo) -> str:
    since, until = (
        datetime.fromtimestamp(ms / 1000, zone).isoformat(timespec="seconds") for ms in (start_ms, end_ms)
    )
    return f"from {since} to {until}"


def _zone(settings: Settings, names: tuple[str, ...]) -> ZoneInfo:
    zones = [settings.rotations[one].zone for one in names if one in settings.rotations]
    return zones[0] if zones else ZoneInfo("UTC")
