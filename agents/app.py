"""The composition root: settings in, a Faust app with everything wired to everything out.

Law of this file: it alone knows all parts; it decides nothing. Anything unexpected ends the worker
loudly (`crash`): a supervisor starts it clean, and the state says where to go on.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Iterable
from typing import Any, cast

import faust
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord
from faust.types import TP, StreamT
from yarl import URL

from agents.errors import TopicsError
from agents.follower import Follower, Headers, Origin
from agents.liveness import Progress, stalled
from agents.settings import Settings
from agents.state import ThreadTable
from agents.topics import topics
from agents.transport import Consumer, Producer, RawSchema, transport
from agents.watermarks import high_watermarks
from streams.alert import Alert, encode_alert

__all__ = ["KafkaOutput", "Worker", "build"]

log = logging.getLogger(__name__)

_CHUNK_RECORDS = 2000  # most records of one fetch; some 30 ms of work
_CHUNKS_WAITING = 16
_ALERTS_LOOKED_BACK = 5000  # per partition of `alerts`: far more than can be raised between two flushes
_BATCH_BYTES = 512 * 1024
_CUT_BYTES = 4096
_ORIGIN = re.compile(rb"(.*):([0-9]{1,9}):([0-9]{1,18})", re.DOTALL)


class KafkaOutput:
    """Sends results with the app's own producer; see `agents.follower.Output`."""

    def __init__(self, app: faust.App, settings: Settings) -> None:
        self._app = app
        self._app_id = settings.app_id.encode()
        names = topics(settings)
        self._alerts = names.alerts.name
        self._rejects = names.rejects.name
        self._reject_bytes = settings.max_record_bytes
        self._changelog = names.threads_changelog.name

    async def alert(self, alert: Alert, origin: Origin) -> Awaitable[Any]:
        """Key: the brand. The header `origin` names the mention that raised it, and the app that saw it."""
        headers: Headers = [("origin", b"%b:%d:%d" % (self._app_id, *origin))]
        return await self._send(self._alerts, alert.brand.encode(), encode_alert(alert), headers)

    async def reject(self, key: bytes | None, value: bytes | None, headers: Headers) -> Awaitable[Any]:
        """Key and value are the record's own, untouched.

        But for a record that came compressed and is bigger than the topic takes: it is cut, and says so.
        """
        size = len(key or b"") + len(value or b"")
        if size > self._reject_bytes:
            key, value = key and key[:_CUT_BYTES], value and value[:_CUT_BYTES]
            headers = [*headers, ("cut", str(size).encode())]
        return await self._send(self._rejects, key, value, headers)

    async def _send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers
    ) -> Awaitable[Any]:
        sent: Awaitable[Any] = await self._app.producer.send(topic, key, value, None, None, headers)
        return sent

    async def changelog(
        self, partition: int, records: Iterable[tuple[bytes, bytes | None]]
    ) -> list[Awaitable[Any]]:
        """Whole batches, built here: a fifth of the cost of sending record by record."""
        producer = cast(Producer, self._app.producer)._ensure_producer()
        pending: list[Awaitable[Any]] = []
        batch = producer.create_batch()
        for key, value in records:
            if batch.append(key=key, value=value, timestamp=None) is None:
                pending.append(await producer.send_batch(batch, self._changelog, partition=partition))
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)
        pending.append(await producer.send_batch(batch, self._changelog, partition=partition))
        return pending


