"""The page of metrics says what a replay of the same recording says, and nothing about anybody."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import ClientSession
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from agents.commands.replay import Replay
from agents.embedded import free_port
from agents.exposition import Page, exposed
from agents.metrics import MENTIONS, METRICS, PAGE_TO_TAKEN, Sample, read
from agents.recordings import RECORDING
from agents.run import Playing, Watch
from agents.settings import Settings, read_settings
from agents.tallies import LABELS, Bounds, Tallies
from streams.mention import Mention
from tests.agents.mentions import EAGER, NOW_MS, START_MS, value
from tests.agents.unconnected import Unconnected, lines_of

Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def settings(**changes: object) -> Settings:
    return Settings.model_construct(None, partitions=1, thresholds=EAGER, **changes)


def page(world: Unconnected, accept: str = "") -> bytes:
    return Page(lambda: read(world.worker, time.monotonic(), "0")).written(accept)[0]


def values(world: Unconnected) -> Values:
    text = page(world).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(found: Values, name: str, **labels: str) -> float:
    return sum(
        number
        for (one, pairs), number in found.items()
        if one == name and labels.items() <= dict(pairs).items()
    )


@pytest.fixture(scope="module")
def played() -> Unconnected:
    """The bundled recording, followed by a worker."""
    world = Unconnected(Settings.model_construct(partitions=1), int(time.time() * 1000))
    world.feed(lines_of(RECORDING))
    return world


def test_the_metrics_agree_with_a_replay_to_the_count(played: Unconnected) -> None:
    replay = Replay(Settings.model_construct(partitions=1), brands=True)
    decoder, now_ms = Settings.model_construct().decoder(), int(time.time() * 1000)
    alerts: Counter[tuple[str, str, str]] = Counter()
    mentions: Counter[str] = Counter()
    counted = own = 0
    for key, line in lines_of(RECORDING):
        one = decoder.decode_keyed(line, now_ms, key)
        if not isinstance(one, Mention):
            continue
        before = replay.duplicates
        alert = replay.follow(one)
        fresh = replay.duplicates == before and one.kind != "volume"
        counted += fresh
        own += fresh and one.from_brand and one.id != one.thread_id
        mentions[one.brand] += fresh and not one.from_brand
        for raised in (alert, *replay.brand_alerts()):
            if raised is not None:
                alerts[raised.brand, raised.level, raised.reason] += 1
    for raised in replay.brand_alerts(at_end=True):
        alerts[raised.brand, raised.level, raised.reason] += 1
    found = values(played)
    assert counted > 1000
    assert total(found, "flashover_records_total", outcome="counted") == counted
    assert total(found, "flashover_records_total", outcome="duplicate") == replay.duplicates
    assert total(found, "flashover_brand_replies_total") == own
    for brand, number in mentions.items():
        assert total(found, "flashover_mentions_total", brand=brand) == number
    assert {
        (dict(pairs)["brand"], dict(pairs)["level"], dict(pairs)["reason"]): number
        for (name, pairs), number in found.items()
        if name == "flashover_alerts_total" and number
    } == dict(alerts)
    assert any(level == "page" for _, level, _ in alerts)
    raised_now = Counter((one.brand, one.level.word) for one in replay.threads.values() if one.level)
    for (brand, level), number in raised_now.items():
        assert total(found, "flashover_live_threads", brand=brand, level=level) == number


def test_the_live_view_says_what_the_metrics_say(played: Unconnected) -> None:
    """To the count, and so what a replay says; its rows have the levels that the gauges count."""
    board, found = Watch(played.worker, Playing(1), 60.0).board(), values(played)
    records = {
        name: total(found, "flashover_records_total", outcome=name) for name in ("counted", "duplicate")
    }
    assert (board.mentions, board.duplicates) == (records["counted"], records["duplicate"])
    assert board.rejects == total(found, "flashover_rejects_total")
    raised = Counter(row.thread.level.word for row in board.rows if row.thread.level)
    assert raised["page"] == total(found, "flashover_live_threads", level="page") > 0
    latest = [one for one in board.alerts if one.scope == "thread"][-1]
    assert total(found, "flashover_alerts_total", brand=latest.brand, reason=latest.reason) > 0


def test_every_metric_has_a_series_or_a_reason_why_not(played: Unconnected) -> None:
    families = {family.name for family in text_string_to_metric_families(page(played).decode())}
    silent = {one.name for one in METRICS if one.name.removesuffix("_total") not in families}
    # what needs a consumer that runs, and its log
    silent -= {"flashover_lag_records", "flashover_offset_age_seconds", "flashover_broker_errors_total"}
    assert {one.name for one in METRICS if one.name in silent and not one.empty} == set()


def test_no_label_and_no_value_names_a_thread_an_author_or_a_text(played: Unconnected) -> None:
    threads = {key.decode() for key, _ in lines_of(RECORDING)}
    for name, pairs in values(played):
        if name.startswith("flashover_"):
            assert {label for label, _ in pairs} <= {*LABELS, "le"}
            assert not threads & {text for _, text in pairs}


OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def test_both_formats_say_the_same_and_are_told_apart(played: Unconnected) -> None:
    """As prometheus-client's own parsers read them: that of OpenMetrics refuses what breaks its rules."""
    plain = values(played)
    families = list(openmetrics_families(page(played, OPENMETRICS).decode()))  # type: ignore[no-untyped-call]
    told = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }
    ours = {key for key in plain if key[0].startswith("flashover_")}
    assert len(ours) > 100
    moving = {"flashover_event_delay_seconds"}
    assert {key: plain[key] for key in ours if key[0] not in moving} == {
        key: told[key] for key in told if key[0].startswith("flashover_") and key[0] not in moving
    }
    kinds = {family.name: family.type for family in families}
    counters = {one.name.removesuffix("_total") for one in METRICS if one.kind == "counter"} & kinds.keys()
    assert {kinds[name] for name in counters} == {"counter"}


