"""Which of what is usual for its brand a thread is given.

Law of this file: a thread uses the newest snapshot that is at least LAG_MS older than its start (for what it
keeps) or its latest mention (for the tempo). So live and replay use the same one as long as brands are
followed less than that behind; a brand not yet seen for NEUTRAL_MS counts as one like all others
(docs/adr/0008-usual-is-a-snapshot.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from streams.baseline import tempo
from streams.habits import LAG_MS, Known
from streams.reply_clock import HOURS
from streams.thread import DAY_MS, Thread
from streams.usual import Usual

__all__ = [
    "NEUTRAL_MS",
    "UNKNOWN",
    "Snapshots",
    "begin",
    "hour_of_week",
    "keep_up",
    "known",
    "templates_of",
]

NEUTRAL_MS: Final = 2 * DAY_MS
_HOUR_MS: Final = 3_600_000
_MONDAY_H: Final = 3 * 24  # the epoch began on a Thursday

Snapshots = Mapping[str, Sequence[Usual]]
"""The latest of each brand, the newest last."""

UNKNOWN: Final[Snapshots] = {}


def hour_of_week(at_ms: int) -> int:
    """0..167, from Monday 00 h on, UTC."""
    return (at_ms // _HOUR_MS + _MONDAY_H) % HOURS


def templates_of(latest: Sequence[Usual], at_ms: int) -> tuple[Known, ...]:
    """The brand's templates that a reply at `at_ms` is held against: those that recurred LAG_MS before."""
    if not latest or at_ms - LAG_MS - latest[-1].since_ms < NEUTRAL_MS:
        return ()
    return tuple(one for one in latest[-1].templates if one.earlier(at_ms))


def begin(thread: Thread, usuals: Snapshots) -> None:
    """Give a thread that has just begun, in place, what it keeps for its life."""
    if (one := known(usuals, thread.brand, thread.started_ms)) is not None:
        thread.growth, thread.viral_at = one.growth, one.viral_at or 0
        thread.negative_usual = -1.0 if one.negative_share is None else one.negative_share
        if one.reply_delays_s:
            hour = hour_of_week(thread.started_ms)
            thread.reply_due_ms = thread.started_ms + one.reply_delays_s[hour] * 1000
            thread.canned_share = one.canned_shares[hour]


def keep_up(thread: Thread, usuals: Snapshots) -> None:
    """Give a thread that is about to be judged, in place, the tempo of its brand as of its latest mention.

    It moves with the full hours alone, and not with who asks how often. It is faded to the last hour that may
    be known: without a newer snapshot no thread began since the one that is taken.
    """
    hour = thread.last_ms // _HOUR_MS
    if hour == thread.tempo_hour or thread.brand not in usuals:
        return
    # Where nothing is known yet nothing changes: a snapshot that is too new must leave no trace.
    if (one := known(usuals, thread.brand, thread.last_ms)) is not None:
        thread.tempo_hour = hour
        upto_ms = _upto_ms(thread.last_ms)
        seen_s, silent_s = (upto_ms - one.since_ms) / 1000, (upto_ms - one.as_of_ms) / 1000
        thread.tempo = tempo(one.recent, one.week, seen_s, silent_s)


def known(usuals: Snapshots, brand: str, at_ms: int) -> Usual | None:
    """The snapshot of the brand to be used at `at_ms`; None if it is too new, or was forgotten."""
    upto_ms = _upto_ms(at_ms)
    for one in reversed(usuals.get(brand, ())):
        if one.as_of_ms <= upto_ms:
            return one if upto_ms - one.since_ms >= NEUTRAL_MS else None
    return None


def _upto_ms(at_ms: int) -> int:
    """The last full hour that is known at `at_ms`, everywhere."""
    return (at_ms - LAG_MS) // _HOUR_MS * _HOUR_MS
