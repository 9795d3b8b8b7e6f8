"""Each lap of the demo is a day of its own."""

from __future__ import annotations

import json
from typing import Any

from agents.commands.demo import lap_of
from agents.recordings import RECORDING
from agents.settings import Settings
from streams.judge import follow
from streams.mention import Mention
from streams.thread import Thread
from tests.agents.unconnected import lines_of


def played(lap: int) -> list[Mention]:
    records: list[dict[str, Any]] = [json.loads(line) for _, line in lines_of(RECORDING)]
    decoder = Settings.model_construct().decoder()
    told = [decoder.decode(json.dumps(one).encode(), 1_780_000_000_000) for one in lap_of(records, lap)]
    assert all(isinstance(one, Mention) for one in told)
    return [one for one in told if isinstance(one, Mention)]


def pages(mentions: list[Mention], threads: dict[str, Thread]) -> int:
    count = 0
    for one in mentions:
        if one.kind == "volume":
            continue
        followed = follow(threads.get(one.thread_id), one, Settings.model_construct().thresholds)
        if followed is not None:
            threads[one.thread_id], alert = followed.thread, followed.alert
            count += alert is not None and alert.level == "page"
    return count


def test_the_second_lap_pages_as_the_first_does() -> None:
    threads: dict[str, Thread] = {}
    first = pages(played(0), threads)
    assert first >= 2
    assert pages(played(1), threads) == first


def test_a_lap_begins_after_the_last_one_has_ended() -> None:
    one, two = played(3), played(4)
    assert max(mention.created_ms for mention in one) < min(mention.created_ms for mention in two)
    assert not {mention.id for mention in one} & {mention.id for mention in two}
