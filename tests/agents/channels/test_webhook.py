"""The signed webhook: who knows the secret can tell what is ours, and how old it is."""

from __future__ import annotations

import pytest
from aiohttp import web
from pydantic import SecretStr

from agents.channels.channel import Send
from agents.channels.config import WebhookChannel
from agents.channels.webhook import REPLAY_WINDOW_S, render, sender, signature, verify
from streams.delivery import Ok
from tests.agents.channels.servers import Got, delivery, exchange, told
from tests.streams.incidents import T0

SECRET = "a made-up secret of some length"


def config(url: str = "https://acme.example/hook") -> WebhookChannel:
    return WebhookChannel(kind="webhook", url=SecretStr(url), secret=SecretStr(SECRET))


def channel(url: str) -> Send:
    return sender(config(f"{url}/hook?tenant=1"))


def test_the_signature_is_that_of_the_published_example() -> None:
    """The worked example of Svix's documentation, from whose scheme Standard Webhooks came."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    told_ = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert told_ == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_what_arrives_is_signed_and_tells_the_whole_case() -> None:
    outcomes, got = exchange(
        channel, lambda one: web.Response(status=204), [delivery(), delivery("resolved")]
    )
    assert outcomes == [Ok(), Ok()]
    for one in got:
        assert (one.method, one.path) == ("POST", "/hook?tenant=1")
        assert verify(SECRET, one.headers, one.body, T0 / 1000)
    page, over = got[0].json, got[1].json
    assert (page["type"], over["type"]) == ("flashover.page", "flashover.resolved")
    assert page["data"]["case"]["mentions"] == 25
    assert page["data"]["person"] == "lead"
    assert page["data"]["links"]["take"] == "https://f.example/t?k=secret-link"
    assert over["data"]["resolution"] == "handled"


def test_the_same_page_has_the_same_id_so_that_a_receiver_can_tell() -> None:
    _, got = exchange(channel, lambda one: web.Response(), [delivery(), delivery(), delivery(run=2)])
    first, again, later = (one.headers["webhook-id"] for one in got)
    assert first == again != later


def received() -> Got:
    request = render(told(delivery()), config())
    return Got("POST", "/", dict(request.headers), request.body)


@pytest.mark.parametrize("age_s", [REPLAY_WINDOW_S + 1, -REPLAY_WINDOW_S - 1])
def test_what_was_recorded_can_not_be_played_again_later(age_s: float) -> None:
    one = received()
    assert verify(SECRET, one.headers, one.body, T0 / 1000)
    assert not verify(SECRET, one.headers, one.body, T0 / 1000 + age_s)


def test_whatever_is_changed_breaks_the_signature() -> None:
    one, now_s = received(), T0 / 1000
    assert not verify("another secret, as long as that", one.headers, one.body, now_s)
    assert not verify(SECRET, one.headers, one.body.replace(b"25", b"26"), now_s)
    for name, value in (
        ("webhook-id", "another"),
        ("webhook-timestamp", str(T0 // 1000 + 1)),
        ("webhook-timestamp", "٣"),
        ("webhook-timestamp", ""),
        ("webhook-timestamp", "9" * 5000),
        ("webhook-signature", "v1,"),
        ("webhook-signature", "ü"),
        ("webhook-signature", ""),
    ):
        assert not verify(SECRET, one.headers | {name: value}, one.body, now_s)
    assert not verify(SECRET, {}, one.body, now_s)


def test_a_secret_can_be_changed_while_both_are_valid() -> None:
    one = received()
    both = "v1,bm90IHRoaXMgb25l " + one.headers["webhook-signature"]
    assert verify(SECRET, one.headers | {"webhook-signature": both}, one.body, T0 / 1000)
