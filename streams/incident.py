"""An incident: a page with an owner to be found, and everything that may happen to it.

Law of this file: a state is reached through `TRANSITIONS` and in no other way; what the table does not hold
is refused and changes nothing. An incident is a frozen record that carries all it needs to go on elsewhere:
the ladder it started with, who was paged, when it must act next (`next_ms`, wall clock), and its outbox.
The same event twice counts once, by its id.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from hashlib import blake2b
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from streams.delivery import Case, GiveUp, Kind, Ok, Outcome, Place

__all__ = [
    "TRANSITIONS",
    "Acknowledge",
    "Command",
    "Delivered",
    "Entry",
    "Event",
    "HandOver",
    "Hold",
    "HoldReplies",
    "Incident",
    "Joined",
    "Ladder",
    "Merge",
    "Move",
    "Mute",
    "Page",
    "Raised",
    "Reach",
    "Release",
    "Resolution",
    "Resolve",
    "Revise",
    "Rules",
    "Rung",
    "State",
    "Take",
    "Unmute",
    "apply",
    "by_next_channel",
    "decode_command",
    "encode_command",
    "incident_id",
    "moved",
    "noted",
    "page_key",
    "places",
    "places_of",
    "restarted",
    "thread_ids",
    "with_pages",
]

Resolution = Literal["handled", "false-alarm", "missed-too-late"]

_PLACES = 64
_REFS = 512
_SEEN = 64  # ids of events; more than can come between two writes of one incident
_HISTORY = 200  # entries, the first and the latest
_PAGES = 200
_NOTE = 2000  # characters
_LASTING = ("resolved", "digest")  # is sent whatever happens to the incident meanwhile


class State(StrEnum):
    """Where an incident stands."""

    OPEN = "open"  # nobody was paged yet, or nobody is any more: the ladder is about to begin
    PAGED = "paged"  # somebody was; nobody has answered
    ACKNOWLEDGED = "acknowledged"  # somebody has; the ladder stands
    RESOLVED = "resolved"
    MERGED = "merged"  # it goes on as a part of another


class Move(StrEnum):
    """What may happen to it."""

    GROW = "grow"  # another alert of the same scope
    PAGE = "page"  # the ladder's next step
    ACKNOWLEDGE = "acknowledge"
    TAKE = "take"
    HAND_OVER = "hand-over"
    RESTART = "restart"  # acknowledged, and not resolved in time
    RESOLVE = "resolve"
    MERGE = "merge"


_O, _P, _A, _R, _M = State.OPEN, State.PAGED, State.ACKNOWLEDGED, State.RESOLVED, State.MERGED

#: All that may happen; a pair that is not here is refused.
TRANSITIONS: Final[dict[tuple[State, Move], State]] = {
    (_O, Move.GROW): _O,
    (_P, Move.GROW): _P,
    (_A, Move.GROW): _A,
    (_R, Move.GROW): _O,  # reopened
    (_O, Move.PAGE): _P,
    (_P, Move.PAGE): _P,
    (_O, Move.ACKNOWLEDGE): _A,
    (_P, Move.ACKNOWLEDGE): _A,
    (_O, Move.TAKE): _A,
    (_P, Move.TAKE): _A,
    (_A, Move.TAKE): _A,
    (_O, Move.HAND_OVER): _P,
    (_P, Move.HAND_OVER): _P,
    (_A, Move.HAND_OVER): _P,
    (_A, Move.RESTART): _O,
    (_O, Move.RESOLVE): _R,
    (_P, Move.RESOLVE): _R,
    (_A, Move.RESOLVE): _R,
    (_O, Move.MERGE): _M,
    (_P, Move.MERGE): _M,
    (_A, Move.MERGE): _M,
}


@dataclass(frozen=True, slots=True)
class Rules:
    """How long things may take. Defaults: what on-call teams commonly begin with; refuses nonsense."""

    unresolved_after_s: float = 3600.0  # an acknowledged incident starts its ladder again
    hand_over_s: float = 300.0  # how long who is handed a case may take before the ladder starts
    hold_s: float = 4 * 3600.0  # how long taking a case holds canned replies
    tries: int = 3  # by one channel; then it has failed
    again_within_s: float = 30.0  # the longest pause between two tries
    pages_per_hour: int = 6  # to one person; what is more is told in one digest
    digest_after_s: float = 60.0  # how long the digest gathers
    mute_at_most_s: float = 24 * 3600.0
    forget_after_s: float = 30 * 86_400.0  # a resolved incident, and the texts in it

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ValueError(f"{field.name} must be more than 0")


class Reach(msgspec.Struct, frozen=True):
    """One person and how to reach them, best channel first; `why` is what makes them the right one."""

    person: str
    channels: tuple[str, ...]  # names from the settings
    why: str = ""
    lang: str = "en"
    zone: str = ""  # an IANA name, for the times in a page; "" not known


class Rung(msgspec.Struct, frozen=True):
    """One step: whom (names of rotations or people, for the roster), and how long to wait for an answer."""

    whom: tuple[str, ...]
    wait_s: float


class Ladder(msgspec.Struct, frozen=True):
    """Whom first, whom next; `repeat` more times from the start, None for ever, until somebody answers."""

    rungs: tuple[Rung, ...]
    repeat: int | None = None
    needs: tuple[str, ...] = ()  # authorities that the case needs
    amounts: tuple[tuple[str, float], ...] = ()  # up to which some of them must be free


class Page(msgspec.Struct, frozen=True):
    """One entry of the outbox: a person, the channel that is tried, and how it went."""

    key: str  # the dedup key
    kind: Kind
    run: int
    step: int
    person: str
    channel: str
    others: tuple[str, ...]  # channels to try after this one, in order
    why: str
    lang: str
    made_ms: int
    state: Literal["waiting", "sent", "failed", "held-back"] = "waiting"
    at_ms: int = 0  # waiting: not before; else when it came to this
    tries: int = 0
    reason: str = ""  # of a failure
    zone: str = ""


class Hold(msgspec.Struct, frozen=True):
    """Nobody answers the threads of this incident from a text block."""

    owner: str
    reason: str
    since_ms: int
    until_ms: int


class Entry(msgspec.Struct, frozen=True):
    """One line of history."""

    at_ms: int
    what: str
    who: str = ""
    where: str = ""  # web, api, link, cli; "" flashover itself
    note: str = ""


class Incident(msgspec.Struct, frozen=True, tag="incident", tag_field="type"):
    """See the head of this file. Times are wall clock, milliseconds since the epoch, UTC."""

    id: str
    case: Case  # of the latest alert
    ladder: Ladder
    opened_ms: int
    changed_ms: int
    state: State = State.OPEN
    owner: str | None = None
    resolution: Resolution | None = None
    next_ms: int | None = None  # when it acts by itself next, but for its outbox and its hold
    run: int = 1  # how often the ladder has started
    began: int = 1  # the run with which it was opened, or opened again
    rung: int = 0  # the next one
    repeats: int = 0
    first: str | None = None  # to be paged before the ladder: who was handed the case
    pages: tuple[Page, ...] = ()
    hold: Hold | None = None
    threads: tuple[str, ...] = ()  # of incidents merged into this one
    burns: tuple[Place, ...] = ()  # each of its threads, as of the latest alert about it
    refs: tuple[str, ...] = ()  # of its threads (`Case.refs`)
    merged_into: str | None = None
    history: tuple[Entry, ...] = ()
    seen: tuple[str, ...] = ()  # ids of events


class Raised(msgspec.Struct, frozen=True):
    """An alert of level page, and the ladder that the roster has for it now."""

    case: Case
    ladder: Ladder

    @property
    def id(self) -> str:
        """The alert's."""
        return self.case.id


