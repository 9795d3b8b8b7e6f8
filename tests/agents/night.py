"""A night at the desk on a clock of its own: what comes when, who is on call, and what outlives a worker.

Law: whatever happens in the night is written down here in moments of UTC; a worker that dies is followed by
another that knows what was durable and nothing else.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from aiokafka.structs import ConsumerRecord

from agents.codec import CURSOR_KEY
from agents.desk import SOURCES, Attempt, DeskAgent, Source
from agents.transport import Chunk
from streams.audit import Audited
from streams.authority import Person
from streams.delivery import Case, Delivery, GiveUp, Ok, Outcome
from streams.desk import Held, Record, decode_record
from streams.incident import Command, Ladder, Rules, Rung, encode_command
from streams.roster import Roster
from streams.rotation import Layer, Rotation
from tests.streams.incidents import case, command

KEYED = frozenset({"pager"})  # channels that show two deliveries with one key once
RESTART_S = 7  # from one worker's death to the next one's first work

#: The night from 25 to 26 October 2025: Berlin's clocks go back from 3:00 to 2:00, New York's do not.
BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")


def at(text: str) -> int:
    """`day hour:minute` of October 2025, UTC, in milliseconds."""
    return int(datetime.strptime(f"2025-10-{text} +0000", "%Y-%m-%d %H:%M %z").timestamp() * 1000)


class KilledError(BaseException):
    """The process ends here: nobody catches it."""


def _desk(brand: str, zone: ZoneInfo) -> Rotation:
    """Hands over at 8:00 and 20:00 of its own clock."""
    begin, day, night = date(2025, 1, 1), time(8), time(20)
    return Rotation(
        (
            Layer((f"{brand} day",), zone, begin, hours=(day, night)),
            Layer((f"{brand} night",), zone, begin, hours=(night, day)),
        )
    )


def _ladder(brand: str) -> Ladder:
    return Ladder((Rung((f"{brand} desk",), 600), Rung((f"{brand} desk", "lead"), 900)))


_DESKS = {"acme": BERLIN, "other": NEW_YORK}
_AT_DESKS = [
    Person(f"{one} {shift}", channels=("sms", "pager")) for one in _DESKS for shift in ("day", "night")
]

#: Two desks, and a lead who is always there.
ROSTER = Roster(
    {one.name: one for one in (*_AT_DESKS, Person("lead", channels=("push",)))},
    {f"{brand} desk": _desk(brand, zone) for brand, zone in _DESKS.items()},
    ladders={brand: _ladder(brand) for brand in _DESKS},
)


@dataclass
class World:
    """What outlives a worker; one dies at step number `kill_at`, if it comes so far."""

    script: Sequence[tuple[int, Source, Case | Command]]
    kill_at: int = -1
    broken: frozenset[str] = frozenset()  # channels that fail
    steps: int = 0
    dead: bool = False
    now_ms: int = 0
    stored: dict[bytes, bytes] = field(default_factory=dict)
    holds: dict[str, Held | None] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    audits: list[Audited] = field(default_factory=list)
    committed: Counter[str] = field(default_factory=Counter)
    took: list[tuple[int, Delivery]] = field(default_factory=list)  # by a channel, with the moment
    kills: list[str] = field(default_factory=list)

    def step(self, what: str) -> None:
        if self.steps == self.kill_at:
            self.kills.append(what)
            self.kill_at, self.dead = -1, True
        if self.dead:
            raise KilledError(what)
        self.steps += 1

    async def deliver(self, delivery: Delivery) -> Outcome:
        self.step(f"before {delivery.channel}")
        if delivery.channel in self.broken:
            return GiveUp("the gateway refuses")
        self.took.append((self.now_ms, delivery))
        self.step(f"after {delivery.channel} took it")
        return Ok()

    async def hold(self, thread_id: str, held: Held | None) -> Awaitable[Any]:
        self.step("before a hold")
        self.holds[thread_id] = held
        return _done()

    async def attempt(self, attempt: Attempt) -> Awaitable[Any]:
        self.step("before an attempt")
        self.attempts.append(attempt)
        return _done()

    async def audit(self, audited: Audited) -> Awaitable[Any]:
        self.step("before an audit")
        self.audits.append(audited)
        return _done()

    async def changelog(
        self, partition: int, records: Iterable[tuple[bytes, bytes | None]]
    ) -> list[Awaitable[Any]]:
        for key, value in records:
            self.step("before the cursor" if key == CURSOR_KEY else "before an incident")
            if value is None:
                self.stored.pop(key, None)
            else:
                self.stored[key] = value
        return []

    def records(self) -> dict[str, Record]:
        return {k.decode(): decode_record(v) for k, v in self.stored.items() if k != CURSOR_KEY}


def _done() -> Awaitable[Any]:
    done = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done


class Event:
    def __init__(self, world: World, source: Source, offset: int) -> None:
        self.world, self.source, self.offset = world, source, offset

    def ack(self) -> bool:
        self.world.step("before an ack")
        self.world.committed[self.source] = self.offset + 1
        return True


async def live(world: World, until_ms: int, rules: Rules) -> None:
    """One worker's life: it begins with what is durable and ends with the night, or is killed."""
    agent = DeskAgent(ROSTER, rules, world.deliver, world, lambda: world.now_ms, keyed=KEYED.__contains__)
    agent.assigned({0: dict(world.stored)})
    topics: dict[Source, list[tuple[int, bytes]]] = {
        source: [(moment, _encoded(one)) for moment, where, one in world.script if where == source]
        for source in SOURCES
    }
    position = {source: world.committed[source] for source in SOURCES}
    while True:
        for source, records in topics.items():
            while position[source] < len(records) and records[position[source]][0] <= world.now_ms:
                offset = position[source]
                moment, value = records[offset]
                record = ConsumerRecord(source, 0, offset, moment, 0, None, value, None, 0, 0, ())
                agent.take(source, Chunk(0, [record]), Event(world, source, offset))
                position[source] = offset + 1
        await agent.work()
        await agent.settled()
        await agent.work()
        deadline = agent.partitions[0].desk.deadline()
        if deadline is not None and deadline <= world.now_ms:
            continue
        coming = [records[position[s]][0] for s, records in topics.items() if position[s] < len(records)]
        coming += [deadline] if deadline is not None else []
        if min(coming, default=until_ms) >= until_ms:
            return
        world.now_ms = max(world.now_ms, min(coming))


def _encoded(one: Case | Command) -> bytes:
    return msgspec.json.encode(one) if isinstance(one, Case) else encode_command(one)


def run(world: World, until_ms: int, rules: Rules) -> World:
    """The whole night, by as many workers as it takes."""
    world.now_ms = world.script[0][0]
    while True:
        try:
            asyncio.run(live(world, until_ms, rules))
        except KilledError:
            world.dead = False
            world.now_ms += RESTART_S * 1000
            continue
        return world


__all__ = ["BERLIN", "NEW_YORK", "World", "at", "case", "command", "run"]
