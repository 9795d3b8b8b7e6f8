"""The dead man's switch: a heartbeat out of the whole path, for something outside to miss.

Law of this file: nothing here says that all is well by itself. Two mentions a minute go in where all mentions
do; only when they come back as an alert is the webhook posted to. Whoever listens there raises the alarm when
it stops. The address is a secret: it is in no log and no error.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp
import msgspec

from streams.delivery import Case
from streams.params import ThreadParams

__all__ = ["BRAND", "PARAMS", "Heartbeat", "mentions"]

log = logging.getLogger(__name__)

#: Reserved: its alerts open no incident, and mean that flashover lives.
BRAND: Final = "flashover.heartbeat"
#: Two mentions are a storm here, so that each minute's thread reaches `page` at once.
PARAMS: Final = ThreadParams(viral_at=2, min_mentions=2, min_authors=1, max_author_share=1.0)

_MINUTE_MS = 60_000
_FRESH_MS = 120_000  # an alert that is older says nothing of now
_TIMEOUT_S = 10.0

Post = Callable[[bytes], Awaitable[None]]


def mentions(now_ms: int) -> list[tuple[bytes, bytes]]:
    """Key and value of this minute's two; from every worker the same, so that they count once."""
    minute_ms = now_ms // _MINUTE_MS * _MINUTE_MS
    thread = f"heartbeat:{minute_ms // _MINUTE_MS}"
    one = {"brand": BRAND, "platform": "flashover", "thread_id": thread, "created_at": minute_ms}
    author = {"id": "flashover"}
    root = one | {"id": thread, "author": author}
    reply = one | {"id": thread + ":reply", "parent_id": thread, "author": author}
    return [(thread.encode(), msgspec.json.encode(row)) for row in (root, reply)]


class Heartbeat:
    """Sends the mentions, hears of their alerts, and tells the webhook."""

    def __init__(
        self, url: str, now_ms: Callable[[], int] = lambda: int(time.time() * 1000), post: Post | None = None
    ) -> None:
        self._url = url
        self._now_ms = now_ms
        self._post = post or self._posted
        self._posting: set[asyncio.Task[None]] = set()
        self.beats = 0  # that the webhook has taken
        self.missed = 0  # that it has not

    def heard(self, case: Case, at_ms: int) -> None:
        """An alert of the reserved brand, written at `at_ms`."""
        now_ms = self._now_ms()
        if case.level != "page" or now_ms - at_ms > _FRESH_MS:
            return
        told = {"source": "flashover", "alert": case.id, "raised_at": case.raised_at, "at_ms": now_ms}
        posting = asyncio.ensure_future(self._beat(msgspec.json.encode(told)))
        self._posting.add(posting)
        posting.add_done_callback(self._posting.discard)

    async def run(self, send: Callable[[bytes, bytes], Awaitable[Any]]) -> None:
        """Send this minute's mentions now, and every minute's ever after."""
        while True:
            now_ms = self._now_ms()
            for key, value in mentions(now_ms):
                await send(key, value)
            await asyncio.sleep((_MINUTE_MS - now_ms % _MINUTE_MS) / 1000)

    async def _beat(self, body: bytes) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await self._post(body)
        except Exception as error:
            self.missed += 1
            log.warning("the heartbeat's webhook did not take it: %s", type(error).__name__)
        else:
            self.beats += 1

    async def _posted(self, body: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(self._url, data=body, allow_redirects=False, raise_for_status=True),
        ):
            pass
