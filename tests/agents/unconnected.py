"""A whole worker without a broker: what it would write is kept, and pulses come back to it by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from aiokafka.structs import ConsumerRecord

from agents.app import KafkaOutput, Worker, build
from agents.brand_codec import encode_pulses
from agents.follower import Headers, Origin
from agents.settings import Settings
from agents.transport import Chunk
from agents.usuals import LiveUsuals, encode_usuals
from streams.alert import Alert
from streams.incident import Revise
from streams.pulse import Told
from streams.shadow import Tally
from streams.usual import Usual


class _Kept:
    def __init__(self, usuals: LiveUsuals) -> None:
        self.usuals = usuals
        self.alerts: list[Alert] = []
        self.notices: list[Revise] = []
        self.pulses_told: list[Told] = []

    async def alert(self, alert: Alert, origin: Origin) -> Awaitable[Any]:
        self.alerts.append(alert)
        return asyncio.sleep(0)

    async def reject(self, key: bytes | None, value: bytes | None, headers: Headers) -> Awaitable[Any]:
        return asyncio.sleep(0)

    async def revise(self, notice: Revise) -> Awaitable[Any]:
        self.notices.append(notice)
        return asyncio.sleep(0)

    async def pulses(self, told: Iterable[Told]) -> list[Awaitable[Any]]:
        self.pulses_told += told
        return []

    async def shadow(self, partition: int, tallies: Mapping[str, Tally]) -> list[Awaitable[Any]]:
        return []

    async def usual(self, brand: str, latest: tuple[Usual, ...]) -> Awaitable[Any]:
        self.usuals.take(brand.encode(), encode_usuals(latest), "here")
        return asyncio.sleep(0)

    async def changelog(
        self, partition: int, records: Iterable[tuple[bytes, bytes | None]]
    ) -> list[Awaitable[Any]]:
        return []


class _Acked:
    def ack(self) -> bool:
        return True


class Unconnected:
    """One partition, all that a worker does with it."""

    def __init__(self, settings: Settings, now_ms: int) -> None:
        self.worker: Worker = build(settings)
        self.kept = _Kept(self.worker.usuals)
        follower, brands = self.worker.follower, self.worker.brands
        follower._output = brands._output = cast(KafkaOutput, self.kept)
        follower._now_ms = lambda: now_ms
        follower.assigned({0: {}})
        brands.assigned({0: {}})
        self._next = 0
        self._pulse = 0

    def feed(self, lines: Iterable[tuple[bytes, bytes]], *, at_once: int = 100) -> None:
        """Keys and values, in chunks with a flush after each."""
        asyncio.run(self._feed(list(lines), at_once))

    async def _feed(self, lines: list[tuple[bytes, bytes]], at_once: int) -> None:
        for begin in range(0, len(lines), at_once):
            records = [
                ConsumerRecord("mentions", 0, self._next + place, 0, 0, key, value, None, 0, 0, ())
                for place, (key, value) in enumerate(lines[begin : begin + at_once])
            ]
            self._next += len(records)
            await self.worker.follower.take(Chunk(0, records, records[0].offset - 1), _Acked())
            await self.worker.follower.flush()
            told, self.kept.pulses_told = self.kept.pulses_told, []
            if told:
                pulses = [
                    ConsumerRecord(
                        "p", 0, self._pulse + place, 0, 0, None, encode_pulses([one]), None, 0, 0, ()
                    )
                    for place, one in enumerate(told)
                ]
                self._pulse += len(pulses)
                await self.worker.brands.take(Chunk(0, pulses, pulses[0].offset - 1), _Acked())
                await self.worker.brands.flush()


def lines_of(path: Path) -> list[tuple[bytes, bytes]]:
    """Keys and values of a recording, in its order."""
    import gzip
    import json

    with gzip.open(path) as file:
        return [(json.loads(line)["thread_id"].encode(), line.rstrip()) for line in file]
