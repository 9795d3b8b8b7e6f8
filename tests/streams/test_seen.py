"""The memory of counted mentions."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.seen import Seen, add, depth_of, find, move

KEYS = st.integers(0, 2**63 - 1)


def built(keys: list[int]) -> Seen:
    seen: Seen = b""
    for key in keys:
        seen = add(seen, key, key % 7)
    return seen


@given(st.lists(KEYS | st.integers(0, 300), unique=True, max_size=150), KEYS | st.integers(0, 300))
def test_each_is_known_and_no_other(keys: list[int], stranger: int) -> None:
    """Few or many, also small hashes, whose bytes are alike; and after their encoding."""
    told = msgspec.msgpack.encode(built(keys))
    seen = msgspec.msgpack.decode(told, type=Seen)
    assert [depth_of(seen, key) for key in keys] == [key % 7 for key in keys]
    assert stranger in keys or depth_of(seen, stranger) is None


@pytest.mark.parametrize("many", [1, 10, 64, 65, 100])
def test_the_newest_depth_holds(many: int) -> None:
    """A mention that is placed again, long after, is where it was placed last, and the others stay."""
    seen = move(add(built(list(range(many))), 1_000, 1), 0, 60)
    assert [depth_of(seen, key) for key in (0, *range(1, many), 1_000)] == [
        60,
        *(n % 7 for n in range(1, many)),
        1,
    ]
    assert depth_of(move(seen, 2_000, 5), 2_000) == 5  # forgotten meanwhile


def test_what_lies_across_two_entries_is_no_entry() -> None:
    packed = bytes(9) + bytes(range(1, 10)) + bytes(range(1, 10))
    assert find(packed, packed[10:18], 9) == -1
    assert find(packed + packed[10:18] + b"\1", packed[10:18], 9) == 27


def test_thousands_are_remembered_exactly() -> None:
    """Of 10,000 random hashes each is known, and no other."""
    rng = random.Random(1)
    keys = [rng.getrandbits(63) for _ in range(20_000)]
    assert built(keys[:10_000]) == {key: key % 7 for key in keys[:10_000]}


def test_a_giant_storm_still_fits_into_one_message() -> None:
    """Beyond 32,768 mentions the oldest go first, and the state stays below Kafka's default of 1 MB."""
    rng = random.Random(2)
    keys, largest = [rng.getrandbits(63) for _ in range(140_000)], 0
    seen: Seen = b""
    for number, key in enumerate(keys):
        seen = add(seen, key, 1)
        if number % 4_096 == 0 or len(seen) == 65_535:
            largest = max(largest, len(msgspec.msgpack.encode(seen)))
    assert all(depth_of(seen, key) == 1 for key in keys[-32_768:])
    assert depth_of(seen, keys[0]) is None
    assert 400_000 < largest < 900_000
