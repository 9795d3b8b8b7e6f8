"""`flashover train sentiment`: from one's own labels to a file that the setting `words.models` takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.cli import cli
from agents.settings import Settings
from agents.words import WordSettings, reader_of

BAD = ("Das ist ja grottig mit euch", "Wieder grottig, diese Leitung", "grottige Auskunft, wie immer")
GOOD = ("Das ist ja knorke mit euch", "Wieder knorke, diese Leitung", "knorke Auskunft, wie immer")


def run(*args: object) -> Result:
    return CliRunner().invoke(cli, ["train", "sentiment", *map(str, args)], catch_exceptions=False)


def labels(path: Path, pairs: int = 70) -> Path:
    lines = ["label\ttext"]
    for number in range(pairs):
        lines += [f"negative\t{BAD[number % 3]} {number}", f"other\t{GOOD[number % 3]} {number}"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_labels_become_a_model_that_scores(tmp_path: Path) -> None:
    """Words that no lexicon knows, learned, and used by the reader under the setting."""
    model = tmp_path / "de.bin"
    result = run(labels(tmp_path / "labels.tsv"), "--lang", "de", "--out", model, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["texts"] == 140
    assert json.loads(result.stdout)["auc"] > 0.9
    with_model = reader_of(Settings(words=WordSettings(models=(model,)))).scorer
    without = reader_of(Settings()).scorer
    grottig, knorke = (
        [one.score(text, "de").negativity or 0 for one in (with_model, without)] for text in (BAD[1], GOOD[1])
    )
    assert grottig[0] > 0.5 > knorke[0]
    assert grottig[0] - knorke[0] > 3 * (grottig[1] - knorke[1])


def test_lines_of_json_do_as_well_and_bad_ones_are_told(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    rows = [
        json.dumps({"text": f"{text} {n}", "negative": text in BAD})
        for n in range(20)
        for text in (*BAD, *GOOD)
    ]
    path.write_text("\n".join([*rows, '{"text": 1}', "{"]), encoding="utf-8")
    result = run(path, "--lang", "de", "--out", tmp_path / "m.bin")
    assert result.exit_code == 1
    assert "labels.jsonl:121" in result.stderr
    assert "120 texts" in result.stderr


def test_too_few_labels_are_refused_with_their_number(tmp_path: Path) -> None:
    result = run(labels(tmp_path / "few.tsv", 20), "--lang", "de", "--out", tmp_path / "m.bin")
    assert result.exit_code != 0
    assert "50 texts of each class" in result.stderr
    assert "found 20 negative ones of 40" in result.stderr
    assert not (tmp_path / "m.bin").exists()


@pytest.mark.parametrize("lang", ["", "12", "../x", "german"])
def test_a_language_that_is_none_is_refused(tmp_path: Path, lang: str) -> None:
    assert run(labels(tmp_path / "l.tsv"), "--lang", lang, "--out", tmp_path / "m.bin").exit_code == 2


def test_the_short_form_still_learns_the_forecast(tmp_path: Path) -> None:
    """`flashover train FILE`, with options before or behind."""
    result = CliRunner().invoke(
        cli, ["train", "--out", str(tmp_path / "w.json"), str(labels(tmp_path / "l.tsv"))]
    )
    assert "threads" in result.output
