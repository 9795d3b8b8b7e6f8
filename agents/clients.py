"""kafka-python, for the tools: admin, sending files, reading topics. The worker has clients of its own.

Law of this file: kafka-python is imported here and nowhere else, and what it raises leaves as one of ours.
Every wait has an end that a person at a keyboard can bear.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError

from agents.errors import BrokerError, TopicsError, unusable
from agents.settings import Settings

__all__ = ["Admin", "Record", "Sender", "TopicSpec", "admin", "read", "sender"]

_CONNECT_MS: Final = 5_000
_REQUEST_MS: Final = 10_000
_DELIVERY_MS: Final = 30_000
_QUIET_MS: Final = 500  # so long nothing new: the end, if the end was reached
_STALLED_S: Final = 15.0  # so long nothing new before the end: the broker has gone
_IN_FLIGHT_BYTES: Final = 64 * 1024 * 1024  # kafka-python itself holds as much as it is given
_IN_FLIGHT: Final = 20_000

# Its debug lines hold passwords; its errors reach us as exceptions, once.
logging.getLogger("kafka").setLevel(logging.CRITICAL)


class TopicSpec(NamedTuple):
    """What a topic is made with."""

    name: str
    partitions: int
    replication: int
    configs: Mapping[str, str]


class Record(NamedTuple):
    """One record of a topic, raw."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]


