"""All incidents of some brands, and what must be known of all of them to decide for one.

Law of this file: mutes, merges and rations are decided here, everything else by the incident itself. A desk
has one owner and is changed in place; time and the roster are arguments. What changed is kept until it is
asked for (`changes`), and a delivery is offered only while its page waits in the outbox: who stores the
changes before sending, and stores the outcome after, loses no page and repeats one only in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Protocol

import msgspec
from msgspec.structs import replace

from streams.audit import Refusal
from streams.cases import alike, words_of
from streams.delivery import Case, Delivery, Outcome
from streams.escalation import deadline, deliveries, due
from streams.incident import (
    Command,
    Delivered,
    Event,
    HoldReplies,
    Incident,
    Joined,
    Ladder,
    Merge,
    Mute,
    Page,
    Raised,
    Reach,
    Release,
    Revise,
    Rules,
    State,
    Unmute,
    apply,
    incident_id,
    noted,
    page_key,
    thread_ids,
    with_pages,
)
from streams.revision import obeyed

__all__ = [
    "Desk",
    "Held",
    "Muted",
    "Record",
    "Revised",
    "Roster",
    "decode_record",
    "encode_record",
    "mute_key",
    "revised_key",
]

_HOUR_MS: Final = 3_600_000
_CASES: Final = 10
_NOTICES: Final = 256  # of one thread; an alert and what revises it are read within seconds of each other
_REVISED_MS: Final = 24 * _HOUR_MS
_SAME: Final = {"link": "a link or a quote in common", "text": "nearly the same words"}
_OVER: Final = (State.RESOLVED, State.MERGED)


class Muted(msgspec.Struct, frozen=True, tag="mute", tag_field="type"):
    """A brand, or one thread of it, for which no ladder starts before `until_ms`; who asked, and why."""

    brand: str
    thread_id: str | None
    who: str
    why: str
    since_ms: int
    until_ms: int


class Held(msgspec.Struct, frozen=True):
    """What a reply tool obeys: one record of the topic `holds`."""

    thread_id: str
    brand: str
    incident: str
    owner: str
    reason: str
    since_ms: int
    until_ms: int


class Revised(msgspec.Struct, frozen=True, tag="revised", tag_field="type"):
    """What was deleted or edited lately in a thread: an alert that was raised before may be read after it."""

    brand: str
    thread_id: str
    since_ms: int  # the latest
    notices: tuple[Revise, ...]


Record = Incident | Muted | Revised
_Step = tuple[str, int, int]  # incident, run, step: a page by a second channel is no second page
_encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


def encode_record(record: Record) -> bytes:
    """One record of the topic `incidents`: JSON with a `type`, `incident`, `mute` or `revised`."""
    return _encode(record)


def decode_record(value: bytes) -> Record:
    """It back. Raises ValueError for anything else."""
    return _decoder.decode(value)


def mute_key(brand: str, thread_id: str | None) -> str:
    """The key of a mute among the incidents; no incident's id begins like it."""
    return f"mute:{brand}" + (f":{thread_id}" if thread_id is not None else "")


def revised_key(brand: str, thread_id: str) -> str:
    """The key of what was revised in a thread among the incidents."""
    return f"revised:{brand}:{thread_id}"


class Roster(Protocol):
    """Who may decide, and how to reach them."""

    def ladder(self, case: Case, now_ms: int) -> Ladder:
        """The ladder for a new incident."""

    def reach(self, whom: tuple[str, ...], incident: Incident, now_ms: int) -> tuple[Reach, ...]:
        """The people behind the names of a rung, at this moment; none if nobody is on call."""


