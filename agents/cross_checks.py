"""What the tables of people, rotations, needs and ladders say wrongly of each other.

Law of this file: it takes the tables as they were written, right or wrong in themselves, so that one mistake
hides no other; a name that leads nowhere is told with the name that may have been meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from agents.on_call.people import meant
from agents.terminal import safe
from streams.roster import EVERYONE

__all__ = ["Problem", "cross_checks"]

Problem = tuple[tuple[str | int, ...], str]  # where, and what is wrong there

_CONDITIONS: Final = ("brands", "words", "languages", "replies", "reasons")


def cross_checks(table: Mapping[str, Any]) -> Iterator[Problem]:
    """All such mistakes in the settings' tables."""
    yield from _people(table)
    yield from _rotations(table)
    yield from _needs(table)
    yield from _ladders(table)


def _people(table: Mapping[str, Any]) -> Iterator[Problem]:
    channels = _mapping(table.get("channels"))
    for name, person in _tables(table, "people").items():
        yield from _reserved("people", name)
        yield from _unknown(("people", name, "channels"), _texts(person, "channels"), channels, "channel")
        own, limits = _texts(person, "authorities"), _mapping(person.get("limits"))
        yield from _unknown(("people", name, "limits"), limits, own, "authority of this person")


def _rotations(table: Mapping[str, Any]) -> Iterator[Problem]:
    people = _tables(table, "people")
    for name, rotation in _tables(table, "rotations").items():
        yield from _reserved("rotations", name)
        if name in people:
            yield ("rotations", name), "a person has this name, too"
        for part, keys in (("layers", ("people",)), ("overrides", ("person", "instead_of"))):
            for number, piece in _pieces(rotation, part):
                for key in keys:
                    where = ("rotations", name, part, number, key)
                    yield from _unknown(where, _texts(piece, key), people, "person")


def _needs(table: Mapping[str, Any]) -> Iterator[Problem]:
    people, brands = _tables(table, "people"), _tables(table, "brands")
    authorities = {one for person in people.values() for one in _texts(person, "authorities")}
    defaults = []
    for name, need in _tables(table, "needs").items():
        own, amounts = _texts(need, "authorities"), _mapping(need.get("amounts"))
        if people:
            yield from _unknown(("needs", name, "authorities"), own, authorities, "authority of anybody's")
        yield from _unknown(("needs", name, "amounts"), amounts, own, "authority of this need")
        yield from _unknown(("needs", name, "brands"), _texts(need, "brands"), brands, "brand")
        if not any(need.get(key) for key in _CONDITIONS):
            defaults.append(name)
    for name in defaults[1:]:
        yield ("needs", name), f"it sets no condition, and {safe(defaults[0])} is the default already"


def _ladders(table: Mapping[str, Any]) -> Iterator[Problem]:
    known = {*_tables(table, "people"), *_tables(table, "rotations"), EVERYONE}
    brands = _tables(table, "brands")
    owner: dict[str | None, str] = {}
    for name, ladder in _tables(table, "ladders").items():
        for number, piece in _pieces(ladder, "steps"):
            where = ("ladders", name, "steps", number, "whom")
            yield from _unknown(where, _texts(piece, "whom"), known, "person or rotation")
        yield from _unknown(("ladders", name, "brands"), _texts(ladder, "brands"), brands, "brand")
        for brand in _texts(ladder, "brands") or (None,):
            if (first := owner.setdefault(brand, name)) != name:
                what = "brands without their own" if brand is None else safe(brand)
                yield ("ladders", name), f"the ladder of {what} is {safe(first)} already"


def _reserved(table: str, name: str) -> Iterator[Problem]:
    if name == EVERYONE:
        yield (table, name), "this name means all people"


def _unknown(
    loc: tuple[str | int, ...], named: Iterable[str], known: Iterable[str], what: str
) -> Iterator[Problem]:
    known = set(known)
    for one in named:
        if one not in known:
            yield loc, f"'{safe(one)}' is no {what}{meant(one, known)}"


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _tables(table: Mapping[str, Any], name: str) -> dict[str, dict[str, Any]]:
    return {key: _mapping(value) for key, value in _mapping(table.get(name)).items()}


def _pieces(table: Mapping[str, Any], name: str) -> list[tuple[int, dict[str, Any]]]:
    pieces = table.get(name)
    return [(i, _mapping(one)) for i, one in enumerate(pieces)] if isinstance(pieces, list) else []


def _texts(table: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = table.get(name)
    found = value if isinstance(value, list) else [value]
    return tuple(one for one in found if isinstance(one, str))
