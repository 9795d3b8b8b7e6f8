"""An iCalendar file read into shifts, in a process of its own: `python -m agents.on_call.calendar_reader`.

Law of this file: a calendar is written by strangers, and a rule of a few bytes may ask for more than a
machine can do. So this process may spend little time and memory, and is ended when it needs more; it reads
standard input, writes standard output, and opens no file that the calendar names.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

import icalendar
import msgspec
import recurring_ical_events

from streams.matching import fold
from streams.rotation import Shift

__all__ = ["MOST_SHIFTS", "Asked", "Read", "main", "read"]

MOST_SHIFTS: Final = 5_000
_CPU_S: Final = 5
_MEMORY_BYTES: Final = 1024**3
_TITLES: Final = 3
_TITLE: Final = 60  # characters


class Asked(msgspec.Struct, frozen=True):
    """What is wanted of a calendar: shifts that touch [start, end), of people by their folded names.

    All-day events and times without a zone are those of `zone`.
    """

    content: bytes
    start_ms: int
    end_ms: int
    zone: str
    names: Mapping[str, str]


class TooMuchError(ValueError):
    """It asks for more than a rotation can need; the text is ours, and safe to show."""


class Read(msgspec.Struct, frozen=True):
    """The shifts, and how many events name nobody known, with the titles of some."""

    shifts: tuple[Shift, ...] = ()
    unknown: int = 0
    titles: tuple[str, ...] = ()


def read(asked: Asked) -> Read:
    """Read a calendar. An event is a shift of the person whose name is its title or who attends it.

    Cancelled events count for nothing. Raises TooMuchError, and anything at all for what is no calendar.
    """
    zone = ZoneInfo(asked.zone)
    since, until = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (asked.start_ms, asked.end_ms))
    calendar = icalendar.Calendar.from_ical(asked.content)
    for event in calendar.walk("VEVENT"):
        if any(_too_often(event.get(rule)) for rule in ("RRULE", "EXRULE")):
            raise TooMuchError("an event in it comes again within the hour, which no shift does")
    shifts: list[Shift] = []
    strangers: dict[str, None] = {}
    unknown = 0
    for event in recurring_ical_events.of(calendar, skip_bad_series=False).between(since, until):
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            continue
        start_ms, end_ms = (_ms(event.get(name), zone) for name in ("DTSTART", "DTEND"))
        if start_ms is None or end_ms is None or end_ms <= start_ms:
            continue
        people = _people(event, asked.names)
        if not people:
            unknown += 1
            strangers.setdefault(str(event.get("SUMMARY", ""))[:_TITLE])
        shifts += [Shift(start_ms, end_ms, one) for one in people]
        if len(shifts) > MOST_SHIFTS:
            raise TooMuchError(f"it has more than {MOST_SHIFTS:,} shifts")
    return Read(tuple(sorted(set(shifts))), unknown, tuple(strangers)[:_TITLES])


def _too_often(rules: Any) -> bool:
    written = rules if isinstance(rules, list) else [rules]
    often = {"SECONDLY", "MINUTELY"}
    return any(often.intersection(map(str, one.get("FREQ", ()))) for one in written if one is not None)


def _people(event: Any, names: Mapping[str, str]) -> Iterable[str]:
    attendees = event.get("ATTENDEE", [])
    attendees = attendees if isinstance(attendees, list) else [attendees]
    called = [str(event.get("SUMMARY", ""))]
    for one in attendees:
        called += [str(one).lower().removeprefix("mailto:"), str(getattr(one, "params", {}).get("CN", ""))]
    found = (names.get(fold(one[:200])) for one in called)
    return tuple(dict.fromkeys(one for one in found if one is not None))


def _ms(value: Any, zone: ZoneInfo) -> int | None:
    moment = getattr(value, "dt", None)
    if isinstance(moment, datetime):
        moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    elif isinstance(moment, date):
        moment = datetime.combine(moment, time(0), zone)
    else:
        return None
    return round(moment.timestamp() * 1000)


def main() -> int:
    """One `Asked` in, one `Read` out, both JSON; else exit code 1, with a sentence if it is ours."""
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S + 1))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Asked)
    try:
        answer = read(asked)
    except TooMuchError as error:
        sys.stderr.write(str(error))
        return 1
    except Exception:  # whatever a library makes of what strangers wrote; its text would quote them
        return 1
    sys.stdout.buffer.write(msgspec.json.encode(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
