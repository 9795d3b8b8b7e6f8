"""How many posts match a query, by X's recent counts (API v2): mentions of kind `volume`.

Law of this file: whole intervals only, each once, in order. What a request costs is taken off a budget before
it goes out, and what is left decides how often is asked. How long to wait is in `agents.sources.x_api`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Final

import aiohttp

from agents.secret import clear
from agents.source_settings import XCounts as Settings
from agents.sources.asking import ask
from agents.sources.budget import PLACE, Budget
from agents.sources.fields import JSON_TROUBLE
from agents.sources.source import Arrival, Context, Cursor, OutageError, Source, UnusableError
from agents.sources.x_api import SETTLED_MS, WEEK_MS, Waits, as_buckets, parse_counts
from streams.mention import rfc3339
from streams.post import Found

__all__ = ["XCounts"]

_COUNTS: Final = "/2/tweets/counts/recent"


class XCounts(Source):
    """Recent counts of one query for each brand, interval by interval, within a budget of requests."""

    def __init__(
        self,
        settings: Settings,
        context: Context,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._settings, self._context, self._now_ms = settings, context, now_ms
        self._budget = Budget("requests", settings.requests_per_month, "month", now_ms)
        self._interval_s = 60 if settings.granularity == "minute" else 3600
        self._waits = Waits()

    def parse(self, arrival: Arrival) -> Iterable[Found]:
        """The intervals of one brand."""
        return parse_counts(arrival.payload or b"", self._context.name, arrival.place, self._interval_s)

    def budgets(self) -> Mapping[str, float]:
        """Requests that may still be made this month."""
        return {self._budget.name: self._budget.left}

    async def arrivals(self, since: Mapping[str, Cursor]) -> AsyncGenerator[Arrival, None]:
        """All whole intervals since the cursor, brand by brand; then a pause that the budget can bear."""
        self._budget.restore(since.get(PLACE))
        token = clear(self._settings.bearer_token)
        headers = {"User-Agent": self._context.agent, "Authorization": f"Bearer {token}"}
        step_ms = self._interval_s * 1000
        reached = {place: at for place, at in since.items() if isinstance(at, int)}
        try:
            async with aiohttp.ClientSession(
                self._settings.server, headers=headers, trust_env=True
            ) as session:
                while True:
                    for brand, query in self._settings.queries.items():
                        end_ms = (self._now_ms() - SETTLED_MS) // step_ms * step_ms
                        start_ms = max(reached.get(brand, end_ms - step_ms), end_ms - WEEK_MS + step_ms)
                        if start_ms >= end_ms:
                            continue
                        params = {"query": query, "granularity": self._settings.granularity}
                        params |= {"start_time": rfc3339(start_ms), "end_time": rfc3339(end_ms)}
                        try:
                            async with aclosing(self._pages(session, params)) as pages:
                                async for body in pages:
                                    yield Arrival(body, self._now_ms(), brand)
                        except UnusableError as error:
                            if error.reason != "http-400":
                                raise
                            raise UnusableError("query", f"X refuses the query of {brand}") from None
                        reached[brand] = end_ms
                        yield Arrival(None, self._now_ms(), brand, end_ms)
                        yield Arrival(None, self._now_ms(), PLACE, self._budget.cursor())
                        self._waits.well()
                    spare_s = self._budget.spare_s(len(self._settings.queries))
                    await asyncio.sleep(max(self._settings.poll_interval_s, spare_s))
        except OutageError as error:
            raise (error if error.reason == "budget" else self._waits.after(error)) from None

    async def _pages(
        self, session: aiohttp.ClientSession, params: dict[str, str]
    ) -> AsyncGenerator[bytes, None]:
        while True:
            self._budget.must_have()
            self._budget.spend()
            body = (await ask(session, "X", _COUNTS, params=params)).body
            yield body
            try:
                token = as_buckets(body).meta.get("next_token")
            except JSON_TROUBLE:
                return
            if not isinstance(token, str):
                return
            params = params | {"next_token": token}
