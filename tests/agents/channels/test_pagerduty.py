"""PagerDuty: events as its documentation asks for them, and one alert for a case and a run of its ladder."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from agents.channels.channel import Send
from agents.channels.config import PagerDutyChannel
from agents.channels.pagerduty import key_of, render, sender
from streams.delivery import Delivery, GiveUp, Ok, TryAgain
from tests.agents.channels.servers import Got, delivery, exchange, told

KEY = "0123456789abcdef0123456789abcdef"


class PagerDuty:
    """What https://developer.pagerduty.com/docs/events-api-v2 says, and who is woken by it."""

    def __init__(self) -> None:
        self.alerts: dict[str, str] = {}  # triggered, acknowledged; a resolved one is gone
        self.woken: list[str] = []

    def answer(self, got: Got) -> web.Response:
        if wrong := self._wrong(got):
            return web.json_response({"status": "invalid event", "errors": wrong}, status=400)
        key, action = got.json["dedup_key"], got.json["event_action"]
        if action == "trigger" and key not in self.alerts:
            self.alerts[key] = "triggered"
            self.woken.append(key)
        elif action == "acknowledge" and key in self.alerts:
            self.alerts[key] = "acknowledged"
        elif action == "resolve":
            self.alerts.pop(key, None)
        return web.json_response({"status": "success", "dedup_key": key}, status=202)

    def _wrong(self, got: Got) -> list[str]:
        event: dict[str, Any] = got.json
        wrong = []
        if (got.method, got.path, got.headers["content-type"]) != ("POST", "/v2/enqueue", "application/json"):
            wrong.append("not posted as JSON")
        if len(got.body) > 512 * 1024:
            wrong.append("too long")
        if event["routing_key"] != KEY:
            wrong.append("routing_key")
        if event["event_action"] not in ("trigger", "acknowledge", "resolve"):
            wrong.append("event_action")
        if not 0 < len(event["dedup_key"]) <= 255:
            wrong.append("dedup_key")
        if event["event_action"] == "trigger":
            payload = event["payload"]
            if not 0 < len(payload["summary"]) <= 1024 or not payload["source"]:
                wrong.append("payload")
            if payload["severity"] not in ("critical", "error", "warning", "info"):
                wrong.append("severity")
            if not all(link["href"].startswith("https://") and link["text"] for link in event["links"]):
                wrong.append("links")
            if not isinstance(payload["custom_details"], dict):
                wrong.append("custom_details")
        return wrong


def channel(url: str) -> Send:
    config = PagerDutyChannel(
        kind="pagerduty", routing_key=SecretStr(KEY), url=SecretStr(f"{url}/v2/enqueue")
    )
    return sender(config)


def sent(*deliveries: Delivery) -> tuple[PagerDuty, list[Got]]:
    server = PagerDuty()
    outcomes, got = exchange(channel, server.answer, deliveries)
    assert outcomes == [Ok()] * len(deliveries)
    return server, got


def test_a_page_says_what_happened_how_grave_it_is_and_where_to_take_it() -> None:
    _, got = sent(delivery())
    event = got[0].json
    assert event["payload"]["severity"] == "critical"
    assert event["payload"]["summary"].startswith("acme: complaint about to go viral. 25 mentions")
    assert event["payload"]["timestamp"] == "2025-06-15T15:06:40Z"
    assert event["payload"]["custom_details"]["why this person"] == "may refund"
    assert event["payload"]["custom_details"]["voices"] == ["“Shame”"]
    assert {"href": "https://f.example/t?k=secret-link", "text": "Take the case"} in event["links"]
    assert event["client_url"] == "https://f.example/i"


def test_the_same_page_twice_wakes_once() -> None:
    server, _ = sent(delivery(), delivery())
    assert len(server.woken) == 1


def test_who_answers_in_flashover_quiets_it_and_who_resolves_closes_it() -> None:
    server, _ = sent(delivery(), delivery("acknowledged"))
    assert list(server.alerts.values()) == ["acknowledged"]
    server, _ = sent(delivery(), delivery("acknowledged"), delivery("resolved"))
    assert not server.alerts


def test_a_ladder_that_starts_again_wakes_again_and_leaves_one_alert() -> None:
    """An acknowledged alert of PagerDuty's stays quiet, whatever is triggered for it."""
    server, _ = sent(delivery(), delivery("acknowledged"), delivery(run=2))
    assert server.woken == [key_of(delivery(), 1), key_of(delivery(), 2)]
    assert server.alerts == {key_of(delivery(), 2): "triggered"}


def test_whatever_runs_there_were_none_is_left_when_it_is_over() -> None:
    server, _ = sent(delivery(), delivery(run=4), delivery("resolved", run=4))
    assert not server.alerts


def test_a_digest_is_an_alert_of_its_own() -> None:
    server, got = sent(delivery(), delivery("digest"))
    assert len(server.alerts) == 2
    assert got[1].json["payload"]["severity"] == "error"


@pytest.mark.parametrize(("status", "kind"), [(400, GiveUp), (429, TryAgain), (500, TryAgain)])
def test_what_it_answers_is_what_comes_back(status: int, kind: type[Any]) -> None:
    outcomes, _ = exchange(channel, lambda got: web.Response(status=status, text=KEY), [delivery()])
    assert isinstance(outcomes[0], kind)
    assert KEY not in outcomes[0].reason


def test_keys_stay_within_what_it_takes() -> None:
    config = PagerDutyChannel(kind="pagerduty", routing_key=SecretStr(KEY))
    for request in render(told(delivery(run=10**6)), config):
        assert request.url == "https://events.pagerduty.com/v2/enqueue"
        assert KEY not in repr(request)
