"""The form of an authored day: what a brand's TOML file may say. build.py turns it into mentions."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec


class Account(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The brand's own account."""

    id: str
    handle: str
    followers: int


class Amplifier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A far-heard account that shares the root as the storm's `after`-th mention."""

    after: int
    followers: int


class Beat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that must happen in the storm: who answers what, `delay_s` after its `after`-th mention."""

    name: str
    who: Literal["op", "crowd", "canned", "own-words"]
    after: int
    delay_s: int
    to: str  # "root", "crowd" or the name of an earlier beat
    text: str
    opens: str | None = None  # the lines that the crowd turns to


class Crowd(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What strangers say in a storm, by what has happened so far."""

    lines: dict[str, list[str]]  # "before", then what the beats open; each line at most once
    openings: list[str]
    cores: list[str]
    short: list[str]
    quotes: list[str]
    quotes_answered: list[str]  # beside the others, once the desk has answered
    quotes_late: list[str] = []  # instead of the others, once it used its own words


class Storm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One storm: its root, its pace (every `thin`-th real offset, times `stretch`) and its beats."""

    platform: str
    start: str  # HH:MM UTC
    thin: int
    stretch: float
    amplifiers: list[Amplifier]
    root: str
    beats: list[Beat]
    crowd: Crowd


class Calm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One calm thread."""

    root: str
    replies: list[str]
    desk: str
    thanks: str | None = None
    canned: bool = False
    local_time: str | None = None  # HH:MM where the words name the hour
    desk_after_min: int | None = None


class SmallTalk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Lines that fit many calm threads: the crowd's, the desk's, and its text blocks."""

    crowd: list[str]
    asked: list[str]  # under questions only
    desk: list[str]
    canned: list[str]


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the desk says to one of a busy thread's plain lines."""

    to: str
    text: str


class Busy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A harmless thread that fills slowly until midnight: the brand asks, people answer."""

    name: str
    platform: str
    start: str  # HH:MM UTC
    mentions: int
    root: str
    first: list[str]
    second: list[str]
    plain: list[str]
    desk: list[Answer]


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything written about one brand's day."""

    brand: str
    lang: str
    account: Account
    utc_offset_h: int
    desk_hours: tuple[int, int]
    reply_after_median_min: float
    handle_first: list[str]
    handle_second: list[str]
    storm: Storm
    calm: list[Calm]
    small_talk: SmallTalk
    busy: list[Busy]


def read_script(path: Path) -> Script:
    """One brand's TOML file; raises msgspec.ValidationError where it breaks the form above."""
    return msgspec.toml.decode(path.read_bytes(), type=Script)
