"""`flashover tune` and the rest of `flashover judge`: on the bundled recording, and on made storms."""

from __future__ import annotations

import dataclasses
import json
import random
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agents.cli import cli
from agents.codec import encode_cursor
from agents.commands.replay import Replay
from agents.commands.tune import toml_of
from agents.files import check, read_lines
from agents.recordings import RECORDING
from agents.settings import Settings, read_settings
from agents.tuning import sweep as sweeping
from agents.tuning.recorder import Recorder
from agents.tuning.sweep import sweep
from streams.desk import encode_record
from streams.incident import Raised, Resolve, apply
from streams.mention import Mention
from streams.params import ThreadParams
from streams.trace import floor_of, rises, with_page
from streams.tuning import combinations
from tests.streams.incidents import LADDER, RULES, case, command

NOW_MS = 1_767_312_000_000  # 2026-01-02T00:00:00Z
START_MS = NOW_MS - 20 * 86_400_000
DAY_MS = 86_400_000
SMALL = ThreadParams(viral_at=20, min_mentions=4, min_authors=3)
VARIED: dict[str, list[object]] = {
    "page": [0.1, 0.3, 0.6, 0.9],
    "min_mentions": [2, 9],
    "max_author_share": [0.2],
}


def flashover(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments])


def mention(number: int, thread: str, at: int, author: int, brand: str, **fields: Any) -> bytes:
    record = {
        "id": f"m:{number}" if number else thread,
        "brand": brand,
        "platform": "mastodon",
        "thread_id": thread,
        "parent_id": thread if number else None,
        "author": {"id": f"someone-{author}"},
        "created_at": at,
    }
    return json.dumps({**record, **fields}).encode()


def made_storms(seed: int = 7, threads: int = 60) -> list[bytes]:
    """Threads of all sizes in a fortnight: three brands, floods by one, second lives, the desk's replies."""
    chance = random.Random(seed)
    lines: list[tuple[int, bytes]] = []
    number = 0
    for root in range(threads):
        at = START_MS + chance.randrange(12 * DAY_MS)
        brand, thread = f"brand-{root % 3}", f"m:root-{root}"
        lines.append((at, mention(0, thread, at, root, brand)))
        people = chance.choice([1, 3, 40])
        for _ in range(chance.choice([0, 2, 6, 15, 50])):
            at += int(chance.expovariate(1 / chance.choice([60_000, 1_200_000])))
            at += chance.random() < 0.01 and 3 * DAY_MS
            number += 1
            one = mention(
                number, thread, at, chance.randrange(people), brand, from_brand=chance.random() < 0.1
            )
            lines += [(at + chance.randrange(5 * 60_000), one)] * (1 + (chance.random() < 0.05))
    return [line for _, line in sorted(lines, key=lambda pair: pair[0])]


@pytest.fixture
def storms(clean_settings: Path) -> Path:
    path = clean_settings / "storms.jsonl"
    path.write_bytes(b"\n".join(made_storms()))
    return path


def truly_paged(path: Path, settings: Settings) -> dict[str, int]:
    """The first page of each episode of each thread, by a replay under the settings."""
    run, decoder = Replay(settings), settings.decoder()
    born: dict[str, list[int]] = {}
    paged: dict[str, int] = {}
    for line in read_lines([str(path)], settings.max_record_bytes, lambda _: None):
        one = check(line, decoder, NOW_MS)
        assert isinstance(one, Mention)
        alert = run.follow(one)
        thread = run.threads[one.thread_id]
        lives = born.setdefault(one.thread_id, [])
        if thread.born_ms not in lives:
            lives.append(thread.born_ms)
        name = one.thread_id if len(lives) == 1 else f"{one.thread_id}#{len(lives)}"
        if alert is not None and alert.level == "page":
            paged.setdefault(name, one.created_ms)
    return paged