def test_a_page_asked_for_again_shows_what_is_new() -> None:
    """Kept beginnings of lines hold no value, and hostile names break no line."""
    tallies = Tallies(Bounds())
    one = Page(
        lambda: [
            Sample(metric, labels, value)
            for metric, values in tallies.values.items()
            for labels, value in values.items()
        ]
    )
    hostile = 'a"b\\c\nd} 7'
    for number in (1.0, 2.0):
        tallies.count(MENTIONS, hostile)
        for accept, families in (
            ("", text_string_to_metric_families),
            (OPENMETRICS, openmetrics_families),
        ):
            found = {
                sample.labels["brand"]: sample.value
                for family in families(one.written(accept)[0].decode())
                for sample in family.samples
                if sample.name == MENTIONS.name
            }
            assert found == {hostile: number}


def test_a_metric_is_declared_once() -> None:
    names = [one.name for one in METRICS]
    assert len(names) == len(set(names))


def test_what_became_of_a_page_is_known_a_day_later() -> None:
    """20 mentions, a page among them, 20 more; the day after, the share that was still to come is there."""
    world = Unconnected(settings(), NOW_MS)
    world.feed([(b"t", value("t", number)) for number in range(40)], at_once=7)
    assert total(values(world), "flashover_still_to_come_share_count") == 0
    page = next(one for one in world.kept.alerts if one.level == "page")
    world.feed([(b"u", value("u", 0, created_at=START_MS + 25 * 3_600_000))])
    found = values(world)
    assert total(found, "flashover_still_to_come_share_count", brand="acme") == 1
    assert total(found, "flashover_still_to_come_share_sum") == pytest.approx(1 - page.mentions / 40)
    assert total(found, "flashover_settled_alerts_total", level="page", outcome="viral") == 1
    assert total(found, "flashover_settled_probability_total", level="page") == pytest.approx(
        page.forecast.viral_probability
    )
    assert total(values(world), "flashover_still_to_come_share_count") == 1  # nor twice when asked again


def test_what_followed_a_reply_is_known_a_day_later() -> None:
    """30 mentions, a hand-off, 10 more: a day later, how many that were to those forecast, by kind."""
    world = Unconnected(settings(), NOW_MS)
    world.feed([(b"t", value("t", number)) for number in range(30)], at_once=7)
    said = {
        "from_brand": True,
        "text": "Sorry, please send us a DM. We have no access to your contract here.",
    }
    world.feed([(b"t", value("t", 30, **said))])
    world.feed([(b"t", value("t", number)) for number in range(31, 41)], at_once=7)
    kind = {"brand": "acme", "outcome": "canned"}
    assert total(values(world), "flashover_reply_growth_ratio_count", **kind) == 0
    world.feed([(b"u", value("u", 0, created_at=START_MS + 25 * 3_600_000))])
    found = values(world)
    assert total(found, "flashover_reply_growth_ratio_count", **kind) == 1
    assert total(found, "flashover_reply_growth_ratio_count") == 1
    assert 0 < total(found, "flashover_reply_growth_ratio_sum") < 1  # many more were forecast than ten
    assert total(values(world), "flashover_reply_growth_ratio_count") == 1  # nor twice when asked again


def test_a_thread_counts_once_over_flushes_and_state_that_went_cold() -> None:
    world = Unconnected(settings(), NOW_MS)
    world.feed([(b"t", value("t", number)) for number in range(5)], at_once=2)
    for _ in range(6):  # let it go cold
        asyncio.run(world.worker.follower.flush())
    world.feed([(b"t", value("t", number)) for number in range(3, 9)], at_once=2)
    found = values(world)
    assert total(found, "flashover_mentions_total", brand="acme") == 9
    assert total(found, "flashover_records_total", outcome="duplicate") == 2


