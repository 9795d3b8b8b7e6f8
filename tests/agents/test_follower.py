"""A worker that dies between any two steps of a flush leaves nothing lost and nothing twice behind."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.codec import CURSOR_KEY, NO_THREADS, decode_cursor, decode_state
from agents.follower import Follower, Headers, Origin
from agents.transport import Chunk
from streams.alert import Alert, encode_alert
from streams.incident import Revise
from streams.judge import follow
from streams.mention import Mention, Reason, hash64
from streams.params import ThreadParams
from streams.pulse import Told
from streams.shadow import Beside, Tally
from streams.thread import Thread
from tests.agents.mentions import DECODER, EAGER, NOW_MS, START_MS, mention, record
from tests.agents.mentions import value as value_of
from tests.streams.readers import reader

Stored = dict[int, dict[bytes, bytes]]


class KilledError(Exception):
    """The process ends here."""


@dataclass
class World:
    """What outlives a worker: the topics and the commits. `kills` counts down the steps to each death."""

    kills: list[int] = field(default_factory=list)
    alerts: list[tuple[bytes, Origin]] = field(default_factory=list)
    rejects: list[tuple[bytes | None, bytes | None, Headers]] = field(default_factory=list)
    notices: list[Revise] = field(default_factory=list)
    stored: Stored = field(default_factory=lambda: {0: {}, 1: {}})
    shadow: dict[tuple[str, int], Tally] = field(default_factory=dict)
    committed: dict[int, int] = field(default_factory=lambda: {0: 0, 1: 0})
    log: list[str] = field(default_factory=list)
    dead: bool = False

    def step(self, what: str) -> None:
        if self.dead:
            raise KilledError(what)
        if self.kills:
            self.kills[0] -= 1
            if self.kills[0] < 0:
                self.kills.pop(0)
                self.dead = True
                raise KilledError(what)
        self.log.append(what)


class Sent:
    """The output of one worker; what it began to send may arrive, or not, if it dies."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def alert(self, alert: Alert, origin: Origin) -> Awaitable[Any]:
        self.world.step("alert begun")
        return asyncio.ensure_future(self._alert(alert, origin))

    async def _alert(self, alert: Alert, origin: Origin) -> None:
        self.world.step("alert")
        self.world.alerts.append((encode_alert(alert), origin))
        await asyncio.sleep(0)
        self.world.step("alert answered")

    async def reject(self, key: bytes | None, value: bytes | None, headers: Headers) -> Awaitable[Any]:
        self.world.step("reject")
        self.world.rejects.append((key, value, headers))
        answered = asyncio.get_running_loop().create_future()
        answered.set_result(None)
        return answered

    async def revise(self, notice: Revise) -> Awaitable[Any]:
        self.world.step("revise")
        self.world.notices.append(notice)
        answered = asyncio.get_running_loop().create_future()
        answered.set_result(None)
        return answered

    async def pulses(self, told: Iterable[Told]) -> list[Awaitable[Any]]:
        self.world.step("pulses")
        return []

    async def shadow(self, partition: int, tallies: Mapping[str, Tally]) -> list[Awaitable[Any]]:
        self.world.step("shadow")
        for brand, tally in tallies.items():
            self.world.shadow[brand, partition] = tally
        return []

    async def changelog(
        self, partition: int, records: Iterable[tuple[bytes, bytes | None]]
    ) -> list[Awaitable[Any]]:
        return [asyncio.ensure_future(self._changelog(partition, list(records)))]

    async def _changelog(self, partition: int, records: list[tuple[bytes, bytes | None]]) -> None:
        for key, value in records:
            await asyncio.sleep(0)
            self.world.step("cursor" if key == CURSOR_KEY else "state")
            if value is None:
                self.world.stored[partition].pop(key, None)
            else:
                self.world.stored[partition][key] = value
        self.world.step("state answered")


class Event:
    def __init__(self, world: World) -> None:
        self.world = world

    def ack(self) -> bool:
        self.world.step("ack")
        return True


def follower(world: World, beside: Beside | None = None) -> Follower:
    besides = None if beside is None else lambda brand: beside
    one = Follower(DECODER, lambda brand: EAGER, Sent(world), lambda: NOW_MS, lambda: besides)
    stored = {number: dict(values) for number, values in world.stored.items()}
    one.assigned(stored, {origin for _, origin in world.alerts})
    return one


