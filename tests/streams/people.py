"""Roles, rotations and ladders for the tests of the roster."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from streams.alert import Reply
from streams.authority import Person
from streams.delivery import Case
from streams.incident import Ladder, Rung
from streams.needs import Need, Needs
from streams.roster import EVERYONE, Roster
from streams.rotation import Layer, Rotation
from tests.streams.incidents import case

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")

REFUNDS = frozenset({"refund"})
ALL = frozenset({"refund", "cancel-contract", "public-apology"})
PEOPLE = {
    one.name: one
    for one in (
        Person("duty-lead", REFUNDS | {"cancel-contract"}, {"refund": 200}, ("de", "en"), ("push", "sms")),
        Person("night-lead", REFUNDS, {"refund": 50}, ("en",), ("pager",)),
        Person("service-lead", ALL, {}, ("en", "de"), ("phone",)),
        Person("privacy-officer", frozenset({"data-protection"}), {}, ("de",), ("mail",)),
        Person("intern", REFUNDS, {}, ("en",), ()),
    )
}

#: Duty lead by day and night lead by night, Berlin's clock.
DESK = Rotation(
    (
        Layer(("duty-lead",), BERLIN, date(2025, 1, 6), hours=(time(8), time(20))),
        Layer(("night-lead",), BERLIN, date(2025, 1, 6), hours=(time(20), time(8))),
    )
)

NEEDS = Needs(
    (
        Need("contract", ("cancel-contract",), words=("contract", "Vertrag*", "kündig*", "*kündigt")),
        Need("small-refund", ("refund",), {"refund": 40}, words=("refund", "Erstattung")),
        Need("trip", ("refund",), {"refund": 400}, words=("flight", "Flug")),
        Need("data", ("data-protection",), words=("my data", "Datenschutz")),
        Need("block", ("public-apology",), replies=("canned",)),
        Need("default", ("refund",)),
    )
)
LADDER = Ladder((Rung(("desk",), 300), Rung(("service-lead",), 600), Rung((EVERYONE,), 900)), repeat=1)


def at(text: str) -> int:
    """A moment, UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


DAY, NIGHT = at("2025-06-10T10:00"), at("2025-06-10T22:00")


def roster(**more: Any) -> Roster:
    fields: dict[str, Any] = {
        "people": PEOPLE,
        "rotations": {"desk": DESK},
        "needs": NEEDS,
        "ladder_of_all": LADDER,
    }
    return Roster(**(fields | more))


def worded(title: str = "", **more: Any) -> Case:
    if state := more.pop("reply", None):
        more["reply"] = Reply(state)
    return case(title=title, **more)


__all__ = [
    "BERLIN",
    "DAY",
    "DESK",
    "EVERYONE",
    "LADDER",
    "NEEDS",
    "NEW_YORK",
    "NIGHT",
    "PEOPLE",
    "at",
    "roster",
    "worded",
]
