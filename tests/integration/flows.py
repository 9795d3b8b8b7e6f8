"""What goes in, what must come out, and the worker processes in between.

Law: what must come out is said by the pure core alone (`streams.judge.follow`), walked in the order of each
partition; what came out is read from the topics. Every process is a `Tethered`, ended by its id.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.partitioner import DefaultPartitioner
from kafka.admin import KafkaAdminClient
from prometheus_client.parser import text_string_to_metric_families

from agents.codec import CURSOR_KEY, NO_THREADS, decode_cursor, decode_state
from agents.settings import Settings
from agents.tether import Tethered
from agents.topics import create_missing, topics
from agents.watermarks import high_watermarks
from agents.words import reader_of
from streams.alert import encode_alert
from streams.judge import follow
from streams.mention import Decoder, Mention, Rejected
from streams.thread import Thread
from tests.integration.brokers import Broker
from tests.processes import PYTHON, ROOT, python_path

PARTITIONS = 4
START_MS = 1_700_000_000_000  # a day in November 2023
NOW_MS = START_MS + 30 * 24 * 3600 * 1000
_MAIN = "import sys; from agents.worker import main; from agents.settings import read_settings; "
_RUN = "sys.exit(main(read_settings()))"

Record = tuple[bytes | None, bytes | None]  # key and value
_partition_of = DefaultPartitioner()


def partition_of(key: bytes | None) -> int:
    """Where every Kafka client puts a key; records without one go to partition 0 here."""
    everywhere = list(range(PARTITIONS))
    return 0 if key is None else int(_partition_of(key, everywhere, everywhere))


def storms(seed: int, mentions: int, threads: int, viral: int) -> list[Record]:
    """A day of `threads` threads of which `viral` go viral, as records in the order of their arrival.

    Some mentions come twice (with the same id), some come minutes late, some answer what has not come yet.
    """
    dice = random.Random(seed)
    weights = [40.0] * viral + [1.0] * (threads - viral)
    starts = [dice.randrange(0, 20 * 3600 * 1000) for _ in range(threads)]
    ids: list[list[str]] = [[f"t{number}"] for number in range(threads)]
    rows: list[tuple[int, int, dict[str, Any]]] = []
    for number in range(threads):
        rows.append((starts[number], number, mention(number, f"t{number}", None, starts[number], dice)))
    for count, number in enumerate(dice.choices(range(threads), weights, k=mentions - threads)):
        after = dice.expovariate(1 / (3_600_000 if number < viral else 4 * 3_600_000))
        at = starts[number] + min(int(after), 23 * 3_600_000)
        name = f"t{number}-{count}"
        rows.append((at, number, mention(number, name, dice.choice(ids[number]), at, dice)))
        ids[number].append(name)
    arrivals = []
    for at, _, row in rows:
        late = dice.randrange(0, 900_000) if dice.random() < 0.1 else 0
        arrivals.append((at + late, row))
        if dice.random() < 0.03:
            arrivals.append((at + late + dice.randrange(0, 600_000), row))
    arrivals.sort(key=lambda one: one[0])
    return [(row["thread_id"].encode(), json.dumps(row).encode()) for _, row in arrivals]


def mention(number: int, name: str, parent: str | None, at: int, dice: random.Random) -> dict[str, Any]:
    return {
        "id": name,
        "brand": f"brand{number % 7}",
        "platform": "test",
        "thread_id": f"t{number}",
        "parent_id": parent,
        "author": {"id": f"a{dice.randrange(5000)}", "followers": dice.randrange(1000)},
        "text": "So geht das nicht.",
        "created_at": START_MS + at,
    }


def decoder() -> Decoder:
    """The decoder of a worker with default settings."""
    return Settings.model_construct().decoder()


@dataclass
class Outcome:
    """What follows from some records: the threads, the alerts, the rejects, and how many counted."""

    threads: dict[bytes, Thread]
    alerts: list[bytes]
    rejects: list[Record]
    counted: int
    duplicates: int


def expected(settings: Settings, records: Sequence[Record], now_ms: int = NOW_MS) -> Outcome:
    """What the pure core makes of the records, each thread's in their order."""
    decode, reader = settings.decoder().decode_keyed, reader_of(settings)
    out = Outcome({}, [], [], 0, 0)
    for key, value in records:
        one = decode(value, now_ms, key)
        if isinstance(one, Rejected):
            out.rejects.append((key, value))
            continue
        assert isinstance(one, Mention)
        assert key is not None
        if one.kind == "volume":
            continue
        followed = follow(out.threads.get(key), one, settings.params_for(one.brand), reader=reader)
        if followed is None:
            out.duplicates += 1
            continue
        out.threads[key], alert = followed.thread, followed.alert
        out.counted += 1
        if alert is not None:
            out.alerts.append(encode_alert(alert))
    return out


