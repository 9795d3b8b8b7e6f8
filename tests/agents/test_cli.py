"""The command line without a broker: what it prints, what it writes, how it ends."""

from __future__ import annotations

import base64
import json
import os
import pty
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner, Result
from msgspec import structs

from agents.cli import cli
from agents.commands.check import owners_of_our_packages
from agents.commands.common import alert_line, say
from agents.recordings import RECORDING
from streams.alert import Alert

NOW = "2026-01-02T00:00:00Z"
START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z


def flashover(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments], input=stdin)


def environment() -> dict[str, str]:
    """For a process of its own: ours, and where the code is."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def mention(number: int, **fields: Any) -> bytes:
    record = {
        "id": f"m:{number}",
        "brand": "acme",
        "platform": "mastodon",
        "thread_id": "m:0",
        "parent_id": "m:0" if number else None,
        "author": {"id": f"someone-{number}"},
        "created_at": START_MS + number * 20_000,
    }
    return json.dumps({**record, **fields}).encode()


@pytest.fixture
def storm(clean_settings: Path) -> Path:
    """A thread of 60 mentions in 20 minutes, three lines among them that are no mentions."""
    lines = [mention(number) for number in range(60)]
    lines[10:10] = [b"{", b"\xff\xfe", mention(99, created_at="2027-01-01T00:00:00Z")]
    path = clean_settings / "storm.jsonl"
    path.write_bytes(b"\n".join(lines))
    return path


def test_replay_is_the_same_byte_for_byte(clean_settings: Path) -> None:
    outputs = []
    for name in ("one.jsonl", "two.jsonl"):
        result = flashover("replay", RECORDING, "--alerts", clean_settings / name)
        assert result.exit_code == 0, result.output
        outputs.append((clean_settings / name).read_bytes())
    assert outputs[0] == outputs[1]
    levels = [json.loads(line)["level"] for line in outputs[0].splitlines()]
    assert levels.count("page") >= 2  # two storms were recorded


def test_replay_tells_alerts_to_people(storm: Path) -> None:
    result = flashover("replay", storm, "--now", NOW)
    assert result.exit_code == 1  # three lines were refused
    assert [line.split()[1:4] for line in result.stdout.splitlines()][-1] == ["PAGE", "acme", "m:0"]
    assert "60 mentions (0 of them repeated) in 1 thread:" in result.stderr
    assert f"{storm}:11: not-json: " in result.stderr


def test_a_progress_bar_leaves_standard_output_alone(storm: Path) -> None:
    """Standard error is a terminal, standard output a pipe: as in `flashover replay … | less`."""
    terminal, its_end = pty.openpty()
    command = [sys.executable, "-m", "agents.cli", "replay", str(storm), "--now", NOW]
    ran = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=its_end, check=False, env={**environment(), "TERM": "xterm"}
    )
    os.close(its_end)
    shown = os.read(terminal, 1 << 16)
    os.close(terminal)
    assert b"replaying" in shown
    assert b"PAGE" in ran.stdout
    assert b"\x1b" not in ran.stdout


def test_replay_keeps_what_it_refuses(storm: Path, tmp_path: Path) -> None:
    result = flashover("replay", storm, "--now", NOW, "--rejects", tmp_path / "refused", "--alerts", "-")
    assert all(json.loads(line)["scope"] == "thread" for line in result.stdout.splitlines())
    refused = [json.loads(line) for line in (tmp_path / "refused").read_bytes().splitlines()]
    assert [(one["file"], one["line"], one["reason"]) for one in refused] == [
        (str(storm), 11, "not-json"),
        (str(storm), 12, "not-json"),
        (str(storm), 13, "future"),
    ]
    assert refused[0]["raw"] == "{"
    assert base64.b64decode(refused[1]["raw_base64"]) == b"\xff\xfe"


def test_replay_counts_for_scripts_and_repeated_mentions_once(storm: Path) -> None:
    once = json.loads(flashover("replay", storm, "--now", NOW, "--json").stdout)
    twice = json.loads(flashover("replay", storm, storm, "--now", NOW, "--json").stdout)
    assert once["refused"] == {"future": 1, "not-json": 2}
    assert (twice["mentions"], twice["duplicates"]) == (120, 60)
    assert twice["alerts"] == once["alerts"]


def test_thresholds_can_be_tried_out_on_a_replay(storm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHOVER_THRESHOLDS__MIN_MENTIONS", "61")
    assert json.loads(flashover("replay", storm, "--now", NOW, "--json").stdout)["alerts"] == {}


def test_replay_reads_standard_input_and_leaves_volume_counts_to_the_brand(clean_settings: Path) -> None:
    volume = mention(1, kind="volume", count=5, interval_s=60)
    result = flashover("replay", "-", "--json", stdin=mention(0) + b"\n" + volume)
    assert json.loads(result.stdout)["threads"] == 1
    assert result.exit_code == 0


def test_replay_never_writes_over_what_it_reads(storm: Path) -> None:
    before = storm.read_bytes()
    result = flashover("replay", storm, "--alerts", storm)
    assert result.exit_code == 2
    assert storm.read_bytes() == before


def test_a_strangers_text_never_steers_the_terminal(clean_settings: Path) -> None:
    """A file's name, what the validator quotes, and what stands on a topic may hold escape sequences."""
    lines = [mention(1, kind="\x1b]0;x\x07"), mention(2, thread_id="m:\x1b[2J"), b"\x1b[31m"]
    (clean_settings / "e\x1b[2Jvil.jsonl").write_bytes(b"\n".join(lines))
    result = flashover("replay", "e\x1b[2Jvil.jsonl", "--now", NOW)
    assert result.stderr.count("e\\x1b[2Jvil.jsonl:") == 3
    assert "\x1b" not in result.output


