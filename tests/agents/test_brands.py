"""The agent of brands and the pulses that feed it: killed at any step, nothing is lost or told twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord

from agents.brand_codec import (
    decode_brand,
    decode_habits,
    decode_pulses,
    encode_brand,
    encode_habits,
    encode_pulses,
)
from agents.brands import Brands, Idle
from agents.codec import StateError
from agents.follower import Follower, Headers, Origin, Stats
from agents.transport import Chunk
from streams.alert import Alert
from streams.brand import Brand, BrandParams
from streams.habits import Habits
from streams.incident import Revise
from streams.judge import has_paged
from streams.mention import Decoder
from streams.params import ThreadParams
from streams.pulse import MINUTE_MS, NO_COUNTS, Figures, Mark, Pulse, Said, Told, Volume, merge
from streams.shadow import Tally
from streams.usual import Usual
from tests.streams.readers import reader

M0 = 28_401_120  # 2024-01-01T00:00Z in minutes
NOON = 2160
EAGER = ThreadParams(viral_at=8, min_mentions=2, min_authors=2)


class KilledError(Exception):
    """The process ends here."""


@dataclass
class World:
    """What outlives a worker. It dies at its step number `kill_at`, if it comes so far."""

    kill_at: int = -1
    steps: int = 0
    alerts: list[Alert] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    stored: dict[bytes, bytes] = field(default_factory=dict)
    acked: int = 0  # events
    usual: dict[str, tuple[Usual, ...]] = field(default_factory=dict)

    def step(self) -> None:
        if self.steps == self.kill_at:
            raise KilledError
        self.steps += 1


class Output:
    """Writes to the world, one step for each record."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def alert(self, alert: Alert, origin: Origin) -> Awaitable[Any]:
        self.world.step()
        self.world.alerts.append(alert)
        answered = asyncio.get_running_loop().create_future()
        answered.set_result(None)
        return answered

    async def reject(self, key: bytes | None, value: bytes | None, headers: Headers) -> Awaitable[Any]:
        raise AssertionError("nothing here is refused")

    async def revise(self, notice: Revise) -> Awaitable[Any]:
        raise AssertionError("no post is revised here")

    async def shadow(self, partition: int, tallies: Mapping[str, Tally]) -> list[Awaitable[Any]]:
        raise AssertionError("no second set of thresholds is set here")

    async def pulses(self, told: Iterable[Told]) -> list[Awaitable[Any]]:
        for one in told:
            self.world.step()
            self.world.told.append(one)
        return []

    async def usual(self, brand: str, latest: tuple[Usual, ...]) -> Awaitable[Any]:
        self.world.step()
        self.world.usual[brand] = latest
        answered = asyncio.get_running_loop().create_future()
        answered.set_result(None)
        return answered

    async def changelog(
        self, partition: int, records: Iterable[tuple[bytes, bytes | None]]
    ) -> list[Awaitable[Any]]:
        for key, value in records:
            self.world.step()
            assert value is not None
            self.world.stored[key] = value
        return []


class Event:
    def __init__(self, world: World) -> None:
        self.world = world

    def ack(self) -> bool:
        self.world.step()
        self.world.acked += 1
        return True


def chunks(topic: str, values: Sequence[tuple[bytes | None, bytes]], size: int) -> list[Chunk]:
    records = [
        ConsumerRecord(topic, 0, offset, 0, 0, key, value, None, 0, 0, ())
        for offset, (key, value) in enumerate(values)
    ]
    return [Chunk(0, records[at : at + size]) for at in range(0, len(records), size)]


