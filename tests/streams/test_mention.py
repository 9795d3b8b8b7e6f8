"""Whatever strangers write ends as a Mention or as Rejected."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.mention import TEXT_LIMIT, Decoder, Mention, Reason, Rejected, hash64, rfc3339
from tests.mentions import FIELDS

NOW = 1_719_792_000_000  # 2024-07-01T00:00:00Z
GOOD: dict[str, Any] = {
    "id": "forum:c1",
    "brand": "acme",
    "platform": "forum",
    "thread_id": "forum:t1",
    "parent_id": "forum:c0",
    "author": {"id": "u1", "handle": "@Anna", "followers": 12},
    "text": "My contract was cancelled twice.",
    "created_at": "2024-06-01T12:00:00+02:00",
}


def raw(**changes: Any) -> bytes:
    """A good record with some fields changed; `...` takes a field away."""
    return json.dumps({k: v for k, v in (GOOD | changes).items() if v is not ...}).encode()


def spelled(field: str, literal: str) -> bytes:
    """A good record with a field spelled in JSON that no encoder would write."""
    return raw(**{field: "HERE"}).replace(b'"HERE"', literal.encode())


def accepted(value: bytes, decoder: Decoder | None = None) -> Mention:
    mention = (decoder or Decoder()).decode(value, NOW)
    assert isinstance(mention, Mention), mention
    return mention


def refused(value: bytes | None) -> Rejected:
    rejected = Decoder().decode(value, NOW)
    assert isinstance(rejected, Rejected), rejected
    assert rejected.detail.isprintable()
    assert 0 < len(rejected.detail) <= 200
    return rejected


def test_a_good_record_becomes_a_mention() -> None:
    """Every field of the wire arrives where the core looks for it."""
    mention = accepted(raw(url="https://forum.example/c1", lang="en", reactions={"likes": 3}))
    assert (mention.id, mention.thread_id, mention.brand) == ("forum:c1", "forum:t1", "acme")
    assert (mention.key, mention.parent) == (hash64("forum:c1"), hash64("forum:c0"))
    assert (mention.kind, mention.to_root, mention.from_brand) == ("reply", False, False)
    assert (mention.followers, mention.lang, mention.url) == (12, "en", "https://forum.example/c1")
    assert rfc3339(mention.created_ms) == "2024-06-01T10:00:00.000Z"
    assert mention.reactions is not None
    assert mention.reactions.likes == 3


def test_a_record_of_required_fields_alone_will_do() -> None:
    """What is absent gets the default that the contract names."""
    bare = {k: GOOD[k] for k in ("id", "brand", "platform", "thread_id", "created_at")} | {
        "author": {"id": "u"}
    }
    mention = accepted(json.dumps(bare).encode())
    assert (mention.kind, mention.parent, mention.text, mention.followers) == ("post", 0, "", 0)
    assert mention.reactions is None


@pytest.mark.parametrize(
    ("created_at", "ms"),
    [
        (1_717_236_000_000, 1_717_236_000_000),
        ("2024-06-01T10:00:00Z", 1_717_236_000_000),
        ("2024-06-01t10:00:00z", 1_717_236_000_000),
        ("2024-06-01 10:00:00-00:00", 1_717_236_000_000),
        ("2024-06-01T10:00:00.001Z", 1_717_236_000_001),
        ("2024-06-01T10:00:00.1234567Z", 1_717_236_000_123),
        ("2024-06-01T09:59:59.9999999Z", 1_717_236_000_000),
        ("2024-06-01T23:59:00+13:59", 1_717_236_000_000),
        ("2000-01-01T00:00:00Z", 946_684_800_000),
        (NOW + 300_000, NOW + 300_000),
    ],
)
def test_created_at_is_read_to_the_millisecond(created_at: object, ms: int) -> None:
    """RFC 3339 in any offset and integer milliseconds mean the same instant."""
    assert accepted(raw(created_at=created_at)).created_ms == ms


@given(st.integers(946_684_800_000, NOW))
def test_every_millisecond_survives_its_spelling(ms: int) -> None:
    """No float rounds an instant: what is written is read back."""
    assert accepted(raw(created_at=rfc3339(ms))).created_ms == ms


@pytest.mark.parametrize(
    ("created_at", "reason"),
    [
        ("1999-12-31T23:59:59.999Z", Reason.TOO_OLD),
        ("0001-01-01T00:00:00+14:00", Reason.TOO_OLD),
        (0, Reason.TOO_OLD),
        (-(10**30), Reason.TOO_OLD),
        (NOW + 300_001, Reason.FUTURE),
        ("9999-12-31T23:59:59-14:00", Reason.FUTURE),
        (10**30, Reason.FUTURE),
        ("10000-01-01T00:00:00Z", Reason.BAD_FIELD),
        ("2024-06-30T23:59:60Z", Reason.BAD_FIELD),
        ("2024-06-01T10:00:00", Reason.BAD_FIELD),
        ("2024-06-01T10:00Z", Reason.BAD_FIELD),
        ("2024-02-30T00:00:00Z", Reason.BAD_FIELD),
        ("2024-06-01T10:00:00+24:00", Reason.BAD_FIELD),
        ("9999-12-31T23:59:59.9999999Z", Reason.BAD_FIELD),
        ("yesterday", Reason.BAD_FIELD),
        ("", Reason.BAD_FIELD),
        ("1717236000000", Reason.BAD_FIELD),
        (1_717_236_000_000.0, Reason.BAD_FIELD),
        (True, Reason.BAD_FIELD),
        (None, Reason.BAD_FIELD),
        (..., Reason.BAD_FIELD),
    ],
)
def test_a_time_that_cannot_be_is_refused(created_at: object, reason: Reason) -> None:
    """Before 2000, too far ahead, without offset or not a time at all: each has its word."""
    assert refused(raw(created_at=created_at)).reason == reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.EMPTY),
        (b"", Reason.EMPTY),
        (b"  ", Reason.NOT_JSON),
        (b"\0", Reason.NOT_JSON),
        (b"null", Reason.BAD_FIELD),
        (b"[]", Reason.BAD_FIELD),
        (b"{}", Reason.BAD_FIELD),
        (raw()[:-1], Reason.NOT_JSON),
        (raw() + b"x", Reason.NOT_JSON),
        (b"\xef\xbb\xbf" + raw(), Reason.NOT_JSON),
        (raw().decode().encode("utf-16"), Reason.NOT_JSON),
        (raw().replace(b"forum:c1", b"\xff"), Reason.NOT_JSON),
        (raw().replace(b"forum:c1", b"\xed\xa0\x80"), Reason.NOT_JSON),
        (raw().replace(b"forum:c1", b"\0"), Reason.NOT_JSON),
        (raw(id="\ud800"), Reason.NOT_JSON),
        (raw(text="half an emoji \ud83d"), Reason.NOT_JSON),
        (raw(unknown="\udc00"), Reason.NOT_JSON),
        (spelled("unknown", "[" * 100_000 + "]" * 100_000), Reason.NOT_JSON),
        (b'{"author":' * 100_000, Reason.NOT_JSON),
        (b'{"a":' * 100_000, Reason.NOT_JSON),
        (spelled("created_at", "NaN"), Reason.NOT_JSON),
        (spelled("created_at", "1e999"), Reason.BAD_FIELD),
        (spelled("created_at", "1" * 5_000), Reason.BAD_FIELD),
        (raw(id=""), Reason.BAD_FIELD),
        (raw(id="x" * 513), Reason.BAD_FIELD),
        (raw(id=7), Reason.BAD_FIELD),
        (raw(id=...), Reason.BAD_FIELD),
        (raw(parent_id=""), Reason.BAD_FIELD),
        (raw(thread_id="forum:\0"), Reason.BAD_FIELD),
        (raw(thread_id="forum:\u202e1t"), Reason.BAD_FIELD),
        (raw(brand="Acme"), Reason.BAD_FIELD),
        (raw(brand="acme\n"), Reason.BAD_FIELD),
        (raw(brand="a" * 65), Reason.BAD_FIELD),
        (raw(brand=""), Reason.BAD_FIELD),
        (raw(platform="-x"), Reason.BAD_FIELD),
        (raw(kind="gossip\x1b[31m" + "!" * 10_000), Reason.BAD_FIELD),
        (raw(lang="x" * 65), Reason.BAD_FIELD),
        (raw(author={}), Reason.BAD_FIELD),
        (raw(author={"id": "u", "followers": -1}), Reason.BAD_FIELD),
        (raw(author={"id": "u", "followers": 10**40}), Reason.BAD_FIELD),
        (raw(author={"id": "u", "followers": 1.5}), Reason.BAD_FIELD),
        (raw(author={"id": "u", "followers": True}), Reason.BAD_FIELD),
        (raw(reactions={"likes": -1}), Reason.BAD_FIELD),
        (raw(kind="volume"), Reason.NO_COUNT),
        (raw(kind="volume", count=5), Reason.NO_COUNT),
        (raw(kind="volume", count=5, interval_s=0), Reason.BAD_FIELD),
    ],
)
def test_a_broken_record_is_refused_with_its_reason(value: bytes | None, reason: Reason) -> None:
    """One word says what is wrong, and the detail quotes little of the stranger, and nothing invisible."""
    assert refused(value).reason == reason


@pytest.mark.parametrize(
    ("value", "field", "expected"),
    [
        (raw(id="\0"), "id", "\0"),
        (raw(id="😀"), "key", hash64("😀")),
        (raw(text="ä" * 10_000_000), "text", "ä" * TEXT_LIMIT),
        (spelled("unknown", "1" * 5_000), "id", "forum:c1"),
        (b'{"id":"first",' + raw()[1:], "id", "forum:c1"),
        (raw(parent_id=None), "kind", "post"),
        (raw(parent_id="forum:t1"), "to_root", True),
        (raw(parent_id="forum:t1"), "parent", 0),
        (raw(id="forum:t1", parent_id="forum:t1"), "to_root", False),
        (raw(count=5, interval_s=60), "count", 0),
        (raw(kind="volume", count=5, interval_s=60), "count", 5),
        (raw(kind="volume", count=5, interval_s=60), "interval_s", 60),
    ],
)
def test_an_odd_record_is_read_as_the_contract_says(value: bytes, field: str, expected: object) -> None:
    """Odd is not wrong: long texts are cut, the last of two equal names holds, the root answers nobody."""
    assert getattr(accepted(value), field) == expected


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (b"forum:t1", None),
        (b"forum:t2", Reason.KEY_MISMATCH),
        (b"", Reason.KEY_MISMATCH),
        (None, Reason.KEY_MISMATCH),
        (b"\xff", Reason.KEY_MISMATCH),
    ],
)
def test_the_kafka_key_must_be_the_thread(key: bytes | None, reason: Reason | None) -> None:
    """A record under another key may be in another partition, where its order can't be promised."""
    decoded = Decoder().decode_keyed(raw(), NOW, key)
    assert reason == (decoded.reason if isinstance(decoded, Rejected) else None)


