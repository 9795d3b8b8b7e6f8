"""Files of mentions are read line by line, whatever is in them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from agents.errors import InputError
from agents.files import Line, read_lines, size_of


def lines(*files: Path, limit: int = 1000) -> list[Line]:
    return list(read_lines([str(one) for one in files], limit, lambda _: None))


def test_numbers_count_every_line_and_blank_ones_are_no_records(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbfone\r\n\n  \ntwo\nlast")
    assert [(one.number, one.raw) for one in lines(path)] == [(1, b"one"), (4, b"two"), (5, b"last")]


def test_gzip_is_known_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "misnamed.jsonl"
    path.write_bytes(gzip.compress(b"one\n") + gzip.compress(b"two\n"))
    assert [one.raw for one in lines(path)] == [b"one", b"two"]


def test_a_line_beyond_the_limit_comes_cut_and_the_next_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"x" * 10 + b"\n" + b"y" * 5_000_000 + b"\n" + b"z\n")
    assert [(one.number, one.raw, one.whole) for one in lines(path, limit=10)] == [
        (1, b"x" * 10, True),
        (2, b"y" * 10, False),
        (3, b"z", True),
    ]


def test_a_broken_gzip_ends_in_an_error_that_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(gzip.compress(b"one\n" * 10_000)[:-20])
    with pytest.raises(InputError, match=r"cut\.jsonl\.gz: the gzip file is broken after line \d+"):
        lines(path)


def test_progress_adds_up_to_the_size(tmp_path: Path) -> None:
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"]
    paths[0].write_bytes(b"one\n" * 10_000)
    paths[1].write_bytes(gzip.compress(b"one\n" * 10_000))
    heard: list[int] = []
    names = [str(one) for one in paths]
    assert sum(1 for _ in read_lines(names, 100, heard.append)) == 20_000
    assert sum(heard) == size_of(names)
    assert size_of([*names, "-"]) is None
