"""flashover's own worker as a service: it says `ready`, answers each line of its input with its figures, and
ends with its input."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from agents.app import Worker
from agents.worker import serve
from tests.benchmarks.runners.clock import config, cpu_s
from tests.benchmarks.stage import PARTITIONS, settings_for

_KIB = 1024


def main() -> int:
    """Serve until standard input ends."""
    asked = config()
    settings = settings_for(
        asked["bootstrap"],
        asked["app_id"],
        asked["prefix"],
        idempotent=asked["idempotent"],
        **asked.get("settings", {}),
    )

    async def beside(worker: Worker) -> None:
        while len(worker.follower.partitions) < PARTITIONS or worker.app.in_recovery:  # noqa: ASYNC110 — nobody tells
            await asyncio.sleep(0.05)
        print("ready", flush=True)
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, sys.stdin.readline):
            print(json.dumps(figures(worker)), flush=True)

    return asyncio.run(serve(settings, beside))


def figures(worker: Worker) -> dict[str, Any]:
    """What the worker holds and has done, and what that takes of memory (bytes) and time (s)."""
    stats = worker.follower.stats
    partitions = worker.follower.partitions.values()
    return {
        "handled": stats.mentions + stats.duplicates + stats.skipped + stats.rejects.total(),
        "rejects": stats.rejects.total(),
        "alerts": stats.alerts.total(),
        "threads": sum(len(one.stored) - (b"" in one.stored) for one in partitions),
        "stored_bytes": sum(len(value) for one in partitions for value in one.stored.values()),
        "hot": sum(len(one.hot) for one in partitions),
        "waiting": sum(len(one.dirty) for one in partitions),
        "cpu_s": cpu_s(),
        **memory(),
    }


def memory() -> dict[str, int]:
    """Resident now and at the most, of this process, as Linux counts it."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "resident": int(fields["VmRSS"].split()[0]) * _KIB,
        "most_resident": int(fields["VmHWM"].split()[0]) * _KIB,
    }


if __name__ == "__main__":
    sys.exit(main())
