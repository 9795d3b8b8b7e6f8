"""What a brand's desk is used to do: how soon it answers, how often from a text block, from which ones.

Law of this file: learned an hour at a time, from all replies of that hour in the order of event time, so it
makes no difference which partition told of a reply, when, or how often. What is kept are hashes of words and
counts: no text, no thread, no author, and nothing of any single person at the desk.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec

from streams.canned import RecurrenceParams, ReplyBook, Signature, Template, Verdict, learn_signature
from streams.mention import Mention
from streams.pulse import Said
from streams.reply_clock import ReplyClock, learn_reply
from streams.thread import Thread

__all__ = ["Habits", "Known", "learned", "said_of"]

PARAMS: Final = RecurrenceParams(max_templates=200)
LAG_MS: Final = 3_600_000  # see `streams.usual`, whose law this follows
_KNOWN: Final = 100  # templates that are told to workers: those used last
_COUNTS: Final = 6  # counts of a template's uses that are kept: more than snapshots are


class Known(msgspec.Struct, frozen=True):
    """A template that recurs, as workers know it. `uses`: (as of, how many before that), the newest last."""

    id: str
    shingles: Signature
    uses: tuple[tuple[int, int], ...]

    def earlier(self, at_ms: int, params: RecurrenceParams = PARAMS) -> int:
        """The uses that were known an hour before `at_ms` (event time)."""
        return next((count for as_of_ms, count in reversed(self.uses) if as_of_ms <= at_ms - LAG_MS), 0)


class Habits(msgspec.Struct, frozen=True, array_like=True):
    """All of it, of one brand. `upto_ms`: every reply before that is in it, and none after."""

    upto_ms: int = 0
    clock: ReplyClock = ReplyClock()
    templates: tuple[Template, ...] = ()
    known: tuple[Known, ...] = ()


def said_of(mention: Mention, thread: Thread, verdict: Verdict | None) -> Said | None:
    """What there is to tell of a brand's reply that was just counted and judged; None: nothing.

    Only the first reply to a customer's own post teaches the clock: what a brand says below its own post is
    no answer to that.
    """
    if verdict is None:
        return None
    waited_s = -1
    if thread.brand_replies == 1 and thread.root_author not in (0, mention.author):
        waited_s = max(0, mention.created_ms - thread.started_ms) // 1000
    return Said(
        mention.brand,
        mention.created_ms,
        mention.key,
        waited_s,
        verdict.kind == "canned",
        verdict.recurrence.signature,
    )


def learned(habits: Habits, replies: Iterable[Said], upto_ms: int) -> Habits:
    """The habits after all replies of the hour that ends at `upto_ms`; the same if it is in them already."""
    if upto_ms <= habits.upto_ms:
        return habits
    book, clock = ReplyBook(habits.templates), habits.clock
    for one in sorted(replies, key=lambda one: (one.at_ms, one.key)):
        book = learn_signature(book, one.shingles, one.at_ms, PARAMS)
        if one.waited_s >= 0:
            asked_ms = one.at_ms - one.waited_s * 1000
            clock = learn_reply(clock, asked_at=_at(asked_ms), replied_at=_at(one.at_ms), canned=one.canned)
    return Habits(upto_ms, clock, book.templates, _known(habits.known, book.templates, upto_ms))


def _known(before: tuple[Known, ...], templates: tuple[Template, ...], as_of_ms: int) -> tuple[Known, ...]:
    had = {one.id: one for one in before}
    known = []
    for template in templates:
        count = template.earlier(as_of_ms, PARAMS)
        one = had.get(template.id)
        if one is None:
            if count < PARAMS.min_earlier:
                continue
            one = Known(template.id, template.shingles, ())
        if not one.uses or one.uses[-1][1] != count:
            one = Known(one.id, one.shingles, (*one.uses, (as_of_ms, count))[-_COUNTS:])
        known.append(one)
    return tuple(known[-_KNOWN:])


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
