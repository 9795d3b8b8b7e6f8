"""The settings of who may decide: people, rotations, needs, ladders; and what they say of each other.

Law of this file: a table that is right by itself is told by its model, a name that leads nowhere by
`crossed`, which takes the tables as they were written: one mistake hides no other. Nothing is read here.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from agents.terminal import safe
from streams import authority, needs, rotation
from streams.incident import Ladder, Rung
from streams.roster import EVERYONE

__all__ = ["LadderTable", "Need", "Person", "Problem", "RotationTable", "crossed"]

SLUG: Final = r"^[a-z0-9][a-z0-9_.-]*$"
_EARLIEST: Final = date(1970, 1, 2)
_LATEST: Final = date(2200, 1, 1)

Name = Annotated[str, Field(max_length=64, pattern=SLUG)]
Tag = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]  # a language's primary tag
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WEEKDAYS: Final[tuple[Weekday, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Person(_Table):
    """A role that can be paged: what it may decide alone, in which languages, by which channels.

    `limits`: up to which amount an authority goes. `known_as`: how calendars call it beside its name.
    """

    authorities: tuple[Name, ...] = ()
    limits: dict[Name, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    languages: tuple[Tag, ...] = Field(default=("en",), min_length=1)
    channels: tuple[str, ...] = ()  # names from [channels], best first
    time_zone: str | None = (
        None  # for the times in a page; absent: that of the first rotation with them in it
    )
    known_as: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = ()

    @field_validator("time_zone")
    @classmethod
    def _zone_is_known(cls, name: str | None) -> str | None:
        return name if name is None else _known_zone(name)

    def person(self, name: str, zone: str) -> authority.Person:
        """For the core; `zone` where none is set here."""
        may = frozenset(self.authorities)
        limits = dict(self.limits)
        return authority.Person(name, may, limits, self.languages, self.channels, self.time_zone or zone)


class LayerTable(_Table):
    """People in turn. Dates and clock times are those of the rotation's time zone."""

    people: tuple[str, ...] = Field(min_length=1)
    starts: date = Field(ge=_EARLIEST, le=_LATEST)  # the day of the first hand-over
    hand_over: time = time(8)
    days: int = Field(default=7, ge=1, le=366)  # from one hand-over to the next
    hours: tuple[time, time] | None = None  # from, until
    weekdays: tuple[Weekday, ...] = Field(default=_WEEKDAYS, min_length=1)

    @field_validator("hand_over", "hours")
    @classmethod
    def _have_no_zone(cls, value: time | tuple[time, time] | None) -> time | tuple[time, time] | None:
        for one in value if isinstance(value, tuple) else (value,):
            if one is not None and one.tzinfo is not None:
                raise ValueError("a clock time has no offset: it is that of time_zone")
        return value

    def layer(self, zone: ZoneInfo) -> rotation.Layer:
        """For the core."""
        weekdays = frozenset(_WEEKDAYS.index(one) for one in self.weekdays)
        return rotation.Layer(self.people, zone, self.starts, self.hand_over, self.days, self.hours, weekdays)


class OverrideTable(_Table):
    """Who stands in, from `starts` until `ends`; a time without an offset is that of the rotation."""

    person: str
    starts: datetime
    ends: datetime
    instead_of: str | None = None

    def override(self, zone: ZoneInfo) -> rotation.Override:
        """For the core."""
        return rotation.Override(_ms(self.starts, zone), _ms(self.ends, zone), self.person, self.instead_of)

    @field_validator("starts", "ends")
    @classmethod
    def _lie_within_reason(cls, moment: datetime) -> datetime:
        if not _EARLIEST <= moment.date() <= _LATEST:
            raise ValueError(f"must be from {_EARLIEST} to {_LATEST}")
        return moment


