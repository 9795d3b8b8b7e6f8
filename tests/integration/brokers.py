"""The brokers that the integration tests run against, one interface over all of them.

Law: a broker started here listens on loopback, on ports that were free, keeps its files in a folder that the
test session gives, and is ended by its id with us, however we end. Which brokers a run uses:

    FLASHOVER_TEST_BROKER=host:port    that cluster, which is never stopped or paused
    FLASHOVER_TEST_BROKER=embedded     the embedded broker alone
    not set, `java` and `mvn` exist    the embedded broker and Apache Kafka, one after the other
    not set, one of them is missing    the embedded broker alone, and the run's last lines say so

Kafka is Apache's own server, resolved by kafka/pom.xml into Maven's cache; run as a module, this file does
only that and prints where the list of jars lies.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from agents.embedded import LOOPBACK, EmbeddedBroker, answers, free_port
from agents.tether import Tethered

POM = Path(__file__).parent / "kafka" / "pom.xml"
_START_WITHIN_S = 90.0  # some 3 s here; a loaded machine gets time
_END_WITHIN_S = 30.0
_CLUSTER_ID = "Zmxhc2hvdmVyLXRlc3RzLg"  # any 16 bytes in URL-safe base64

# One broker that is its own controller, with nothing replicated, no waiting for members that may yet come,
# and short sessions allowed, so that the dead are missed soon. What producers and consumers see is else left
# at Kafka's defaults: what passes here passes there.
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=CLIENTS://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=CLIENTS://{host}:{port}
listener.security.protocol.map=CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=CLIENTS
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers={host}:{controller_port}
log.dirs={data}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""


class Broker(Protocol):
    """What a test may ask of a broker: it is started when the test gets it, and must be when it lets go."""

    name: str
    keeps_data: bool  # its records outlive a stop

    @property
    def bootstrap(self) -> str:
        """Where clients connect, as host:port; the same after a stop and a start."""

    def start(self) -> None:
        """Start it and return once it answers."""

    def stop(self) -> None:
        """End it in order and return when it is gone."""

    def pause(self) -> None:
        """Freeze it: connections stay open, nothing is answered."""

    def resume(self) -> None:
        """Let it go on."""

    def outage(self) -> AbstractContextManager[None]:
        """Take it away for the length of a `with`; it comes back with its records."""


class Embedded:
    """The embedded broker; a stop loses its records, so an outage freezes it."""

    name = "embedded"
    keeps_data = False

    def __init__(self, folder: Path) -> None:
        self._broker = EmbeddedBroker(log=folder / "embedded.log", port=free_port())

    @property
    def bootstrap(self) -> str:
        return self._broker.bootstrap

    def start(self) -> None:
        self._broker.start()

    def stop(self) -> None:
        self._broker.stop()

    def pause(self) -> None:
        self._broker.process.pause()

    def resume(self) -> None:
        self._broker.process.resume()

    @contextmanager
    def outage(self) -> Iterator[None]:
        self.pause()
        try:
            yield
        finally:
            self.resume()


class Kafka:
    """Apache Kafka, one node in KRaft mode; its storage in `folder` outlives a stop."""

    name = "kafka"
    keeps_data = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "kafka.log"
        self._properties = folder / "server.properties"
        self._port = free_port()
        self._process: Tethered | None = None

    @property
    def bootstrap(self) -> str:
        return f"{LOOPBACK}:{self._port}"

    def start(self) -> None:
        if self._process:
            return
        if not self._properties.exists():
            self._format()
        process = Tethered(
            [*_java("-Xms256m", "-Xmx512m"), "kafka.Kafka", self._properties],
            log=self._log,
            grace_s=_END_WITHIN_S,
        )
        deadline = time.monotonic() + _START_WITHIN_S
        while not answers(self._port):
            if process.poll() is not None or time.monotonic() > deadline:
                process.end()
                raise RuntimeError(f"Kafka does not start:\n{self._log.read_text()[-4_000:]}")
            time.sleep(0.05)
        self._process = process

    def stop(self) -> None:
        if self._process:
            self._process.end()
            self._process = None

    def pause(self) -> None:
        if self._process:
            self._process.pause()

    def resume(self) -> None:
        if self._process:
            self._process.resume()

    @contextmanager
    def outage(self) -> Iterator[None]:
        self.stop()
        try:
            yield
        finally:
            self.start()

    def _format(self) -> None:
        """Write the settings and an empty KRaft storage."""
        settings = _PROPERTIES.format(
            host=LOOPBACK,
            port=self._port,
            controller_port=free_port(),
            data=self._folder / "data",
        )
        wanted = self._folder / "server.properties.new"
        wanted.write_text(settings)
        command = [*_java("-Xmx128m", "-XX:TieredStopAtLevel=1"), "kafka.tools.StorageTool", "format"]
        command += ["--standalone", "--cluster-id", _CLUSTER_ID, "--config", str(wanted)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"Kafka's storage can't be formatted:\n{done.stdout}{done.stderr}")
        wanted.rename(self._properties)


class Cluster:
    """A cluster that somebody else runs: it is used, never stopped or paused."""

    name = "cluster"
    keeps_data = True

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    @property
    def bootstrap(self) -> str:
        return self._bootstrap

    def start(self) -> None:
        return

    def stop(self) -> None:
        pytest.skip("FLASHOVER_TEST_BROKER is somebody else's: it is not stopped")

    def pause(self) -> None:
        pytest.skip("FLASHOVER_TEST_BROKER is somebody else's: it is not paused")

    def resume(self) -> None:
        return

    @contextmanager
    def outage(self) -> Iterator[None]:
        self.stop()
        yield


def chosen() -> tuple[str, ...]:
    """Return the brokers that this run uses: "embedded", "kafka", or one host:port."""
    named = os.environ.get("FLASHOVER_TEST_BROKER")
    if named:
        return (named,)
    return ("embedded", "kafka") if _has_java() else ("embedded",)


def in_words() -> str:
    """Return one line that says which brokers this run uses, and what is missing for more."""
    which = "integration tests run on: " + ", ".join(chosen())
    if os.environ.get("FLASHOVER_TEST_BROKER") or _has_java():
        return which
    return which + " (not on Kafka: that needs `java` 17+ and `mvn`, or FLASHOVER_TEST_BROKER=host:port)"


@contextmanager
def started(which: str, folder: Path) -> Iterator[Broker]:
    """Yield a started broker of the given kind, and end it after."""
    broker: Broker
    with ExitStack() as stack:
        if which == "embedded":
            broker = Embedded(folder)
        elif which == "kafka":
            broker = Kafka(folder)
        else:
            yield Cluster(which)
            return
        stack.callback(broker.stop)
        broker.start()
        yield broker


def kafka_classpath() -> Path:
    """Return the file that lists the jars of Kafka's server, resolving them by Maven where they are not yet.

    It lies in the user's cache folder under a name that changes with the pom; the jars lie in Maven's cache.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flashover"
    listed = cache / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}.classpath"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "maven.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two that fill Maven's cache at once get in each other's way
        return listed if _is_whole(listed) else _resolved(listed)


def _is_whole(listed: Path) -> bool:
    return listed.exists() and all(Path(jar).exists() for jar in listed.read_text().split(os.pathsep))


def _resolved(listed: Path) -> Path:
    fresh = listed.with_suffix(f".{os.getpid()}")
    command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:build-classpath", f"-Dmdep.outputFile={fresh}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(
            f"Maven can't resolve Kafka's jars:\n{done.stdout[-4_000:]}{done.stderr}\n"
            "FLASHOVER_TEST_BROKER=embedded runs the tests without Kafka."
        )
    return fresh.replace(listed)


def _has_java() -> bool:
    return bool(shutil.which("java") and shutil.which("mvn"))


def _java(*options: str) -> list[str]:
    """Return the start of a command that runs a class of Kafka's; warnings go to its output."""
    jars = kafka_classpath().read_text()
    return ["java", *options, "-XX:-UsePerfData", "-Dlog4j2.level=WARN", "-cp", jars]


if __name__ == "__main__":
    print(kafka_classpath())