class _Command(msgspec.Struct, frozen=True, tag_field="command", kw_only=True):
    """What all commands carry. `id` is made by who sends it: the same command twice counts once."""

    id: str
    brand: str  # the key of the record
    incident: str = ""  # its id; "" for mutes
    who: str
    at_ms: int
    where: str = ""  # web, api, link, cli
    address: str = ""  # from where it came, as seen by who took it; told in the audit alone


class Acknowledge(_Command, frozen=True, kw_only=True, tag="acknowledge"):
    """I have seen it: the ladder stands, for a time."""


class Take(_Command, frozen=True, kw_only=True, tag="take"):
    """It is mine. Canned replies are held, but with `hold` false."""

    hold: bool = True
    reason: str = ""


class HandOver(_Command, frozen=True, kw_only=True, tag="hand-over"):
    """It is yours, `to`, who is paged; if there is no answer the ladder starts again."""

    to: str
    note: str = ""


class Resolve(_Command, frozen=True, kw_only=True, tag="resolve"):
    """It is over. Its hold is released."""

    resolution: Resolution
    note: str = ""


class HoldReplies(_Command, frozen=True, kw_only=True, tag="hold"):
    """Hold canned replies until then, or for the usual time."""

    reason: str = ""
    until_ms: int | None = None


class Release(_Command, frozen=True, kw_only=True, tag="release"):
    """Canned replies may go on."""

    note: str = ""


