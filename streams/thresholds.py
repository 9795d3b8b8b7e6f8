"""Thresholds that change while a worker runs: what a change says, and what then holds for a brand.

Law of this file: a change is right in all of it, or refused with everything that is wrong with it; nothing is
half-applied. Each change says all that differs from the settings, so keys never depend on each other: what
holds follows from the last good change of each key, in whatever order they came.

A key is a brand, or `*` for every brand without a change of its own; `shadow:` before it makes it one of a
second set that only counts (`streams.shadow`). A brand's own `viral_at` in the settings stands above `*`.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from streams.params import TOP_1_PCT, ThreadParams, ViralAt
from streams.shadow import Beside

__all__ = [
    "EVERY_BRAND",
    "FIELDS",
    "Change",
    "Key",
    "Refused",
    "Thresholds",
    "decode",
    "encode",
    "key_of",
    "shown",
]

EVERY_BRAND: Final = "*"
_SHADOW: Final = "shadow:"
_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_TEXT_LIMIT: Final = 1000  # characters of who and why
_RECORD_LIMIT: Final = 64 * 1024  # bytes

#: Every threshold by name, and whether it is a whole number.
FIELDS: Final[Mapping[str, bool]] = {
    one.name: isinstance(one.default, int) for one in dataclasses.fields(ThreadParams)
}


class Key(NamedTuple):
    """Whom a change is for."""

    brand: str  # a slug, or `*`
    shadow: bool = False

    def __str__(self) -> str:
        return _SHADOW + self.brand if self.shadow else self.brand


class Change(NamedTuple):
    """A brand's thresholds from now on, where they differ from the settings; who said so, and why."""

    key: Key
    fields: Mapping[
        str, float | str
    ]  # a text for `viral_at` alone; none: the key has no thresholds of its own any more
    who: str
    why: str
    at_ms: int  # since the epoch, UTC


class Refused(NamedTuple):
    """A change that does not hold, and everything that is wrong with it."""

    reasons: tuple[str, ...]


def key_of(raw: bytes | None) -> Key | None:
    """The key of a record; None for anything that is none."""
    try:
        text = (raw or b"").decode()
    except UnicodeDecodeError:
        return None
    brand = text.removeprefix(_SHADOW)
    return Key(brand, brand != text) if brand == EVERY_BRAND or _SLUG.fullmatch(brand) else None


def encode(change: Change, at: str) -> tuple[bytes, bytes]:
    """Key and value of a record; `at` is `change.at_ms` as RFC 3339."""
    value = {"thresholds": dict(change.fields), "who": change.who, "why": change.why, "at": at}
    return str(change.key).encode(), msgspec.json.encode(value)


def decode(raw_key: bytes | None, value: bytes | None) -> Change | Refused:
    """A record of the topic `thresholds`. No value (a tombstone) is a change to none, by nobody.

    Only its form and its names are looked at; `Thresholds.after` says whether the numbers go together.
    """
    key = key_of(raw_key)
    wrong = [] if key else ["the key is neither a brand nor `*`, with or without `shadow:` before it"]
    if value is None:
        return Change(key, {}, "", "", 0) if key else Refused(tuple(wrong))
    content: Any = None
    if len(value) > _RECORD_LIMIT:
        wrong.append(f"it has {len(value)} bytes, and may have {_RECORD_LIMIT}")
    else:
        try:
            content = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            wrong.append("the value is no JSON")
        else:
            if not isinstance(content, dict):
                wrong.append("the value is no JSON object")
    if not isinstance(content, dict):
        return Refused(tuple(wrong))
    fields: dict[str, float | str] = {}
    given = content.get("thresholds")
    if not isinstance(given, dict):
        wrong.append("`thresholds` must be an object of names and numbers")
    else:
        for name, number in given.items():
            if (problem := _problem(name, number)) is not None:
                wrong.append(problem)
            else:
                fields[name] = (
                    number if number == TOP_1_PCT else int(number) if FIELDS[name] else float(number)
                )
    for name in ("who", "why"):
        text = content.get(name)
        if not isinstance(text, str) or not text.strip() or len(text) > _TEXT_LIMIT:
            wrong.append(f"`{name}` must be a text of 1 to {_TEXT_LIMIT} characters")
    at_ms = _moment_ms(content.get("at"))
    if at_ms is None:
        wrong.append("`at` must be a time as RFC 3339, with offset")
    if wrong or key is None or at_ms is None:
        return Refused(tuple(wrong))
    return Change(key, fields, content["who"], content["why"], at_ms)