def traffic(seed: int = 3, size: int = 60) -> dict[int, list[ConsumerRecord]]:
    """Two partitions: threads that raise alerts, duplicates, some disorder, some bad records."""
    dice = random.Random(seed)
    records: dict[int, list[ConsumerRecord]] = {0: [], 1: []}
    for partition, rows in records.items():
        for offset in range(size):
            thread = f"t{partition}{dice.randrange(3)}"
            if dice.random() < 0.08:
                rows.append(record(offset, thread.encode(), b"{", partition))
            elif dice.random() < 0.15 and offset:
                rows.append(mention(offset, thread, dice.randrange(offset), partition))
            else:
                rows.append(mention(offset, thread, max(0, offset - dice.randrange(4)), partition))
    return records


async def live(
    world: World,
    records: dict[int, list[ConsumerRecord]],
    chunk: int = 7,
    beside: Beside | None = None,
) -> None:
    """One life of a worker: from the commits to the end, a flush after every third chunk."""
    world.dead = False
    one = follower(world, beside)
    at = dict(world.committed)
    for turn in count():
        left = [number for number, rows in records.items() if at[number] < len(rows)]
        if left:
            number = left[turn % len(left)]
            rows = records[number][at[number] : at[number] + chunk]
            at[number] += len(rows)
            await one.take(Chunk(number, rows), Event(world))
        if not left or turn % 3 == 2:
            await one.flush()
            for number in records:
                if (offset := one.durable(number)) is not None:
                    world.step("commit")
                    world.committed[number] = offset
        if not left:
            return


async def lives(world: World, records: dict[int, list[ConsumerRecord]], beside: Beside | None = None) -> int:
    """As many lives as it takes; how many it took."""
    # What was under way when the worker died fails unheard.
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    for number in count(1):
        try:
            await live(world, records, beside=beside)
        except KilledError:
            world.dead = True
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.sleep(0)
        else:
            return number
    raise AssertionError


def threads(stored: Stored) -> dict[bytes, Thread]:
    return {
        key: decode_state(value)[1]
        for values in stored.values()
        for key, value in values.items()
        if key not in NO_THREADS
    }


def wanted(records: dict[int, list[ConsumerRecord]]) -> tuple[dict[bytes, Thread], list[bytes], int]:
    """Threads, alerts and the number of bad records, as the pure core says."""
    states: dict[bytes, Thread] = {}
    alerts, bad = [], 0
    for one in (one for rows in records.values() for one in rows):
        parsed = DECODER.decode_keyed(one.value, NOW_MS, one.key)
        if not isinstance(parsed, Mention):
            bad += 1
            continue
        if (followed := follow(states.get(one.key), parsed, EAGER)) is None:
            continue
        states[one.key], alert = followed.thread, followed.alert
        if alert is not None:
            alerts.append(encode_alert(alert))
    return states, alerts, bad


def check(world: World, records: dict[int, list[ConsumerRecord]]) -> None:
    states, alerts, bad = wanted(records)
    assert threads(world.stored) == states
    assert sorted(alert for alert, _ in world.alerts) == sorted(alerts)
    origins = {tuple(value for name, value in headers if name != "detail") for *_, headers in world.rejects}
    assert len(origins) == bad  # one may be there twice, and says so
    assert world.committed == {number: len(rows) for number, rows in records.items()}


def test_a_life_without_a_death() -> None:
    """The traffic has what the others rely on: alerts and rejects, and each reject once."""
    world, records = World(), traffic()
    assert asyncio.run(lives(world, records)) == 1
    check(world, records)
    _, alerts, bad = wanted(records)
    assert len(alerts) > 5
    assert bad >= 5
    assert len(world.rejects) == bad


def test_a_death_between_any_two_steps() -> None:
    """Every step of a whole life in turn is the one that does not happen any more."""
    records = traffic()
    whole = World()
    asyncio.run(lives(whole, records))
    for kill in range(len(whole.log)):
        world = World(kills=[kill])
        assert asyncio.run(lives(world, records)) == 2, f"no death before step {kill}"
        check(world, records)


