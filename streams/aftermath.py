"""What followed the replies of a recording: gathered as it is followed, told by template and by kind.

Law of this file: what is compared with is the forecast as it stood at the reply, made by the very functions
that live alerts are made by; the window is the rest of the thread's first day, which is what forecasts are
about. A thread whose first day is not over at the end of the recording says nothing. Of texts a sample is
scored, the latest before a reply and the first after it, so that one storm costs no more than many threads.
Nothing is kept per employee: a template is a text, whoever sent it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from streams.canned import DEFAULTS, ReplyBook, VerdictKind, learn_signature
from streams.effect import Aftermath, Effect, EffectParams, Effects, Summary, measure, summary
from streams.forecast import forecast
from streams.judge import Followed
from streams.mention import Mention
from streams.reading import Reader, shown
from streams.sentiment import NegativeShare
from streams.thread import DAY_MS, Thread

__all__ = ["KINDS", "Answered", "BrandReplies", "Replies", "TemplateReport", "answered", "followed_by"]

KINDS: Final[tuple[VerdictKind, ...]] = ("canned", "recurring", "own-words")
_TEXTS: Final = 50  # scored on either side of a reply
_LEFT_MS: Final = 2 * 3_600_000  # a reply in the last hours of the first day has no window worth the name
_SAMPLE_LENGTH: Final = 240  # characters of a template that are shown, masked
#: A report may remember more templates than a worker's state does.
_BOOK: Final = replace(DEFAULTS, max_templates=1000)
_NONE, _NO_BOOK, _NO_TEXTS = Effects(), ReplyBook(), NegativeShare()
_PARAMS: Final = EffectParams()


class Answered(NamedTuple):
    """A thread at a reply of the brand, and what the forecast said then of the rest of its first day."""

    kind: VerdictKind
    born_ms: int
    mentions: int
    size_24h: int
    expected: float  # mentions still to come that day, >= 0, as are p10 <= p90
    p10: float
    p90: float


def answered(
    thread: Thread, kind: VerdictKind, at_ms: int, viral_at: int, params: EffectParams = _PARAMS
) -> Answered | None:
    """What to compare with later; None for a thread that is too small or too old for it to tell anything."""
    if thread.mentions < params.min_mentions_before or not 0 <= at_ms - thread.started_ms < DAY_MS - _LEFT_MS:
        return None
    seen, size = forecast(thread, viral_at), thread.mentions_24h
    rest = (max(0.0, one - size) for one in (seen.expected_24h, seen.p10, seen.p90))
    return Answered(kind, thread.born_ms, thread.mentions, size, *rest)


def followed_by(
    one: Answered,
    thread: Thread,
    before: NegativeShare = _NO_TEXTS,
    after: NegativeShare = _NO_TEXTS,
    params: EffectParams = _PARAMS,
) -> Effect | None:
    """What followed, once the thread's first day is over; None if it began anew meanwhile."""
    if thread.born_ms != one.born_ms:
        return None
    came = max(0, thread.mentions_24h - one.size_24h)
    return measure(Aftermath(one.mentions, came, one.expected, one.p10, one.p90, before, after), params)


@dataclass(frozen=True, slots=True)
class TemplateReport:
    """One template of a brand: its name, its first use masked, how often it was used, what the verdicts on
    it were, and what followed.
    """

    id: str
    text: str
    uses: int
    kind: VerdictKind  # canned if it mostly was; else by how often it was used
    rules: tuple[str, ...]  # names of the phrase rules that held, in any use
    followed: Summary


@dataclass(frozen=True, slots=True)
class BrandReplies:
    """All replies of one brand, and what followed by kind and by template (the most used first)."""

    brand: str
    replies: int
    by_kind: tuple[tuple[VerdictKind, int, Summary], ...]  # kind, replies, what followed
    templates: tuple[TemplateReport, ...]


@dataclass(slots=True)
class _Template:
    text: str
    uses: int = 0
    kinds: Counter[VerdictKind] = field(default_factory=Counter)
    rules: set[str] = field(default_factory=set)
    effects: Effects = _NONE


@dataclass(slots=True)
class _Brand:
    book: ReplyBook = _NO_BOOK
    templates: dict[str, _Template] = field(default_factory=dict)
    replies: Counter[VerdictKind] = field(default_factory=Counter)
    effects: dict[VerdictKind, Effects] = field(default_factory=dict)


@dataclass(slots=True)
class _Case:
    """A reply whose window is open; `thread` is the live record, which goes on growing."""

    thread: Thread
    brand: str
    template: str
    answered: Answered
    before: NegativeShare
    after: NegativeShare = _NO_TEXTS


