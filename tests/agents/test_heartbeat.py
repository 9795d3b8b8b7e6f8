"""The heartbeat says only what came the whole way, and lately."""

from __future__ import annotations

import asyncio
import logging

import pytest

from agents.heartbeat import BRAND, PARAMS, Heartbeat, mentions
from streams.judge import follow
from streams.mention import Decoder, Mention
from tests.streams.incidents import T0, case


def test_the_two_mentions_of_a_minute_raise_one_page() -> None:
    decode, thread, alerts = Decoder(b"key").decode_keyed, None, []
    for key, value in mentions(T0):
        one = decode(value, T0, key)
        assert isinstance(one, Mention)
        assert one.brand == BRAND
        followed = follow(thread, one, PARAMS)
        assert followed is not None
        thread, alert = followed.thread, followed.alert
        alerts += [alert.level] if alert else []
    assert alerts == ["page"]
    assert mentions(T0 + 999) == mentions(T0 // 60_000 * 60_000)
    assert mentions(T0 + 60_000) != mentions(T0)


@pytest.mark.parametrize(
    ("level", "age_ms", "told"), [("page", 2000, 1), ("page", 200_000, 0), ("watch", 0, 0)]
)
def test_only_a_page_of_now_is_told(level: str, age_ms: int, told: int) -> None:
    bodies: list[bytes] = []

    async def post(body: bytes) -> None:
        bodies.append(body)

    async def hear() -> int:
        one = Heartbeat("http://127.0.0.1:9/x", lambda: T0, post)
        one.heard(case(brand=BRAND, level=level), T0 - age_ms)
        await asyncio.gather(*one._posting)
        return one.beats

    assert asyncio.run(hear()) == told == len(bodies)


def test_a_webhook_that_fails_is_counted_and_its_address_is_in_no_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def hear() -> int:
        one = Heartbeat("http://127.0.0.1:9/secret", lambda: T0)
        one.heard(case(brand=BRAND), T0)
        await asyncio.gather(*one._posting)
        return one.missed

    with caplog.at_level(logging.DEBUG):
        assert asyncio.run(hear()) == 1
    assert "did not take it" in caplog.text
    assert "secret" not in caplog.text