def reply(brand: str, source: int, minute: int) -> Said:
    """A text block of the brand, twenty minutes after it was asked; of four blocks in turn."""
    at_ms = (M0 + minute) * MINUTE_MS
    words = frozenset(range(100 * (minute // 40 % 4), 100 * (minute // 40 % 4) + 20))
    return Said(brand, at_ms, at_ms + source, 1200, True, words)


def storm() -> list[tuple[bytes | None, bytes]]:
    """Records of brand-pulse: two sources, two brands in one storm, a viral thread of one of them."""
    told: list[Told] = []
    for minute in (*range(0, NOON, 20), *range(NOON, NOON + 60, 2)):
        for source in (0, 1):
            told += [
                Pulse(
                    brand,
                    source,
                    M0 + minute,
                    Figures(12 if minute >= NOON else 1, 5, pages=pages),
                    (1, *NO_COUNTS[1:]) if minute % 40 == 0 else (),
                )
                for brand, pages in (("acme", int(minute == NOON + 20)), ("other", 0))
            ]
            for brand in ("acme", "other") if minute % 40 == 0 else ():
                if minute % 40 == 0:
                    told.append(reply(brand, source, minute))
            told.append(Mark(source, M0 + minute + 1, False))
    return [(None if isinstance(one, Mark) else one.brand.encode(), encode_pulses([one])) for one in told]


STORM = chunks("brand-pulse", storm(), 100)


async def live_as_brands(world: World) -> None:
    """One life: begin with what is stored, read what is not acked, flush after every other chunk."""
    agent = Brands(lambda _: BrandParams(), Output(world), 2, Stats())
    agent.assigned({0: dict(world.stored)}, {alert.id for alert in world.alerts})
    for number, chunk in enumerate(STORM[world.acked :]):
        await agent.take(chunk, Event(world))
        if number % 2:
            await agent.flush()
    await agent.flush()


def lives(life: Any, kill_at: int) -> World:
    world = World(kill_at)
    try:
        asyncio.run(life(world))
    except KilledError:
        world.kill_at = -1
        asyncio.run(life(world))
    return world


def brands_of(world: World) -> dict[bytes, Brand]:
    """The brands as a worker that begins with what is stored knows them."""
    agent = Brands(lambda _: BrandParams(), Output(world), 2, Stats())
    agent.assigned({0: dict(world.stored)})
    return {key: slot.brand for key, slot in agent.partitions[0].slots.items()}


def test_two_brands_in_one_storm() -> None:
    """One record of the topic, a mark, may raise alerts of several brands."""
    world = lives(live_as_brands, -1)
    assert sorted((alert.brand, alert.level) for alert in world.alerts) == [
        ("acme", "page"),
        ("acme", "warn"),
        ("other", "warn"),
    ]
    assert brands_of(world).keys() == {b"acme", b"other"}


WHOLE = lives(live_as_brands, -1)


@pytest.mark.parametrize("kill_at", range(WHOLE.steps))
def test_killed_at_any_step_brands_end_up_the_same(kill_at: int) -> None:
    world = lives(live_as_brands, kill_at)
    assert [alert.id for alert in world.alerts] == [alert.id for alert in WHOLE.alerts]
    assert brands_of(world) == brands_of(WHOLE)
    assert world.usual == WHOLE.usual
    habits = brands_of(world)[b"acme"].learning.habits
    assert habits.clock.all.replies == pytest.approx(sum(one.uses for one in habits.templates), rel=0.3)


def test_what_is_usual_is_told_by_the_flush_that_stores_it() -> None:
    """Of each brand the latest snapshots, as they are in its state."""
    assert WHOLE.usual == {key.decode(): brand.learning.latest for key, brand in brands_of(WHOLE).items()}
    newest = WHOLE.usual["acme"][-1]
    assert newest.as_of_ms == (M0 + NOON) * MINUTE_MS
    assert len(newest.reply_delays_s) == 168
    assert 1000 < newest.reply_delays_s[0] < 1400
    assert newest.canned_shares[0] == 1.0
    assert len(newest.templates) == 4
    assert [one.templates for one in WHOLE.usual["acme"][:-1]] == [()] * (len(WHOLE.usual["acme"]) - 1)


def test_the_habits_of_a_brand_are_written_when_they_change() -> None:
    """Once an hour at most: they are big beside the rest of a brand, which changes with every flush."""
    world = World()
    asyncio.run(live_as_brands(world))
    assert b"\0acme" in world.stored
    bare = decode_brand(world.stored[b"acme"])[1].learning.habits
    assert bare == Habits()
    assert decode_habits(world.stored[b"\0acme"]).templates


def mentions() -> list[tuple[bytes | None, bytes]]:
    """Three threads of two brands for half an hour, some mentions twice, one thread to the level page."""
    values: list[tuple[bytes | None, bytes]] = []
    for number in range(90):
        thread = f"t{number % 3}"
        fields = {
            "id": f"{thread}-{number - 3 * (number % 7 // 6)}",
            "brand": "other" if thread == "t2" else "acme",
            "platform": "test",
            "thread_id": thread,
            "author": {"id": f"a{number}", "followers": 3},
            "created_at": M0 * MINUTE_MS + number * 20_000 - (number % 5) * 90_000,
            "text": "All of this is bad, and I want my money back",
        }
        if number % 20 == 19:
            fields |= {"from_brand": True, "text": "Please send us a dm", "author": {"id": "desk"}}
        values.append((thread.encode(), json.dumps(fields).encode()))
    return values


MENTIONS = chunks("mentions", mentions(), 13)


async def live_as_follower(world: World) -> None:
    output = Output(world)
    decoder, now_ms = Decoder(b"key"), lambda: (M0 + DAYS) * MINUTE_MS
    agent = Follower(decoder, lambda _: EAGER, output, now_ms, reader=reader())
    agent.assigned({0: dict(world.stored)})
    for number, chunk in enumerate(MENTIONS[world.acked :]):
        await agent.take(chunk, Event(world))
        if number % 2:
            await agent.flush()
    await agent.flush()
    await agent.rest(0)


DAYS = 10 * 1440


def told_in_all(world: World) -> dict[tuple[str, int], Figures]:
    merged: dict[tuple[str, int], Figures] = {}
    for one in world.told:
        if isinstance(one, Pulse):
            key = (one.brand, one.minute - M0)
            merged[key] = merge(merged.get(key, Figures()), one.figures)
    return merged


def said_in_all(world: World) -> dict[int, Said]:
    return {one.key: one for one in world.told if isinstance(one, Said)}


WHOLE_TOLD = lives(live_as_follower, -1)


def test_pulses_hold_every_mention_once() -> None:
    told = told_in_all(WHOLE_TOLD)
    ids = {json.loads(record.value)["id"] for chunk in MENTIONS for record in chunk.records}
    replies = said_in_all(WHOLE_TOLD)
    assert replies
    assert sum(figures.mentions for figures in told.values()) == len(ids) - len(replies) < 90
    assert sum(figures.reach for figures in told.values()) == 3 * (len(ids) - len(replies))
    scored = sum(figures.scored for figures in told.values())
    assert 0 < scored == sum(figures.negative for figures in told.values()) < len(ids)
    assert 0 < sum(figures.pages for figures in told.values()) == sum(map(has_paged, WHOLE_TOLD.alerts))
    assert WHOLE_TOLD.told[-1] == Mark(0, M0 + 28, True)


@pytest.mark.parametrize("kill_at", range(WHOLE_TOLD.steps))
def test_killed_at_any_step_pulses_neither_lose_nor_double(kill_at: int) -> None:
    """Above all between the records of a flush: threads that are stored are skipped, and yet were told."""
    world = lives(live_as_follower, kill_at)
    assert told_in_all(world) == told_in_all(WHOLE_TOLD)
    assert said_in_all(world) == said_in_all(WHOLE_TOLD)


def test_a_record_of_somebody_else_stops_nothing() -> None:
    world = World()
    agent = Brands(lambda _: BrandParams(), Output(world), 1, Stats())
    agent.assigned({0: {}})
    values = [(None, b"{}"), (b"acme", encode_pulses([Pulse("acme", 0, M0, Figures(1))]))]
    (chunk,) = chunks("brand-pulse", values, 9)
    asyncio.run(agent.take(chunk, Event(world)))
    assert agent.foreign == 1
    assert agent.partitions[0].slots.keys() == {b"acme"}


def test_a_gap_in_what_was_delivered_ends_the_agent() -> None:
    """What was read and never came must be read again, not passed over."""
    world = World()
    agent = Brands(lambda _: BrandParams(), Output(world), 1, Stats())
    agent.assigned({0: {}})
    with pytest.raises(RuntimeError, match="never delivered"):
        asyncio.run(agent.take(Chunk(0, STORM[1].records, since=99), Event(world)))
    asyncio.run(agent.flush())
    assert world.steps == 0


@pytest.mark.parametrize(
    "told",
    [
        Pulse("a", 1, 2, Figures(3, 4, 5, 6, 7), NO_COUNTS),
        Volume("a", "f", 1, 2, 3),
        Said("a", 1, 2, -1, True, frozenset({4, 5})),
        Mark(1, 2, True),
    ],
)
def test_pulses_come_back_as_they_went(told: Told) -> None:
    assert decode_pulses(encode_pulses([told, told])) == (told, told)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{}",
        b"\xff",
        encode_brand(1, Brand("acme")),
        encode_pulses([Pulse("a", 1, 2, Figures(), (1, 2))]),
    ],
)
def test_what_is_no_pulse_is_refused(value: bytes | None) -> None:
    with pytest.raises(StateError):
        decode_pulses(value)


def test_a_brand_comes_back_as_it_went() -> None:
    brand = brands_of(WHOLE)[b"acme"]
    habits, brand.learning.habits = brand.learning.habits, Habits()
    assert decode_brand(encode_brand(7, brand)) == (7, brand)
    assert decode_habits(encode_habits(7, habits)) == habits


def test_a_source_is_idle_when_it_has_stood_at_the_end_and_again_after_it_moved() -> None:
    idle = Idle(10.0)
    notes = [
        (0, None, 0.0, False),  # the end is not known yet
        (0, 0, 1.0, False),
        (0, 0, 10.9, True),  # an empty partition
        (0, 0, 30.0, False),  # told once
        (4, 9, 31.0, False),
        (4, 9, 60.0, False),  # it stands, but records wait
        (9, 9, 61.0, False),
        (9, 9, 71.0, True),
    ]
    assert [idle.note(0, position, end, now_s) for position, end, now_s, _ in notes] == [
        note[-1] for note in notes
    ]
