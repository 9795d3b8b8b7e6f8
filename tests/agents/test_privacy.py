"""No personal value leaves: texts are masked before they reach state, alerts, logs or metrics."""

from __future__ import annotations

import json
import logging
import time
from itertools import count

import pytest

from agents.exposition import Page
from agents.metrics import read
from agents.settings import Settings
from agents.words import WordSettings
from streams.alert import encode_alert
from tests.agents.mentions import EAGER, NOW_MS, START_MS
from tests.agents.unconnected import Unconnected

#: What stands in the texts, and what of it may be found nowhere.
SECRETS = {
    "+49 170 1234567": "1234567",
    "jo.doe@example.org": "jo.doe",
    "DE89 3704 0044 0532 0130 00": "0532",
    "4111 1111 1111 1111": "4111",
    "my customer number is 88231476": "88231476",
    "KD-7654321": "7654321",
    "@jo_doe_1984": "jo_doe_1984",
    "Hauptstraße 17": "Hauptstraße 17",
    "born on 03.04.1984": "03.04.1984",
}
AUTHOR = "did:plc:the-very-person"


def lines() -> list[tuple[bytes, bytes]]:
    """A storm in which root, customers and the desk write all of that, twice, of two brands."""
    number, out = count(), list[tuple[bytes, bytes]]()
    for thread, brand in (("t1", "acme"), ("t2", "other")):
        for secret in [*SECRETS] * 4:
            n = next(number)
            fields = {
                "id": thread if not out or out[-1][0] != thread.encode() else f"{thread}-{n}",
                "brand": brand,
                "platform": "test",
                "thread_id": thread,
                "author": {"id": f"{AUTHOR}-{n}", "handle": f"the_very_{n}"},
                "text": f"This is terrible, I hate it! {secret} is mine, and nobody answers. Shame on you.",
                "lang": "en",
                "created_at": START_MS + n * 1000,
            }
            out.append((thread.encode(), json.dumps(fields).encode()))
            desk = {"id": f"desk-{n}", "from_brand": True, "text": f"Hi {secret}, please send us a DM. Kim"}
            out.append((thread.encode(), json.dumps(fields | desk).encode()))
    return out


@pytest.fixture(scope="module")
def world() -> Unconnected:
    words = WordSettings(contract_numbers=("KD-9{6,10}",))
    settings = Settings.model_construct(None, partitions=1, thresholds=EAGER, words=words)
    return Unconnected(settings, NOW_MS)


def test_nothing_of_it_is_found_anywhere(world: Unconnected, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world.feed(lines(), at_once=10)
    alerts = b"\n".join(encode_alert(alert) for alert in world.kept.alerts)
    state = b"\n".join(
        key + value
        for partitions in (world.worker.follower.partitions, world.worker.brands.partitions)
        for partition in partitions.values()
        for key, value in partition.stored.items()
    )
    page = Page(lambda: read(world.worker, time.monotonic(), "0")).written()[0]
    metrics = b"\n".join(line.rpartition(b" ")[0] for line in page.splitlines())  # a value may be any number
    assert {alert.reason for alert in world.kept.alerts} >= {"canned-reply"}
    assert any(alert.voices for alert in world.kept.alerts)
    assert any(alert.title for alert in world.kept.alerts)
    assert b"nobody answers" in state  # texts are there, masked
    for name, content in (
        ("alerts", alerts),
        ("state", state),
        ("logs", caplog.text.encode()),
        ("metrics", metrics),
    ):
        for secret in (*SECRETS.values(), AUTHOR, "the_very_"):
            assert secret.encode() not in content, (name, secret)
            assert json.dumps(secret)[1:-1].encode() not in content, (name, secret)


def test_no_figure_is_kept_per_employee(world: Unconnected) -> None:
    """Who signs a reply, and which account it was sent from, leave nothing behind that tells them apart."""
    replies = sum(1 for _, line in lines() if b"from_brand" in line)
    state = b"".join(
        value for one in world.worker.brands.partitions.values() for value in one.stored.values()
    )
    assert replies > 20
    assert b"Kim" not in state
    for partition in world.worker.follower.partitions.values():
        for key, value in partition.stored.items():
            assert b"Kim" not in value, key