def test_every_alert_of_a_replay_is_a_rise_of_the_trace() -> None:
    """Not the first page alone: a thread that cools down for hours and rises anew does so in its trace."""
    hour = 3_600_000
    times = [n * 30_000 for n in range(10)] + [8 * hour, 9 * hour, 10 * hour]
    times += [11 * hour + n * 30_000 for n in range(20)]
    params = dataclasses.replace(SMALL, viral_at=40, release=0.9)
    settings = Settings(thresholds=params)
    decoder, recorder, run = settings.decoder(), Recorder(settings, floor_of([params])), Replay(settings)
    alerts: list[tuple[int, str]] = []
    for number, at in enumerate(times):
        one = decoder.decode(mention(number, "m:a", START_MS + at, number, "acme"), NOW_MS)
        assert isinstance(one, Mention)
        _, told = recorder.follow(one)
        alert = run.follow(one)
        assert told == alert
        if alert is not None:
            alerts.append((one.created_ms, alert.level))
    found = rises(recorder.traces()[0], params)
    assert [(rise.at_ms, rise.level.word) for rise in found] == alerts
    assert len(found) > len({rise.level for rise in found})  # it did fall and rise again


def test_a_trace_holds_the_answers_of_the_first_day() -> None:
    """Not the root, nor the desk's words, a repetition, the second day; a second life is its own."""
    settings = Settings(thresholds=SMALL)
    decoder, recorder = settings.decoder(), Recorder(settings, floor_of([SMALL]))
    minute, hour = 60_000, 3_600_000
    for line in (
        mention(0, "m:a", START_MS, 0, "acme"),
        mention(1, "m:a", START_MS + 2 * minute, 1, "acme"),
        mention(2, "m:a", START_MS + minute, 2, "acme"),
        mention(2, "m:a", START_MS + minute, 2, "acme"),
        mention(3, "m:a", START_MS + 3 * minute, 3, "acme", from_brand=True),
        mention(4, "m:a", START_MS + 25 * hour, 4, "acme"),
        mention(5, "m:a", START_MS + 90 * hour, 5, "acme"),
        mention(6, "m:b", START_MS, 6, "acme", from_brand=True),
    ):
        one = decoder.decode(line, NOW_MS)
        assert isinstance(one, Mention)
        recorder.follow(one)
    first, second = recorder.traces()
    assert (first.name, first.size_24h) == ("m:a", 3)
    assert first.day_ms == (START_MS + minute, START_MS + 2 * minute)
    assert (second.name, second.thread_id, second.day_ms) == ("m:a#2", "m:a", (START_MS + 90 * hour,))


@pytest.mark.parametrize("recording", ["bundled", "made"])
def test_a_sweep_pages_as_a_replay_under_each_setting(storms: Path, recording: str) -> None:
    path, base = (RECORDING, ThreadParams()) if recording == "bundled" else (storms, SMALL)
    settings = Settings(thresholds=base)
    several, _ = combinations(base, VARIED)
    swept = sweep([str(path)], settings, several, NOW_MS, 1)
    for params, paged in zip(several, swept.paged, strict=True):
        with_params = settings.model_copy(update={"thresholds": params})
        assert paged == truly_paged(path, with_params), params
    assert len({tuple(sorted(paged.items())) for paged in swept.paged}) > 2  # the settings do differ
    if recording == "made":
        assert any("#2" in one.name for one in swept.traces)


def test_what_shapes_the_forecast_makes_a_pass_of_its_own(storms: Path) -> None:
    settings = Settings(thresholds=SMALL)
    several = [dataclasses.replace(SMALL, viral_at=size) for size in (10, 20, 40)]
    swept = sweep([str(storms)], settings, several, NOW_MS, 1)
    for params, paged in zip(several, swept.paged, strict=True):
        assert paged == truly_paged(storms, settings.model_copy(update={"thresholds": params}))
    assert len(swept.paged[0]) > len(swept.paged[2])


