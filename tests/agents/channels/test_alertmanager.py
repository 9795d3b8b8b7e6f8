"""Alertmanager: alerts that stay one alert while they live, and end by themselves if flashover is gone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiohttp import web
from msgspec.structs import replace
from pydantic import SecretStr

from agents.channels.alertmanager import ENDS_AFTER_S, render, sender
from agents.channels.config import AlertmanagerChannel
from streams.delivery import Delivery, Ok
from tests.agents.channels.servers import delivery, exchange, told
from tests.streams.incidents import T0


def config(url: str = "http://alertmanager:9093") -> AlertmanagerChannel:
    return AlertmanagerChannel(kind="alertmanager", url=SecretStr(url), labels={"team": "social"})


def alert(one: Delivery, now_ms: int = T0) -> dict[str, Any]:
    (only,) = json.loads(render((told(one, now_ms),), config()).body)
    return dict(only)


def ends_after_s(one: Mapping[str, Any], now_ms: int = T0) -> float:
    return datetime.fromisoformat(one["endsAt"]).timestamp() - now_ms / 1000


def test_it_is_posted_where_the_api_takes_alerts() -> None:
    outcomes, got = exchange(lambda url: sender(config(url)), lambda one: web.Response(), [delivery()])
    assert outcomes == [Ok()]
    assert (got[0].method, got[0].path) == ("POST", "/api/v2/alerts")
    assert got[0].headers["content-type"] == "application/json"


def test_labels_say_which_alert_it_is_and_stay_the_same() -> None:
    """Whatever grows, whoever is paged, whichever run: another label would be another alert."""
    one = delivery()
    grown = replace(one.page.case, id="fl-2", reason="already-viral", mentions=900, level="page")
    again = replace(one, run=3, person="deputy", page=replace(one.page, case=grown, number=3))
    assert alert(one)["labels"] == alert(again)["labels"] == alert(delivery("acknowledged"))["labels"]
    assert alert(one)["labels"] == {
        "alertname": "FlashoverPage",
        "brand": "acme",
        "channel": "one",
        "incident": one.incident,
        "scope": "thread",
        "severity": "critical",
        "team": "social",
    }


def test_what_changes_is_an_annotation() -> None:
    one = alert(delivery())
    assert one["annotations"]["summary"].startswith("acme: complaint about to go viral")
    assert "Why you: may refund." in one["annotations"]["description"]
    assert one["generatorURL"] == "https://f.example/i"


def test_it_ends_by_itself_unless_it_is_told_again() -> None:
    assert ends_after_s(alert(delivery())) == ENDS_AFTER_S
    assert ends_after_s(alert(delivery("acknowledged"))) == ENDS_AFTER_S
    assert ends_after_s(alert(delivery("resolved"))) == 0


def test_it_never_begins_after_it_ends() -> None:
    """Alertmanager refuses such an alert, and clocks differ."""
    early = alert(delivery("resolved"), T0 - 60_000)
    assert early["startsAt"] <= early["endsAt"]


def test_a_digest_is_another_alert_without_an_incident() -> None:
    one = alert(delivery("digest"))
    assert one["labels"]["alertname"] == "FlashoverDigest"
    assert "incident" not in one["labels"]
