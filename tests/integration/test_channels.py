"""Pages to a real Alertmanager: one alert while a case lives, told again, resolved at its end."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from pydantic import SecretStr

from agents.channels.config import AlertmanagerChannel
from agents.channels.registry import Channels, channels
from agents.embedded import LOOPBACK, free_port
from agents.standing import StandingCases
from agents.tallies import Bounds, Tallies
from agents.tether import Tethered
from streams.delivery import Ok
from streams.escalation import deliveries, due
from streams.incident import (
    Acknowledge,
    Command,
    Delivered,
    Incident,
    Ladder,
    Raised,
    Reach,
    Resolve,
    Rules,
    Rung,
    apply,
)
from tests.integration.monitoring import Inbox, until
from tests.streams.incidents import case, command

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not shutil.which("prometheus-alertmanager"), reason="no Alertmanager here"),
]

SETTINGS = """
route:
  receiver: inbox
  group_by: ["..."]
  group_wait: 100ms
  group_interval: 1s
receivers:
  - name: inbox
    webhook_configs: [{{url: "{url}/alerts", send_resolved: true}}]
"""


class Alertmanager:
    """The server that Debian ships, its state in a folder that a restart may lose."""

    def __init__(self, folder: Path, inbox: Inbox) -> None:
        self.folder, self.inbox, self.port = folder, inbox, free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        (folder / "alertmanager.yml").write_text(SETTINGS.format(url=inbox.url))
        self.start("first")

    def start(self, state: str) -> None:
        self.process = Tethered(
            [
                "prometheus-alertmanager",
                f"--config.file={self.folder}/alertmanager.yml",
                f"--storage.path={self.folder}/{state}",
                f"--web.listen-address={LOOPBACK}:{self.port}",
                "--cluster.listen-address=",
            ],
            log=self.folder / f"{state}.log",
            grace_s=10.0,
        )
        until(self.alerts_or_none)

    def alerts_or_none(self) -> object:
        return self.alerts() is not None

    def alerts(self) -> list[dict[str, Any]]:
        with urlopen(f"{self.url}/api/v2/alerts", timeout=10) as answer:  # noqa: S310
            return list(json.loads(answer.read()))

    def told(self) -> list[tuple[str, str]]:
        """What its receiver got: status and summary, in order."""
        return [
            (alert["status"], alert["annotations"]["summary"])
            for post in self.inbox.got.get("/alerts", [])
            for alert in post["alerts"]
        ]


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    with Inbox().open() as inbox:
        one = Alertmanager(tmp_path, inbox)
        yield one
        one.process.end()


class Case:
    """An incident and the one person on its ladder, on the wall clock."""

    def __init__(self, built: Channels) -> None:
        self.built = built
        self.rules = Rules()
        self.incident = self._of(
            apply(None, Raised(case(reason="viral-forecast"), self._ladder()), self.now_ms(), self.rules)
        )

    @staticmethod
    def now_ms() -> int:
        return int(time.time() * 1000)

    @staticmethod
    def _ladder() -> Ladder:
        return Ladder((Rung(("lead",), 3600.0),))

    @staticmethod
    def _of(one: Incident | None) -> Incident:
        assert one is not None
        return one

    async def send(self) -> None:
        """All that is due."""
        now_ms = self.now_ms()
        one = due(self.incident, now_ms, lambda *_: (Reach("lead", ("am",), "may refund"),), self.rules)
        for delivery in deliveries(one, now_ms):
            assert await self.built(delivery) == Ok()
            one = self._of(apply(one, Delivered(delivery.dedup_key, Ok()), now_ms, self.rules))
        self.incident = one

    def command(self, kind: type[Any], **more: Any) -> None:
        one: Command = command(kind, self.now_ms(), "lead", **more)
        self.incident = self._of(apply(self.incident, one, self.now_ms(), self.rules))


def test_an_alert_lives_as_long_as_its_case(alertmanager: Alertmanager) -> None:
    built = channels({"am": AlertmanagerChannel(kind="alertmanager", url=SecretStr(alertmanager.url))})
    one = Case(built)
    cases = StandingCases(lambda: [one.incident], built.told_again, built.tell, Tallies(Bounds()))

    asyncio.run(one.send())
    (alert,) = alertmanager.alerts()
    assert alert["labels"]["incident"] == one.incident.id
    assert 290 < _left_s(alert) <= 300
    until(lambda: alertmanager.told())
    assert alertmanager.told()[0] == ("firing", alert["annotations"]["summary"])

    # it is told again, and stays one alert, whatever happens to the case
    one.command(Acknowledge)
    asyncio.run(one.send())
    time.sleep(1.1)
    asyncio.run(cases.tell())
    (again,) = alertmanager.alerts()
    assert again["fingerprint"] == alert["fingerprint"]
    assert again["endsAt"] > alert["endsAt"]
    assert again["annotations"]["owner"] == "lead"

    # an Alertmanager that has lost everything knows it again a telling later
    alertmanager.process.end()
    alertmanager.start("second")
    assert alertmanager.alerts() == []
    asyncio.run(cases.tell())
    assert len(alertmanager.alerts()) == 1

    # and the end reaches who was told of it, also if only the telling tells of it
    until(lambda: len(alertmanager.told()) > 1)
    one.command(Resolve, resolution="handled")
    asyncio.run(cases.tell())
    until(lambda: alertmanager.told()[-1][0] == "resolved")
    asyncio.run(one.send())
    asyncio.run(cases.tell())
    assert alertmanager.alerts() == []


def _left_s(alert: dict[str, Any]) -> float:
    return datetime.fromisoformat(alert["endsAt"]).timestamp() - time.time()
