"""What is read in a thread's texts, and the little that is kept of them.

Law of this file: a text is masked before any of it is kept, and what is kept is short and few: a title and
at most three voices. A calm thread's mentions are not read at all, but for a root's beginning and the brand's
own replies; a thread above calm has each text scored once. No score moves a level: the thread counts, and
shares are asked of many texts together (`streams.sentiment.NegativeShare`, `streams.brand`).

Voices are drawn by lot from the negative texts: those whose mention's hash is smallest. So each stands for as
many others, however long the thread, in whatever order they came; nobody gets in by being loud or late.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from streams.canned import Verdict, judge_reply, recurrence
from streams.cases import refs_of
from streams.habits import Known
from streams.mask import MaskRules, mask
from streams.mention import Mention
from streams.phrase_rules import RuleBook
from streams.thread import Thread
from streams.voice import Voice

if TYPE_CHECKING:  # whoever only follows threads need not load lexicons
    from streams.sentiment import Sentiment, SentimentScorer

__all__ = [
    "NOTHING",
    "Reader",
    "Reading",
    "Score",
    "answered",
    "forget",
    "opened",
    "read",
    "remember",
    "score_of",
    "shown",
    "uncount",
]

TITLE_LENGTH: Final = 120  # characters, of a masked text
VOICE_LENGTH: Final = 200
VOICES: Final = 3
NEGATIVE: Final = 0.5  # negativity from which a text counts as negative (`streams.sentiment.Sentiment`)
_VOICE_LETTERS: Final = 25  # a shorter text tells a stranger nothing
_READ: Final = 2000  # characters of a text that are read: a text block is no longer, and anger shows sooner
_URL_LENGTH: Final = 2048
_SCORES_KEPT: Final = 512  # of a thread's latest texts; there are less than twice as many
_JOINERS: Final = frozenset("\u200c\u200d")  # hold emoji and the words of some scripts together


@dataclass(frozen=True, slots=True)
class Reader:
    """All that is needed to read: how texts are scored, judged and masked, and how long they are kept.

    `keep_ms` is event time: the first mention later than that after a text lets it go (with the thread it
    goes in any case).
    """

    scorer: SentimentScorer
    detect: Callable[[str], str | None]
    rules: Callable[[str | None], tuple[RuleBook, ...]]
    mask: MaskRules
    keep_ms: int

    def warm(self) -> None:
        """Read every lexicon and model now; the first angry thread of the day need not wait for it."""
        for lang in ("en", "de"):
            self.scorer.score("warm words, warme Worte", lang)
            self.rules(lang)
        self.detect("a sentence in some language")


class Reading(NamedTuple):
    """What one mention's text adds to the counts of its thread and brand: 0 or 1 each."""

    scored: int = 0
    negative: int = 0
    unread: int = 0  # in a language that nobody here can score: unknown, not neutral


NOTHING: Final = Reading()


class Score(IntEnum):
    """What a text was read as; kept for a thread's latest, so that an edit can take it back."""

    PLAIN = 0
    NEGATIVE = 1
    UNREAD = 2
    GONE = 3  # deleted by its author: nothing of it comes back


def opened(thread: Thread, root: Mention, reader: Reader) -> None:
    """Keep the masked beginning of the root's text, where it is, and what it refers to."""
    thread.title = shown(root.text, TITLE_LENGTH, reader.mask) if root.text else ""
    thread.refs = refs_of(root)
    url = root.url
    if url.startswith(("https://", "http://")) and len(url) <= _URL_LENGTH and url.isprintable():
        thread.url = url


def forget(thread: Thread, now_ms: int, reader: Reader) -> None:
    """Let go of texts that are older than they may become, as of `now_ms` (event time)."""
    since_ms = now_ms - reader.keep_ms
    if thread.title and thread.started_ms < since_ms:
        thread.title = ""
    if thread.voices and min(voice.at_ms for voice in thread.voices) < since_ms:
        thread.voices = tuple(voice for voice in thread.voices if voice.at_ms >= since_ms)


