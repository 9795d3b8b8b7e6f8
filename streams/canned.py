"""Canned replies: could this brand reply stand under any complaint?

The law of this file: two witnesses that know nothing of each other. `recurrence` says how often the brand
has posted nearly this text before; `RuleBook.hits` says which stock phrases are in it. `judge_reply` only
weighs what they say, and its verdict carries both. Recurrence is not harm: a friendly line said a hundred
times is `recurring`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from itertools import pairwise
from typing import Literal, Protocol, TypeVar
from zlib import crc32

import msgspec
from msgspec.structs import replace

from streams.phrase_rules import Hit, PhraseKind, RuleBook, sentences_of
from streams.phrases import phrase_file

VerdictKind = Literal["canned", "recurring", "own-words"]
Signature = frozenset[int]  # a text's words and word pairs, hashed (`signature`)

# what a person can do nothing with, said once or a hundred times; an apology is harm only as a text block
HARD: frozenset[PhraseKind] = frozenset({"hand-off", "dm", "hotline", "no-access", "refusal"})

LANGUAGES = ("de", "en")

DAY_MS = 86_400_000

_GREETED = re.compile(
    r"^\W{0,5}(hi|hello|hey|hallo|moin|servus|dear|liebe[rs]?|guten (?:tag|morgen|abend)"
    r"|good (?:morning|afternoon|evening))"
    r"(?: there| again)?,? {1,2}[A-ZÄÖÜ][\w'’-]{0,30}(?: [A-ZÄÖÜ][\w'’-]{0,30})?",
    re.I,
)
_ADDRESSED = re.compile(r", [A-ZÄÖÜ][\w'’-]{1,30}(?=\s?[.!?,])")
_PART = re.compile(r"\(?\b\d ?/ ?\d\b\)?")
_SIGNED = re.compile(
    r"(?:(?:\s|(?<=[.!?]))"
    r"(?:[\^*~/=–-]{1,2} ?|(?:lg|vg|mfg|gru(?:ß|ss)|grüße|thanks|ty|regards|cheers),? {1,2}(?:[\^*~/–-] ?)?)"
    r"[A-ZÄÖÜ][\w.]{0,20}(?: [A-ZÄÖÜ][\w.]{0,20})?)\W{0,12}$",
    re.I,
)
_LAST_LINK = re.compile(r"(?:\s*https?://\S{1,200}){1,3}\s*$")


@dataclass(frozen=True, slots=True)
class RecurrenceParams:
    """When a reply counts as one the brand has posted before.

    min_similarity   Jaccard similarity of words and word pairs, 0..1, from which two replies are the same
    min_earlier      so many earlier replies make it recurring
    window_ms        earlier means within this time before (event time)
    max_templates    the least recently used are forgotten beyond it; a bound on state, not a judgement
    """

    min_similarity: float = 0.6
    min_earlier: int = 4
    window_ms: int = 90 * DAY_MS
    max_templates: int = 400

    def __post_init__(self) -> None:
        if not 0 < self.min_similarity <= 1:
            raise ValueError("min_similarity must be in (0, 1]")
        if min(self.min_earlier, self.window_ms, self.max_templates) < 1:
            raise ValueError("min_earlier, window_ms and max_templates must be 1 or more")


class Nearby(Protocol):
    """What recurrence needs to know of a template."""

    @property
    def id(self) -> str:
        """A name; the same for the same first text."""

    @property
    def shingles(self) -> Signature:
        """What a text is compared by."""

    def earlier(self, at_ms: int, params: RecurrenceParams) -> int:
        """How often it was used before `at_ms` (event time), within the window."""


class Template(msgspec.Struct, frozen=True, array_like=True):
    """Replies of one brand that are nearly the same; `seen_ms` the latest uses, at most 16, event time."""

    id: str
    shingles: Signature
    words: str
    uses: int
    seen_ms: tuple[int, ...]

    def earlier(self, at_ms: int, params: RecurrenceParams) -> int:
        """How often it was used before `at_ms` (event time), within the window."""
        return sum(at_ms - params.window_ms <= seen <= at_ms for seen in self.seen_ms)


@dataclass(frozen=True, slots=True)
class ReplyBook:
    """What a brand has replied lately: its templates, the most recently used last. No author, no thread."""

    templates: tuple[Template, ...] = ()


@dataclass(frozen=True, slots=True)
class Recurrence:
    """The first witness: the template the reply belongs to (its own, if new), and how often it was used.

    similarity is 0..1, 0 if nothing is near; `earlier` counts within the window only. `signature` is the
    reply's own, for who learns from it.
    """

    template_id: str
    similarity: float
    earlier: int
    recurs: bool
    signature: Signature = frozenset()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the two witnesses amount to. `langs` names the rule files that were asked; none: none could be."""

    kind: VerdictKind
    hits: tuple[Hit, ...]
    recurrence: Recurrence
    langs: tuple[str, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Both witnesses in words, for evidence; of the text only the words that a rule found."""
        said = tuple(f"{hit.kind}: {hit.rule} ({hit.words})" for hit in self.hits)
        if self.recurrence.earlier:
            times = "reply" if self.recurrence.earlier == 1 else "replies"
            near = f"{self.recurrence.similarity:.0%} like {self.recurrence.earlier} earlier {times}"
            said += (f"recurrence: {near}",)
        return said


_T = TypeVar("_T", bound=Nearby)
_MAX_SEEN = 16
_MOST_SHINGLES = 256  # a bound on state: some 130 words, more than a text block has
DEFAULTS = RecurrenceParams()


def recurrence(
    templates: Sequence[Nearby], text: str, at_ms: int, params: RecurrenceParams = DEFAULTS
) -> Recurrence:
    """How often the brand has said nearly this before `at_ms`; of two that are as near, the last is taken."""
    own = signature(bare_words(text))
    near, similarity = _nearest(templates, own, params)
    if near is None:
        return Recurrence(_template_id(own), 0.0, 0, False, own)
    earlier = near.earlier(at_ms, params)
    return Recurrence(near.id, round(similarity, 3), earlier, earlier >= params.min_earlier, own)


def learn(book: ReplyBook, text: str, at_ms: int, params: RecurrenceParams = DEFAULTS) -> ReplyBook:
    """The book after the brand has posted this text at `at_ms` (event time); no words teach nothing."""
    words = bare_words(text)
    return learn_signature(book, signature(words), at_ms, params, words=" ".join(words))


def learn_signature(
    book: ReplyBook, shingles: Signature, at_ms: int, params: RecurrenceParams = DEFAULTS, *, words: str = ""
) -> ReplyBook:
    """The same of a reply whose words are not at hand; `words` are kept with a template that is new."""
    if not shingles:
        return book
    near, _ = _nearest(book.templates, shingles, params)
    if near is None:
        near = Template(_template_id(shingles), shingles, words, 0, ())
    used = replace(near, uses=near.uses + 1, seen_ms=tuple(sorted((*near.seen_ms, at_ms)))[-_MAX_SEEN:])
    others = [t for t in book.templates if t.id != used.id]
    return ReplyBook((*others, used)[-params.max_templates :])


def judge_reply(text: str, books: Sequence[RuleBook], seen: Recurrence) -> Verdict:
    """The verdict on one brand reply.

    A hand-off or refusal is `canned`, new or not. An apology without an act is `canned` only as a text block,
    when the other witness agrees. What recurs and does neither is `recurring`; all else is `own-words`.
    """
    hits = tuple(hit for book in books for hit in book.hits(text))
    kinds = {hit.kind for hit in hits}
    kind: VerdictKind = "own-words"
    if kinds & HARD or (kinds and seen.recurs):
        kind = "canned"
    elif seen.recurs:
        kind = "recurring"
    return Verdict(kind, hits, seen, tuple(book.lang for book in books))


def shipped_rules(lang: str | None) -> tuple[RuleBook, ...]:
    """The rule files to ask for a language tag: its own, all of them if the language is unknown, or none."""
    if lang is None:
        return tuple(_shipped(each) for each in LANGUAGES)
    primary = lang.split("-")[0].lower()
    return (_shipped(primary),) if primary in LANGUAGES else ()


def bare_words(text: str) -> tuple[str, ...]:
    """A reply without what differs between its uses: names, handles, link targets, numbers, signatures."""
    text = " " + _ADDRESSED.sub("", _GREETED.sub(r"\1", _without_handles(text)))
    for _ in range(3):  # a signature may stand before a part number and a link, or behind
        text = _SIGNED.sub("", _PART.sub(" ", _LAST_LINK.sub("", text)).rstrip())
    words = (word for sentence in sentences_of(text) for word in sentence)
    return tuple("0" if word.isdigit() else word for word in words)


def _without_handles(text: str) -> str:
    return re.sub(r"@\[?\w+\]?[,:]?\s*", "", text)


@cache
def _shipped(lang: str) -> RuleBook:
    text = phrase_file(lang)
    if text is None:
        raise ValueError(f"no phrase rules ship for {lang!r}")
    return RuleBook.read(lang, text)


def signature(words: Sequence[str]) -> Signature:
    """Words and word pairs as 32-bit numbers, the same in every process; of a long text the smallest 256."""
    pairs = (f"{a} {b}" for a, b in pairwise(words))
    whole = frozenset(crc32(each.encode("utf-8", "surrogatepass")) for each in (*words, *pairs))
    return whole if len(whole) <= _MOST_SHINGLES else frozenset(sorted(whole)[:_MOST_SHINGLES])


def _template_id(shingles: Signature) -> str:
    whole = b"".join(each.to_bytes(4, "big") for each in sorted(shingles))
    return "t" + blake2b(whole, digest_size=6).hexdigest()


def _nearest(
    templates: Sequence[_T], shingles: Signature, params: RecurrenceParams
) -> tuple[_T | None, float]:
    """The most similar template at or above the least similarity; the more recently used wins a tie."""
    best: _T | None = None
    most = 0.0
    size = len(shingles)
    for template in reversed(templates):
        other = len(template.shingles)
        # two sets can't be nearer than their sizes are
        if min(size, other) < params.min_similarity * max(size, other):
            continue
        common = len(shingles & template.shingles)
        similarity = common / (size + other - common) if common else 0.0
        if similarity >= params.min_similarity and similarity > most:
            best, most = template, similarity
    return best, most
