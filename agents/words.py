"""What an operator may set about texts, and the reader made of it.

Law of this file: files are opened here and nowhere else, once, and everything that is wrong with any of them
is told together, before work begins. What is loaded with a reader (lexicons, the language model) is loaded
when the first reader is asked for, so that a command that reads no text pays for none.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from streams.canned import shipped_rules
from streams.mask import MaskRules, Shape
from streams.phrase_rules import RuleBook, failing_examples

if TYPE_CHECKING:
    from agents.settings import Settings
    from streams.ngram_model import NgramModel
    from streams.reading import Reader

__all__ = ["WordSettings", "reader_of", "rules_of"]

_HOURS: Final = 3600
_FILE_BYTES: Final = 4 * 1024 * 1024  # of a phrase file or a model; more is a slip
Rules = Callable[[str | None], tuple[RuleBook, ...]]


class WordSettings(BaseModel):
    """The table `[words]`.

    `phrases` is a folder of phrase rules, `LANG.toml` each, in the place of those that ship for the language;
    `models` are files that `flashover train sentiment` wrote; `contract_numbers` are shapes of numbers to be
    masked (`KD-9{6,10}`: 9 a digit, A a letter); `keep_text_s` is how long a masked text may stay in the
    state, in seconds of event time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    phrases: Path | None = None
    models: tuple[Path, ...] = ()
    contract_numbers: tuple[str, ...] = ()
    keep_text_s: int = Field(default=7 * 24 * _HOURS, ge=_HOURS, le=366 * 24 * _HOURS)

    @field_validator("phrases")
    @classmethod
    def _phrases_are_right(cls, folder: Path | None) -> Path | None:
        if folder is not None:
            _raise_all(_phrase_books(folder)[1])
        return folder

    @field_validator("models")
    @classmethod
    def _models_are_right(cls, paths: tuple[Path, ...]) -> tuple[Path, ...]:
        models, faults = _models(paths)
        langs = [one.lang for one in models]
        faults += [f"two models for {lang}" for lang in sorted(set(langs)) if langs.count(lang) > 1]
        _raise_all(faults)
        return paths

    @field_validator("contract_numbers")
    @classmethod
    def _shapes_are_right(cls, shapes: tuple[str, ...]) -> tuple[str, ...]:
        faults = []
        for shape in shapes:
            try:
                Shape(shape)
            except ValueError as error:
                faults.append(str(error))
        _raise_all(faults)
        return shapes


def reader_of(settings: Settings) -> Reader:
    """The reader of texts under these settings; the same one for the same settings, as lexicons are big."""
    handles = frozenset(
        name
        for brand in settings.brands.values()
        for account in brand.accounts
        for name in (account.rpartition(":")[2],)
    )
    return _reader(settings.words, handles)


def rules_of(words: WordSettings) -> Rules:
    """The phrase rules to ask for a language tag: the operator's, else those that ship."""
    own = {book.lang: book for book in _phrase_books(words.phrases)[0]} if words.phrases else {}

    def rules(lang: str | None) -> tuple[RuleBook, ...]:
        if lang is None:
            shipped = tuple(book for book in shipped_rules(None) if book.lang not in own)
            return (*own.values(), *shipped)
        book = own.get(lang.split("-")[0].lower())
        return (book,) if book is not None else shipped_rules(lang)

    return rules


@lru_cache(maxsize=8)
def _reader(words: WordSettings, handles: frozenset[str]) -> Reader:
    from streams.language import detect_language
    from streams.ngram_model import EnsembleScorer
    from streams.reading import Reader

    return Reader(
        scorer=EnsembleScorer(_models(words.models)[0]),
        detect=detect_language,
        rules=rules_of(words),
        mask=MaskRules(tuple(Shape(one) for one in words.contract_numbers), handles),
        keep_ms=words.keep_text_s * 1000,
    )


def _raise_all(faults: list[str]) -> None:
    if faults:
        raise ValueError("; ".join(faults))


def _phrase_books(folder: Path) -> tuple[list[RuleBook], list[str]]:
    """The rules of a folder, and all that is wrong with them."""
    books: list[RuleBook] = []
    faults: list[str] = []
    try:
        paths = sorted(folder.glob("*.toml")) if folder.is_dir() else []
    except OSError as error:
        return [], [f"the folder can't be read ({error.strerror})"]
    if not paths:
        return [], ["there is no such folder, or no LANG.toml in it"]
    for path in paths:
        lang = path.stem
        if not (lang.isascii() and lang.isalpha() and lang.islower() and 2 <= len(lang) <= 3):
            faults.append(f"{path.name} is not named after a language, like de.toml")
            continue
        text = _content(path, faults)
        try:
            book = RuleBook.read(lang, text.decode()) if text is not None else None
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            faults.append(f"{path.name}: {error}")
            continue
        if book is not None:
            books.append(book)
            faults += [f"{path.name}: {one}" for one in failing_examples(book)]
    return books, faults


def _models(paths: tuple[Path, ...]) -> tuple[tuple[NgramModel, ...], list[str]]:
    if not paths:
        return (), []
    from streams.ngram_model import NgramModel

    models: list[NgramModel] = []
    faults: list[str] = []
    for path in paths:
        content = _content(path, faults)
        try:
            if content is not None:
                models.append(NgramModel.from_bytes(content))
        except ValueError as error:
            faults.append(f"{path.name}: {error}")
    return tuple(models), faults


def _content(path: Path, faults: list[str]) -> bytes | None:
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_BYTES + 1)
    except OSError as error:
        faults.append(f"{path.name} can't be read ({error.strerror})")
        return None
    if len(content) > _FILE_BYTES:
        faults.append(f"{path.name} has more than {_FILE_BYTES} bytes")
        return None
    return content
