"""From an alert to a page, an answer and a resolution, on real topics, with workers killed on the way."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from agents.channels.webhook import verify
from agents.settings import Settings
from agents.topics import topics
from streams.desk import decode_record
from streams.incident import Acknowledge, Command, Incident, Resolve, State, Take, encode_command
from tests.integration import flows
from tests.integration.brokers import Broker
from tests.integration.flows import wait_for
from tests.streams.incidents import case, command, ident

pytestmark = pytest.mark.integration

SECRET = "a made-up secret of some length"
TABLES: dict[str, Any] = {
    "PEOPLE": {
        "duty": {"channels": ["hook"], "authorities": ["refund"]},
        "lead": {"channels": ["hook"], "authorities": ["refund"]},
    },
    "ROTATIONS": {"desk": {"layers": [{"people": ["duty"], "starts": "2025-01-06"}]}},
    "NEEDS": {"default": {"authorities": ["refund"]}},
    "LADDERS": {"default": {"steps": [{"whom": ["desk"], "wait_s": 1}, {"whom": ["lead"], "wait_s": 3600}]}},
}


def people(url: str) -> str:
    """A worker with a desk and a lead on its ladder, a second apart, whose channel is a signed webhook."""
    tables = TABLES | {"CHANNELS": {"hook": {"kind": "webhook", "url": url, "secret": SECRET}}}
    variables = {f"FLASHOVER_{name}": json.dumps(table) for name, table in tables.items()}
    return f"import os; os.environ |= {variables!r}"


DIE = """
import os, signal
from agents.app import KafkaOutput
attempt = KafkaOutput.attempt
async def die(self, one):
    os.kill(os.getpid(), signal.SIGKILL)
KafkaOutput.attempt = die
"""


class Hook:
    """A webhook; `taken` is what was posted, in order. A page must be signed, and new."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        taken = self.taken

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                told = json.loads(body)
                if "type" in told:
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    assert verify(SECRET, headers, body, time.time())
                    told |= {"kind": told["type"].removeprefix("flashover."), "key": headers["webhook-id"]}
                    told["person"] = told["data"]["person"]
                taken.append(told)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"

    def seen(self) -> list[tuple[str, str]]:
        return [(one["kind"], one["person"]) for one in self.taken]


@pytest.fixture
def hook() -> Iterator[Hook]:
    one = Hook()
    thread = threading.Thread(target=one.server.serve_forever)
    thread.start()
    yield one
    one.server.shutdown()
    thread.join()
    one.server.server_close()


def produce(settings: Settings, topic: str, value: bytes) -> None:
    async def send() -> None:
        async with AIOKafkaProducer(bootstrap_servers=list(settings.brokers)) as producer:
            await producer.send_and_wait(topic, value, key=b"acme")

    asyncio.run(send())


def ask(settings: Settings, kind: type[Any], **more: Any) -> Command:
    one = command(kind, int(time.time() * 1000), **more)
    produce(settings, topics(settings).commands.name, encode_command(one))
    return one


def latest(settings: Settings, topic: str) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for one in flows.read(settings, topic):
        if one.value is None:
            found.pop(one.key or b"", None)
        else:
            found[one.key or b""] = one.value
    return found


def incident(settings: Settings) -> Incident | None:
    value = latest(settings, topics(settings).incidents.name).get(ident().encode())
    one = decode_record(value) if value is not None else None
    assert one is None or isinstance(one, Incident)
    return one


def state(settings: Settings) -> State | None:
    one = incident(settings)
    return one.state if one is not None else None


def test_from_an_alert_to_its_resolution(broker: Broker, prefix: str, tmp_path: Path, hook: Hook) -> None:
    """The first worker is killed with the page out and its outcome not written; the second goes on."""
    settings = flows.settings_for(broker, prefix)
    names = topics(settings)
    set_up = people(hook.url + "hunter2")
    with flows.worker(settings, tmp_path / "first.log", set_up + DIE) as first:
        first.ready()
        produce(settings, names.alerts.name, msgspec.json.encode(case()))
        assert first.exit_code(within_s=30) == -signal.SIGKILL, first.tail()
    assert hook.seen() == [("page", "duty")]
    with flows.worker(settings, tmp_path / "second.log", set_up) as second:
        second.ready()
        assert wait_for(lambda: ("page", "lead") in hook.seen() or second.poll() is not None), second.tail()
        ask(settings, Acknowledge, who="lead")
        assert wait_for(lambda: state(settings) is State.ACKNOWLEDGED), second.tail()
        ask(settings, Take, who="lead", reason="refund")
        assert wait_for(lambda: b"t1" in latest(settings, names.holds.name)), second.tail()
        hold = json.loads(latest(settings, names.holds.name)[b"t1"])
        assert (hold["owner"], hold["reason"], hold["incident"]) == ("lead", "refund", ident())
        os.kill(second.pid, signal.SIGKILL)
        second.exit_code(within_s=5)
    resolved = ask(settings, Resolve, who="lead", resolution="handled")
    with flows.worker(settings, tmp_path / "third.log", set_up) as third:
        third.ready()
        assert wait_for(lambda: state(settings) is State.RESOLVED), third.tail()
        assert wait_for(lambda: ("resolved", "lead") in hook.seen()), third.tail()
        produce(settings, names.commands.name, encode_command(resolved))  # twice is once
        ask(settings, Acknowledge)  # refused: it is over
        produce(settings, names.commands.name, b"no command")
        assert wait_for(lambda: "commands, offset 5" in third.said()), third.tail()
        os.kill(third.pid, signal.SIGTERM)
        assert third.exit_code(within_s=10) == 0, third.tail()
        assert "hunter2" not in third.said()
    keys = {one["key"]: (one["kind"], one["person"]) for one in hook.taken}
    kinds = ("page", "acknowledged", "resolved")
    assert sorted(keys.values()) == sorted((kind, who) for kind in kinds for who in ("duty", "lead"))
    assert hook.seen().count(("page", "duty")) == 2  # the first worker's, and the second's under the same key
    assert len(hook.taken) <= len(keys) + 2  # a kill, a page told twice
    assert latest(settings, names.holds.name) == {}
    one = incident(settings)
    assert one is not None
    assert (one.owner, one.resolution, one.history[-1].what) == ("lead", "handled", "resolved sent")
    attempts = [json.loads(record.value or b"") for record in flows.read(settings, names.pages.name)]
    assert {attempt["outcome"]["type"] for attempt in attempts} == {"ok"}
    assert len({attempt["dedup_key"] for attempt in attempts}) == 6


def test_the_heartbeat_comes_back_the_whole_way(
    broker: Broker, prefix: str, tmp_path: Path, hook: Hook
) -> None:
    """It opens no incident, and its address is in no log."""
    settings = flows.settings_for(broker, prefix)
    secret = f"import os; os.environ['FLASHOVER_HEARTBEAT_URL'] = {hook.url!r}"
    with flows.worker(settings, tmp_path / "worker.log", secret) as process:
        process.ready()
        assert wait_for(lambda: hook.taken or process.poll() is not None), process.tail()
        os.kill(process.pid, signal.SIGTERM)
        assert process.exit_code(within_s=10) == 0, process.tail()
        assert hook.url not in process.said()
    assert hook.taken[0]["source"] == "flashover"
    assert set(latest(settings, topics(settings).incidents.name)) == {b""}
