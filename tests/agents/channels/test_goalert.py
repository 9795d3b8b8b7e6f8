"""GoAlert: requests as its generic API takes them, and no alert left open once somebody has answered."""

from __future__ import annotations

from aiohttp import web
from pydantic import SecretStr

from agents.channels.channel import Send
from agents.channels.config import GoAlertChannel
from agents.channels.goalert import key_of, sender
from streams.delivery import Delivery, GiveUp, Ok
from tests.agents.channels.servers import Got, delivery, exchange

TOKEN = "5a0ae3b9-d8f0-4ec1-a80d-8c1c7b0d1e2f"


class GoAlert:
    """What `genericapi/handler.go` and `auth/gettoken.go` of target/goalert do."""

    def __init__(self) -> None:
        self.open: dict[str, str] = {}
        self.woken: list[str] = []

    def answer(self, got: Got) -> web.Response:
        if got.headers.get("authorization") != f"Bearer {TOKEN}":
            return web.Response(status=401)
        value = got.json
        if (got.method, got.path) != ("POST", "/api/v2/generic/incoming") or not value["summary"]:
            return web.Response(status=400)
        if not value.keys() <= {"summary", "details", "dedup", "action"} or not value["dedup"]:
            return web.Response(status=400)
        if len(value["summary"]) > 1024 or len(value["details"]) > 6144 or len(value["dedup"]) > 512:
            return web.Response(status=400)
        if value.get("action") == "close":
            self.open.pop(value["dedup"], None)
        elif value["dedup"] not in self.open:
            self.open[value["dedup"]] = value["summary"]
            self.woken.append(value["dedup"])
        return web.Response(status=204)


def channel(url: str) -> Send:
    return sender(GoAlertChannel(kind="goalert", url=SecretStr(url), token=SecretStr(TOKEN)))


def sent(*deliveries: Delivery) -> tuple[GoAlert, list[Got]]:
    server = GoAlert()
    outcomes, got = exchange(channel, server.answer, deliveries)
    assert outcomes == [Ok()] * len(deliveries)
    return server, got


def test_a_page_opens_one_alert_however_often_it_is_sent() -> None:
    server, got = sent(delivery(), delivery())
    assert len(server.woken) == 1
    assert "Take the case: https://f.example/t?k=secret-link" in got[0].json["details"]
    assert TOKEN not in got[0].path


def test_an_answer_closes_it_and_a_new_run_opens_another() -> None:
    server, _ = sent(delivery(), delivery("acknowledged"))
    assert not server.open
    server, _ = sent(delivery(), delivery("acknowledged"), delivery(run=2))
    assert list(server.open) == [key_of(delivery(), 2)]
    assert len(server.woken) == 2


def test_the_end_of_the_case_closes_all_of_it() -> None:
    server, _ = sent(delivery(), delivery(run=3), delivery("resolved", run=3))
    assert not server.open


def test_a_wrong_token_is_given_up() -> None:
    outcomes, _ = exchange(channel, lambda got: web.Response(status=401), [delivery()])
    assert outcomes == [GiveUp("it refuses: 401 Unauthorized")]
