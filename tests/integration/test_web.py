"""The pages over real topics: what a worker does shows, what is pressed reaches it, and doubt is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner
from pydantic import SecretStr

from agents.cli import cli
from agents.settings import Settings
from agents.topics import topics
from agents.web.server import serving
from agents.web.settings import Web
from agents.web.signin import hash_of
from streams.incident import State
from tests.integration import flows
from tests.integration.brokers import Broker
from tests.streams.incidents import case, ident

pytestmark = pytest.mark.integration

TOKEN = "a token of the tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
BLOCK = "Hallo, bitte schicke uns eine DM mit deinen Daten. LG, das Team"


def web_settings(broker: Broker, prefix: str, **changes: Any) -> Settings:
    tokens = {"lead": {"hash": hash_of(TOKEN), "role": "admin", "when_unknown": "hold"}}
    web = Web.model_validate({"tokens": tokens, "port": 0, "stale_after_s": 3.0})
    return flows.settings_for(broker, prefix, web=web, web_key=(SecretStr("k" * 32),), **changes)


async def until(is_so: Callable[[], Awaitable[bool]], within_s: float = 30.0) -> None:
    ends = time.monotonic() + within_s
    while not await is_so():
        assert time.monotonic() < ends, "it did not come to be so in time"
        await asyncio.sleep(0.05)


async def alert(settings: Settings) -> None:
    async with AIOKafkaProducer(bootstrap_servers=list(settings.brokers)) as producer:
        await producer.send_and_wait(topics(settings).alerts.name, msgspec.json.encode(case()), key=b"acme")


def test_what_is_pressed_reaches_the_worker_and_shows(broker: Broker, prefix: str, tmp_path: Path) -> None:
    """An alert shows as an incident; taken by the API it is held; the command line resolves it."""
    settings = web_settings(broker, prefix)

    async def go() -> None:
        async with serving(settings) as (address, reading), ClientSession(address, headers=BEARER) as session:

            async def told(path: str) -> Any:
                assert not reading.done(), reading.exception()
                async with session.get(path) as answer:
                    return await answer.json()

            async def shows() -> bool:
                return bool((await told("/api/incidents"))["incidents"])

            await alert(settings)
            await until(shows)
            async with session.post(f"/api/incidents/{ident()}/take", json={"reason": "on it"}) as answer:
                done = await answer.json()
            assert (done["outcome"], done["incident"]["owner"]) == ("done", "lead")

            async def held() -> bool:
                return bool((await told("/api/threads/t1/hold"))["held"])

            await until(held)
            async with session.post(f"/api/incidents/{ident()}/acknowledge", json={}) as answer:
                assert (answer.status, (await answer.json())["reason"]) == (409, "not-now")
            arguments = ["incidents", "resolve", ident(), "--as", "handled", "--who", "lead"]
            result = await asyncio.to_thread(CliRunner().invoke, cli, arguments, obj=settings)
            assert (result.exit_code, result.stdout) == (0, "resolve: done\n"), result.output

            async def over() -> bool:
                one = (await told(f"/api/incidents/{ident()}"))["incident"]
                return bool(one["state"] == State.RESOLVED and not one["hold"])

            await until(over)
            assert not await held()

    with flows.worker(settings, tmp_path / "log") as worker:
        worker.ready()
        asyncio.run(go())


def test_a_thread_is_calm_hot_or_unknown_and_workers_that_stand_still_are_seen(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    """From the workers' own state; when mentions wait and nobody counts them, nothing is sure."""
    settings = web_settings(broker, prefix)
    records = flows.storms(7, 400, 20, 1)

    async def go() -> None:
        async with serving(settings) as (address, reading), ClientSession(address, headers=BEARER) as session:

            async def checked(thread: str) -> tuple[str, str]:
                assert not reading.done(), reading.exception()
                body = {"brand": "brand0", "thread_id": thread, "text": BLOCK, "lang": "de"}
                async with session.post("/api/replies/check", json=body) as answer:
                    told = await answer.json()
                    return told["decision"], told["reason"]

            async def is_(thread: str, decision: str, reason: str) -> bool:
                return await checked(thread) == (decision, reason)

            with flows.worker(settings, tmp_path / "log") as worker:
                worker.ready()
                await asyncio.to_thread(flows.produce, settings, records)
                await until(lambda: is_("t0", "hold", "canned-into-hot-thread"))
                await until(lambda: is_("t5", "send", "canned-into-calm-thread"))
                assert await checked("nobody-has-seen-it") == ("unknown", "thread-unknown")
            await asyncio.to_thread(flows.produce, settings, records[:5])
            await until(lambda: is_("t5", "unknown", "workers-stand-still"))

    asyncio.run(go())


def test_a_broker_that_is_away_is_told(broker: Broker, prefix: str) -> None:
    """Nobody is told that a thread is calm then; and when it is back, all is well again."""
    settings = web_settings(broker, prefix)

    async def go() -> None:
        async with serving(settings) as (address, _), ClientSession(address) as session:

            async def health(status: int) -> bool:
                async with session.get("/healthz") as answer:
                    return answer.status == status

            await until(lambda: health(200))
            broker.pause()
            try:
                await until(lambda: health(503))
            finally:
                broker.resume()
            await until(lambda: health(200), 60.0)

    asyncio.run(go())