@pytest.mark.parametrize(
    ("author", "said", "from_brand"),
    [
        ({"id": "4711"}, ..., True),
        ({"id": "u1", "handle": "@AcmeHelp"}, ..., True),
        ({"id": "u1", "handle": "acmehelp@elsewhere.example"}, ..., False),
        ({"id": "u1"}, ..., False),
        ({"id": "4711"}, False, False),
        ({"id": "u1"}, True, True),
    ],
)
def test_the_brands_own_accounts_are_known(author: object, said: object, from_brand: bool) -> None:
    """The record's word goes first, then the configured ids and handles."""
    decoder = Decoder(accounts={"acme": frozenset({"4711", "acmehelp"}), "other": frozenset({"u1"})})
    assert accepted(raw(author=author, from_brand=said), decoder).from_brand is from_brand


def test_an_author_is_only_a_keyed_hash() -> None:
    """The same author under another key is somebody else, and the id is nowhere in the mention."""
    one, other = (accepted(raw(author={"id": "secret-id"}), Decoder(key)) for key in (b"a", b"b"))
    assert one.author != other.author
    assert "secret-id" not in repr([getattr(one, name) for name in FIELDS])


def test_hashes_are_the_same_everywhere() -> None:
    """State outlives a process and a machine, so the hash is pinned."""
    assert hash64("forum:c1") == 6_944_869_574_877_902_475
    assert hash64("\ud800\0") != hash64("")
    assert accepted(raw(), Decoder(b"key")).author == 1_980_243_767_260_334_823


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def checked(value: bytes) -> None:
    decoded = Decoder(accounts={"acme": frozenset({"u1"})}).decode(value, NOW)
    if isinstance(decoded, Rejected):
        assert decoded.detail.isprintable()
        return
    assert 946_684_800_000 <= decoded.created_ms <= NOW + 300_000
    assert 0 <= decoded.key < 2**63
    assert 0 <= decoded.author < 2**63
    assert 0 <= decoded.followers <= 10**10
    assert len(decoded.text) <= TEXT_LIMIT
    assert decoded.thread_id.isprintable()


@given(st.binary())
def test_any_bytes_are_answered(value: bytes) -> None:
    """Noise never raises."""
    checked(value)


@given(
    st.sampled_from([*GOOD, "kind", "reactions", "lang", "url", "from_brand", "count", "interval_s"]),
    json_values,
)
def test_any_field_may_be_any_json(field: str, value: object) -> None:
    """A wrong type or size in one field never raises, and what gets through is within its bounds."""
    checked(raw(**{field: value}))


@given(st.data())
def test_any_damage_is_answered(data: st.DataObject) -> None:
    """Bytes lost, doubled or overwritten in a good record never raise."""
    value = bytearray(raw(reactions={"likes": 3}, lang="de"))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(value) - 1))
        value[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    checked(bytes(value))
