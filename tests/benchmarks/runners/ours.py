"""flashover's own worker, whole: decode, dedupe, state, judge, alerts, changelog, acks.

It counts as done when everything that follows from the last mention is durable, and acked.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from agents.app import Worker
from agents.worker import serve
from tests.benchmarks.runners.clock import Clock, config
from tests.benchmarks.stage import settings_for


def main() -> int:
    """Run until `mentions` mentions are handled."""
    asked = config()
    wanted = int(asked["mentions"])
    settings = settings_for(
        asked["bootstrap"], asked["app_id"], asked["prefix"], idempotent=asked["idempotent"]
    )
    clock = Clock()

    async def beside(worker: Worker) -> None:
        follower = worker.follower
        stats, take, take_pulses = follower.stats, follower.take, worker.brands.take
        done = asyncio.Event()
        brands_s = 0.0

        def handled() -> int:
            return stats.mentions + stats.duplicates + stats.skipped + stats.volumes + stats.rejects.total()

        async def timed(chunk: Any, event: Any) -> None:
            clock.start()
            await take(chunk, event)
            if handled() >= wanted:
                done.set()

        async def timed_pulses(chunk: Any, event: Any) -> None:
            nonlocal brands_s
            before = time.thread_time()
            await take_pulses(chunk, event)
            brands_s += time.thread_time() - before

        follower.take = timed  # type: ignore[method-assign]
        worker.brands.take = timed_pulses  # type: ignore[method-assign]
        await done.wait()
        await follower.flush()
        clock.stop(
            handled(),
            counted=stats.mentions,
            alerts=stats.alerts.total(),
            flushes=stats.flushes,
            stored=stats.stored,
            brands_cpu_s=brands_s,
        )

    return asyncio.run(serve(settings, beside))


if __name__ == "__main__":
    sys.exit(main())
