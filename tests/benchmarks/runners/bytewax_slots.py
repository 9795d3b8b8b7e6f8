"""Bytewax: counts in slots of five minutes per thread by `stateful_map`; own Kafka source, no recovery."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

import bytewax.operators as op
import msgspec
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, run_main

from tests.benchmarks.runners.clock import Clock, config


class Mention(msgspec.Struct):
    """What a slot needs, and a little more."""

    id: str
    brand: str
    thread_id: str
    created_at: str


def main() -> None:
    """Count `mentions` mentions."""
    asked = config()
    wanted, seen = int(asked["mentions"]), 0
    decode = msgspec.json.Decoder(Mention).decode
    clock = Clock()

    def read(message: Any) -> tuple[str, Mention]:
        clock.start()
        mention = decode(message.value)
        return mention.thread_id, mention

    def slot(slots: dict[int, int] | None, mention: Mention) -> tuple[dict[int, int], int]:
        nonlocal seen
        slots = slots or {}
        number = int(datetime.fromisoformat(mention.created_at).timestamp()) // 300
        slots[number] = slots.get(number, 0) + 1
        seen += 1
        if seen == wanted:
            clock.stop(seen)
            os._exit(0)
        return slots, slots[number]

    flow = Dataflow("slots")
    source = KafkaSource([asked["bootstrap"]], [asked["prefix"] + "mentions"])
    counted = op.stateful_map("slot", op.map("read", op.input("mentions", flow, source), read), slot)
    few = op.filter("none", counted, lambda _: False)
    op.output("out", few, TestingSink([]))
    run_main(flow)


if __name__ == "__main__":
    main()
