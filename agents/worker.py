"""A worker process: starts the app, ends it on SIGINT or SIGTERM, tells by its exit code how it ended.

Law of this file: no logic beyond life and death. Exit codes: 0 asked to stop, 70 crashed.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiokafka.errors import KafkaConnectionError

from agents.app import Worker, build
from agents.build import hot_path
from agents.errors import FlashoverError, unusable
from agents.exposition import exposed
from agents.settings import Settings

__all__ = ["main", "serve"]

EXIT_CRASHED = 70  # EX_SOFTWARE of sysexits.h

log = logging.getLogger(__name__)

_STOP_WITHIN_S = 12.0


async def serve(settings: Settings, beside: Callable[[Worker], Awaitable[None]] | None = None) -> int:
    """Run a worker until a signal or a crash; `beside` runs with it, and its end is the worker's end."""
    worker = build(settings)
    async with exposed(worker, settings):
        return await _serve(worker, settings.brokers, beside)


async def _serve(
    worker: Worker, brokers: Iterable[str], beside: Callable[[Worker], Awaitable[None]] | None
) -> int:
    app = worker.app
    log.info("hot path: %s", hot_path())
    # State is acyclic: Python's cycle collector would look through all of it, often, and find nothing.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    app.finalize()
    starting = asyncio.ensure_future(app.start())
    waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(stop.wait()), starting]
    crashed = False
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if starting.done() and not (crashed := _failed(starting, brokers)):
            waits[1] = asyncio.ensure_future(app.wait_until_stopped())
            if beside is not None:
                waits.append(asyncio.ensure_future(beside(worker)))
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if beside is not None and waits[-1].done():
                waits[-1].result()
    finally:
        for one in waits:
            one.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        stopping = asyncio.ensure_future(app.stop())
        _, late = await asyncio.wait([stopping], timeout=_STOP_WITHIN_S)
        if late:  # amid a rebalance Faust may wait for ever; what was not acked is read again
            stopping.cancel()
            await asyncio.wait([stopping], timeout=1.0)
            log.error("the worker ends: it did not stop within %.0f s", _STOP_WITHIN_S)
            crashed = True
        else:
            crashed = _failed(stopping, brokers) or crashed or app.crashed
    return EXIT_CRASHED if crashed else 0


def _failed(done: asyncio.Future[Any], brokers: Iterable[str]) -> bool:
    if done.cancelled():  # as its group coordinator goes away, a commit under way is
        log.error("the worker ends: its stop was broken off")
        return True
    if (error := done.exception()) is None:
        return False
    if isinstance(error, KafkaConnectionError):
        error = unusable(brokers, error)
    log.error("the worker ends: %s", error, exc_info=None if isinstance(error, FlashoverError) else error)
    return True


def is_news(record: logging.LogRecord) -> bool:
    """False for the line with which each of Faust's services starts or stops: half a log, and no news."""
    told = record.getMessage()
    return record.levelno > logging.INFO or not (
        told.startswith("[^") and told.endswith(("]: Starting...", "]: Stopping..."))
    )


def main(settings: Settings) -> int:
    """The command `flashover worker`; the answer is its exit code."""
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for one in logging.getLogger().handlers:
        one.addFilter(is_news)
    before = set(threading.enumerate())
    code = asyncio.run(serve(settings))
    if code and any(not one.daemon for one in set(threading.enumerate()) - before):
        # A consumer whose stop was broken off leaves a thread behind, which would keep the process for ever.
        logging.shutdown()
        sys.stdout.flush()
        os._exit(code)
    return code
