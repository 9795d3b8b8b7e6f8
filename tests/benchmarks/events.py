"""The mentions that the benchmarks run on: a recording where there is one, else the same shape by dice.

Law of this file: pure but for reading the recording; the same arguments give the same bytes.
"""

from __future__ import annotations

import gzip
import math
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

__all__ = ["Record", "busy", "laps", "live", "recorded", "synthetic", "templates"]

DAY_MS: Final = 24 * 3600 * 1000
_EPOCH_MS: Final = int(datetime(2001, 1, 1, tzinfo=UTC).timestamp() * 1000)  # laps begin here: room for many
# A thread's size is log-normal with mean 8.7 and 0.9 % of 100 or more, as in the recording of threads.
_SIZE_MU: Final = 1.03
_SIZE_SIGMA: Final = 1.51
# An answer comes a log-normal delay after the root: half of them within two hours, none after a day.
_DELAY_MU: Final = math.log(2 * 3600 * 1000)
_DELAY_SIGMA: Final = 1.6

_encode = msgspec.json.Encoder().encode


class Record(NamedTuple):
    """One mention as Kafka holds it, and its event time (ms)."""

    created_ms: int
    key: bytes
    value: bytes


def recorded(path: Path) -> list[dict[str, Any]]:
    """The mentions of a .jsonl.gz file as they stand there, `created_at` in milliseconds, sorted by it."""
    with gzip.open(path) as lines:
        mentions: list[dict[str, Any]] = [msgspec.json.decode(line) for line in lines]
    for mention in mentions:
        mention["created_at"] = int(datetime.fromisoformat(mention["created_at"]).timestamp() * 1000)
    return sorted(mentions, key=lambda one: int(one["created_at"]))


def synthetic(threads: int = 14_600, days: int = 100, seed: int = 1) -> list[dict[str, Any]]:
    """`threads` threads of eight brands that begin at any time within `days` days, sorted by time."""
    dice = random.Random(seed)
    mentions: list[dict[str, Any]] = []
    for number in range(threads):
        thread_id = f"synthetic:t{number:x}"
        begin_ms = _EPOCH_MS + int(dice.random() * days * DAY_MS)
        size = max(1, min(3000, round(dice.lognormvariate(_SIZE_MU, _SIZE_SIGMA))))
        delays = sorted(
            min(DAY_MS - 1, int(dice.lognormvariate(_DELAY_MU, _DELAY_SIGMA))) for _ in range(size - 1)
        )
        brand = f"brand-{dice.randrange(8)}"
        posts = [thread_id]
        for nth, delay_ms in enumerate([0, *delays]):
            post_id = thread_id if nth == 0 else f"{thread_id}-{nth}"
            parent = None if nth == 0 else dice.choice(posts) if dice.random() < 0.5 else thread_id
            mentions.append(
                {
                    "id": post_id,
                    "brand": brand,
                    "platform": "synthetic",
                    "thread_id": thread_id,
                    "parent_id": parent,
                    "kind": "reply" if parent else "post",
                    "author": {"id": f"u{dice.getrandbits(34):x}"},
                    "text": "",
                    "created_at": begin_ms + delay_ms,
                }
            )
            posts.append(post_id)
    return sorted(mentions, key=lambda one: int(one["created_at"]))


def templates(data: Path | None) -> tuple[str, list[dict[str, Any]]]:
    """What the events are, in words, and one lap of them: from the folder `data` if it has a recording."""
    path = data / "threads.jsonl.gz" if data else None
    if path is not None and path.is_file():
        return "recorded threads", recorded(path)
    return "synthetic threads", synthetic()


def laps(mentions: list[dict[str, Any]], size: int) -> Iterator[Record]:
    """`size` records: the mentions again and again, each lap with fresh ids and later than the one before."""
    first, last = int(mentions[0]["created_at"]), int(mentions[-1]["created_at"])
    done = lap = 0
    while done < size:
        shift = _EPOCH_MS - first + lap * (last - first + DAY_MS)
        for mention in mentions[: size - done]:
            yield _record(mention, f".{lap}", int(mention["created_at"]) + shift)
        done += len(mentions)
        lap += 1


def live(mentions: list[dict[str, Any]], threads: int, end_ms: int) -> list[Record]:
    """`threads` threads that all live at `end_ms`: they began within six hours, a day and more before it.

    Every thread keeps its own rhythm; sorted by time.
    """
    begins: dict[str, int] = {}
    for mention in mentions:
        begins.setdefault(mention["thread_id"], int(mention["created_at"]))
    records: list[Record] = []
    dice = random.Random(2)
    whole, rest = divmod(threads, len(begins))
    for lap in range(whole + 1):
        chosen = list(begins)[: None if lap < whole else rest]
        starts = {one: end_ms - 30 * 3600 * 1000 + dice.randrange(6 * 3600 * 1000) for one in chosen}
        records += (
            _record(mention, f".{lap}", int(mention["created_at"]) - begins[thread] + starts[thread])
            for mention in mentions
            if (thread := mention["thread_id"]) in starts
        )
    records.sort()
    return records


def busy(mentions: list[dict[str, Any]], size: int) -> list[Record]:
    """`size` records of a busy network: the first of as many threads as it takes, of `live`, sorted by time.

    In a place that sees tens of thousands of mentions a second, every minute of every brand has many.
    """
    threads = len({one["thread_id"] for one in mentions})
    return live(mentions, math.ceil(1.1 * size * threads / len(mentions)), _EPOCH_MS)[:size]


def _record(mention: dict[str, Any], suffix: str, created_ms: int) -> Record:
    parent = mention["parent_id"]
    thread_id = mention["thread_id"] + suffix
    fresh = {
        **mention,
        "id": mention["id"] + suffix,
        "thread_id": thread_id,
        "parent_id": parent + suffix if parent else None,
        "created_at": rfc3339(created_ms),
    }
    return Record(created_ms, thread_id.encode(), _encode(fresh))


def rfc3339(ms: int) -> str:
    """As the recording writes times: whole seconds, UTC."""
    return datetime.fromtimestamp(ms // 1000, UTC).isoformat().replace("+00:00", "Z")


def count(records: Iterable[Record]) -> int:
    """How many threads there are in `records`."""
    return len({one.key for one in records})