def settings_for(broker: Broker, prefix: str, **changes: Any) -> Settings:
    """Settings of a worker on this broker, with topics of its own that are made here."""
    embedded = broker.name == "embedded"
    values: dict[str, Any] = {
        "brokers": (broker.bootstrap,),
        "topic_prefix": prefix,
        "app_id": prefix + "app",
        "partitions": PARTITIONS,
        "flush_interval_s": 0.2,
        # The embedded broker makes a member wait for a multiple of it; a Kafka not ours allows 6 s at least.
        "session_timeout_s": {"embedded": 1.0, "kafka": 2.0}.get(broker.name, 6.0),
        "idempotent_producer": not embedded,
        "stall_after_s": 60.0,
        "metrics_port": 0,
    }
    settings = Settings(**(values | changes))
    create_missing(settings)
    return settings


class Process(Tethered):
    """A worker process; `log` is what it wrote."""

    def __init__(self, settings: Settings, log: Path, before: str = "") -> None:
        command = [*PYTHON, "-c", _MAIN + before + "\n" + _RUN]
        super().__init__(command, log=log, grace_s=20.0, env=_environment(settings), cwd=ROOT)
        self.log = log

    def said(self) -> str:
        """All it has logged so far."""
        return self.log.read_text(errors="replace")

    def tail(self) -> str:
        """The end of that, and how it ended: for a failed assertion."""
        return f"exit code {self.poll()}; the log ends:\n{self.said()[-4000:]}"

    def ready(self) -> None:
        """Wait until it has joined its group and has its state back."""
        wait_for(lambda: "Worker ready" in self.said() or self.poll() is not None, 60)
        assert self.poll() is None, self.tail()

    def exit_code(self, within_s: float) -> int | None:
        """The exit code once it has ended, None if it has not within that time."""
        wait_for(lambda: self.poll() is not None, within_s)
        return self.poll()


@contextmanager
def worker(settings: Settings, log: Path, before: str = "") -> Iterator[Process]:
    """A worker for the length of a `with`; `before` is Python that runs in it before it starts."""
    process = Process(settings, log, before)
    try:
        yield process
    finally:
        process.end()


def _environment(settings: Settings) -> dict[str, str]:
    shown = {
        "brokers": ",".join(settings.brokers),
        **{
            name: getattr(settings, name)
            for name in (
                "topic_prefix",
                "app_id",
                "partitions",
                "flush_interval_s",
                "session_timeout_s",
                "idempotent_producer",
                "stall_after_s",
                "idle_after_s",
                "max_record_bytes",
                "metrics_port",
            )
        },
    }
    ours = {f"FLASHOVER_{name.upper()}": str(value) for name, value in shown.items()}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FLASHOVER_")}
    return kept | ours | {"PYTHONPATH": python_path()}


def wait_for(done: Callable[[], object], within_s: float = 60.0) -> bool:
    """Ask again and again until the answer is true or the time is over."""
    deadline = time.monotonic() + within_s
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def produce(settings: Settings, records: Sequence[Record], per_s: float | None = None) -> None:
    """Write the records to `mentions`, each thread's in order, all at once or so many in a second."""
    asyncio.run(_produce(settings, records, per_s))


async def _produce(settings: Settings, records: Sequence[Record], per_s: float | None) -> None:
    topic = topics(settings).mentions.name
    size = settings.max_record_bytes
    async with AIOKafkaProducer(
        bootstrap_servers=list(settings.brokers), max_request_size=size, linger_ms=5
    ) as producer:
        at_once = max(1, int(per_s / 20)) if per_s else 2000
        for begin in range(0, len(records), at_once):
            sent = [
                await producer.send(topic, value, key=key, partition=partition_of(key))
                for key, value in records[begin : begin + at_once]
            ]
            await asyncio.gather(*sent)
            if per_s:
                await asyncio.sleep(0.05)


