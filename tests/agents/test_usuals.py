"""What a worker knows of brands, from a topic that is a list."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from agents.commands.replay import Replay
from agents.settings import Settings
from agents.usuals import LiveUsuals, decode_usuals, encode_usuals
from streams.alert import encode_alert
from streams.mention import Mention
from streams.usual import Usual
from tests.agents.unconnected import Unconnected

DAY_MS = 86_400_000
START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
HOUR_MS = 3_600_000
BLOCK = "Please send us a DM with your number."
TWO = (Usual(HOUR_MS, 0, 1.0, 2.0), Usual(2 * HOUR_MS, 0, 1.5, 2.5, 0.8, 70))


@pytest.fixture
def live(clean_settings: Path) -> LiveUsuals:
    return LiveUsuals(Settings())


def test_snapshots_come_back_as_they_went() -> None:
    assert decode_usuals(encode_usuals(TWO)) == TWO


def test_the_last_record_of_a_brand_holds(live: LiveUsuals) -> None:
    """And the mapping that the follower was given once is the one that changes."""
    latest = live.latest
    live.take(b"acme", encode_usuals(TWO[:1]), "here")
    live.take(b"acme", encode_usuals(TWO), "here")
    live.take(b"other", encode_usuals(TWO[:1]), "here")
    live.take(b"other", None, "here")
    assert latest == {"acme": TWO}


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\xff{",
        b"[]",
        b'{"latest": 1}',
        b"[" * 100_000,
        encode_usuals(TWO[::-1]),
        encode_usuals((Usual(0, 0, 1.0, 1.0, 0.0),)),
        encode_usuals((Usual(0, 0, -1.0, 1.0),)),
        encode_usuals((Usual(0, 0, 1.0, 1.0, 1.0, 1),)),
        encode_usuals((Usual(0, 0, 1.0, 1.0, reply_delays_s=(5,), canned_shares=(1.0,)),)),
        encode_usuals((Usual(0, 0, 1.0, 1.0, reply_delays_s=(5,) * 168, canned_shares=(1.5,) * 168),)),
        encode_usuals((Usual(0, 0, 1.0, 1.0, reply_delays_s=(-5,) * 168, canned_shares=(0.5,) * 168),)),
        encode_usuals((Usual(0, 0, 1.0, 1.0, negative_share=2.0),)),
    ],
)
def test_what_is_none_is_refused_logged_and_counted(
    live: LiveUsuals, caplog: pytest.LogCaptureFixture, bad: bytes
) -> None:
    """And what was known is known still."""
    live.take(b"acme", encode_usuals(TWO), "usual/0@0")
    live.take(b"acme", bad, "usual/0@1")
    assert live.latest == {"acme": TWO}
    assert live.refused == 1
    assert "usual/0@1" in caplog.text


def test_what_a_later_version_adds_is_left_out() -> None:
    """So that workers of two versions can share the topic for a while."""
    value = encode_usuals(TWO).replace(b'"growth"', b'"reply_s":5,"growth"')
    assert decode_usuals(value) == TWO


def four_days(late_ms: int) -> list[tuple[bytes, bytes]]:
    """Keys and values: a thread of two brands every quarter of an hour, each of a size of its own."""
    rng, rows = random.Random(4), []
    for number in range(4 * 96):
        began, size = START_MS + number * 15 * 60_000, int(rng.paretovariate(0.9)) % 220 + 1
        pace_ms = rng.choice((20_000, 60_000, 400_000))
        for n in range(size):
            thread = f"t{number}"
            fields = {
                "id": f"{thread}-{n}" if n else thread,
                "brand": "acme" if number % 3 else "other",
                "platform": "test",
                "thread_id": thread,
                "author": {"id": f"{thread}-{rng.randrange(2 * size)}"},
                "created_at": began + n * pace_ms,
                "text": rng.choice(("This is terrible, I hate it", "Thank you, all is fine")),
                "lang": "en",
            }
            if n % 23 == 12:  # the desk, mostly from a text block
                text = rng.choice((*[BLOCK] * 9, f"Your fee {number} is refunded, we are sorry."))
                fields |= {"author": {"id": "desk"}, "from_brand": True, "text": text}
            rows.append((began + n * pace_ms + rng.randrange(late_ms), thread, fields))
    return [
        (thread.encode(), json.dumps(fields).encode())
        for _, thread, fields in sorted(rows, key=lambda r: r[0])
    ]


@pytest.mark.parametrize(("late_ms", "scopes"), [(1, {"thread", "brand"}), (500_000, {"thread"})])
def test_what_is_learned_over_days_is_the_same_live_and_replayed(
    clean_settings: Path, late_ms: int, scopes: set[str]
) -> None:
    """Byte for byte, though live it goes by way of two agents and a topic; and it has its say.

    Out of order those of threads alone: when a brand is looked at early depends on the pace.
    """
    settings, lines = Settings(partitions=1), four_days(late_ms)
    worker = Unconnected(settings, START_MS + 9 * DAY_MS)
    worker.feed(lines, at_once=5)  # some ten minutes of that time: brands keep up
    run, decoder, alerts = Replay(settings, brands=True), settings.decoder(), []
    for _, line in lines:
        mention = decoder.decode(line, START_MS + 9 * DAY_MS)
        assert isinstance(mention, Mention)
        alert = run.follow(mention)
        alerts += [*run.brand_alerts(), *([alert] if alert is not None else [])]
    live, replayed = (
        sorted([encode_alert(one) for one in some if one.scope in scopes])
        for some in (worker.kept.alerts, alerts)
    )
    assert live == replayed
    assert len(replayed) > 50
    signals = {one.signal: one.value for alert in alerts[len(alerts) // 2 :] for one in alert.evidence}
    assert signals["brand_growth"] != 1.0 != signals["brand_tempo"]
    threads = [alert for alert in alerts if alert.scope == "thread"]
    assert "canned-reply" in {alert.reason for alert in threads}
    later = threads[len(threads) * 3 // 4 :]
    assert len([one for one in later if (one.reply.canned_share or 0) > 0.7]) > len(later) / 2
    assert any(alert.reply.expected_at for alert in later)
    assert any(one.unit == "earlier uses" and one.value >= 4 for alert in later for one in alert.evidence)
    shares = [one for alert in later for one in alert.evidence if one.signal == "negative_share"]
    assert any(one.usual for one in shares)
    assert worker.worker.usuals.latest["acme"] == run._usuals.latest["acme"]
