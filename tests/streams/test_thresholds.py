"""Live thresholds: what is refused, and what holds for whom."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.params import TOP_1_PCT, ThreadParams
from streams.thresholds import Change, Key, Refused, Thresholds, decode, encode, key_of

AT = "2026-01-31T12:00:00Z"
AT_MS = 1_769_860_800_000
BASE = ThreadParams()


def record(fields: Any, **more: Any) -> bytes:
    return json.dumps(
        {"thresholds": fields, "who": "on-call", "why": "a quiet week", "at": AT} | more
    ).encode()


def change(key: str, fields: dict[str, Any], at_ms: int = AT_MS) -> Change:
    parsed = key_of(key.encode())
    assert parsed is not None
    return Change(parsed, fields, "on-call", "a quiet week", at_ms)


def after(*changes: Change, base: Thresholds | None = None) -> Thresholds:
    now = base or Thresholds(BASE, {"big": 5000})
    for one in changes:
        held = now.after(one)
        assert isinstance(held, Thresholds), held
        now = held
    return now


def test_a_record_comes_back_as_it_was_written() -> None:
    one = change("shadow:acme", {"viral_at": 50, "page": 0.6})
    assert decode(*encode(one, AT)) == one


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (b"acme", b"{", ["no JSON"]),
        (b"acme", b"\xff", ["no JSON"]),
        (b"acme", b"[" * 50_000, ["no JSON"]),
        (b"acme", b" " * 70_000, ["70000 bytes"]),
        (b"acme", b"[]", ["no JSON object"]),
        (None, record({}), ["key"]),
        (b"", record({}), ["key"]),
        (b"a b", record({}), ["key"]),
        (b"shadow:shadow:acme", record({}), ["key"]),
        (b"\xff", b"{}", ["key", "`thresholds`", "`who`", "`why`", "`at`"]),
        (b"acme", record([]), ["`thresholds`"]),
        (b"acme", record({"pgae": 0.6}), ["is page meant"]),
        (b"acme", record({"page": "0.6", "min_authors": True}), ["page must", "min_authors must"]),
        (b"acme", record({"viral_at": 50.5}), ["viral_at must be a whole number"]),
        (b"acme", record({"viral_at": 1e400}), ["no JSON"]),
        (b"acme", record({"viral_at": "top-5%"}), ["viral_at must be a number, or top-1%"]),
        (b"acme", record({"page": "top-1%"}), ["page must be a number"]),
        (b"acme", record({}, who=" ", why=7), ["`who`", "`why`"]),
        (b"acme", record({}, at="2026-01-31T12:00:00"), ["`at`"]),
    ],
)
def test_all_that_is_wrong_with_a_record_is_said(key: bytes, value: bytes, words: list[str]) -> None:
    refused = decode(key, value)
    assert isinstance(refused, Refused)
    assert len(refused.reasons) == len(words)
    for reason, word in zip(refused.reasons, words, strict=True):
        assert word in reason


@given(st.binary(max_size=40), st.binary(max_size=300))
def test_anything_at_all_is_a_change_or_refused(key: bytes, value: bytes) -> None:
    assert isinstance(decode(key, value), Change | Refused)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["viral_at", "page", "release", "min_mentions", "x"]), json_values))
def test_what_is_taken_holds_whole_or_not_at_all(fields: dict[str, Any]) -> None:
    """Whatever a record says: the old thresholds, or the old with all of its fields."""
    one = decode(b"acme", record(fields))
    if isinstance(one, Change) and isinstance(held := Thresholds(BASE).after(one), Thresholds):
        assert {name: getattr(held.live("acme"), name) for name in fields} == fields
        assert held.live("other") == BASE


def test_numbers_that_do_not_go_together_are_refused_with_all_reasons() -> None:
    before = after(change("acme", {"page": 0.6}))
    refused = before.after(change("acme", {"warn": 0.9, "release": 2.0, "viral_at": 1}))
    assert isinstance(refused, Refused)
    assert len(refused.reasons) == 3
    assert before.live("acme").page == 0.6


def test_the_nearer_a_change_is_to_a_brand_the_more_it_says() -> None:
    """Settings, then `*`, then the brand's own size of a storm in the settings; or the brand's own change."""
    now = after(change("*", {"page": 0.6, "viral_at": 80}), change("acme", {"min_authors": 2}))
    assert (now.live("other").page, now.live("other").viral_at) == (0.6, 80)
    assert (now.live("big").page, now.live("big").viral_at) == (0.6, 5000)
    assert (now.live("acme").page, now.live("acme").min_authors) == (BASE.page, 2)
    now = after(change("big", {"viral_at": 70}), base=now)
    assert now.live("big") == ThreadParams(viral_at=70)


def test_the_size_of_a_storm_can_be_left_to_what_is_learned() -> None:
    """As a word, which comes back from the topic as it went, and beside the live set too."""
    one = change("acme", {"viral_at": TOP_1_PCT})
    assert decode(*encode(one, AT)) == one
    now = after(one, change("shadow:other", {"viral_at": TOP_1_PCT}))
    assert now.live("acme").viral_at == TOP_1_PCT
    assert now.live("other").viral_at == BASE.viral_at
    assert (beside := now.beside("other")) is not None
    assert beside.params.viral_at == TOP_1_PCT


def test_no_fields_take_a_change_back() -> None:
    now = after(change("acme", {"page": 0.6}), change("*", {"page": 0.7}), change("acme", {}))
    assert now.live("acme").page == 0.7
    tombstone = decode(b"*", None)
    assert isinstance(tombstone, Change)
    assert after(tombstone, base=now).live("acme") == BASE


keys = st.sampled_from(["*", "acme", "big", "shadow:*", "shadow:acme", "shadow:big"])
values = st.fixed_dictionaries({}, optional={"page": st.floats(0.2, 1.1), "viral_at": st.integers(0, 9)})


@given(st.lists(st.tuples(keys, values), max_size=12))
def test_only_the_last_good_change_of_each_key_counts(rows: list[tuple[str, dict[str, Any]]]) -> None:
    """So a compacted topic, that has lost the ones before, says the same."""
    now = Thresholds(BASE, {"big": 5000})
    good: dict[Key, Change] = {}
    for number, (key, fields) in enumerate(rows):
        one = change(key, fields, number)
        held = now.after(one)
        if isinstance(held, Thresholds):
            now = held
            good[one.key] = one
    compacted = after(*good.values())
    for brand in ("acme", "big", "other"):
        assert now.live(brand) == compacted.live(brand)
        assert now.beside(brand) == compacted.beside(brand)


def test_a_second_set_stands_beside_the_live_one() -> None:
    """What it would be if it were set live: a default does not move a brand with a change of its own."""
    now = after(change("*", {"page": 0.6}), change("acme", {"page": 0.7}))
    assert not now.has_shadow
    assert now.beside("acme") is None
    now = after(change("shadow:*", {"page": 0.8}), base=now)
    assert now.has_shadow
    assert now.beside("acme") is None
    assert now.beside("other") == (ThreadParams(page=0.8), AT_MS)
    assert now.beside("big") == (ThreadParams(page=0.8, viral_at=5000), AT_MS)
    now = after(change("shadow:acme", {"page": 0.9}), base=now)
    assert now.beside("acme") == (ThreadParams(page=0.9), AT_MS)
    assert now.live("acme").page == 0.7
