"""Where a partition ends is read right, whatever the broker says to ListOffsets."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from agents.watermarks import high_watermarks
from tests.integration.brokers import Broker

pytestmark = pytest.mark.integration


async def _ends(broker: Broker, topic: str, counts: list[int], within_s: float = 40.0) -> dict[int, int]:
    """Write `counts` records to the partitions, each partition's in one batch; return where each ends."""
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
        for partition, count in enumerate(counts):
            if count:
                batch = producer.create_batch()
                for _ in range(count):
                    batch.append(key=None, value=b"x", timestamp=None)
                await (await producer.send_batch(batch, topic, partition=partition))
    async with AIOKafkaConsumer(bootstrap_servers=broker.bootstrap) as consumer:
        partitions = [TopicPartition(topic, partition) for partition in range(len(counts))]
        found = await high_watermarks(consumer, partitions, within_s=within_s)
        return {partition: end for (_, partition), end in found.items()}


def test_the_end_lies_after_the_last_record_of_a_batch(broker: Broker, prefix: str) -> None:
    """Many records in the last batch, one, none."""
    topic = prefix + "ends"
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    try:
        admin.create_topics([NewTopic(topic, 3, 1)])
    finally:
        admin.close()
    assert asyncio.run(_ends(broker, topic, [50, 1, 0])) == {0: 50, 1: 1, 2: 0}
