"""The composition root: settings in, a Faust app with everything wired to everything out.

Law of this file: it alone knows all parts; it decides nothing. Anything unexpected ends the worker
loudly (`crash`): a supervisor starts it clean, and the state says where to go on.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import Any, cast

import faust
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.partitioner import murmur2
from aiokafka.structs import ConsumerRecord
from faust.types import TP, StreamT
from yarl import URL

from agents.brand_codec import encode_pulses
from agents.brands import Brands, Idle
from agents.channels.registry import channels
from agents.desk import SOURCES, Attempt, DeskAgent, Source
from agents.desk_metrics import DeskWatch, Watched
from agents.errors import TopicsError
from agents.follower import Follower, Headers, Origin, Stats
from agents.heartbeat import BRAND as HEARTBEAT
from agents.heartbeat import PARAMS as HEARTBEAT_PARAMS
from agents.heartbeat import Heartbeat
from agents.liveness import Progress, stalled
from agents.on_call.roster import LiveRoster
from agents.pace import Pace
from agents.settings import Settings
from agents.standing import StandingCases
from agents.state import ThreadTable
from agents.tallies import Bounds
from agents.thresholds import LiveThresholds, told_of
from agents.topics import topics
from agents.transport import Consumer, Producer, RawSchema, transport
from agents.usuals import LiveUsuals, encode_usuals
from agents.watermarks import high_watermarks
from agents.words import reader_of
from streams.alert import Alert, encode_alert
from streams.audit import Audited
from streams.delivery import Case, Delivery
from streams.desk import Held
from streams.incident import Incident, Revise, encode_command
from streams.judge import storm_size
from streams.links import Links, links
from streams.params import ThreadParams
from streams.pulse import Mark, Pulse, Said, Told, Volume
from streams.shadow import Tally
from streams.usual import Usual

__all__ = ["KafkaOutput", "Worker", "build"]

log = logging.getLogger(__name__)

_CHUNK_RECORDS = 2000  # most records of one fetch; some 30 ms of work
_CHUNKS_WAITING = 6
_ALERTS_LOOKED_BACK = 5000  # per partition of `alerts`: far more than can be raised between two flushes
_BATCH_BYTES = 512 * 1024
_FETCH_BYTES = 512 * 1024  # of one partition at once; a single record may be bigger and comes all the same
_CUT_BYTES = 4096
_PULSES_PER_RECORD = 200  # some 30 bytes each; at most 2.2 KB, the name of a feed of 512 wide characters
_ORIGIN = re.compile(rb"(.*):([0-9]{1,9}):([0-9]{1,18})", re.DOTALL)


class KafkaOutput:
    """Sends results with the app's own producer; see `agents.follower.Output`."""

    def __init__(self, app: faust.App, settings: Settings, source: str, changelog: str) -> None:
        self._app = app
        self._origin = f"{settings.app_id}:{source}:".encode()
        names = topics(settings)
        self._alerts = names.alerts.name
        self._rejects = names.rejects.name
        self._pulse = names.brand_pulse.name
        self._shadow = names.shadow.name
        self._usual = names.usual.name
        self._holds = names.holds.name
        self._commands = names.commands.name
        self._pages = names.pages.name
        self._audit = names.audit.name
        self._changelog = changelog
        self._partitions = settings.partitions
        self._reject_bytes = settings.max_record_bytes

    async def alert(self, alert: Alert, origin: Origin) -> Awaitable[Any]:
        """Key: the brand. The header `origin` names the record that raised it, and the app that read it."""
        headers: Headers = [("origin", b"%b%d:%d" % (self._origin, *origin))]
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

    async def revise(self, notice: Revise) -> Awaitable[Any]:
        """Key: the brand, whose desk is asked as by anybody else."""
        return await self._send(self._commands, notice.brand.encode(), encode_command(notice), [])

    async def _send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers
    ) -> Awaitable[Any]:
        sent: Awaitable[Any] = await self._app.producer.send(topic, key, value, None, None, headers)
        return sent

    async def shadow(self, partition: int, tallies: Mapping[str, Tally]) -> list[Awaitable[Any]]:
        """Key: brand and partition, of which each counts its own threads."""
        sends = []
        for brand, tally in tallies.items():
            told = msgspec.json.encode(told_of(brand, partition, tally))
            sends.append(await self._send(self._shadow, f"{brand}/{partition}".encode(), told, []))
        return sends

    async def usual(self, brand: str, latest: tuple[Usual, ...]) -> Awaitable[Any]:
        """Key: the brand."""
        return await self._send(self._usual, brand.encode(), encode_usuals(latest), [])

    async def hold(self, thread_id: str, held: Held | None) -> Awaitable[Any]:
        """Key: the thread. A tombstone where nothing is held any more."""
        value = None if held is None else msgspec.json.encode(held)
        return await self._send(self._holds, thread_id.encode(), value, [])

    async def attempt(self, attempt: Attempt) -> Awaitable[Any]:
        """Key: the incident."""
        return await self._send(self._pages, attempt.incident.encode(), msgspec.json.encode(attempt), [])

    async def audit(self, audited: Audited) -> Awaitable[Any]:
        """Key: the brand."""
        return await self._send(self._audit, audited.brand.encode(), msgspec.json.encode(audited), [])

    async def changelog(
        self, partition: int, records: Iterable[tuple[bytes, bytes | None]]
    ) -> list[Awaitable[Any]]:
        """State of one partition, in order."""
        return await self._batches(self._changelog, partition, records)

    async def pulses(self, told: Iterable[Told]) -> list[Awaitable[Any]]:
        """Key: the brand. A mark has none and goes to every partition, behind the pulses that it covers.

        What there is of a brand goes into one record, or few: hours of event time after an outage are as
        many records as a second is.
        """
        of_brands: dict[str, list[Pulse | Volume | Said]] = {}
        marks: list[Mark] = []
        for one in told:
            if isinstance(one, Mark):
                marks.append(one)
            else:
                of_brands.setdefault(one.brand, []).append(one)
        records: dict[int, list[tuple[bytes | None, bytes]]] = {}
        for brand, pulses in of_brands.items():
            batch = records.setdefault(_partition_of(brand, self._partitions), [])
            for at in range(0, len(pulses), _PULSES_PER_RECORD):
                batch.append((brand.encode(), encode_pulses(pulses[at : at + _PULSES_PER_RECORD])))
        for mark in marks:
            for number in range(self._partitions):
                records.setdefault(number, []).append((None, encode_pulses([mark])))
        pending: list[Awaitable[Any]] = []
        for number, batch in records.items():
            pending += await self._batches(self._pulse, number, batch)
        return pending

    async def _batches(
        self, topic: str, partition: int, records: Iterable[tuple[bytes | None, bytes | None]]
    ) -> list[Awaitable[Any]]:
        """Whole batches, built here: a fifth of the cost of sending record by record."""
        producer = cast(Producer, self._app.producer)._ensure_producer()
        pending: list[Awaitable[Any]] = []
        batch = producer.create_batch()
        for key, value in records:
            if batch.append(key=key, value=value, timestamp=None) is not None:
                continue
            pending.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()  # takes one record of any size
            if batch.append(key=key, value=value, timestamp=None) is None:
                raise RuntimeError(f"a record for {topic}, partition {partition}, that no batch takes")
        pending.append(await producer.send_batch(batch, topic, partition=partition))
        return pending


