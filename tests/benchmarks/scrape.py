"""What one scrape of a worker takes: the event loop stands still for that long.

A worker without a broker, `brands` brands with `threads` threads above calm each and as many below; the page
is asked for again and again, and the time is that of collecting and writing it.
"""

from __future__ import annotations

import statistics
import time

from prometheus_client import generate_latest

from agents.exposition import registry_of
from agents.metrics import read
from agents.settings import Settings
from tests.agents.mentions import EAGER, NOW_MS, value
from tests.agents.unconnected import Unconnected

__all__ = ["measure"]

_TARGET_MS = 50


def measure(brands: int = 200, threads: int = 5, times: int = 50) -> None:
    """Print the first, the median and the longest of `times` scrapes; the first forecasts all threads."""
    world = Unconnected(Settings.model_construct(None, partitions=1, thresholds=EAGER), NOW_MS)
    lines = [
        (thread.encode(), value(thread, number, brand=f"brand-{brand}"))
        for brand in range(brands)
        for place in range(2 * threads)
        for thread in [f"t{brand}-{place}"]
        for number in range(12 if place < threads else 1)
    ]
    world.feed(lines, at_once=2000)
    registry = registry_of(lambda: read(world.worker, time.monotonic(), "0"))
    took = []
    for _ in range(times):
        began = time.perf_counter()
        page = generate_latest(registry)
        took.append(1000 * (time.perf_counter() - began))
    live = sum(len(one.raised) for one in world.worker.follower.partitions.values())
    print(f"{brands} brands, {live:,} threads above calm: {page.count(b'{'):,} series, {len(page):,} bytes")
    print(f"{'scrape':10} {'first ms':>10} {'median ms':>10} {'most ms':>8}  target: < {_TARGET_MS} ms")
    print(f"{'':10} {took[0]:>10.1f} {statistics.median(took):>10.1f} {max(took):>8.1f}")
