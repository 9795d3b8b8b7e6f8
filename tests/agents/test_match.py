"""`flashover match`: what it says of a text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.cli import cli
from agents.errors import SettingsError
from agents.settings import read_settings


@pytest.fixture(autouse=True)
def brands(clean_settings: Path) -> Path:
    path = clean_settings / "flashover.toml"
    path.write_text(
        '[brands.target]\nnames = ["Target"]\nexclude = ["target practice"]\n'
        '[brands.acme]\naccounts = ["bluesky:Acme.example", "did:plc:acme"]\n',
        encoding="utf-8",
    )
    return path


def match(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(cli, ["match", *arguments], input=stdin)


def test_a_hit_and_a_miss_are_explained() -> None:
    assert "target  name 'Target'  counts" in match("Target again").stdout
    missed = match("target practice")
    assert missed.exit_code == 1
    assert "lies within an exclusion" in missed.stdout


def test_the_language_that_a_text_is_taken_for_is_told(brands: Path) -> None:
    brands.write_text('[brands.target]\nnames = ["Target"]\nlanguages = ["en"]\n', encoding="utf-8")
    assert "another language (nl)\n" in match("Target", "--lang", "nl").stdout
    german = "Ich war bei Target und das war wirklich nicht schön, nie wieder gehe ich dorthin"
    assert "another language (de)\n" in match(german).stdout


def test_every_line_of_standard_input_is_a_text() -> None:
    result = match("--json", stdin="Target\nhey @acme.example\n\x1b[2Jnothing\n")
    assert [json.loads(line)["brands"] for line in result.stdout.splitlines()] == [["target"], ["acme"], []]


def test_a_strangers_text_does_nothing_to_the_terminal() -> None:
    assert "\x1b" not in match(stdin="\x1b[2JTarget\n").stdout


def test_only_the_brand_that_was_asked_for_is_explained() -> None:
    assert match("Target", "--brand", "acme").exit_code == 1
    assert match("Target", "--brand", "nobody").exit_code == 2


def test_an_empty_term_is_an_error_that_names_its_setting(brands: Path) -> None:
    brands.write_text('[brands.acme]\nnames = [""]\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"brands\.acme\.names: names: a term has"):
        read_settings()


def test_without_a_brand_there_is_nothing_to_be_about(brands: Path) -> None:
    """Settings that are not found say so, instead of a no to every text."""
    brands.unlink()
    result = match("Target again")
    assert result.exit_code == 2
    assert "the settings have no [brands.SLUG]" in result.stderr
