"""The page that Prometheus reads, on a port of its own.

Law of this file: it turns samples into Prometheus' text formats and answers `GET /metrics`; it decides and
counts nothing. A worker whose port is taken works on without the page: that it is missing is what
Prometheus tells (`up`), and no reason to lose a mention.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder

from agents.metrics import BROKER_ERRORS, METRICS, Sample, read
from agents.tallies import Labels, Metric, Spread, Tallies

if TYPE_CHECKING:
    from agents.app import Worker
    from agents.settings import Settings

__all__ = ["Page", "exposed", "page"]

log = logging.getLogger(__name__)


class Page:
    """The samples that `look` answers with, as text, and after them what the process uses (`process_…`).

    What of a line never changes is kept, which makes a page of 200 brands cost a tenth of what
    prometheus-client's own writer takes; that chooses the format and writes the rest. As many lines are kept
    as labels allow (`agents.tallies.LABELS`).
    """

    def __init__(self, look: Callable[[], Iterable[Sample]]) -> None:
        self._look = look
        self._process = CollectorRegistry(auto_describe=False)  # of our own, never the global one
        ProcessCollector(registry=self._process)
        self._begun: dict[Metric, dict[Labels, list[str]]] = {}

    def written(self, accept: str = "") -> tuple[bytes, str]:
        """The page in the format that the header `Accept` asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        # Told apart by metric as lines: samples that all lived at once would bring on a full collection.
        lines: dict[Metric, list[str]] = {metric: [] for metric in METRICS}
        for metric, labels, value in self._look():
            begun = self._begun.setdefault(metric, {})
            if (beginnings := begun.get(labels)) is None:
                beginnings = begun[labels] = _beginnings(metric, labels)
            if isinstance(value, Spread):
                counts = [count for _, count in value.cumulative()]
                values: list[float] = [*counts, counts[-1], value.sum]
                told = [
                    f"{beginning}{number}\n" for beginning, number in zip(beginnings, values, strict=True)
                ]
                lines[metric].extend(told)
            else:
                lines[metric].append(f"{beginnings[0]}{value}\n")
        plain = not content_type.startswith("application/openmetrics-text")
        parts = [_head(metric, plain) + "".join(some) for metric, some in lines.items() if some]
        return "".join(parts).encode() + encode(self._process), content_type


def _head(metric: Metric, plain: bool) -> str:
    """What says of a family what it is. Counters end in _total in the plain format only."""
    name = metric.name if plain else metric.name.removesuffix("_total")
    return f"# HELP {name} {metric.help}\n# TYPE {name} {metric.kind}\n"


def _beginnings(metric: Metric, labels: Labels) -> list[str]:
    """All of a series' lines but their values: one, or a histogram's buckets, count and sum."""
    pairs = [f'{name}="{_escaped(value)}"' for name, value in zip(metric.labels, labels, strict=True)]

    def line(ending: str, *more: str) -> str:
        inner = ",".join((*pairs, *more))
        return f"{metric.name}{ending}{{{inner}}} " if inner else f"{metric.name}{ending} "

    if metric.kind != "histogram":
        return [line("")]
    bounds = [*map(repr, metric.buckets), "+Inf"]
    return [*(line("_bucket", f'le="{bound}"') for bound in bounds), line("_count"), line("_sum")]


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


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
    text = Page(look)

    async def metrics(request: web.Request) -> web.Response:
        # On the loop and without an await: nothing moves while the state is looked at.
        body, content_type = text.written(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

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
