"""`flashover replies report`: table, JSON and page, from a file, with what strangers wrote made harmless."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.cli import cli

START_MS = 1_700_000_000_000
DAY_MS = 86_400_000
BLOCK = "Please send us a DM <script>alert(1)</script> with your number \u202e!"


def line(day: int, n: int, at_min: int, text: str, *, desk: bool = False) -> bytes:
    root = f"m:{day}"
    fields = {
        "id": f"{root}-{n}" if n else root,
        "brand": "acme",
        "platform": "test",
        "thread_id": root,
        "parent_id": root if n else None,
        "author": {"id": "acme-desk" if desk else f"{day}-{n}"},
        "text": text,
        "lang": "en",
        "from_brand": desk,
        "created_at": START_MS + day * DAY_MS + at_min * 60_000,
    }
    return json.dumps(fields).encode()


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight days with a storm each, answered from one text block."""
    path = tmp_path_factory.mktemp("replies") / "days.jsonl"
    lines = []
    for day in range(8):
        lines += [line(day, n, n, "This is terrible, I hate it") for n in range(20)]
        lines.append(line(day, 99, 21, BLOCK, desk=True))
        lines += [line(day, 100 + n, 22 + n, "Now I am really furious") for n in range(60)]
    lines.append(line(12, 0, 0, "Hello"))
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def run(*args: str) -> Result:
    return CliRunner().invoke(cli, ["replies", "report", *args], catch_exceptions=False)


def test_a_table_for_people(recording: Path) -> None:
    result = run(str(recording))
    assert result.exit_code == 0
    assert "acme: 8 replies in 1 templates" in result.stdout
    assert "An association" in result.stdout
    assert "\u202e" not in result.stdout


def test_json_for_scripts(recording: Path) -> None:
    (brand,) = json.loads(run(str(recording), "--json").stdout)["brands"]
    (template,) = brand["templates"]
    assert (template["uses"], template["kind"], template["measured"]) == (8, "canned", 8)
    growth = template["mentions_over_forecast"]
    assert growth["low"] <= growth["mean"] <= growth["high"]
    assert template["rules"]


def test_a_page_that_loads_nothing_and_runs_nothing(recording: Path, tmp_path: Path) -> None:
    page = tmp_path / "replies.html"
    assert run(str(recording), "--html", str(page)).exit_code == 0
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "prefers-color-scheme: dark" in text
    assert "\u202e" not in text


def test_only_one_brand_and_none_at_all(recording: Path) -> None:
    assert "no reply of a brand was found" in run(str(recording), "--brand", "other").stdout


@pytest.mark.parametrize("args", [(), ("--last", "1d", "FILE"), ("FILE", "--html", "FILE")])
def test_a_wrong_call_is_refused_before_the_work(recording: Path, args: tuple[str, ...]) -> None:
    assert run(*(str(recording) if one == "FILE" else one for one in args)).exit_code == 2


def test_refused_lines_are_told_and_stop_nothing(recording: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(recording.read_bytes() + b"{\n")
    result = run(str(broken))
    assert result.exit_code == 1
    assert "not-json" in result.stderr
    assert "8 replies" in result.stdout
