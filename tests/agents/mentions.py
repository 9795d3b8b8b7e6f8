"""Records and settings for the tests of the shell: small, plain, and told apart by their numbers."""

from __future__ import annotations

import json
from typing import Any

from aiokafka.structs import ConsumerRecord

from streams.mention import Decoder
from streams.params import ThreadParams

START_MS = 1_700_000_000_000
NOW_MS = START_MS + 30 * 24 * 3600 * 1000
#: So that a thread of a few mentions raises alerts.
EAGER = ThreadParams(viral_at=8, min_mentions=2, min_authors=2)
DECODER = Decoder(b"key")


def value(thread: str, number: int, **changes: Any) -> bytes:
    """A mention of `thread`, `number` seconds into the day."""
    fields = {
        "id": f"{thread}-{number}",
        "brand": "acme",
        "platform": "test",
        "thread_id": thread,
        "author": {"id": f"a{number}"},
        "created_at": START_MS + number * 1000,
    }
    return json.dumps(fields | changes).encode()


def record(offset: int, key: bytes | None, content: bytes | None, partition: int = 0) -> ConsumerRecord:
    """One record of the topic `mentions` as aiokafka hands it out."""
    return ConsumerRecord("mentions", partition, offset, 0, 0, key, content, None, 0, 0, ())


def mention(offset: int, thread: str, number: int | None = None, partition: int = 0) -> ConsumerRecord:
    """A valid one; its number is its offset unless said otherwise."""
    number = offset if number is None else number
    return record(offset, thread.encode(), value(thread, number), partition)
