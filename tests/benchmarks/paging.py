"""How long from the moment a mention was due to be sent until its page was taken, by webhook and by mail.

Four processes: the broker, one worker, the source, a receiver with a webhook and a mail server on loopback.
Each case needs two people, one by each channel.
"""

from __future__ import annotations

import time
import uuid
from typing import Any

from agents.embedded import free_port
from tests.benchmarks import stage
from tests.benchmarks.latency import rank

__all__ = ["measure"]

_TARGET_MS = 2000
_CATCH_UP_S = 30.0


def _settings(hook_port: int, mail_port: int) -> dict[str, Any]:
    """Two people who hold together what every case needs; nobody is spared."""
    return {
        "paging": {"pages_per_hour": 100_000},
        "web": {"public_url": "https://flashover.example"},
        "channels": {
            "hook": {
                "kind": "webhook",
                "url": f"http://127.0.0.1:{hook_port}/hook",
                "secret": "only for the measurement",
                "per_min": 6000,
            },
            "mail": {
                "url": f"mailto://127.0.0.1:{mail_port}?smtp=127.0.0.1&from=a@acme.example&to=b@acme.example",
                "per_min": 6000,
            },
        },
        "people": {
            "one": {"authorities": ["refund"], "channels": ["hook"]},
            "two": {"authorities": ["cancel-contract"], "channels": ["mail"]},
        },
        "needs": {"default": {"authorities": ["refund", "cancel-contract"]}},
        "ladders": {"default": {"steps": [{"whom": ["one", "two"], "wait_s": 3600}], "repeat": 0}},
    }


def measure(bootstrap: str, idempotent: bool, rate: int, seconds: int) -> None:
    """Load a worker with `rate` mentions a second for `seconds` seconds and print how late pages came.

    Twice: a new storm every three seconds, and one in five mentions in forty storms that begin together.
    """
    for every, at_once in ((25, 4), (5, 40)):
        _measure(bootstrap, idempotent, rate, seconds, every, at_once)


def _measure(bootstrap: str, idempotent: bool, rate: int, seconds: int, every: int, at_once: int) -> None:
    prefix = f"bench-{uuid.uuid4().hex[:8]}-"
    stage.made(stage.settings_for(bootstrap, "paging", prefix, idempotent=idempotent))
    hook_port, mail_port = free_port(), free_port()
    asked = {
        "bootstrap": bootstrap,
        "prefix": prefix,
        "app_id": "paging",
        "idempotent": idempotent,
        "rate": rate,
        "seconds": seconds,
        "hook_port": hook_port,
        "mail_port": mail_port,
        "storm_every": every,
        "storms_at_once": at_once,
        "calm_at_once": 100_000,  # else some of them, by chance, are storms at this rate
        "settings": _settings(hook_port, mail_port),
    }
    with stage.service("receiver", asked) as receiver, stage.service("worker", asked) as worker:
        sent = stage.run(stage.PYTHON, "load", asked, timeout_s=seconds * 3 + 60)
        until = time.monotonic() + _CATCH_UP_S
        while worker.ask()["handled"] < sent["sent"] and time.monotonic() < until:
            time.sleep(0.2)
        time.sleep(10.0)  # the last pages
        told = receiver.end()
    print(
        f"{at_once} storms at once: {sent['sent']:,} mentions in {sent['seconds']:.1f} s, the latest "
        f"{sent['worst_late_s'] * 1000:.0f} ms behind its time; {told['incidents']} incidents"
    )
    print(f"{'channel':8} {'pages':>7} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8}  target: p99 < {_TARGET_MS}")
    for channel in ("webhook", "mail"):
        if ms := sorted(one for name, one in told["heard"] if name == channel):
            print(f"{channel:8} {len(ms):>7,} {rank(ms, 0.5):>8.0f} {rank(ms, 0.99):>8.0f} {ms[-1]:>8.0f}")
