"""May this draft be sent? What a reply tool is told before it posts.

Law of this file: a ladder of early returns, each with its reason; nothing is looked up and nothing changes.
`hold` is said only of what is known to be a text block, or of a thread that somebody holds; what can't be
told is `unknown`, never `send`. A draft in own words is the desk's to send: a hold is about text blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from streams.canned import Nearby, Verdict, judge_reply, recurrence
from streams.levels import Level
from streams.phrase_rules import RuleBook

__all__ = ["CheckReason", "Checked", "Rules", "check_reply"]

#: The phrase rules to ask for a language tag; None: the language is not known. `canned.shipped_rules` is one.
Rules = Callable[[str | None], tuple[RuleBook, ...]]


class CheckReason(StrEnum):
    """One word for each rung."""

    NO_TEXT = "no-text"  # an empty draft says nothing about what will be posted
    ON_HOLD = "on-hold"  # the thread is held, and this is, or may be, a text block
    CANNED_INTO_HOT = "canned-into-hot-thread"  # a text block into a thread at watch or above
    THREAD_UNKNOWN = "thread-unknown"  # a text block, and nobody can say how hot the thread is
    LANGUAGE_UNKNOWN = "no-rules-for-language"  # whether this is a text block can't be told, and it matters
    CANNED_INTO_CALM = "canned-into-calm-thread"
    RECURRING = "recurring"  # said often, and harmless
    OWN_WORDS = "own-words"


@dataclass(frozen=True, slots=True)
class Checked:
    """The answer: what to do, why, and the two witnesses behind it (None: not asked).

    `owner` is who holds the thread or has its case, to be spoken to first; None if nobody does.
    """

    decision: Literal["send", "hold", "unknown"]
    reason: CheckReason
    owner: str | None
    verdict: Verdict | None


def check_reply(
    text: str,
    lang: str | None,
    *,
    rules: Rules,
    templates: Sequence[Nearby],
    at_ms: int,
    held: bool,
    level: Level | None,
    owner: str | None = None,
) -> Checked:
    """Judge one draft of a brand's desk or bot.

    `lang` is a BCP-47 tag or None, `templates` what the brand has replied lately (none: recurrence can't
    tell), `at_ms` the moment (recurrence looks back from it), `held` whether a hold stands on the thread,
    `level` the thread's, None where it is not known (never seen, or what is known of it is stale). Any text
    is taken.
    """
    if not text.strip():
        return Checked("unknown", CheckReason.NO_TEXT, owner, None)
    verdict = judge_reply(text, rules(lang), recurrence(templates, text, at_ms))
    blind = not verdict.langs and verdict.kind == "own-words"  # only recurrence was asked, and it saw nothing
    if held and (blind or verdict.kind != "own-words"):
        return Checked("hold", CheckReason.ON_HOLD, owner, verdict)
    if verdict.kind == "canned":
        if level is None:
            return Checked("unknown", CheckReason.THREAD_UNKNOWN, owner, verdict)
        if level >= Level.WATCH:
            return Checked("hold", CheckReason.CANNED_INTO_HOT, owner, verdict)
        return Checked("send", CheckReason.CANNED_INTO_CALM, owner, verdict)
    if blind and level is not Level.CALM:
        return Checked("unknown", CheckReason.LANGUAGE_UNKNOWN, owner, verdict)
    if verdict.kind == "recurring":
        return Checked("send", CheckReason.RECURRING, owner, verdict)
    return Checked("send", CheckReason.OWN_WORDS, owner, verdict)
