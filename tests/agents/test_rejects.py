"""What a worker writes on `rejects` is read back as it was, whatever it was."""

from __future__ import annotations

import base64
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.codec import reject_headers
from agents.rejects import Reject, raw_fields, reject_of
from streams.mention import Reason, Rejected

ANY_TEXT = st.text(st.characters(codec="utf-8"), max_size=200)
BYTES = st.none() | st.binary()


@given(st.sampled_from(Reason), ANY_TEXT, BYTES, BYTES, st.integers(0, 99), st.integers(0, 2**63 - 1))
def test_a_reject_survives_the_topic(
    reason: Reason, detail: str, key: bytes | None, value: bytes | None, partition: int, offset: int
) -> None:
    headers = reject_headers(Rejected(reason, detail), "mentions", partition, offset)
    assert reject_of(key, value, dict(headers)) == Reject(
        reason.value, detail, "mentions", partition, offset, key, value
    )


@pytest.mark.parametrize("number", [b"", b"-1", b"1.5", b"\xff", "٣".encode(), b"9" * 30, None])
def test_headers_that_another_wrote_break_nothing(number: bytes | None) -> None:
    one = reject_of(None, b"x", {"offset": number, "reason": b"\xff\xfe"})
    assert (one.offset, one.partition, one.topic) == (None, None, "")
    assert one.cut_from is None
    assert reject_of(None, b"x", {"cut": number}).cut_from == 0  # of how many bytes, nobody knows
    assert one.reason == "\\xff\\xfe"


@given(BYTES)
def test_raw_bytes_are_told_in_json_without_loss(raw: bytes | None) -> None:
    fields = json.loads(msgspec.json.encode(raw_fields("raw", raw)))
    if "raw_base64" in fields:
        assert base64.b64decode(fields["raw_base64"]) == raw
    else:
        assert fields["raw"] == (None if raw is None else raw.decode())
