"""A setting's line is that of the statement that sets it, however the file is written."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.toml_lines import Lines

TEXT = '''\
# a comment with [people.x] in it

first = 1
dotted.inner.key = """
second = 2
[no.table]
"""
several = [
    "a",  # ]
    "b",
]
[[layers]]
people = ["a"]
[[layers]]
people = ["b"]
last = { here = 1 }
[people."a b"]
x = 1
[dotted.more]
y = 1
'''


@pytest.mark.parametrize(
    ("loc", "line"),
    [
        (("first",), 3),
        (("dotted",), 4),
        (("dotted", "inner", "key"), 4),
        (("several", 1), 8),
        (("layers", 0, "people"), 13),
        (("layers", 1), 14),
        (("layers", 1, "people", 0), 15),
        (("layers", 1, "last", "here"), 16),
        (("people", "a b", "x"), 18),
        (("dotted", "more", "y"), 20),
        (("people", "a b", "missing"), 17),  # the table in which it should stand
        (("layers", "a tag of the validator", 1, "last"), 16),
        (("layers", 7), 12),
        (("missing",), None),
        (("second",), None),
        ((), None),
    ],
)
def test_the_line_of_a_setting(loc: tuple[str | int, ...], line: int | None) -> None:
    assert Lines(TEXT).of(loc) == line


@given(
    st.lists(
        st.sampled_from([*TEXT.splitlines(), "", "a.b = 1", "[t]", "z = [", "]", '"""', "é = 1"]), max_size=12
    )
)
def test_whatever_the_file_the_line_begins_a_file_that_sets_it(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        table: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    for name in table:
        line = Lines(text).of((name,))
        assert line is not None
        assert lines[line - 1].strip() != ""


def test_windows_line_ends_count_as_one() -> None:
    assert Lines("a = 1\r\n\r\nb = 2\r\n").of(("b",)) == 3