def shown(value: float | str) -> str:
    """A threshold for people."""
    return value if isinstance(value, str) else f"{value:g}"


def _problem(name: str, number: object) -> str | None:
    if name not in FIELDS:
        near = difflib.get_close_matches(name, FIELDS, n=1)
        return f"there is no threshold {name[:40]!r}" + (f"; is {near[0]} meant?" if near else "")
    if name == "viral_at" and number == TOP_1_PCT:
        return None
    if isinstance(number, bool) or not isinstance(number, int | float):
        return f"{name} must be a number" + (f", or {TOP_1_PCT}" if name == "viral_at" else "")
    if FIELDS[name] and number != int(number):
        return f"{name} must be a whole number, not {number}"
    return None


def _moment_ms(text: object) -> int | None:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
        return None if moment is None or moment.tzinfo is None else round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True)
class Thresholds:
    """What holds now: `base` and `viral_at` (by brand) from the settings, and the changes above them.

    Every look-up takes constant time.
    """

    base: ThreadParams
    viral_at: Mapping[str, ViralAt] = field(default_factory=dict)
    changes: Mapping[Key, Change] = field(default_factory=dict)
    _live: Mapping[str, ThreadParams] = field(init=False, repr=False)
    _beside: Mapping[str, Beside | None] = field(init=False, repr=False)
    _default: ThreadParams = field(init=False, repr=False)
    _default_beside: Beside | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Look up once, here, what will be asked for with every mention. Raises ValueError for nonsense."""
        changes, every = self.changes, self.changes.get(Key(EVERY_BRAND))
        default = self._with(self.base, every)
        live = {brand: dataclasses.replace(default, viral_at=at) for brand, at in self.viral_at.items()}
        shadow_every = changes.get(Key(EVERY_BRAND, True))
        default_beside = self._shadow(self.base, shadow_every)
        beside = {
            brand: self._shadow(self.base, shadow_every, {"viral_at": at})
            for brand, at in self.viral_at.items()
        }
        for key, change in changes.items():
            if key.brand != EVERY_BRAND and not key.shadow:
                live[key.brand] = self._with(self._base(key.brand), change)
                beside[key.brand] = None  # a new default would not move it
        for key, change in changes.items():
            if key.brand != EVERY_BRAND and key.shadow:
                beside[key.brand] = self._shadow(self._base(key.brand), change)
        for name, value in (
            ("_live", live),
            ("_beside", beside),
            ("_default", default),
            ("_default_beside", default_beside),
        ):
            object.__setattr__(self, name, value)

    def live(self, brand: str) -> ThreadParams:
        """The thresholds of a brand's threads."""
        return self._live.get(brand, self._default)

    def beside(self, brand: str) -> Beside | None:
        """Its second set, if there is one."""
        return self._beside.get(brand, self._default_beside)

    @property
    def has_shadow(self) -> bool:
        """Whether any brand has a second set."""
        return any(key.shadow for key in self.changes)

    def holds(self, key: Key) -> Change | None:
        """The change that decides for a key: its own, else that of `*`, live or shadow as the key is."""
        return self.changes.get(key) or self.changes.get(Key(EVERY_BRAND, key.shadow))

    def after(self, change: Change) -> Thresholds | Refused:
        """What holds after a change, or everything that is wrong with its numbers."""
        changes = {key: one for key, one in self.changes.items() if key != change.key}
        if change.fields:
            try:
                self._with(self._base(change.key.brand), change)
            except ValueError as error:
                return Refused(tuple(str(error).split("; ")))
            changes[change.key] = change
        return Thresholds(self.base, self.viral_at, changes)

    def _base(self, brand: str) -> ThreadParams:
        own = self.viral_at.get(brand)
        return self.base if own is None else dataclasses.replace(self.base, viral_at=own)

    def _with(
        self, base: ThreadParams, change: Change | None, above: Mapping[str, ViralAt] | None = None
    ) -> ThreadParams:
        fields: dict[str, Any] = {**(change.fields if change else {}), **(above or {})}
        return dataclasses.replace(base, **fields) if fields else base

    def _shadow(
        self, base: ThreadParams, change: Change | None, above: Mapping[str, ViralAt] | None = None
    ) -> Beside | None:
        return None if change is None else Beside(self._with(base, change, above), change.at_ms)
