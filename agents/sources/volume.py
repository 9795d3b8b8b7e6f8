"""Counts per interval from an address: GDELT's timelines, or anything that answers with JSON or CSV.

Law of this file: each interval of a feed is passed on once, when it has settled; what is not over yet is left
for the next time. How the feed names things is the settings' matter (`VolumeFeed`).
"""

from __future__ import annotations

import asyncio
import csv
import io
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import msgspec

from agents.source_settings import VolumeFeed as Settings
from agents.sources.asking import Answered, ask
from agents.sources.fields import JSON_TROUBLE, moment_ms, refused
from agents.sources.source import Arrival, Context, Cursor, OutageError, Source, SourceError
from streams.mention import Reason
from streams.post import Count, Found, Ignored, Refused

__all__ = ["Volume", "parse"]

log = logging.getLogger(__name__)

_ROWS_MOST: Final = 100_000
_COUNT_MOST: Final = 10_000_000_000  # as a mention's
_SECONDS_UP_TO: Final = 100_000_000_000  # a number below it is in seconds, else in milliseconds
_REST: Final = "\0"  # under it, what a row has beyond the head of its table

_decode = msgspec.json.Decoder().decode


def parse(
    payload: bytes, settings: Settings, feed: str, brand: str, at_ms: int, since_ms: int = 0
) -> list[Found]:
    """The intervals of one answer that began at `since_ms` or later and are over and settled at `at_ms`."""
    try:
        rows = _csv_rows(payload) if settings.form == "csv" else _json_rows(payload, settings.rows)
    except (*JSON_TROUBLE, csv.Error) as error:
        return [refused(error)]
    except ValueError as error:
        return [Refused(Reason.BAD_FIELD, str(error))]
    found: list[Found] = []
    for row in rows[:_ROWS_MOST]:
        try:
            found.append(_counted(row, settings, feed, brand, at_ms, since_ms))
        except (ValueError, TypeError, OverflowError, KeyError) as error:
            found.append(refused(ValueError(str(error)), msgspec.json.encode(row)))
    return found or [Ignored("nothing")]


def _counted(row: Any, settings: Settings, feed: str, brand: str, at_ms: int, since_ms: int) -> Found:
    if not isinstance(row, dict) or _REST in row:
        raise ValueError("the row does not have the fields that the table has")
    started_ms = _started_ms(row.get(settings.time), settings.time_form)
    count = row.get(settings.count)
    if isinstance(count, bool) or not isinstance(count, int | float | str):
        raise ValueError(f"{settings.count} is no number")
    number = float(count)
    if not (number.is_integer() and 0 <= number <= _COUNT_MOST):
        raise ValueError(f"{settings.count} is no count")
    if started_ms < since_ms:
        return Ignored("known")
    if started_ms + (settings.interval_s + settings.settle_s) * 1000 > at_ms:
        return Ignored("unsettled")
    return Count(settings.platform, feed, brand, started_ms, settings.interval_s, int(number))


def _started_ms(value: Any, form: str) -> int:
    if isinstance(value, str) and form:
        try:
            moment = datetime.strptime(value.strip()[:64], form)
            return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
        except ValueError:
            pass  # perhaps one of the forms that need no telling
    at = moment_ms(value)
    return at * 1000 if abs(at) < _SECONDS_UP_TO else at


def _json_rows(payload: bytes, way: str) -> list[Any]:
    rows = _decode(payload)
    for step in filter(None, way.split(".")):
        if isinstance(rows, list) and step.isdecimal() and int(step) < len(rows):
            rows = rows[int(step)]
        elif isinstance(rows, dict) and step in rows:
            rows = rows[step]
        elif rows == {} or rows == []:
            return []  # GDELT's word for "no such thing in all that time"
        else:
            raise ValueError(f"there are no rows at {way}")
    if not isinstance(rows, list):
        raise ValueError(f"what is at {way} is no list")
    return rows


def _csv_rows(payload: bytes) -> list[Any]:
    text = payload.removeprefix(b"\xef\xbb\xbf").decode()
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, restkey=_REST)
    return [{str(name).strip(): value for name, value in row.items()} for row in reader]