class Desk:
    """The incidents and mutes of the brands of one partition."""

    def __init__(self, roster: Roster, rules: Rules, records: Iterable[Record] = ()) -> None:
        self._roster = roster
        self._rules = rules
        self.incidents: dict[str, Incident] = {}
        self.mutes: dict[str, Muted] = {}
        self._revised: dict[str, Revised] = {}
        self._deadlines: dict[str, int] = {}
        self._paged: dict[str, dict[_Step, int]] = {}  # by person: steps they were paged for, and when
        for record in records:
            if isinstance(record, Muted):
                self.mutes[mute_key(record.brand, record.thread_id)] = record
            elif isinstance(record, Revised):
                self._revised[revised_key(record.brand, record.thread_id)] = record
            else:
                self._keep(record)
        self._changed: dict[str, Record | None] = {}
        self._holds: dict[str, Held | None] = {}
        self.refused = 0  # commands that changed nothing

    def alert(self, case: Case, now_ms: int) -> None:
        """An alert was raised; below `page` it only tells an incident that is under way."""
        own = incident_id(case.scope, case.brand, case.thread_id)
        one = self._surviving(own)
        if one is not None and one.id != own and case.thread_id not in thread_ids(one):
            self._merge(self.incidents[own], self._joining(own, one), now_ms)  # it was done by half
            one = self.incidents[one.id]
        if one is None or one.state in _OVER:
            akin = self._akin(case)
            if akin and (one is None or case.level == "page"):
                (into, why), *bridged = akin
                self._apply(one, Raised(self._as_revised(case), into.ladder), now_ms)
                joining = one.id if one is not None else own
                self._merge(self.incidents[joining], self._joining(joining, into), now_ms, why)
                for other, how in bridged:  # what this thread shows to be one case
                    self._merge(self.incidents[other.id], self._joining(other.id, into), now_ms, how)
                return
            if case.level != "page":
                return
        if one is not None and one.state is State.MERGED:
            one = None  # into one that is forgotten
        case = self._as_revised(case)
        ladder = one.ladder if one and one.state not in _OVER else self._roster.ladder(case, now_ms)
        self._apply(one, Raised(case, ladder), now_ms)

    def command(self, command: Command, now_ms: int) -> bool:
        """What a person asks for; False if it changed nothing, and is counted as refused."""
        if isinstance(command, Mute):
            changed = self._mute(command, now_ms)
        elif isinstance(command, Unmute):
            changed = self._unmute(command, now_ms)
        elif isinstance(command, Revise):
            changed = self._revise(command, now_ms)
        elif (one := self.incidents.get(command.incident)) is None or one.case.brand != command.brand:
            changed = False
        elif isinstance(command, Merge):
            changed = self._merge(one, command, now_ms)
        else:
            changed = self._apply(one, command, now_ms)
        self.refused += not changed
        return changed

    def why_refused(self, command: Command, now_ms: int) -> Refusal:
        """Why `command`, asked just before at the same moment, changed nothing."""
        if isinstance(command, Mute):
            return Refusal.PAST
        if isinstance(command, Unmute):
            return Refusal.NO_SUCH_MUTE
        one = self.incidents.get(command.incident)
        if one is None or one.case.brand != command.brand:
            return Refusal.UNKNOWN_INCIDENT
        if command.id in one.seen:
            return Refusal.COUNTED_BEFORE
        if isinstance(command, Merge):
            into = self._surviving(command.into)
            if into is None or into.id == one.id or into.case.brand != one.case.brand or into.state in _OVER:
                return Refusal.BAD_TARGET
        if isinstance(command, Release) and one.hold is None:
            return Refusal.NOTHING_HELD
        if isinstance(command, HoldReplies) and command.until_ms and command.until_ms <= now_ms:
            return Refusal.PAST
        return Refusal.NOT_NOW

    def tick(self, now_ms: int) -> None:
        """Do all that is due until now."""
        for key in [key for key, mute in self.mutes.items() if mute.until_ms <= now_ms]:
            self._changed[key] = None
            del self.mutes[key]
        for key in [key for key, one in self._revised.items() if one.since_ms + _REVISED_MS <= now_ms]:
            self._changed[key] = None
            del self._revised[key]
        for key in sorted(key for key, at_ms in self._deadlines.items() if at_ms <= now_ms):
            one = self.incidents[key]
            if self._forgotten(one, now_ms):
                self._changed[key] = None
                del self.incidents[key], self._deadlines[key]
                continue
            after = due(one, now_ms, self._roster.reach, self._rules, self._muted_ms(one))
            self._put(one, self._rationed(one, after, now_ms))

    def deadline(self) -> int | None:
        """When `tick` or `deliveries` have something to do next, ms."""
        mutes = [mute.until_ms for mute in self.mutes.values()]
        revised = [one.since_ms + _REVISED_MS for one in self._revised.values()]
        return min((*self._deadlines.values(), *mutes, *revised), default=None)

    def deliveries(self, now_ms: int) -> Iterator[Delivery]:
        """What is to be sent now. Each is offered until its outcome is told."""
        for key in [key for key, at_ms in self._deadlines.items() if at_ms <= now_ms]:
            for one in deliveries(self.incidents[key], now_ms):
                if one.kind != "digest":
                    yield one
                elif cases := self._held_back(one.person):
                    titles = tuple(case.title or case.summary for case in cases[:_CASES])
                    yield replace(one, page=replace(one.page, more=len(cases), cases=titles))
                else:
                    self._drop(key, one.dedup_key, now_ms)

    def delivered(self, delivery: Delivery, outcome: Outcome, now_ms: int) -> None:
        """How a delivery went."""
        if (one := self.incidents.get(delivery.incident)) is not None:
            self._apply(one, Delivered(delivery.dedup_key, outcome), now_ms)

    def changes(self) -> tuple[dict[str, Held | None], dict[str, Record | None]]:
        """Holds by thread id and records by key that changed since it was last asked; None: gone."""
        changes = self._holds, self._changed
        self._holds, self._changed = {}, {}
        return changes

    def _apply(self, one: Incident | None, event: Event, now_ms: int) -> bool:
        after = apply(one, event, now_ms, self._rules)
        if after is None or after is one:
            return False
        self._put(one, self._rationed(one, after, now_ms))
        return True

    def _put(self, before: Incident | None, after: Incident) -> None:
        if after is before:
            return
        self._changed[after.id] = after
        self._keep(after)
        held, holds = _held(before), _held(after)
        for thread_id in held.keys() | holds.keys():
            if held.get(thread_id) != holds.get(thread_id):
                self._holds[thread_id] = holds.get(thread_id)

    def _keep(self, one: Incident) -> None:
        self.incidents[one.id] = one
        for page in one.pages:
            if page.kind == "page" and page.state != "held-back":
                self._paged.setdefault(page.person, {})[one.id, page.run, page.step] = page.made_ms
        at_ms = deadline(one)
        if at_ms is None and one.state in _OVER:
            at_ms = one.changed_ms + int(self._rules.forget_after_s * 1000)
        if at_ms is None:
            self._deadlines.pop(one.id, None)
        else:
            self._deadlines[one.id] = at_ms

    def _forgotten(self, one: Incident, now_ms: int) -> bool:
        after_ms = int(self._rules.forget_after_s * 1000)
        return one.state in _OVER and deadline(one) is None and one.changed_ms + after_ms <= now_ms

    def _surviving(self, key: str) -> Incident | None:
        """The incident of this id, or the one that it was merged into."""
        one = self.incidents.get(key)
        while one is not None and one.state is State.MERGED and one.merged_into in self.incidents:
            one = self.incidents[one.merged_into]
        return one

    def _akin(self, case: Case) -> list[tuple[Incident, str]]:
        """The incidents under way that are about the same case as an alert of another thread, and why.

        First the one that the others join: one that somebody has taken, else the oldest.
        """
        if case.thread_id is None:
            return []
        refs, words = frozenset(case.refs), words_of(case.title)
        found = []
        for one in self.incidents.values():
            if one.state in _OVER or one.case.brand != case.brand or one.case.scope != "thread":
                continue
            if not refs.isdisjoint(one.refs):
                found.append((one, "link"))
            elif words is not None and alike(words, words_of(one.case.title)):
                found.append((one, "text"))
        return sorted(
            found, key=lambda it: (it[0].state is not State.ACKNOWLEDGED, it[0].opened_ms, it[0].id)
        )

    @staticmethod
    def _joining(own: str, into: Incident) -> Merge:
        """What joins an incident to another of the same case: asked for by nobody, the same after a crash."""
        brand, at_ms = into.case.brand, into.opened_ms
        return Merge(id=f"case:{own}:{into.id}", brand=brand, incident=own, who="", at_ms=at_ms, into=into.id)

    def _merge(self, one: Incident, command: Merge, now_ms: int, why: str = "") -> bool:
        """Both or none; the half that is done already is not done again."""
        into = self._surviving(command.into)
        if into is None or into.id == one.id or into.case.brand != one.case.brand or into.state in _OVER:
            return False
        joined = Joined(
            command.id, one.id, thread_ids(one), one.hold, one.seen, one.burns, one.refs, _SAME.get(why, "")
        )
        before = one
        if one.merged_into != into.id:
            after = apply(one, replace(command, into=into.id), now_ms, self._rules)
            if after is None or after is one:
                return False
            self._put(one, after)
        changed = self._apply(into, joined, now_ms)
        if changed:  # the threads' holds are the other's now
            self._holds.update(_held(self.incidents[into.id]))
        return changed or before.merged_into is None

    def _mute(self, command: Mute, now_ms: int) -> bool:
        until_ms = min(command.until_ms, now_ms + int(self._rules.mute_at_most_s * 1000))
        if until_ms <= now_ms:
            return False
        mute = Muted(command.brand, command.thread_id, command.who, command.why, now_ms, until_ms)
        self.mutes[(key := mute_key(command.brand, command.thread_id))] = mute
        self._changed[key] = mute
        return True

    def _unmute(self, command: Unmute, now_ms: int) -> bool:
        key = mute_key(command.brand, command.thread_id)
        if (mute := self.mutes.pop(key, None)) is None:
            return False
        self._changed[key] = None
        for one in list(self.incidents.values()):
            if one.next_ms == mute.until_ms and one.case.brand == mute.brand:
                self._put(one, noted(replace(one, next_ms=now_ms), now_ms, "unmuted", command.who))
        return True

    def _revise(self, notice: Revise, now_ms: int) -> bool:
        """Always done: a notice that comes again, after a crash, finds nothing more to take away."""
        brand, thread_id = notice.brand, notice.thread_id
        key = revised_key(brand, thread_id)
        known = self._revised[key].notices if key in self._revised else ()
        others = tuple(
            other for other in known if other.post != notice.post or other.deleted > notice.deleted
        )
        record = Revised(brand, thread_id, now_ms, (*others, notice)[-_NOTICES:])
        self._changed[key] = self._revised[key] = record
        what = "post-deleted" if notice.deleted else "post-edited"
        for one in list(self.incidents.values()):  # a merged one may tell of this thread, too
            if one.case.brand != brand or thread_id not in thread_ids(one):
                continue
            case = obeyed(one.case, notice) if one.case.thread_id == thread_id else one.case
            burns = one.burns
            if notice.root and notice.deleted:
                burns = tuple(
                    replace(each, url=None) if each.thread_id == thread_id else each for each in burns
                )
            if (case, burns) != (one.case, one.burns):
                self._put(one, noted(replace(one, case=case, burns=burns), now_ms, what))
        return True

    def _as_revised(self, case: Case) -> Case:
        if case.thread_id is not None:
            revised = self._revised.get(revised_key(case.brand, case.thread_id))
            for notice in revised.notices if revised is not None else ():
                case = obeyed(case, notice)
        return case

    def _muted_ms(self, one: Incident) -> int:
        keys = mute_key(one.case.brand, None), mute_key(one.case.brand, one.case.thread_id)
        return max((self.mutes[key].until_ms for key in keys if key in self.mutes), default=0)

    def _rationed(self, before: Incident | None, after: Incident, now_ms: int) -> Incident:
        """Hold back the new pages of people who were paged often enough this hour, and see to the digest."""
        old = {page.key for page in before.pages} if before is not None else set()
        for page in after.pages:
            if page.key in old or page.kind != "page" or page.state != "waiting":
                continue
            if self._ration_is_left(after.id, page, now_ms):
                continue
            pages: list[Page] = [replace(page, state="held-back") if p is page else p for p in after.pages]
            digests = [
                one
                for incident in self.incidents.values()
                for one in (*incident.pages, *(after.pages if incident.id == after.id else ()))
                if one.kind == "digest" and one.person == page.person
            ]
            if not any(one.state == "waiting" for one in digests):
                at_ms = now_ms + int(self._rules.digest_after_s * 1000)
                at_ms = max([at_ms, *(one.at_ms + _HOUR_MS for one in digests)])
                key = page_key(after.id, page.run, page.step, page.person, page.channel, "digest")
                pages.append(replace(page, key=key, kind="digest", at_ms=at_ms))
            after = with_pages(after, tuple(pages))
            after = noted(after, now_ms, "held back", page.person, note="paged often enough this hour")
        return after

    def _ration_is_left(self, incident: str, page: Page, now_ms: int) -> bool:
        paged = self._paged.get(page.person, {})
        for key in [key for key, made_ms in paged.items() if made_ms <= now_ms - _HOUR_MS]:
            del paged[key]
        return len(paged.keys() - {(incident, page.run, page.step)}) < self._rules.pages_per_hour

    def _held_back(self, person: str) -> list[Case]:
        """The cases of which a person has not been told, and that nobody has taken."""
        pages = [
            (one, page) for one in self.incidents.values() for page in one.pages if page.person == person
        ]
        told_ms = max(
            (page.at_ms for _, page in pages if (page.kind, page.state) == ("digest", "sent")), default=0
        )
        waiting = {
            one.id: one.case
            for one, page in pages
            if page.state == "held-back"
            and page.kind == "page"
            and page.made_ms > told_ms
            and one.state in (State.OPEN, State.PAGED)
        }
        return list(waiting.values())

    def _drop(self, incident: str, key: str, now_ms: int) -> None:
        one = self.incidents[incident]
        pages = tuple(replace(page, state="held-back") if page.key == key else page for page in one.pages)
        self._put(one, noted(with_pages(one, pages), now_ms, "digest dropped", note="all cases are taken"))


def _held(one: Incident | None) -> dict[str, Held]:
    if one is None or one.hold is None:
        return {}
    hold = one.hold
    return {
        thread: Held(thread, one.case.brand, one.id, hold.owner, hold.reason, hold.since_ms, hold.until_ms)
        for thread in thread_ids(one)
    }
