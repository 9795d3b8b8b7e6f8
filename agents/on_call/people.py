"""The settings of who may decide: people, rotations, needs, ladders.

Law of this file: what is wrong within one table is told by its model, what tables say wrongly of each other
by `agents.cross_checks`. Nothing is read here.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from agents.terminal import safe
from streams import authority, needs, rotation
from streams.incident import Ladder, Rung

__all__ = [
    "LadderTable",
    "LayerTable",
    "Name",
    "Need",
    "OverrideTable",
    "Person",
    "RotationTable",
    "StepTable",
    "meant",
]

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
        raise ValueError(f"there is no such time zone{meant(name, available_timezones())}") from None
    return name


def meant(name: str, known: Iterable[str]) -> str:
    """`; is … meant?`, if one of the known names is near; else nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; is {safe(near[0])} meant?" if near else ""


def _ms(moment: datetime, zone: ZoneInfo) -> int:
    return round(
        (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC).timestamp() * 1000
    )
