"""What the pages know: the topics, as far as they were read, ready to be asked.

Law of this file: records in, answers out; it reads no topic, writes none and decides nothing. What it does
not know it says (`None`), and never fills in. Memory is bounded: incidents and threads are forgotten when
their topics forget them, the rest by number.
"""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple

import msgspec

from agents.codec import CURSOR_KEY, NO_THREADS, StateError, counts_further, decode_cursor, decode_state
from agents.terminal import safe
from agents.usuals import decode_usuals
from streams.alert import Evidence
from streams.audit import Audited, decode_audited
from streams.delivery import Attempt, Case
from streams.desk import Held, Muted, decode_record
from streams.incident import Incident, State, incident_id, thread_ids
from streams.levels import Level
from streams.thread import Thread
from streams.usual import Usual

__all__ = ["Known", "Source", "Told"]

log = logging.getLogger(__name__)

Source = Literal["incidents", "holds", "alerts", "pages", "audit", "threads", "usual"]

_SCOPES: Final = 10_000  # threads and brands whose alerts are remembered
_ALERTS: Final = 24  # of each
_ATTEMPTS: Final = 50  # of each incident
_VERDICTS: Final = 20_000  # far more than commands in the life of a link
_LATELY: Final = 2_000  # threads written last, whether they matter or not
_OVER: Final = (State.RESOLVED, State.MERGED)


class Told(Case, frozen=True):
    """An alert, and why it rose; without its texts, which are the state's to tell and to forget."""

    evidence: tuple[Evidence, ...] = ()


class Counted(NamedTuple):
    """How far the workers are with a partition of mentions: the last offset in their state, and its time."""

    offset: int
    watermark_ms: int


_decode_held = msgspec.json.Decoder(Held).decode
_decode_told = msgspec.json.Decoder(Told).decode
_decode_attempt = msgspec.json.Decoder(Attempt).decode


