"""`flashover who` and what `flashover check` finds: whom a case would page, and when nobody could be."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agents.cli import cli
from agents.commands.check import _paging
from agents.commands.schema import schema_text
from agents.on_call.check import findings
from agents.on_call.roster import LiveRoster
from agents.settings import read_settings
from tests.agents.on_call.test_people import RIGHT

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "flashover.toml.example"
pytestmark = pytest.mark.usefixtures("clean_settings")


def who(*arguments: str, config: Path = EXAMPLE) -> Result:
    return CliRunner().invoke(cli, ["--config", str(config), "who", "--brand", "murmeltel", *arguments])


NIGHT = "2025-10-26T02:30:00+01:00"  # the second 2:30 of that night in Berlin


def test_the_whole_ladder_is_told_with_its_times_and_reasons() -> None:
    result = who("--case", "Mein Vertrag lässt sich einfach nicht beenden", "--at", NIGHT, "--json")
    told = json.loads(result.stdout)
    assert (told["needs"], told["authorities"], told["ladder"], told["lang"]) == (
        ["contract"],
        ["cancel-contract"],
        "default",
        "de",
    )
    steps: list[dict[str, Any]] = told["steps"]
    assert [(one["at"], one["rung"], [reach["person"] for reach in one["people"]]) for one in steps] == [
        (NIGHT, 0, ["night-lead"]),
        ("2025-10-26T02:35:00+01:00", 1, ["service-lead"]),
        ("2025-10-26T02:45:00+01:00", 2, ["duty-lead", "night-lead", "service-lead"]),
    ]
    assert steps[0]["people"][0] == {
        "person": "night-lead",
        "channels": ["night-lead-push"],
        "why": "you may cancel the contract; on call (desk)",
        "lang": "en",
    }
    assert steps[1]["people"][0]["why"] == "Sie dürfen den Vertrag auflösen"


def test_a_person_reads_it_line_by_line() -> None:
    result = who("--case", "my data!", "--at", NIGHT)
    assert result.exit_code == 0
    assert "needs   data-protection  (data)" in result.stdout
    assert (
        f"{NIGHT}  service-lead  by service-lead-mail  Sie dürfen über Datenschutz entscheiden"
        in result.stdout
    )


def test_what_is_asked_steers_no_terminal_and_leaves_no_calendar() -> None:
    assert "\x1b" not in who("--case", "\x1b[2J my data", "--at", NIGHT).output
    for at in ("9999-12-31T00:00:00Z", "1960-01-01T00:00:00Z", "tomorrow"):
        assert who("--case", "x", "--at", at).exit_code == 2


def test_nobody_to_page_is_exit_code_one(clean_settings: Path) -> None:
    config = clean_settings / "empty.toml"
    config.write_text("[brands.murmeltel]\n")
    result = who("--case", "x", config=config)
    assert result.exit_code == 1
    assert "nobody can be paged" in result.stderr


def test_a_brand_that_is_not_set_is_told_and_asked_for_all_the_same() -> None:
    result = who("--case", "my data", "--at", NIGHT, "--brand", "murmeltel2")
    assert "murmeltel2 is none of [brands]; is murmeltel meant?" in result.stderr
    assert result.exit_code == 0


NOW = datetime(2025, 10, 20, tzinfo=UTC)


def found(text: str) -> list[tuple[str, str]]:
    Path("flashover.toml").write_text(text, encoding="utf-8")
    settings = read_settings()
    live = LiveRoster(settings)
    asyncio.run(live.refresh(int(NOW.timestamp() * 1000)))
    return list(findings(settings, live, int(NOW.timestamp() * 1000)))


def test_the_example_has_somebody_at_every_moment() -> None:
    assert found(EXAMPLE.read_text(encoding="utf-8")) == [
        ("ok", "somebody who may decide is on call for the coming 30 days")
    ]


def test_a_hole_is_named_with_its_times_rotation_and_authority() -> None:
    """The deputy, who alone decides on legal matters, is on call every other day."""
    (problem,) = [text for status, text in found(RIGHT) if status == "problem"]
    assert problem == (
        "nobody on call for acme (desk) has the authority legal, which need court asks for, "
        "from 2025-10-20T02:00:00+02:00 to 2025-10-20T09:00:00+02:00; "  # from now on
        "from 2025-10-21T09:00:00+02:00 to 2025-10-22T09:00:00+02:00; "
        "from 2025-10-23T09:00:00+02:00 to 2025-10-24T09:00:00+02:00; and 13 times more"
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            'authorities = ["refund", "legal"]\nchannels = ["push"]',
            'authorities = ["refund", "legal"]',
            "deputy has no channel and can't be paged",
        ),
        ('steps = [{ whom = ["desk"]', 'brands = []\nsteps = [{ whom = ["desk"]', None),
        ("[ladders.default]", "[brands.other]\n[ladders.default]\nbrands = ['acme']", "other has no ladder"),
        (', { whom = ["everyone"] }', "", None),
        ("starts = 2025-01-06", "starts = 2025-11-01", "the ladder default ends in nobody (desk) from"),
    ],
)
def test_what_else_is_wrong_is_found(old: str, new: str, expected: str | None) -> None:
    text = RIGHT.replace(old, new)
    assert text != RIGHT
    if "starts = 2025-11-01" in new:
        text = text.replace(', { whom = ["everyone"] }', "")
    problems = [one for status, one in found(text) if status == "problem"]
    assert any(one.startswith(expected) for one in problems) if expected else len(problems) == 1


def test_a_calendar_that_can_not_be_had_and_events_of_nobody_are_told(clean_settings: Path) -> None:
    calendar = clean_settings / "desk.ics"
    text = RIGHT.replace("[needs.court]", f'[rotations.sun]\ncalendar_file = "{calendar}"\n[needs.court]')
    assert (
        "problem",
        f"the calendar of rotation sun: {calendar} can't be read (No such file or directory)",
    ) in found(text)
    calendar.write_bytes(
        b"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//t//t//EN\nBEGIN:VEVENT\nUID:1\nDTSTART:20251021T080000Z\n"
        b"DTEND:20251021T090000Z\nSUMMARY:\x1b[2Jparty\nEND:VEVENT\nEND:VCALENDAR\n"
    )
    (warning,) = [one for status, one in found(text) if status == "warning"]
    assert warning == "the calendar of rotation sun has 1 events of nobody known: '\\x1b[2Jparty'"


def test_without_ladders_it_is_said_that_nobody_is_paged() -> None:
    ((status, text),) = found("[brands.acme]\n")
    assert (status, "nobody is paged" in text) == ("warning", True)


def test_check_says_it_beside_the_rest(clean_settings: Path) -> None:
    (clean_settings / "flashover.toml").write_text(RIGHT, encoding="utf-8")
    assert [(one.status, one.what) for one in _paging(read_settings())] == [("problem", "paging")]


def test_the_schema_in_the_docs_is_that_of_the_settings() -> None:
    """Built by `flashover schema > docs/flashover.schema.json`."""
    assert (ROOT / "docs" / "flashover.schema.json").read_text(encoding="utf-8") == schema_text()
    assert CliRunner().invoke(cli, ["schema"]).stdout == schema_text()


def test_the_schema_knows_every_table_and_no_secret() -> None:
    schema = json.loads(schema_text())
    assert {"people", "rotations", "needs", "ladders"} <= schema["properties"].keys()
    assert schema["additionalProperties"] is False
    assert "development-key" not in schema_text()
