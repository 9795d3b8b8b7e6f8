"""A server that keeps what is posted to it and answers as it is told, on loopback; and what is sent to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from agents.channels.channel import Send, Told
from streams.delivery import Delivery, Kind, Outcome, PageContent
from streams.links import Links
from streams.page_text import words
from tests.streams.incidents import T0, case, ident

TAKE = "https://f.example/t?k=secret-link"
LINKS = Links("https://f.example/i", "https://f.example/a", TAKE)

Answer = Callable[["Got"], web.Response]


@dataclass(frozen=True)
class Got:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]  # names in small letters
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def delivery(kind: Kind = "page", run: int = 1, channel: str = "one", person: str = "lead") -> Delivery:
    the_case = case(
        reason="viral-forecast", authors=19, title="A contract", voices=("Shame",), url="https://s.example/1"
    )
    resolution = "handled" if kind == "resolved" else None
    page = PageContent(the_case, "may refund", owner="lead", resolution=resolution, more=3, cases=("x",))
    return Delivery(ident(), 0, person, channel, f"{ident()}/{run}.0.{kind}/{person}", kind, page, run)


def told(one: Delivery, now_ms: int = T0) -> Told:
    return Told(one, words(one, now_ms, LINKS), LINKS, now_ms)


def exchange(
    make: Callable[[str], Send], answer: Answer, deliveries: Iterable[Delivery]
) -> tuple[list[Outcome], list[Got]]:
    """Send deliveries, one after the other, by a channel made for a server that answers so."""
    got: list[Got] = []

    async def handle(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        one = Got(request.method, request.path_qs, headers, await request.read())
        got.append(one)
        return answer(one)

    async def send(url: str) -> list[Outcome]:
        channel = make(url)
        return [await channel(told(one)) for one in deliveries]

    return asyncio.run(served(handle, send)), got


async def served(
    handle: Callable[[web.Request], Awaitable[web.Response]], then: Callable[[str], Awaitable[Any]]
) -> Any:
    """What `then` makes of the address of a server, while it stands."""
    app = web.Application(client_max_size=1024 * 1024)
    app.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(app) as server:
        return await then(str(server.make_url("/")).rstrip("/"))
