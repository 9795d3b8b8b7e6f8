"""The floor: a bare aiokafka loop, msgspec, a dict of counts per thread. Keeps nothing, promises nothing."""

from __future__ import annotations

import asyncio

import msgspec
from aiokafka import AIOKafkaConsumer

from tests.benchmarks.runners.clock import Clock, config


class Mention(msgspec.Struct):
    """What a count needs, and a little more."""

    id: str
    brand: str
    thread_id: str
    created_at: str


async def main() -> None:
    """Count `mentions` mentions."""
    asked = config()
    wanted, seen = int(asked["mentions"]), 0
    counts: dict[str, int] = {}
    decode = msgspec.json.Decoder(Mention).decode
    clock = Clock()
    async with AIOKafkaConsumer(
        asked["prefix"] + "mentions",
        bootstrap_servers=asked["bootstrap"],
        group_id=asked["app_id"],
        auto_offset_reset="earliest",
        max_poll_records=2000,
    ) as consumer:
        while seen < wanted:
            fetched = await consumer.getmany(timeout_ms=1000)
            if fetched:
                clock.start()
            for records in fetched.values():
                for record in records:
                    mention = decode(record.value)
                    counts[mention.thread_id] = counts.get(mention.thread_id, 0) + 1
                seen += len(records)
        clock.stop(seen, threads=len(counts))


if __name__ == "__main__":
    asyncio.run(main())
