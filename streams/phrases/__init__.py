"""The phrase rules that ship with flashover, one file per language: data an operator may copy and edit."""

from functools import cache
from importlib.resources import files


@cache
def phrase_file(lang: str) -> str | None:
    """The text of a language's rule file (`de`, `en`), or None: the package's own data, read once."""
    file = files(__name__).joinpath(f"{lang}.toml")
    return file.read_text(encoding="utf-8") if lang.isalpha() and file.is_file() else None
