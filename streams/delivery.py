"""What goes to a person by one channel, and what the channel answers.

Law of this file: a `Delivery` holds everything a channel needs to render and send, and nothing that is not
to be shown: texts are masked, the channel is a name from the settings and never its address. Two deliveries
with one `dedup_key` are the same page; a channel that can tell so shows it once.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from streams.alert import Reply
from streams.forecast import Forecast

__all__ = [
    "Attempt",
    "Case",
    "Delivery",
    "GiveUp",
    "Kind",
    "Ok",
    "Outcome",
    "PageContent",
    "Place",
    "TryAgain",
]

#: page: come; digest: more cases than one may be paged for; acknowledged, resolved: it is taken, it is over
Kind = Literal["page", "digest", "acknowledged", "resolved"]


class Case(msgspec.Struct, frozen=True):
    """An alert, as far as people are told of it: fields and units of the topic `alerts`."""

    id: str  # the alert's
    scope: Literal["thread", "brand"]
    brand: str
    thread_id: str | None
    level: str
    raised_at: str  # RFC 3339
    reason: str
    summary: str
    forecast: Forecast
    reply: Reply
    mentions: int
    reach: int = 0
    authors: int = 0
    negative_share: float | None = None
    title: str = ""  # masked beginning of the root's text, "" not known
    voices: tuple[str, ...] = ()  # masked typical texts of customers
    url: str | None = None  # the root's
    voice_ids: tuple[str, ...] = ()  # of the posts in `voices`, hashed: what a deletion names
    root_deleted: bool = False  # by its author: hence no title
    platform: str = ""  # of the thread
    refs: tuple[str, ...] = ()  # hashes; threads with one in common are one case (`streams.cases`)


class Place(msgspec.Struct, frozen=True):
    """One thread of a case: where it burns, and how much as of its latest alert."""

    thread_id: str
    platform: str = ""
    level: str = ""
    mentions: int = 0
    expected_24h: float = 0.0
    url: str | None = None


class PageContent(msgspec.Struct, frozen=True):
    """What a page tells, before it is put into words for a language and a channel."""

    case: Case
    why: str  # why this person: the authority, in the roster's words
    lang: str = "en"  # the reader's
    silent: tuple[str, ...] = ()  # who was paged before and did not answer, in order
    number: int = 1  # of the run of the ladder; from 2 on: it was paged before, and is not resolved
    more: int = 0  # digest: how many pages were held back, this one among them
    cases: tuple[str, ...] = ()  # digest: titles or summaries of those, at most ten
    owner: str | None = None  # acknowledged, resolved: by whom
    resolution: str | None = None  # resolved: handled, false-alarm, missed-too-late
    zone: str = ""  # the reader's time zone, an IANA name; "" not known
    places: tuple[Place, ...] = ()  # of a case of several threads: all, the biggest first


class Delivery(msgspec.Struct, frozen=True):
    """One attempt to reach one person by one channel."""

    incident: str  # id: what a pager takes for the key of the case as a whole
    step: int  # of the ladder, from 0; -1 a hand-over
    person: str
    channel: str  # the name of a channel URL in the settings
    dedup_key: str  # incident, run, step, person, channel and kind
    kind: Kind
    page: PageContent
    run: int = 1  # of the ladder; only rises, also when the incident is opened again


class Ok(msgspec.Struct, frozen=True, tag="ok"):
    """The channel has taken it."""


class TryAgain(msgspec.Struct, frozen=True, tag="try-again"):
    """It may work later: not before `after_s` seconds, >= 0."""

    after_s: float
    reason: str = ""


class GiveUp(msgspec.Struct, frozen=True, tag="give-up"):
    """It will not work: a wrong address, a refused message."""

    reason: str


Outcome = Ok | TryAgain | GiveUp


class Attempt(msgspec.Struct, frozen=True):
    """One record of the topic `pages`: an attempt to deliver, and its outcome."""

    at_ms: int
    incident: str
    brand: str
    dedup_key: str
    kind: str
    step: int
    person: str
    channel: str
    took_s: float
    outcome: Outcome
