"""State comes back from bytes as it went in, or is refused; it is never misread."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.codec import (
    STATE_VERSION,
    StateError,
    decode_cursor,
    decode_state,
    encode_cursor,
    encode_state,
    reject_headers,
    source_offset,
)
from streams.judge import follow
from streams.mention import Mention, Reason, Rejected
from streams.thread import Thread
from tests.agents.mentions import DECODER, EAGER, NOW_MS, value

offsets = st.integers(0, 2**63 - 1)


@st.composite
def threads(draw: st.DrawFn) -> Thread:
    """Threads as they come to be: by mentions of every kind, in any order, some twice."""
    numbers = draw(st.lists(st.integers(0, 200_000), min_size=1, max_size=60))
    thread: Thread | None = None
    for number in numbers:
        changes: dict[str, Any] = {
            "parent_id": draw(st.sampled_from([None, "t", f"t-{number // 2}", "t-0"])),
            "kind": draw(st.sampled_from(["post", "reply", "quote", "share"])),
            "from_brand": draw(st.booleans()),
            "author": {"id": f"a{number % 50}", "followers": number},
            "brand": draw(st.sampled_from(["acme", "b.2_x-y"])),
        }
        mention = DECODER.decode(value("t", number, **changes), NOW_MS)
        assert isinstance(mention, Mention)
        if (followed := follow(thread, mention, EAGER)) is not None:
            thread = followed.thread
    assert thread is not None
    return thread


@given(offsets, threads())
def test_a_state_comes_back_as_it_was(offset: int, thread: Thread) -> None:
    assert decode_state(encode_state(offset, thread)) == (offset, thread)
    assert source_offset(encode_state(offset, thread)) == offset


@given(offsets, threads(), st.integers(0, 10_000))
def test_a_state_that_went_through_bytes_goes_on_as_if_it_had_not(
    offset: int, thread: Thread, number: int
) -> None:
    """Also what follows is the same: level, alerts, memory of ids."""
    mention = DECODER.decode(value("t", number), NOW_MS)
    assert isinstance(mention, Mention)
    back = decode_state(encode_state(offset, thread))[1]
    one, other = follow(back, mention, EAGER), follow(thread, mention, EAGER)
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert (one.thread, one.alert, one.reply) == (other.thread, other.alert, other.reply)


@given(offsets, st.integers(0, 2**62))
def test_a_cursor_comes_back_as_it_was(offset: int, watermark_ms: int) -> None:
    assert decode_cursor(encode_cursor(offset, watermark_ms)) == (offset, watermark_ms)
    assert source_offset(encode_cursor(offset, watermark_ms)) == offset


def a_thread() -> Thread:
    mention = DECODER.decode(value("t", 1), NOW_MS)
    assert isinstance(mention, Mention)
    followed = follow(None, mention, EAGER)
    assert followed is not None
    return followed.thread


@pytest.mark.parametrize("version", [0, STATE_VERSION + 1, 2**40])
def test_another_version_is_refused_by_name(version: int) -> None:
    """Whether its fields still fit, or not."""
    fits = msgspec.msgpack.decode(encode_state(5, a_thread()))
    for content in (
        [version, *fits[1:]],
        [*[version, *fits[1:]], "more"],
        [version, 5, "other"],
        [version, 5],
    ):
        with pytest.raises(StateError, match=f"state of version {version}, and this program reads"):
            decode_state(msgspec.msgpack.encode(content))
    with pytest.raises(StateError, match=f"state of version {version}, and this program reads"):
        decode_cursor(msgspec.msgpack.encode([version, 5, 6]))


@given(st.binary(max_size=200))
def test_garbage_is_refused(content: bytes) -> None:
    for decode in (decode_state, decode_cursor):
        try:
            decode(content)
        except StateError:
            continue
        head = msgspec.msgpack.decode(content)
        assert head[0] == STATE_VERSION  # three small numbers make a cursor, and that is what they say
    source_offset(content)


@given(threads(), st.data())
def test_a_state_that_was_cut_or_changed_is_refused_or_well_formed(
    thread: Thread, data: st.DataObject
) -> None:
    """One byte short, or one byte other: no other error than ours comes out."""
    content = encode_state(7, thread)
    cut = content[: data.draw(st.integers(0, len(content) - 1))]
    with pytest.raises(StateError):
        decode_state(cut)
    at = data.draw(st.integers(0, len(content) - 1))
    changed = content[:at] + bytes([data.draw(st.integers(0, 255))]) + content[at + 1 :]
    with contextlib.suppress(StateError):
        decode_state(changed)


def test_a_state_is_no_cursor_and_a_cursor_no_state() -> None:
    with pytest.raises(StateError):
        decode_state(encode_cursor(1, 2))
    with pytest.raises(StateError):
        decode_cursor(encode_state(1, a_thread()))


@given(st.text(max_size=2000))
def test_the_headers_of_a_reject_hold_any_detail(detail: str) -> None:
    headers = dict(reject_headers(Rejected(Reason.NOT_JSON, detail), "mentions", 3, 41))
    assert len(headers.pop("detail")) <= 2000
    assert headers == {"reason": b"not-json", "topic": b"mentions", "partition": b"3", "offset": b"41"}
