"""The memory of counted mentions."""

from __future__ import annotations

import random

import msgspec

from streams.seen import Seen, note


def built(keys: list[int]) -> Seen:
    seen: Seen = {}
    for key in keys:
        note(seen, key, key % 7)
    return seen


def test_the_newest_depth_holds() -> None:
    """A mention that is placed again, long after, is where it was placed last."""
    seen = built(list(range(100)))
    note(seen, 3, 99)
    note(seen, 1_000, 1)
    assert seen[3] == 99


def test_thousands_are_remembered_exactly() -> None:
    """Of 10,000 random hashes each is known, and no other."""
    rng = random.Random(1)
    keys = [rng.getrandbits(63) for _ in range(20_000)]
    assert built(keys[:10_000]) == {key: key % 7 for key in keys[:10_000]}


def test_a_giant_storm_still_fits_into_one_message() -> None:
    """Beyond 32,768 mentions the oldest go first, and the state stays below Kafka's default of 1 MB."""
    rng = random.Random(2)
    seen, keys, largest = Seen(), [rng.getrandbits(63) for _ in range(140_000)], 0
    for number, key in enumerate(keys):
        note(seen, key, 1)
        if number % 4_096 == 0 or len(seen) == 65_535:
            largest = max(largest, len(msgspec.msgpack.encode(seen)))
    assert all(seen[key] == 1 for key in keys[-32_768:])
    assert keys[0] not in seen
    assert 400_000 < largest < 900_000
