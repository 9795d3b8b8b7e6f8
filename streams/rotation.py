"""Who is on call when: weekly turns, hours, and people who stand in for others.

Law of this file: everything is arithmetic on intervals [start, end) of milliseconds since the epoch; nothing
is sampled. A hand-over is a moment of the layer's own clock and calendar, so that a week with a change to
summer time is an hour shorter. A clock time that is skipped on that day means as much later; one that comes
twice means its first pass. The zone is handed in: where its rules are read from is the shell's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from typing import Final, NamedTuple

__all__ = ["Agenda", "Duty", "Interval", "Layer", "Override", "Rotation", "Shift", "duties", "gaps", "shifts"]

_DAY: Final = timedelta(days=1)
_EVERY_DAY: Final = frozenset(range(7))


class Interval(NamedTuple):
    """From `start_ms` to `end_ms`, the latter open."""

    start_ms: int
    end_ms: int


class Shift(NamedTuple):
    """One person on call, [start, end)."""

    start_ms: int
    end_ms: int
    person: str


class Duty(NamedTuple):
    """All who are on call, [start, end); each once, in the order of the layers."""

    start_ms: int
    end_ms: int
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """People who take turns of `days` days, the first from `hand_over` of the day `starts` on.

    With `hours` (from, until; until <= from means the next day) they are on call within those only, on
    `weekdays` (0 Monday .. 6 Sunday), which means the day on which the hours begin. All clock times are those
    of `zone`. Before `starts` there is nobody. Raises ValueError for nonsense.
    """

    people: tuple[str, ...]
    zone: tzinfo
    starts: date
    hand_over: time = time(8)
    days: int = 7
    hours: tuple[time, time] | None = None
    weekdays: frozenset[int] = _EVERY_DAY

    def __post_init__(self) -> None:
        if not self.people:
            raise ValueError("a layer needs people")
        if self.days < 1:
            raise ValueError("days must be at least 1")
        if not self.weekdays or not self.weekdays <= _EVERY_DAY:
            raise ValueError("weekdays are 0 to 6, and at least one")
        clock = (self.hand_over, *(self.hours or ()))
        if any(one.tzinfo is not None for one in clock):
            raise ValueError("clock times are those of the layer's zone, and carry none of their own")


@dataclass(frozen=True, slots=True)
class Agenda:
    """A layer that a calendar has written: its shifts, in any order, which may overlap."""

    shifts: tuple[Shift, ...]


@dataclass(frozen=True, slots=True)
class Override:
    """`person` stands in, [start, end): for `instead_of` where that one is scheduled, or for whoever it is.

    Without `instead_of` it also fills a time at which nobody is scheduled.
    """

    start_ms: int
    end_ms: int
    person: str
    instead_of: str | None = None

    def __post_init__(self) -> None:
        if self.end_ms <= self.start_ms:
            raise ValueError("it ends before it starts")


@dataclass(frozen=True, slots=True)
class Rotation:
    """Layers, who are all on call side by side; of overrides that overlap the last one holds."""

    layers: tuple[Layer | Agenda, ...]
    overrides: tuple[Override, ...] = ()

    def people(self) -> tuple[str, ...]:
        """Everybody who may ever be on call here, each once."""
        named: list[str] = []
        for layer in self.layers:
            named += layer.people if isinstance(layer, Layer) else [one.person for one in layer.shifts]
        return tuple(dict.fromkeys((*named, *(one.person for one in self.overrides))))


def shifts(layer: Layer | Agenda, start_ms: int, end_ms: int) -> Iterator[Shift]:
    """The shifts of a layer that touch [start, end), cut to it; those of a `Layer` in order, none twice."""
    written = layer.shifts if isinstance(layer, Agenda) else _turns(layer, start_ms, end_ms)
    for one in written:
        start, end = max(one.start_ms, start_ms), min(one.end_ms, end_ms)
        if start < end:
            yield Shift(start, end, one.person)


def duties(rotation: Rotation, start_ms: int, end_ms: int) -> list[Duty]:
    """Who is on call during [start, end): pieces without a gap between them, in order; `people` may be ()."""
    if start_ms >= end_ms:
        return []
    edges: list[tuple[int, bool, int, str]] = []  # moment, begins, place of the shift, person
    place = 0
    for layer in rotation.layers:
        for shift in shifts(layer, start_ms, end_ms):
            edges += [
                (shift.start_ms, True, place, shift.person),
                (shift.end_ms, False, place, shift.person),
            ]
            place += 1
    overrides = [one for one in rotation.overrides if one.start_ms < end_ms and one.end_ms > start_ms]
    moments = {start_ms, *(edge[0] for edge in edges)}
    moments |= {max(one.start_ms, start_ms) for one in overrides} | {one.end_ms for one in overrides}
    edges.sort()
    found: list[Duty] = []
    on_call: dict[int, str] = {}
    next_edge = 0
    cuts = [*sorted(one for one in moments if one < end_ms), end_ms]
    for since_ms, until_ms in pairwise(cuts):
        while next_edge < len(edges) and edges[next_edge][0] <= since_ms:
            _, begins, which, person = edges[next_edge]
            if begins:
                on_call[which] = person
            else:
                on_call.pop(which, None)
            next_edge += 1
        people = [on_call[which] for which in sorted(on_call)]
        people = _stood_in(people, [one for one in overrides if one.start_ms <= since_ms < one.end_ms])
        unique = tuple(dict.fromkeys(people))
        if found and found[-1].people == unique:
            found[-1] = found[-1]._replace(end_ms=until_ms)
        else:
            found.append(Duty(since_ms, until_ms, unique))
    return found


def gaps(covered: Iterable[Interval], start_ms: int, end_ms: int) -> list[Interval]:
    """What of [start, end) no interval covers, in order."""
    found: list[Interval] = []
    reached = start_ms
    for one in sorted(covered):
        if one.start_ms >= end_ms:
            break
        if one.start_ms > reached:
            found.append(Interval(reached, one.start_ms))
        reached = max(reached, one.end_ms)
    if reached < end_ms:
        found.append(Interval(reached, end_ms))
    return found


def _stood_in(people: list[str], overrides: list[Override]) -> list[str]:
    if not overrides:
        return people
    found = []
    for person in people:
        fitting = [one for one in overrides if one.instead_of in (None, person)]
        found.append(fitting[-1].person if fitting else person)
    for_all = [one for one in overrides if one.instead_of is None]
    return found or ([for_all[-1].person] if for_all else [])


def _turns(layer: Layer, start_ms: int, end_ms: int) -> Iterator[Shift]:
    first = _local_day(layer.zone, start_ms) - 2 * _DAY  # hours of the day before may reach into this one
    turn = max(0, (first - layer.starts).days // layer.days)
    while (begins := _moment(layer, layer.starts + turn * layer.days * _DAY, layer.hand_over)) < end_ms:
        ends = _moment(layer, layer.starts + (turn + 1) * layer.days * _DAY, layer.hand_over)
        person = layer.people[turn % len(layer.people)]
        turn += 1
        if layer.hours is None and layer.weekdays == _EVERY_DAY:
            yield Shift(begins, ends, person)
            continue
        for window in _windows(layer, max(begins, start_ms), min(ends, end_ms)):
            yield Shift(*window, person)


def _windows(layer: Layer, start_ms: int, end_ms: int) -> Iterator[Interval]:
    """The hours of the layer within [start, end)."""
    since, until = layer.hours or (time(0), time(0))
    day = _local_day(layer.zone, start_ms) - _DAY
    reached = start_ms
    while (begins := _moment(layer, day, since)) < end_ms:
        ends = _moment(layer, day if since < until else day + _DAY, until)
        begins, ends = max(begins, reached), min(ends, end_ms)
        if begins < ends and day.weekday() in layer.weekdays:
            yield Interval(begins, ends)
            reached = ends
        day += _DAY


def _local_day(zone: tzinfo, at_ms: int) -> date:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).date()


def _moment(layer: Layer, day: date, clock: time) -> int:
    """The moment at which the layer's clock shows this; see the head of the file for skipped ones."""
    return round(datetime.combine(day, clock, layer.zone).timestamp() * 1000)
