"""`flashover train sentiment`: a small model of negativity, learned from one's own labelled texts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import msgspec

from agents.commands.common import as_json, complain, fail_if, say
from agents.errors import InputError
from agents.terminal import safe

__all__ = ["sentiment"]

_TESTED_OF: Final = 5  # each fifth text is kept aside, to say how well a model of the others does
_TEXT_LIMIT: Final = 10_000
_SHOWN: Final = 5  # lines that are told of


class _Labelled(msgspec.Struct):
    text: str
    negative: bool


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--lang", required=True, metavar="TAG", help="The language of the texts: de, en, fr.")
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The model's file."
)
@as_json
def sentiment(file: Path, lang: str, out: Path, json_: bool) -> None:
    """Learn which texts are negative from labels of your own.

    It takes 50 texts of each class at the least.

    FILE has a text a line: `negative<TAB>text` (any other word before the tab is not negative), or, named
    .jsonl, `{"text": …, "negative": true}`. The model (131 kB) scores beside the lexicons once its file is
    named in the setting `words.models`; for a language without lexicons it scores alone. The same file gives
    the same model. Exit code 1 if lines could not be read.

    \b
    Examples:
      flashover train sentiment labels.tsv --lang de --out negativity-de.bin
      FLASHOVER_WORDS__MODELS='["negativity-de.bin"]' flashover replay day.jsonl
    """
    from streams.ngram_model import train

    lang = lang.split("-")[0].lower()
    if not (lang.isascii() and lang.isalpha() and 2 <= len(lang) <= 3):
        raise click.UsageError(f"{safe(lang, 20)} is no language: de, en, fr")
    if out.exists() and out.samefile(file):
        raise click.UsageError(f"{safe(str(out))} is both read and written")
    wrong: list[str] = []
    labelled = list(_labelled(file, wrong))
    for line in wrong[:_SHOWN]:
        complain(line)
    if len(wrong) > _SHOWN:
        complain(f"{len(wrong) - _SHOWN} more lines can't be read")
    negatives = sum(label for label, _ in labelled)
    try:
        model = train(labelled, lang)
    except ValueError as error:
        raise InputError(f"{error}; found {negatives} negative ones of {len(labelled)}") from None
    quality = _quality(labelled, lang)
    try:
        out.write_bytes(model.to_bytes())
    except OSError as error:
        raise click.UsageError(f"{safe(str(out))}: can't be written ({error.strerror})") from None
    about = {"lang": lang, "texts": len(labelled), "negative": negatives, "unread": len(wrong)}
    if json_:
        say({**about, "auc": quality})
    else:
        told = (
            "too few to say how good it is" if quality is None else f"AUC {quality:.3f} on a fifth kept aside"
        )
        complain(f"learned from {len(labelled)} texts, {negatives} of them negative; {told}")
    fail_if(bool(wrong))


def _quality(labelled: list[tuple[bool, str]], lang: str) -> float | None:
    """AUC on each fifth text of a model of the others; None where those are too few to learn from."""
    from streams.measures import auc
    from streams.ngram_model import train

    aside = labelled[::_TESTED_OF]
    try:
        model = train([one for place, one in enumerate(labelled) if place % _TESTED_OF], lang)
    except ValueError:
        return None
    quality = auc([model.negativity(text) for _, text in aside], [label for label, _ in aside])
    return None if math.isnan(quality) else quality


def _labelled(file: Path, wrong: list[str]) -> Iterator[tuple[bool, str]]:
    as_lines = msgspec.json.Decoder(_Labelled)
    is_json = file.suffix in (".jsonl", ".json")
    with file.open("rb") as lines:
        for number, raw in enumerate(lines, 1):
            if not raw.strip():
                continue
            try:
                if is_json:
                    one = as_lines.decode(raw)
                    yield one.negative, one.text[:_TEXT_LIMIT]
                    continue
                label, tab, text = raw.decode().rstrip("\r\n").partition("\t")
                if not tab:
                    raise ValueError("no tab between label and text")
                if (number, label, text) != (1, "label", "text"):
                    yield label.strip().lower() == "negative", text[:_TEXT_LIMIT]
            except (ValueError, RecursionError) as error:  # UnicodeDecodeError and msgspec's are ValueErrors
                wrong.append(f"{safe(file.name)}:{number}: {safe(str(error), 100)}")
