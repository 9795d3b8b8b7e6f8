"""A process that runs sources: connects them to Kafka, keeps each alive, ends them together.

Law of this file: life and death, and where it goes on. One source that fails stops no other; a broker that
refuses stops all, because nothing may be lost: then the process ends with 70, and its successor begins from
the cursors. Exit codes: 0 asked to stop or read to the end, 1 a source can't go on without a person, 70
crashed.
"""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from importlib.metadata import version
from typing import Any, Final, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from agents.errors import BrokerError, TopicsError, unusable
from agents.intake import FOLLOWS, SOURCE, Headers, Intake, Output, Reader, place_of
from agents.metrics import Sample
from agents.settings import Settings
from agents.source_metrics import (
    SOURCE_BUDGET,
    SOURCE_ERRORS,
    SOURCE_RECONNECTS,
    SOURCE_TURNED_AWAY,
    SOURCE_UP,
)
from agents.sources.kinds import KINDS, make
from agents.sources.source import Context, Cursor, OutageError, UnusableError
from agents.tallies import Bounds, Tallies
from agents.terminal import safe
from agents.topics import topics
from agents.watermarks import high_watermarks
from streams.followed import FORGET_MS, Followed, Own
from streams.language import detect_language

__all__ = ["Status", "Supervised", "cursors_of", "main", "pause_s", "reader_of", "supervise"]

log = logging.getLogger(__name__)

EXIT_CRASHED: Final = 70  # EX_SOFTWARE of sysexits.h
EXIT_STOPPED: Final = 1

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 120.0
_STATUS_EVERY_S: Final = 30.0
_TAIL_RECORDS: Final = 400_000  # of mentions, read at the start to know which threads are followed
_STOP_WITHIN_S: Final = 15.0


class Status(msgspec.Struct):
    """How a source is; kept beside its cursors, under its name alone, for `flashover source list`."""

    state: str = "starting"  # reading, waiting, stopped, ended
    why: str = ""  # a sentence, where it is not reading
    at_ms: int = 0
    budgets: dict[str, float] = {}


class Supervised(NamedTuple):
    """One source under way."""

    intake: Intake
    since: Mapping[str, Cursor]
    status: Status


def pause_s(tries: int, dice: Callable[[], float], after_s: float | None = None) -> float:
    """Seconds before the next try: 1 to 2, then twice that up to two minutes, never less than asked.

    Jittered upwards (`dice` answers 0..1), so that those who were cut off together do not come back together;
    by no more than the pause itself, because what was asked may be days.
    """
    pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(tries - 1, 20))
    return max(pause, after_s or 0.0) + pause * dice()


async def supervise(
    one: Supervised,
    tallies: Tallies,
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    dice: Callable[[], float] = random.random,
) -> None:
    """Keep a source reading until it ends, can't go on, or is cancelled. Raises what the broker refuses."""
    intake, status, name = one.intake, one.status, one.intake.reader.name
    tallies.begin(SOURCE_RECONNECTS, name)
    tries = 0
    while True:
        after_s: float | None = None
        try:
            async with aclosing(intake.reader.source.arrivals({**one.since, **intake.cursors})) as arrivals:
                status.state, status.why = "reading", ""
                async for arrival in arrivals:
                    tries = 0
                    await intake.take(arrival)
            await intake.flush()
            status.state = "ended"
            log.info("source %s: read to its end", name)
            return
        except UnusableError as error:
            await intake.flush()
            tallies.count(SOURCE_ERRORS, name, error.reason)
            status.state, status.why = "stopped", str(error)
            log.error("source %s stops: %s", name, safe(str(error)))
            return
        except OutageError as error:
            tallies.count(SOURCE_ERRORS, name, error.reason)
            status.why, after_s = str(error), error.after_s
            log.warning("source %s: %s", name, safe(str(error)))
        except BrokerError:
            raise
        except Exception as error:
            # A bug, most likely of ours: told with its trace, and no reason to be deaf from now on.
            tallies.count(SOURCE_ERRORS, name, "unexpected")
            status.why = type(error).__name__
            log.exception("source %s: unexpected", name)
        status.state = "waiting"
        tries += 1
        await intake.flush()  # so that it goes on where it stopped
        await sleep(pause_s(tries, dice, after_s))
        tallies.count(SOURCE_RECONNECTS, name)


