"""All channels behind one call: found by name, spared, and never the cause of an exception."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from pydantic import SecretStr

from agents.channels.config import (
    AlertmanagerChannel,
    AppriseChannel,
    Channel,
    GoAlertChannel,
    PagerDutyChannel,
    WebhookChannel,
)
from agents.channels.registry import Channels, channels
from agents.errors import SettingsError
from streams.delivery import GiveUp, Ok, Outcome, TryAgain
from streams.links import Links
from streams.standing import Standing
from tests.agents.channels.servers import LINKS, TAKE, delivery, served
from tests.streams.incidents import T0

URL = SecretStr("https://acme.example/hunter2")


def webhook(url: str = "https://acme.example", per_min: int = 30) -> WebhookChannel:
    return WebhookChannel(
        kind="webhook", url=SecretStr(url), secret=SecretStr("hunter2" * 4), per_min=per_min
    )


ALL: dict[str, Channel] = {
    "mail": AppriseChannel(url=SecretStr("mailto://a:b@mail.example?to=c@acme.example")),
    "pager": PagerDutyChannel(kind="pagerduty", routing_key=SecretStr("0" * 32)),
    "goalert": GoAlertChannel(kind="goalert", url=URL, token=SecretStr("hunter2")),
    "am": AlertmanagerChannel(kind="alertmanager", url=URL),
    "hook": webhook(),
}


def test_those_that_take_a_dedup_key_say_so_and_one_asks_to_be_told_again() -> None:
    built = channels(ALL)
    assert {name for name in ALL if built.keyed(name)} == {"pager", "goalert", "am", "hook"}
    assert {name for name in ALL if built.told_again(name)} == {"am"}
    assert not built.keyed("nobody's")


def test_a_name_that_is_not_in_the_settings_is_given_up() -> None:
    outcome = asyncio.run(channels(ALL)(delivery(channel="nobody's")))
    assert outcome == GiveUp("there is no such channel in the settings")


def test_all_services_that_apprise_does_not_know_are_told_at_once_without_their_urls() -> None:
    bad = {name: AppriseChannel(url=SecretStr("nosuchservice://hunter2")) for name in ("one", "two")}
    with pytest.raises(SettingsError) as caught:
        channels({**ALL, **bad})
    assert [one.split(":")[0] for one in caught.value.problems] == ["channels.one", "channels.two"]
    assert "hunter2" not in str(caught.value)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_a_channel_gets_no_more_than_its_rate_and_the_desk_is_told_when_to_ask_again() -> None:
    got = []

    async def handle(request: web.Request) -> web.Response:
        got.append(request.path)
        return web.Response()

    async def send(url: str) -> list[Outcome]:
        built = Channels({"hook": webhook(url, per_min=6)}, monotonic_s=Clock())
        return [await built(delivery(channel="hook")) for _ in range(3)]

    outcomes = asyncio.run(served(handle, send))
    assert outcomes[0] == Ok()
    assert outcomes[1:] == [TryAgain(10.0, "the channel's rate is used up")] * 2
    assert len(got) == 1


def test_a_channel_that_asks_for_quiet_is_not_asked_again_before() -> None:
    """Retry-After is obeyed for all pages of the channel, not only for the one that met it."""
    clock, got = Clock(), []

    async def handle(request: web.Request) -> web.Response:
        got.append(request.path)
        return web.Response(status=429, headers={"Retry-After": "120"})

    async def send(url: str) -> list[Outcome]:
        built = Channels({"hook": webhook(url)}, monotonic_s=clock)
        first = await built(delivery(channel="hook"))
        clock.now_s += 60
        second = await built(delivery(channel="hook"))
        clock.now_s += 61
        return [first, second, await built(delivery(channel="hook"))]

    outcomes = asyncio.run(served(handle, send))
    assert [type(one) for one in outcomes] == [TryAgain] * 3
    assert outcomes[1] == TryAgain(60.0, "the channel's rate is used up")
    assert len(got) == 2


def test_links_are_made_for_the_delivery_and_its_moment() -> None:
    bodies = []

    async def handle(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        return web.Response()

    async def send(url: str) -> Outcome:
        def links(one: object, now_ms: int) -> Links:
            assert now_ms == T0
            return Links("https://f.example/i", take="https://f.example/take/lead")

        return await Channels({"hook": webhook(url)}, links, lambda: T0)(delivery(channel="hook"))

    assert asyncio.run(served(handle, send)) == Ok()
    assert bodies[0]["data"]["links"]["take"] == "https://f.example/take/lead"


def test_alertmanager_shows_no_link_that_acts_for_somebody() -> None:
    """Whoever looks at its list of alerts could take the case in another's name."""
    bodies = []

    async def handle(request: web.Request) -> web.Response:
        bodies.append(await request.text())
        return web.Response()

    async def send(url: str) -> Outcome:
        config = AlertmanagerChannel(kind="alertmanager", url=SecretStr(url))
        return await Channels({"am": config}, lambda *_: LINKS)(delivery(channel="am"))

    assert asyncio.run(served(handle, send)) == Ok()
    assert LINKS.show in bodies[0]
    assert TAKE not in bodies[0]


def test_what_stands_is_told_to_each_channel_in_one_request() -> None:
    bodies = []

    async def handle(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        return web.Response()

    async def tell(url: str) -> dict[str, Outcome]:
        config = AlertmanagerChannel(kind="alertmanager", url=SecretStr(url))
        built = Channels({"am": config, "hook": webhook(url)}, now_ms=lambda: T0)
        standing = [Standing(delivery(channel=name), T0) for name in ("am", "am", "hook", "gone")]
        return await built.tell(standing)

    assert asyncio.run(served(handle, tell)) == {"am": Ok()}
    assert [len(body) for body in bodies] == [2]
