"""Recordings through the core, kept as traces: what judge and tune measure.

Law of this file: a mention walks `follow`, the road that live and replay take, and the alerts that come out
are theirs. Texts are gone once a mention was followed: a trace holds times, counts and thread ids.
"""

from __future__ import annotations

from agents.settings import Settings
from agents.words import reader_of
from streams.alert import Alert
from streams.as_usual import Snapshots, keep_up
from streams.judge import follow
from streams.mention import Mention
from streams.params import ThreadParams
from streams.thread import DAY_MS, Thread
from streams.trace import MARKS, Floor, Glimpse, Trace, glimpse
from streams.usual import Usuals

__all__ = ["Recorder"]


class _Track:
    """A trace in the making."""

    __slots__ = ("answers", "at_marks", "born_ms", "canned_ms", "glimpses", "name")

    def __init__(self, name: str, born_ms: int) -> None:
        self.name = name
        self.born_ms = born_ms
        self.answers: list[int] = []
        self.glimpses: list[Glimpse] = []
        self.at_marks: list[tuple[int, float]] = []
        self.canned_ms = 0  # until there are glimpses


class Recorder:
    """Follows mentions under `settings` and keeps what thresholds above `floor` decide by."""

    def __init__(self, settings: Settings, floor: Floor) -> None:
        self._params_for = settings.params_for
        self._reader = reader_of(settings)
        self._floor = floor
        self._threads: dict[str, Thread] = {}
        self._tracks: dict[str, list[_Track]] = {}  # by thread id: its episodes
        self._done: list[Trace] = []
        self._usuals = Usuals()

    def follow(self, mention: Mention) -> tuple[str, Alert | None]:
        """The name of the trace that the mention belongs to, and the alert it raises, if any."""
        thread_id = mention.thread_id
        before = self._threads.get(thread_id)
        params = self._params_for(mention.brand)
        usuals = self._usuals.reach(mention.created_ms)
        followed = follow(before, mention, params, usuals, self._reader)
        tracks = self._tracks.setdefault(thread_id, [])
        if followed is None:
            return tracks[-1].name, None
        self._threads[thread_id] = after = followed.thread
        alert = followed.alert
        reading = followed.reading
        self._usuals.add(after, mention, reading.scored, reading.negative, followed.reply)
        if after is not before:
            if before is not None:
                self._done.append(_trace(tracks[-1], thread_id, before))
            number = len(tracks) + 1
            tracks.append(_Track(thread_id if number == 1 else f"{thread_id}#{number}", after.born_ms))
        track = tracks[-1]
        if not mention.from_brand:
            if mention.id != thread_id:
                track.answers.append(mention.created_ms)
            self._look(track, after, mention.created_ms, params, usuals)
        elif followed.reply is not None and followed.reply.kind == "canned":
            self._look_at_reply(track, after, mention.created_ms, params, usuals)
        return track.name, alert

    def traces(self) -> list[Trace]:
        """What was recorded so far; threads in which nobody but the brand spoke are left out."""
        running = [_trace(self._tracks[one][-1], one, thread) for one, thread in self._threads.items()]
        return [one for one in (*self._done, *running) if one.size_24h]

    def _look_at_reply(
        self, track: _Track, thread: Thread, at_ms: int, params: ThreadParams, usuals: Snapshots
    ) -> None:
        if track.glimpses:
            keep_up(thread, usuals)
            track.glimpses.append(glimpse(thread, at_ms, params, canned=True))
        else:  # calm under every threshold that will be asked for
            track.canned_ms = max(track.canned_ms, at_ms)

    def _look(
        self, track: _Track, thread: Thread, at_ms: int, params: ThreadParams, usuals: Snapshots
    ) -> None:
        on_first_day = thread.last_ms - thread.started_ms < DAY_MS
        at_mark = on_first_day and thread.mentions in MARKS
        low = (
            thread.mentions < self._floor.mentions
            or thread.authors.estimate < self._floor.authors
            or not on_first_day
        )
        if low and not track.glimpses and not at_mark:
            return
        keep_up(thread, usuals)  # calm under these thresholds, awake perhaps under others
        seen = glimpse(thread, at_ms, params)
        if at_mark:
            track.at_marks.append((thread.mentions, seen.probability))
        if track.glimpses or (not low and seen.probability >= self._floor.probability):
            track.glimpses.append(seen)


def _trace(track: _Track, thread_id: str, thread: Thread) -> Trace:
    started = thread.started_ms
    return Trace(
        track.name,
        thread_id,
        thread.brand,
        thread.born_ms,
        started,
        thread.mentions_24h,
        tuple(sorted(at for at in track.answers if -DAY_MS < at - started < DAY_MS)),
        tuple(track.glimpses),
        tuple(track.at_marks),
        thread.viral_at,
        track.canned_ms,
    )
