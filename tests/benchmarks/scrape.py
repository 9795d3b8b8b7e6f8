"""What one scrape of a worker takes: the event loop stands still for that long.

A worker without a broker, `brands` brands with `threads` threads above calm each and as many below; the page
is asked for again and again, and the time is that of reading the state and writing the text. The
interpreter's own collections of garbage are in it, as they come.
"""

from __future__ import annotations

import gc
import statistics
import time

from agents.exposition import Page
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
    page_of = Page(lambda: read(world.worker, time.monotonic(), "0"))
    gc.collect()  # what feeding 12,000 mentions at once left behind is not the scrape's
    took = []
    for _ in range(times):
        began = time.perf_counter()
        page, _ = page_of.written()
        took.append(1000 * (time.perf_counter() - began))
    live = sum(len(one.raised) for one in world.worker.follower.partitions.values())
    print(f"{brands} brands, {live:,} threads above calm: {page.count(b'{'):,} series, {len(page):,} bytes")
    print(f"{'scrape':10} {'first ms':>10} {'median ms':>10} {'most ms':>8}  target: < {_TARGET_MS} ms")
    print(f"{'':10} {took[0]:>10.1f} {statistics.median(took):>10.1f} {max(took):>8.1f}")
