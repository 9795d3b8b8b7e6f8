"""Sources against real brokers: a process that is killed goes on, and nothing is lost, or counted twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import textwrap
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from click.testing import CliRunner

from agents.cli import cli
from agents.settings import Settings
from agents.tether import Tethered
from agents.topics import topics
from tests.agents.sources.serving import serving
from tests.agents.sources.test_bluesky import START_US, STORM, WANTED, Jetstream
from tests.integration import flows
from tests.integration.brokers import Broker

pytestmark = pytest.mark.integration

_ROOT = Path(__file__).parents[2]
_COMMAND = [sys.executable, "-m", "agents.cli", "source", "run"]


@contextmanager
def running(settings: Settings, config: Path, log: Path, *names: str, port: int = 0) -> Iterator[Tethered]:
    """`flashover source run` for the length of a `with`; ended by SIGKILL, if not before."""
    environment = flows._environment(settings) | {
        "FLASHOVER_CONFIG": str(config),
        "FLASHOVER_SOURCE_METRICS_PORT": str(port),
    }
    process = Tethered([*_COMMAND, *names], log=log, env=environment, cwd=_ROOT)
    try:
        yield process
    finally:
        process.end()


def config_for(tmp_path: Path, *sources: str) -> Path:
    path = tmp_path / "flashover.toml"
    path.write_text('[brands.murmeltel]\nnames = ["Murmeltel"]\n' + "\n".join(sources))
    return path


def sent(settings: Settings) -> list[dict[str, Any]]:
    return [json.loads(one.value or b"{}") for one in flows.read(settings, topics(settings).mentions.name)]


async def until(done: Any, within_s: float = 60.0) -> bool:
    return await asyncio.to_thread(flows.wait_for, done, within_s)


def test_a_killed_source_and_broken_connections_lose_nothing(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    """Killed in the middle of a stream that also breaks off: each post is there, under one id."""
    settings = flows.settings_for(broker, prefix)
    log = tmp_path / "log"

    async def run() -> None:
        slow = Jetstream(STORM[:120], [30])
        async with slow.started() as place:
            config = config_for(
                tmp_path, f'[sources.sky]\nkind = "bluesky"\nservers = ["ws://{place}"]\nrewind_s = 2\n'
            )
            with running(settings, config, log) as process:
                assert await until(lambda: len(sent(settings)) > 30), log.read_text()
                os.kill(process.pid, signal.SIGKILL)
            first = len(await asyncio.to_thread(sent, settings))
            slow.messages = STORM
            slow.cursors.clear()
            with running(settings, config, log) as process:
                assert await until(lambda: {one["id"] for one in sent(settings)} >= WANTED), log.read_text()
                os.kill(process.pid, signal.SIGTERM)
                assert await until(lambda: process.poll() is not None, 20)
                assert process.poll() == 0, log.read_text()
        assert slow.cursors[0] is not None
        assert slow.cursors[0] > START_US  # it went on, and did not begin anew
        mentions = await asyncio.to_thread(sent, settings)
        assert {one["id"] for one in mentions} == WANTED
        assert {one["thread_id"] for one in mentions} == {STORM_ROOT}
        assert first > 30

    asyncio.run(run())
    result = CliRunner().invoke(
        cli,
        ["source", "list", "--json"],
        env=flows._environment(settings) | {"FLASHOVER_CONFIG": str(tmp_path / "flashover.toml")},
    )
    told = json.loads(result.stdout)
    assert told["status"]["state"] == "ended"
    assert told["cursors"][""] > START_US


STORM_ROOT = next(iter({one for one in WANTED if one.endswith("/3k0")}))


def test_one_source_that_fails_stops_no_other_and_metrics_tell(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    settings = flows.settings_for(broker, prefix)
    posts = tmp_path / "posts.jsonl"
    row = {"created_at": "2026-05-28T20:00:00Z", "text": "Murmeltel", "author_id": "ann"}
    posts.write_text("".join(json.dumps(row | {"id": str(n)}) + "\n" for n in range(50)) + "odd\n")
    config = config_for(
        tmp_path,
        f'[sources.box]\nkind = "file"\npaths = ["{posts}"]\nfollow = true\n',
        '[sources.deaf]\nkind = "bluesky"\nservers = ["ws://127.0.0.1:9"]\n',
    )
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    log = tmp_path / "log"

    def metrics() -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    with running(settings, config, log, port=port) as process:
        assert flows.wait_for(lambda: len(sent(settings)) == 50, 60), log.read_text()
        assert flows.wait_for(lambda: flows.figure(metrics(), "flashover_source_up", "deaf") == 0, 20), (
            metrics()
        )
        text = metrics()
        assert flows.figure(text, "flashover_source_mentions_total", "box") == 50
        assert flows.figure(text, "flashover_source_rejects_total", "box", "not-json") == 1
        assert flows.figure(text, "flashover_source_errors_total", "deaf", "connect")
        assert flows.figure(text, "flashover_source_up", "box") == 1
        assert process.poll() is None
    (reject,) = flows.read(settings, topics(settings).rejects.name)
    assert (reject.value, reject.headers["reason"]) == (b"odd", b"not-json")
    assert reject.headers["topic"].decode() == f"source:box {posts}"
    listed = CliRunner().invoke(cli, ["rejects", "list"], env=flows._environment(settings)).stdout
    assert f"not-json      source:box {posts}  3 bytes" in listed


def test_everything_in_one_process_sees_a_storm_in_a_source(tmp_path: Path) -> None:
    """`flashover run --source`: an embedded broker, a worker and the source; what is posted is alerted of."""
    now_ms = int(time.time() * 1000) - 3_600_000
    row = {"author_id": "a0", "text": "Murmeltel cut me off", "id": "0", "created_at": now_ms}
    answers = [
        row
        | {
            "id": str(n),
            "parent_id": "0",
            "author_id": f"a{n}",
            "text": "me too",
            "created_at": now_ms + n * 15_000,
        }
        for n in range(1, 60)
    ]
    posts = tmp_path / "posts.jsonl"
    posts.write_text("".join(json.dumps(one) + "\n" for one in (row, *answers)))
    config = config_for(tmp_path, f'[sources.box]\nkind = "file"\npaths = ["{posts}"]\nfollow = true\n')
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLASHOVER_")} | {
        "FLASHOVER_CONFIG": str(config),
        "FLASHOVER_STATE_DIR": str(tmp_path / "state"),
        "FLASHOVER_METRICS_PORT": "0",
        "FLASHOVER_SOURCE_METRICS_PORT": "0",
        "PYTHONPATH": str(_ROOT),
    }
    log = tmp_path / "log"
    command = [sys.executable, "-m", "agents.cli", "run", "--source", "box"]
    with Tethered(command, log=log, env=environment, cwd=_ROOT, grace_s=15):
        page = " page  murmeltel Murmeltel cut me off: "
        assert flows.wait_for(lambda: page in log.read_text(), 60), log.read_text()
    assert "taking in from box" in log.read_text()


def test_the_readmes_five_minutes_end_in_a_page_on_a_phone(tmp_path: Path) -> None:
    """Its settings as they stand there, with Bluesky and the phone on loopback; its commands."""
    readme = (_ROOT / "README.md").read_text()
    block = readme.partition("write a `flashover.toml`:\n")[2].partition("Then, in this order:")[0]
    pushed: list[dict[str, Any]] = []

    async def push(request: web.Request) -> web.Response:
        pushed.append(await request.json())
        return web.json_response({})

    async def said(*command: str) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agents.cli", *command,
            env=environment, cwd=_ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, out
        return out.decode()

    began_us = time.time_ns() // 1000 - 1_800_000_000
    storm = []
    for number, message in enumerate(STORM):
        told = json.loads(message) | {"time_us": began_us + number * 6_000_000}
        record = told["commit"]["record"]
        at = datetime.fromtimestamp(told["time_us"] / 1e6, UTC).isoformat()
        record |= {"createdAt": at, "text": record["text"].replace("Murmeltel", "Acme")}
        storm.append(json.dumps(told).encode())

    async def watch() -> None:
        async with Jetstream(storm, []).started() as sky, serving({"POST /": push}) as phone:
            toml = textwrap.dedent(block).replace("ntfys://ntfy.sh", phone.replace("http", "ntfy"))
            here = f'kind = "bluesky"\nservers = ["ws://{sky}"]\nresolver = "http://{sky}"'
            (tmp_path / "flashover.toml").write_text(toml.replace('kind = "bluesky"', here))
            assert "counts" in await said("match", "Acme kept my deposit")
            assert "Acme cut me off" in await said("source", "try", "bluesky", "--limit", "3")
            assert "phone: taken" in await said("channels", "test", "phone")
            command = [sys.executable, "-m", "agents.cli", "run", "--source", "bluesky"]
            with Tethered(command, log=log, env=environment, cwd=_ROOT, grace_s=15):
                assert await until(lambda: len(pushed) > 1), log.read_text()

    log = tmp_path / "log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLASHOVER_")} | {
        "FLASHOVER_CONFIG": str(tmp_path / "flashover.toml"),
        "FLASHOVER_STATE_DIR": str(tmp_path / "state"),
        "FLASHOVER_METRICS_PORT": "0",
        "FLASHOVER_SOURCE_METRICS_PORT": "0",
        "PYTHONPATH": str(_ROOT),
    }
    asyncio.run(watch())
    page = pushed[1]
    assert page["topic"] == "a-long-word-of-your-own"
    assert page["title"].startswith("acme: ")
    assert "Acme cut me off" in page["message"]
    assert "Warning" not in log.read_text()
