"""A ladder climbed before anything burns: whom a case would page, when, and why.

Law of this file: it runs the very functions that page, with channels that take everything and people who
never answer; it decides nothing by itself.
"""

from __future__ import annotations

from typing import NamedTuple

from streams.delivery import Case, Ok
from streams.escalation import due
from streams.incident import Delivered, Incident, Raised, Reach, Rules, apply
from streams.roster import Roster

__all__ = ["Step", "climb"]


class Step(NamedTuple):
    """Whom one rung pages at what moment, and when the next one begins; ms of the wall clock."""

    at_ms: int
    rung: int  # from 0
    people: tuple[Reach, ...]
    next_ms: int | None  # None: there is none


def climb(roster: Roster, case: Case, now_ms: int, rules: Rules) -> list[Step]:
    """The ladder of a case raised now, once from its first rung to its last. [] if nobody can be paged.

    A rung on which nobody stands is left out: the next begins at once.
    """
    steps: list[Step] = []
    incident = apply(None, Raised(case, roster.ladder(case, now_ms)), now_ms, rules)
    at_ms: int | None = now_ms
    while incident is not None and at_ms is not None:
        after = due(incident, at_ms, roster.reach, rules)
        pages = [page for page in after.pages if page.state == "waiting"]
        if after.run > incident.run or not pages:
            break  # from its start again, or nobody is left
        people = tuple(Reach(one.person, (one.channel, *one.others), one.why, one.lang) for one in pages)
        steps.append(Step(at_ms, after.rung - 1, people, after.next_ms))
        incident, at_ms = _taken(after, at_ms, rules), after.next_ms
    return steps


def _taken(incident: Incident, now_ms: int, rules: Rules) -> Incident:
    """Every channel has taken its page."""
    for page in incident.pages:
        if page.state == "waiting":
            incident = apply(incident, Delivered(page.key, Ok()), now_ms, rules) or incident
    return incident
