"""Files of mentions: `.jsonl`, `.jsonl.gz` and standard input, line by line.

Law of this file: one line in memory at a time, and no more of it than a record may have; what can't be
read ends in an InputError that names the file and the line.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Final, NamedTuple, cast

from agents.errors import InputError
from agents.terminal import safe
from streams.mention import Decoder, Mention, Rejected

__all__ = ["Line", "Refusal", "check", "read_lines", "size_of"]

STDIN: Final = "-"
_TELL_EVERY: Final = 4096  # lines between two reports of progress
_GZIP_MAGIC: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """One line that is not blank, without its end; `raw` is only its beginning if it is not `whole`."""

    file: str
    number: int  # from 1
    raw: bytes
    whole: bool


class Refusal(NamedTuple):
    """Why a line is no mention."""

    reason: str
    detail: str


def check(line: Line, decoder: Decoder, now_ms: int) -> Mention | Refusal:
    """The mention that stands in a line which arrived at `now_ms`, or why there is none."""
    if not line.whole:
        return Refusal("too-long", "the line is longer than max_record_bytes")  # no broker would take it
    mention = decoder.decode(line.raw, now_ms)
    return Refusal(mention.reason.value, mention.detail) if isinstance(mention, Rejected) else mention


def size_of(files: Sequence[str]) -> int | None:
    """The bytes that reading will go through (as compressed), None if standard input is among them."""
    if STDIN in files:
        return None
    return sum(Path(name).stat().st_size if Path(name).is_file() else 0 for name in files)


def read_lines(files: Sequence[str], limit: int, advance: Callable[[int], None]) -> Iterator[Line]:
    """The lines of all files one after another; `advance` hears now and then of bytes gone through.

    A line longer than `limit` bytes comes cut, and not `whole`. A gzip file is known by its first bytes.
    Raises InputError.
    """
    for name in files:
        number = 0
        try:
            with _opened(name) as raw:
                stream = _unpacked(raw)
                at = 0
                while line := stream.readline(limit + 2):
                    number += 1
                    whole = line.endswith(b"\n") or len(line) <= limit
                    if not whole:
                        _skip_rest(stream)
                        line = line[:limit]
                    if number == 1:
                        line = line.removeprefix(_BOM)
                    if line := line.strip():
                        yield Line(name, number, line, whole)
                    if number % _TELL_EVERY == 0 and name != STDIN:
                        now = raw.tell()
                        advance(now - at)
                        at = now
                if name != STDIN:
                    advance(raw.tell() - at)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(f"{safe(name)}: the gzip file is broken after line {number} ({error})") from None
        except OSError as error:
            raise InputError(f"{safe(name)}: can't be read ({error.strerror or error})") from None


def _opened(name: str) -> AbstractContextManager[IO[bytes]]:
    return nullcontext(sys.stdin.buffer) if name == STDIN else Path(name).open("rb")


def _unpacked(raw: IO[bytes]) -> IO[bytes]:
    peek = getattr(raw, "peek", None)
    if peek is None or peek(2)[:2] != _GZIP_MAGIC:
        return raw
    return cast(IO[bytes], gzip.GzipFile(fileobj=raw))


def _skip_rest(stream: IO[bytes]) -> None:
    while rest := stream.readline(1 << 20):
        if rest.endswith(b"\n"):
            return
