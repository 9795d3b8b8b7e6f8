"""`flashover incidents` and `mutes`: what they show, what they ask for, and how they end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

import agents.clients
from agents.cli import cli
from agents.clients import Record
from streams.audit import Audited, audited
from streams.desk import Desk, encode_record
from streams.incident import Command, Rules, decode_command
from tests.streams.incidents import case, ident
from tests.streams.test_desk import Everybody

ONE, OTHER = ident(), ident("t2")


class Desktop:
    """The topics, as the tools see them, with a desk behind that does what it is told."""

    def __init__(self) -> None:
        self.desk = Desk(Everybody(), Rules())
        self.audits: list[Audited] = []
        self.commands: list[Command] = []
        self.silent = False
        for thread in ("t1", "t2"):
            self.desk.alert(
                case(1, thread, title=f"Title of {thread}\x1b[31m", voices=("A voice",)), _now_ms()
            )

    def read(self, settings: Any, topic: str, since: Any = None, **more: Any) -> Iterator[Record]:
        if topic == "audit":
            values = [(b"acme", msgspec.json.encode(one)) for one in self.audits]
            values.insert(0, (b"acme", b"not ours"))
        else:
            assert topic == "incidents"
            records = self.desk.incidents | self.desk.mutes
            values = [(key.encode(), encode_record(one)) for key, one in records.items()]
        for number, (key, value) in enumerate(values):
            yield Record(0, number, _now_ms(), key, value, {})

    @contextmanager
    def sender(self, settings: Any, topic: str) -> Iterator[Any]:
        assert topic == "commands"
        yield self

    def send(self, key: bytes, value: bytes) -> None:
        command = decode_command(value)
        assert key == command.brand.encode()
        self.commands.append(command)
        if not self.silent:
            done, now_ms = self.desk.command(command, _now_ms()), _now_ms()
            self.audits.append(
                audited(command, now_ms, None if done else self.desk.why_refused(command, now_ms))
            )

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(cli, list(words))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture
def desktop(clean_settings: Any, monkeypatch: pytest.MonkeyPatch) -> Desktop:
    one = Desktop()
    monkeypatch.setattr(agents.clients, "read", one.read)
    monkeypatch.setattr(agents.clients, "sender", one.sender)
    return one


def test_what_is_under_way_is_listed(desktop: Desktop) -> None:
    desktop.run("incidents", "resolve", OTHER, "--as", "handled", "--who", "lead")
    result = desktop.run("incidents", "list")
    assert result.exit_code == 0
    assert ONE in result.stdout
    assert OTHER not in result.stdout
    assert "\x1b" not in result.stdout
    rows = [
        json.loads(line) for line in desktop.run("incidents", "list", "--all", "--json").stdout.splitlines()
    ]
    assert {row["id"]: row["resolution"] for row in rows} == {ONE: None, OTHER: "handled"}
    assert "nothing is under way" in desktop.run("incidents", "list", "--brand", "nobody").stderr


def test_an_incident_is_shown_by_the_beginning_of_its_id(desktop: Desktop) -> None:
    result = desktop.run("incidents", "show", ONE[:8])
    assert "opened" in result.stdout
    assert "A voice" in result.stdout
    shown = json.loads(desktop.run("incidents", "show", ONE, "--json").stdout)
    assert shown["history"][0]["what"] == "opened"
    assert desktop.run("incidents", "show", "in-").exit_code == 2
    assert desktop.run("incidents", "show", "in-none").exit_code == 1


@pytest.mark.parametrize(
    ("words", "tag", "fields"),
    [
        (["ack", ONE], "acknowledge", {}),
        (["take", ONE, "--reason", "calling"], "take", {"hold": True, "reason": "calling"}),
        (["take", ONE, "--no-hold"], "take", {"hold": False}),
        (["hand-over", ONE, "--to", "lead", "--note", "n"], "hand-over", {"to": "lead", "note": "n"}),
        (["resolve", ONE, "--as", "false-alarm"], "resolve", {"resolution": "false-alarm"}),
        (["hold", ONE, "--for", "2h", "--reason", "wait"], "hold", {"reason": "wait"}),
        (["merge", ONE, "--into", OTHER], "merge", {"into": OTHER}),
    ],
)
def test_each_command_is_asked_for_and_its_end_told(
    desktop: Desktop, words: list[str], tag: str, fields: dict[str, Any]
) -> None:
    """With who said so and from where, as from the pages."""
    result = desktop.run("incidents", *words, "--who", "duty-lead")
    assert (result.exit_code, result.stdout) == (0, f"{tag}: done\n"), result.output
    (command,) = desktop.commands
    assert command.__struct_config__.tag == tag
    assert (command.who, command.where, command.incident) == ("duty-lead", "cli", ONE)
    assert command.address
    assert {name: getattr(command, name) for name in fields} == fields


def test_a_refusal_is_told_with_its_reason(desktop: Desktop) -> None:
    result = desktop.run("incidents", "release", ONE, "--who", "lead")
    assert (result.exit_code, result.stderr) == (1, "refused: nothing is held\n")
    told = json.loads(desktop.run("incidents", "release", ONE, "--who", "lead", "--json").stdout)
    assert (told["outcome"], told["reason"]) == ("refused", "nothing-held")


def test_when_nobody_answers_that_is_told(desktop: Desktop) -> None:
    desktop.silent = True
    result = desktop.run("incidents", "ack", ONE, "--who", "lead", "--wait", "0")
    assert result.exit_code == 1
    assert "no worker has answered" in result.stderr
    assert len(desktop.commands) == 1


def test_mutes_are_set_listed_and_ended(desktop: Desktop) -> None:
    words = ["mutes", "set", "acme", "--thread", "t1", "--for", "2h", "--why", "a give-away", "--who", "lead"]
    assert desktop.run(*words).exit_code == 0
    (row,) = [json.loads(line) for line in desktop.run("mutes", "list", "--json").stdout.splitlines()]
    assert (row["brand"], row["thread_id"], row["who"], row["why"]) == ("acme", "t1", "lead", "a give-away")
    assert "a give-away" in desktop.run("mutes", "list").stdout
    assert desktop.run("mutes", "unset", "acme", "--thread", "t1", "--who", "lead").exit_code == 0
    assert "nothing is muted" in desktop.run("mutes", "list").stderr
    assert desktop.run("mutes", "unset", "acme", "--who", "lead").exit_code == 1


@pytest.mark.parametrize(
    "words",
    [
        ["hold", ONE, "--for", "soon"],
        ["hold", ONE, "--for", "0m"],
        ["hand-over", ONE, "--to", " "],
        ["resolve", ONE, "--as", "whatever"],
    ],
)
def test_nonsense_is_not_sent(desktop: Desktop, words: list[str]) -> None:
    assert desktop.run("incidents", *words, "--who", "lead").exit_code == 2
    assert desktop.commands == []


def test_a_token_is_shown_once_with_the_hash_to_keep() -> None:
    """What is written into the settings opens nothing."""
    from agents.web.signin import hash_of

    told = json.loads(CliRunner().invoke(cli, ["tokens", "create", "tool", "--role", "act", "--json"]).stdout)
    assert told["hash"] == hash_of(told["token"])
    assert told["token"] not in told["hash"]
    text = CliRunner().invoke(cli, ["tokens", "create", 'duty "lead"']).stdout
    assert '[web.tokens."duty \\"lead\\""]' in text
    assert CliRunner().invoke(cli, ["tokens", "create", "a\x1b"]).exit_code == 2