class Admin:
    """The few questions and orders that the tools have for a cluster; from `admin`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def partitions(self, names: Sequence[str]) -> dict[str, int | None]:
        """How many partitions each topic has, None for one that is not there."""
        there = {one["name"]: one for one in self._client.describe_topics(list(names))}
        return {
            name: len(there[name]["partitions"]) if name in there and not there[name]["error_code"] else None
            for name in names
        }

    def configs(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """The configuration of each topic, as far as the cluster tells."""
        if not names:
            return {}
        # All keys are asked for: the embedded broker hangs up on a request that names some.
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        try:
            answer = self._client.describe_configs(resources, config_filter="all")
        except KafkaConnectionError:
            return {}  # a broker that knows no such request hangs up
        return {
            name: {key: str(one["value"]) for key, one in entries.items()}
            for name, entries in answer.get("topic", {}).items()
        }

    def create(self, specs: Sequence[TopicSpec]) -> None:
        """Make the topics and wait until they can be used; one that is there by now is left as it is."""
        answer = self._client.create_topics(
            {
                spec.name: {
                    "num_partitions": spec.partitions,
                    "replication_factor": spec.replication,
                    "configs": dict(spec.configs),
                }
                for spec in specs
            },
            timeout_ms=_REQUEST_MS,
            raise_errors=False,
        )
        refused = [
            f"topic {one['name']}: the cluster refuses to make it "
            f"({one.get('error_message') or one['error_code']})"
            for one in answer["topics"]
            if one["error_code"] not in (0, TopicAlreadyExistsError.errno)
        ]
        if refused:
            raise TopicsError("\n".join(refused))
        self._client.wait_for_topics([spec.name for spec in specs], timeout_ms=_REQUEST_MS)


class Sender:
    """Sends records to a topic and sees each delivered; from `sender`. Memory stays bounded at any speed."""

    def __init__(self, client: Any, topic: str) -> None:
        self._client = client
        self._topic = topic
        self._flying: deque[tuple[Any, int]] = deque()
        self._flying_bytes = 0
        self.delivered = 0

    def send(self, key: bytes | None, value: bytes | None) -> None:
        """Queue one record; waits while too much is under way. Raises BrokerError if one was refused."""
        size = len(value or b"")
        self._flying.append((self._client.send(self._topic, value=value, key=key), size))
        self._flying_bytes += size
        while len(self._flying) > _IN_FLIGHT or self._flying_bytes > _IN_FLIGHT_BYTES:
            self._land()

    def flush(self) -> None:
        """Wait until the broker has acknowledged everything sent so far."""
        self._client.flush(timeout=_DELIVERY_MS / 1000)
        while self._flying:
            self._land()

    def _land(self) -> None:
        future, size = self._flying.popleft()
        self._flying_bytes -= size
        future.get(timeout=_DELIVERY_MS / 1000)
        self.delivered += 1


@contextmanager
def admin(settings: Settings) -> Iterator[Admin]:
    """An `Admin` for the length of a `with`. Raises BrokerError."""
    with _translated(settings):
        client = KafkaAdminClient(**_common(settings))
        try:
            yield Admin(client)
        finally:
            client.close()


@contextmanager
def sender(settings: Settings, topic: str) -> Iterator[Sender]:
    """A `Sender` for the length of a `with`, flushed at its end. Raises BrokerError and TopicsError."""
    with admin(settings) as cluster:  # asked before: many a broker would make a topic of its own liking
        if cluster.partitions([topic])[topic] is None:
            raise TopicsError(f"topic {topic} is missing: `flashover topics create` makes it")
    with _translated(settings):
        client = KafkaProducer(
            **_common(settings),
            acks="all",
            linger_ms=20,
            batch_size=256 * 1024,
            max_block_ms=_REQUEST_MS,
            delivery_timeout_ms=_DELIVERY_MS,
            max_request_size=settings.max_record_bytes + 65_536,
            allow_auto_create_topics=False,
        )
        try:
            one = Sender(client, topic)
            yield one
            one.flush()
        finally:
            client.close(timeout=1)


def read(
    settings: Settings,
    topic: str,
    since: Mapping[int, int] | None = None,
    *,
    since_ms: int = 0,
    follow: bool = False,
    for_s: float | None = None,
) -> Iterator[Record]:
    """The records of a topic from the offsets `since` (by partition; else from the first) to its present end.

    Only those whose timestamp is `since_ms` (since the epoch) or later. With `follow` it goes on for ever, or
    for `for_s` seconds. Order holds within a partition. Raises BrokerError, and TopicsError if there is no
    such topic.
    """
    with _translated(settings):
        consumer = KafkaConsumer(
            **_common(settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            check_crcs=False,  # six times as fast, and TCP has checked them
            max_partition_fetch_bytes=settings.max_record_bytes + 65_536,
            receive_message_max_bytes=max(100_000_000, 2 * settings.max_record_bytes),
        )
        try:
            numbers = consumer.partitions_for_topic(topic)
            if not numbers:
                raise TopicsError(f"topic {topic} is missing: `flashover topics create` makes it")
            partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
            consumer.assign(partitions)
            consumer.seek_to_beginning(*partitions)
            for one in partitions:
                if since and one.partition in since:
                    consumer.seek(one, since[one.partition])
            if since_ms:
                for one, first in consumer.offsets_for_times(dict.fromkeys(partitions, since_ms)).items():
                    if first is not None and first.offset > consumer.position(one):
                        consumer.seek(one, first.offset)
            ends = consumer.end_offsets(partitions)
            began = heard = time.monotonic()
            while True:
                batch = consumer.poll(timeout_ms=_QUIET_MS)
                for records in batch.values():
                    for record in records:
                        if since_ms and record.timestamp < since_ms:
                            continue  # an offset is looked up by batch or not at all, as the broker likes
                        yield Record(
                            record.partition,
                            record.offset,
                            record.timestamp,
                            record.key,
                            record.value,
                            dict(record.headers),
                        )
                if follow and for_s is not None and time.monotonic() > began + for_s:
                    return
                if batch or follow:
                    heard = time.monotonic()
                elif all(consumer.position(one) >= ends[one] for one in partitions):
                    return
                elif time.monotonic() - heard > _STALLED_S:
                    raise BrokerError(f"{_names(settings)} went silent before the end of {topic}")
        finally:
            consumer.close()


def _common(settings: Settings) -> dict[str, Any]:
    return {
        **settings.kafka_python_kwargs(),
        "client_id": settings.app_id,
        "bootstrap_timeout_ms": _CONNECT_MS,
        "request_timeout_ms": _REQUEST_MS,
    }


@contextmanager
def _translated(settings: Settings) -> Iterator[None]:
    try:
        yield
    except (KafkaError, OSError) as error:
        failed = unusable(settings.brokers, error)
    else:
        return
    raise failed  # out here, so that no client's own error, that may hold its configuration, is chained


def _names(settings: Settings) -> str:
    return ", ".join(settings.brokers)