def test_many_processes_say_what_one_says(storms: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Brands go to different processes; those that share a thread go together, broken lines are told once."""
    both = [mention(n, "m:shared", START_MS + n * 1000, n, f"brand-{n % 2}") for n in range(1, 40)]
    lines = [*storms.read_bytes().splitlines(), *both, b"{", b'{"brand":"brand-1","thread_id":"x"}']
    storms.write_bytes(b"\n".join(lines))
    monkeypatch.setattr(sweeping, "_SMALL_BYTES", 0)
    monkeypatch.setattr(sweeping, "_cores", lambda: 2)
    settings = Settings(thresholds=SMALL)
    several, _ = combinations(SMALL, {"page": [0.2, 0.5], "viral_at": [20, 30]})
    one, two = (sweep([str(storms)], settings, several, NOW_MS, workers) for workers in (1, 2))
    assert one == two
    assert one.refused.total() == 2
    assert [line.number for line in one.refused_lines] == [len(lines) - 1, len(lines)]


def test_tune_finds_a_better_setting_for_the_bundled_recording(clean_settings: Path) -> None:
    result = flashover("tune", RECORDING, "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    chosen, present = (answer["settings"][answer[name]] for name in ("best", "present"))
    assert answer["storms"] == 2
    assert chosen["cost"] <= present["cost"]
    assert chosen["recall"] == 1.0
    assert present["thresholds"] == dataclasses.asdict(ThreadParams())
    # What is printed can be pasted, and does what was said.
    (clean_settings / "flashover.toml").write_text(answer["toml"])
    assert dataclasses.asdict(read_settings().thresholds) == chosen["thresholds"]
    judged = json.loads(flashover("judge", RECORDING, "--json").stdout)["scores"][0]
    assert judged["alerts"] == chosen["pages"]
    assert judged["still_to_come"] == chosen["still_to_come"]
    assert judged["pages_per_week"] == chosen["pages_per_week"]


def test_tune_prints_a_table_and_what_to_paste(storms: Path) -> None:
    result = flashover("tune", storms, "--vary", "page=0.2,0.4")
    assert result.exit_code == 0, result.output
    marks = [line.split()[0] for line in result.stdout.splitlines()[2:5]]
    assert "best" in result.stdout
    assert "now" in marks
    table = tomllib.loads(result.stdout.split("# in flashover.toml:")[1])
    assert set(table["thresholds"]) <= {"page", "watch", "warn"}


@pytest.fixture
def one_storm(clean_settings: Path) -> Path:
    """A storm, a thread that stops short of it, and a calm one, over ten days."""
    lines = [mention(n, "m:storm", START_MS + n * 30_000, n, "acme") for n in range(200)]
    begins_alike = [n * 30_000 if n < 14 else 14 * 30_000 + (n - 14) * 1_200_000 for n in range(60)]
    lines += [mention(1000 + n, "m:short", START_MS + at, n, "acme") for n, at in enumerate(begins_alike)]
    lines += [mention(2000, "m:calm", START_MS + 10 * DAY_MS, 1, "acme")]
    path = clean_settings / "one.jsonl"
    path.write_bytes(b"\n".join(lines))
    return path


def tuned(*arguments: str | Path) -> Any:
    result = flashover("tune", *arguments, "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    return {**answer, "chosen": answer["settings"][answer["best"]]}


def test_a_budget_is_kept_and_the_earliest_within_it_is_best(one_storm: Path) -> None:
    earliest = tuned(one_storm, "--pages-per-week", "2")["chosen"]
    frugal = tuned(one_storm, "--pages-per-week", "1")["chosen"]
    assert (earliest["pages"], frugal["pages"]) == (2, 1)
    assert earliest["still_to_come"] > frugal["still_to_come"]
    assert frugal["precision"] == 1.0
    assert tuned(one_storm, "--min-precision", "0.9")["chosen"]["pages"] == 1
    result = flashover("tune", one_storm, "--pages-per-week", "0.1")
    assert result.exit_code == 1
    assert "no setting meets the wish" in result.stderr


def test_prices_decide_what_is_best(one_storm: Path) -> None:
    cheap = tuned(one_storm, "--cost-false", "0")["chosen"]
    dear = tuned(one_storm, "--cost-false", "10", "--profile", "reward-low-fp")
    assert dear["costs"] == {"false": 10.0, "missed": 1.0, "late": 1.0}
    assert cheap["pages"] == 2
    assert dear["chosen"]["pages"] == 1


def test_a_storms_size_follows_its_brand(one_storm: Path) -> None:
    (one_storm.parent / "flashover.toml").write_text("[brands.acme]\nviral_at = 50")
    assert tuned(one_storm)["storms"] == 2


def test_labels_turn_the_truth_round(one_storm: Path) -> None:
    alerts = flashover("replay", one_storm, "--alerts", "-").stdout.splitlines()
    of_storm = [json.loads(line)["id"] for line in alerts if json.loads(line)["thread_id"] == "m:storm"]
    labels = one_storm.parent / "labels.jsonl"
    said: list[dict[str, str]] = [
        {"alert_id": of_storm[-1], "resolution": "false-alarm"},
        {"thread_id": "m:short", "resolution": "missed-too-late", "by": "somebody"},
        {"thread_id": "m:elsewhere", "resolution": "handled"},
    ]
    labels.write_text("\n".join(json.dumps(one) for one in said) + "\n")
    result = flashover("judge", one_storm, "--labels", labels, "--json")
    assert "2 labels; otherwise than the truth they say of 2 threads" in result.stderr
    assert "of nothing in this recording: 1" in result.stderr
    assert json.loads(result.stdout)["viral"] == 1
    assert json.loads(result.stdout)["scores"][0]["precision"] == 0.5
    chosen = tuned(one_storm, "--labels", labels)["chosen"]
    assert chosen["recall"] == 1.0
    truth = one_storm.parent / "truth.csv"
    truth.write_text("thread_id,viral\nm:calm,1\nm:gone,1\n")
    result = flashover("judge", one_storm, "--truth", truth, "--labels", labels, "--json")
    assert json.loads(result.stdout)["viral"] == 3
    assert "1 storm of the truth not in this recording" in result.stderr


def test_what_people_said_of_incidents_is_a_label(one_storm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the topic as it stands, and from the file that `labels` writes of it; the last state counts."""
    from agents import clients

    incident = apply(None, Raised(case(thread="m:short"), LADDER), 0, RULES)
    assert incident is not None
    states = [incident]
    for at_ms, said in enumerate(("false-alarm", "missed-too-late")):
        resolve = command(Resolve, at_ms, incident=incident.id, resolution=said)
        applied = apply(states[0], resolve, at_ms, RULES)
        assert applied is not None
        states.append(applied)
    values = [encode_record(one) for one in states] + [b"{", None, encode_cursor(1, 2)]
    keys = [incident.id.encode()] * 3 + [b"?", b"gone", b""]

    def read(settings: Settings, topic: str) -> Iterator[clients.Record]:
        assert topic == "incidents"
        for offset, (key, value) in enumerate(zip(keys, values, strict=True)):
            yield clients.Record(0, offset, NOW_MS, key, value, {})

    monkeypatch.setattr(clients, "read", read)
    result = flashover("judge", one_storm, "--labels", "incidents", "--json")
    assert "1 label; otherwise than the truth they say of 1 thread;" in result.stderr
    assert json.loads(result.stdout)["viral"] == 2
    assert json.loads(result.stdout)["truth"] == "their size and the incidents"
    labels = one_storm.parent / "said.jsonl"
    assert flashover("labels", "--out", labels).exit_code == 0
    assert json.loads(labels.read_text()) == {
        "resolution": "missed-too-late",
        "thread_id": "m:short",
        "alert_id": incident.case.id,
    }
    again = flashover("judge", one_storm, "--labels", labels, "--json")
    assert json.loads(again.stdout)["scores"] == json.loads(result.stdout)["scores"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("--labels", "{", "labels.txt:1: is no label"),
        ("--labels", '\n{"thread_id":"a","resolution":"maybe"}', "labels.txt:2: is no label"),
        ("--labels", '{"resolution":"handled"}', "names neither a thread_id nor an alert_id"),
        ("--truth", "thread_id,viral\na,yes\n", "labels.txt:2: viral is 0 or 1, not 'yes'"),
        ("--truth", "thread_id,viral\na\n", "viral is 0 or 1, not None"),
    ],
)
def test_a_truth_that_is_none_is_refused(one_storm: Path, name: str, text: str, said: str) -> None:
    (one_storm.parent / "labels.txt").write_text(text)
    result = flashover("tune", one_storm, name, "labels.txt")
    assert result.exit_code == 1
    assert said in result.stderr


