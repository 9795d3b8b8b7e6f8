"""Sources that are pushed to, running as `flashover source run` runs them, for the length of a `with`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from agents.intake import Intake
from agents.listen import Status, Supervised, supervise
from agents.sources.source import Source
from agents.tallies import Bounds, Tallies
from tests.agents.sources.world import Kept, intake


class Pusher:
    """Posts to a source; `answer` is (status, body)."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self._session, self._address = session, address

    async def post(self, body: bytes, headers: dict[str, str], path: str = "/in") -> tuple[int, str]:
        async with self._session.post(self._address + path, data=body, headers=headers) as response:
            return response.status, await response.text()

    async def get(self, query: dict[str, str], path: str = "/in") -> tuple[int, str]:
        async with self._session.get(self._address + path, params=query) as response:
            return response.status, await response.text()


@asynccontextmanager
async def pushing(*sources: Source, port: int, kept: Kept) -> AsyncIterator[Pusher]:
    """The sources, supervised and flushed, and a client of the server that they share."""
    intakes = [intake(source, kept) for source in sources]
    running = [
        asyncio.ensure_future(supervise(Supervised(one, {}, Status()), Tallies(Bounds()), _no_pause))
        for one in intakes
    ]
    keeping = [asyncio.ensure_future(_keep(one)) for one in intakes]
    try:
        await listening(port)
        async with aiohttp.ClientSession() as session:
            yield Pusher(session, f"http://127.0.0.1:{port}")
    finally:
        for task in (*running, *keeping):
            task.cancel()
        await asyncio.gather(*running, *keeping, return_exceptions=True)


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def _no_pause(_: float) -> Any:
    await asyncio.sleep(0.01)


async def _keep(one: Intake) -> None:
    while True:
        await one.due.wait()
        await one.flush()


async def listening(port: int) -> None:
    """Until somebody does."""
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.005)
                continue
            writer.close()
            await writer.wait_closed()
            return
