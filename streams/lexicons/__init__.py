"""The word lists that ship with flashover: data. Sources and licences are in NOTICE.md beside them."""

from functools import cache
from importlib.resources import files


@cache
def lexicon(name: str) -> str:
    """The text of a file in this folder: the package's own data, read once. FileNotFoundError if there is
    none.
    """
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
