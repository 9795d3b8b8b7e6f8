"""What is wrong with settings, in sentences for an operator: name, mistake, and where it came from.

Law of this file: it reads neither file nor variable, both are given; and it shows no value that may be a
secret, neither one of a table that may hold one nor one under a name that nobody declared.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, NamedTuple, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, SecretStr
from pydantic_core import ErrorDetails

from agents.terminal import safe
from agents.toml_lines import Lines
from streams.params import TOP_1_PCT

__all__ = ["Given", "Place", "sentences", "source_of"]

Place = tuple[str | int, ...]  # the way to a value: names of tables and settings, numbers in lists

# The validator's error types in an operator's words; what is not here keeps the validator's.
_PLAIN: Final = {
    "bool_parsing": "must be true or false",
    "date_from_datetime_parsing": "must be a date such as 2025-01-06",
    "date_type": "must be a date such as 2025-01-06",
    "datetime_from_date_parsing": "must be a date with a time, such as 2025-01-06T08:00:00",
    "datetime_type": "must be a date with a time, such as 2025-01-06T08:00:00",
    "dict_type": "must be a table",
    "finite_number": "must be a finite number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "less_than_equal": "must be at most {le}",
    "missing": "is missing",
    "literal_error": "must be {expected}",
    "model_type": "must be a table",
    "dataclass_type": "must be a table",
    "path_type": "must be a path",
    "string_pattern_mismatch": "must match {pattern}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "string_type": "must be a text",
    "time_parsing": "must be a time of day such as 08:00",
    "time_type": "must be a time of day such as 08:00",
    "too_short": "must have at least {min_length}",
    "tuple_type": "must be a list",
    "union_tag_invalid": "no such kind; there are {expected_tags}",
    "union_tag_not_found": "needs a kind",
    "viral_at": f"must be a whole number from 2 on, or {TOP_1_PCT}",
}
_UNKNOWN: Final = {"extra_forbidden", "unexpected_keyword_argument"}


class Given(NamedTuple):
    """What was read, and as what."""

    declared: type[BaseModel]  # all settings there are
    path: Path | None  # of the settings file; None if there is none
    table: Mapping[str, Any]  # what stands in it
    lines: Lines
    prefix: str
    variables: Mapping[str, str]  # those that are set: name in capitals -> as it is written


def source_of(loc: Place, given: Given) -> str:
    """Where the value at `loc` came from; the longest name that is set decides, as in the reading itself."""
    names = [str(part) for part in loc]
    for depth in range(len(names), 0, -1):
        name = given.prefix + "__".join(names[:depth]).upper()
        if name in given.variables:
            return f"environment variable {safe(given.variables[name])}"
    sources = []
    if given.path is not None and names and names[0] in given.table and (line := given.lines.of(loc)):
        sources.append(f"{safe(str(given.path))}, line {line}")
    below = given.prefix + "__".join(names).upper() + "__"
    if any(name.startswith(below) for name in given.variables):
        sources.append(f"environment variables {below}*")
    return " and ".join(sources) or "default"


def sentences(errors: Iterable[ErrorDetails], given: Given) -> Iterator[str]:
    """One for each; for a size of a storm one for all the ways in which it is neither."""
    neither: set[Place] = set()
    for error in errors:
        loc = error["loc"]
        if "viral_at" not in loc:
            yield _sentence(error, given)
        elif (place := loc[: loc.index("viral_at") + 1]) not in neither:
            neither.add(place)
            yield _sentence({**error, "loc": place, "type": "viral_at"}, given)


def _sentence(error: ErrorDetails, given: Given) -> str:
    written = tuple(part for part in error["loc"] if part != "[key]")
    loc = _declared(given.declared, written)[0]
    if error["type"] in _UNKNOWN:
        loc = (*_declared(given.declared, written[:-1])[0], written[-1])
    name = ".".join(map(str, loc))
    plain = _PLAIN.get(error["type"])
    text = plain.format(**error.get("ctx", {})) if plain else error["msg"].removeprefix("Value error, ")
    if error["type"] in _UNKNOWN:
        # What stands under a name that we don't know may be a mistyped secret: never shown.
        near = difflib.get_close_matches(str(loc[-1]), _names_in(_declared(given.declared, loc[:-1])[1]), n=1)
        text = "there is no such setting" + (f"; is {near[0]} meant?" if near else "")
    elif error["type"] != "value_error" and _may_be_shown(given.declared, loc, error["input"]):
        text += f", not {safe(repr(error['input']))[:80]}"
    return f"{safe(name)}: {text} ({source_of(loc, given)})" if name else text


def _may_be_shown(settings: type[BaseModel], loc: Place, value: object) -> bool:
    """Not in a table that may hold a secret: it may stand in the wrong place."""
    around = [loc] if len(loc) == 1 else [loc, loc[:-1]]
    secret = any(_holds_secret(_declared(settings, one)[1]) for one in around)
    return not secret and isinstance(value, str | int | float | bool)


def _declared(settings: type[BaseModel], loc: Place) -> tuple[Place, Any]:
    """The name of a setting as people write it, and its declared type, None if there is no such setting.

    Where a value may be of several types validators say which they tried; nobody wrote that.
    """
    name: list[str | int] = []
    kind: Any = settings
    for place, part in enumerate(loc):
        if (chosen := _chosen_by(kind, part)) is not None:
            kind = chosen
            continue
        inner = next((one for one in _types_in(kind, part) if one is not None), None)
        if inner is None and place and _is_choice(kind):
            continue
        name.append(part)
        kind = inner
    return tuple(name), kind


def _chosen_by(kind: Any, part: str | int) -> Any:
    """The one of several types whose `kind` this part of a location is; None where it is none."""
    if not _is_choice(kind):
        return None
    for one in get_args(get_args(kind)[0] if get_origin(kind) is Annotated else kind):
        named = one.model_fields.get("kind") if _is_model(one) else None
        if named is not None and part in get_args(named.annotation):
            return one
    return None


def _types_in(kind: Any, part: str | int) -> Iterator[Any]:
    """What may stand under `part` of a value of this type."""
    if _is_model(kind):
        field = next((f for n, f in kind.model_fields.items() if part in (n, f.alias)), None)
        yield None if field is None else field.annotation
    elif dataclasses.is_dataclass(kind) and isinstance(kind, type):
        yield get_type_hints(kind).get(str(part))
    elif get_origin(kind) is dict:
        yield get_args(kind)[1]
    elif get_origin(kind) is tuple:
        yield get_args(kind)[0]
    else:  # a choice between types, or one that carries limits
        for one in get_args(kind):
            yield from _types_in(one, part)


def _is_choice(kind: Any) -> bool:
    if get_origin(kind) is Annotated:
        return _is_choice(get_args(kind)[0])
    return get_origin(kind) in (Union, UnionType)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _holds_secret(kind: Any) -> bool:
    """Whether a value of this type may hold a secret, however deep; what is not known may be one."""
    if _is_model(kind):
        return any(_holds_secret(field.annotation) for field in kind.model_fields.values())
    return kind in (None, SecretStr) or any(_holds_secret(one) for one in get_args(kind))


def _names_in(kind: Any) -> list[str]:
    """The names of the settings within a table."""
    if _is_model(kind):
        return list(kind.model_fields)
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    return [name for one in get_args(kind) for name in _names_in(one)]
