"""When nobody on call may decide: the holes of a roster, found before the night in which they matter.

Law of this file: arithmetic on intervals, nothing is sampled; a hole of a second is found. `everyone` at the
end of a ladder is not on call and fills none, but on a ladder that has nobody else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from streams.authority import holds
from streams.incident import Ladder
from streams.needs import Need
from streams.roster import Roster, on_call_names
from streams.rotation import Duty, Interval, gaps

__all__ = ["Hole", "holes"]


class Hole(NamedTuple):
    """[start, end) in which nobody on call has what a need asks for."""

    brands: tuple[str, ...]  # whose ladder it is; () all without one of their own
    need: str  # "" where no need is set
    authority: str  # "" anybody would do
    amount: float
    start_ms: int
    end_ms: int
    names: tuple[str, ...]  # on the ladder: rotations and people


def holes(roster: Roster, brands: Iterable[str], start_ms: int, end_ms: int) -> list[Hole]:
    """All holes during [start, end), by ladder and need, each in order; `brands` are all there are."""
    own = [(brand, roster.ladders[brand]) for brand in roster.ladders]
    groups: list[tuple[tuple[str, ...], Ladder]] = []
    for ladder in dict.fromkeys(one for _, one in own):
        groups.append((tuple(brand for brand, one in own if one == ladder), ladder))
    others = tuple(brand for brand in brands if brand not in roster.ladders)
    if roster.ladder_of_all is not None and (others or not groups):
        groups.append((others, roster.ladder_of_all))
    found: list[Hole] = []
    for named, ladder in groups:
        names = on_call_names(ladder)
        on_call = [duty for name in names for duty in roster.duties_of(name, start_ms, end_ms)]
        for need in _asked_of(roster.needs.all, named):
            for authority in need.authorities or ("",):
                amount = need.amounts.get(authority, 0.0)
                covered = [
                    Interval(one.start_ms, one.end_ms)
                    for one in on_call
                    if _covers(roster, one, authority, amount)
                ]
                found += [
                    Hole(named, need.name, authority, amount, *gap, names)
                    for gap in gaps(covered, start_ms, end_ms)
                ]
    return found


def _asked_of(needs: tuple[Need, ...], brands: tuple[str, ...]) -> tuple[Need, ...]:
    """The needs that cases of these brands may have."""
    asked = tuple(one for one in needs if not one.brands or not brands or set(one.brands) & set(brands))
    return asked or (Need("", ()),)


def _covers(roster: Roster, duty: Duty, authority: str, amount: float) -> bool:
    if not authority:
        return bool(duty.people)
    return any(holds(roster.people[one], authority, amount) for one in duty.people)