class Volume(Source):
    """The configured feeds, one after another, with a pause between any two requests."""

    def __init__(
        self,
        settings: Settings,
        context: Context,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._settings, self._context, self._now_ms = settings, context, now_ms

    def parse(self, arrival: Arrival) -> Iterable[Found]:
        """One answer; its place is `BRAND SINCE_MS`."""
        brand, _, since = arrival.place.partition(" ")
        since_ms = int(since) if since.isdecimal() else 0
        return parse(
            arrival.payload or b"", self._settings, self._context.name, brand, arrival.at_ms, since_ms
        )

    async def arrivals(self, since: Mapping[str, Cursor]) -> AsyncGenerator[Arrival, None]:
        """Each feed in turn; a cursor is the first interval that was not passed on yet, and the ETag.

        A feed that fails stops no other; a server that asks us to wait is left alone as long as it says.
        """
        reached = {place: _Reached(cursor) for place, cursor in since.items()}
        headers = {"User-Agent": self._context.agent}
        headers |= {name: value.get_secret_value() for name, value in self._settings.headers.items()}
        waits_ms: dict[str, int] = {}  # until when, by server
        async with aiohttp.ClientSession(headers=headers, trust_env=True) as session:
            while True:
                began_ms, read, trouble = self._now_ms(), 0, None
                for brand, feed in self._settings.feeds.items():
                    server = urlsplit(feed.get_secret_value()).netloc
                    if waits_ms.get(server, 0) > self._now_ms():
                        continue
                    known = reached.setdefault(brand, _Reached(None))
                    try:
                        answer = await ask(
                            session,
                            f"the feed of {brand}",
                            feed.get_secret_value(),
                            headers=known.conditions(),
                        )
                    except SourceError as error:
                        log.warning("source %s: %s", self._context.name, error)
                        after_s = error.after_s if isinstance(error, OutageError) else None
                        waits_ms[server] = self._now_ms() + int(1000 * (after_s or 0.0))
                        # what a person must do is told only if there is nothing else to tell
                        trouble = error if trouble is None or isinstance(error, OutageError) else trouble
                    else:
                        read += 1
                        for arrival in self._arrived(brand, known, answer):
                            yield arrival
                    await asyncio.sleep(self._settings.pause_s)
                if trouble is not None and not read:
                    raise trouble
                spent_s = (self._now_ms() - began_ms) / 1000
                await asyncio.sleep(max(0.0, self._settings.poll_interval_s - spent_s))

    def _arrived(self, brand: str, known: _Reached, answer: Answered) -> Iterable[Arrival]:
        if answer.status == 304:
            return
        at_ms = self._now_ms()
        found = parse(answer.body, self._settings, self._context.name, brand, at_ms, known.next_ms)
        yield Arrival(answer.body, at_ms, f"{brand} {known.next_ms}")
        starts = [one.started_ms for one in found if isinstance(one, Count)]
        known.next_ms = max([known.next_ms, *[one + self._settings.interval_s * 1000 for one in starts]])
        # While something has still to settle, the same answer will say more next time.
        waits = any(isinstance(one, Ignored) and one.why == "unsettled" for one in found)
        known.remember({} if waits else answer.headers)
        yield Arrival(None, at_ms, brand, known.cursor())


class _Reached:
    """How far a feed was passed on, and what its server said to ask with."""

    def __init__(self, cursor: Cursor) -> None:
        told = cursor if isinstance(cursor, dict) else {}
        self.next_ms = at if isinstance(at := told.get("next_ms"), int) else 0
        self._etag, self._modified = str(told.get("etag") or ""), str(told.get("modified") or "")

    def conditions(self) -> dict[str, str]:
        named = {"If-None-Match": self._etag, "If-Modified-Since": self._modified}
        return {name: value for name, value in named.items() if value}

    def remember(self, headers: Mapping[str, str]) -> None:
        self._etag = headers.get("ETag", "")[:512]
        self._modified = headers.get("Last-Modified", "")[:512]

    def cursor(self) -> dict[str, Any]:
        return {"next_ms": self.next_ms, "etag": self._etag, "modified": self._modified}
