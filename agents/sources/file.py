"""Files of posts, JSON lines or CSV: read once, or followed as they grow.

Law of this file: one line in memory at a time, and no more of it than a post may have. The cursor is the byte
behind the last line that was handed out; a file that was replaced (another inode, or shorter) begins anew.
"""

from __future__ import annotations

import asyncio
import csv
import gzip
import os
import time
from collections.abc import AsyncGenerator, Iterable, Mapping
from pathlib import Path
from typing import IO, Any, Final, cast

import msgspec

from agents.source_settings import File as Settings
from agents.sources.fields import JSON_TROUBLE, moment_ms, refused
from agents.sources.source import Arrival, Context, Cursor, Source, UnusableError
from streams.mention import Kind, Reason, hash64
from streams.post import Found, Post, Refused

__all__ = ["File", "parse"]

LINE_LIMIT: Final = 1 << 20  # bytes
_BREATH: Final = 500  # lines between two looks at the rest of the world
_GZIP: Final = b"\x1f\x8b"
_NESTED: Final = {"author_id": "author.id", "handle": "author.handle", "followers": "author.followers"}
_KINDS: Final = frozenset({"post", "reply", "quote", "share"})

_decode = msgspec.json.Decoder().decode


def parse(payload: bytes, settings: Settings, header: tuple[str, ...] | None) -> list[Found]:
    """The post in one line: a JSON object, or with a `header` the row under it."""
    if len(payload) > LINE_LIMIT:
        return [
            Refused(Reason.BAD_FIELD, f"the line is longer than {LINE_LIMIT} bytes", payload[:LINE_LIMIT])
        ]
    try:
        row = _object(payload) if header is None else _row(payload, header, settings.delimiter)
    except (*JSON_TROUBLE, csv.Error, ValueError) as error:
        return [refused(error)]
    try:
        return [_post(row, settings, payload)]
    except (ValueError, TypeError, OverflowError) as error:
        return [refused(ValueError(str(error)))]


def _object(payload: bytes) -> Mapping[str, Any]:
    row = _decode(payload)
    if not isinstance(row, dict):
        raise ValueError("the line is no JSON object")
    return row


def _row(payload: bytes, header: tuple[str, ...], delimiter: str) -> Mapping[str, Any]:
    rows = list(csv.reader(payload.decode().splitlines(keepends=True), delimiter=delimiter, strict=True))
    if len(rows) != 1:
        raise ValueError("the line is no row")
    if len(rows[0]) != len(header):
        raise ValueError(f"the row has {len(rows[0])} columns, and the head of the file {len(header)}")
    return dict(zip(header, rows[0], strict=True))


def _post(row: Mapping[str, Any], settings: Settings, payload: bytes) -> Post:
    def get(field: str) -> Any:
        name = settings.columns.get(field)
        if name is None:
            name = field if field in row else _NESTED.get(field, field)
        value: Any = row.get(name)
        if value is None and "." in name:
            value = row
            for part in name.split("."):
                value = value.get(part) if isinstance(value, dict) else None
        return None if value == "" else value

    def text(field: str, default: str = "") -> str:
        value = get(field)
        if value is None:
            return default
        if isinstance(value, dict | list):
            raise ValueError(f"{field} must be a text")
        return str(value)

    if get("created_at") is None:
        raise ValueError("created_at is missing")
    if get("text") is None and get("brand") is None and settings.brand is None:
        raise ValueError("there is neither a text nor a brand")
    platform = text("platform", settings.platform)

    def named(id: str) -> str:
        return id if ":" in id or not id else f"{platform}:{id}"

    id = named(text("id")) or f"{platform}:{hash64(payload.decode('utf-8', 'replace')):x}"
    parent_id = named(text("parent_id"))
    kind = text("kind", "reply" if parent_id else "post")
    if kind not in _KINDS:
        raise ValueError("kind must be post, reply, quote or share")
    followers = get("followers")
    brand = text("brand", settings.brand or "")
    return Post(
        platform=platform,
        id=id,
        root_id=named(text("thread_id")) or parent_id or id,
        parent_id=parent_id,
        created_ms=moment_ms(get("created_at")),
        author_id=text("author_id", "unknown"),
        handle=text("handle"),
        followers=int(float(followers)) if followers is not None else None,
        kind=cast(Kind, kind),
        text=text("text"),
        lang=text("lang"),
        url=text("url"),
        brands=(brand,) if brand else (),
        edited_ms=moment_ms(edited) if (edited := get("edited_at")) is not None else 0,
    )


