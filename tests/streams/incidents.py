"""Cases, ladders and a roster for the tests of incidents."""

from __future__ import annotations

from typing import Any

from streams.alert import Reply
from streams.delivery import Case, GiveUp, Ok, Outcome, TryAgain
from streams.escalation import deliveries, due
from streams.forecast import Forecast
from streams.incident import (
    Command,
    Delivered,
    Event,
    Incident,
    Ladder,
    Page,
    Raised,
    Reach,
    Rules,
    Rung,
    apply,
    incident_id,
)

T0 = 1_750_000_000_000
MINUTE = 60_000
RULES = Rules()
LADDER = Ladder((Rung(("duty",), 300), Rung(("lead", "deputy"), 600)), repeat=None)
CHANNELS = {"duty": ("push", "sms"), "lead": ("mail",), "deputy": ("push",), "service": ("pager",)}


def case(number: int = 1, thread: str | None = "t1", brand: str = "acme", **more: Any) -> Case:
    scope = "brand" if thread is None else "thread"
    fields: dict[str, Any] = {
        "id": f"fl-{brand}-{thread}-{number}",
        "scope": scope,
        "brand": brand,
        "thread_id": thread,
        "level": "page",
        "raised_at": "2025-06-15T15:06:40Z",
        "reason": "forecast",
        "summary": f"{thread} is about to go viral",
        "forecast": Forecast(600, 100, 2000, 0.9, 100),
        "reply": Reply(),
        "mentions": 25,
    }
    return Case(**(fields | more))


def ident(thread: str | None = "t1", brand: str = "acme") -> str:
    return incident_id("brand" if thread is None else "thread", brand, thread)


def command(kind: type[Any], at_ms: int = T0, who: str = "duty", **more: Any) -> Command:
    fields = {"id": f"{kind.__name__}-{who}-{at_ms}", "brand": "acme", "incident": ident(), "who": who}
    one: Command = kind(**(fields | {"at_ms": at_ms, "where": "cli"} | more))
    return one


def roster(whom: tuple[str, ...], incident: Incident, now_ms: int) -> tuple[Reach, ...]:
    return tuple(Reach(name, CHANNELS[name], f"{name} may decide") for name in whom if name in CHANNELS)


def opened(ladder: Ladder = LADDER, now_ms: int = T0) -> Incident:
    return after(None, Raised(case(), ladder), now_ms)


def after(incident: Incident | None, event: Event, now_ms: int = T0, rules: Rules = RULES) -> Incident:
    one = apply(incident, event, now_ms, rules)
    assert one is not None
    return one


def act(incident: Incident, now_ms: int, answers: dict[str, Outcome] | None = None, **more: Any) -> Incident:
    """What is due is paged, and each delivery is answered by its channel; `Ok` where nothing is said."""
    one = due(incident, now_ms, roster, RULES, **more)
    while sent := deliveries(one, now_ms):
        for delivery in sent:
            outcome = (answers or {}).get(delivery.channel, Ok())
            one = after(one, Delivered(delivery.dedup_key, outcome), now_ms)
        one = due(one, now_ms, roster, RULES, **more)
    return one


def paged(incident: Incident) -> list[tuple[str, str, str]]:
    return [(page.person, page.channel, page.state) for page in incident.pages if page.kind == "page"]


def told(incident: Incident) -> list[tuple[str, str]]:
    return [(page.kind, page.person) for page in incident.pages if page.kind != "page"]


__all__ = [
    "CHANNELS",
    "LADDER",
    "MINUTE",
    "RULES",
    "T0",
    "GiveUp",
    "Page",
    "TryAgain",
    "act",
    "after",
    "case",
    "command",
    "ident",
    "opened",
    "paged",
    "roster",
    "told",
]
