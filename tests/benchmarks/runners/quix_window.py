"""Quix Streams: a tumbling count of five minutes of event time per thread; state and changelog as usual."""

from __future__ import annotations

import os
import tempfile
from datetime import datetime
from typing import Any

from quixstreams import Application

from tests.benchmarks.runners.clock import Clock, config


def main() -> None:
    """Count `mentions` mentions."""
    asked = config()
    wanted, seen = int(asked["mentions"]), 0
    clock = Clock()

    def created_ms(value: Any, headers: Any, timestamp: float, kind: Any) -> int:
        clock.start()
        return int(datetime.fromisoformat(value["created_at"]).timestamp() * 1000)

    def processed(topic: str, partition: int, offset: int) -> None:
        nonlocal seen
        seen += 1
        if seen == wanted:
            clock.stop(seen)
            os._exit(0)

    with tempfile.TemporaryDirectory() as folder:
        app = Application(
            broker_address=asked["bootstrap"],
            consumer_group=asked["app_id"],
            auto_offset_reset="earliest",
            state_dir=folder,
            on_message_processed=processed,
            loglevel="ERROR",
        )
        topic = app.topic(
            asked["prefix"] + "mentions", value_deserializer="json", timestamp_extractor=created_ms
        )
        if (
            "retention.ms" not in (known := topic.broker_config).extra_config
        ):  # the embedded broker does not tell
            known.extra_config["retention.ms"] = "-1"
            topic.broker_config = known
        counts = app.dataframe(topic).tumbling_window(duration_ms=300_000, grace_ms=600_000).count()
        counts.final()
        app.run()


if __name__ == "__main__":
    main()
