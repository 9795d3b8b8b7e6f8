"""Platforms on loopback: an HTTP server with the handlers that a test gives it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handlers: Mapping[str, Handler]) -> AsyncIterator[str]:
    """Answers `METHOD /path`; gives the address of the server."""
    app = web.Application()
    for route, handler in handlers.items():
        method, path = route.split(" ")
        app.router.add_route(method, path, handler)
    server = TestServer(app)
    await server.start_server(shutdown_timeout=0.1)
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        await server.close()
