"""What a worker knows of brands, from a topic that is a list."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.settings import Settings
from agents.usuals import LiveUsuals, decode_usuals, encode_usuals
from streams.usual import Usual

HOUR_MS = 3_600_000
TWO = (Usual(HOUR_MS, 0, 1.0, 2.0), Usual(2 * HOUR_MS, 0, 1.5, 2.5, 0.8, 70))


@pytest.fixture
def live(clean_settings: Path) -> LiveUsuals:
    return LiveUsuals(Settings())


def test_snapshots_come_back_as_they_went() -> None:
    assert decode_usuals(encode_usuals(TWO)) == TWO


def test_the_last_record_of_a_brand_holds(live: LiveUsuals) -> None:
    """And the mapping that the follower was given once is the one that changes."""
    latest = live.latest
    live.take(b"acme", encode_usuals(TWO[:1]), "here")
    live.take(b"acme", encode_usuals(TWO), "here")
    live.take(b"other", encode_usuals(TWO[:1]), "here")
    live.take(b"other", None, "here")
    assert latest == {"acme": TWO}


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\xff{",
        b"[]",
        b'{"latest": 1}',
        b"[" * 100_000,
        encode_usuals(TWO[::-1]),
        encode_usuals((Usual(0, 0, 1.0, 1.0, 0.0),)),
        encode_usuals((Usual(0, 0, -1.0, 1.0),)),
        encode_usuals((Usual(0, 0, 1.0, 1.0, 1.0, 1),)),
    ],
)
def test_what_is_none_is_refused_logged_and_counted(
    live: LiveUsuals, caplog: pytest.LogCaptureFixture, bad: bytes
) -> None:
    """And what was known is known still."""
    live.take(b"acme", encode_usuals(TWO), "usual/0@0")
    live.take(b"acme", bad, "usual/0@1")
    assert live.latest == {"acme": TWO}
    assert live.refused == 1
    assert "usual/0@1" in caplog.text


def test_what_a_later_version_adds_is_left_out() -> None:
    """So that workers of two versions can share the topic for a while."""
    value = encode_usuals(TWO).replace(b'"growth"', b'"reply_s":5,"growth"')
    assert decode_usuals(value) == TWO
