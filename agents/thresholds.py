"""The live thresholds of a worker: what the topic `thresholds` says, from its start on.

Law of this file: everything that was on the topic when the worker began holds before the first mention is
followed; what comes later holds from the next chunk on. A record that is refused changes nothing, is logged
and counted; it stops nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from agents.errors import TopicsError
from agents.settings import Settings
from agents.terminal import safe
from agents.topics import topics
from agents.watermarks import high_watermarks
from streams.judge import ThreadParams
from streams.shadow import Beside, Tally
from streams.thresholds import EVERY_BRAND, Refused, Thresholds, decode

__all__ = ["LiveThresholds", "Told", "from_settings", "summed", "told_of"]

log = logging.getLogger(__name__)

LEVELS: Final = ("watch", "warn", "page")
_WAIT_MS = 500
_LOGGED = 500  # characters of a refused record's reasons


class Told(msgspec.Struct, frozen=True):
    """A record of the topic `shadow`: what a second set of thresholds did so far, in one partition.

    `live` and `shadow` are alerts by level, the rest are threads by which set would page for them.
    """

    brand: str
    partition: int
    since_ms: int  # when the set was set
    live: dict[str, int]
    shadow: dict[str, int]
    both: int
    only_live: int
    only_shadow: int


def told_of(brand: str, partition: int, tally: Tally) -> Told:
    """A partition's tally, for the topic."""
    live, shadow = (dict(zip(LEVELS, rises, strict=True)) for rises in (tally.live, tally.shadow))
    pages = (tally.both, tally.only_live, tally.only_shadow)
    return Told(brand, partition, tally.since_ms, live, shadow, *pages)


def summed(told: Iterable[Told]) -> dict[str, Told]:
    """All partitions of a brand together, of its latest set; `partition` is -1."""
    sums: dict[str, Told] = {}
    for one in sorted(told, key=lambda one: one.since_ms):
        had = sums.get(one.brand)
        if had is None or had.since_ms != one.since_ms:
            had = told_of(one.brand, -1, Tally(one.since_ms))
        sums[one.brand] = Told(
            one.brand,
            -1,
            one.since_ms,
            {level: had.live[level] + one.live.get(level, 0) for level in LEVELS},
            {level: had.shadow[level] + one.shadow.get(level, 0) for level in LEVELS},
            had.both + one.both,
            had.only_live + one.only_live,
            had.only_shadow + one.only_shadow,
        )
    return sums


def from_settings(settings: Settings) -> Thresholds:
    """What holds where nobody has set anything live."""
    own = {brand: one.viral_at for brand, one in settings.brands.items() if one.viral_at is not None}
    return Thresholds(settings.thresholds, own)


class LiveThresholds:
    """The thresholds that hold now. One per worker; changes come by `take`, from `follow`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = topics(settings).thresholds.name
        self._begun = asyncio.Lock()
        self._consumer: AIOKafkaConsumer | None = None
        self.now = from_settings(settings)
        self.changed = 0  # records that were taken
        self.refused = 0  # and that were not

    def params_for(self, brand: str) -> ThreadParams:
        """The thresholds of a brand's threads, in constant time."""
        return self.now.live(brand)

    def beside(self) -> Callable[[str], Beside | None] | None:
        """The look-up of second sets, None while there are none."""
        return self.now.beside if self.now.has_shadow else None

    def take(self, key: bytes | None, value: bytes | None, where: str) -> None:
        """One record of the topic; `where` it stood is for the log."""
        change = decode(key, value)
        after = change if isinstance(change, Refused) else self.now.after(change)
        if isinstance(change, Refused) or isinstance(after, Refused):
            assert isinstance(after, Refused)  # noqa: S101 — the one above is carried on
            self.refused += 1
            log.warning("thresholds refused (%s): %s", where, safe("; ".join(after.reasons), _LOGGED))
            return
        self.now = after
        self.changed += 1
        whom = "every brand" if change.key.brand == EVERY_BRAND else change.key.brand
        log.info(
            "thresholds of %s%s: %s, by %s: %s",
            whom,
            " (shadow)" if change.key.shadow else "",
            ", ".join(f"{name}={number:g}" for name, number in change.fields.items()) or "as in the settings",
            safe(change.who, 100),
            safe(change.why, 200),
        )

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
                self.take(record.key, record.value, f"{tp.topic}/{tp.partition}@{record.offset}")
