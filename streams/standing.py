"""What a channel is told again and again while a case is open, and for a while after it is closed.

Law of this file: it follows from the incident alone, so whoever has the incident goes on telling after a
restart. Nothing of it is a new page: it is what was sent, as it stands now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from streams.delivery import Delivery, Kind
from streams.escalation import content
from streams.incident import Incident, Page, State

__all__ = ["CLOSED_FOR_MS", "Standing", "standing"]

#: How long a closed case is told of: what Alertmanager asks of its clients.
CLOSED_FOR_MS: Final = 300_000

_KINDS: Final[dict[State, Kind]] = {
    State.OPEN: "page",
    State.PAGED: "page",
    State.ACKNOWLEDGED: "acknowledged",
    State.RESOLVED: "resolved",
    State.MERGED: "resolved",
}
_ENDS: Final = ("resolve", "merge")


class Standing(NamedTuple):
    """What is to be told, and the moment it holds for, ms: now, or when the case was closed."""

    delivery: Delivery
    at_ms: int


def standing(incident: Incident, now_ms: int, asks: Callable[[str], bool]) -> Iterator[Standing]:
    """One for each channel that `asks` for it and has taken a page of the present episode."""
    kind, at_ms = _KINDS[incident.state], now_ms
    if kind == "resolved":
        ends = [entry.at_ms for entry in incident.history if entry.what in _ENDS]
        at_ms = ends[-1] if ends else incident.changed_ms
        if now_ms - at_ms > CLOSED_FOR_MS:
            return
    latest: dict[str, Page] = {}
    for page in incident.pages:
        if page.kind == "page" and page.state == "sent" and page.run >= incident.began and asks(page.channel):
            latest[page.channel] = page
    for channel, page in latest.items():
        told = content(incident, page)
        one = Delivery(incident.id, page.step, page.person, channel, page.key, kind, told, page.run)
        yield Standing(one, at_ms)