@given(st.lists(st.integers(0, 80), max_size=8), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_many_deaths(kills: list[int], seed: int) -> None:
    world, records = World(kills=kills), traffic(seed)
    asyncio.run(lives(world, records))
    check(world, records)


@pytest.mark.parametrize("seed", range(10))
def test_threads_that_are_let_go_count_on(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Amid flushes, too, and as soon as they may be: what is not stored yet must not be among them."""
    monkeypatch.setattr("agents.follower._DECODED", 0)
    world, records = World(), traffic(seed)

    async def hasty() -> None:
        one, dice = follower(world), random.Random(seed)
        under_way: list[asyncio.Task[None]] = []
        for at in range(0, len(records[0]), 4):
            for number, rows in records.items():
                await one.take(Chunk(number, rows[at : at + 4]), Event(world))
                begin = one.flush if dice.random() < 0.5 else one.release
                under_way.append(asyncio.create_task(begin()))
                for _ in range(dice.randrange(30)):
                    await asyncio.sleep(0)
        await asyncio.gather(*under_way, one.flush())
        await one.release()
        assert not any(partition.warm for partition in one.partitions.values())
        world.committed = {number: one.durable(number) or 0 for number in records}

    asyncio.run(hasty())
    check(world, records)


def test_a_second_set_of_thresholds_counts_once_whatever_dies() -> None:
    """Every step in turn is a life's last; the counts on the topic are those of a life without a death."""
    beside = Beside(ThreadParams(viral_at=20, min_mentions=6, min_authors=2), 1)
    records = traffic()
    whole = World()
    asyncio.run(lives(whole, records, beside))
    assert {key: (tally.live != tally.shadow, any(tally.shadow)) for key, tally in whole.shadow.items()} == {
        ("acme", number): (True, True) for number in records
    }
    for kill in range(len(whole.log)):
        world = World(kills=[kill])
        assert asyncio.run(lives(world, records, beside)) == 2, f"no death before step {kill}"
        check(world, records)
        assert world.shadow == whole.shadow


def test_a_flush_writes_in_the_order_that_the_guarantee_needs() -> None:
    """Answers to alerts, rejects and pulses, then states, then the cursor, their answer, then the acks."""
    world = World()
    rows = [mention(offset, "t") for offset in range(9)]

    async def one_flush() -> None:
        one = follower(world)
        await one.take(Chunk(0, list(rows)), Event(world))
        await one.flush()

    asyncio.run(one_flush())
    steps = list(dict.fromkeys(world.log))
    assert steps == [
        "alert begun",
        "alert",
        "alert answered",
        "pulses",
        "state",
        "cursor",
        "state answered",
        "ack",
    ]


def test_a_flush_amid_a_chunk_waits_for_all_of_its_alerts() -> None:
    """The producer's buffer is full: a chunk stands between two of its alerts when the flush begins."""
    world = World()

    class Slow(Sent):
        async def alert(self, alert: Alert, origin: Origin) -> Awaitable[Any]:
            await asyncio.sleep(0.01)
            return await super().alert(alert, origin)

    async def both() -> None:
        one = Follower(DECODER, lambda brand: EAGER, Slow(world), lambda: NOW_MS)
        one.assigned({0: {}})
        rows = [mention(offset, "t") for offset in range(9)] + [mention(9 + n, "u", n) for n in range(9)]
        taking = asyncio.ensure_future(one.take(Chunk(0, rows), Event(world)))
        await asyncio.sleep(0)
        await one.flush()
        await taking

    asyncio.run(both())
    assert len(world.alerts) > 2
    assert "alert" not in world.log[world.log.index("state") :]


@pytest.mark.parametrize("part", ["alert", "changelog"])
def test_after_a_failure_nothing_is_written_or_acked(part: str) -> None:
    """What failed is in the state: to write more, or to commit beyond it, would lose it."""
    world = World()

    class Failing(Sent):
        broken = True

        async def alert(self, alert: Alert, origin: Origin) -> Awaitable[Any]:
            if part == "alert" and self.broken:
                raise OSError("no broker")
            return await super().alert(alert, origin)

        async def changelog(
            self, partition: int, records: Iterable[tuple[bytes, bytes | None]]
        ) -> list[Awaitable[Any]]:
            if part == "changelog" and self.broken:
                raise OSError("no broker")
            return await super().changelog(partition, records)

    async def fails() -> None:
        output = Failing(world)
        one = Follower(DECODER, lambda brand: EAGER, output, lambda: NOW_MS)
        one.assigned({0: {}})
        taking = one.take(Chunk(0, [mention(offset, "t") for offset in range(9)]), Event(world))
        if part == "alert":
            with pytest.raises(OSError, match="no broker"):
                await taking
        else:
            await taking
        with pytest.raises(OSError, match="no broker"):
            await one.flush()
        output.broken = False
        await one.take(Chunk(0, [mention(9, "t")], 8), Event(world))
        await one.flush()
        assert one.durable(0) is None

    asyncio.run(fails())
    assert not {"ack", "state", "cursor"} & set(world.log)


def test_one_bad_record_is_rejected_and_stops_nothing() -> None:
    world = World()

    async def one_chunk() -> Follower:
        one = follower(world)
        rows = [mention(0, "t"), record(1, b"t", b"\xff{"), mention(2, "t")]
        await one.take(Chunk(0, list(rows), topic="mentions"), Event(world))
        await one.flush()
        return one

    one = asyncio.run(one_chunk())
    (key, content, headers) = world.rejects[0]
    assert (key, content) == (b"t", b"\xff{")
    given = dict(headers)
    assert given.pop("detail")
    assert given == {"reason": b"not-json", "topic": b"mentions", "partition": b"0", "offset": b"1"}
    assert one.stats.mentions == 2
    assert one.stats.rejects[Reason.NOT_JSON] == 1
    assert threads(world.stored)[b"t"].mentions == 2


def test_the_same_id_twice_counts_once() -> None:
    world = World()

    async def twice() -> Follower:
        one = follower(world)
        await one.take(Chunk(0, [mention(0, "t", 5), mention(1, "t", 5)]), Event(world))
        await one.flush()
        await one.take(Chunk(0, [mention(2, "t", 5)], 1), Event(world))
        await one.flush()
        return one

    one = asyncio.run(twice())
    assert (one.stats.mentions, one.stats.duplicates) == (1, 2)
    assert one.durable(0) == 3
    assert decode_cursor(world.stored[0][CURSOR_KEY])[0] == 2


def test_what_is_read_again_is_skipped() -> None:
    """In the same life (Faust seeks back) and in the next one; its rejects go out once too."""
    world = World()
    rows = [mention(0, "t"), record(1, b"t", b"{"), mention(2, "t")]

    async def again(one: Follower) -> None:
        await one.take(Chunk(0, list(rows)), Event(world))
        await one.flush()

    async def three_times() -> list[Follower]:
        first = follower(world)
        await again(first)
        await again(first)
        second = follower(world)
        await again(second)
        return [first, second]

    first, second = asyncio.run(three_times())
    assert (first.stats.mentions, first.stats.skipped) == (2, 3)
    assert (second.stats.mentions, second.stats.skipped) == (0, 3)
    assert len(world.rejects) == 1
    assert threads(world.stored)[b"t"].mentions == 2


def test_a_thread_that_was_forgotten_is_not_begun_again_by_old_records() -> None:
    """Its state is gone, but its records lie before the cursor."""
    world = World()
    later = 80 * 3600

    async def forget() -> None:
        one = follower(world)
        await one.take(Chunk(0, [mention(0, "old")]), Event(world))
        await one.flush()
        await one.take(Chunk(0, [mention(30_000, "new", later)], 0), Event(world))
        await one.flush()
        await one.take(Chunk(0, [mention(30_001, "new", later + 1)], 30_000), Event(world))
        await one.flush()
        again = follower(world)
        await again.take(Chunk(0, [mention(0, "old")]), Event(world))
        await again.flush()

    asyncio.run(forget())
    assert threads(world.stored).keys() == {b"new"}


def test_a_thread_that_began_anew_does_not_count_its_past_again() -> None:
    """Its state is stored, the cursor is not: the ids of its first episode are gone, the offset is not."""
    times = [0, 1, 40 * 3600, 40 * 3600 + 1]
    records = {0: [mention(offset, "t", number) for offset, number in enumerate(times)], 1: []}
    whole = World()
    asyncio.run(lives(whole, records))
    for kill in range(len(whole.log)):
        world = World(kills=[kill])
        asyncio.run(lives(world, records))
        assert threads(world.stored) == wanted(records)[0]


def test_records_that_were_read_and_never_came_end_the_worker() -> None:
    """A hole where no record is (a transaction's end, retention) is none."""
    world = World()

    async def hole() -> None:
        one = follower(world)
        await one.take(Chunk(0, [mention(10, "t")]), Event(world))
        await one.take(Chunk(0, [mention(12, "t")], 10), Event(world))
        with pytest.raises(RuntimeError, match="13 to 20 of partition 0"):
            await one.take(Chunk(0, [mention(21, "t")], 20), Event(world))
        await one.flush()

    asyncio.run(hole())
    assert not {"state", "cursor", "ack"} & set(world.log)


def test_a_partition_that_is_not_ours_is_left_alone() -> None:
    world = World()

    async def taken_away() -> Follower:
        one = follower(world)
        one.revoked()
        await one.take(Chunk(0, [mention(0, "t")]), Event(world))
        await one.flush()
        return one

    one = asyncio.run(taken_away())
    assert one.durable(0) is None
    assert world.log == []
    assert one.stats.mentions == 0


def test_a_beginning_amid_a_flush_keeps_its_own_state() -> None:
    """A flush of the time before a rebalance must not put its state over what recovery brought."""
    world = World()

    async def amid() -> Follower:
        one = follower(world)
        await one.take(Chunk(0, [mention(0, "t")]), Event(world))
        flushing = asyncio.ensure_future(one.flush())
        await asyncio.sleep(0)
        one.assigned({0: {}, 1: {}})
        await flushing
        return one

    one = asyncio.run(amid())
    assert one.partitions[0].stored == {}
    assert one.durable(0) is None


def test_a_death_between_any_two_steps_hides_no_deletion_from_incidents() -> None:
    """A voice and the root are deleted; some notices come twice, with the same id, and none is lost."""
    said = [mention(number, "t", number) for number in range(20)]
    gone = [
        record(20 + number, b"t", value_of("t", number, deleted=True, created_at=START_MS + 3_600_000))
        for number in (0, 3)
    ]
    records = {0: [*said, *gone], 1: []}
    whole = World()
    asyncio.run(lives(whole, records))
    assert {one.post for one in whole.notices} == {f"{hash64(f't-{number}'):016x}" for number in (0, 3)}
    for kill in range(len(whole.log)):
        world = World(kills=[kill])
        assert asyncio.run(lives(world, records)) == 2, f"no death before step {kill}"
        assert {one.id for one in world.notices} == {one.id for one in whole.notices}
        assert threads(world.stored) == wanted(records)[0]


def test_an_edit_takes_nothing_from_an_alert_that_quotes_the_text_as_it_is_now() -> None:
    """They come in one chunk, the edit first: what is shown is what was sent."""
    world = World()
    params = ThreadParams(viral_at=30, min_mentions=2, min_authors=2, watch=0.0001, warn=0.3, page=0.9)
    one = Follower(DECODER, lambda brand: params, Sent(world), lambda: NOW_MS, reader=reader())
    one.assigned({0: {}})

    def angry(
        offset: int, number: int, text: str = "this is a really bad service, never again", **changes: Any
    ) -> ConsumerRecord:
        return record(offset, b"t", value_of("t", number, text=text, lang="en", **changes))

    kept = min(range(60), key=lambda number: hash64(f"t-{number}"))  # it stays among the voices

    async def both() -> None:
        first = [*range(4), kept]
        await one.take(Chunk(0, [angry(*numbers) for numbers in enumerate(first)]), Event(world))
        edit = angry(5, kept, "edited: it was a bad service, never again", edited_at=START_MS + 60_000)
        more = [angry(number, number) for number in range(6, 60)]
        await one.take(Chunk(0, [edit, *more], since=4), Event(world))
        await one.flush()

    asyncio.run(both())
    sent = [content for content, _ in world.alerts]
    assert [encode_alert(alert) for alert in one.stats.latest] == sent
    assert any(b"edited: " in content for content in sent)
