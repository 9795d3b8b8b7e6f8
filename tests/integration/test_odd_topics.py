"""What else may lie on our topics, or no longer: a worker says what is wrong, or is not troubled by it."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from kafka.admin import KafkaAdminClient

from agents.settings import Settings
from agents.topics import create_missing, topics
from agents.worker import EXIT_CRASHED
from tests.integration import flows
from tests.integration.brokers import Broker
from tests.integration.flows import Process, Record, wait_for

pytestmark = pytest.mark.integration

CALM = flows.storms(seed=2, mentions=400, threads=20, viral=2)


def follow_all(settings: Settings, log: Path) -> None:
    with flows.worker(settings, log) as process:
        stop(process, settings)


def stop(process: Process, settings: Settings) -> None:
    process.ready()
    assert wait_for(lambda: flows.all_followed(settings) or process.poll() is not None, 60), process.tail()
    os.kill(process.pid, signal.SIGTERM)
    assert process.exit_code(within_s=10) == 0, process.tail()


def write(settings: Settings, topic: str, key: bytes | None, value: bytes, **headers: bytes) -> None:
    async def send() -> None:
        async with AIOKafkaProducer(bootstrap_servers=list(settings.brokers)) as producer:
            await producer.send_and_wait(topic, value, key=key, partition=0, headers=list(headers.items()))

    asyncio.run(send())


def delete(settings: Settings, topic: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=list(settings.brokers))
    try:
        admin.delete_topics([topic])
    finally:
        admin.close()


def test_mentions_made_anew_under_old_state(broker: Broker, prefix: str, tmp_path: Path) -> None:
    """Its new records would all pass for counted ones."""
    settings = flows.settings_for(broker, prefix)
    flows.produce(settings, CALM)
    follow_all(settings, tmp_path / "before.log")
    delete(settings, topics(settings).mentions.name)
    assert wait_for(lambda: create_missing(settings), 30)
    flows.produce(settings, CALM[:8])
    with flows.worker(settings, tmp_path / "after.log") as process:
        assert process.exit_code(within_s=60) == EXIT_CRASHED, process.tail()
        assert "was made anew or lost records" in process.said()


@pytest.mark.parametrize(
    ("key", "value"), [(b"t1", b"something else"), (b"t1", b"\x93\x63\x05\x06"), (b"", b"{}")]
)
def test_a_foreign_record_in_the_changelog(
    broker: Broker, prefix: str, tmp_path: Path, key: bytes, value: bytes
) -> None:
    """It ends the worker with its place, and is neither misread nor dropped."""
    if broker.name == "embedded" and key != b"t1":
        pytest.skip("once is enough")
    settings = flows.settings_for(broker, prefix)
    write(settings, topics(settings).threads_changelog.name, key, value)
    with flows.worker(settings, tmp_path / "worker.log") as process:
        assert process.exit_code(within_s=60) == EXIT_CRASHED, process.tail()
        assert "changelog, partition 0" in process.said()


def test_foreign_records_among_the_alerts(broker: Broker, prefix: str, tmp_path: Path) -> None:
    """Those of other programs, and what looks like ours and is not, are passed over."""
    settings = flows.settings_for(broker, prefix)
    ours = settings.app_id.encode()
    alerts = topics(settings).alerts.name
    write(settings, alerts, None, b"no header")
    for origin in (b"", b"x", ours, ours + b":", ours + b":a:b", ours + b":1", ours + b":-1:2", b"\xff:1:2"):
        write(settings, alerts, b"k", b"v", origin=origin)
    flows.produce(settings, CALM)
    follow_all(settings, tmp_path / "worker.log")
    want = flows.expected(settings, CALM)
    assert want.alerts
    have = [one.value for one in flows.read(settings, alerts)][9:]
    assert sorted(map(bytes, filter(None, have))) == sorted(want.alerts)


def test_mentions_in_transactions(broker: Broker, prefix: str, tmp_path: Path) -> None:
    """Their markers take offsets that no record has: neither a gap nor a stall."""
    if broker.name == "embedded":
        pytest.skip("the embedded broker has no transactions")
    settings = flows.settings_for(broker, prefix, stall_after_s=5.0)

    async def send() -> None:
        async with AIOKafkaProducer(
            bootstrap_servers=list(settings.brokers), transactional_id=prefix + "tx"
        ) as producer:
            for begin in range(0, len(CALM), 50):
                async with producer.transaction():
                    for key, value in CALM[begin : begin + 50]:
                        where = flows.partition_of(key)
                        await producer.send(topics(settings).mentions.name, value, key=key, partition=where)

    with flows.worker(settings, tmp_path / "worker.log") as process:
        process.ready()
        asyncio.run(send())
        want = flows.expected(settings, CALM)
        assert wait_for(lambda: flows.state(settings) == want.threads, 30), process.tail()
        time.sleep(8.0)  # longer than a stall
        assert process.poll() is None, process.tail()
        os.kill(process.pid, signal.SIGTERM)
        assert process.exit_code(within_s=10) == 0, process.tail()


def test_a_record_that_was_small_only_on_its_way(broker: Broker, prefix: str, tmp_path: Path) -> None:
    """Compressed it passes the topic's limit, and as a reject it does not: it may not end the worker."""
    settings = flows.settings_for(broker, prefix)
    size = 2 * settings.max_record_bytes

    async def send() -> None:
        async with AIOKafkaProducer(
            bootstrap_servers=list(settings.brokers), compression_type="gzip", max_request_size=2 * size
        ) as producer:
            topic = topics(settings).mentions.name
            await producer.send_and_wait(topic, b"x" * size, key=b"t", partition=0)
            key, value = CALM[0]
            bloated = value[:-1] if value else b""
            bloated += b', "text": "' + b"y" * size + b'"}'
            await producer.send_and_wait(topic, bloated, key=key, partition=flows.partition_of(key))

    asyncio.run(send())
    follow_all(settings, tmp_path / "worker.log")
    assert len(flows.state(settings)) == 1
    (reject,) = flows.read(settings, topics(settings).rejects.name)
    assert reject.key == b"t"
    assert reject.value == b"x" * 4096
    assert reject.headers["reason"] == b"not-json"
    assert reject.headers["cut"] == str(len(b"t") + size).encode()
    assert (reject.headers["partition"], reject.headers["offset"]) == (b"0", b"0")


def test_a_thread_whose_state_is_bigger_than_a_batch(broker: Broker, prefix: str, tmp_path: Path) -> None:
    """Written whole, and read back whole."""
    if broker.name == "embedded":
        pytest.skip("it takes records of any size")
    settings = flows.settings_for(broker, prefix)
    dice = random.Random(4)
    rows = [flows.mention(0, f"m{number}", None, number * 100, dice) for number in range(40_000)]
    records: list[Record] = [(row["thread_id"].encode(), json.dumps(row).encode()) for row in rows]
    for number, part in enumerate((records[:35_000], records[35_000:])):
        flows.produce(settings, part)
        follow_all(settings, tmp_path / f"{number}.log")
    assert flows.state(settings) == flows.expected(settings, records).threads
