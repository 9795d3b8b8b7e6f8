"""Real Prometheus and Alertmanager, with the rules and settings of dashboards/prometheus, on loopback.

Law: the files are those that are shipped; changed are only addresses, the paths of secrets, and how long
things wait, so that a test need not.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from agents.embedded import LOOPBACK, free_port
from agents.tether import Tethered

ROOM = Path(__file__).parents[2] / "dashboards" / "prometheus"
_READY_WITHIN_S = 60.0


class Inbox:
    """An HTTP server that keeps what is posted to it, by path."""

    def __init__(self) -> None:
        self.got: dict[str, list[dict[str, Any]]] = {}
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                inbox.got.setdefault(self.path, []).append(json.loads(body))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.url = f"http://{LOOPBACK}:{self._server.server_port}"

    @contextmanager
    def open(self) -> Iterator[Inbox]:
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


class Monitoring:
    """Prometheus that scrapes a worker each second, Alertmanager behind it, and where that posts."""

    def __init__(self, prometheus: str, inbox: Inbox) -> None:
        self.url = prometheus
        self.inbox = inbox

    def ask(self, path: str, **parameters: str) -> Any:
        """The `data` of an answer of Prometheus' API."""
        with urlopen(f"{self.url}/api/v1/{path}?{urlencode(parameters)}", timeout=30) as answer:  # noqa: S310
            told = json.loads(answer.read())
        assert told["status"] == "success", told
        return told["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression has now."""
        found: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return found

    def value(self, expression: str) -> float | None:
        """The value of the only series of an expression, None if it has none."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else None


def until(what: Callable[[], object], within_s: float = _READY_WITHIN_S) -> object:
    """The first true answer; fails when the time is over."""
    deadline = time.monotonic() + within_s
    while not (answer := _tried(what)):
        assert time.monotonic() < deadline, f"{what} did not come true within {within_s:.0f} s"
        time.sleep(0.1)
    return answer


def _tried(what: Callable[[], object]) -> object:
    try:
        return what()
    except OSError:  # it does not listen yet
        return None


@contextmanager
def monitoring(folder: Path, metrics_port: int) -> Iterator[Monitoring]:
    """Both servers for the length of a `with`."""
    prometheus, alertmanager = free_port(), free_port()
    with ExitStack() as stack:
        inbox = stack.enter_context(Inbox().open())
        settings = (ROOM / "alertmanager.yml").read_text()
        for name in set(re.findall(r"/run/secrets/(\w+)", settings)):
            (folder / name).write_text(f"{inbox.url}/{name}")
        settings = settings.replace("/run/secrets/", f"{folder}/").replace(
            "group_wait: 10s", "group_wait: 1s"
        )
        (folder / "alertmanager.yml").write_text(settings)
        for name in ("recording.yml", "alerting.yml"):
            (folder / name).write_text(re.sub(r"for: \d+m", "for: 1s", (ROOM / name).read_text()))
        settings = (ROOM / "prometheus.yml").read_text()
        settings = settings.replace("15s", "1s").replace("alertmanager:9093", f"{LOOPBACK}:{alertmanager}")
        for name, target in (("worker", f'"{LOOPBACK}:{metrics_port}"'), ("source", "")):  # no source runs
            found_by_name = re.compile(
                rf"dns_sd_configs:\n      - names: \[{name}\].*?refresh_interval: 1s", re.S
            )
            assert found_by_name.search(settings)
            settings = found_by_name.sub(f"static_configs:\n      - targets: [{target}]", settings)
        (folder / "prometheus.yml").write_text(settings)
        for command in (
            [
                "prometheus-alertmanager",
                f"--config.file={folder}/alertmanager.yml",
                f"--storage.path={folder}/alertmanager",
                f"--web.listen-address={LOOPBACK}:{alertmanager}",
                "--cluster.listen-address=",
            ],
            [
                "prometheus",
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/prometheus",
                f"--web.listen-address={LOOPBACK}:{prometheus}",
            ],
        ):
            process = Tethered(command, log=folder / f"{command[0]}.log", grace_s=10.0)
            stack.callback(process.end)
        one = Monitoring(f"http://{LOOPBACK}:{prometheus}", inbox)
        until(lambda: one.ask("status/runtimeinfo"))
        yield one
