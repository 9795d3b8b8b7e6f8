"""The docs are tested: what exists is documented, and what is documented exists."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from aiohttp import web
from click.testing import CliRunner

from agents.cli import cli
from agents.metrics import METRICS
from agents.on_call.people import LadderTable, LayerTable, Need, Person, RotationTable
from agents.settings import Settings, read_settings
from agents.topics import topics
from agents.web.api import add_routes
from agents.web.settings import Web
from streams.audit import Refusal
from streams.incident import TRANSITIONS, Rules
from streams.mention import Reason
from streams.params import ThreadParams

ROOT = Path(__file__).parents[1]
PAGES = {path: path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]}
README = PAGES[ROOT / "README.md"]
OPERATIONS = PAGES[ROOT / "docs" / "operations.md"]
INCIDENTS = PAGES[ROOT / "docs" / "incidents.md"]
WEB = PAGES[ROOT / "docs" / "web.md"]
PAGING = PAGES[ROOT / "docs" / "paging.md"]
MENTIONS = PAGES[ROOT / "docs" / "mentions.md"]


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_is_in_the_readme(name: str) -> None:
    assert f"`flashover {name}" in README


def test_the_lists_of_commands_cut_no_sentence_short() -> None:
    """At 80 columns, the first sentence of every command fits into the help of its group."""

    def cut(group: click.Group) -> Iterator[str]:
        room = 80 - 6 - max(map(len, group.commands))  # click's own reckoning
        for name, command in group.commands.items():
            if command.get_short_help_str(room).endswith("..."):
                yield name
            if isinstance(command, click.Group):
                yield from cut(command)

    assert list(cut(cli)) == []


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_in_the_operations_page(name: str) -> None:
    assert f"`{name}`" in OPERATIONS


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(ThreadParams)])
def test_every_threshold_is_in_the_operations_page(name: str) -> None:
    assert f"`{name}`" in OPERATIONS


@pytest.mark.parametrize("name", [spec.name for spec in topics(Settings(app_id="APP"))])
def test_every_topic_is_in_the_operations_page(name: str) -> None:
    assert f"`{name}`" in OPERATIONS


@pytest.mark.parametrize("name", [metric.name for metric in METRICS])
def test_every_metric_is_in_the_operations_page(name: str) -> None:
    assert f"`{name}`" in OPERATIONS


def test_every_metric_that_a_page_names_exists() -> None:
    known = {metric.name for metric in METRICS}
    known |= {f"{metric.name}_{end}" for metric in METRICS for end in ("bucket", "count", "sum")}
    named = {name for text in PAGES.values() for name in re.findall(r"`(flashover_[a-z_]+)`", text)}
    assert named <= known


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Rules)])
def test_every_rule_of_paging_is_in_the_incidents_page(name: str) -> None:
    default = dataclasses.asdict(Rules())[name]
    assert f"| `{name}` | {default:.12g} |" in INCIDENTS


@pytest.mark.parametrize("name", sorted(Web.model_fields))
def test_every_setting_of_the_pages_is_in_their_page(name: str) -> None:
    assert f"`{name}`" in WEB


def test_every_address_of_the_api_is_in_its_page() -> None:
    app = web.Application()
    add_routes(app)
    for resource in app.router.resources():
        path = re.sub(r"{(?!command)\w+[^}]*}", "ID", resource.canonical).replace("{command}", "COMMAND")
        for method in {route.method for route in resource} - {"HEAD"}:
            assert f"`{method} {path}" in WEB


@pytest.mark.parametrize("reason", list(Refusal)[:7])
def test_every_reason_of_the_desk_is_in_the_incidents_page(reason: Refusal) -> None:
    assert f"`{reason}`" in INCIDENTS


def test_the_table_of_states_is_the_one_of_the_core() -> None:
    rows = set(re.findall(r"^\| ([a-z-]+) \| ([a-z-]+) \| ([a-z-]+) \|$", INCIDENTS, re.MULTILINE))
    assert rows == {(before, move, after) for (before, move), after in TRANSITIONS.items()}


@pytest.mark.parametrize("reason", sorted(Reason))
def test_every_reason_to_refuse_is_explained(reason: Reason) -> None:
    assert f"`{reason.value}`" in MENTIONS


def test_every_command_that_a_page_names_exists() -> None:
    """A command line in the docs must be one that the program knows."""
    named = {
        (path, words)
        for path, text in PAGES.items()
        for words in re.findall(r"`(?:\.venv/bin/)?flashover ((?:[a-z]+)(?: [a-z]+)?)", text)
    }
    unknown = []
    for path, words in named:
        first, *rest = words.split()
        command = cli.commands.get(first)
        if command is None or (isinstance(command, click.Group) and rest and rest[0] not in command.commands):
            unknown.append(f"{path.name}: flashover {words}")
    assert not unknown


@pytest.mark.parametrize("path", sorted(PAGES), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_within_the_docs_leads_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", PAGES[path])
    missing = [target for target in targets if not (path.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize(
    ("command", "printed"),
    re.findall(r"^    \$ flashover (who .*)\n((?:    [^$\n]*\n)+)", PAGING, re.MULTILINE),
)
def test_what_the_page_on_paging_shows_is_what_is_printed(command: str, printed: str) -> None:
    """With the example's settings."""
    example = ["--config", str(ROOT / "docs" / "flashover.toml.example")]
    result = CliRunner().invoke(cli, [*example, *shlex.split(command)])
    assert result.stdout.splitlines() == [line.removeprefix("    ") for line in printed.splitlines()]


@pytest.mark.parametrize(
    "name",
    [name for one in (Person, RotationTable, LayerTable, Need, LadderTable) for name in one.model_fields],
)
def test_every_setting_of_who_is_paged_is_explained(name: str) -> None:
    assert f"`{name}`" in PAGING


def test_the_example_settings_are_right() -> None:
    """Who copies the example gets settings that are accepted."""
    settings = read_settings(ROOT / "docs" / "flashover.toml.example")
    assert settings.params_for("thistledown-air").viral_at == 80