def test_judge_tells_leads_weeks_and_reliability(one_storm: Path) -> None:
    answer = json.loads(flashover("judge", one_storm, "--json").stdout)
    ours = answer["scores"][0]
    assert ours["lead_time_q1_s"] <= ours["lead_time_median_s"] <= ours["lead_time_q3_s"]
    weeks = answer["observed_s"] / (7 * 86_400)
    assert weeks == pytest.approx(10 / 7, rel=0.01)
    assert ours["true_pages_per_week"] == pytest.approx(1 / weeks)
    assert ours["pages_per_week"] == pytest.approx(2 / weeks)
    moments = {one["moment"]: one for one in answer["reliability"]}
    assert list(moments) == ["first page", "10 mentions", "20 mentions", "30 mentions", "50 mentions"]
    assert moments["first page"]["forecasts"] == 2
    assert moments["50 mentions"]["base_rate"] == 0.5
    assert sum(part["forecasts"] for part in moments["10 mentions"]["bins"]) == 2
    shown = flashover("judge", one_storm).stdout
    assert re.search(r"^50 mentions +0\.\d{3} ", shown, re.MULTILINE)


def test_the_report_needs_nothing_and_believes_nobody(clean_settings: Path) -> None:
    """A thread id, a brand, a file name are strangers' words: none of them becomes a tag."""
    evil = 'm:<script>alert(1)</script>"&'
    lines = [mention(n, evil, START_MS + n * 30_000, n, "acme", text="their words") for n in range(150)]
    lines += [mention(1000 + n, "m:<b>", START_MS + n * 30_000, n, "acme") for n in range(60)]
    path = clean_settings / "<i>&.jsonl"
    path.write_bytes(b"\n".join(lines))
    result = flashover("tune", path, "--pages-per-week", "1000", "--report", "out.html")
    assert result.exit_code == 0, result.output
    page = (clean_settings / "out.html").read_text()
    assert not re.findall(r"<script|<b>|<i>&", page)
    assert "m:&lt;script&gt;alert(1)&lt;/script&gt;&quot;&amp;" in page
    assert "their words" not in page
    assert not re.findall(r"https?:|src=|url\(|@import|<link", page)
    assert "nan" not in re.sub(r"<[^>]*>", "", page)
    assert not re.findall(r'="[^"]*(?:nan|inf)[^"]*"', page)
    assert "page after" in page
    flashover("tune", path, "--pages-per-week", "1000", "--report", "again.html")
    assert (clean_settings / "again.html").read_text() == page


