"""`flashover channels`: says what there is without its address, and whether a test page was taken."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agents.channels.webhook import verify
from agents.cli import cli

pytestmark = pytest.mark.usefixtures("clean_settings")

SECRET = "hunter2-hunter2-hunter2"


class Receiver:
    def __init__(self) -> None:
        self.status = 204
        self.got: list[dict[str, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                assert verify(SECRET, headers, body, int(headers["webhook-timestamp"]))
                receiver.got.append(json.loads(body))
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Path("flashover.toml").write_text(
            f'[channels.own]\nkind = "webhook"\nurl = "http://127.0.0.1:{self.server.server_port}/hunter2"\n'
            f'secret = "{SECRET}"\n[channels]\nphone = "ntfys://ntfy.example/hunter2"\n'
        )


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    thread = threading.Thread(target=one.server.serve_forever, args=(0.01,))
    thread.start()
    yield one
    one.server.shutdown()
    thread.join()
    one.server.server_close()


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, ["channels", *arguments])
    assert "hunter2" not in result.output
    return result


def test_the_list_says_what_each_is_and_shows_no_address(receiver: Receiver) -> None:
    result = run("list")
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "own  webhook  takes a dedup key, at most 60 a minute",
        "phone  apprise (ntfys)  takes no dedup key, at most 60 a minute",
    ]
    assert json.loads(run("list", "--json").output.splitlines()[0])["kind"] == "webhook"


def test_a_test_page_says_that_it_is_one_and_what_it_opened_is_closed(receiver: Receiver) -> None:
    result = run("test", "own", "--lang", "de", "--person", "the duty lead")
    assert result.exit_code == 0
    assert [one["type"] for one in receiver.got] == ["flashover.page", "flashover.resolved"]
    assert receiver.got[0]["data"]["first"] == "TEST über own: Es ist nichts geschehen"
    assert "the duty lead" in receiver.got[0]["data"]["text"]
    assert len({one["data"]["incident"] for one in receiver.got}) == 1


def test_a_page_that_was_not_taken_is_exit_code_1_with_the_reason(receiver: Receiver) -> None:
    receiver.status = 403
    result = run("test", "own")
    assert result.exit_code == 1
    assert "own: not taken: it refuses: 403 Forbidden" in result.output


def test_a_name_that_is_none_is_a_wrong_call_and_the_near_one_is_named(receiver: Receiver) -> None:
    result = run("test", "fone")
    assert result.exit_code == 2
    assert "is phone meant?" in result.output


def test_check_looks_at_channels_and_sends_nothing(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.commands.check._cluster", lambda settings: [])
    Path("flashover.toml").write_text(
        '[channels]\nphone = "nosuchservice://hunter2"\n'
        '[channels.am]\nkind = "alertmanager"\nurl = "http://alerts.acme.example/hunter2"\n'
    )
    checked = CliRunner().invoke(cli, ["check"]).output
    assert "problem  channels: channels.phone: Apprise knows no such service" in checked
    Path("flashover.toml").write_text(
        '[channels.am]\nkind = "alertmanager"\nurl = "http://alerts.acme.example/hunter2"\n'
        '[channels.near]\nkind = "alertmanager"\nurl = "http://alertmanager:9093"\n'
    )
    checked += CliRunner().invoke(cli, ["check"]).output
    assert "ok       settings: flashover.toml; brands: 0" in checked
    assert "ok       channels: 2 known: am, near" in checked
    assert "warning  channels: am is reached by http" in checked
    assert "near is reached" not in checked
    assert "hunter2" not in checked
    assert not receiver.got


def test_a_service_that_nobody_knows_is_told_as_a_wrong_setting(receiver: Receiver) -> None:
    Path("flashover.toml").write_text('[channels]\nphone = "nosuchservice://hunter2"')
    result = run("list")
    assert result.exit_code == 3
    assert "channels.phone: Apprise knows no such service" in result.output