class Replies:
    """Watches a recording go by. `add` after each followed mention, `finish` at its end."""

    def __init__(self, reader: Reader, viral_at: int, params: EffectParams | None = None) -> None:
        self._reader = reader
        self._viral_at = viral_at
        self._params = params or EffectParams()
        self._brands: dict[str, _Brand] = {}
        self._texts: dict[str, deque[tuple[str, str]]] = {}  # thread -> latest (text, lang) of customers
        self._cases: dict[str, list[_Case]] = {}  # by thread
        self._latest_ms = 0

    def add(self, mention: Mention, followed: Followed) -> None:
        """Take note of one mention that was counted just now."""
        self._latest_ms = max(self._latest_ms, mention.created_ms)
        thread_id = mention.thread_id
        if mention.from_brand:
            self._reply(mention, followed)
            return
        if not mention.text:
            return
        said = (mention.text, mention.lang)
        scored = None
        for case in self._cases.get(thread_id, ()):
            if case.thread is followed.thread and case.after.texts + case.after.unknown < _TEXTS:
                scored = scored or self._score([said])
                case.after = case.after.merge(scored)
        texts = self._texts.get(thread_id)
        if texts is None:
            texts = self._texts[thread_id] = deque(maxlen=_TEXTS)
        texts.append(said)

    def finish(self) -> tuple[BrandReplies, ...]:
        """What followed, by brand, in the order of their names. Ask once, at the end."""
        for cases in self._cases.values():
            for case in cases:
                self._close(case)
        self._cases.clear()
        return tuple(self._told(name, self._brands[name]) for name in sorted(self._brands))

    def _reply(self, mention: Mention, followed: Followed) -> None:
        verdict, thread = followed.reply, followed.thread
        if verdict is None:
            return
        brand = self._brands.setdefault(mention.brand, _Brand())
        brand.book = learn_signature(brand.book, verdict.recurrence.signature, mention.created_ms, _BOOK)
        if not brand.book.templates:
            return
        name = brand.book.templates[-1].id  # that which was just used
        template = brand.templates.get(name)
        if template is None:
            text = shown(mention.text, _SAMPLE_LENGTH, self._reader.mask)
            template = brand.templates[name] = _Template(text)
        kind: VerdictKind = verdict.kind
        # What recurs here need not have been known to recur when it was posted: say what is known now.
        if kind == "own-words" and template.uses >= _BOOK.min_earlier:
            kind = "recurring"
        template.uses += 1
        template.kinds[kind] += 1
        template.rules.update(hit.rule for hit in verdict.hits)
        brand.replies[kind] += 1
        found = answered(thread, kind, mention.created_ms, self._viral_at, self._params)
        if found is None:
            return
        before = self._score(self._texts.get(mention.thread_id, ()))
        case = _Case(thread, mention.brand, name, found, before)
        self._cases.setdefault(mention.thread_id, []).append(case)

    def _score(self, texts: Iterable[tuple[str, str]]) -> NegativeShare:
        total = NegativeShare()
        for text, lang in texts:
            scored = self._reader.scorer.score(text, lang or self._reader.detect(text))
            total = total.add(scored, from_brand=False)
        return total

    def _close(self, case: _Case) -> None:
        if self._latest_ms < case.thread.started_ms + DAY_MS:
            return
        found = followed_by(case.answered, case.thread, case.before, case.after, self._params)
        if found is None:
            return
        brand, kind = self._brands[case.brand], case.answered.kind
        brand.effects[kind] = brand.effects.get(kind, Effects()).add(found)
        template = brand.templates[case.template]
        template.effects = template.effects.add(found)

    def _told(self, name: str, brand: _Brand) -> BrandReplies:
        by_kind = tuple(
            (kind, brand.replies[kind], summary(brand.effects.get(kind, Effects()), self._params))
            for kind in KINDS
            if brand.replies[kind]
        )
        templates = [
            TemplateReport(
                one_id,
                one.text,
                one.uses,
                _kind(one),
                tuple(sorted(one.rules)),
                summary(one.effects, self._params),
            )
            for one_id, one in brand.templates.items()
        ]
        templates.sort(key=lambda one: (-one.uses, one.id))
        return BrandReplies(name, brand.replies.total(), by_kind, tuple(templates))


def _kind(template: _Template) -> VerdictKind:
    if 2 * template.kinds["canned"] >= template.uses:
        return "canned"
    return "recurring" if template.uses > _BOOK.min_earlier else "own-words"
