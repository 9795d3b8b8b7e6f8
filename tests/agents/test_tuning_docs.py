"""What docs/tuning.md says the commands print is what they print; WRITE_DOCS=1 writes it down anew."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from agents.cli import cli
from agents.commands.tune import tune
from agents.recordings import RECORDING

PAGE = Path(__file__).parents[2] / "docs" / "tuning.md"
BUNDLED = "agents/recordings/two-storms.jsonl.gz"


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Each command with what stands below it, up to the next text."""
    for block in re.finditer(r"^    \$ (.+)\n((?:    .*\n|\n(?=    (?!\$)))*)", text, re.MULTILINE):
        yield block[1], re.sub(r"^    ", "", block[2], flags=re.MULTILINE)


def printed(command: str) -> str:
    name, *arguments = shlex.split(command.replace(BUNDLED, str(RECORDING)))
    assert name == "flashover"
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_commands_print_what_the_page_says(clean_settings: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    found = list(blocks(text))
    (labels,) = [below for command, below in found if command == "cat resolved.jsonl"]
    (clean_settings / "resolved.jsonl").write_text(labels)
    commands = [(command, below) for command, below in found if command.startswith("flashover")]
    assert len(commands) == 4
    for command, below in commands:
        out = printed(command)
        if os.environ.get("WRITE_DOCS"):
            shown = "".join(f"    {line}".rstrip() + "\n" for line in out.splitlines())
            indented = "".join(f"    {line}".rstrip() + "\n" for line in below.splitlines())
            text = text.replace(f"    $ {command}\n{indented}", f"    $ {command}\n{shown}")
        else:
            assert [line.rstrip() for line in out.splitlines()] == below.splitlines(), command
    if os.environ.get("WRITE_DOCS"):
        PAGE.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    "option", [option for one in tune.params for option in one.opts if option != "files"]
)
def test_every_option_is_in_the_page(option: str) -> None:
    if option in {"--brokers", "--json"}:  # of every command
        return
    assert option in PAGE.read_text(encoding="utf-8")
