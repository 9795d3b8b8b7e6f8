"""Calendars become shifts; whatever else is in them, and however much, ends in a sentence."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agents.on_call.calendar_reader import Read
from agents.on_call.calendars import MOST_BYTES, CalendarError, expanded, fetched, file_content
from agents.on_call.roster import AHEAD_MS, LiveRoster
from agents.settings import read_settings

NAMES = {"duty lead": "duty-lead", "night@example.com": "night-lead"}
DAY_MS = 86_400_000


def at(text: str) -> int:
    return int(datetime.fromisoformat(text + "+00:00").timestamp() * 1000)


BEGIN = at("2025-10-19T00:00")


def calendar(*events: str) -> bytes:
    written = "".join(f"BEGIN:VEVENT\nUID:{number}\n{one}\nEND:VEVENT\n" for number, one in enumerate(events))
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//t//t//EN\n{written}END:VCALENDAR\n".encode()


def read(*events: str) -> Read:
    return expanded(calendar(*events), BEGIN, BEGIN + 32 * DAY_MS, "Europe/Berlin", NAMES)


def told(one: Read) -> list[tuple[str, str, str]]:
    return [
        (*(datetime.fromtimestamp(ms / 1000, UTC).strftime("%m-%dT%H:%M") for ms in shift[:2]), shift[2])  # type: ignore[misc]
        for shift in one.shifts
    ]


def test_events_that_come_again_follow_the_local_clock_over_the_end_of_summer_time() -> None:
    weekly = read(
        "DTSTART;TZID=Europe/Berlin:20250901T080000\nDTEND;TZID=Europe/Berlin:20250908T080000\n"
        "RRULE:FREQ=WEEKLY;INTERVAL=4;UNTIL=20251231T000000Z\nSUMMARY: DUTY   Lead"
    )
    assert told(weekly) == [("10-27T07:00", "11-03T07:00", "duty-lead")]


def test_times_without_a_zone_and_whole_days_are_those_of_the_rotation() -> None:
    found = read(
        "DTSTART:20251020T080000\nDTEND:20251020T200000\nSUMMARY:on call\n"
        "ATTENDEE;CN=N:mailto:Night@example.com",
        "DTSTART;VALUE=DATE:20251026\nDTEND;VALUE=DATE:20251027\nSUMMARY:duty lead",
    )
    assert told(found) == [
        ("10-20T06:00", "10-20T18:00", "night-lead"),
        ("10-25T22:00", "10-26T23:00", "duty-lead"),
    ]


def test_what_is_cancelled_excluded_or_moved_is_not_where_it_was() -> None:
    found = read(
        "DTSTART:20251020T080000Z\nDTEND:20251020T090000Z\nSUMMARY:duty lead\nSTATUS:CANCELLED",
        "DTSTART:20251021T080000Z\nDTEND:20251021T090000Z\nSUMMARY:duty lead\n"
        "RRULE:FREQ=DAILY;COUNT=3\nEXDATE:20251022T080000Z",
    )
    assert [one[0] for one in told(found)] == ["10-21T08:00", "10-23T08:00"]


def test_events_of_nobody_known_are_counted_and_some_are_named() -> None:
    found = read(*(f"DTSTART:20251020T080000Z\nDTEND:20251020T090000Z\nSUMMARY:party {n}" for n in range(5)))
    assert (found.shifts, found.unknown) == ((), 5)
    assert set(found.titles) <= {f"party {n}" for n in range(5)}
    assert len(found.titles) == 3


START = "DTSTART:19700101T000000Z\nDURATION:PT1S\nSUMMARY:duty lead\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\xff" * 1000,
        b"BEGIN:VCALENDAR\n" * 20_000,
        calendar("DTSTART:nonsense\nSUMMARY:duty lead"),
        calendar("DTSTART;TZID=/etc/passwd:20250101T000000\nRRULE:FREQ=NEVER\nSUMMARY:duty lead"),
        calendar(START + "RRULE:FREQ=SECONDLY"),
        calendar(START + "RRULE:FREQ=MINUTELY;INTERVAL=1"),
    ],
    ids=["empty", "bytes", "nested", "no-date", "no-rule", "secondly", "minutely"],
)
def test_a_hostile_calendar_is_refused_with_a_sentence_that_quotes_nothing(content: bytes) -> None:
    with pytest.raises(CalendarError) as caught:
        expanded(content, BEGIN, BEGIN + DAY_MS, "UTC", NAMES)
    assert str(caught.value) in {
        "it is no calendar that can be read",
        "an event in it comes again within the hour, which no shift does",
    }


def test_a_calendar_that_would_take_for_ever_is_ended() -> None:
    """Every hour of every day since 1970, three hundred times: the process may not spend that much."""
    bomb = calendar(
        *[START + "RRULE:FREQ=HOURLY;BYMINUTE=0,1,2,3,4,5,6,7,8,9;BYSECOND=0,1,2,3,4,5,6,7,8,9"] * 300
    )
    with pytest.raises(CalendarError, match="repeats too often"):
        expanded(bomb, BEGIN, BEGIN + DAY_MS, "UTC", NAMES)


def test_a_file_of_ten_megabytes_is_not_read_and_a_missing_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "big.ics").write_bytes(b"x" * 10_000_000)
    with pytest.raises(CalendarError, match="more than 2 MiB"):
        file_content(tmp_path / "big.ics")
    with pytest.raises(CalendarError, match=r"none\.ics can't be read"):
        file_content(tmp_path / "none.ics")


class Server:
    """Answers with `status` and `content`; None: does not answer at all."""

    def __init__(self) -> None:
        self.status, self.content = 200, calendar()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(outer.status)
                self.send_header("Location", "/again")
                self.end_headers()
                with suppress(OSError):  # the other side may have had enough
                    self.wfile.write(outer.content)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/hush.ics"


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    thread = threading.Thread(target=one.http.serve_forever)
    thread.start()
    yield one
    one.http.shutdown()
    one.http.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("status", "content", "what"),
    [
        (404, b"", "answers 404"),
        (302, b"", "can't be asked \\(TooManyRedirects\\)"),
        (200, b"x" * (MOST_BYTES + 1), "more than 2 MiB"),
    ],
)
def test_an_address_that_gives_no_calendar_is_told_without_showing_it(
    server: Server, status: int, content: bytes, what: str
) -> None:
    server.status, server.content = status, content
    with pytest.raises(CalendarError, match=what) as caught:
        asyncio.run(fetched(server.url))
    assert "hush" not in str(caught.value)


def test_an_address_where_nobody_listens_is_told_without_showing_it() -> None:
    with pytest.raises(CalendarError, match="can't be asked") as caught:
        asyncio.run(fetched("http://127.0.0.1:1/hush.ics"))
    assert "hush" not in str(caught.value)


def test_the_last_good_copy_holds_until_there_is_a_better_one(server: Server, clean_settings: Path) -> None:
    (clean_settings / "flashover.toml").write_text(
        f'[people.duty-lead]\n[rotations.sun]\ncalendar_url = "{server.url}"\n'
    )
    now_ms = BEGIN
    live = LiveRoster(read_settings(), lambda: now_ms)

    def on_call() -> tuple[str, ...]:
        return live.now.rotations["sun"].people()

    assert on_call() == ()
    server.content = calendar("DTSTART:20251020T080000Z\nDTEND:20251021T080000Z\nSUMMARY:duty lead")
    asyncio.run(live.begin())
    assert on_call() == ("duty-lead",)
    server.status, now_ms = 500, BEGIN + DAY_MS
    asyncio.run(live.refresh())
    assert on_call() == ("duty-lead",)
    assert (live.failures["sun"], live.calendars["sun"].at_ms) == (1, BEGIN)
    assert live.problems == {"sun": "its server answers 500"}
    server.status, server.content = 200, calendar()
    asyncio.run(live.refresh())
    assert (on_call(), live.problems) == ((), {})


def test_calendars_reach_further_than_check_looks() -> None:
    from agents.on_call.check import DAYS

    assert AHEAD_MS >= DAYS * DAY_MS


def test_reading_does_not_hold_up_the_loop(server: Server, clean_settings: Path) -> None:
    """While a calendar is read the worker goes on."""
    (clean_settings / "flashover.toml").write_text(f'[rotations.sun]\ncalendar_url = "{server.url}"\n')
    live = LiveRoster(read_settings())

    async def both() -> int:
        reading = asyncio.ensure_future(live.refresh())
        turns = 0
        while not reading.done():
            await asyncio.sleep(0)
            turns += 1
        await reading
        return turns

    assert asyncio.run(both()) > 100


def test_the_process_that_reads_gets_no_variable_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets are among them. With this one Python does not even start."""
    monkeypatch.setenv("PYTHONHASHSEED", "nonsense")
    assert read().shifts == ()
