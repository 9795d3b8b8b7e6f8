"""When an incident acts by itself, whom it pages next, and what the page says.

Law of this file: `due` looks at the wall clock it is given and at the incident, and nothing else; asked
again at the same moment it changes nothing more. Deadlines are moments, not waits: after a restart they are
where they were, and one that has passed meanwhile acts once, not once for each time it was missed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from streams.delivery import Delivery, PageContent
from streams.incident import (
    Incident,
    Move,
    Page,
    Reach,
    Rules,
    State,
    moved,
    noted,
    page_key,
    places,
    restarted,
    with_pages,
)

__all__ = ["Roster", "content", "deadline", "deliveries", "due"]

#: Answers who is on call: names of a rung, the incident (whose ladder says what it needs), the wall clock.
Roster = Callable[[tuple[str, ...], Incident, int], tuple[Reach, ...]]

_EMPTY_ROUND_S: Final = 60.0  # a ladder on which nobody stands is tried again after this


def due(incident: Incident, now_ms: int, roster: Roster, rules: Rules, muted_ms: int = 0) -> Incident:
    """The incident after all that its deadlines ask for until `now_ms`; the same object if that is nothing.

    New pages wait in its outbox (`deliveries`). Before `muted_ms` no ladder starts or goes on.
    """
    one = incident
    if one.hold is not None and one.hold.until_ms <= now_ms:
        one = noted(replace(one, hold=None), now_ms, "hold expired", note=f"was {one.hold.owner}'s")
    if one.next_ms is None or one.next_ms > now_ms:
        return one
    if one.state is State.ACKNOWLEDGED and (again := moved(one, Move.RESTART)):
        one = noted(restarted(again, now_ms), now_ms, "not resolved in time", one.owner or "")
    if muted_ms > now_ms and one.first is None:  # who hands a case over means it
        return noted(replace(one, next_ms=muted_ms), now_ms, "muted")
    return _next_step(one, now_ms, roster, rules)


def _next_step(incident: Incident, now_ms: int, roster: Roster, rules: Rules) -> Incident:
    """Page the next step on which somebody stands."""
    one, tried = incident, 0
    whom: tuple[str, ...]
    while True:
        if one.first is not None:
            step, whom, wait_s = -1, (one.first,), rules.hand_over_s
            one = replace(one, first=None)
        elif one.rung < len(one.ladder.rungs):
            rung = one.ladder.rungs[one.rung]
            step, whom, wait_s = one.rung, rung.whom, rung.wait_s
            one = replace(one, rung=one.rung + 1)
        elif _is_over(one):
            over = "the ladder is over, nobody has answered"
            what = over if one.ladder.rungs else "no ladder: nobody else is paged"
            return noted(replace(one, next_ms=None), now_ms, what)
        elif tried >= len(one.ladder.rungs):  # a whole round, and nobody on it
            later_ms = now_ms + int(_EMPTY_ROUND_S * 1000)
            return noted(replace(one, next_ms=later_ms), now_ms, "nobody can be paged")
        else:
            repeats = one.repeats + 1
            one = replace(restarted(one, now_ms), repeats=repeats)
            continue
        tried += 1
        people = tuple(reach for reach in roster(whom, one, now_ms) if reach.channels)
        if not people:
            one = noted(one, now_ms, "nobody to page", note=", ".join(whom))
            continue
        after = moved(one, Move.PAGE)
        if after is None:  # the table says whom a ladder may run for
            return replace(one, next_ms=None)
        pages = tuple(_page(after, step, reach, now_ms) for reach in people)
        after = replace(after, next_ms=now_ms + int(wait_s * 1000))
        after = with_pages(after, (*after.pages, *pages))
        return noted(after, now_ms, "paging", ", ".join(reach.person for reach in people))


def _is_over(incident: Incident) -> bool:
    repeat = incident.ladder.repeat
    return not incident.ladder.rungs or (repeat is not None and incident.repeats >= repeat)


def _page(incident: Incident, step: int, reach: Reach, now_ms: int) -> Page:
    channel, *others = reach.channels
    key = page_key(incident.id, incident.run, step, reach.person, channel, "page")
    return Page(
        key,
        "page",
        incident.run,
        step,
        reach.person,
        channel,
        tuple(others),
        reach.why,
        reach.lang,
        now_ms,
        at_ms=now_ms,
        zone=reach.zone,
    )


def deadline(incident: Incident) -> int | None:
    """The moment of the wall clock at which it acts next, ms; None: only when something happens to it."""
    moments = [page.at_ms for page in incident.pages if page.state == "waiting"]
    moments += [incident.next_ms] if incident.next_ms is not None else []
    moments += [incident.hold.until_ms] if incident.hold is not None else []
    return min(moments, default=None)


def deliveries(incident: Incident, now_ms: int) -> tuple[Delivery, ...]:
    """What is to be sent now, oldest first; how it went comes back as `Delivered`."""
    return tuple(
        Delivery(
            incident.id,
            page.step,
            page.person,
            page.channel,
            page.key,
            page.kind,
            content(incident, page),
            page.run,
        )
        for page in incident.pages
        if page.state == "waiting" and page.at_ms <= now_ms
    )


def content(incident: Incident, page: Page) -> PageContent:
    """What a page of this incident tells at this moment."""
    return PageContent(
        incident.case,
        page.why,
        page.lang,
        silent=_silent(incident, page),
        number=page.run - incident.began + 1,
        owner=incident.owner,
        resolution=incident.resolution,
        zone=page.zone,
        places=places(incident),
    )


def _silent(incident: Incident, page: Page) -> tuple[str, ...]:
    """Who was paged earlier and has not answered."""
    earlier = [
        one.person
        for one in incident.pages
        if one.kind == "page"
        and one.state == "sent"
        and incident.began <= one.run
        and (one.run, one.step) < (page.run, page.step)
        and one.person not in (page.person, incident.owner)
    ]
    return tuple(dict.fromkeys(earlier))
