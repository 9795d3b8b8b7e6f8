"""Where partitions end, right on any broker that speaks Kafka's protocol.

Law: the answer to a Fetch is believed, the answer to ListOffsets only says where to fetch. The embedded
broker answers ListOffsets(LATEST) with the base offset of the last batch + 1, while the high watermark in its
Fetch answers is right; on Kafka the two agree. ListOffsets' answer is a valid place to fetch from on both
(Kafka refuses one past its end), so one small Fetch there brings the watermark and, on Kafka, no records.
aiokafka 0.14.0's client is used below its public face: pinned, with Faust's, for that reason.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaTimeoutError, for_code
from aiokafka.protocol.fetch import FetchRequest

_MAX_BYTES = 1  # the records are of no use here
_MIN_BYTES = 0  # Kafka answers at once
_MAX_WAIT_MS = (
    50  # the embedded broker answers nothing at all to 0, and waits this long where there is no record
)
_TRY_AGAIN_AFTER_S = 0.1
_READ_UNCOMMITTED = 0


async def high_watermarks(
    consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition], *, within_s: float = 40.0
) -> dict[TopicPartition, int]:
    """Return for each partition the offset that the next record written to it will get.

    `consumer` is a started one, which need not have the partitions assigned; its positions stay as they are.
    Partitions without a ready leader are asked again until `within_s` seconds are over (default: aiokafka's
    request timeout). Raises KafkaTimeoutError then, and any KafkaError that asking again can't mend.
    """
    watermarks: dict[TopicPartition, int] = {}
    wanted = set(partitions)
    async with asyncio.timeout(within_s) as limit:
        try:
            while missing := wanted - watermarks.keys():
                watermarks |= await _ask(consumer, await consumer.end_offsets(list(missing)))
                if wanted - watermarks.keys():
                    await consumer._client.force_metadata_update()
                    await asyncio.sleep(_TRY_AGAIN_AFTER_S)
        except asyncio.CancelledError:
            if limit.expired():
                raise KafkaTimeoutError(f"no watermark of {sorted(wanted - watermarks.keys())}") from None
            raise
    return watermarks


async def _ask(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> dict[TopicPartition, int]:
    """Fetch from `ends`, once from each leader; leave out the partitions whose leader is not ready."""
    client: Any = consumer._client
    by_leader: defaultdict[int, defaultdict[str, list[tuple[int, int, int]]]]
    by_leader = defaultdict(lambda: defaultdict(list))
    for (topic, partition), end in ends.items():
        leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
        if leader is not None and leader >= 0:
            by_leader[leader][topic].append((partition, end, _MAX_BYTES))
    watermarks = {}
    for leader, topics in by_leader.items():
        request = FetchRequest(_MAX_WAIT_MS, _MIN_BYTES, _MAX_BYTES, _READ_UNCOMMITTED, list(topics.items()))
        response = await client.send(leader, request)
        for topic, answers in response.topics:
            for partition, code, watermark, *_ in answers:
                error = for_code(code)
                if code == 0:
                    watermarks[TopicPartition(topic, partition)] = watermark
                elif not error.retriable:
                    raise error(f"{topic}-{partition}")
    return watermarks
