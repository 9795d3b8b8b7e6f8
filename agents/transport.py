"""Faust's Kafka transport, but an agent gets one fetched chunk of a partition per event.

Law of this file: only the delivery differs from Faust's own. Acks, commits, gaps, rebalance and
recovery stay Faust's, for which a chunk is a message whose offset is that of its last record.

Why: stock Faust spends hundreds of microseconds on every event, whatever the agent does with it; a
chunk spreads that over some thousand records (docs/adr/0001-faust-with-a-chunk-transport.md).
The two internals this leans on (`_getmany`, `_to_message`) are why faust and aiokafka are pinned.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, cast

from aiokafka.structs import ConsumerRecord
from faust import Schema
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from agents.watermarks import high_watermarks

__all__ = ["Chunk", "RawSchema", "transport"]

_FETCH_MAX_WAIT_MS = 50


class Chunk(NamedTuple):
    """Records of one partition in offset order, never empty."""

    partition: int
    records: list[ConsumerRecord]


class RawSchema(Schema[Any, Any]):
    """Keys and values pass as they are: decoding belongs to the agent, which can say what was wrong."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:
        """The key's own bytes."""
        return message.key

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        """The value's own bytes, or the chunk."""
        return message.value


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    """Asks for the ends of partitions, and for records, in a way that serves on every broker."""

    def _create_consumer(self, loop: Any) -> Any:
        """Faust would let a fetch wait for 1.5 s, and the embedded broker waits though records come."""
        consumer = super()._create_consumer(loop)
        consumer._fetch_max_wait_ms = _FETCH_MAX_WAIT_MS
        return consumer

    async def _highwaters(self, partitions: list[TP]) -> Mapping[TP, int]:
        return await high_watermarks(self._ensure_consumer(), partitions)


class Consumer(driver.Consumer):
    """Hands out chunks for the topics in `chunked`, single records (changelogs) for all others."""

    #: names of the topics that are delivered by the chunk
    chunked: frozenset[str] = frozenset()
    #: awaited before Faust waits for open acks (rebalance, stop), so that nothing is left to wait for
    before_wait: Callable[[], Awaitable[None]] | None = None

    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(
        self,
        active_partitions: set[TP] | None,
        timeout: float,  # noqa: ASYNC109 — Faust's signature
    ) -> Mapping[TP, list[Any]]:
        fetched = await super()._getmany(active_partitions, timeout)
        chunked = self.chunked
        return {
            tp: [records] if tp.topic in chunked else records for tp, records in fetched.items() if records
        }

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        if not isinstance(record, list):
            return super()._to_message(tp, record)
        last = record[-1]
        return ConsumerMessage(
            last.topic,
            last.partition,
            last.offset,
            last.timestamp / 1000,
            last.timestamp_type,
            None,
            None,
            cast(bytes, Chunk(last.partition, record)),  # `RawSchema` hands it on as it is
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def wait_empty(self) -> None:
        """Let the state be written first: what is open then is acked without waiting."""
        if self.before_wait is not None:
            await self.before_wait()
        await super().wait_empty()


class Producer(driver.Producer):
    """Faust's producer, idempotent where the broker can: a retried send is stored once, in order."""

    idempotent = True

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": self.idempotent}


def transport(
    chunked: frozenset[str], before_wait: Callable[[], Awaitable[None]], *, idempotent: bool
) -> type[driver.Transport]:
    """The transport for one app: see the class attributes of `Consumer` and `Producer`."""
    attributes = {"chunked": chunked, "before_wait": staticmethod(before_wait)}

    class Transport(driver.Transport):
        pass

    Transport.Consumer = type("Consumer", (Consumer,), attributes)
    Transport.Producer = type("Producer", (Producer,), {"idempotent": idempotent})
    return Transport
