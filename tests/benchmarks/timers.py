"""How late the timers of many open incidents are, on one worker that follows mentions beside them.

Every incident pages one person when it is opened and another so many seconds later, because nobody answers.
How late that second page was made, and taken by its channel, stands in the topic `incidents`.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from agents.settings import Settings
from agents.topics import topics
from streams.alert import Alert, Reply, encode_alert
from streams.desk import decode_record
from streams.forecast import Forecast
from streams.incident import Incident
from streams.mention import rfc3339
from tests.benchmarks import stage
from tests.benchmarks.latency import rank
from tests.integration import flows

__all__ = ["measure"]

_TARGET_MS: Final = 1000
_WAIT_S: Final = 20
_OPENED_PER_S: Final = 50
_NOBODY: Final = 10**9


class _Hook(BaseHTTPRequestHandler):
    """A channel that takes everything."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


def _tables(port: int) -> dict[str, Any]:
    hook = {"kind": "webhook", "url": f"http://127.0.0.1:{port}/", "secret": "only for the measurement"}
    steps = [{"whom": ["one"], "wait_s": _WAIT_S}, {"whom": ["two"], "wait_s": 3600}]
    return {
        "paging": {"pages_per_hour": 100_000},
        "channels": {"hook": hook | {"per_min": 6000}},
        "people": {name: {"authorities": ["refund"], "channels": ["hook"]} for name in ("one", "two")},
        "needs": {"default": {"authorities": ["refund"]}},
        "ladders": {"default": {"steps": steps, "repeat": 0}},
    }


def measure(bootstrap: str, idempotent: bool, rate: int, incidents: int) -> None:
    """Open `incidents` incidents on a worker that follows `rate` mentions a second; print their delays."""
    prefix = f"bench-{uuid.uuid4().hex[:8]}-"
    settings = stage.made(stage.settings_for(bootstrap, "timers", prefix, idempotent=idempotent))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    asked = {
        "bootstrap": bootstrap,
        "prefix": prefix,
        "app_id": "timers",
        "idempotent": idempotent,
        "rate": rate,
        "seconds": incidents // _OPENED_PER_S + _WAIT_S + 5,
        "storm_every": _NOBODY,
        "storms_at_once": 1,
        "calm_at_once": 100_000,
        "settings": _tables(server.server_port),
    }
    try:
        with stage.service("worker", asked):
            load = stage.spawn(stage.PYTHON, "load", asked)
            asyncio.run(_open(settings, incidents))
            sent = stage.ended(load, 300)
            late = _late(settings)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    print(
        f"{len(late):,} of {incidents:,} incidents paged a second person after {_WAIT_S} s, beside "
        f"{sent['sent']:,} mentions in {sent['seconds']:.1f} s"
    )
    print(
        f"{'how late':12} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8}  target of pages made: max < {_TARGET_MS}"
    )
    for name, ms in (("page made", [one for one, _ in late]), ("page taken", [one for _, one in late])):
        ms.sort()
        print(f"{name:12} {rank(ms, 0.5):>8.0f} {rank(ms, 0.99):>8.0f} {ms[-1]:>8.0f}")


async def _open(settings: Settings, incidents: int) -> None:
    async with AIOKafkaProducer(bootstrap_servers=list(settings.brokers), linger_ms=0) as producer:
        for number in range(incidents):
            alert = _alert(number)
            await producer.send(topics(settings).alerts.name, encode_alert(alert), key=alert.brand.encode())
            await asyncio.sleep(1 / _OPENED_PER_S)


def _alert(number: int) -> Alert:
    return Alert(
        id=f"fl-{number}",
        scope="thread",
        brand=f"brand-{number % 20}",
        thread_id=f"thread-{number}",
        level="page",
        previous_level="warn",
        raised_at=rfc3339(1_700_000_000_000 + number),
        reason="viral-forecast",
        summary="about to go viral",
        forecast=Forecast(600, 100, 2000, 0.9, 100),
        evidence=(),
        reply=Reply(),
        mentions=25,
        authors=20,
        reach=1000,
        negative_share=None,
    )


def _late(settings: Settings) -> list[tuple[float, float]]:
    """For each incident, by how many milliseconds its second page was made and was taken too late."""
    latest: dict[bytes | None, Incident] = {}
    for row in flows.read(settings, topics(settings).incidents.name):
        if row.key and row.value and isinstance(one := decode_record(row.value), Incident):
            latest[row.key] = one
    found = []
    for one in latest.values():
        made = {page.step: page for page in one.pages if page.kind == "page"}
        if len(made) > 1 and made[1].state == "sent":
            due_ms = made[0].made_ms + _WAIT_S * 1000
            found.append((float(made[1].made_ms - due_ms), float(made[1].at_ms - due_ms)))
    return found