class Worker:
    """A Faust app and what it works with."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        names = topics(settings)
        self._mentions_topic = names.mentions.name
        self._alerts_topic = names.alerts.name
        self.app = app = _faust_app(settings)
        self.table = ThreadTable(
            app,
            name="threads",
            partitions=settings.partitions,
            changelog_topic=app.topic(
                names.threads_changelog.name,
                schema=RawSchema(),
                acks=False,
                allow_empty=True,
                maxsize=131_072,
            ),
            on_recover=self._recovered,
        )
        app.tables.add(self.table)
        self.follower = Follower(settings.decoder(), settings.params_for, KafkaOutput(app, settings))
        self.progress = Progress()
        kafka = transport(
            chunked=frozenset({self._mentions_topic}),
            before_wait=self.follower.flush,
            durable=self.follower.durable,
            idempotent=settings.idempotent_producer,
        )
        app.transport = kafka(app.conf.broker_consumer, app)
        app.producer_transport = kafka(app.conf.broker_producer, app)
        mentions = app.topic(
            self._mentions_topic, schema=RawSchema(), allow_empty=True, maxsize=_CHUNKS_WAITING
        )
        app.agent(mentions, name="mentions")(self._mentions)
        app.on_partitions_revoked.connect(self._revoked)
        app.task(self._flush_on_time)
        app.task(self._watch_progress)

    async def _mentions(self, stream: StreamT[Any]) -> None:
        """Reads `mentions`, keeps table `threads` keyed by thread id, writes `alerts` and `rejects`.

        On failure the worker ends: Faust would restart the agent and skip what it failed on.
        """
        async for event in cast(faust.Stream[Any], stream).noack().events():
            try:
                await self.follower.take(event.value, event)
            except Exception as error:
                await self._end(error)
                raise

    async def _flush_on_time(self) -> None:
        while not self.app.should_stop:
            await asyncio.sleep(self.settings.flush_interval_s)
            try:
                await self.follower.flush()
            except Exception as error:
                await self._end(error)
                raise

    async def _revoked(self, *_: Any, **__: Any) -> None:
        """Everything of ours is written by now; until the next recovery nothing is."""
        self.follower.revoked()

    async def _watch_progress(self) -> None:
        """Ends a worker whose records wait while it reads none: consumers have been seen to die silently."""
        while not self.app.should_stop:
            await asyncio.sleep(self.settings.flush_interval_s)
            if self.app.rebalancing or self.app.in_recovery:
                self.progress.forget()
                continue
            for number, partition in list(self.follower.partitions.items()):
                where = TP(self._mentions_topic, number)
                end = self.app.consumer.highwater(where)
                if end is not None and end < partition.offset + 1:
                    await self._end(_recreated(self._mentions_topic, number, partition.offset, end))
                position = cast(Consumer, self.app.consumer).reached(where, partition.offset + 1)
                self.progress.note(number, position, end, asyncio.get_running_loop().time())
            waiting = stalled(self.progress, asyncio.get_running_loop().time(), self.settings.stall_after_s)
            if waiting:
                await self._end(RuntimeError(f"no record read for too long in partitions {sorted(waiting)}"))

    async def _recovered(self) -> None:
        """State is back: begin from it. Faust drops what this raises, so it ends the worker itself.

        A rebalance may begin while this waits, and does not end it. Then the recovery of that one begins the
        work: begun twice, chunks that were taken in between would be forgotten.
        """
        rebalances = self.app.rebalancing_count
        try:
            async with AIOKafkaConsumer(**self.settings.aiokafka_kwargs()) as consumer:
                known = await self._alerts_sent(consumer)
                ends = await self._mention_ends(consumer)
            if rebalances != self.app.rebalancing_count:
                return
            stored = self.table.stored
            if stored.keys() != ends.keys():
                raise RuntimeError(f"state of partitions {sorted(stored)} for mentions of {sorted(ends)}")
            self.follower.assigned(stored, known)
            for number, partition in self.follower.partitions.items():
                if partition.offset + 1 > ends[number]:
                    raise _recreated(self._mentions_topic, number, partition.offset, ends[number])
            threads = sum(len(values) for values in stored.values())
            log.info("state of %d partitions is back, %d records", len(stored), threads)
        except Exception as error:
            await self._end(error)
            raise

    async def _mention_ends(self, consumer: AIOKafkaConsumer) -> dict[int, int]:
        """Where the mentions end, for each partition that is ours."""
        ours = [tp for tp in self.app.consumer.assignment() if tp.topic == self._mentions_topic]
        return {tp.partition: end for tp, end in (await high_watermarks(consumer, ours)).items()}

    async def _alerts_sent(self, consumer: AIOKafkaConsumer) -> set[Origin]:
        """Which mentions have their alert on the topic already, of the latest ones: see the ADR."""
        topic = self._alerts_topic
        known: set[Origin] = set()
        numbers = consumer.partitions_for_topic(topic) or await _partitions(consumer, topic)
        partitions = [TopicPartition(topic, number) for number in numbers]
        ends = await high_watermarks(consumer, partitions)
        begins = await consumer.beginning_offsets(partitions)
        left = {one: end for one, end in ends.items() if end > begins[one]}
        consumer.assign(list(left))
        for one, end in left.items():
            consumer.seek(one, max(begins[one], end - _ALERTS_LOOKED_BACK))
        while left:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                known.update(filter(None, (_origin(record, self.settings.app_id) for record in records)))
            # The position, not the last record: the end may hold no record (a transaction's marker).
            for one in [one for one, end in left.items() if await consumer.position(one) >= end]:
                del left[one]
                consumer.pause(one)
        return known

    async def _end(self, error: BaseException) -> None:
        log.error("the worker ends: %r", error, exc_info=error)
        await self.app.crash(error)


def _origin(record: ConsumerRecord, app_id: str) -> Origin | None:
    """The mention that raised an alert of ours; None for anybody else's record, whatever it looks like."""
    match = _ORIGIN.fullmatch(dict(record.headers).get("origin") or b"")
    return (int(match[2]), int(match[3])) if match and match[1] == app_id.encode() else None


def _recreated(topic: str, partition: int, offset: int, end: int) -> TopicsError:
    return TopicsError(
        f"topic {topic}, partition {partition} ends at offset {end}; the state has counted up to {offset}: "
        "the topic was made anew or lost records. Begin with a new app_id, or delete the state "
        "(the threads-changelog topic) as well; else all new mentions up to there would be skipped"
    )


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    await consumer._client._wait_on_metadata(topic)
    return set(consumer.partitions_for_topic(topic) or ())


def build(settings: Settings) -> Worker:
    """All of flashover for these settings, not started."""
    return Worker(settings)


def _faust_app(settings: Settings) -> faust.App:
    return faust.App(
        settings.app_id,
        broker=[URL(f"kafka://{broker}") for broker in settings.brokers],
        store="memory://",
        autodiscover=False,
        web_enabled=False,  # and `/table` with it
        topic_allow_declare=False,  # topics are an admin's step, not a side effect
        topic_disable_leader=True,
        topic_partitions=settings.partitions,
        table_standby_replicas=0,
        processing_guarantee="at_least_once",
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=settings.max_record_bytes,
        broker_commit_interval=settings.flush_interval_s,
        broker_max_poll_records=_CHUNK_RECORDS,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.session_timeout_s / 4,
        broker_rebalance_timeout=max(10.0, settings.session_timeout_s),
        stream_buffer_maxsize=_CHUNKS_WAITING,
        stream_wait_empty=True,
        producer_linger=0.05,  # s; none at all costs a third of the throughput
        producer_max_batch_size=_BATCH_BYTES,
        producer_max_request_size=settings.max_record_bytes + 64 * 1024,
        producer_acks=-1,
        worker_redirect_stdouts=False,
        broker_credentials=settings.faust_credentials(),
    )
