"""What a worker's process holds in memory for threads that are all alive.

Resident bytes as Linux counts them (/proc/self/status), of the whole process: interpreter, libraries, clients
and their buffers, state. At `ready` before the first mention; `read` when all are handled and written down,
with the threads of the last seconds still decoded; `at rest` some seconds later.
"""

from __future__ import annotations

import time
import uuid
from pathlib import Path

from tests.benchmarks import events, stage

__all__ = ["measure"]

_TARGET_MB = 600
_WITHIN_S = 600.0
_REST_S = 15.0


def measure(bootstrap: str, idempotent: bool, data: Path | None, threads: int) -> None:
    """Give a worker `threads` live threads and print what it holds."""
    words, mentions = events.templates(data)
    prefix = f"bench-{uuid.uuid4().hex[:8]}-"
    settings = stage.made(stage.settings_for(bootstrap, "memory", prefix, idempotent=idempotent))
    records = events.live(mentions, threads, int(time.time() * 1000))
    total, topic = len(records), settings.topic_prefix + "mentions"
    asked = {"bootstrap": bootstrap, "prefix": prefix, "app_id": "memory", "idempotent": idempotent}
    with stage.service("worker", asked) as worker:
        ready = worker.ask()
        stage.fill(bootstrap, topic, records)
        del records
        until = time.monotonic() + _WITHIN_S
        read = worker.ask()
        while read["handled"] < total or read["waiting"]:
            if time.monotonic() > until:
                raise RuntimeError(f"not read within {_WITHIN_S:.0f} s: {read}")
            time.sleep(0.25)
            read = worker.ask()
        time.sleep(_REST_S)
        rest = worker.ask()
    print(f"{total:,} mentions of {rest['threads']:,} live threads ({words}), {rest['rejects']} rejected")
    print(f"{'':10} {'MB':>7} {'bytes per thread':>17} {'decoded':>9}  target: < {_TARGET_MB} MB")
    for name, seen in (("ready", ready), ("read", read), ("at rest", rest)):
        each = (seen["resident"] - ready["resident"]) / rest["threads"]
        print(f"{name:10} {seen['resident'] / 1e6:>7.0f} {each:>17,.0f} {seen['hot']:>9,}")
    print(f"{'at most':10} {rest['most_resident'] / 1e6:>7.0f}")
    print(f"of these {rest['stored_bytes'] / rest['threads']:,.0f} bytes per thread are its state as stored")
