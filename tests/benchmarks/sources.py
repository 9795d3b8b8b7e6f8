"""What it takes to read a whole public network for 200 brands of 5,000 terms: `make bench BENCH=sources`.

First the pure part on one core, as fast as it goes; then `flashover source run` at a steady rate, from a
WebSocket to a broker: the share of a core, and what it holds in memory as time goes on. Processor time and
resident bytes are Linux' own (/proc), of the whole process.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
import urllib.request
import uuid
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaProducer

from agents.intake import FOLLOWS, SOURCE, Reader
from agents.settings import Settings
from agents.source_settings import Bluesky as BlueskySettings
from agents.sources.bluesky import Bluesky
from agents.sources.source import Arrival, Context
from agents.tether import Tethered
from agents.topics import create_missing
from streams.followed import Followed, Own
from streams.language import detect_language
from streams.matching import Matcher
from streams.mention import Decoder
from tests.benchmarks import skies, stage
from tests.processes import PYTHON, python_path

__all__ = ["measure"]

_MESSAGES = 200_000
_SENT_BEFORE = 260_000  # mentions, in 65,000 threads: more than is remembered
_TICKS = os.sysconf("SC_CLK_TCK")


def measure(bootstrap: str, idempotent: bool, room: Path, rate: int, seconds: int) -> None:
    """Print both tables."""
    _pure()
    _live(bootstrap, idempotent, room, rate, seconds)


def _pure() -> None:
    source = Bluesky(BlueskySettings(kind="bluesky"), Context("sky"))
    terms = skies.terms()
    reader = Reader("sky", source, Matcher(terms), Own({}), Decoder(b"bench"), Followed(), detect_language)
    now_us = time.time_ns() // 1000
    messages = skies.Sky().messages(lambda: now_us)
    payloads = [next(messages).encode() for _ in range(_MESSAGES)]
    now_ms = now_us // 1000 + 60_000
    wanted = 0
    began = time.process_time()
    for payload in payloads:
        records, _ = reader.read(Arrival(payload, now_ms), now_ms)
        wanted += len(records)
    used_s = time.process_time() - began
    each = sum(1 for one in terms.values() for field in one.__slots__ for _ in getattr(one, field))
    size, per_s = sum(map(len, payloads)) // _MESSAGES, _MESSAGES / used_s
    print(f"{len(terms)} brands, {each:,} terms, {_MESSAGES:,} messages of {size} bytes")
    print(f"read, matched and addressed on one core: {per_s:,.0f} messages/s, {wanted:,} mentions of them")
    share = 3_000 * used_s / _MESSAGES
    print(f"{used_s / _MESSAGES * 1e6:.1f} us a message: 3,000/s are {share:.1%} of a core\n")


def _live(bootstrap: str, idempotent: bool, room: Path, rate: int, seconds: int) -> None:
    prefix = f"bench-{uuid.uuid4().hex[:8]}-"
    create_missing(Settings(brokers=(bootstrap,), topic_prefix=prefix, partitions=4))
    asyncio.run(_sent_before(bootstrap, prefix + "mentions"))
    port, metrics_port = _free_port(), _free_port()
    config = room / "flashover.toml"
    config.write_text(skies.toml(port))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLASHOVER_")} | {
        "FLASHOVER_BROKERS": bootstrap,
        "FLASHOVER_TOPIC_PREFIX": prefix,
        "FLASHOVER_PARTITIONS": "4",
        "FLASHOVER_IDEMPOTENT_PRODUCER": str(idempotent),
        "FLASHOVER_SOURCE_METRICS_PORT": str(metrics_port),
        "FLASHOVER_CONFIG": str(config),
        "PYTHONPATH": python_path(),
    }
    serve = [*PYTHON, "-m", "tests.benchmarks.skies", str(port), str(rate)]
    run = [*PYTHON, "-m", "agents.cli", "source", "run", "sky"]
    log = room / "log"
    with (
        Tethered(serve, log=room / "sky", env=environment, cwd=stage.ROOT),
        Tethered(run, log=log, env=environment, cwd=stage.ROOT, grace_s=10) as process,
    ):
        began = time.monotonic()
        _wait(metrics_port, "flashover_source_mentions_total", 60)
        took_s = time.monotonic() - began
        print(f"{_SENT_BEFORE:,} mentions read back, and the first one sent, after {took_s:.0f} s")
        time.sleep(5)
        print(f"`flashover source run` at {rate:,} messages/s for {seconds} s")
        names = ("after s", "messages/s", "mentions/s", "rejects", "core", "behind s", "threads", "MB")
        print("".join(f"{name:>12}" for name in names))
        began = last = time.monotonic()
        cpu_s, seen = _cpu_s(process.pid), _figures(metrics_port)
        every = max(5.0, seconds / 12)
        while last - began < seconds:
            time.sleep(every)
            now, cpu_now, new = time.monotonic(), _cpu_s(process.pid), _figures(metrics_port)
            took_s = now - last
            taken = new["mentions"] - seen["mentions"]
            passed = taken + new["ignored"] - seen["ignored"]
            row = (
                f"{now - began:.0f}",
                f"{passed / took_s:,.0f}",
                f"{taken / took_s:,.0f}",
                f"{new['rejects']:,.0f}",
                f"{(cpu_now - cpu_s) / took_s:.1%}",
                f"{new['behind']:.1f}",
                f"{new['threads']:,.0f}",
                f"{_resident_mb(process.pid):.0f}",
            )
            print("".join(f"{figure:>12}" for figure in row), flush=True)
            last, cpu_s, seen = now, cpu_now, new
        assert process.poll() is None, log.read_text()[-2_000:]


async def _sent_before(bootstrap: str, topic: str) -> None:
    """What a source of this name has sent in the hours before: it begins full of threads."""
    headers = [(SOURCE, b"sky"), (FOLLOWS, b"thread")]
    now_ms = int(time.time() * 1000)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=20) as producer:
        for number in range(_SENT_BEFORE):
            root = f"at://did:plc:{number // 4:024d}/app.bsky.feed.post/3b{number // 4:011d}"
            post = f"at://did:plc:{number:024d}/app.bsky.feed.post/3b{number:011d}" if number % 4 else root
            mention = {
                "id": post,
                "brand": f"brand{number // 4 % skies.BRANDS}",
                "platform": "bluesky",
                "thread_id": root,
                "author": {"id": f"did:plc:{number:024d}"},
                "created_at": now_ms,
            }
            await producer.send(topic, msgspec.json.encode(mention), key=root.encode(), headers=headers)


def _figures(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()

    def total(name: str) -> float:
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + "{"))

    return {
        "mentions": total("flashover_source_mentions_total"),
        "ignored": total("flashover_source_ignored_total"),
        "rejects": total("flashover_source_rejects_total"),
        "threads": total("flashover_source_followed_threads"),
        "behind": total("flashover_source_cursor_age_seconds"),
    }


def _wait(port: int, name: str, within_s: float) -> None:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            if _figures(port)["mentions"] > 0:
                return
        except OSError:
            pass
        time.sleep(0.25)
    raise RuntimeError(f"no {name} within {within_s:.0f} s")


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    return float("nan")


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
