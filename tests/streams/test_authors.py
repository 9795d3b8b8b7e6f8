"""Counting people."""

from __future__ import annotations

import random
from collections import Counter
from statistics import mean

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.authors import Authors, AuthorsState, mentions_by, speak


def spoken(hashes: list[int]) -> Authors:
    authors = Authors()
    for one in hashes:
        speak(authors, one, 0)
    return authors


hashes = st.lists(st.integers(0, 2**63 - 1), max_size=40)
crowds = st.tuples(hashes, st.integers(0, 120), st.integers()).map(
    lambda drawn: drawn[0] * 2 + [random.Random(drawn[2] + n).getrandbits(63) for n in range(drawn[1])]
)


@given(st.lists(st.integers(0, 70), max_size=200))
def test_few_are_counted_exactly(people: list[int]) -> None:
    """Up to 64 people, how many they are and how often each spoke is the truth."""
    people = [person for person in people if person < 64]
    authors, truth = spoken(people), Counter(people)
    assert authors.estimate == len(truth)
    assert authors.busiest == max(truth.values(), default=0)
    assert all(mentions_by(authors, person) == truth[person] for person in range(64))


def test_sixty_four_are_still_few() -> None:
    """The limit that the docstrings name is the limit."""
    assert spoken(list(range(64))).sketch is None
    many = spoken(list(range(65)))
    assert (many.people, many.sketch is None) == (b"", False)


@pytest.mark.parametrize("people", [65, 100, 256, 640, 1_000, 10_000, 100_000])
def test_many_are_counted_to_a_few_percent(people: int) -> None:
    """The error over seeded crowds is what the literature promises: 6.5 %, and hardly any bias."""
    errors = []
    for seed in range(4 if people > 10_000 else 12):
        rng = random.Random(seed)
        authors = spoken([rng.getrandbits(63) for _ in range(people)])
        errors.append(authors.estimate / people - 1)
    assert max(map(abs, errors)) < 3 * 0.065
    assert abs(mean(errors)) < 0.07


@given(crowds, st.randoms(use_true_random=False))
def test_order_does_not_matter(crowd: list[int], rng: random.Random) -> None:
    """Any order of the same mentions says the same of each, few people or many; few stand as they came."""
    shuffled = crowd[:]
    rng.shuffle(shuffled)
    one, other = spoken(shuffled), spoken(crowd)
    first, second = one.state(), other.state()
    assert (*first[:2], first[3]) == (*second[:2], second[3])
    assert {who: mentions_by(one, who) for who in crowd} == {who: mentions_by(other, who) for who in crowd}
    assert len(one.people) == len(other.people)


@given(st.lists(st.tuples(st.integers(0, 63), st.integers(0, 9)), max_size=80))
def test_few_are_known_by_when_they_came(words: list[tuple[int, int]]) -> None:
    """Whatever the order, newcomers add up to one for each person, in the second of the first word."""
    authors, came = Authors(), Counter[int]()
    for person, second in words:
        for moment, gained in speak(authors, person, second):
            came[moment] += gained
    people = {person for person, _ in words}
    firsts = Counter(min(second for one, second in words if one == person) for person in people)
    assert +came == firsts


def test_of_many_newcomers_follow_the_estimate() -> None:
    """Beyond 64 people newcomers add up to about as many as came."""
    rng, authors, came = random.Random(5), Authors(), 0
    for person in [rng.getrandbits(63) for _ in range(2_000)]:
        came += sum(people for _, people in speak(authors, person, 7))
    assert came == pytest.approx(2_000, rel=0.1)


@given(crowds)
def test_a_busy_author_is_never_overlooked(crowd: list[int]) -> None:
    """How often somebody spoke may be said too high, never too low."""
    authors, truth = spoken(crowd), Counter(crowd)
    assert all(mentions_by(authors, one) >= times for one, times in truth.items())
    assert authors.busiest >= max(truth.values(), default=0)


def test_a_flood_in_a_crowd_is_seen_for_what_it_is() -> None:
    """Beyond 64 people the busiest author is found to within a tenth of the crowd."""
    rng = random.Random(3)
    crowd = [rng.getrandbits(63) for _ in range(500)] + [12345] * 700
    rng.shuffle(crowd)
    assert 700 <= spoken(crowd).busiest <= 750


@given(crowds)
def test_a_record_survives_its_encoding(crowd: list[int]) -> None:
    """What the changelog gives back is equal."""
    authors = spoken(crowd)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(authors.state()), type=AuthorsState)
    assert Authors.restored(state) == authors
