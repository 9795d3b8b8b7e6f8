"""People, rotations, needs and ladders: every mistake is told at once, with its line and the name meant."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agents.errors import SettingsError
from agents.on_call.roster import roster_of
from agents.settings import Settings, read_settings
from streams.incident import Rung
from streams.rotation import duties

pytestmark = pytest.mark.usefixtures("clean_settings")

RIGHT = """\
[brands.acme]
[channels]
push = "ntfys://ntfy.example.com/desk"
[people.duty-lead]
authorities = ["refund"]
limits = { refund = 200 }
channels = ["push"]
[people.deputy]
authorities = ["refund", "legal"]
channels = ["push"]
time_zone = "Asia/Tokyo"
[rotations.desk]
time_zone = "Europe/Berlin"
layers = [{ people = ["duty-lead", "deputy"], starts = 2025-01-06, hand_over = "09:00", days = 1 }]
[[rotations.desk.overrides]]
person = "deputy"
instead_of = "duty-lead"
starts = 2025-06-09T09:00:00        # the rotation's clock
ends = 2025-06-09T12:00:00+00:00
[needs.court]
words = ["court*"]
authorities = ["legal"]
[needs.default]
authorities = ["refund"]
amounts = { refund = 50 }
[ladders.default]
repeat = 0
steps = [{ whom = ["desk"], wait_s = 60 }, { whom = ["everyone"] }]
"""


def settings(text: str = RIGHT) -> Settings:
    Path("flashover.toml").write_text(text, encoding="utf-8")
    return read_settings()


def problems(text: str) -> list[str]:
    """What is wrong, each with its line in front."""
    with pytest.raises(SettingsError) as caught:
        settings(text)
    ends = [re.search(r" \(flashover\.toml, line (\d+)\)$", one) for one in caught.value.problems]
    told = zip(caught.value.problems, ends, strict=True)
    return [f"{end[1]} {one[: end.start()]}" if end else one for one, end in told]


def test_what_is_right_becomes_a_roster() -> None:
    roster = roster_of(settings(), {})
    assert roster.people["duty-lead"].limits == {"refund": 200}
    assert {one.zone for one in roster.people.values()} == {"Europe/Berlin", "Asia/Tokyo"}
    assert roster.ladder_for("acme").rungs == (Rung(("desk",), 60), Rung(("everyone",), 300))
    assert roster.ladder_for("acme").repeat == 0
    (override,) = roster.rotations["desk"].overrides
    hours = [datetime.fromtimestamp(ms / 1000, UTC).hour for ms in (override.start_ms, override.end_ms)]
    assert hours == [7, 12]
    assert duties(roster.rotations["desk"], override.start_ms, override.start_ms + 1)[0].people == ("deputy",)


WRONG = """\
[brands.acme]
[channels]
push = "ntfys://ntfy.example.com/desk"
[people.duty-lead]
authorities = ["refund"]
limits = { refnud = 200 }
channels = ["push", "posh"]
langages = ["de"]
[people.everyone]
[rotations.desk]
time_zone = "Europe/Berln"
[[rotations.desk.layers]]
people = ["duty-led"]
starts = 2025-01-06
hand_over = "8 o'clock"
[[rotations.desk.layers]]
people = []
[rotations.empty]
[rotations.duty-lead]
calendar_url = "hush-hush"
[needs.money]
authorities = ["refunds"]
amounts = { apology = 1 }
brands = ["acne"]
replies = ["caned"]
words = ["*"]
[needs.all]
[needs.others]
[ladders.default]
steps = [
    { whom = ["desk"] },
    { whom = ["everybody"], wait_s = 0 },
]
[ladders.acme]
steps = []
brands = ["acme"]
[ladders.acme-too]
steps = [{ whom = ["desk"] }]
brands = ["acme"]
"""

EXPECTED = {
    "8 people.duty-lead.langages: there is no such setting; is languages meant?",
    "6 people.duty-lead.limits: 'refnud' is no authority of this person; is refund meant?",
    "7 people.duty-lead.channels: 'posh' is no channel; is push meant?",
    "9 people.everyone: this name means all people",
    "11 rotations.desk.time_zone: there is no such time zone; is Europe/Berlin meant?",
    "13 rotations.desk.layers.0.people: 'duty-led' is no person; is duty-lead meant?",
    '15 rotations.desk.layers.0.hand_over: must be a time of day such as 08:00, not "8 o\'clock"',
    "17 rotations.desk.layers.1.people: must have at least 1",
    "16 rotations.desk.layers.1.starts: is missing",
    "18 rotations.empty: it needs layers, calendar_file or calendar_url",
    "19 rotations.duty-lead: a person has this name, too",
    "20 rotations.duty-lead.calendar_url: must begin with https://, http:// or webcal://",
    "22 needs.money.authorities: 'refunds' is no authority of anybody's; is refund meant?",
    "23 needs.money.amounts: 'apology' is no authority of this need",
    "24 needs.money.brands: 'acne' is no brand; is acme meant?",
    "25 needs.money.replies.0: must be 'none', 'canned' or 'own-words', not 'caned'",
    "26 needs.money.words: a word has 1 to 200 characters beside its stars",
    "28 needs.others: it sets no condition, and all is the default already",
    "30 ladders.default.steps.1.whom: 'everybody' is no person or rotation; is everyone meant?",
    "30 ladders.default.steps.1.wait_s: must be more than 0.0, not 0",
    "35 ladders.acme.steps: must have at least 1",
    "37 ladders.acme-too: the ladder of acme is acme already",
}


def test_all_that_is_wrong_is_told_at_once_with_its_line_and_the_name_meant() -> None:
    assert set(problems(WRONG)) == EXPECTED


def test_the_address_of_a_calendar_is_shown_nowhere() -> None:
    text = RIGHT.replace(
        "[needs.court]", '[rotations.sun]\ncalendar_url = "https://example.com/hush.ics"\n[needs.court]'
    )
    whole = settings(text)
    assert "hush" not in repr(whole) + whole.model_dump_json()
    wrong = text.replace('"https://example.com/hush.ics"', "[4711]")
    assert "4711" not in str(problems(wrong))


def test_names_are_looked_up_in_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHOVER_PEOPLE", '{"night-lead": {"channels": ["push"]}}')
    settings(RIGHT.replace('whom = ["desk"]', 'whom = ["night-lead"]'))
    monkeypatch.setenv("FLASHOVER_PEOPLE", '{"night-lead": {"channels": ["pusch"]}}')
    (problem,) = problems(RIGHT)
    assert problem.startswith("people.night-lead.channels: 'pusch' is no channel; is push meant?")
    assert problem.endswith("(environment variable FLASHOVER_PEOPLE)")


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("2025-06-09T12:00:00+00:00", "2025-06-09T07:00:00+00:00", "override 1 ends before it starts"),
        ("2025-06-09T12:00:00+00:00", "9999-12-31T23:00:00", "must be from 1970-01-02 to 2200-01-01"),
        ("2025-01-06", "9999-12-30", "must be at most 2200-01-01"),
        ('"09:00"', '"09:00+02:00"', "a clock time has no offset"),
    ],
)
def test_a_time_that_makes_no_sense_is_refused(old: str, new: str, what: str) -> None:
    (problem,) = problems(RIGHT.replace(old, new))
    assert what in problem