class Worker:
    """A Faust app and what it works with."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        names = topics(settings)
        self._mentions_topic = names.mentions.name
        self._pulse_topic = names.brand_pulse.name
        self._alerts_topic = names.alerts.name
        self.app = app = _faust_app(settings)
        self.table = self._table("threads", names.threads_changelog.name, self._recovered)
        self.brand_table = self._table("brands", names.brands_changelog.name, self._brands_recovered)
        self.thresholds = LiveThresholds(settings)
        self.usuals = LiveUsuals(settings)
        self.heartbeat = Heartbeat(url.get_secret_value()) if (url := settings.heartbeat_url) else None
        self.reader = reader_of(settings)
        self.follower = Follower(
            settings.decoder(),
            self.thresholds.params_for if self.heartbeat is None else self._params_for,
            KafkaOutput(app, settings, self._mentions_topic, names.threads_changelog.name),
            beside=self.thresholds.beside,
            usuals=self.usuals.latest,
            stats=Stats(Bounds({"brand": settings.brands})),
            reader=self.reader,
        )
        self.brands = Brands(
            lambda _: settings.brand_thresholds,
            KafkaOutput(app, settings, self._pulse_topic, names.brands_changelog.name),
            settings.partitions,
            self.follower.stats,
        )
        self._desk_topics: dict[str, Source] = {names.alerts.name: "alerts", names.commands.name: "commands"}
        self.incident_table = self._table("incidents", names.incidents.name, self._desk_recovered)
        self.channels = channels(settings.channels, self._links)
        self.roster = LiveRoster(settings)
        self.desk = DeskAgent(
            self.roster,
            settings.paging,
            self.channels,
            Watched(
                KafkaOutput(app, settings, self._alerts_topic, names.incidents.name),
                self.follower.stats.tallies,
            ),
            keyed=self.channels.keyed,
            heartbeat=self._is_heartbeat,
        )
        self.standing = StandingCases(
            self._incidents, self.channels.told_again, self.channels.tell, self.follower.stats.tallies
        )
        self.desk_watch = DeskWatch(self.follower.stats.tallies, self._incidents)
        self.desk_progress = {source: Progress() for source in SOURCES}
        self.progress = Progress()
        self.pulse_progress = Progress()
        self.idle = Idle(settings.idle_after_s)
        kafka = transport(
            chunked=frozenset({self._mentions_topic, self._pulse_topic, *self._desk_topics}),
            before_wait=self._flush,
            durable=self._durable,
            idempotent=settings.idempotent_producer,
        )
        app.transport = kafka(app.conf.broker_consumer, app)
        app.producer_transport = kafka(app.conf.broker_producer, app)
        mentions = app.topic(
            self._mentions_topic, schema=RawSchema(), allow_empty=True, maxsize=_CHUNKS_WAITING
        )
        app.agent(mentions, name="mentions")(self._mentions)
        pulses = app.topic(self._pulse_topic, schema=RawSchema(), allow_empty=True, maxsize=_CHUNKS_WAITING)
        app.agent(pulses, name="brand-pulse")(self._pulses)
        for topic, source in self._desk_topics.items():
            read = app.topic(topic, schema=RawSchema(), allow_empty=True, maxsize=_CHUNKS_WAITING)
            app.agent(read, name=f"desk-{source}")(partial(self._desk, source))
        app.task(self._work_at_desk)
        app.task(self._tell_standing)
        app.task(self._read_calendars)
        if self.heartbeat is not None:
            app.task(self._beat)
        app.on_partitions_revoked.connect(self._revoked)
        app.task(self._flush_on_time)
        app.task(self._tell_idle)
        app.task(self._watch_progress)

    async def _mentions(self, stream: StreamT[Any]) -> None:
        """Reads `mentions`, keeps table `threads` keyed by thread id, writes alerts, pulses and rejects.

        On failure the worker ends: Faust would restart the agent and skip what it failed on.
        """
        async for event in cast(faust.Stream[Any], stream).noack().events():
            try:
                await self.follower.take(event.value, event)
                event.value.records.clear()  # the event waits for the flush; what it brought need not
            except Exception as error:
                await self._end(error)
                raise

    async def _pulses(self, stream: StreamT[Any]) -> None:
        """Reads `brand-pulse`, keeps table `brands` keyed by brand, writes `alerts`; fails as `_mentions`."""
        async for event in cast(faust.Stream[Any], stream).noack().events():
            try:
                await self.brands.take(event.value, event)
            except Exception as error:
                await self._end(error)
                raise

    async def _desk(self, source: Source, stream: StreamT[Any]) -> None:
        """Reads `alerts` and `commands`, keeps `incidents`; fails as `_mentions`.

        Writes `holds`, `pages` and `audit`.
        """
        async for event in cast(faust.Stream[Any], stream).noack().events():
            try:
                self.desk.take(source, event.value, event)
            except Exception as error:
                await self._end(error)
                raise

    async def _work_at_desk(self) -> None:
        try:
            await self.desk.run()
        except Exception as error:
            await self._end(error)
            raise

    def _links(self, delivery: Delivery, now_ms: int) -> Links | None:
        web, keys = self.settings.web, self.settings.web_keys
        if web.public_url is None:
            return None
        return links(delivery, web.public_url, keys[0] if keys else None, now_ms, web.link_s)

    async def _tell_standing(self) -> None:
        try:
            await self.standing.run()
        except Exception as error:
            await self._end(error)
            raise

    async def _read_calendars(self) -> None:
        try:
            await self.roster.run()
        except Exception as error:
            await self._end(error)
            raise

    def _incidents(self) -> Iterable[Incident]:
        return (
            one for partition in self.desk.partitions.values() for one in partition.desk.incidents.values()
        )

    def _params_for(self, brand: str) -> ThreadParams:
        return HEARTBEAT_PARAMS if brand == HEARTBEAT else self.thresholds.params_for(brand)

    def storm_size(self, brand: str, learned: int) -> int:
        """The mentions within 24 hours that make a storm of a thread that `learned` it so, as set now."""
        return storm_size(self.thresholds.params_for(brand), learned)

    def _is_heartbeat(self, case: Case, at_ms: int) -> bool:
        if case.brand != HEARTBEAT:
            return False
        if self.heartbeat is not None:
            self.heartbeat.heard(case, at_ms)
        return True

    async def _beat(self) -> None:
        async def send(key: bytes, value: bytes) -> None:
            await self.app.producer.send(self._mentions_topic, key, value, None, None, [])

        if self.heartbeat is not None:
            await self.heartbeat.run(send)

    async def _flush(self, threads: bool = True) -> None:
        await (self.follower.flush() if threads else self.follower.release())
        await self.brands.flush()
        await self.desk.flush()

    def _durable(self, tp: TP) -> int | None:
        if (source := self._desk_topics.get(tp.topic)) is not None:
            return self.desk.durable(source, tp.partition)
        agent = self.follower if tp.topic == self._mentions_topic else self.brands
        return agent.durable(tp.partition)

    async def _flush_on_time(self) -> None:
        pace = Pace()
        while not self.app.should_stop:
            await asyncio.sleep(self.settings.flush_interval_s)
            try:
                waiting = sum(self.progress.lag().values())
                await self._flush(threads=pace.is_due(self.follower.stats.mentions, waiting))
            except Exception as error:
                await self._end(error)
                raise

    async def _revoked(self, *_: Any, **__: Any) -> None:
        """Everything of ours is written by now; until the next recovery nothing is."""
        self.follower.revoked()
        self.brands.revoked()
        self.desk.revoked()

    async def _watch_progress(self) -> None:
        """Ends a worker whose records wait while it reads none: consumers have been seen to die silently."""
        while not self.app.should_stop:
            await asyncio.sleep(self.settings.flush_interval_s)
            if self.app.rebalancing or self.app.in_recovery:
                self.progress.forget()
                self.pulse_progress.forget()
                for progress in self.desk_progress.values():
                    progress.forget()
                continue
            now_s = asyncio.get_running_loop().time()
            offsets = {number: one.offset for number, one in self.follower.partitions.items()}
            await self._watch(self._mentions_topic, offsets, self.progress, now_s)
            offsets = {number: one.offset for number, one in self.brands.partitions.items()}
            await self._watch(self._pulse_topic, offsets, self.pulse_progress, now_s)
            for topic, source in self._desk_topics.items():
                offsets = {number: one.offsets[source] for number, one in self.desk.partitions.items()}
                await self._watch(topic, offsets, self.desk_progress[source], now_s)

    async def _watch(self, topic: str, offsets: dict[int, int], progress: Progress, now_s: float) -> None:
        for number, offset in offsets.items():
            where = TP(topic, number)
            end = self.app.consumer.highwater(where)
            if end is not None and end < offset + 1:
                await self._end(_recreated(topic, number, offset, end))
            position = cast(Consumer, self.app.consumer).reached(where, offset + 1)
            progress.note(number, position, end, now_s)
        if waiting := stalled(progress, now_s, self.settings.stall_after_s):
            await self._end(
                RuntimeError(f"no record of {topic} read for too long in partitions {sorted(waiting)}")
            )

    async def _tell_idle(self) -> None:
        """Says of partitions of mentions that have nothing left to read that no brand need wait for them."""
        while not self.app.should_stop:
            await asyncio.sleep(min(1.0, self.settings.idle_after_s / 3))
            if self.app.rebalancing or self.app.in_recovery:
                self.idle.forget()
                continue
            try:
                for number, partition in list(self.follower.partitions.items()):
                    where = TP(self._mentions_topic, number)
                    position = cast(Consumer, self.app.consumer).reached(where, partition.offset + 1)
                    end, now_s = self.app.consumer.highwater(where), asyncio.get_running_loop().time()
                    if self.idle.note(number, position, end, now_s):
                        await self.follower.rest(number)
            except Exception as error:
                await self._end(error)
                raise

    def _table(self, name: str, changelog: str, recovered: Callable[[], Awaitable[None]]) -> ThreadTable:
        topic = self.app.topic(changelog, schema=RawSchema(), acks=False, allow_empty=True, maxsize=131_072)
        table = ThreadTable(
            self.app,
            name=name,
            partitions=self.settings.partitions,
            changelog_topic=topic,
            on_recover=recovered,
        )
        self.app.tables.add(table)
        return table

    async def _recovered(self) -> None:
        """State is back: begin from it. Faust drops what this raises, so it ends the worker itself.

        A rebalance may begin while this waits, and does not end it. Then the recovery of that one begins the
        work: begun twice, chunks that were taken in between would be forgotten.
        """
        rebalances = self.app.rebalancing_count
        try:
            self.reader.warm()
            await self.thresholds.topic.catch_up(self.app.add_future)
            await self.usuals.topic.catch_up(self.app.add_future)
            async with AIOKafkaConsumer(**self.settings.aiokafka_kwargs()) as consumer:
                known, _ = await self._alerts_sent(consumer)
                ends = await self._ends(consumer, self._mentions_topic)
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

    async def _brands_recovered(self) -> None:
        """As `_recovered`, for brands."""
        rebalances = self.app.rebalancing_count
        try:
            async with AIOKafkaConsumer(**self.settings.aiokafka_kwargs()) as consumer:
                _, known = await self._alerts_sent(consumer)
                ends = await self._ends(consumer, self._pulse_topic)
            if rebalances != self.app.rebalancing_count:
                return
            stored = self.brand_table.stored
            if stored.keys() != ends.keys():
                raise RuntimeError(f"state of partitions {sorted(stored)} for pulses of {sorted(ends)}")
            self.brands.assigned(stored, known)
            for number, partition in self.brands.partitions.items():
                if partition.offset + 1 > ends[number]:
                    raise _recreated(self._pulse_topic, number, partition.offset, ends[number])
        except Exception as error:
            await self._end(error)
            raise

    async def _desk_recovered(self) -> None:
        """As `_recovered`, for the desk. Deadlines are moments: what has passed meanwhile is done now."""
        rebalances = self.app.rebalancing_count
        try:
            await self.roster.begin()
            async with AIOKafkaConsumer(**self.settings.aiokafka_kwargs()) as consumer:
                ends = {source: await self._ends(consumer, one) for one, source in self._desk_topics.items()}
            if rebalances != self.app.rebalancing_count:
                return
            stored = self.incident_table.stored
            for topic, source in self._desk_topics.items():
                if stored.keys() != ends[source].keys():
                    raise RuntimeError(
                        f"incidents of partitions {sorted(stored)} for {topic} {sorted(ends[source])}"
                    )
            self.desk.assigned(stored)
            self.desk_watch.begin()
            for number, partition in self.desk.partitions.items():
                for topic, source in self._desk_topics.items():
                    if partition.offsets[source] + 1 > ends[source][number]:
                        raise _recreated(topic, number, partition.offsets[source], ends[source][number])
        except Exception as error:
            await self._end(error)
            raise

    async def _ends(self, consumer: AIOKafkaConsumer, topic: str) -> dict[int, int]:
        """Where a topic ends, for each partition that is ours."""
        ours = [tp for tp in self.app.consumer.assignment() if tp.topic == topic]
        return {tp.partition: end for tp, end in (await high_watermarks(consumer, ours)).items()}

    async def _alerts_sent(self, consumer: AIOKafkaConsumer) -> tuple[set[Origin], set[str]]:
        """Of the latest on the topic: the origins of threads' alerts, the ids of brands'. See the ADR."""
        topic = self._alerts_topic
        known: set[Origin] = set()
        brands: set[str] = set()
        mentions, pulses = (
            f"{self.settings.app_id}:{one}".encode() for one in (self._mentions_topic, self._pulse_topic)
        )
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
                known.update(filter(None, (_origin(record, mentions) for record in records)))
                brands.update(_id_of(record.value).id for record in records if _origin(record, pulses))
            # The position, not the last record: the end may hold no record (a transaction's marker).
            for one in [one for one, end in left.items() if await consumer.position(one) >= end]:
                del left[one]
                consumer.pause(one)
        return known, brands

    async def _end(self, error: BaseException) -> None:
        log.error("the worker ends: %r", error, exc_info=error)
        await self.app.crash(error)


def _origin(record: ConsumerRecord, source: bytes) -> Origin | None:
    """The record of `source` (app and topic) that raised an alert; None for any other's, whatever it says."""
    match = _ORIGIN.fullmatch(dict(record.headers).get("origin") or b"")
    return (int(match[2]), int(match[3])) if match and match[1] == source else None


class _Id(msgspec.Struct):
    id: str


_id_of = msgspec.json.Decoder(_Id).decode


@lru_cache(maxsize=4096)
def _partition_of(brand: str, partitions: int) -> int:
    """Where Kafka's own clients put this key."""
    return int((murmur2(brand.encode()) & 0x7FFFFFFF) % partitions)


def _recreated(topic: str, partition: int, offset: int, end: int) -> TopicsError:
    return TopicsError(
        f"topic {topic}, partition {partition} ends at offset {end}; the state has counted up to {offset}: "
        "the topic was made anew or lost records. Begin with a new app_id, or delete the state "
        "(the changelog topics) as well; else all new mentions up to there would be skipped"
    )


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    await consumer._client._wait_on_metadata(topic)
    return set(consumer.partitions_for_topic(topic) or ())


def build(settings: Settings) -> Worker:
    """All of flashover for these settings, not started."""
    return Worker(settings)


class App(faust.App):
    """Faust's app without folders: tables are in memory, and the current folder may be read-only."""

    def _create_directories(self) -> None:
        pass


def _faust_app(settings: Settings) -> faust.App:
    return App(
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
        consumer_max_fetch_size=_FETCH_BYTES,
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
