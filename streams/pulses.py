"""What one source counts of its brands, mention by mention, and tells by the minute.

Law of this file: as `streams.pulse`, whose words it speaks: cumulative, by event time, in any order.
"""

from __future__ import annotations

from typing import Any

from streams.baseline import RUNGS, TERMS
from streams.forecast import features_of, terms
from streams.mention import Mention
from streams.pulse import (
    COARSEST_S,
    GRACE_MIN,
    MINUTE_MS,
    MOST_LEFT,
    NEGATIVE,
    NO_COUNTS,
    PER_UNIT,
    SCORED,
    SHOWN_FROM,
    Figures,
    Mark,
    Open,
    Pulse,
    Said,
    Told,
    Volume,
)
from streams.thread import DAY_MS, Thread

__all__ = ["Pulses", "count_into", "rung"]


def rung(thread: Thread, mention: Mention) -> int | None:
    """The step of LADDER that `mention`, a customer's and just counted, took `thread` to; None: to none.

    It goes by what `streams.thread.step` counts into `mentions_24h`, which grows by one at a time.
    """
    number = RUNGS.get(thread.mentions_24h)
    if number is None or not -DAY_MS < mention.created_ms - thread.started_ms < DAY_MS:
        return None
    return number


def count_into(counts: list[int], thread: Thread, mention: Mention) -> bool:
    """Add to `counts` what a customer's mention, just counted, did to its thread; False if nothing."""
    if (number := rung(thread, mention)) is None:
        return False
    counts[number] += 1
    if (place := SHOWN_FROM.get(number)) is not None:
        day_left, *rest = terms(features_of(thread))[:TERMS]
        for term in (max(0.0, MOST_LEFT - day_left), *rest):
            counts[place] += round(term * PER_UNIT)
            place += 1
    return True


class Pulses:
    """Counts the mentions of one source by brand and minute. Adding costs some 0.4 us.

    A minute is told once the watermark (the latest created_at) has left it, and again whenever it changed.
    It may change for `GRACE_MIN` minutes; what comes later is left out and counted in `late`, and so are
    volumes whose interval ended before that. Volumes coarser than an hour are left out, in `coarse`.
    """

    def __init__(self, source: int, restored: Open | None = None) -> None:
        self.source = source
        self.minute = 0  # that the watermark lies in
        self.late = 0
        self.coarse = 0
        self._first = -1  # oldest minute that may change
        self._told = 0
        # minute -> brand -> figures, whether they have yet to be told, and a list of counts or None
        self._rows: dict[int, dict[str, list[Any]]] = {}
        self._now: dict[str, list[Any]] = {}  # those of the watermark's minute
        self._volumes: list[Volume] = []
        self._said: list[Said] = []
        if restored is not None:
            self.late = restored.late
            self._reach(restored.minute)
            for brand, minute, figures, counts in restored.rows:
                self._rows.setdefault(minute, {})[brand] = [*figures, True, [*counts]]

    def add(
        self,
        mention: Mention,
        thread: Thread | None = None,
        scored: int = 0,
        negative: int = 0,
        paged: bool = False,
    ) -> None:
        """Count one mention, no duplicate and no volume, and what it did to its `thread`, if that matters.

        `scored` texts were scored with it, `negative` of them are; `paged`: its thread rose to page, as it
        also may by what the brand itself said.
        """
        minute = mention.created_ms // MINUTE_MS
        if mention.from_brand and not paged:
            self.reach(minute)
            return
        if minute == self.minute:
            rows = self._now
        elif minute > self.minute:
            self._reach(minute)
            rows = self._now
        elif minute >= self._first:
            rows = self._rows.setdefault(minute, {})
        else:
            self.late += 1
            return
        row = rows.get(mention.brand)
        if row is None:
            row = rows[mention.brand] = [0, 0, 0, 0, 0, True, None]
        row[5] = True
        if paged or scored:
            row[2] += scored
            row[3] += negative
            row[4] += paged
        if mention.from_brand:
            return
        row[0] += 1
        row[1] += mention.followers
        if scored:
            counts = row[6] = row[6] or [*NO_COUNTS]
            counts[SCORED] += scored
            counts[NEGATIVE] += negative
        if thread is not None and thread.mentions_24h in RUNGS:
            counts = row[6] or [*NO_COUNTS]
            if count_into(counts, thread, mention):
                row[6] = counts

    def volume(self, mention: Mention) -> None:
        """Pass on one mention of kind volume; its thread_id names the feed."""
        minute = mention.created_ms // MINUTE_MS
        if minute > self.minute:
            self._reach(minute)
        if mention.interval_s > COARSEST_S:
            self.coarse += 1
        elif (mention.created_ms + mention.interval_s * 1000) // MINUTE_MS < self._first:
            self.late += 1
        else:
            self._volumes.append(
                Volume(
                    mention.brand,
                    mention.thread_id,
                    mention.created_ms,
                    mention.interval_s,
                    mention.count,
                )
            )

    def said(self, reply: Said | None) -> None:
        """Pass on what a brand has said; None is nothing. Too late it is left out, as all else."""
        if reply is None:
            return
        if reply.at_ms // MINUTE_MS < self._first:
            self.late += 1
        else:
            self._said.append(reply)

    def reach(self, minute: int) -> None:
        """The watermark is at `minute` at the least."""
        if minute > self.minute:
            self._reach(minute)

    def take(self, *, idle: bool = False) -> list[Told]:
        """What there is to tell by now, the mark last; the minute now running only if the source is `idle`.

        An idle source is one that has read all there is: nobody need wait for it.
        """
        told: list[Told] = [*self._volumes, *self._said]
        self._volumes, self._said = [], []
        if not idle and self.minute == self._told:
            return told
        self._told = self.minute
        for minute, rows in self._rows.items():
            if idle or minute < self.minute:
                for brand, row in rows.items():
                    if row[5]:
                        row[5] = False
                        told.append(Pulse(brand, self.source, minute, Figures(*row[:5]), tuple(row[6] or ())))
        self._rows = {minute: rows for minute, rows in self._rows.items() if minute >= self._first}
        told.append(Mark(self.source, self.minute, idle))
        return told

    def open(self) -> Open:
        """What must outlive the process, once `take` has told the rest."""
        rows = [
            (brand, minute, Figures(*row[:5]), tuple(row[6] or ()))
            for minute, brands in self._rows.items()
            for brand, row in brands.items()
        ]
        return Open(self.minute, self.late, tuple(rows))

    def _reach(self, minute: int) -> None:
        self.minute = minute
        self._first = minute - GRACE_MIN
        self._now = self._rows.setdefault(minute, {})
