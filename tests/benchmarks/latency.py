"""How long from the moment a mention was due to be sent until its alert can be read from the topic.

Four processes: the broker, one worker with its default settings, the source, the listener.
"""

from __future__ import annotations

import math
import time
import uuid

from tests.benchmarks import stage

__all__ = ["measure", "rank"]

_TARGET_MS = 1000
_CATCH_UP_S = 60.0


def measure(bootstrap: str, idempotent: bool, rate: int, seconds: int) -> None:
    """Load a worker with `rate` mentions a second for `seconds` seconds and print the latencies."""
    prefix = f"bench-{uuid.uuid4().hex[:8]}-"
    stage.made(stage.settings_for(bootstrap, "latency", prefix, idempotent=idempotent))
    asked = {
        "bootstrap": bootstrap,
        "prefix": prefix,
        "app_id": "latency",
        "idempotent": idempotent,
        "rate": rate,
        "seconds": seconds,
    }
    with stage.service("worker", asked) as worker, stage.service("listener", asked) as listener:
        before = worker.ask()
        sent = stage.run(stage.PYTHON, "load", asked, timeout_s=seconds * 3 + 60)
        at_end = after = worker.ask()
        until = time.monotonic() + _CATCH_UP_S
        while (after["handled"] < sent["sent"] or after["waiting"]) and time.monotonic() < until:
            time.sleep(0.2)
            after = worker.ask()
        time.sleep(0.5)
        heard = [(level, float(ms)) for level, ms in listener.end()["heard"]]
    print(
        f"{sent['sent']:,} mentions in {sent['seconds']:.1f} s, the latest "
        f"{sent['worst_late_s'] * 1000:.0f} ms behind its time; worker: {after['handled']:,} handled, "
        f"{after['rejects']} rejected, "
        f"{sent['sent'] - at_end['handled']:,} waiting as the source ended, "
        f"{100 * (at_end['cpu_s'] - before['cpu_s']) / sent['seconds']:.0f} % of a core"
    )
    if after["handled"] != sent["sent"]:
        raise RuntimeError(f"{sent['sent'] - after['handled']:,} mentions were not handled")
    print(f"{'level':8} {'alerts':>7} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8}  target: p99 < {_TARGET_MS}")
    for level in ("watch", "warn", "page", "all"):
        if ms := sorted(one for name, one in heard if level in (name, "all")):
            print(f"{level:8} {len(ms):>7,} {rank(ms, 0.5):>8.0f} {rank(ms, 0.99):>8.0f} {ms[-1]:>8.0f}")


def rank(ordered: list[float], share: float) -> float:
    """The nearest-rank percentile: a value that was seen, never one between two."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
