"""An open-loop source: every mention has a time at which it is due, and that time is its created_at.

It never waits for anybody: what can't be sent in time is sent as soon as it can, its due time unchanged, so
a slow broker or worker shows as latency and not as a lower rate (no coordinated omission).
One in five mentions belongs to a storm of 120 mentions, 40 storms at once; the others to calm threads. Other
numbers may be asked for.
"""

from __future__ import annotations

import asyncio
import json
import random
import time

import msgspec
from aiokafka import AIOKafkaProducer

from tests.benchmarks.runners.clock import config
from tests.benchmarks.stage import PARTITIONS, partition_of

TICK_S = 0.01
_STORM_EVERY, _STORMS_AT_ONCE, _STORM_SIZE, _CALM_AT_ONCE = 5, 40, 120, 3000
_BATCH_BYTES = 512 * 1024  # a partition's mentions of two seconds and more

encode = msgspec.json.Encoder().encode


def thread_of(
    number: int,
    dice: random.Random,
    every: int = _STORM_EVERY,
    at_once: int = _STORMS_AT_ONCE,
    calm: int = _CALM_AT_ONCE,
) -> str:
    """The thread that the `number`-th mention belongs to."""
    nth, rest = divmod(number, every)
    if rest:
        return f"bench:calm-{number // 7 + dice.randrange(calm)}"
    lane = nth % at_once
    return f"bench:storm-{lane}-{(nth // at_once + _STORM_SIZE * lane // at_once) // _STORM_SIZE}"


async def main() -> None:
    """Send `rate` mentions a second for `seconds` seconds."""
    asked = config()
    rate, total = int(asked["rate"]), int(asked["rate"] * asked["seconds"])
    topic, dice = asked["prefix"] + "mentions", random.Random(3)
    calm = asked.get("calm_at_once", _CALM_AT_ONCE)
    every, at_once = asked.get("storm_every", _STORM_EVERY), asked.get("storms_at_once", _STORMS_AT_ONCE)
    worst_s, sent = 0.0, 0
    async with AIOKafkaProducer(
        bootstrap_servers=asked["bootstrap"], max_batch_size=_BATCH_BYTES
    ) as producer:
        begin_s = time.time() + 0.5
        under_way = []
        while sent < total:
            now_s = time.time()
            due = min(total, int((now_s - begin_s) * rate) + 1) if now_s >= begin_s else 0
            if due > sent:
                worst_s = max(worst_s, now_s - (begin_s + sent / rate))
            batches = {}
            while sent < due:
                thread = thread_of(sent, dice, every, at_once, calm)
                key = thread.encode()
                mention = {
                    "id": f"bench:m-{sent}",
                    "brand": f"brand-{sent % 8}" if "calm" in thread else "storm-brand",
                    "platform": "bench",
                    "thread_id": thread,
                    "parent_id": thread,
                    "author": {"id": f"u{dice.randrange(1_000_000)}", "followers": 100},
                    "text": "",
                    "created_at": int((begin_s + sent / rate) * 1000),
                }
                number = partition_of(key)
                if number not in batches:
                    batches[number] = producer.create_batch()
                if batches[number].append(key=key, value=encode(mention), timestamp=None) is None:
                    raise RuntimeError(
                        f"more than {now_s - begin_s - sent / rate:.1f} s behind: no fair measure"
                    )
                sent += 1
            for number, batch in batches.items():
                assert number < PARTITIONS
                under_way.append(await producer.send_batch(batch, topic, partition=number))
            under_way = [one for one in under_way if not one.done()]
            await asyncio.sleep(TICK_S)
        await asyncio.gather(*under_way)
    print(json.dumps({"sent": sent, "seconds": time.time() - begin_s, "worst_late_s": worst_s}))


if __name__ == "__main__":
    asyncio.run(main())
