"""Files of posts: every line once, however often the process dies, whatever stands in a line."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from agents.source_settings import File as Settings
from agents.sources.file import LINE_LIMIT, File, parse
from agents.sources.source import Context, UnusableError
from streams.post import Post, Refused
from tests.agents.sources.world import Kept, check_hostile, follow


def source_of(*paths: Path, **more: Any) -> File:
    return File(Settings(kind="file", paths=paths, poll_interval_s=0.1, **more), Context("here"))


def line(number: int, text: str = "Murmeltel", **more: Any) -> str:
    return json.dumps(
        {"id": str(number), "created_at": "2026-05-28T20:00:00Z", "author_id": "ann", "text": text} | more
    )


def read(source: File, **more: Any) -> Kept:
    kept = Kept()
    asyncio.run(follow(source, kept, lambda: False, **more))
    return kept


def test_json_lines_have_the_names_of_the_fields_or_those_of_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    path.write_text(line(1) + "\n" + line(2, parent_id="1", text="me too") + "\n")
    kept = read(source_of(path, platform="forum"))
    assert [(m["id"], m["thread_id"], m["kind"]) for _, m, _ in kept.mentions] == [
        ("forum:1", "forum:1", "post"),
        ("forum:2", "forum:1", "reply"),
    ]
    path.write_text(
        json.dumps({"Wer": {"name": "bob"}, "Was": "Murmeltel", "Wann": 1_779_999_000_000}) + "\n"
    )
    columns = {"author_id": "Wer.name", "text": "Was", "created_at": "Wann"}
    ((_, mention, _),) = read(source_of(path, columns=columns)).mentions
    assert (mention["author"]["id"], mention["text"]) == ("bob", "Murmeltel")
    assert mention["id"].startswith("file:")


def test_rows_of_csv_may_hold_quotes_and_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text(
        "id;created_at;text\n"
        '1;2026-05-28T20:00:00Z;"Murmeltel;\nsays ""no"""\n'
        "2;2026-05-28T20:01:00Z;Murmeltel\n"
    )
    kept = read(source_of(path, delimiter=";"))
    assert kept.texts() == ['Murmeltel;\nsays "no"', "Murmeltel"]


def test_a_wrong_line_is_refused_and_the_next_is_read(tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    path.write_bytes(
        b"[]\n{\n"
        + b"x" * (LINE_LIMIT + 5_000)
        + b"\n"
        + line(1, created_at="soon").encode()
        + b"\n\xff\n"
        + line(2).encode()
    )
    kept = read(source_of(path))
    assert kept.ids() == ["file:2"]
    assert [one[2]["reason"].decode() for one in kept.rejects] == [
        "bad-field", "not-json", "bad-field", "bad-field", "not-json",
    ]  # fmt: skip
    assert len(kept.rejects[2][1] or b"") == LINE_LIMIT


@pytest.mark.parametrize("packed", [False, True])
def test_a_killed_source_goes_on_behind_the_last_line(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / ("posts.jsonl.gz" if packed else "posts.jsonl")
    body = "".join(line(number) + "\n" for number in range(8_000)).encode()
    path.write_bytes(gzip.compress(body) if packed else body)
    first, second = Kept(), Kept()
    asyncio.run(follow(source_of(path), first, lambda: len(first.mentions) > 300))
    since = {str(path): first.cursors["here", str(path)]}
    asyncio.run(follow(source_of(path), second, lambda: False, since))
    assert len(first.mentions) < 8_000
    assert [*first.ids(), *second.ids()] == [f"file:{number}" for number in range(8_000)]
    asyncio.run(
        follow(source_of(path), second, lambda: False, {str(path): second.cursors["here", str(path)]})
    )
    assert len(first.mentions) + len(second.mentions) == 8_000


def test_a_file_is_followed_as_it_grows_and_when_it_is_replaced(tmp_path: Path) -> None:
    """A line without its end is waited for; a new file of the same name is read from its beginning."""
    path = tmp_path / "posts.jsonl"
    kept = Kept()

    async def arrived(count: int) -> None:
        while len(kept.mentions) < count:  # noqa: ASYNC110 - what is waited for knows no event
            await asyncio.sleep(0.01)

    async def write() -> None:
        with path.open("w") as out:
            out.write(line(1) + "\n" + line(2)[:20])
            out.flush()
            await arrived(1)
            out.write(line(2)[20:] + "\n")
        await arrived(2)
        path.rename(tmp_path / "posts.jsonl.1")
        path.write_text(line(3) + "\n")

    async def run() -> None:
        writing = asyncio.ensure_future(write())
        await follow(source_of(path, follow=True), kept, lambda: len(kept.mentions) == 3)
        await writing

    asyncio.run(run())
    assert kept.ids() == ["file:1", "file:2", "file:3"]


def test_ten_thousand_malformed_lines_end_in_rejects(tmp_path: Path) -> None:
    payloads = [line(1).encode(), line(2, parent_id="1", followers=7).encode()]
    assert check_hostile(source_of(tmp_path / "posts.jsonl"), payloads) > 5_000


def test_a_row_must_have_as_many_columns_as_the_head() -> None:
    settings = Settings(kind="file", paths=(Path("x.csv"),))
    header = ("created_at", "text")
    (found,) = parse(b"2026-05-28T20:00:00Z,hello", settings, header)
    assert isinstance(found, Post)
    (found,) = parse(b"2026-05-28T20:00:00Z", settings, header)
    assert found == Refused(found.reason, "the row has 1 columns, and the head of the file 2")  # type: ignore[union-attr]


def test_the_form_must_be_known(tmp_path: Path) -> None:
    with pytest.raises(UnusableError, match="csv or jsonl"):
        source_of(tmp_path / "posts.txt")