class Known:
    """See the head of this file. One owner, who calls `take` for each record in the order of its topic."""

    def __init__(self) -> None:
        self.incidents: dict[str, Incident] = {}
        self.mutes: dict[str, Muted] = {}
        self.holds: dict[str, Held] = {}  # by thread
        self.usuals: dict[str, tuple[Usual, ...]] = {}  # by brand, the newest last
        self.counted: dict[int, Counted] = {}  # by partition
        self.foreign = 0  # records that nobody of ours wrote
        self._alerts: OrderedDict[str, deque[Told]] = OrderedDict()  # by the id of the scope's incident
        self._attempts: OrderedDict[str, deque[Attempt]] = OrderedDict()
        self._verdicts: OrderedDict[str, Audited] = OrderedDict()  # by the id of the command
        self._alive: set[int] = set()  # hashes of the keys of threads that have a state
        self._watched: dict[str, int] = {}  # threads of incidents, and of how many
        self._threads: dict[str, bytes] = {}  # states of threads of incidents, or with an alert, as written
        self._raised: OrderedDict[str, None] = OrderedDict()  # threads with an alert
        self._lately: OrderedDict[str, bytes] = OrderedDict()

    def take(self, source: Source, partition: int, key: bytes | None, value: bytes | None) -> None:
        """One record of a topic. What nobody of ours wrote is counted, logged and changes nothing."""
        try:
            name = (key or b"").decode()
            match source:
                case "incidents":
                    self._incident(name, value)
                case "holds":
                    self._hold(name, value)
                case "threads":
                    self._thread(partition, key or b"", name, value)
                case "usual" if value is None:
                    self.usuals.pop(name, None)
                case "usual":
                    self.usuals[name] = decode_usuals(value or b"")
                case "alerts":
                    self._alert(_decode_told(value or b""))
                case "pages":
                    attempt = _decode_attempt(value or b"")
                    attempts = self._attempts.setdefault(attempt.incident, deque(maxlen=_ATTEMPTS))
                    attempts.append(attempt)
                    _bound(self._attempts, _SCOPES)
                case "audit":
                    told = decode_audited(value)
                    if told.id:
                        self._verdicts.setdefault(told.id, told)  # told again after a crash: the first holds
                        _bound(self._verdicts, _VERDICTS)
        except (ValueError, RecursionError) as error:  # msgspec's, UTF-8's and StateError are ValueErrors
            self.foreign += 1
            log.warning("%s, partition %d: not ours (%s)", source, partition, safe(str(error), 200))

    def alerts(self, incident: Incident) -> tuple[Told, ...]:
        """The latest alerts of its scope, oldest first."""
        return tuple(self._alerts.get(incident.id, ()))

    def attempts(self, incident: str) -> tuple[Attempt, ...]:
        """The latest attempts to deliver its pages, oldest first."""
        return tuple(self._attempts.get(incident, ()))

    def went_out(self, number: int, brand: str = "") -> list[Attempt]:
        """The latest attempts to deliver, of all brands or one, newest first."""
        attempts = (one for attempts in self._attempts.values() for one in attempts)
        found = [one for one in attempts if brand in ("", one.brand)]
        return sorted(found, key=lambda one: -one.at_ms)[:number]

    def verdict(self, command: str) -> Audited | None:
        """What became of the command of this id."""
        return self._verdicts.get(command)

    def counted_in(self, incident: str, command: str) -> bool:
        """Whether the incident, as it is known here, has the command of this id in it."""
        one = self.incidents.get(incident)
        return one is not None and command in one.seen

    def thread(self, thread_id: str) -> Thread | None:
        """Its state, if it has an alert or an incident, or was written lately; None if that is not known."""
        value = self._threads.get(thread_id) or self._lately.get(thread_id)
        try:
            return decode_state(value)[1] if value is not None else None
        except StateError:
            return None  # of another version

    def level(self, thread_id: str) -> Level | None:
        """How hot a thread is; None if the workers have no state of it (no mention for some 36 hours)."""
        if (thread := self.thread(thread_id)) is not None:
            return thread.level
        return Level.CALM if hash(thread_id.encode()) in self._alive else None

    def above_calm(self, brand: str = "") -> list[tuple[Level, Told]]:
        """Threads above calm now, with their latest alert: the hottest first, the youngest alert first."""
        found = []
        for alerts in reversed(self._alerts.values()):
            told = alerts[-1]
            if told.thread_id is not None and brand in ("", told.brand):
                thread = self.thread(told.thread_id)
                if thread is not None and thread.level:
                    shown = {"title": thread.title, "url": thread.url or None}
                    found.append((thread.level, msgspec.structs.replace(told, **shown)))
        return sorted(found, key=lambda one: -one[0])

    def of_thread(self, brand: str, thread_id: str) -> Incident | None:
        """The incident that is about a thread and not over, if there is one."""
        one = self.incidents.get(incident_id("thread", brand, thread_id))
        while one is not None and one.state is State.MERGED and one.merged_into in self.incidents:
            one = self.incidents[one.merged_into]
        return one if one is not None and one.state not in _OVER else None

    def under_way(self) -> Iterator[Incident]:
        """Incidents that nobody has resolved yet."""
        return (one for one in self.incidents.values() if one.state not in _OVER)

    def _incident(self, name: str, value: bytes | None) -> None:
        if not name:
            return  # the cursor
        before = self.incidents.get(name)
        if value is None:
            self.incidents.pop(name, None)
            self.mutes.pop(name, None)
            self._attempts.pop(name, None)
            self._watch(before, None)
            return
        record = decode_record(value)
        if isinstance(record, Muted):
            self.mutes[name] = record
        elif isinstance(record, Incident):
            self.incidents[name] = record
            self._watch(before, record)

    def _watch(self, before: Incident | None, after: Incident | None) -> None:
        for thread_id in thread_ids(after) if after is not None else ():
            self._watched[thread_id] = self._watched.get(thread_id, 0) + 1
            self._keep_lately(thread_id)
        for thread_id in thread_ids(before) if before is not None else ():
            self._watched[thread_id] -= 1
            if not self._watched[thread_id]:
                del self._watched[thread_id]
                if thread_id not in self._raised:
                    self._threads.pop(thread_id, None)

    def _hold(self, name: str, value: bytes | None) -> None:
        if value is None:
            self.holds.pop(name, None)
        else:
            self.holds[name] = _decode_held(value)

    def _alert(self, told: Told) -> None:
        scope = incident_id(told.scope, told.brand, told.thread_id)
        alerts = self._alerts.setdefault(scope, deque(maxlen=_ALERTS))
        if told.id not in {one.id for one in alerts}:
            alerts.append(msgspec.structs.replace(told, title="", voices=(), voice_ids=(), url=None))
        self._alerts.move_to_end(scope)
        _bound(self._alerts, _SCOPES)
        if (thread_id := told.thread_id) is not None:
            self._raised[thread_id] = None
            self._raised.move_to_end(thread_id)
            self._keep_lately(thread_id)
            while len(self._raised) > _SCOPES:
                gone, _ = self._raised.popitem(last=False)
                if gone not in self._watched:
                    self._threads.pop(gone, None)

    def _thread(self, partition: int, key: bytes, name: str, value: bytes | None) -> None:
        if key in NO_THREADS:
            if key == CURSOR_KEY and value is not None:
                counted, before = Counted(*decode_cursor(value)), self.counted.get(partition)
                if before is None or counted.offset >= before.offset:
                    self.counted[partition] = counted
            return
        if value is None:
            self._alive.discard(hash(key))
            self._lately.pop(name, None)
            self._threads.pop(name, None)
            return
        self._alive.add(hash(key))
        held = self._threads.get(name) or self._lately.get(name)
        if held is not None and counts_further(held, value):
            return  # of a worker that was taken for dead, behind the newer: a hot thread must not look calm
        self._lately[name] = value
        self._lately.move_to_end(name)
        _bound(self._lately, _LATELY)
        if name in self._watched or name in self._raised:
            self._threads[name] = value

    def _keep_lately(self, thread_id: str) -> None:
        if (value := self._lately.get(thread_id)) is not None:
            self._threads.setdefault(thread_id, value)


def _bound(one: OrderedDict[str, Any], most: int) -> None:
    while len(one) > most:
        one.popitem(last=False)
