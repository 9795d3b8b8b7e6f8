"""`flashover demo`: the bundled recording into Kafka, again and again, for a stack to look at.

Law of this file: each lap is the same day, moved on in time and under other ids, so that nothing of it was
counted before. It begins years ago and never reaches today: a mention from the future would be refused.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

from agents.commands.common import complain, on_brokers, settings_of
from agents.files import read_lines

__all__ = ["demo", "lap_of"]

_LAP: Final = timedelta(days=2)  # the recorded day, and one of silence
_YEARS: Final = timedelta(days=3650)


def lap_of(records: list[dict[str, Any]], lap: int) -> Iterator[dict[str, Any]]:
    """The records of lap `lap` (0, 1, …), in order: moved in time, with ids of their own."""

    def named(one: str | None) -> str | None:
        return None if one is None else f"{one}~{lap}"

    for record in records:
        moved = datetime.fromisoformat(record["created_at"]) - _YEARS + lap * _LAP
        yield record | {
            "id": named(record["id"]),
            "thread_id": named(record["thread_id"]),
            "parent_id": named(record.get("parent_id")),
            "created_at": moved.astimezone(UTC).isoformat(),
        }


@click.command()
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=720.0,
    show_default=True,
    help="Recorded seconds per second.",
)
@click.option("--laps", type=click.IntRange(min=1), help="End after so many laps [default: after ten years].")
@on_brokers
@click.pass_context
def demo(context: click.Context, speed: float, laps: int | None) -> None:
    """Play the bundled recording into Kafka, over and over.

    For trying out only.

    Begun again it repeats the first laps: those mentions count once.

    \b
    Examples:
      flashover demo
      flashover demo --speed 7200 --laps 3
    """
    from agents.clients import sender
    from agents.recordings import RECORDING
    from agents.topics import topics

    settings = settings_of(context)
    lines = read_lines([str(RECORDING)], settings.max_record_bytes, lambda _: None)
    records = sorted((json.loads(line.raw) for line in lines), key=lambda one: str(one["created_at"]))
    topic = topics(settings).mentions.name
    most = int(_YEARS / _LAP)
    with sender(settings, topic) as out:
        for lap in range(min(laps or most, most)):
            began = first = None
            for one in lap_of(records, lap):
                at = datetime.fromisoformat(one["created_at"])
                began, first = began or time.monotonic(), first or at
                if (ahead_s := began + (at - first).total_seconds() / speed - time.monotonic()) > 0:
                    time.sleep(ahead_s)
                out.send(one["thread_id"].encode(), json.dumps(one, ensure_ascii=False).encode())
            complain(f"lap {lap + 1}: {len(records)} mentions sent to {topic}")
