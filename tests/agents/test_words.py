"""The table `[words]`: an operator's own rules, models and numbers, right in all of it or refused at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.errors import SettingsError
from agents.settings import Settings, read_settings
from agents.words import WordSettings, reader_of, rules_of
from streams.mask import mask

RULE = """
[[rule]]
name = "{name}"
kind = "{kind}"
patterns = ["{pattern}"]
examples = ["{example}"]
counter_examples = ["Good morning"]
"""


def rule(
    name: str = "ring-us", kind: str = "hotline", pattern: str = "ring us", example: str = "Please ring us!"
) -> str:
    return RULE.format(name=name, kind=kind, pattern=pattern, example=example)


def folder(path: Path, **files: str) -> Path:
    for name, text in files.items():
        (path / f"{name}.toml").write_text(text, encoding="utf-8")
    return path


def config(path: Path, table: str) -> Path:
    file = path / "flashover.toml"
    file.write_text(f"[words]\n{table}\n", encoding="utf-8")
    return file


def test_own_rules_stand_in_the_place_of_those_that_ship(tmp_path: Path) -> None:
    """For their language alone; a language that none ship for is read, too."""
    rules = rules_of(
        WordSettings(phrases=folder(tmp_path, en=rule(), nl=rule("bel-ons", "hotline", "bel ons", "Bel ons")))
    )
    assert [hit.rule for book in rules("en-GB") for hit in book.hits("Ring us, or send us a DM")] == [
        "ring-us"
    ]
    assert [book.lang for book in rules("nl")] == ["nl"]
    assert [hit.kind for book in rules("de") for hit in book.hits("Schick uns bitte eine DM")] == ["dm"]
    assert {book.lang for book in rules(None)} == {"en", "nl", "de"}
    assert rules("fr") == ()


def test_all_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    """An operator mends a folder in one go."""
    path = folder(
        tmp_path,
        en=rule(kind="rude") + rule(name="b", pattern="@nobody ..") + rule(name="b", example="Nothing of it"),
        de='[[rule]]\nname = "a"\n',
        deutsch=rule(),
        fr="[[rule",
        it=rule(example="Nothing of it"),
    )
    with pytest.raises(SettingsError) as refused:
        read_settings(
            config(tmp_path, f'phrases = "{path}"\ncontract_numbers = ["--", "A{{9,2}}"]\nkeep_text_s = 5')
        )
    text = str(refused.value)
    for fault in (
        "kind 'rude' is none of",
        "two rules share a name",
        "no list named 'nobody'",
        "de: rule a: lacks kind, patterns",
        "deutsch.toml is not named after a language",
        "fr.toml",
        "it: rule ring-us does not find its example",
        "shape '--' has no place",
        "a repeat must be 1..64",
        "keep_text_s: must be at least 3600",
    ):
        assert fault in text


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ('phrases = "/nowhere"', "no such folder"),
        ('models = ["/nowhere/m.bin"]', "can't be read"),
        ('models = ["flashover.toml"]', "not a negativity model"),
        ('phrase = "x"', "is phrases meant?"),
        ("contract_numbers = 3", "contract_numbers"),
    ],
)
def test_what_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, fault: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=fault.replace("?", r"\?")):
        read_settings(config(tmp_path, table))


@pytest.mark.parametrize(
    "content",
    [
        "rule = 3",
        "rule = [3]",
        "[words]\na = 3",
        "[same]\na = 3",
        "filler = [3]",
        "\x00",
        "[[rule]]\nname = 3",
        "",
    ],
)
def test_a_file_of_another_form_is_refused_not_crashed_on(tmp_path: Path, content: str) -> None:
    with pytest.raises(SettingsError, match=r"en\.toml|en:"):
        read_settings(config(tmp_path, f'phrases = "{folder(tmp_path / "", en=content)}"'))


def test_own_numbers_and_the_brands_own_handles(tmp_path: Path) -> None:
    """A contract number of the operator's form is masked; the brand's account is no secret."""
    settings = Settings(
        words=WordSettings(contract_numbers=("KD-9{6,10}",)),
        brands={"acme": {"accounts": ["acme_helps", "mastodon:acme_care"]}},  # type: ignore[dict-item]
    )
    masked = mask("@acme_helps @acme_care @jo my number is kd-1234567", reader_of(settings).mask)
    assert masked.text == "@acme_helps @acme_care @[handle] my number is [contract]"


def test_the_reader_is_made_once_for_the_same_settings() -> None:
    """Lexicons and models are big."""
    assert reader_of(Settings()) is reader_of(Settings())