def test_the_report_shows_missed_storms_and_false_pages(one_storm: Path) -> None:
    truth = one_storm.parent / "truth.csv"
    truth.write_text("thread_id,viral\nm:calm,1\nm:storm,1\n")
    assert flashover("tune", one_storm, "--truth", truth, "--report", "out.html").exit_code == 0
    page = (one_storm.parent / "out.html").read_text()
    assert "no page" in page
    assert page.index("m:calm") < page.index("<h3>m:storm")  # missed ones first


def test_a_recording_without_storms_says_so(storms: Path) -> None:
    storms.write_bytes(mention(0, "m:calm", START_MS, 1, "acme"))
    result = flashover("tune", storms, "--report", "out.html")
    assert result.exit_code == 0, result.output
    assert "there is no storm in this recording" in result.stderr
    assert "nobody" in (storms.parent / "out.html").read_text()


def test_the_topics_last_days_are_tuned_on(one_storm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that began earlier, and those whose first day is not over yet, have no say."""
    from agents import clients, commands

    lines = one_storm.read_bytes().splitlines()
    lines += [mention(5000 + n, "m:early", START_MS - 2 * DAY_MS + n * 1000, n, "acme") for n in range(150)]
    lines += [mention(6000 + n, "m:now", NOW_MS - DAY_MS // 2 + n * 1000, n, "acme") for n in range(90)]
    asked = []

    def read(settings: Settings, topic: str, *, since_ms: int) -> Iterator[clients.Record]:
        asked.append((topic, since_ms))
        for offset, line in enumerate(lines):
            yield clients.Record(0, offset, NOW_MS, None, line.replace(b", ", b",\r\n "), {})
        yield clients.Record(0, len(lines), NOW_MS, None, None, {})

    monkeypatch.setattr(clients, "read", read)
    monkeypatch.setattr(commands.tune.time, "time_ns", lambda: NOW_MS * 1_000_000)  # type: ignore[attr-defined]
    answer = tuned("--last", "21d")
    assert asked == [("mentions", NOW_MS - 21 * DAY_MS - 36 * 3_600_000)]
    assert (answer["threads"], answer["storms"]) == (3, 1)
    lines.clear()
    assert flashover("tune", "--last", "21d").exit_code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["tune"],
        ["tune", "one.jsonl", "--last", "14d"],
        ["tune", "--last", "soon"],
        ["tune", "one.jsonl", "--vary", "pages=0.5"],
        ["tune", "one.jsonl", "--vary", "page=high"],
        ["tune", "one.jsonl", "--vary", "min_mentions=8.5"],
        ["tune", "one.jsonl", "--vary", "page=0.1", "--vary", "page=0.2"],
        ["tune", "one.jsonl", "--vary", "viral_at=50"],
        ["tune", "one.jsonl", "--vary", "min_mentions=" + ",".join(map(str, range(1, 10_002)))],
        ["tune", "one.jsonl", "--cost-false", "nan"],
        ["tune", "one.jsonl", "--report", "one.jsonl"],
        ["tune", "one.jsonl", "--report", "no/such/folder.html"],
        ["tune", "one.jsonl", "--workers", "0"],
    ],
)
def test_wrong_usage_ends_with_2(one_storm: Path, arguments: list[str]) -> None:
    before = one_storm.read_bytes()
    result = flashover(*arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    assert one_storm.read_bytes() == before


def test_combinations_that_are_no_thresholds_are_told_and_left_out(one_storm: Path) -> None:
    result = flashover("tune", one_storm, "--vary", "warn=0.3,0.9", "--json")
    assert result.exit_code == 0, result.output
    assert "1 combinations are no valid thresholds" in result.stderr
    assert len(json.loads(result.stdout)["settings"]) == 2


def test_broken_lines_are_told_and_end_with_1(one_storm: Path) -> None:
    one_storm.write_bytes(one_storm.read_bytes() + b"\n{")
    for name in ("tune", "judge"):
        result = flashover(name, one_storm)
        assert result.exit_code == 1
        assert f"{one_storm}:262: not-json" in result.stderr


def test_the_pasted_table_holds_every_setting_that_is_not_the_default() -> None:
    params = dataclasses.replace(with_page(ThreadParams(), 0.35), min_mentions=12)
    table = tomllib.loads(toml_of(params))["thresholds"]
    assert Settings(thresholds=table).thresholds == params
    assert toml_of(ThreadParams()) == "[thresholds]\npage = 0.8"


def test_processes_end_with_their_work(storms: Path) -> None:
    """As a command: spawned processes import the command anew, and none of them outlives it."""
    code = (
        "import agents.tuning.sweep as s, sys; s._SMALL_BYTES = 0; s._cores = lambda: 2\n"
        "from agents.cli import cli\n"
        f"cli(['tune', {str(storms)!r}, '--json'])"
    )
    root = Path(__file__).parents[3]
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=False,
        cwd=storms.parent,
        env={"PYTHONPATH": str(root)},
    )
    assert ran.returncode == 0, ran.stderr
    assert len(json.loads(ran.stdout)["settings"]) == 19
