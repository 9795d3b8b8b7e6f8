"""Hears alerts and notes how long after its mention was due each one could be read; ends with its input."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import datetime

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.benchmarks.runners.clock import config


class Alert(msgspec.Struct):
    """What is needed of an alert."""

    level: str
    raised_at: datetime


async def main() -> None:
    """Listen until standard input ends, then print every (level, latency in ms)."""
    asked = config()
    decode = msgspec.json.Decoder(Alert).decode
    heard: list[tuple[str, float]] = []
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    async with AIOKafkaConsumer(bootstrap_servers=asked["bootstrap"], fetch_max_wait_ms=20) as consumer:
        partition = TopicPartition(asked["prefix"] + "alerts", 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        print("ready", flush=True)
        while not ended.done():
            fetched = await consumer.getmany(timeout_ms=100)
            now_s = time.time()
            for record in fetched.get(partition, ()):
                alert = decode(record.value)
                heard.append((alert.level, 1000 * (now_s - alert.raised_at.timestamp())))
    print(json.dumps({"heard": heard}))


if __name__ == "__main__":
    asyncio.run(main())
