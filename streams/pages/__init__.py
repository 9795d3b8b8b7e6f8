"""The words of pages, one file per language: data that may be edited; `streams.page_text` says how."""

from functools import cache
from importlib.resources import files

__all__ = ["LANGUAGES", "page_file"]

LANGUAGES = ("en", "de")  # the first is for readers of any other


@cache
def page_file(lang: str) -> str:
    """The text of a language's file, read once. FileNotFoundError if there is none."""
    return files(__name__).joinpath(f"{lang}.toml").read_text(encoding="utf-8")
