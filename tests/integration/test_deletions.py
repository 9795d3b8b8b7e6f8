"""What its author deletes is gone from every state and incident within a minute, whoever dies meanwhile."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from agents.settings import Settings
from agents.topics import topics
from streams.desk import decode_record
from streams.incident import Incident, incident_id
from tests.integration import flows
from tests.integration.brokers import Broker
from tests.integration.flows import START_MS, Record, wait_for

pytestmark = pytest.mark.integration

THREAD = "t-storm"
ROOT_SAYS = "Nobody at acme answers, and I paid twice"
VOICE_SAYS = "This is terrible service, they ignored me for weeks as well"
HOUR_MS = 3_600_000


def _record(number: int, **more: Any) -> Record:
    mention = {
        "id": THREAD if number == 0 else f"{THREAD}-{number}",
        "brand": "acme",
        "platform": "test",
        "thread_id": THREAD,
        "author": {"id": f"a{number}"},
        "created_at": START_MS + number * 4000,
        "text": ROOT_SAYS if number == 0 else f"{VOICE_SAYS} ({number})",
        "lang": "en",
        **more,
    }
    return THREAD.encode(), json.dumps(mention).encode()


def _deletion(number: int) -> Record:
    return _record(number, text="", deleted=True, created_at=START_MS + HOUR_MS, author={"id": "-"})


def _incident(settings: Settings) -> Incident | None:
    found = None
    for one in flows.read(settings, topics(settings).incidents.name):
        if one.key == incident_id("thread", "acme", THREAD).encode() and one.value is not None:
            found = decode_record(one.value)
    return found if isinstance(found, Incident) else None


def _bare(settings: Settings) -> bool:
    one = _incident(settings)
    return one is not None and one.case.root_deleted and not one.case.voices


def _kept(settings: Settings, topic: str) -> bytes:
    """All that compaction leaves of a topic."""
    latest = {one.key: one.value or b"" for one in flows.read(settings, topic)}
    return b"".join(latest.values())


def test_a_deleted_post_leaves_state_and_incident(broker: Broker, prefix: str, tmp_path: Path) -> None:
    """The root and all answers are deleted while no worker runs: the next one obeys."""
    settings = flows.settings_for(broker, prefix)
    size = 60
    flows.produce(settings, [_record(number) for number in range(size)])
    with flows.worker(settings, tmp_path / "first.log") as first:
        first.ready()
        assert wait_for(lambda: (one := _incident(settings)) is not None and bool(one.case.voices)), (
            first.tail()
        )
        assert wait_for(lambda: flows.all_followed(settings)), first.tail()
        os.kill(first.pid, signal.SIGKILL)
        first.exit_code(within_s=5)
    states = topics(settings).threads_changelog.name
    assert ROOT_SAYS.encode() in _kept(settings, states)
    assert VOICE_SAYS.encode() in _kept(settings, topics(settings).incidents.name)
    flows.produce(settings, [_deletion(number) for number in range(size)])
    with flows.worker(settings, tmp_path / "second.log") as second:
        second.ready()
        assert wait_for(lambda: _bare(settings), 60), second.tail()
        assert wait_for(lambda: flows.all_followed(settings)), second.tail()
        os.kill(second.pid, signal.SIGTERM)
        assert second.exit_code(within_s=10) == 0, second.tail()
    for topic in (states, topics(settings).incidents.name):
        kept = _kept(settings, topic)
        assert ROOT_SAYS.encode() not in kept
        assert VOICE_SAYS.encode() not in kept
    one = _incident(settings)
    assert one is not None
    assert one.case.mentions >= 10  # the counts stay
