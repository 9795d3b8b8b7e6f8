"""What strangers wrote, made harmless for a terminal and for a log line.

Law of this file: text from outside passes `safe` before it meets a terminal. A post may hold escape
sequences that rename the window, recolour or overwrite other lines, and marks that turn the reading order
round (CVE-2021-42574, "Trojan Source"); after `safe` it is one line that says what it says.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["progress", "safe"]

# Cc control, Cf format (bidi marks, zero-width), Cs lone surrogates, Co private use, Zl and Zp line ends
_SHOWN_AS_ESCAPES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
# The zero-width joiners hold emoji and the words of some scripts together, and do no harm.
_KEPT: Final = frozenset("\u200c\u200d")


def safe(text: str, limit: int | None = None) -> str:
    """The text on one line, every character that steers a terminal shown as its escape (`\\x1b`, `\\u202e`).

    With `limit` (characters, at least 1) a longer text is cut first and ends in an ellipsis.
    `safe(safe(text)) == safe(text)`.
    """
    if limit is not None and len(text) > limit:
        return safe(text[: limit - 1]) + "…"
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        one.encode("unicode_escape").decode("ascii")
        if unicodedata.category(one) in _SHOWN_AS_ESCAPES and one not in _KEPT
        else one
        for one in text
    )


@contextmanager
def progress(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error while a `with` lasts; nothing at all where that is no terminal.

    Yields a function that takes how much more is done; `total` in the same unit, None if not known.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(
        *columns,
        console=console,
        transient=True,
        refresh_per_second=4,
        redirect_stdout=sys.stdout.isatty(),  # a pipe must get what is printed, not this console
    ) as bar:
        task = bar.add_task(label, total=total)
        yield lambda more: bar.advance(task, more)
