"""The page that Prometheus reads, on a port of its own.

Law of this file: it turns samples into the exposition format and answers `GET /metrics`; it decides and
counts nothing. A worker whose port is taken works on without the page: that it is missing is what
Prometheus tells (`up`), and no reason to lose a mention.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from agents.metrics import BROKER_ERRORS, Sample, read, series
from agents.tallies import Metric, Spread, Tallies

if TYPE_CHECKING:
    from agents.app import Worker
    from agents.settings import Settings

__all__ = ["Page", "exposed", "page", "registry_of"]

log = logging.getLogger(__name__)


class Page(Collector):
    """The samples that `look` answers with, as prometheus-client wants them."""

    def __init__(self, look: Callable[[], Iterable[Sample]]) -> None:
        self._look = look

    def collect(self) -> Iterator[Family]:
        """One family for each metric that has a series now."""
        for metric, samples in series(self._look()).items():
            if samples:
                yield _family(metric, samples)


def _family(metric: Metric, samples: list[Sample]) -> Family:
    if metric.kind == "histogram":
        spread_over = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for _, labels, value in samples:
            assert isinstance(value, Spread)  # noqa: S101 — Tallies lets nothing else in
            buckets = [
                ("+Inf" if bound == float("inf") else repr(bound), float(count))
                for bound, count in value.cumulative()
            ]
            spread_over.add_metric(labels, buckets, value.sum)
        return spread_over
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for _, labels, value in samples:
        assert not isinstance(value, Spread)  # noqa: S101
        family.add_metric(labels, value)
    return family


def registry_of(look: Callable[[], Iterable[Sample]]) -> CollectorRegistry:
    """A registry of our own with the page and what the process uses (`process_…`); never the global one."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Page(look))
    ProcessCollector(registry=registry)
    return registry


class _Complaints(logging.Handler):
    """Counts what the Kafka client complains about; what it says is in the log."""

    def __init__(self, tallies: Tallies) -> None:
        super().__init__(logging.WARNING)
        self._tallies = tallies
        for level in ("warning", "error"):
            tallies.begin(BROKER_ERRORS, level)

    def emit(self, record: logging.LogRecord) -> None:
        """One more of its level."""
        self._tallies.count(BROKER_ERRORS, "error" if record.levelno >= logging.ERROR else "warning")


@asynccontextmanager
async def exposed(worker: Worker, settings: Settings) -> AsyncIterator[None]:
    """Answer `GET /metrics` for the length of a `with`, on the worker's event loop; port 0: not at all."""
    if not settings.metrics_port:
        yield
        return
    loop, release = asyncio.get_running_loop(), version("flashover")
    async with page(
        settings.metrics_host,
        settings.metrics_port,
        lambda: read(worker, loop.time(), release),
        worker.follower.stats.tallies,
    ):
        yield


@asynccontextmanager
async def page(
    host: str, port: int, look: Callable[[], Iterable[Sample]], tallies: Tallies
) -> AsyncIterator[None]:
    """The same for any process: the samples are `look`'s, and `tallies` hears what the Kafka client says."""
    if not port:
        yield
        return
    registry = registry_of(look)

    async def metrics(request: web.Request) -> web.Response:
        # On the loop and without an await: nothing moves while the state is looked at.
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    complaints = _Complaints(tallies)
    logging.getLogger("aiokafka").addHandler(complaints)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
            log.info("metrics: http://%s:%d/metrics", host, port)
        except OSError as error:
            log.error("no metrics: %s:%d can't be listened on (%s)", host, port, error.strerror)
        yield
    finally:
        logging.getLogger("aiokafka").removeHandler(complaints)
        await runner.cleanup()