class Read(NamedTuple):
    """One record of a topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]


def read(settings: Settings, topic: str) -> list[Read]:
    """Every record of a topic, in the order of each partition."""
    return asyncio.run(_read(settings, topic))


async def _read(settings: Settings, topic: str) -> list[Read]:
    found = []
    async with AIOKafkaConsumer(
        bootstrap_servers=list(settings.brokers), max_partition_fetch_bytes=settings.max_record_bytes
    ) as consumer:
        await consumer._client._wait_on_metadata(topic)
        partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic) or ()]
        left = {one: end for one, end in (await high_watermarks(consumer, partitions)).items() if end}
        if not left:
            return []
        consumer.assign(list(left))
        if left:
            await consumer.seek_to_beginning(*left)
        while left:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [Read(r.partition, r.offset, r.key, r.value, dict(r.headers)) for r in records]
            for one in [one for one, end in left.items() if await consumer.position(one) >= end]:
                del left[one]
                consumer.pause(one)
    return found


def ends(settings: Settings, topic: str) -> dict[int, int]:
    """The offset after the last record of each partition."""
    return asyncio.run(_ends(settings, topic))


async def _ends(settings: Settings, topic: str) -> dict[int, int]:
    async with AIOKafkaConsumer(bootstrap_servers=list(settings.brokers)) as consumer:
        await consumer._client._wait_on_metadata(topic)
        partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic) or ()]
        return {tp.partition: end for tp, end in (await high_watermarks(consumer, partitions)).items()}


def committed(settings: Settings) -> dict[int, int]:
    """What the workers' group has committed of each partition of `mentions`."""
    topic = topics(settings).mentions.name
    admin = KafkaAdminClient(bootstrap_servers=list(settings.brokers))
    try:
        answer = admin.list_group_offsets({settings.app_id: None})[settings.app_id]
    finally:
        admin.close()
    return {tp.partition: one.offset for tp, one in answer.items() if tp.topic == topic}


def cursors(settings: Settings) -> dict[int, int]:
    """Up to which offset the state is written, by partition, as the changelog says."""
    furthest: dict[int, int] = {}
    for one in read(settings, topics(settings).threads_changelog.name):
        if one.key == CURSOR_KEY:
            assert one.value is not None
            offset = decode_cursor(one.value)[0]
            furthest[one.partition] = max(furthest.get(one.partition, -1), offset)
    return furthest


def state(settings: Settings, overtaken: bool = False) -> dict[bytes, Thread]:
    """The threads as the changelog has them: the last record of each key, and none may go back.

    With `overtaken` one may: a worker that was taken for dead may write an older state behind the newer. Then
    the one that counted further holds, as in a recovery.
    """
    held: dict[bytes, tuple[int, Thread]] = {}
    for one in read(settings, topics(settings).threads_changelog.name):
        assert one.key is not None
        if one.key in NO_THREADS:
            continue
        assert one.partition == partition_of(one.key)
        if one.value is None:
            held.pop(one.key, None)
            continue
        offset, thread = decode_state(one.value)
        before = held[one.key][0] if one.key in held else -1
        assert overtaken or offset >= before, f"{one.key!r} went back from {before} to {offset}"
        if offset >= before:
            held[one.key] = offset, thread
    return {key: thread for key, (_, thread) in held.items()}


def all_followed(settings: Settings) -> bool:
    """Whether the state covers all mentions that are on the topic now."""
    end = {number: end for number, end in ends(settings, topics(settings).mentions.name).items() if end}
    reached = cursors(settings)
    return all(reached.get(number, -1) + 1 >= one for number, one in end.items())


def check(settings: Settings, records: Sequence[Record], repeated: bool = False) -> Outcome:
    """Assert that what is on the topics is what the core makes of what is on `mentions`, and nothing else.

    And that all of `records` are there. With `repeated`, where two workers held themselves for a partition's
    owner, an alert may be there twice, in the same bytes, and a state may be written behind a newer one.
    """
    arrived = [(one.key, one.value) for one in read(settings, topics(settings).mentions.name)]
    assert set(arrived) == set(records)
    want = expected(settings, arrived)
    assert want.alerts, "a storm without an alert proves nothing"
    have = state(settings, overtaken=repeated)
    wrong = {
        key: (have[key].mentions if key in have else None, thread.mentions)
        for key, thread in want.threads.items()
        if have.get(key) != thread
    }
    assert not wrong, f"{len(wrong)} of {len(want.threads)} threads are not as they should be: {wrong}"
    assert have.keys() == want.threads.keys()
    sent = Counter(one.value or b"" for one in read(settings, topics(settings).alerts.name))
    if repeated:
        sent = Counter(set(sent))
    of_brands = Counter({value: times for value, times in sent.items() if b'"scope":"brand"' in value})
    sent -= of_brands
    ids = Counter(json.loads(value)["id"] for value in of_brands.elements())
    assert all(times == 1 for times in ids.values()), f"alerts of brands that went out twice: {ids}"
    want_alerts = Counter(want.alerts)
    lost, more = want_alerts - sent, sent - want_alerts
    assert not lost, f"{sum(lost.values())} of {len(want.alerts)} alerts are lost: {list(lost)[:2]}"
    assert not more, f"{sum(more.values())} alerts too many: {list(more)[:2]}"
    return want


def figure(page: str, name: str, *labels: str) -> float | None:
    """The value of one series of a page of metrics, by its labels' values; None where it is not told."""
    samples = (one for family in text_string_to_metric_families(page) for one in family.samples)
    found = (one.value for one in samples if one.name == name and {*one.labels.values()} == {*labels})
    return next(found, None)
