"""A webhook against real brokers: what is confirmed is stored, what is not stored is not confirmed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from agents.settings import Settings
from agents.topics import topics
from tests.agents.sources.pushed import free_port
from tests.agents.sources.test_signature import KEY, signed
from tests.integration import flows
from tests.integration.brokers import Broker
from tests.integration.test_sources import config_for, running

pytestmark = pytest.mark.integration


def _mentions(*numbers: int) -> bytes:
    plain = {"brand": "murmeltel", "platform": "forum", "thread_id": "forum:1", "author": {"id": "u1"}}
    at_ms = time.time_ns() // 1_000_000
    return json.dumps([plain | {"id": f"forum:{one}", "created_at": at_ms} for one in numbers]).encode()


async def _post(session: aiohttp.ClientSession, address: str, body: bytes) -> tuple[int, str]:
    headers = signed(body, at_s=int(time.time()))
    async with session.post(address, data=body, headers=headers) as response:
        return response.status, await response.text()


async def _listens(session: aiohttp.ClientSession, address: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                async with session.get(address) as response:
                    if response.status == 405:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)


def _sent(settings: Settings) -> list[dict[str, Any]]:
    return [json.loads(one.value or b"{}") for one in flows.read(settings, topics(settings).mentions.name)]


def test_an_outage_of_the_broker_is_answered_with_503_and_the_sender_s_next_try_is_stored(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    settings, port, metrics_port = flows.settings_for(broker, prefix), free_port(), free_port()
    config = config_for(
        tmp_path,
        f'[sources.hook]\nkind = "webhook"\nport = {port}\npath = "/in"\nkeys = ["{KEY.decode()}"]\n',
    )
    address, log = f"http://127.0.0.1:{port}/in", tmp_path / "log"

    async def push() -> None:
        with running(settings, config, log, port=metrics_port) as process:
            async with aiohttp.ClientSession() as session:
                await _listens(session, address)
                status, text = await _post(session, address, _mentions(1, 2))
                assert (status, json.loads(text)["taken"]) == (202, 2), log.read_text()
                # Confirmed is stored: no waiting here.
                assert [one["id"] for one in await asyncio.to_thread(_sent, settings)] == [
                    "forum:1",
                    "forum:2",
                ]
                async with session.post(address, data=b"{}") as unsigned:
                    assert unsigned.status == 401
                async with session.get(f"http://127.0.0.1:{metrics_port}/metrics") as page:
                    told = await page.text()
                assert flows.figure(told, "flashover_source_mentions_total", "hook") == 2
                assert flows.figure(told, "flashover_source_turned_away_total", "hook", "unsigned") == 1
                with broker.outage():
                    status, _ = await _post(session, address, _mentions(3))
                    assert status == 503
                async with asyncio.timeout(60):
                    while (await _post(session, address, _mentions(3)))[0] != 202:  # noqa: ASYNC110 — a sender
                        await asyncio.sleep(0.2)
            os.kill(process.pid, signal.SIGTERM)
            assert await asyncio.to_thread(flows.wait_for, lambda: process.poll() is not None, 30)
        ids = [one["id"] for one in await asyncio.to_thread(_sent, settings)]
        assert set(ids) == {"forum:1", "forum:2", "forum:3"}

    asyncio.run(push())
