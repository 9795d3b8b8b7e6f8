"""The live thresholds of a worker, and the commands that change them, on a topic that is a list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

import agents.clients
from agents.cli import cli
from agents.clients import Record
from agents.settings import Settings
from agents.thresholds import LiveThresholds, Told, summed
from streams.params import ThreadParams

BASE = ThreadParams()


def value(**fields: Any) -> bytes:
    said = {"thresholds": fields, "who": "on-call", "why": "a test", "at": "2026-01-31T12:00:00Z"}
    return json.dumps(said).encode()


@pytest.fixture
def live(clean_settings: Path) -> LiveThresholds:
    return LiveThresholds(Settings())


def test_a_change_holds_at_once_and_for_its_brand_alone(live: LiveThresholds) -> None:
    live.take(b"acme", value(page=0.6), "here")
    assert live.params_for("acme").page == 0.6
    assert live.params_for("other") == BASE
    live.take(b"acme", None, "here")
    assert live.params_for("acme") == BASE
    assert (live.changed, live.refused) == (2, 0)


@pytest.mark.parametrize(
    ("key", "bad", "says"),
    [
        (b"acme", b"\xff{", "no JSON"),
        (b"acme", value(page=0.9, warn=0.95, release=3), "release must"),
        (b"acme", value(pgae=0.9), "is page meant"),
        (b"no brand\x1b[2J", value(page=0.9), "the key"),
        (None, value(page=0.9), "the key"),
    ],
)
def test_a_bad_record_is_refused_logged_and_counted(
    live: LiveThresholds, caplog: pytest.LogCaptureFixture, key: bytes, bad: bytes, says: str
) -> None:
    """And what held before holds on, in all of it."""
    live.take(b"acme", value(page=0.6), "thresholds/0@0")
    before = live.now
    live.take(key, bad, "thresholds/0@1")
    assert live.now is before
    assert live.refused == 1
    assert [record.levelname for record in caplog.records if "refused" in record.message] == ["WARNING"]
    assert says in caplog.text
    assert "thresholds/0@1" in caplog.text
    assert "\x1b" not in caplog.text


def test_second_sets_cost_nothing_until_there_is_one(live: LiveThresholds) -> None:
    assert live.beside() is None
    live.take(b"shadow:acme", value(page=0.6), "here")
    beside_of = live.beside()
    assert beside_of is not None
    assert beside_of("other") is None
    assert (one := beside_of("acme")) is not None
    assert one.params.page == 0.6
    live.take(b"shadow:acme", value(), "here")
    assert live.beside() is None


def told(partition: int, since_ms: int, pages: int) -> Told:
    counts = {"watch": 1, "warn": 0, "page": pages}
    return Told("acme", partition, since_ms, counts, counts, pages, 0, 1)


def test_the_partitions_of_a_brand_are_summed_for_its_latest_set() -> None:
    sums = summed([told(0, 5, 2), told(1, 4, 90), told(2, 5, 3)])
    levels = {"watch": 2, "warn": 0, "page": 5}
    assert sums == {"acme": Told("acme", -1, 5, levels, levels, 5, 0, 2)}


class Topics:
    """The broker: what was sent to each topic."""

    def __init__(self) -> None:
        self.records: dict[str, list[Record]] = {}

    def read(self, settings: Settings, topic: str) -> Iterator[Record]:
        return iter(self.records.get(topic, []))

    @contextmanager
    def sender(self, settings: Settings, topic: str) -> Iterator[Any]:
        rows = self.records.setdefault(topic, [])

        class Sender:
            def send(self, key: bytes, content: bytes) -> None:
                rows.append(Record(0, len(rows), 0, key, content, {}))

        yield Sender()

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(cli, ["thresholds", *words])

    def json(self, *words: str) -> list[Any]:
        result = self.run(*words, "--json")
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in result.stdout.splitlines()]

    def set(self, *words: str) -> Any:
        return self.json("set", *words, "--why", "a test", "--who", "on-call")[0]


@pytest.fixture
def topic(clean_settings: Path, monkeypatch: pytest.MonkeyPatch) -> Topics:
    (clean_settings / "flashover.toml").write_text("[brands.big]\nviral_at = 900\n")
    fake = Topics()
    monkeypatch.setattr(agents.clients, "read", fake.read)
    monkeypatch.setattr(agents.clients, "sender", fake.sender)
    return fake


def test_set_and_get(topic: Topics) -> None:
    """One change goes on from the other, and the worker takes what was sent."""
    assert topic.json("get", "acme")[0]["change"] is None
    topic.set("acme", "page=0.6")
    assert topic.set("acme", "min_authors=9")["set"]
    (got,) = topic.json("get", "acme")
    assert (got["thresholds"]["page"], got["thresholds"]["min_authors"]) == (0.6, 9)
    assert (got["change"]["who"], got["change"]["why"]) == ("on-call", "a test")
    live = LiveThresholds(Settings())
    for record in topic.records["thresholds"]:
        live.take(record.key, record.value, "here")
    assert live.params_for("acme") == ThreadParams(page=0.6, min_authors=9)
    assert "min_authors=9" in topic.run("get").stdout
    assert topic.json("get")[0]["changes"] == [got["change"]]


def test_what_a_brand_has_from_elsewhere_it_keeps(topic: Topics) -> None:
    """Its first own change goes on from `*`, but for its own size of a storm; a shadow from the live one."""
    topic.set("*", "page=0.6", "viral_at=50")
    assert topic.set("acme", "min_authors=9")["thresholds"]["viral_at"] == 50
    big = topic.set("big", "min_authors=9")["thresholds"]
    assert (big["viral_at"], big["page"], big["min_authors"]) == (900, 0.6, 9)
    topic.set("*", "--shadow", "page=0.9")
    shadow = topic.set("acme", "--shadow", "warn=0.4")["thresholds"]
    assert (shadow["page"], shadow["warn"], shadow["min_authors"]) == (0.6, 0.4, 9)
    assert topic.json("get", "acme")[0]["thresholds"]["warn"] == BASE.warn
    assert topic.json("get", "big", "--shadow")[0]["thresholds"] is None


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["acme", "page=2", "release=2"], 1, ["watch < warn < page", "release"]),
        (["acme", "pgae=0.6", "viral_at=10.5"], 1, ["is page meant", "whole number"]),
        (["acme", "page=nan"], 1, ["page"]),
        (["acme", "page=inf"], 1, ["page"]),
        (["acme", "viral_at=nan"], 1, ["viral_at"]),
        (["acme", "page"], 2, ["page=0.6"]),
        (["Ac me", "page=0.6"], 2, ["neither a brand"]),
        (["shadow:acme", "page=0.6"], 2, ["neither a brand"]),
        (["acme"], 2, ["Missing argument"]),
    ],
)
def test_nonsense_is_not_sent(topic: Topics, words: list[str], code: int, says: list[str]) -> None:
    """All that is wrong is said at once, and nothing reaches the topic."""
    result = topic.run("set", *words, "--why", "a test", "--who", "on-call")
    assert result.exit_code == code, result.output
    for one in says:
        assert one in result.output
    assert not topic.records.get("thresholds")


def test_nothing_changes_without_a_reason(topic: Topics) -> None:
    assert "--why" in topic.run("set", "acme", "page=0.6").output
    assert topic.run("set", "acme", "page=0.6", "--why", " ").exit_code == 1
    assert not topic.records.get("thresholds")


def test_history_and_unset(topic: Topics) -> None:
    """The history says who took a change back, and leaves out what was never taken."""
    topic.set("acme", "page=0.6")
    topic.records["thresholds"].append(Record(0, 1, 0, b"acme", b"{", {}))
    topic.set("other", "page=0.7")
    topic.json("unset", "acme", "--why", "enough", "--who", "night shift")
    rows = topic.json("history", "acme")
    assert [(row["thresholds"], row["who"]) for row in rows] == [
        ({"page": 0.6}, "on-call"),
        ({}, "night shift"),
    ]
    assert len(topic.json("history")) == 3
    assert "1 records on the topic were refused" in topic.run("history").stderr
    assert topic.json("get", "acme")[0]["thresholds"]["page"] == BASE.page


def test_shadow_sums_the_last_record_of_each_partition(topic: Topics) -> None:
    rows = [told(0, 5, 1), told(1, 5, 1), told(0, 5, 2)]
    topic.records["shadow"] = [
        Record(0, number, 0, b"acme/%d" % one.partition, msgspec.json.encode(one), {})
        for number, one in enumerate(rows)
    ] + [Record(0, 3, 0, b"?", b"{", {})]
    (shown,) = topic.json("shadow")
    assert (shown["brand"], shown["both"], shown["only_shadow"], shown["live"]["page"]) == ("acme", 3, 2, 3)
    assert "page 3 -> 3; threads paged for: both 3" in topic.run("shadow").stdout
    assert topic.json("shadow", "other") == []