class Merge(_Command, frozen=True, kw_only=True, tag="merge"):
    """It is about the same case as the incident `into`, which must be of the same brand."""

    into: str


class Mute(_Command, frozen=True, kw_only=True, tag="mute"):
    """Start no ladder for a brand, or one thread of it, until then; seen by all, and never for ever."""

    until_ms: int
    why: str
    thread_id: str | None = None


class Unmute(_Command, frozen=True, kw_only=True, tag="unmute"):
    """The end of a mute before its time."""

    thread_id: str | None = None


class Revise(_Command, frozen=True, kw_only=True, tag="revise"):
    """A post was deleted or edited by its author: what incidents hold of it goes. A worker asks for it.

    `title` is the masked beginning of an edited root, as it is now.
    """

    thread_id: str
    post: str  # hash of its id, as in `Case.voice_ids`
    root: bool = False
    deleted: bool = False
    title: str = ""


Command = Acknowledge | Take | HandOver | Resolve | HoldReplies | Release | Merge | Mute | Unmute | Revise


class Joined(msgspec.Struct, frozen=True):
    """Another incident is merged into this one, by the command of this id."""

    id: str
    other: str
    threads: tuple[str, ...]
    hold: Hold | None
    seen: tuple[str, ...]
    burns: tuple[Place, ...] = ()
    refs: tuple[str, ...] = ()
    why: str = ""


class Delivered(msgspec.Struct, frozen=True):
    """How the delivery of a page went."""

    key: str
    outcome: Outcome


Event = Raised | Command | Joined | Delivered

_encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)


def encode_command(command: Command) -> bytes:
    """One record of the topic `commands`."""
    return _encode(command)


def decode_command(value: bytes | None) -> Command:
    """It back. Raises ValueError for anything else."""
    return _decoder.decode(value or b"")


def incident_id(scope: str, brand: str, thread_id: str | None) -> str:
    """The name of a scope's incident, the same wherever computed."""
    return "in-" + blake2b(msgspec.json.encode([scope, brand, thread_id]), digest_size=10).hexdigest()


def thread_ids(incident: Incident) -> tuple[str, ...]:
    """The threads it is about: its own, and those of the incidents merged into it."""
    own = incident.case.thread_id
    return (*((own,) if own is not None else ()), *incident.threads)


def places(incident: Incident) -> tuple[Place, ...]:
    """Where a case of several threads burns, the biggest first; () for one of a single thread."""
    if len(incident.burns) < 2:
        return ()
    return tuple(sorted(incident.burns, key=lambda one: (-one.mentions, one.thread_id)))


def places_of(case: Case) -> tuple[Place, ...]:
    """The place that an alert tells of; () for a brand's."""
    if case.thread_id is None:
        return ()
    seen = case.forecast.expected_24h
    return (Place(case.thread_id, case.platform, case.level, case.mentions, seen, case.url),)


def _burning(incident: Incident, found: tuple[Place, ...], refs: tuple[str, ...]) -> Incident:
    """With these places, the later word on each; the latest 64 of them."""
    burns = {one.thread_id: one for one in incident.burns} | {one.thread_id: one for one in found}
    every = dict.fromkeys((*incident.refs, *refs))
    return replace(incident, burns=tuple(burns.values())[-_PLACES:], refs=tuple(every)[-_REFS:])


