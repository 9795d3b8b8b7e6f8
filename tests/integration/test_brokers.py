"""The brokers that the other integration tests stand on do what those take for granted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from tests.integration import brokers
from tests.integration.brokers import Broker

pytestmark = pytest.mark.integration


def create(broker: Broker, topic: str, partitions: int) -> None:
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    try:
        admin.create_topics([NewTopic(topic, partitions, 1)])
    finally:
        admin.close()


def produce(broker: Broker, topic: str, values: list[bytes]) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, enable_idempotence=False)
    try:
        for sent in [producer.send(topic, value, partition=0) for value in values]:
            sent.get(timeout=60)
    finally:
        producer.close()


def consume(broker: Broker, topic: str, count: int) -> list[bytes]:
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap, consumer_timeout_ms=60_000)
    try:
        where = TopicPartition(topic, 0)
        consumer.assign([where])
        consumer.seek_to_beginning(where)
        return [next(consumer).value for _ in range(count)]
    finally:
        consumer.close()


def test_what_is_produced_is_consumed(broker: Broker, prefix: str) -> None:
    create(broker, prefix + "round", 3)
    produce(broker, prefix + "round", [b"one", b"two", b""])
    assert consume(broker, prefix + "round", 3) == [b"one", b"two", b""]


def test_an_outage_loses_nothing(broker: Broker, prefix: str) -> None:
    """What was acknowledged before is there after, at the same address, and writing goes on."""
    create(broker, prefix + "outage", 1)
    produce(broker, prefix + "outage", [b"before"])
    before = broker.bootstrap
    with broker.outage():
        pass
    assert broker.bootstrap == before
    produce(broker, prefix + "outage", [b"after"])
    assert consume(broker, prefix + "outage", 2) == [b"before", b"after"]


def test_a_paused_broker_goes_on_where_it_was(broker: Broker, prefix: str) -> None:
    create(broker, prefix + "pause", 1)
    produce(broker, prefix + "pause", [b"before"])
    broker.pause()
    broker.resume()
    assert consume(broker, prefix + "pause", 1) == [b"before"]


@pytest.mark.parametrize(
    ("variable", "on_path", "expected"),
    [
        ("kafka.example:9092", True, ("kafka.example:9092",)),
        ("embedded", True, ("embedded",)),
        ("", True, ("embedded", "kafka")),
        ("", False, ("embedded",)),
    ],
)
def test_which_brokers_a_run_uses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, on_path: bool, expected: tuple[str, ...]
) -> None:
    monkeypatch.setenv("FLASHOVER_TEST_BROKER", variable)
    monkeypatch.setenv("PATH", str(tmp_path))
    if on_path:
        for tool in ("java", "mvn"):
            (tmp_path / tool).touch(mode=0o755)
    assert brokers.chosen() == expected


def test_a_run_without_kafka_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.delenv("FLASHOVER_TEST_BROKER", raising=False)
    assert "not on Kafka" in brokers.in_words()


def test_a_cluster_of_somebody_else_is_left_running(tmp_path: Path) -> None:
    """A test that would stop it is skipped, not passed."""
    with brokers.started("kafka.example:9092", tmp_path) as cluster:
        for harm in (cluster.stop, cluster.pause, cluster.outage().__enter__):
            with pytest.raises(pytest.skip.Exception):
                harm()
