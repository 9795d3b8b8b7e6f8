"""What every benchmark stands on: a broker, topics filled before, processes, and words for the machine."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from agents.build import hot_path
from agents.settings import Settings
from agents.topics import create_missing
from tests.benchmarks.events import Record
from tests.processes import ROOT, python_path

__all__ = [
    "PARTITIONS",
    "PYTHON",
    "ROOT",
    "ended",
    "fill",
    "machine",
    "made",
    "run",
    "service",
    "settings_for",
    "spawn",
]

PARTITIONS = 8
PYTHON = sys.executable
_BATCH_BYTES = 256 * 1024
_BATCHES_UNDER_WAY = 64
_END_WITHIN_S = 60.0


def settings_for(bootstrap: str, app_id: str, prefix: str, *, idempotent: bool, **more: Any) -> Settings:
    """The settings of a worker under test: all defaults but for where and who it is."""
    return Settings(
        brokers=(bootstrap,),
        app_id=app_id,
        topic_prefix=prefix,
        partitions=PARTITIONS,
        idempotent_producer=idempotent,
        log_level="warning",
        **more,
    )


def made(settings: Settings) -> Settings:
    """The same settings, their topics made."""
    create_missing(settings)
    return settings


def partition_of(key: bytes) -> int:
    """Kafka's own choice for a key."""
    return int(murmur2(key) & 0x7FFFFFFF) % PARTITIONS


def fill(bootstrap: str, topic: str, records: Iterable[Record]) -> int:
    """Write `records` to `topic`; how many there were."""
    return asyncio.run(_fill(bootstrap, topic, records))


async def _fill(bootstrap: str, topic: str, records: Iterable[Record]) -> int:
    count = 0
    under_way: list[Any] = []
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=_BATCH_BYTES) as producer:
        batches = [producer.create_batch() for _ in range(PARTITIONS)]

        async def send(number: int) -> None:
            if batches[number].record_count():
                under_way.append(await producer.send_batch(batches[number], topic, partition=number))
                batches[number] = producer.create_batch()
            if len(under_way) >= _BATCHES_UNDER_WAY:
                await asyncio.gather(*under_way)
                under_way.clear()

        for record in records:
            number = partition_of(record.key)
            if batches[number].append(key=record.key, value=record.value, timestamp=None) is None:
                await send(number)
                batches[number].append(key=record.key, value=record.value, timestamp=None)
            count += 1
        for number in range(PARTITIONS):
            await send(number)
        await asyncio.gather(*under_way)
    return count


def spawn(python: str | Path, module: str, config: Mapping[str, Any]) -> subprocess.Popen[str]:
    """Start a runner, a module below tests/benchmarks, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": python_path(), "PYTHONWARNINGS": "ignore"}
    command = [str(python), "-P", "-m", f"tests.benchmarks.runners.{module}", json.dumps(config)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    )


def ended(process: subprocess.Popen[str], timeout_s: float) -> dict[str, Any]:
    """What a runner found, its last line; RuntimeError if it failed or took too long."""
    try:
        said, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise RuntimeError(f"no end within {timeout_s:.0f} s: {process.args!r}") from None
    except BaseException:  # asked to stop
        process.kill()
        process.wait()
        raise
    lines = said.strip().splitlines()
    if process.returncode or not lines:
        raise RuntimeError(f"exit code {process.returncode}: {process.args!r}\n{said}")
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def run(python: str | Path, module: str, config: Mapping[str, Any], timeout_s: float = 300) -> dict[str, Any]:
    """Start a runner and wait for what it finds."""
    return ended(spawn(python, module, config), timeout_s)


class Service:
    """A runner that goes on until it is ended; from `service`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self) -> dict[str, Any]:
        """Its figures as of now."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self.line())
        return found

    def end(self) -> dict[str, Any]:
        """Let it end; its last words."""
        return ended(self._process, _END_WITHIN_S)

    def line(self) -> str:
        """The next line that it says."""
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise RuntimeError(f"it ended: {self._process.args!r}")
        return line


@contextmanager
def service(module: str, config: Mapping[str, Any]) -> Iterator[Service]:
    """A runner that says `ready` and serves for the length of a `with`."""
    process = spawn(PYTHON, module, config)
    try:
        one = Service(process)
        one.line()
        yield one
        if process.poll() is None:
            process.communicate(timeout=_END_WITHIN_S)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def machine() -> str:
    """One line: the machine, how loaded it is, and the versions that matter."""
    cpu = next(
        (line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "?"
    )
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("faust-streaming", "aiokafka", "msgspec")
    )
    load = " ".join(f"{one:.2f}" for one in os.getloadavg())
    return (
        f"{time.strftime('%Y-%m-%d %H:%M')}, {cpu} x {os.cpu_count()}, Python {platform.python_version()}, "
        f"{versions}, hot path {hot_path()}; load before the run: {load}"
    )


def versions_of(python: Path, names: Iterable[str]) -> str:
    """Versions of distributions in another environment."""
    code = (
        "import importlib.metadata as m, sys; print(', '.join(f'{n} {m.version(n)}' for n in sys.argv[1:]))"
    )
    done = subprocess.run([str(python), "-c", code, *names], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
