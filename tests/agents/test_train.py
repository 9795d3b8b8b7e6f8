"""`flashover train`: from recordings to a file of weights."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.cli import cli
from streams.weights import decode_model

START_MS = 1_700_000_000_000
HOUR_MS = 3_600_000


@pytest.fixture
def recording(clean_settings: Path) -> Path:
    """Threads whose people come at a rate of their own; the last hours of it are of threads not over yet."""
    rng = random.Random(1)
    rows = []
    for number in range(150):
        began = START_MS + number * HOUR_MS
        for n in range(1 + int(rng.lognormvariate(1.5, 1.2) * 3)):
            at = began + int(rng.expovariate(1 / 3) * HOUR_MS * bool(n))
            rows.append((at, f"t{number}", f"t{number}-{n}" if n else f"t{number}"))
    lines = [
        json.dumps(
            {
                "id": name,
                "brand": "acme",
                "platform": "test",
                "thread_id": thread,
                "author": {"id": name},
                "created_at": at,
            }
        )
        for at, thread, name in sorted(rows)
    ]
    path = clean_settings / "recorded.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def train(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, ["train", *map(str, words)])


def test_weights_come_out_and_say_what_they_are_from(recording: Path) -> None:
    """The same twice; threads whose first day is not over are left out."""
    outs = [recording.parent / name for name in ("one.json", "two.json")]
    results = [train(recording, "--viral-at", "25", "--out", out, "--json") for out in outs]
    assert [one.exit_code for one in results] == [0, 0], results[0].output
    assert outs[0].read_bytes() == outs[1].read_bytes()
    model = decode_model(outs[0].read_bytes())
    assert model.viral_at == 25
    said = json.loads(results[0].stdout)
    assert model.trained == {
        "files": ["recorded.jsonl"],
        **{name: said[name] for name in ("mentions", "threads", "viral", "viral_at")},
    }
    rows = [json.loads(line) for line in recording.read_text().splitlines()]
    whole = max(row["created_at"] for row in rows) - 24 * HOUR_MS
    over = sum(row["id"] == row["thread_id"] and row["created_at"] <= whole for row in rows)
    assert said["threads"] == over < 150
    assert said["viral"] > 10
    assert str(recording.parent) not in outs[0].read_text()


def test_too_little_to_learn_from_is_said(recording: Path) -> None:
    result = train(recording, "--viral-at", "100000", "--out", recording.parent / "out.json")
    assert result.exit_code == 1
    assert "of 150 threads, 138 were recorded for a whole day, 0 of them have as many" in result.stderr


def test_refused_lines_are_told_and_left_out(recording: Path) -> None:
    with recording.open("a") as stream:
        stream.write("{\n")
    result = train(recording, "--viral-at", "25", "--out", recording.parent / "out.json")
    assert result.exit_code == 1
    assert "not-json" in result.stderr
    assert decode_model((recording.parent / "out.json").read_bytes()).viral_at == 25


def test_labels_are_learned_from(recording: Path) -> None:
    """They say what counts as a storm, above its size."""
    labels = recording.parent / "labels.jsonl"
    plain = json.loads(train(recording, "--viral-at", "25", "--out", "-1.json", "--json").stdout)
    sizes = Counter(json.loads(line)["thread_id"] for line in recording.read_text().splitlines())
    small = [thread for thread, size in sizes.items() if 5 < size < 20][:9]
    labels.write_text(
        "".join(json.dumps({"thread_id": one, "resolution": "handled"}) + "\n" for one in small)
    )
    result = train(recording, "--viral-at", "25", "--labels", labels, "--out", "-2.json", "--json")
    assert "9 labels; 0 are of nothing" in result.stderr
    assert json.loads(result.stdout)["viral"] == plain["viral"] + 9
    assert Path("-1.json").read_bytes() != Path("-2.json").read_bytes()


def test_what_is_read_is_not_overwritten(recording: Path) -> None:
    before = recording.read_bytes()
    assert train(recording, "--viral-at", "25", "--out", recording).exit_code == 2
    assert recording.read_bytes() == before
