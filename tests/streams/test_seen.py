"""The memory of counted mentions."""

from __future__ import annotations

import random
from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streams.seen import EMPTY, Seen, add, depth_of


def built(keys: list[int]) -> Seen:
    seen = EMPTY
    for key in keys:
        seen = add(seen, key, key % 7)
    return seen


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 9)), max_size=400))
def test_it_is_a_dict_that_never_changes(entries: list[tuple[int, int]]) -> None:
    """At every moment it answers as a dict would, and every older version still answers as it did."""
    seen, model = EMPTY, dict[int, int]()
    versions = [(seen, model)]
    for key, depth in entries:
        seen, model = add(seen, key, depth), model | {key: depth}
        versions.append((seen, model))
    for seen, model in versions[:: max(1, len(versions) // 20)]:
        assert [depth_of(seen, key) for key in range(301)] == [model.get(key) for key in range(301)]


def test_the_newest_depth_holds() -> None:
    """A mention that is placed again, long after, is where it was placed last."""
    seen = add(built(list(range(100))), 3, 99)
    assert depth_of(seen, 3) == 99
    assert depth_of(add(seen, 1_000, 1), 3) == 99


def test_thousands_are_remembered_exactly() -> None:
    """Of 10,000 random hashes each is known, and no other."""
    rng = random.Random(1)
    keys = [rng.getrandbits(63) for _ in range(20_000)]
    seen = built(keys[:10_000])
    assert all(depth_of(seen, key) == key % 7 for key in keys[:10_000])
    assert not any(depth_of(seen, key) is not None for key in keys[10_000:])


def test_the_stack_stays_low() -> None:
    """Each dict is at least twice the next, but for the small one on top, so asking is O(log n)."""
    for size in (31, 32, 33, 65, 1_000, 9_999):
        sizes = [len(level) for level in built(list(range(size)))]
        assert sum(sizes) == size
        assert all(big >= 2 * small for big, small in pairwise(sizes[:-1]))


def test_a_giant_storm_still_fits_into_one_message() -> None:
    """Beyond 32,768 mentions the oldest go first, and the state stays below Kafka's default of 1 MB."""
    rng = random.Random(2)
    seen, keys, largest = EMPTY, [rng.getrandbits(63) for _ in range(140_000)], 0
    for number, key in enumerate(keys):
        seen = add(seen, key, 1)
        if number % 4_096 == 0:
            largest = max(largest, len(msgspec.msgpack.encode(seen)))
    assert all(depth_of(seen, key) == 1 for key in keys[-32_768:])
    assert depth_of(seen, keys[0]) is None
    assert 400_000 < largest < 900_000