def noted(
    incident: Incident, now_ms: int, what: str, who: str = "", where: str = "", note: str = ""
) -> Incident:
    """The same with one more line of history; of a long one the middle is dropped."""
    history = (*incident.history, Entry(now_ms, what, who, where, note[:_NOTE]))
    if len(history) > _HISTORY:
        history = (*history[: _HISTORY // 4], *history[1 + _HISTORY // 4 :])
    return replace(incident, history=history, changed_ms=now_ms)


def moved(incident: Incident, move: Move) -> Incident | None:
    """The incident in its next state; None if the table has no such move."""
    state = TRANSITIONS.get((incident.state, move))
    return None if state is None else replace(incident, state=state)


def apply(incident: Incident | None, event: Event, now_ms: int, rules: Rules) -> Incident | None:
    """The incident after an event; the very same object if the event is refused or was counted before.

    None as long as no alert was raised. `now_ms` is the wall clock. Mutes are the desk's, not an incident's.
    """
    if isinstance(event, Raised):
        return _raised(incident, event, now_ms)
    if incident is None:
        return None
    if isinstance(event, Delivered):
        return _delivered(incident, event, now_ms, rules)
    if event.id in incident.seen:
        return incident
    changed: Incident | None
    if isinstance(event, Joined):
        changed = _joined(incident, event, now_ms)
    else:
        changed = _commanded(incident, event, now_ms, rules)
    return incident if changed is None else replace(changed, seen=(*changed.seen, event.id)[-_SEEN:])


def _raised(incident: Incident | None, event: Raised, now_ms: int) -> Incident:
    case = event.case
    if incident is None:
        new = Incident(
            id=incident_id(case.scope, case.brand, case.thread_id),
            case=case,
            ladder=event.ladder,
            opened_ms=now_ms,
            changed_ms=now_ms,
            next_ms=now_ms,
            seen=(case.id,),
        )
        return noted(_burning(new, places_of(case), case.refs), now_ms, "opened", note=case.summary)
    if case.id in incident.seen or (grown := moved(incident, Move.GROW)) is None:
        return incident
    if case.thread_id == incident.case.thread_id and case.scope == incident.case.scope:
        grown = replace(grown, case=case)
    grown = _burning(grown, places_of(case), case.refs)
    grown = replace(grown, seen=(*incident.seen, case.id)[-_SEEN:])
    if incident.state is not State.RESOLVED:
        return noted(grown, now_ms, "grew", note=case.summary)
    grown = restarted(grown, now_ms)
    grown = replace(grown, ladder=event.ladder, began=grown.run, owner=None, resolution=None)
    return noted(grown, now_ms, "reopened", note=case.summary)


def restarted(incident: Incident, now_ms: int) -> Incident:
    """The ladder from its first rung, in a new run; what waits in the outbox is of the past."""
    pages = tuple(page for page in incident.pages if page.state != "waiting" or page.kind in _LASTING)
    return replace(incident, run=incident.run + 1, rung=0, repeats=0, first=None, next_ms=now_ms, pages=pages)


def _commanded(incident: Incident, event: Command, now_ms: int, rules: Rules) -> Incident | None:
    one: Incident | None
    who, where, note, what = event.who, event.where, "", event.__struct_config__.tag
    match event:
        case Acknowledge():
            if one := moved(incident, Move.ACKNOWLEDGE):
                one = _answered(one, who, now_ms, rules)
        case Take():
            if one := moved(incident, Move.TAKE):
                one, note = _answered(one, who, now_ms, rules), event.reason
                if event.hold:
                    until_ms = now_ms + int(rules.hold_s * 1000)
                    one = replace(one, hold=Hold(who, event.reason or "the case is taken", now_ms, until_ms))
        case HandOver():
            note = f"to {event.to}" + (f": {event.note}" if event.note else "")
            if one := moved(incident, Move.HAND_OVER):
                one = replace(restarted(one, now_ms), first=event.to, owner=event.to)
                if one.hold is not None:
                    one = replace(one, hold=replace(one.hold, owner=event.to))
        case Resolve():
            note = event.resolution + (f": {event.note}" if event.note else "")
            if one := moved(incident, Move.RESOLVE):
                one = _told(replace(one, owner=one.owner or who), "resolved", now_ms)
                one = replace(one, resolution=event.resolution, next_ms=None, hold=None)
        case HoldReplies():
            one, note = None, event.reason
            if incident.state is not State.MERGED:
                until_ms = event.until_ms or now_ms + int(rules.hold_s * 1000)
                if until_ms > now_ms:
                    one = replace(incident, hold=Hold(who, event.reason or "held", now_ms, until_ms))
        case Release():
            one = replace(incident, hold=None) if incident.hold is not None else None
            note = event.note
        case Merge():
            one, note = None, f"into {event.into}"
            if event.into != incident.id and (one := moved(incident, Move.MERGE)):
                one = replace(_told(one, "resolved", now_ms), merged_into=event.into, next_ms=None, hold=None)
        case _:
            one = None
    return None if one is None else noted(one, now_ms, str(what), who, where, note)


def _joined(incident: Incident, event: Joined, now_ms: int) -> Incident | None:
    if incident.state not in (State.OPEN, State.PAGED, State.ACKNOWLEDGED):
        return None
    own = incident.case.thread_id
    threads = tuple(dict.fromkeys(one for one in (*incident.threads, *event.threads) if one != own))
    hold = incident.hold
    if hold is None or (event.hold is not None and event.hold.until_ms > hold.until_ms):
        hold = event.hold
    one = replace(incident, threads=threads, hold=hold, seen=(*event.seen, *incident.seen))
    one = _burning(one, event.burns, event.refs)
    return noted(one, now_ms, "joined", note=f"by {event.other}" + (f": {event.why}" if event.why else ""))


def _answered(incident: Incident, who: str, now_ms: int, rules: Rules) -> Incident:
    """The ladder stands, and begins again if nothing is resolved in time."""
    one = _told(replace(incident, owner=who, first=None), "acknowledged", now_ms)
    return replace(one, next_ms=now_ms + int(rules.unresolved_after_s * 1000))


def _told(incident: Incident, kind: Kind, now_ms: int) -> Incident:
    """What still waits is dropped; who was paged is told, by the channels that reached them."""
    pages = tuple(page for page in incident.pages if page.state != "waiting" or page.kind in _LASTING)
    keys = {page.key for page in pages}
    reached = {
        (page.person, page.channel): page
        for page in pages
        if page.kind == "page" and page.state == "sent" and page.run >= incident.began
    }
    told = tuple(
        replace(page, key=key, kind=kind, state="waiting", made_ms=now_ms, at_ms=now_ms, tries=0, others=())
        for page in reached.values()
        if (key := page_key(incident.id, page.run, page.step, page.person, page.channel, kind)) not in keys
    )
    return with_pages(incident, (*pages, *told))


def page_key(incident: str, run: int, step: int, person: str, channel: str, kind: Kind) -> str:
    """The dedup key of a delivery: at most 128 characters, the same after every restart."""
    digest = blake2b(msgspec.json.encode([run, step, person, channel, kind]), digest_size=10)
    return f"{incident}/{run}.{step}.{kind}/{digest.hexdigest()}"


def with_pages(incident: Incident, pages: tuple[Page, ...]) -> Incident:
    """The outbox, bounded: what waits is never dropped."""
    if len(pages) > _PAGES:
        spare = len(pages) - _PAGES
        gone = {page.key for page in [page for page in pages if page.state != "waiting"][:spare]}
        pages = tuple(page for page in pages if page.key not in gone)
    return replace(incident, pages=pages)


def _delivered(incident: Incident, event: Delivered, now_ms: int, rules: Rules) -> Incident:
    page = next((one for one in incident.pages if one.key == event.key and one.state == "waiting"), None)
    if page is None:
        return incident  # told before, or nobody waits for it any more
    tries, outcome = page.tries + 1, event.outcome
    if isinstance(outcome, Ok):
        after = replace(page, state="sent", at_ms=now_ms, tries=tries)
        one = with_pages(incident, _with(incident.pages, after))
        return noted(one, now_ms, f"{page.kind} sent", page.person, note=f"by {page.channel}")
    reason = outcome.reason[:_NOTE]
    if not isinstance(outcome, GiveUp) and tries < rules.tries:
        wait_s = min(max(outcome.after_s, 0.0) * 2 ** (tries - 1), rules.again_within_s)
        after = replace(page, tries=tries, at_ms=now_ms + int(wait_s * 1000), reason=reason)
        one = with_pages(incident, _with(incident.pages, after))
    else:
        after = replace(page, state="failed", at_ms=now_ms, tries=tries, reason=reason)
        one = with_pages(incident, _with(incident.pages, after))
        one = noted(one, now_ms, f"{page.kind} failed", page.person, note=f"by {page.channel}: {reason}")
    return _on_at_once(one, after, now_ms)


def _on_at_once(incident: Incident, page: Page, now_ms: int) -> Incident:
    """A channel that fails, be it for now, lets the next one begin: the person's, else the ladder's."""
    if page.tries > 1 and page.state == "waiting":
        return incident  # the first failure has moved it on
    if page.others and page.tries == 1:
        return with_pages(incident, (*incident.pages, by_next_channel(incident.id, page, now_ms)))
    if page.kind != "page":
        return incident
    step = [p for p in incident.pages if (p.run, p.step, p.kind) == (page.run, page.step, "page")]
    alive = any(p.state in ("sent", "held-back") or (p.state == "waiting" and p.tries == 0) for p in step)
    ours = page.run == incident.run and incident.state is State.PAGED
    latest = page.step == max(p.step for p in incident.pages if p.run == page.run)
    return replace(incident, next_ms=now_ms) if ours and latest and not alive else incident


def by_next_channel(incident: str, page: Page, now_ms: int) -> Page:
    """The same page by the next of the person's channels."""
    channel, *others = page.others
    return replace(
        page,
        key=page_key(incident, page.run, page.step, page.person, channel, page.kind),
        channel=channel,
        others=tuple(others),
        state="waiting",
        made_ms=now_ms,
        at_ms=now_ms,
        tries=0,
        reason="",
    )


def _with(pages: tuple[Page, ...], page: Page) -> tuple[Page, ...]:
    return tuple(page if one.key == page.key else one for one in pages)
