"""The HTTP server for those who push to us: one for each address, whatever the number of sources behind it.

Law of this file: it takes bytes in, hands them to the source whose path it is, and answers what that says. A
request is answered with success only when the broker has what was in it; until then, and whenever the source
does not read, the answer is 503, so that the sender comes again. It listens while somebody reads, and on
loopback unless told otherwise: what faces the world is a proxy with TLS.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Final, NamedTuple

from aiohttp import web

from agents.sources.source import Arrival, Receipt, UnusableError

__all__ = ["Answer", "Inboxes", "Knock", "inboxes"]

log = logging.getLogger(__name__)

_WAITING_MOST: Final = 64  # requests of one source under way, signed or not; the next come again
_BODY_WITHIN_S: Final = 10.0  # who takes longer to say it holds a place that others need
_PATIENCE_S: Final = 20.0  # Meta and most others hang up after some 20 to 30 s
_AGAIN_S: Final = 10
#: What a status is called where its text does not say it.
_AWAY: Final = {405: "method", 408: "too-slow", 413: "too-long", 503: "not-stored"}


class Answer(NamedTuple):
    """What a request is answered with: `status`, and a short plain text or JSON."""

    status: int
    text: str = ""


class Knock(NamedTuple):
    """A request as far as a source may judge it: header names in lower case, the first of each in `query`."""

    method: str
    headers: dict[str, str]
    query: dict[str, str]
    body: bytes


#: Looks at a request before it is let in; an answer ends it there.
Guard = Callable[[Knock], Answer | None]


class _Route:
    def __init__(self, guard: Guard, limit: int, success: int, away: Counter[str]) -> None:
        self.guard, self.limit, self.success, self.away = guard, limit, success, away
        self.queue: asyncio.Queue[Arrival] = asyncio.Queue()
        self.under_way = 0  # bounds the queue, and the bodies in memory


class _Inbox:
    """One server and its paths."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._routes: dict[str, _Route] = {}
        self._runner: web.AppRunner | None = None
        self._starting = asyncio.Lock()

    @property
    def port(self) -> int:
        """Where it listens; for tests that asked for port 0."""
        return int(self._runner.addresses[0][1]) if self._runner is not None else 0

    async def add(self, path: str, route: _Route) -> None:
        async with self._starting:
            if path in self._routes:
                raise UnusableError(
                    "settings", f"two sources want the path {path} of {self._host}:{self._port}"
                )
            if self._runner is None:
                await self._start()
            self._routes[path] = route

    async def remove(self, path: str) -> None:
        async with self._starting:
            self._routes.pop(path, None)
            if not self._routes and self._runner is not None:
                runner, self._runner = self._runner, None
                await runner.cleanup()

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError as error:
            await runner.cleanup()
            raise UnusableError(
                "address", f"{self._host}:{self._port} can't be listened on ({error.strerror})"
            ) from None
        self._runner = runner
        log.info("taking in what is pushed to http://%s:%d", self._host, self.port)

    async def _serve(self, request: web.Request) -> web.Response:
        route = self._routes.get(request.path)
        if route is None:
            # Not "gone": a source that is begun anew has its path again in seconds.
            return _response(Answer(404 if request.path == "/" else 503, "nobody reads here"))
        if route.under_way >= _WAITING_MOST:
            answer = Answer(503, "too many at once")
        else:
            route.under_way += 1
            try:
                answer = await self._answer(request, route)
            finally:
                route.under_way -= 1
        if answer.status >= 300:
            route.away[_AWAY.get(answer.status, answer.text)] += 1
        return _response(answer)

    async def _answer(self, request: web.Request, route: _Route) -> Answer:
        if request.method not in ("GET", "POST"):
            return Answer(405, "POST")
        try:
            async with asyncio.timeout(_BODY_WITHIN_S):
                body = await _body(request, route.limit)
        except TimeoutError:
            return Answer(408, "too slow")
        if body is None:
            return Answer(413, f"at most {route.limit} bytes")
        knock = Knock(
            request.method,
            {name.lower(): value for name, value in request.headers.items()},
            {name: request.query.get(name, "") for name in request.query},
            body,
        )
        if (refused := route.guard(knock)) is not None:
            return refused
        if request.method != "POST":
            return Answer(405, "POST")
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        route.queue.put_nowait(Arrival(body, time.time_ns() // 1_000_000, receipt=receipt))
        try:
            async with asyncio.timeout(_PATIENCE_S):
                done = await receipt
        except asyncio.CancelledError:
            if not receipt.cancelled() or _is_cancelled():
                raise
            return Answer(503, "not stored")  # whoever reads only tries
        except Exception as error:  # whatever it is, it is not stored: the sender shall keep it
            log.warning("a push is not stored: %s", type(error).__name__)
            return Answer(503, "not stored")
        told = {"taken": done.taken, "ignored": done.ignored, "refused": dict(done.refused)}
        return Answer(route.success, json.dumps(told))


@cache
def inboxes() -> Inboxes:
    """Those of this process: an address can be listened on once."""
    return Inboxes()


class Inboxes:
    """All servers of a process, by address; the first reader starts one, the last one stops it."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], _Inbox] = {}

    @asynccontextmanager
    async def reading(
        self,
        host: str,
        port: int,
        path: str,
        guard: Guard,
        away: Counter[str],
        *,
        limit: int,
        success: int = 202,
    ) -> AsyncIterator[tuple[asyncio.Queue[Arrival], int]]:
        """What is pushed to `path`, for the length of a `with`, and the port it really is.

        `limit` is of a body, in bytes. Whom nobody lets in is counted in `away`, by why.
        Raises UnusableError if the address or the path is taken.
        """
        inbox = self._open.setdefault((host, port), _Inbox(host, port))
        route = _Route(guard, limit, success, away)
        await inbox.add(path, route)
        try:
            yield route.queue, inbox.port
        finally:
            await inbox.remove(path)
            while not route.queue.empty():
                left = route.queue.get_nowait().receipt
                if left is not None and not left.done():
                    left.set_exception(ConnectionAbortedError("the source stopped"))
                    left.exception()  # looked at: who asked may have gone


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _body(request: web.Request, limit: int) -> bytes | None:
    """The body, None if it is longer than `limit`: then no more of it than that was read."""
    if (request.content_length or 0) > limit:
        return None
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)


def _response(answer: Answer) -> web.Response:
    headers = {"X-Content-Type-Options": "nosniff", "Server": "flashover"}
    if answer.status == 503:
        headers["Retry-After"] = str(_AGAIN_S)
    if answer.status == 405:
        headers["Allow"] = answer.text
    is_json = answer.text.startswith("{")
    return web.Response(
        status=answer.status,
        text=answer.text,
        content_type="application/json" if is_json else "text/plain",
        headers=headers,
    )