class File(Source):
    """The configured files, one after another; with `follow` all of them, as they grow."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self._settings = settings
        self._headers: dict[str, tuple[str, ...]] = {}
        for path in settings.paths:
            if self._form(path) is None:
                raise UnusableError("form", f"{path}: `form` must say whether it is csv or jsonl")

    def parse(self, arrival: Arrival) -> Iterable[Found]:
        """One line."""
        if self._form(Path(arrival.place or self._settings.paths[0])) == "csv":
            if (header := self._headers.get(arrival.place)) is None:
                self._headers[arrival.place] = self._columns(arrival.payload or b"")
                return []
        else:
            header = None
        return parse(arrival.payload or b"", self._settings, header)

    async def arrivals(self, since: Mapping[str, Cursor]) -> AsyncGenerator[Arrival, None]:
        """Lines, each with the byte behind it."""
        readers = [_Reader(path, since.get(str(path))) for path in self._settings.paths]
        try:
            while True:
                read = 0
                for reader in readers:
                    place = str(reader.path)
                    is_csv = self._form(reader.path) == "csv"
                    if is_csv and place not in self._headers:
                        if (head := reader.head()) is None:
                            continue
                        self._headers[place] = self._columns(head)
                    for line, cursor in reader.lines(partial=not self._settings.follow, rows=is_csv):
                        if is_csv and cursor["line"] == 1:
                            continue
                        yield Arrival(line, time.time_ns() // 1_000_000, place, cursor)
                        read += 1
                        if read % _BREATH == 0:
                            await asyncio.sleep(0)
                if not self._settings.follow:
                    return
                if not read:
                    yield Arrival(None, time.time_ns() // 1_000_000)  # a sign of life
                    await asyncio.sleep(self._settings.poll_interval_s)
        finally:
            for reader in readers:
                reader.close()

    def _form(self, path: Path) -> str | None:
        if self._settings.form is not None:
            return self._settings.form
        ends = [one for one in path.suffixes if one != ".gz"]
        return {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}.get(
            ends[-1] if ends else ""
        )

    def _columns(self, head: bytes) -> tuple[str, ...]:
        text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
        return tuple(next(csv.reader([text.strip("\r\n")], delimiter=self._settings.delimiter), []))


class _Reader:
    """One file, open for as long as it is the one that its name means."""

    def __init__(self, path: Path, cursor: Cursor) -> None:
        self.path = path
        self._stream: IO[bytes] | None = None
        self._inode = self._at = self._line = 0
        if isinstance(cursor, dict) and all(
            isinstance(cursor.get(one), int) for one in ("inode", "at", "line")
        ):
            self._inode, self._at, self._line = cursor["inode"], cursor["at"], cursor["line"]

    def head(self) -> bytes | None:
        """The first line; None while there is none."""
        if self._stream is None and not self._open():
            return None
        with _opened(self.path) as stream:
            line = stream.readline(LINE_LIMIT)
        return line if line.endswith(b"\n") else None

    def lines(self, *, partial: bool, rows: bool) -> Iterable[tuple[bytes, Cursor]]:
        """What was written since, line by line; the last one without its end only where `partial`.

        With `rows` a line that ends within quotes goes on in the next.
        """
        if self._stream is None and not self._open():
            return
        stream = cast("IO[bytes]", self._stream)
        while True:
            line = stream.readline(LINE_LIMIT + 1)
            while rows and line.count(b'"') % 2 and len(line) <= LINE_LIMIT and (more := stream.readline()):
                line += more
            size = len(line)
            if not line or not (line.endswith(b"\n") or size > LINE_LIMIT or partial):
                stream.seek(self._at)
                if self._replaced():
                    self.close()
                    self._at = self._line = 0
                return
            while not line.endswith(b"\n") and (rest := stream.readline(1 << 20)):
                size += len(rest)  # the rest of a line that is too long
                if rest.endswith(b"\n"):
                    break
            self._at += size
            self._line += 1
            if stripped := line.strip():
                cursor = {"inode": self._inode, "at": self._at, "line": self._line}
                yield stripped if len(line) <= LINE_LIMIT else line, cursor

    def close(self) -> None:
        """Let go of the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _open(self) -> bool:
        try:
            status = self.path.stat()
            stream = _opened(self.path)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise UnusableError("file", f"{self.path}: can't be read ({error.strerror})") from None
        packed = isinstance(stream, gzip.GzipFile)
        if status.st_ino != self._inode or (not packed and status.st_size < self._at):
            self._inode, self._at, self._line = status.st_ino, 0, 0
        stream.seek(self._at)
        self._stream = stream
        return True

    def _replaced(self) -> bool:
        try:
            status = self.path.stat()
        except OSError:
            return False
        return status.st_ino != self._inode or (
            not isinstance(self._stream, gzip.GzipFile) and status.st_size < self._at
        )


def _opened(path: Path) -> IO[bytes]:
    stream = path.open("rb")
    if stream.read(2) == _GZIP:
        stream.close()
        return cast("IO[bytes]", gzip.open(path, "rb"))
    stream.seek(0, os.SEEK_SET)
    return stream
