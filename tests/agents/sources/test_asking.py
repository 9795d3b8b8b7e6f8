"""What the answers of a platform mean, and that no key gets out in an error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from agents.sources.asking import Answered, ask, wait_s
from agents.sources.source import OutageError, SourceError, UnusableError

NOW_S = 1_780_000_000.0


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Thu, 28 May 2026 20:26:50 GMT"}, 10.0),
        ({"Retry-After": "99999999"}, 3_600.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-4"}, None),
        ({"Retry-After": "Thu, 28 May 2000 20:26:50 GMT"}, 0.0),
        ({"x-rate-limit-reset": str(int(NOW_S) + 90)}, 90.0),
        ({"x-rate-limit-reset": "9" * 12}, 3_600.0),
        ({"x-rate-limit-reset": "nan"}, None),
    ],
)
def test_how_long_a_server_makes_us_wait(headers: dict[str, str], expected: float | None) -> None:
    assert wait_s(headers, NOW_S) == expected


async def _asked(handler: Callable[[web.Request], Awaitable[web.StreamResponse]], **kwargs: Any) -> Answered:
    app = web.Application()
    app.router.add_get("/", handler)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        return await ask(session, "the place", str(server.make_url("/?key=hush")), **kwargs)


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (429, OutageError, "rate-limit"),
        (503, OutageError, "http-503"),
        (500, OutageError, "http-500"),
        (408, OutageError, "http-408"),
        (401, UnusableError, "unauthorised"),
        (404, UnusableError, "http-404"),
        (302, UnusableError, "http-302"),
    ],
)
def test_a_status_says_whether_waiting_helps(status: int, kind: type[SourceError], reason: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(
            status=status, headers={"Retry-After": "9", "Location": "http://elsewhere.example/"}
        )

    with pytest.raises(kind) as error:
        asyncio.run(_asked(handler))
    assert error.value.reason == reason
    assert "hush" not in str(error.value)
    if isinstance(error.value, OutageError) and status in (429, 503):
        assert error.value.after_s == 9


def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 4096)
        except ConnectionResetError:
            pass
        return response

    with pytest.raises(OutageError) as error:
        asyncio.run(_asked(handler, limit=100_000))
    assert error.value.reason == "too-long"


def test_a_server_that_is_not_there_is_an_outage_without_its_address() -> None:
    async def knock() -> None:
        async with aiohttp.ClientSession() as session:
            await ask(session, "the place", "http://127.0.0.1:9/?key=hush")

    with pytest.raises(OutageError, match="the place can't be reached") as error:
        asyncio.run(knock())
    assert error.value.reason == "connect"
    assert "hush" not in str(error.value)