class RotationTable(_Table):
    """Who is on call: layers side by side, or a calendar, and overrides on top of either."""

    time_zone: str = "UTC"
    layers: tuple[LayerTable, ...] = ()
    overrides: tuple[OverrideTable, ...] = ()
    calendar_file: Path | None = None  # iCalendar
    calendar_url: SecretStr | None = None  # https://, http:// or webcal://; who knows it can read it

    @field_validator("time_zone")
    @classmethod
    def _zone_is_known(cls, name: str) -> str:
        return _known_zone(name)

    @field_validator("calendar_url")
    @classmethod
    def _url_is_one(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None:
            return None
        scheme, _, rest = url.get_secret_value().partition("://")
        if scheme.lower() not in ("https", "http", "webcal") or not rest.strip("/"):
            raise ValueError("must begin with https://, http:// or webcal://")
        return url

    @model_validator(mode="after")
    def _is_whole(self) -> RotationTable:
        if not self.layers and self.calendar_file is None and self.calendar_url is None:
            raise ValueError("it needs layers, calendar_file or calendar_url")
        for number, one in enumerate(self.overrides):
            if _ms(one.ends, self.zone) <= _ms(one.starts, self.zone):
                raise ValueError(f"override {number + 1} ends before it starts")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The clock of its hand-overs."""
        return ZoneInfo(self.time_zone)

    def rotation(self, agendas: Iterable[rotation.Agenda] = ()) -> rotation.Rotation:
        """For the core, with what its calendars say now."""
        layers = tuple(one.layer(self.zone) for one in self.layers)
        overrides = tuple(one.override(self.zone) for one in self.overrides)
        return rotation.Rotation((*layers, *agendas), overrides)


class Need(_Table):
    """A kind of case, and which authorities it needs; see `streams.needs`."""

    authorities: tuple[Name, ...] = ()
    amounts: dict[Name, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    brands: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    languages: tuple[Tag, ...] = ()
    replies: tuple[Literal["none", "canned", "own-words"], ...] = ()
    reasons: tuple[str, ...] = ()  # of alerts

    @field_validator("words")
    @classmethod
    def _words_are_something(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        try:
            needs.Need("", (), words=words)
        except ValueError:
            raise ValueError("a word has 1 to 200 characters beside its stars") from None
        return words

    def need(self, name: str) -> needs.Need:
        """For the core."""
        return needs.Need(
            name,
            self.authorities,
            dict(self.amounts),
            self.brands,
            self.words,
            self.languages,
            self.replies,
            self.reasons,
        )


class StepTable(_Table):
    """Whom (rotations, people, `everyone`), and how long to wait for an answer."""

    whom: tuple[str, ...] = Field(min_length=1)
    wait_s: float = Field(default=300.0, gt=0, le=7 * 86_400)


class LadderTable(_Table):
    """Steps, for `brands` or for all without a ladder of their own; `repeat` more times, absent: for ever."""

    steps: tuple[StepTable, ...] = Field(min_length=1)
    brands: tuple[str, ...] = ()
    repeat: int | None = Field(default=None, ge=0, le=1000)

    def ladder(self) -> Ladder:
        """For the core."""
        return Ladder(tuple(Rung(one.whom, one.wait_s) for one in self.steps), self.repeat)


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, no name at all, a folder of names
        raise ValueError(f"there is no such time zone{_meant(name, available_timezones())}") from None
    return name


Problem = tuple[tuple[str | int, ...], str]  # where, and what is wrong there


def crossed(table: Mapping[str, Any], has_channels: bool) -> Iterator[Problem]:
    """What the tables say wrongly of each other; they may be wrong in any other way as well.

    `has_channels`: whether names of channels are known, so that people's can be looked up.
    """
    people, rotations = _tables(table, "people"), _tables(table, "rotations")
    needs_, ladders = _tables(table, "needs"), _tables(table, "ladders")
    brands = set(_tables(table, "brands"))
    authorities = {one for person in people.values() for one in _texts(person, "authorities")}
    for kind in (people, rotations):
        if EVERYONE in kind:
            yield (("people" if kind is people else "rotations", EVERYONE), "this name means all people")
    for name in people.keys() & rotations.keys():
        yield ("rotations", name), "a person has this name, too"
    channels = set(_mapping(table.get("channels")))
    for name, person in people.items():
        loc = ("people", name)
        if has_channels:
            yield from _unknown((*loc, "channels"), _texts(person, "channels"), channels, "channel")
        own = set(_texts(person, "authorities"))
        yield from _unknown((*loc, "limits"), _mapping(person.get("limits")), own, "authority of this person")
    for name, one in rotations.items():
        for part, keys in (("layers", ("people",)), ("overrides", ("person", "instead_of"))):
            for number, piece in _pieces(one, part):
                for key in keys:
                    place = ("rotations", name, part, number, key)
                    yield from _unknown(place, _texts(piece, key), people, "person")
    defaults = []
    for name, need in needs_.items():
        loc = ("needs", name)
        own = set(_texts(need, "authorities"))
        if people:
            yield from _unknown((*loc, "authorities"), sorted(own), authorities, "authority of anybody's")
        yield from _unknown((*loc, "amounts"), _mapping(need.get("amounts")), own, "authority of this need")
        yield from _unknown((*loc, "brands"), _texts(need, "brands"), brands, "brand")
        if not any(need.get(key) for key in ("brands", "words", "languages", "replies", "reasons")):
            defaults.append(name)
    for name in defaults[1:]:
        yield ("needs", name), f"it sets no condition, and {safe(defaults[0])} is the default already"
    owner: dict[str | None, str] = {}
    for name, ladder in ladders.items():
        loc = ("ladders", name)
        for number, piece in _pieces(ladder, "steps"):
            known = {*people, *rotations, EVERYONE}
            yield from _unknown(
                (*loc, "steps", number, "whom"), _texts(piece, "whom"), known, "person or rotation"
            )
        yield from _unknown((*loc, "brands"), _texts(ladder, "brands"), brands, "brand")
        for brand in _texts(ladder, "brands") or (None,):
            if brand in owner:
                what = "brands without their own" if brand is None else safe(brand)
                yield loc, f"the ladder of {what} is {safe(owner[brand])} already"
            owner.setdefault(brand, name)


def _unknown(
    loc: tuple[str | int, ...], named: Iterable[str], known: Iterable[str], what: str
) -> Iterator[Problem]:
    known = set(known)
    for one in named:
        if one not in known:
            yield loc, f"'{safe(one)}' is no {what}{_meant(one, known)}"


def _meant(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; is {safe(near[0])} meant?" if near else ""


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


def _ms(moment: datetime, zone: ZoneInfo) -> int:
    return round(
        (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC).timestamp() * 1000
    )