def test_an_alert_never_steers_the_terminal(storm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever wrote it to the topic."""
    first = flashover("replay", storm, "--now", NOW, "--alerts", "-").stdout.splitlines()[0]
    alert = msgspec.json.decode(first, type=Alert)
    evil = dict.fromkeys(("brand", "thread_id", "level", "raised_at", "summary"), "\x1b[2J\n\u202e")
    say(alert_line(structs.replace(alert, **evil)))
    shown = capsys.readouterr().out
    assert shown.count("\n") == 1
    assert not {"\x1b", "\u202e"} & set(shown)


def test_judge_measures_by_the_truth(clean_settings: Path) -> None:
    """Of a storm and a calm thread the storm is paged: everything right, most of it still to come."""
    calm = [mention(1000 + number, thread_id="m:1000") for number in range(3)]
    lines = [mention(number) for number in range(200)] + calm
    (clean_settings / "threads.jsonl").write_bytes(b"\n".join(lines))
    (clean_settings / "truth.csv").write_text("thread_id,viral\nm:0,1\nm:1000,0\nm:2000,0\n")
    result = flashover("judge", "threads.jsonl", "--truth", "truth.csv", "--json")
    assert result.exit_code == 0, result.output
    ours, *rules = json.loads(result.stdout)["scores"]
    assert (ours["alerts"], ours["precision"], ours["recall"]) == (1, 1.0, 1.0)
    assert 0.5 < ours["still_to_come"] < 1
    assert rules[0]["name"] == "30 in 2 h"
    assert rules[0]["still_to_come"] == pytest.approx(1 - 30 / 199)  # the root is no answer


def test_judge_refuses_a_truth_without_its_columns(storm: Path) -> None:
    (storm.parent / "truth.csv").write_text("id,big\n")
    result = flashover("judge", storm, "--truth", "truth.csv")
    assert result.exit_code == 1
    assert "truth.csv: has no columns thread_id and viral" in result.stderr


def test_wrong_settings_end_with_3_and_all_of_them_told(storm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHOVER_PARTITIONS", "0")
    monkeypatch.setenv("FLASHOVER_REPLICATION", "0")
    result = flashover("replay", storm)
    assert result.exit_code == 3
    assert len([line for line in result.stderr.splitlines() if line.startswith("error: ")]) == 2


def test_the_settings_file_can_be_named(storm: Path) -> None:
    (storm.parent / "other.toml").write_text("[thresholds]\nmin_mentions = 61")
    result = flashover("--config", "other.toml", "replay", storm, "--now", NOW, "--json")
    assert json.loads(result.stdout)["alerts"] == {}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nonsense"],
        ["replay"],
        ["replay", "absent.jsonl"],
        ["replay", "storm.jsonl", "--now", "tomorrow"],
        ["replay", "storm.jsonl", "--json", "--alerts", "-"],
        ["replay", "storm.jsonl", "--alerts", "no/such/folder"],
        ["send", "storm.jsonl", "--rate", "0"],
        ["alerts", "--brokers", "nowhere"],
        ["alerts", "--since", "5 moons"],
        ["rejects", "list", "--since", "a:1"],
        ["rejects", "list", "--since", ":1"],
    ],
)
def test_wrong_usage_ends_with_2(storm: Path, arguments: list[str]) -> None:
    result = flashover(*arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output


@pytest.fixture
def nobody() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def test_pages_without_a_broker_say_so_and_leave_nothing_open(clean_settings: Path, nobody: str) -> None:
    """Exit code 4, and no more lines than the client's own and ours."""
    command = [sys.executable, "-m", "agents.cli", "web", "--brokers", nobody]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    assert result.returncode == 4
    assert f"error: no use of the broker at {nobody}: nobody answers there" in result.stderr
    assert "Unclosed" not in result.stderr


def test_check_tells_everything_and_ends_with_1_without_a_broker(clean_settings: Path, nobody: str) -> None:
    # A process of its own: kafka-python leaves the sockets of failed attempts to the garbage collector.
    command = [sys.executable, "-m", "agents.cli", "check", "--brokers", nobody, "--json"]
    result = subprocess.run(command, capture_output=True, check=False, env=environment())
    assert result.returncode == 1
    answer = json.loads(result.stdout)
    assert not answer["ok"]
    assert {(one["what"], one["status"]) for one in answer["findings"]} == {
        ("installation", "ok"),
        ("settings", "ok"),
        ("settings", "warning"),  # the development key
        ("paging", "warning"),  # no ladder
        ("broker", "problem"),
    }
    read = next(one["detail"] for one in answer["findings"] if one["what"] == "settings")
    assert read == "no file, all is default or variable; brands: 0"


def test_check_tells_every_setting_that_is_wrong(
    clean_settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASHOVER_PARTITIONS", "0")
    monkeypatch.setenv("FLASHOVER_REPLICATION", "0")
    result = flashover("check")
    assert result.exit_code == 1
    assert result.stdout.count("problem  settings: ") == 2


def test_nobody_else_owns_our_packages() -> None:
    """Other distributions install a top-level `agents` too; beside one of them this one can't work."""
    assert owners_of_our_packages() == {}


def test_another_owner_of_our_packages_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    owners = {"agents": ["flashover", "other-agents"], "streams": ["flashover"]}
    monkeypatch.setattr("agents.commands.check.packages_distributions", lambda: owners)
    assert owners_of_our_packages() == {"agents": ["other-agents"]}


def commands() -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    for name, command in cli.commands.items():
        found[name] = command
        if isinstance(command, click.Group):
            found |= {f"{name} {inner}": one for inner, one in command.commands.items()}
    return found


@pytest.mark.parametrize("name", sorted(commands()))
def test_help_teaches_every_command(name: str) -> None:
    """Each command says what it is, each of its options too; those that people call show examples."""
    command = commands()[name]
    result = flashover(*name.split(), "--help")
    assert result.exit_code == 0
    assert all(one.help for one in command.params if isinstance(one, click.Option))
    if not name.startswith("topics "):
        assert f"flashover {name}" in result.output.split("Examples:")[1]


def test_help_is_quick() -> None:
    """No broker client, no Faust, no rich is imported for a word of help."""
    code = (
        "import sys, agents.cli; "
        "sys.exit(' '.join({'kafka', 'aiokafka', 'faust', 'rich'} & set(sys.modules)) or 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, env=environment()).returncode == 0


def test_a_terminal_that_knows_no_emoji_is_no_reason_to_die(storm: Path) -> None:
    path = storm.parent / "🔥.jsonl"
    path.write_bytes(b"{")
    command = [sys.executable, "-X", "utf8=0", "-m", "agents.cli", "replay", str(path)]
    env = {**environment(), "PYTHONIOENCODING": "ascii"}
    ran = subprocess.run(command, capture_output=True, check=False, env=env)
    assert ran.returncode == 1
    assert b"\\U0001f525.jsonl:1: not-json" in ran.stderr