def test_rejects_are_told_by_reason() -> None:
    world = Unconnected(settings(), NOW_MS)
    world.feed([(b"t", b"nonsense"), (b"t", value("t", 1, brand="")), (b"t", value("t", 2))])
    assert total(values(world), "flashover_rejects_total") == 2
    assert total(values(world), "flashover_records_total", outcome="rejected") == 2


def test_what_others_count_is_on_the_page() -> None:
    world = Unconnected(settings(), NOW_MS)
    world.worker.follower.stats.tallies.observe(PAGE_TO_TAKEN, 42.0, "acme")
    found = values(world)
    assert found["flashover_page_to_taken_seconds_sum", (("brand", "acme"),)] == 42.0
    assert found["flashover_page_to_taken_seconds_bucket", (("brand", "acme"), ("le", "300.0"))] == 1


async def _get(port: int) -> tuple[int, str, bytes]:
    async with (
        ClientSession() as session,
        session.get(
            f"http://127.0.0.1:{port}/metrics", headers={"Accept": "application/openmetrics-text"}
        ) as answer,
    ):
        return answer.status, answer.headers["Content-Type"], await answer.read()


def test_it_is_served_on_its_own_port_and_gone_after() -> None:
    port = free_port()
    world = Unconnected(settings(), NOW_MS)

    async def serve() -> tuple[int, str, bytes]:
        served = settings(metrics_port=port)
        async with exposed(world.worker, served):
            return await _get(port)

    status, content_type, body = asyncio.run(serve())
    assert status == 200
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")
    with pytest.raises(OSError, match=str(port)):
        asyncio.run(_get(port))


def test_a_port_that_is_taken_does_not_end_the_worker(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    world = Unconnected(settings(), NOW_MS)

    async def serve() -> None:
        served = settings(metrics_port=port)
        async with exposed(world.worker, served), exposed(world.worker, served):
            assert (await _get(port))[0] == 200

    asyncio.run(serve())
    assert f"127.0.0.1:{port} can't be listened on" in caplog.text


def test_prometheus_own_linter_finds_nothing(played: Unconnected) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    done = subprocess.run(["promtool", "check", "metrics"], input=page(played), capture_output=True)
    ours = [line for line in (done.stdout + done.stderr).decode().splitlines() if "flashover" in line]
    assert not ours
    assert done.returncode in (0, 3), done.stderr


def test_what_may_follow_is_shown_at_zero_before_it_does() -> None:
    """An alert that is a series' first value would be no increase to Prometheus."""
    world = Unconnected(settings(), NOW_MS)
    world.feed([(b"t", value("t", 0))])
    found = values(world)
    labels = (("brand", "acme"), ("level", "page"), ("reason", "viral-forecast"))
    assert found["flashover_alerts_total", labels] == 0
    world.feed([(b"t", value("t", number)) for number in range(1, 30)])
    assert values(world)["flashover_alerts_total", labels] == 1
    assert values(world)["flashover_still_to_come_share_count", (("brand", "acme"),)] == 0


def test_a_default_ladder_is_for_brands_that_no_setting_names_too(clean_settings: Path) -> None:
    """Nobody on call for them is seen before there is a page."""
    (clean_settings / "flashover.toml").write_text(
        '[people.lead]\n[ladders.default]\nsteps = [{ whom = ["lead"] }]\n'
    )
    world = Unconnected(read_settings(), NOW_MS)
    asyncio.run(world.worker.roster.begin())
    world.feed([(b"t", value("t", 0, brand="heard-of"))])
    assert values(world)["flashover_on_call_people", (("brand", "heard-of"),)] == 0


def test_who_is_on_call_and_how_old_calendars_are_can_be_seen(clean_settings: Path) -> None:
    (clean_settings / "flashover.toml").write_text(
        "[brands.acme]\n[brands.other]\n[people.lead]\n[people.deputy]\n"
        '[rotations.sun]\ncalendar_file = "sun.ics"\n'
        '[ladders.acme]\nbrands = ["acme"]\nsteps = [{ whom = ["lead", "sun"] }]\n'
    )
    world = Unconnected(read_settings(), NOW_MS)
    found = values(world)
    assert total(found, "flashover_on_call_people", brand="acme") == 0  # the lead has no channel
    assert (
        "flashover_on_call_people",
        (("brand", "other"),),
    ) not in found  # no ladder: nobody is meant to be
    asyncio.run(world.worker.roster.begin())
    found = values(world)
    assert total(found, "flashover_calendar_errors_total", source="sun") == 1
    assert total(found, "flashover_calendar_last_success_timestamp_seconds", source="sun") == 0
    (clean_settings / "sun.ics").write_text(
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//t//t//EN\nEND:VCALENDAR\n"
    )
    asyncio.run(world.worker.roster.refresh())
    assert total(values(world), "flashover_calendar_last_success_timestamp_seconds", source="sun") > 0
