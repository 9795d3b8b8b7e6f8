"""What strangers send ends in `rejects`, byte for byte and with its reason, or is counted right.

Law: every mutation below says itself what must become of it. The worker is started once.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.build import hot_path
from agents.topics import topics
from streams.mention import Mention
from tests.integration import flows
from tests.integration.brokers import Broker
from tests.integration.flows import Record, wait_for

pytestmark = pytest.mark.integration

RECORDS = 10_000
COUNTED = ""  # instead of a reason
EITHER = None  # what a random change of bytes becomes, the core says
Mutation = Callable[[dict[str, Any], random.Random], tuple[Record, str | None]]


def with_fields(reason: str | None, **fields: Any) -> Mutation:
    """The record with these fields; the key stays what the thread id was."""

    def mutate(row: dict[str, Any], dice: random.Random) -> tuple[Record, str | None]:
        return (row["thread_id"].encode(), json.dumps(row | fields).encode()), reason

    return mutate


def with_bytes(reason: str | None, change: Callable[[bytes, random.Random], bytes | None]) -> Mutation:
    """The record with its bytes changed."""

    def mutate(row: dict[str, Any], dice: random.Random) -> tuple[Record, str | None]:
        return (row["thread_id"].encode(), change(json.dumps(row).encode(), dice)), reason

    return mutate


def with_key(reason: str | None, change: Callable[[bytes], bytes | None]) -> Mutation:
    """The record under another key."""

    def mutate(row: dict[str, Any], dice: random.Random) -> tuple[Record, str | None]:
        return (change(row["thread_id"].encode()), json.dumps(row).encode()), reason

    return mutate


def with_thread(reason: str | None, thread_id: str) -> Mutation:
    """The record in another thread, and under its key."""

    def mutate(row: dict[str, Any], dice: random.Random) -> tuple[Record, str | None]:
        key = thread_id.encode("utf-8", "surrogatepass")
        return (key, json.dumps(row | {"thread_id": thread_id}).encode()), reason

    return mutate


def in_the_end(more: bytes) -> Callable[[bytes, random.Random], bytes]:
    """Put something before the closing brace."""
    return lambda value, dice: value[:-1] + more + b"}"


def flipped(value: bytes, dice: random.Random) -> bytes:
    changed = bytearray(value)
    for _ in range(dice.randrange(1, 4)):
        changed[dice.randrange(len(changed))] = dice.randrange(256)
    return bytes(changed)


DAY_MS = 24 * 3600 * 1000
MUTATIONS: dict[str, Mutation] = {
    "untouched": with_bytes(COUNTED, lambda value, dice: value),
    "cut off": with_bytes("not-json", lambda value, dice: value[: dice.randrange(1, len(value))]),
    "flipped": with_bytes(EITHER, flipped),
    "no value": with_bytes("empty", lambda value, dice: None),
    "empty value": with_bytes("empty", lambda value, dice: b""),
    "null": with_bytes("bad-field", lambda value, dice: b"null"),
    "a list": with_bytes("bad-field", lambda value, dice: b"[" + value + b"]"),
    "twice": with_bytes("not-json", lambda value, dice: value + value),
    "a BOM": with_bytes("not-json", lambda value, dice: b"\xef\xbb\xbf" + value),
    "UTF-16": with_bytes("not-json", lambda value, dice: value.decode().encode("utf-16")),
    "invalid UTF-8": with_bytes("not-json", in_the_end(b',"text":"\xff\xfe"')),
    "a lone surrogate": with_bytes("not-json", in_the_end(b',"text":"\\ud800"')),
    "a lone surrogate as bytes": with_bytes("not-json", in_the_end(b',"text":"\xed\xa0\x80"')),
    "a lone surrogate in an unknown field": with_bytes("not-json", in_the_end(b',"x":"\\udfff"')),
    "a raw NUL": with_bytes("not-json", lambda value, dice: value + b"\0"),
    "a NUL": with_fields(COUNTED, text="a\0b\0"),
    "a NUL as brand": with_fields("bad-field", brand="a\0"),
    "deep nesting": with_bytes("not-json", in_the_end(b',"x":' + b"[" * 9000 + b"]" * 9000)),
    "deep nesting, never closed": with_bytes("not-json", lambda value, dice: b'{"a":' * 9000),
    "NaN": with_bytes("not-json", in_the_end(b',"count":NaN')),
    "a huge number": with_bytes("bad-field", in_the_end(b',"created_at":' + b"9" * 5000)),
    "a huge float": with_bytes("bad-field", in_the_end(b',"created_at":1e999')),
    "a date beyond all dates": with_bytes("future", in_the_end(b',"created_at":' + b"9" * 18)),
    "a huge negative date": with_fields("too-old", created_at=-(2**62)),
    "far future": with_fields("future", created_at="9999-12-31T23:59:59.999-23:59"),
    "long ago": with_fields("too-old", created_at="0001-01-01T00:00:00+23:59"),
    "tomorrow": with_fields("future", created_at=int(time.time() * 1000) + DAY_MS),
    "no time zone": with_fields("bad-field", created_at="2023-11-14T22:13:20"),
    "no date": with_fields("bad-field", created_at="yesterday"),
    "a date as a list": with_fields("bad-field", created_at=[2023, 11, 14]),
    "negative followers": with_fields("bad-field", author={"id": "a", "followers": -1}),
    "more followers than people": with_fields("bad-field", author={"id": "a", "followers": 2**63}),
    "followers as text": with_fields("bad-field", author={"id": "a", "followers": "12"}),
    "no author": with_fields("bad-field", author=None),
    "an author without id": with_fields("bad-field", author={"handle": "x"}),
    "an empty id": with_fields("bad-field", id=""),
    "a number as id": with_fields("bad-field", id=7),
    "a giant id": with_fields("bad-field", id="x" * 5000),
    "an unknown kind": with_fields("bad-field", kind="rant"),
    "a volume without count": with_fields("no-count", kind="volume"),
    "a slug with a slash": with_fields("bad-field", brand="../../etc/passwd"),
    "a slug with markup": with_fields("bad-field", brand="<script>alert(1)</script>"),
    "a slug with a newline": with_fields("bad-field", brand="acme\n"),
    "a slug in capitals": with_fields("bad-field", brand="ACME"),
    "an empty slug": with_fields("bad-field", brand=""),
    "a long slug": with_fields("bad-field", brand="a" * 65),
    "a slug with a wide digit": with_fields("bad-field", platform="\uff11"),
    "text of no words": with_fields(COUNTED, text="\u202e\u200b\U000e0041" * 50 + "\x1b[2J"),
    "text as a number": with_fields("bad-field", text=5),
    "unknown fields": with_fields(COUNTED, more={"x": [1, {"y": None}]}, **{"": 1}),
    "fields twice": with_bytes("key-mismatch", in_the_end(b',"thread_id":"another"')),
    "no key": with_key("key-mismatch", lambda key: None),
    "an empty key": with_key("key-mismatch", lambda key: b""),
    "another key": with_key("key-mismatch", lambda key: key + b"x"),
    "a key of no text": with_key("key-mismatch", lambda key: b"\xff\x00\xfe"),
    "a giant key": with_key("key-mismatch", lambda key: key * 20_000),
    "a giant thread id": with_thread("bad-field", "t" * 600),
    "a long thread id": with_thread(COUNTED, "t" * 512),
    "a thread id of control characters": with_thread("bad-field", "\0\n\r\t\x1b[31m"),
    "a thread id in many scripts": with_thread(COUNTED, "шторм-風暴-🌪️-e\u0301"),
    "a thread id that is a lone surrogate": with_thread("not-json", "\ud800"),
    "an empty thread id": with_thread("bad-field", ""),
}
BIG = {
    "10 MB of text": with_fields(COUNTED, text="ä" * 1_600_000),
    "10 MB of nothing": with_bytes("not-json", lambda value, dice: b" " * 10_000_000),
    "10 MB in an unknown field": with_bytes(COUNTED, in_the_end(b',"x":"' + b"x" * 10_000_000 + b'"')),
    "10 MB of garbage": with_bytes("not-json", lambda value, dice: dice.randbytes(10_000_000)),
}


def hostile(seed: int) -> list[tuple[str, Record, str | None]]:
    """Name of the mutation, the record, and the reason why it must be rejected."""
    dice = random.Random(seed)
    names = [name for name in MUTATIONS for _ in range(RECORDS // len(MUTATIONS))]
    names += ["untouched"] * (RECORDS - len(BIG) - len(names)) + list(BIG)
    dice.shuffle(names)
    made = []
    for number, name in enumerate(names):
        row = flows.mention(number % 50, f"m{number}", None, number * 1000, dice)
        record, reason = (MUTATIONS | BIG)[name](row, dice)
        made.append((name, record, reason))
    return made


def test_ten_thousand_hostile_records(broker: Broker, prefix: str, tmp_path: Path) -> None:
    settings = flows.settings_for(broker, prefix)
    made = hostile(seed=5)
    assert len(made) == RECORDS
    with flows.worker(settings, tmp_path / "worker.log") as process:
        flows.produce(settings, [record for _, record, _ in made])
        assert wait_for(lambda: flows.all_followed(settings) or process.poll() is not None, 90)
        os.kill(process.pid, signal.SIGTERM)
        assert process.exit_code(within_s=20) == 0, process.tail()
        assert "Traceback" not in process.said()
        assert f"hot path: {hot_path()}" in process.said()  # it ran on what this test was to be about

    mentions = flows.read(settings, topics(settings).mentions.name)
    arrived = {(one.partition, one.offset): one for one in mentions}
    assert len(arrived) == RECORDS
    want = flows.expected(settings, [(one.key, one.value) for one in arrived.values()], now_ms=now_ms())
    assert flows.state(settings) == want.threads

    rejected = {}
    for one in flows.read(settings, topics(settings).rejects.name):
        origin = int(one.headers["partition"]), int(one.headers["offset"])
        assert origin not in rejected
        rejected[origin] = one
        raw = arrived[origin]
        assert (one.key, one.value) == (raw.key, raw.value)
        assert one.headers["topic"].decode() == topics(settings).mentions.name
        assert one.headers["detail"]
    assert want.counted + want.duplicates + len(rejected) == RECORDS

    reasons = {
        (arrived[origin].key, arrived[origin].value): one.headers["reason"].decode()
        for origin, one in rejected.items()
    }
    wrong = Counter(
        (name, reasons.get(record, COUNTED), reason)
        for name, record, reason in made
        if reason is not EITHER and reasons.get(record, COUNTED) != reason
    )
    assert not wrong, f"mutation, what became of it, what should have: {wrong}"
    assert sum(thread.mentions for thread in flows.state(settings).values()) == want.counted


def now_ms() -> int:
    return int(time.time() * 1000)


@pytest.mark.parametrize("seed", range(4))
def test_no_bytes_raise(seed: int) -> None:
    """The decoder answers to whatever is made of a valid record, and to noise."""
    dice = random.Random(seed)
    decode = flows.decoder().decode_keyed
    for number in range(5000):
        row = flows.mention(number, f"m{number}", None, 0, dice)
        value = flipped(json.dumps(row).encode(), dice)
        answer = decode(value, flows.NOW_MS, row["thread_id"].encode())
        if isinstance(answer, Mention):
            assert re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", answer.brand)
        decode(dice.randbytes(dice.randrange(200)), flows.NOW_MS, b"t")
