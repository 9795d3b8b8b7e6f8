"""The process behind the pages: reads the topics, answers requests, writes commands.

Law of this file: it puts the room together and owns its life and death. It writes `commands` and, of what is
turned away, `audit`; nothing else. When the reading fails the process ends: a page that is out of date and
does not know it is worse than none. Exit codes as a worker's: 0 asked to stop, 70 crashed.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from aiohttp import web
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from agents.errors import FlashoverError, unusable
from agents.on_call.roster import LiveRoster
from agents.settings import Settings
from agents.topics import topics
from agents.web import api, drawing, entry, pages
from agents.web.known import Known
from agents.web.reader import Reader
from agents.web.site import BODY_BYTES, SITE, OnCall, Post, PostError, Reading, Site, guarded
from streams.audit import Audited
from streams.incident import Command, encode_command
from streams.language import detect_language

__all__ = ["application", "listening", "main", "serving"]

EXIT_CRASHED = 70
_WITHIN_S = 10.0

log = logging.getLogger(__name__)


class KafkaPost:
    """Sends with a producer of its own; see `agents.web.site.Post`."""

    def __init__(self, producer: AIOKafkaProducer, settings: Settings) -> None:
        self._producer = producer
        self._commands = topics(settings).commands.name
        self._audit = topics(settings).audit.name

    async def command(self, command: Command) -> None:
        """Key: the brand, so that it meets the brand's alerts."""
        try:
            async with asyncio.timeout(_WITHIN_S):
                await self._producer.send_and_wait(
                    self._commands, encode_command(command), key=command.brand.encode()
                )
        except (KafkaError, OSError, TimeoutError) as error:
            log.error("a command could not be written: %s", type(error).__name__)
            raise PostError from error

    async def audit(self, audited: Audited) -> None:
        """Key: the brand. Nobody waits for it."""
        try:
            await self._producer.send(self._audit, msgspec.json.encode(audited), key=audited.brand.encode())
        except (KafkaError, OSError) as error:
            log.error("not audited: %s (%s)", audited, type(error).__name__)


def application(
    settings: Settings, reading: Reading, post: Post, on_call: OnCall = lambda brand, now_ms: ()
) -> web.Application:
    """Everything that answers requests, over what is read, where commands go and who is on call."""
    app = web.Application(client_max_size=BODY_BYTES, middlewares=[guarded(entry.tell, api.tell)])
    app[SITE] = Site(settings, reading, post, on_call)
    api.add_routes(app)
    pages.add_routes(app)
    entry.add_routes(app)
    drawing.add_files(app)
    return app


@asynccontextmanager
async def listening(app: web.Application, host: str, port: int) -> AsyncIterator[str]:
    """Answer requests for the length of a `with`; yields the address. Raises OSError if it can't be had."""
    # No access log: the path of a link holds what only its reader may know.
    runner = web.AppRunner(app, access_log=None, handle_signals=False, keepalive_timeout=30)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        where = runner.addresses[0]
        yield f"http://{where[0] if ':' not in where[0] else f'[{where[0]}]'}:{where[1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    """Started, and closed even if it could not be."""
    producer = AIOKafkaProducer(**settings.aiokafka_kwargs(), acks="all")
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[tuple[str, asyncio.Task[None]]]:
    """The pages over Kafka; yields their address and what reads for them, which ends only by failing."""
    detect_language("is the model read yet?")  # the first draft should not wait for it
    reader = Reader(settings, Known())
    async with _producer(settings) as producer:
        roster = LiveRoster(settings)
        app = application(
            settings, reader, KafkaPost(producer, settings), lambda brand, at: roster.now.on_call(brand, at)
        )
        async with listening(app, settings.web.host, settings.web.port) as address:
            reading, calendars = asyncio.create_task(reader.run()), asyncio.create_task(roster.run())
            try:
                yield address, reading
            finally:
                reading.cancel()
                calendars.cancel()
                await asyncio.gather(reading, calendars, return_exceptions=True)


async def _serve(settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serving(settings) as (address, reading):
        log.info("pages: %s/incidents", address)
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait([stopping, reading], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not reading.done():
            return 0
        error = reading.exception()
        if isinstance(error, FlashoverError):
            raise error
        log.error("the pages end: %r", error, exc_info=error)
        return EXIT_CRASHED


def main(settings: Settings) -> int:
    """The command `flashover web`; the answer is its exit code. Raises BrokerError and TopicsError."""
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        return asyncio.run(_serve(settings))
    except KafkaError as error:
        raise unusable(settings.brokers, error) from None
    except OSError as error:
        where = f"{settings.web.host}:{settings.web.port}"
        raise FlashoverError(f"{where} can't be listened on ({error.strerror})") from None
