"""A topic of a few records that every worker must know in full: read to its end once, then followed.

Law of this file: what was on the topic when `catch_up` was called has been taken when it returns; what comes
later is taken as it comes. It reads; what a record means is the taker's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from agents.errors import TopicsError
from agents.settings import Settings
from agents.watermarks import high_watermarks

__all__ = ["Take", "WholeTopic"]

Take = Callable[[bytes | None, bytes | None, str], None]
"""Key, value, and in words where the record stood."""

_WAIT_MS: Final = 500


class WholeTopic:
    """Hands every record of `topic` to `take`, in the order of its partition. One per worker and topic."""

    def __init__(self, settings: Settings, topic: str, take: Take) -> None:
        self._settings = settings
        self._topic = topic
        self._take = take
        self._begun = asyncio.Lock()
        self._consumer: AIOKafkaConsumer | None = None

    async def catch_up(self, start: Callable[[Any], Any]) -> None:
        """Take all that is on the topic now, once; then `start` what takes what comes later.

        Raises TopicsError if there is no such topic, and what the broker's client raises.
        """
        async with self._begun:
            if self._consumer is not None:
                return
            consumer = AIOKafkaConsumer(**self._settings.aiokafka_kwargs(), enable_auto_commit=False)
            try:
                await consumer.start()
                await self._to_the_end(consumer)
            except BaseException:
                await consumer.stop()
                raise
            self._consumer = consumer
            start(self._follow(consumer))

    async def _to_the_end(self, consumer: AIOKafkaConsumer) -> None:
        with suppress(UnknownTopicOrPartitionError):  # as some brokers answer, told below for all of them
            await consumer._client._wait_on_metadata(self._topic)
        numbers = consumer.partitions_for_topic(self._topic)
        if not numbers:
            raise TopicsError(f"topic {self._topic} is missing: `flashover topics create` makes it")
        partitions = [TopicPartition(self._topic, number) for number in sorted(numbers)]
        ends = await high_watermarks(consumer, partitions)
        begins = await consumer.beginning_offsets(partitions)
        consumer.assign(partitions)
        for one in partitions:
            consumer.seek(one, begins[one])
        left = {one for one in partitions if ends[one] > begins[one]}
        while left:
            await self._some(consumer)
            left = {one for one in left if await consumer.position(one) < ends[one]}

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        try:
            while True:
                await self._some(consumer)
        finally:
            await consumer.stop()

    async def _some(self, consumer: AIOKafkaConsumer) -> None:
        for tp, records in (await consumer.getmany(timeout_ms=_WAIT_MS)).items():
            for record in records:
                self._take(record.key, record.value, f"{tp.topic}/{tp.partition}@{record.offset}")