def read(thread: Thread, mention: Mention, reader: Reader) -> Reading:
    """Score a customer's text and count it for the thread; a negative one may become a voice.

    A mention without a text (a share, mostly) is nothing to read, nor is one that was deleted meanwhile.
    """
    text = mention.text[:_READ]
    if not text or text.isspace() or score_of(thread, mention.key) == Score.GONE:
        return NOTHING
    lang = mention.lang or reader.detect(text)
    scored = reader.scorer.score(text, lang)
    if scored.negativity is None:
        thread.unread += 1
        remember(thread, mention.key, Score.UNREAD)
        return Reading(unread=1)
    thread.scored += 1
    if scored.negativity < NEGATIVE:
        remember(thread, mention.key, Score.PLAIN)
        return Reading(scored=1)
    thread.negative += 1
    remember(thread, mention.key, Score.NEGATIVE)
    _hear(thread, mention, text, scored, reader.mask)
    return Reading(scored=1, negative=1)


def remember(thread: Thread, key: int, score: Score) -> None:
    """Keep what the mention of this hash was read as."""
    if (scores := thread.scores) is None:
        scores = thread.scores = {}
    scores[key] = int(score)
    if len(scores) == 2 * _SCORES_KEPT:  # by halves, so that it costs nothing on average
        for oldest in list(islice(scores, _SCORES_KEPT)):
            del scores[oldest]


def score_of(thread: Thread, key: int) -> int | None:
    """What the mention of this hash was read as; None if that is not known (any more)."""
    return None if thread.scores is None else thread.scores.get(key)


def uncount(thread: Thread, key: int) -> bool:
    """Take back what `read` has counted for a mention; False if that is not known (any more)."""
    score, scores = score_of(thread, key), thread.scores
    if score is None or scores is None or score == Score.GONE:
        return False
    del scores[key]
    if score == Score.UNREAD:
        thread.unread -= 1
    else:
        thread.scored -= 1
        thread.negative -= score == Score.NEGATIVE
    return True


def answered(
    thread: Thread, mention: Mention, reader: Reader, templates: Sequence[Known] = ()
) -> Verdict | None:
    """Judge a reply of the brand, and count it if it is canned; None for a reply without a text.

    `templates` are the brand's own as of an hour before (`streams.as_usual.templates_of`).
    """
    text = mention.text[:_READ]
    if not text or text.isspace():
        return None
    seen = recurrence(templates, text, mention.created_ms)
    verdict = judge_reply(text, reader.rules(mention.lang or reader.detect(text)), seen)
    if verdict.kind == "canned":
        thread.canned_replies += 1
        thread.canned_ms = max(thread.canned_ms, mention.created_ms)
    return verdict


def shown(text: str, length: int, rules: MaskRules) -> str:
    """The beginning of a stranger's text as it may be kept: masked, on one line, at most `length` characters.

    What steers a terminal or turns the reading order is left out.
    """
    begin = text[: 2 * length]
    if len(begin) < len(text):  # a number that the cut went through could pass for a harmless one
        begin = begin[: max(begin.rfind(" "), length // 2)].rstrip("0123456789 +-./()")
    masked = " ".join(mask(begin, rules).text.split())
    if not masked.isprintable():
        masked = "".join([one for one in masked if one.isprintable() or one in _JOINERS])
    if len(masked) <= length and len(begin) == len(text):
        return masked
    return masked[: length - 1].rstrip() + "…"


def _hear(thread: Thread, mention: Mention, text: str, scored: Sentiment, rules: MaskRules) -> None:
    lot, voices = mention.key, thread.voices
    if len(text) < _VOICE_LETTERS or (len(voices) == VOICES and lot > voices[-1].lot):
        return
    own = [voice for voice in voices if voice.author == mention.author]
    if own and own[0].lot < lot:
        return  # one voice a person
    said = shown(text, VOICE_LENGTH, rules)
    others = [voice for voice in voices if voice.author != mention.author]
    if any(voice.text == said for voice in others):
        return
    new = Voice(lot, mention.created_ms, mention.author, scored.negativity or 0.0, said)
    thread.voices = tuple(sorted([*others, new], key=lambda voice: voice.lot)[:VOICES])