def reader_of(name: str, settings: Settings, followed: Followed | None = None) -> Reader:
    """The named source under these settings; sources of a platform share `followed`. Raises UnusableError."""
    given = settings.sources[name]
    own = settings.own_accounts()
    platform = KINDS[given.kind].platform
    accounts = frozenset(
        account.removeprefix(f"{platform}:")
        for accounts in own.values()
        for account in accounts
        if account.startswith(f"{platform}:") or ":" not in account or account.startswith("did:")
    )
    agent = f"flashover/{version('flashover')}"
    matcher = settings.matcher()
    source = make(given, Context(name, accounts, agent, lambda text: bool(matcher.brands(text))))
    followed = Followed() if followed is None else followed
    return Reader(name, source, matcher, Own(own), settings.decoder(), followed, detect_language)


class KafkaOutput:
    """The topics `mentions`, `rejects` and `cursors`. What the client raises leaves as BrokerError."""

    def __init__(self, producer: AIOKafkaProducer, settings: Settings) -> None:
        names = topics(settings)
        self._producer = producer
        self._mentions, self._rejects = names.mentions.name, names.rejects.name
        self._cursors = names.cursors.name

    async def mention(self, key: bytes, value: bytes, headers: Headers) -> Awaitable[Any]:
        """Key: the thread."""
        return await self._send(self._mentions, key, value, headers)

    async def reject(self, key: bytes | None, value: bytes | None, headers: Headers) -> Awaitable[Any]:
        """As it came."""
        return await self._send(self._rejects, key, value, headers)

    async def cursor(self, key: bytes, value: bytes | None) -> Awaitable[Any]:
        """Key: source and place."""
        return await self._send(self._cursors, key, value, [])

    async def _send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers
    ) -> Awaitable[Any]:
        try:
            sent = await self._producer.send(topic, value=value, key=key, headers=headers)
        except KafkaError as error:
            raise BrokerError(f"the broker does not take a record of {topic}: {error!r}") from None
        return _acknowledged(sent, topic)


async def _acknowledged(sent: Awaitable[Any], topic: str) -> None:
    try:
        await sent
    except KafkaError as error:
        raise BrokerError(f"the broker did not take a record of {topic}: {error!r}") from None


class _Told(msgspec.Struct):
    """What `Followed` needs to know of a mention that was sent."""

    id: str
    brand: str
    platform: str
    thread_id: str
    created_at: int
    deleted: bool = False


_told = msgspec.json.Decoder(_Told).decode


