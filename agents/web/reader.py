"""Follows the topics that the pages show, and knows how far to trust what it has read.

Law of this file: records go to `Known` in order, and nowhere else. Until every topic was read to where it
ended, and whenever the brokers have not been heard of, or the workers stand still while mentions wait, for
`stale_after_s`, `doubt` says so: then nobody is told that a thread is calm.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Literal

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from agents.errors import TopicsError
from agents.settings import Settings
from agents.topics import topics
from agents.watermarks import high_watermarks
from agents.web.known import Known, Source

__all__ = ["Doubt", "Reader"]

log = logging.getLogger(__name__)

#: Why what is known may not be so: not read yet; no broker heard, or behind; workers that stand still.
Doubt = Literal["not-read-yet", "out-of-touch", "workers-stand-still"]

_WAIT_MS: Final = 200
_MOST_RECORDS: Final = 2_000
_DAY_MS: Final = 86_400_000
#: How far back a topic is read that is not compacted, or that forgets by itself; None: all of it.
_LOOK_BACK_MS: Final[dict[Source, int | None]] = {
    "incidents": None,
    "holds": None,
    "usual": None,
    "alerts": 30 * _DAY_MS,
    "pages": 30 * _DAY_MS,
    "audit": _DAY_MS,  # a link lives no longer
    "threads": 2 * _DAY_MS,  # what was not written for so long is over
}


class Reader:
    """One consumer over all of it. `run` reads until it is cancelled; a failure of it is its caller's."""

    def __init__(self, settings: Settings, known: Known) -> None:
        names = topics(settings)
        self._settings = settings
        self._mentions = names.mentions.name
        self._sources: dict[str, Source] = {
            names.incidents.name: "incidents",
            names.holds.name: "holds",
            names.usual.name: "usual",
            names.alerts.name: "alerts",
            names.pages.name: "pages",
            names.audit.name: "audit",
            names.threads_changelog.name: "threads",
        }
        self.known = known
        self.is_read = asyncio.Event()  # every topic, to where it ended when we began
        self._heard_s: float | None = None  # when all was read up to the end last
        self._moved: dict[int, tuple[int, float]] = {}  # offset in the workers' state, and since when
        self._still_since_s: float | None = None  # mentions wait, and no worker counts them
        self._fresh = asyncio.Condition()

    def doubt(self) -> Doubt | None:
        """Why what is known may not be so; None if it can be trusted."""
        now_s, most_s = asyncio.get_running_loop().time(), self._settings.web.stale_after_s
        if not self.is_read.is_set():
            return "not-read-yet"
        if self._heard_s is None or now_s - self._heard_s > most_s:
            return "out-of-touch"
        if self._still_since_s is not None and now_s - self._still_since_s > most_s:
            return "workers-stand-still"
        return None

    async def until(self, is_so: Callable[[], bool], within_s: float) -> bool:
        """Wait until `is_so()` holds, asked whenever something was read; False if it does not in time."""
        try:
            async with asyncio.timeout(within_s), self._fresh:
                await self._fresh.wait_for(is_so)
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Read for ever. Raises TopicsError if a topic is missing, and what the client raises."""
        kwargs = self._settings.aiokafka_kwargs()
        async with AIOKafkaConsumer(
            **kwargs,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=4 * 1024 * 1024,
        ) as consumer:
            partitions = [one for name in self._sources for one in await _partitions_of(consumer, name)]
            mentions = await _partitions_of(consumer, self._mentions)
            consumer.assign(partitions)
            await self._seek(consumer, partitions)
            big = [one for one in partitions if self._sources[one.topic] == "threads"]
            # Incidents and alerts first: they say of which threads the state is to be kept.
            consumer.pause(*big)
            await self._to_the_ends(consumer, [one for one in partitions if one not in big])
            consumer.resume(*big)
            await self._to_the_ends(consumer, big)
            self._heard_s = asyncio.get_running_loop().time()
            self.is_read.set()
            log.info("the topics are read: %d incidents", len(self.known.incidents))
            # Asked over connections of its own: on the other's a question waits behind a fetch that waits.
            async with AIOKafkaConsumer(**kwargs) as asking, asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow(consumer))
                tasks.create_task(self._watch(consumer, asking, partitions, mentions))

    async def _seek(self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> None:
        """To where the look back begins."""
        await consumer.seek_to_beginning(*partitions)
        now_ms = time.time_ns() // 1_000_000
        times = {
            one: now_ms - back
            for one in partitions
            if (back := _LOOK_BACK_MS[self._sources[one.topic]]) is not None
        }
        try:
            found = await consumer.offsets_for_times(times)
        except KafkaError:
            return  # a broker that knows no such request: all of it, then
        for one, first in found.items():
            # What comes at that moment or later; none: nothing of it is young enough.
            if first is not None and first.offset > await consumer.position(one):
                consumer.seek(one, first.offset)

    async def _to_the_ends(self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> None:
        ends = await high_watermarks(consumer, partitions)
        left = set(partitions)
        while left := {one for one in left if await consumer.position(one) < ends[one]}:
            await self._some(consumer)

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            await self._some(consumer)

    async def _some(self, consumer: AIOKafkaConsumer) -> None:
        fetched = await consumer.getmany(timeout_ms=_WAIT_MS, max_records=_MOST_RECORDS)
        for tp, records in fetched.items():
            source = self._sources[tp.topic]
            for record in records:
                self.known.take(source, tp.partition, record.key, record.value)
        if fetched:
            async with self._fresh:
                self._fresh.notify_all()
        await asyncio.sleep(0)  # a long changelog must not keep the pages waiting

    async def _watch(
        self,
        consumer: AIOKafkaConsumer,
        asking: AIOKafkaConsumer,
        partitions: list[TopicPartition],
        mentions: list[TopicPartition],
    ) -> None:
        """See whether all is read up to the end, and whether the workers count what comes in."""
        most_s = self._settings.web.stale_after_s
        pause_s = min(5.0, most_s / 4)
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(pause_s)
            asked_s = loop.time()
            try:
                ends = await high_watermarks(asking, [*partitions, *mentions], within_s=most_s)
            except (KafkaError, OSError) as error:
                log.warning("no broker answers: %s", type(error).__name__)
                continue
            while loop.time() - asked_s < pause_s:  # what was under way when we asked may arrive
                behind = [one for one in partitions if await consumer.position(one) < ends[one]]
                if not behind:
                    self._heard_s = asked_s
                    break
                await asyncio.sleep(_WAIT_MS / 1000)
            self._note_workers({one.partition: ends[one] for one in mentions}, asked_s)

    def _note_workers(self, ends: dict[int, int], now_s: float) -> None:
        still: list[float] = []
        for number, end in ends.items():
            counted = self.known.counted.get(number)
            offset = counted.offset if counted is not None else -1
            before = self._moved.get(number)
            if before is None or before[0] != offset or offset + 1 >= end:
                self._moved[number] = (offset, now_s)
            if offset + 1 < end:
                still.append(self._moved[number][1])
        self._still_since_s = min(still, default=None)


async def _partitions_of(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    with suppress(UnknownTopicOrPartitionError):  # as some brokers answer, told below for all of them
        await consumer._client._wait_on_metadata(topic)
    numbers = consumer.partitions_for_topic(topic)
    if not numbers:
        raise TopicsError(f"topic {topic} is missing: `flashover topics create` makes it")
    return [TopicPartition(topic, number) for number in sorted(numbers)]
