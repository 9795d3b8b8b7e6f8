"""Channels in the settings: told wrong all at once, and never shown."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

import pytest

from agents.channels.config import AlertmanagerChannel, AppriseChannel, PagerDutyChannel, WebhookChannel
from agents.errors import SettingsError
from agents.settings import Settings, read_settings

pytestmark = pytest.mark.usefixtures("clean_settings")

KEY = "0123456789abcdef0123456789abcdef"
WHOLE = f"""
[channels]
duty = "mailtos://desk:hunter2secret@mail.example/?to=duty@acme.example"
[channels.pager]
kind = "pagerduty"
routing_key = "{KEY}"
[channels.goalert]
kind = "goalert"
url = "https://goalert.acme.example"
token = "hunter2-token"
[channels.am]
kind = "alertmanager"
url = "http://flashover:hunter2@alertmanager:9093"
labels = {{ team = "social" }}
[channels.own]
kind = "webhook"
url = "https://acme.example/hook/hunter2"
secret = "hunter2-hunter2-hunter2"
per_min = 5
"""


def read(text: str) -> Settings:
    Path("flashover.toml").write_text(text)
    return read_settings()


def problems(text: str) -> set[str]:
    with pytest.raises(SettingsError) as caught:
        read(text)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    return {re.sub(r", line [0-9]+", "", one) for one in caught.value.problems}  # tried elsewhere


def test_a_text_is_an_apprise_url_and_a_table_says_its_kind() -> None:
    channels = read(WHOLE).channels
    assert {name: type(one) for name, one in channels.items() if name != "goalert"} == {
        "duty": AppriseChannel,
        "pager": PagerDutyChannel,
        "am": AlertmanagerChannel,
        "own": WebhookChannel,
    }
    assert channels["own"].per_min == 5


def test_no_address_and_no_key_is_in_what_settings_show() -> None:
    shown = f"{read(WHOLE)!r} {read(WHOLE)} {read(WHOLE).model_dump_json()}"
    assert "hunter2" not in shown
    assert KEY not in shown


def test_all_that_is_wrong_is_told_at_once_without_showing_it() -> None:
    assert problems(
        """
[channels]
Duty = "mailto://hunter2"
mail = "hunter2@acme.example"
lax = "jsons://hunter2@acme.example/?verify=no"
number = 7
[channels.pager]
kind = "pagerduty"
routing_key = "hunter2"
[channels.other]
kind = "hunter2"
[channels.goalert]
kind = "goalert"
url = "ftp://hunter2"
tokn = "hunter2"
[channels.am]
kind = "alertmanager"
url = "http://am:9093"
labels = { severity = "hunter2" }
[channels.own]
kind = "webhook"
url = "https://acme.example"
secret = "hunter2"
per_min = 0
"""
    ) == {
        "channels.Duty: must match ^[a-z0-9][a-z0-9_-]*$ (flashover.toml)",
        "channels.mail.url: must be an Apprise URL, such as mailtos://… or ntfys://… (flashover.toml)",
        "channels.lax.url: verify=no would send secrets to whoever answers; "
        "trust the right authority instead (flashover.toml)",
        "channels.number: must be a text or a table (flashover.toml)",
        "channels.pager.routing_key: must be the 32 letters and digits of an Events API v2 integration key "
        "(flashover.toml)",
        "channels.other: kind must be one of apprise, pagerduty, goalert, alertmanager, webhook "
        "(flashover.toml)",
        "channels.goalert.url: must be an http:// or https:// address (flashover.toml)",
        "channels.goalert.token: is missing (flashover.toml)",
        "channels.goalert.tokn: there is no such setting; is token meant? (flashover.toml)",
        "channels.am.labels: flashover itself sets severity (flashover.toml)",
        "channels.own.secret: must have at least 16 bytes (flashover.toml)",
        "channels.own.per_min: must be at least 1 (flashover.toml)",
    }


def test_a_variable_sets_a_channel_or_one_field_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHOVER_CHANNELS__PHONE", "ntfys://ntfy.acme.example/hunter2")
    monkeypatch.setenv("FLASHOVER_CHANNELS__PAGER__ROUTING_KEY", KEY)
    channels = read('[channels.pager]\nkind = "pagerduty"').channels
    assert isinstance(channels["phone"], AppriseChannel)
    assert isinstance(channels["pager"], PagerDutyChannel)
    assert channels["pager"].routing_key.get_secret_value() == KEY


def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("ntfys://ntfy.acme.example/hunter2\n")
    one = read(f'[channels.phone]\nurl = {{ file = "{tmp_path}/url" }}').channels["phone"]
    assert isinstance(one, AppriseChannel)
    assert one.url.get_secret_value() == "ntfys://ntfy.acme.example/hunter2"
    assert problems(f'[channels.phone]\nurl = {{ file = "{tmp_path}/absent" }}') == {
        "channels.phone.url: its file can't be read (No such file or directory) (flashover.toml)"
    }
