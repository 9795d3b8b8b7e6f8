"""A replay tells brands by the hour what live workers tell by the minute: the alerts are the same."""

from __future__ import annotations

import random
from collections.abc import Iterator

from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents.commands.replay import Replay
from agents.settings import Settings
from streams.alert import encode_alert
from streams.mention import Mention, hash64
from streams.pulse import MINUTE_MS

START_MS = 1_704_067_200_000


def _mention(minute: float, number: int, brand: str, count: int = 0) -> Mention:
    """A post that begins a thread, or a count of five minutes."""
    name = f"t{number}"
    return Mention(
        id=name, key=hash64(name), brand=brand, platform="p", thread_id="feed" if count else name, parent=0,
        to_root=False, kind="volume" if count else "post", author=number, followers=0, from_brand=False,
        text="", lang="", created_ms=START_MS + int(minute * MINUTE_MS), url="", reactions=None,
        count=count, interval_s=300 if count else 0,
    )  # fmt: skip


def _traffic(seed: int, *, counted: bool) -> Iterator[Mention]:
    """Two brands for two days, each with a storm; some mentions come late by up to a quarter of an hour."""
    dice = random.Random(seed)
    number = 0
    storms = {"acme": dice.randrange(1500, 2500), "other": dice.randrange(1500, 2500)}
    for minute in range(2880):
        for brand, storm in storms.items():
            on = storm <= minute < storm + 90
            for _ in range(dice.randrange(4, 9) if on else dice.random() < 0.1):
                late = dice.uniform(0, 15) if dice.random() < 0.02 else 0.0
                number += 1
                yield _mention(max(0.0, minute + dice.random() - late), number, brand)
            if counted and minute % 5 == 0:
                number += 1
                yield _mention(minute, number, brand, count=400 if on else dice.randrange(15, 25))


def _alerts(traffic: Iterator[Mention], told_every_min: int) -> list[bytes]:
    run = Replay(Settings.model_construct(), brands=True, told_every_min=told_every_min)
    found = []
    for mention in traffic:
        run.follow(mention)
        found += [encode_alert(one) for one in run.brand_alerts()]
    return [*found, *[encode_alert(one) for one in run.brand_alerts(at_end=True)]]


@example(seed=1, every=3, counted=True)
@example(seed=149, every=2, counted=True)
@given(seed=st.integers(0, 10_000), every=st.integers(2, 600), counted=st.booleans())
@settings(deadline=None, max_examples=10)
def test_told_by_the_hour_is_told_by_the_minute(seed: int, every: int, counted: bool) -> None:
    """Byte for byte, with mentions that come late, and with feeds."""
    by_minute = _alerts(_traffic(seed, counted=counted), 1)
    assert len(by_minute) >= 2
    assert sorted(_alerts(_traffic(seed, counted=counted), every)) == sorted(by_minute)