async def _records(consumer: AIOKafkaConsumer, topic: str, tail: int | None = None) -> AsyncIterator[Any]:
    """All records of a topic up to its present end, or the last `tail` of them, over all partitions."""
    await consumer._client._wait_on_metadata(topic)
    numbers = consumer.partitions_for_topic(topic)
    if not numbers:
        raise TopicsError(f"topic {topic} is missing: `flashover topics create` makes it")
    partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
    consumer.assign(partitions)
    ends = await high_watermarks(consumer, partitions)
    begins = await consumer.beginning_offsets(partitions)
    for one in partitions:
        first = begins[one] if tail is None else max(begins[one], ends[one] - tail // len(partitions))
        consumer.seek(one, first)
    left = {one for one in partitions if begins[one] < ends[one]}
    while left:
        batch = await consumer.getmany(*left, timeout_ms=500)
        for records in batch.values():
            for record in records:
                yield record
        left = {one for one in left if await consumer.position(one) < ends[one]}


async def cursors_of(
    consumer: AIOKafkaConsumer, settings: Settings
) -> tuple[dict[str, dict[str, Cursor]], dict[str, Status]]:
    """The cursors by source and place, and each source's last status; what is neither is passed over."""
    cursors: dict[str, dict[str, Cursor]] = {}
    status: dict[str, Status] = {}
    async for record in _records(consumer, topics(settings).cursors.name):
        if record.key is None:
            continue
        name, place = place_of(record.key)
        try:
            if b" " not in record.key:
                if record.value is not None:
                    status[name] = msgspec.json.decode(record.value, type=Status)
            elif record.value is None:
                cursors.get(name, {}).pop(place, None)
            else:
                cursors.setdefault(name, {})[place] = msgspec.json.decode(record.value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            log.warning("topic cursors, offset %d: not a cursor of ours", record.offset)
    return cursors, status


async def _learn(consumer: AIOKafkaConsumer, settings: Settings, readers: Mapping[str, Reader]) -> None:
    """Tell each `Followed` what its sources, here or in other processes, sent lately."""
    platforms = {KINDS[settings.sources[name].kind].platform: one.followed for name, one in readers.items()}
    async for record in _records(consumer, topics(settings).mentions.name, _TAIL_RECORDS):
        headers = dict(record.headers or ())
        if SOURCE not in headers or record.value is None:
            continue
        try:
            told = _told(record.value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
        reader = readers.get((headers[SOURCE] or b"").decode("utf-8", "replace"))
        followed = reader.followed if reader is not None else platforms.get(told.platform)
        if followed is not None and not told.deleted:
            whole = headers.get(FOLLOWS) == b"thread"
            followed.learn(told.brand, told.id, told.thread_id, told.created_at, whole)


class _Process:
    """The sources of one process and what they share."""

    def __init__(
        self, settings: Settings, readers: Mapping[str, Reader], status: Mapping[str, Status] | None = None
    ) -> None:
        self.settings = settings
        self.readers = readers
        self.status = {name: Status() for name in readers} if status is None else status
        self.tallies = Tallies(Bounds({"source": readers}))
        self.sources: list[Supervised] = []

    def look(self) -> Iterable[Sample]:
        """Every series now."""
        for one in self.sources:
            name = one.intake.reader.name
            one.intake.tell()
            if one.status.state != "ended":
                yield Sample(SOURCE_UP, (name,), float(one.status.state == "reading"))
            for what, left in one.intake.reader.source.budgets().items():
                self.tallies.set(SOURCE_BUDGET, left, name, what)
            for why, count in one.intake.reader.source.turned_away().items():
                yield Sample(SOURCE_TURNED_AWAY, (name, why), count)
        for metric, values in self.tallies.values.items():
            yield from (Sample(metric, labels, value) for labels, value in values.items())

    async def begin(self, output: Output) -> None:
        """Read where each goes on, and which threads it follows."""
        async with _consumer(self.settings) as consumer:
            cursors, _ = await cursors_of(consumer, self.settings)
            await _learn(consumer, self.settings, self.readers)
        for name, reader in self.readers.items():
            intake = Intake(reader, output, self.tallies, _now_ms)
            self.sources.append(Supervised(intake, cursors.get(name, {}), self.status[name]))
            log.info(
                "source %s: %d cursors, %d threads followed",
                name,
                len(cursors.get(name, {})),
                len(reader.followed),
            )

    async def run(self, stop: asyncio.Event, output: Output) -> int:
        """Until asked to stop, or all have ended; then everything taken is made durable."""
        supervisors = [asyncio.ensure_future(supervise(one, self.tallies)) for one in self.sources]
        keepers = [asyncio.ensure_future(self._keep(one, output)) for one in self.sources]
        stopping = asyncio.ensure_future(stop.wait())
        everybody = asyncio.gather(*supervisors)
        waits: list[asyncio.Future[Any]] = [stopping, everybody, *keepers]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for done in waits:
                if done.done() and (error := done.exception()) is not None:
                    raise error
        finally:
            for task in (*waits, *supervisors):
                task.cancel()
            await asyncio.gather(*waits, *supervisors, return_exceptions=True)
        for supervised in self.sources:
            await supervised.intake.flush()
            if supervised.status.state in ("reading", "waiting", "starting"):
                supervised.status.state, supervised.status.why = "ended", "asked to stop"
            await self._tell(supervised, output)
        return EXIT_STOPPED if any(one.status.state == "stopped" for one in self.sources) else 0

    async def _keep(self, one: Supervised, output: Output) -> None:
        told, told_at = "", 0.0
        while True:
            try:
                async with asyncio.timeout(self.settings.flush_interval_s):
                    await one.intake.due.wait()
            except TimeoutError:
                pass
            await one.intake.flush()
            one.intake.reader.followed.forget(_now_ms() - FORGET_MS)
            now_s = time.monotonic()
            if one.status.state != told or now_s - told_at > _STATUS_EVERY_S:
                told, told_at = one.status.state, now_s
                await self._tell(one, output)

    async def _tell(self, one: Supervised, output: Output) -> None:
        one.status.at_ms = _now_ms()
        one.status.budgets = dict(one.intake.reader.source.budgets())
        await (await output.cursor(one.intake.reader.name.encode(), msgspec.json.encode(one.status)))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@asynccontextmanager
async def _consumer(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of no group. Raises BrokerError for what the client raises."""
    consumer = AIOKafkaConsumer(
        **settings.aiokafka_kwargs(),
        enable_auto_commit=False,
        max_partition_fetch_bytes=settings.max_record_bytes + 65_536,
    )
    try:
        await consumer.start()
        yield consumer
    except (KafkaError, OSError) as error:
        raise unusable(settings.brokers, error) from None
    finally:
        await consumer.stop()


@asynccontextmanager
async def _output(settings: Settings) -> AsyncIterator[KafkaOutput]:
    producer = AIOKafkaProducer(
        **settings.aiokafka_kwargs(),
        acks="all",
        enable_idempotence=settings.idempotent_producer,
        linger_ms=50,
        max_request_size=settings.max_record_bytes + 65_536,
    )
    try:
        await producer.start()
    except (KafkaError, OSError) as error:
        await producer.stop()
        raise unusable(settings.brokers, error) from None
    try:
        yield KafkaOutput(producer, settings)
    finally:
        await asyncio.wait_for(producer.stop(), _STOP_WITHIN_S)


async def take_in(
    settings: Settings,
    readers: Mapping[str, Reader],
    stop: asyncio.Event,
    status: Mapping[str, Status] | None = None,
) -> int:
    """Run these sources until `stop`, or until all have ended; answers the exit code. Raises BrokerError.

    In `status`, by name, they write how they are, for who looks on.
    """
    from agents.exposition import page

    process = _Process(settings, readers, status)
    async with (
        page(settings.metrics_host, settings.source_metrics_port, process.look, process.tallies),
        _output(settings) as output,
    ):
        await process.begin(output)
        return await process.run(stop, output)


async def _until_signal(settings: Settings, readers: Mapping[str, Reader]) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return await take_in(settings, readers, stop)


def readers_of(settings: Settings, names: Iterable[str]) -> tuple[dict[str, Reader], list[str]]:
    """The named sources that can be made, and a sentence for each that can't."""
    readers: dict[str, Reader] = {}
    followed: dict[str, Followed] = {}
    problems: list[str] = []
    for name in names:
        try:
            platform = KINDS[settings.sources[name].kind].platform
            readers[name] = reader_of(name, settings, followed.setdefault(platform, Followed()))
        except UnusableError as error:
            problems.append(f"source {name} stops: {safe(str(error))}")
    return readers, problems


def main(settings: Settings, names: Iterable[str]) -> int:
    """The command `flashover source run`; the answer is its exit code."""
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    readers, problems = readers_of(settings, names)
    for problem in problems:
        log.error(problem)
    if not readers:
        return EXIT_STOPPED
    try:
        return asyncio.run(_until_signal(settings, readers)) or (EXIT_STOPPED if problems else 0)
    except TopicsError:
        raise
    except BrokerError as error:
        log.error("the sources end: %s", error)
        return EXIT_CRASHED
