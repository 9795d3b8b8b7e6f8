"""Counts by five minutes, packed: the same as a dict would have, whatever the order."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from streams.buckets import BUCKETS_KEPT, counted, unpacked
from tests.threads import buckets_of


@given(st.lists(st.integers(-300, 300) | st.integers(-(2**20), 2**20), max_size=600))
def test_counts_are_exact_in_any_order(numbers: list[int]) -> None:
    buckets = b""
    for number in numbers:
        buckets = counted(buckets, number)
    assert unpacked(buckets) == sorted(Counter(numbers).items())[-BUCKETS_KEPT:]


def test_the_oldest_go_where_there_are_too_many() -> None:
    buckets = b""
    for number in range(BUCKETS_KEPT + 5):
        buckets = counted(buckets, number)
    assert unpacked(buckets) == [(number, 1) for number in range(5, BUCKETS_KEPT + 5)]
    assert counted(buckets, 2) == buckets  # older than all that are kept


def test_a_bucket_counts_far() -> None:
    assert unpacked(counted(buckets_of({-7: 2**32 - 2, 7: 1}), -7)) == [(-7, 2**32 - 1), (7, 1)]
