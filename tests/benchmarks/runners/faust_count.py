"""Stock Faust: its own transport, its JSON codec, one agent, and a Table of counts per thread."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from typing import Any

import faust

from tests.benchmarks.runners.clock import Clock, config
from tests.benchmarks.stage import PARTITIONS


async def main() -> None:
    """Count `mentions` mentions."""
    asked = config()
    wanted = int(asked["mentions"])
    folder = tempfile.mkdtemp(prefix="bench-faust-")  # else it leaves one where it is started
    app = faust.App(
        asked["app_id"],
        broker=f"kafka://{asked['bootstrap']}",
        store="memory://",
        datadir=folder,
        autodiscover=False,
        web_enabled=False,
        topic_partitions=PARTITIONS,
        topic_disable_leader=True,
        table_standby_replicas=0,
        consumer_auto_offset_reset="earliest",
        worker_redirect_stdouts=False,
    )
    counts = app.Table("counts", default=int)
    clock = Clock()
    done = asyncio.Event()

    @app.agent(app.topic(asked["prefix"] + "mentions", value_serializer="json", key_serializer="raw"))
    async def count(mentions: Any) -> None:
        seen = 0
        async for mention in mentions:
            clock.start()
            counts[mention["thread_id"]] += 1
            seen += 1
            if seen == wanted:
                clock.stop(seen, threads=len(counts))
                done.set()

    app.finalize()
    await app.start()
    await done.wait()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)  # what it has read ahead is not waited for


if __name__ == "__main__":
    asyncio.run(main())
