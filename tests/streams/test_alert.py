"""Alerts as they leave the house."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.alert import Alert, Evidence, Reply, alert_id, encode_alert
from streams.forecast import Forecast
from streams.levels import Level

ALERT = Alert(
    id="fl-1",
    scope="thread",
    brand="acme",
    thread_id="forum:t1",
    level="page",
    previous_level="watch",
    raised_at="2024-01-01T00:00:00.000Z",
    reason="viral-forecast",
    summary="40 mentions by 30 people in 12 min",
    forecast=Forecast(120.0, 60.0, 240.0, 0.6, 100),
    evidence=(Evidence("mentions_24h", 40.0, "mentions", None, 1.0),),
    reply=Reply(),
    mentions=40,
    authors=30,
    reach=9_000,
    negative_share=None,
)


def test_an_id_is_pinned() -> None:
    """Yesterday's process, another machine and a replay give the same id."""
    assert (
        alert_id("thread", "acme", "forum:t1", 1_704_067_200_000, 1, Level.PAGE) == "fl-4b79ebb3bd17b0c10503"
    )


@pytest.mark.parametrize(
    "other",
    [
        ("brand", "acme", "forum:t1", 7, 1, Level.PAGE),
        ("thread", "acm", "eforum:t1", 7, 1, Level.PAGE),
        ("thread", "acme", None, 7, 1, Level.PAGE),
        ("thread", "acme", "None", 7, 1, Level.PAGE),
        ("thread", "acme", "forum:t1", 71, 1, Level.PAGE),
        ("thread", "acme", "forum:t1", 7, 2, Level.PAGE),
        ("thread", "acme", "forum:t1", 7, 1, Level.WARN),
    ],
)
def test_another_alert_has_another_id(other: tuple[str, str, str | None, int, int, Level]) -> None:
    """Each part of what an alert is about makes a difference, and no two parts run into each other."""
    assert alert_id(*other) != alert_id("thread", "acme", "forum:t1", 7, 1, Level.PAGE)


def test_the_wire_has_the_fields_of_the_contract() -> None:
    """Names and order of the JSON are fixed: others read it."""
    alert = json.loads(encode_alert(ALERT))
    assert " ".join(alert) == (
        "id scope brand thread_id level previous_level raised_at reason summary forecast evidence reply "
        "mentions authors reach negative_share title voices url voice_ids root_deleted "
        "platform refs"
    )
    assert " ".join(alert["forecast"]) == "expected_24h p10 p90 viral_probability viral_at"
    assert " ".join(alert["evidence"][0]) == "signal value unit usual weight"
    assert alert["reply"] == {"state": "none", "expected_at": None, "canned_share": None}


@given(st.text(), st.text())
def test_an_alert_survives_its_encoding(thread_id: str, summary: str) -> None:
    """One line of JSON, whatever is in it, and equal when read back."""
    alert = msgspec.structs.replace(ALERT, thread_id=thread_id, summary=summary)
    line = encode_alert(alert)
    assert b"\n" not in line
    assert msgspec.json.decode(line, type=Alert) == alert
