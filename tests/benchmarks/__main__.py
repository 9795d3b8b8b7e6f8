"""`make bench`: speed, latency, paging, timers, memory, scrape and sources, as tables on standard output."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

from tests.benchmarks import latency, memory, paging, scrape, sources, speed, stage, timers
from tests.integration import brokers

_DATA = Path(os.environ.get("FLASHOVER_DATA") or stage.ROOT.parent / "shared" / "data")
_ALL = ["speed", "latency", "paging", "timers", "memory", "scrape", "sources"]


def main() -> int:
    """Measure what was asked for; 0 whatever the figures say, 1 if something could not be measured."""
    ask = argparse.ArgumentParser(prog="make bench", description=__doc__)
    ask.add_argument("what", nargs="*", default=[], choices=[[], *_ALL])
    ask.add_argument("--broker", default="embedded", help="embedded, kafka or HOST:PORT")
    ask.add_argument("--data", type=Path, default=_DATA, help="folder with threads.jsonl.gz")
    ask.add_argument("--peers", type=Path, default=stage.ROOT / ".venv-bench" / "bin" / "python")
    ask.add_argument("--mentions", type=int, default=1_000_000)
    ask.add_argument("--rounds", type=int, default=3)
    ask.add_argument("--only", nargs="*", default=[], choices=[one.module for one in speed.RUNNERS])
    ask.add_argument("--rate", type=int, default=5000, help="mentions per second for the latency")
    ask.add_argument("--page-rate", type=int, default=1000, help="mentions per second for the paging")
    ask.add_argument("--incidents", type=int, default=500, help="open ones for the timers")
    ask.add_argument("--seconds", type=int, default=60, help="of load for the latency")
    ask.add_argument("--threads", type=int, default=200_000, help="live ones for the memory")
    ask.add_argument(
        "--soak", type=int, default=60, help="seconds that a source is run for; 600 for its memory"
    )
    asked = ask.parse_args()
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM)
    )  # so that what was begun is ended
    what = asked.what or _ALL
    print(f"flashover on {asked.broker}: {stage.machine()}")
    if "speed" in what and asked.peers.exists():
        print("peers:", stage.versions_of(asked.peers, ("quixstreams", "bytewax", "confluent-kafka")))
    idempotent = asked.broker != "embedded"
    with tempfile.TemporaryDirectory() as folder:
        for one in what:
            print(f"\n== {one}", flush=True)
            if one == "scrape":
                scrape.measure()
                continue
            room = Path(folder) / one
            room.mkdir()
            with brokers.started(asked.broker, room) as broker:
                if one == "speed":
                    speed.measure(
                        broker.bootstrap, idempotent, asked.data, asked.peers,
                        asked.mentions, asked.rounds, asked.only,
                    )  # fmt: skip
                elif one == "sources":
                    sources.measure(broker.bootstrap, idempotent, room, 3_000, asked.soak)
                elif one == "timers":
                    timers.measure(broker.bootstrap, idempotent, asked.page_rate, asked.incidents)
                elif one == "latency":
                    latency.measure(broker.bootstrap, idempotent, asked.rate, asked.seconds)
                elif one == "paging":
                    paging.measure(broker.bootstrap, idempotent, asked.page_rate, asked.seconds)
                else:
                    memory.measure(broker.bootstrap, idempotent, asked.data, asked.threads)
    return 0


if __name__ == "__main__":
    sys.exit(main())
