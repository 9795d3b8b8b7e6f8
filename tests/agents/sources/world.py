"""What tests of sources share: brands, an output that keeps, and payloads out of joint."""

from __future__ import annotations

import asyncio
import copy
import json
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.intake import Headers, Intake, Reader, place_of
from agents.listen import Status, Supervised, supervise
from agents.sources.source import Arrival, Source
from agents.tallies import Bounds, Tallies
from streams.followed import Followed, Own
from streams.matching import Matcher, Terms
from streams.mention import Decoder, Reason
from streams.post import Refused

NOW_MS = 1_780_000_000_000  # a day in May 2026
ACCOUNTS = {"murmeltel": frozenset({"bluesky:murmeltel.example", "mastodon:hilfe@murmel.example", "desk"})}
TERMS = {
    "murmeltel": Terms(names=("Murmeltel",), handles=("murmeltel.example", "did:plc:marmot")),
    "thistledown": Terms(names=("Thistledown Air",), domains=("thistledown.example",)),
}


@dataclass
class Kept:
    """An output in memory. `hold` keeps the broker's answers back until `release`."""

    mentions: list[tuple[bytes, dict[str, Any], Headers]] = field(default_factory=list)
    rejects: list[tuple[bytes | None, bytes | None, dict[str, bytes]]] = field(default_factory=list)
    cursors: dict[tuple[str, str], Any] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    hold: bool = False
    _held: list[asyncio.Future[None]] = field(default_factory=list)

    async def mention(self, key: bytes, value: bytes, headers: Headers) -> Awaitable[Any]:
        self.mentions.append((key, json.loads(value), headers))
        return self._answer("mention")

    async def reject(self, key: bytes | None, value: bytes | None, headers: Headers) -> Awaitable[Any]:
        self.rejects.append((key, value, dict(headers)))
        return self._answer("reject")

    async def cursor(self, key: bytes, value: bytes | None) -> Awaitable[Any]:
        self.cursors[place_of(key)] = json.loads(value or b"null")
        self.log.append("cursor")
        return self._answer("cursor", at_once=True)

    def release(self) -> None:
        self.hold = False
        for one in self._held:
            if not one.done():
                one.set_result(None)

    def _answer(self, what: str, at_once: bool = False) -> Awaitable[Any]:
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.hold and not at_once:
            self._held.append(answered)
        else:
            answered.set_result(None)
        if not at_once:
            self.log.append(what)
        return answered

    def ids(self) -> list[str]:
        return [mention["id"] for _, mention, _ in self.mentions]

    def texts(self, brand: str = "murmeltel") -> list[str]:
        return [one["text"] for _, one, _ in self.mentions if one["brand"] == brand]


def reader(source: Source, followed: Followed | None = None) -> Reader:
    """The source as `flashover source run` has it, with two brands."""
    return Reader(
        "here", source, Matcher(TERMS), Own(ACCOUNTS), Decoder(b"key", ACCOUNTS), followed or Followed()
    )


def intake(source: Source, kept: Kept, followed: Followed | None = None) -> Intake:
    return Intake(reader(source, followed), kept, Tallies(Bounds()), lambda: NOW_MS)


async def follow(
    source: Source,
    kept: Kept,
    until: Callable[[], bool],
    since: dict[str, Any] | None = None,
    followed: Followed | None = None,
    within_s: float = 20.0,
) -> Supervised:
    """Run a source under its supervisor, without its pauses, until `until` holds; then stop it and flush."""
    one = Supervised(intake(source, kept, followed), since or {}, Status())
    tallies = Tallies(Bounds())

    async def no_pause(_: float) -> None:
        await asyncio.sleep(0.01)

    running = asyncio.ensure_future(supervise(one, tallies, no_pause, lambda: 0.0))
    try:
        async with asyncio.timeout(within_s):
            while not until() and not running.done():
                await asyncio.sleep(0.005)
                await one.intake.flush()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    if not running.cancelled():
        running.result()
    await one.intake.flush()
    return one


_ODD: Sequence[Any] = (
    None, True, -1, 1e308, 10**40, "", "\u202e\x1b[2J\x00", "x" * 5_000, [], {}, [[]], {"a": {}}, "<b>",
)  # fmt: skip


def cut(payload: bytes, dice: random.Random) -> bytes:
    """A payload that certainly is no JSON any more: broken off, or with bytes that are no text."""
    if dice.random() < 0.5:
        return payload[: dice.randrange(len(payload) - 1)]
    at = dice.randrange(1, len(payload) - 1)
    return payload[:at] + dice.choice([b"\xff\xfe", b"\x00", b"}{", b'"' * 3]) + payload[at:] + b"\xc3"


def bent(payload: bytes, dice: random.Random) -> bytes:
    """A payload that is JSON, with one to three of its values replaced by something odd, or left out."""
    value = json.loads(payload)
    for _ in range(dice.randint(1, 3)):
        places = list(_places(value))
        if not places:
            break
        holder, key = dice.choice(places)
        if isinstance(holder, dict) and dice.random() < 0.3:
            del holder[key]
        else:
            holder[key] = copy.deepcopy(dice.choice(_ODD))
    return json.dumps(value).encode("utf-8", "surrogatepass")


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def check_hostile(source: Source, payloads: Sequence[bytes], place: str = "", count: int = 10_000) -> int:
    """Half broken, half bent: all broken ones end in rejects, none raises. How many were refused."""
    dice, one, refused = random.Random(7), reader(source), 0
    for number in range(count):
        payload = dice.choice(payloads)
        broken = number % 2 == 0
        odd = cut(payload, dice) if broken else bent(payload, dice)
        arrival = Arrival(odd, NOW_MS, place)
        found = list(source.parse(arrival))
        refusals = [each for each in found if isinstance(each, Refused)]
        if broken:
            assert refusals, odd
        for each in refusals:
            assert isinstance(each.reason, Reason)
            assert each.detail
            assert each.detail.isprintable()
        records, _ = one.read(arrival, NOW_MS)
        for record in records:
            if record.kind == "reject":
                refused += 1
                headers = dict(record.headers)
                assert headers["topic"].startswith(b"source:here")
                assert headers["reason"]
    return refused
