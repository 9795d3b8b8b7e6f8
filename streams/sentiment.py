"""How negative and how angry a text is, and how negative a window of texts is against the brand's usual.

The law of this file: what can't be read is unknown, never neutral. A text in a language without a scorer
has no negativity, and a window leaves it out of the share. One text never raises anything: `NegativeShare`
speaks only of windows, and only once it has enough texts.

Words are found by TextBlob's and VADER's analyzers (English), or by `GermanAnalyzer` on TextBlob's base
class with Klenner's polarity lexicon. How the constants were found, and the figures: docs/words.md.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from math import exp, sqrt
from typing import Any, NamedTuple, Protocol

from simplemma import lemmatize
from textblob.base import CONTINUOUS, BaseSentimentAnalyzer  # type: ignore[import-untyped]
from textblob.en import sentiment as textblob_en  # type: ignore[import-untyped]
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # type: ignore[import-untyped]

from streams.lexicons import lexicon

DECIDING_WORDS = 5  # so many are told with a score


@dataclass(frozen=True, slots=True)
class Sentiment:
    """One text's score.

    negativity   0..1, from 0.5 on the text counts as negative; None: unknown (no scorer for its language)
    anger        0..1, None where unknown
    confidence   0..1: how much of the text spoke for or against; 0 where unknown
    words        what decided, strongest first, at most five; of the text itself, so mask before showing
    """

    negativity: float | None
    anger: float | None
    confidence: float
    words: tuple[str, ...] = ()


UNKNOWN = Sentiment(None, None, 0.0)


class SentimentScorer(Protocol):
    """What scores a text; `lang` is a BCP-47 tag or None. Never raises for any text."""

    def score(self, text: str, lang: str | None) -> Sentiment:
        """The text's sentiment, UNKNOWN for a language it has no words of."""
        ...


class LexiconScorer:
    """The scorers that ship: English and German. Any other language, and None, is UNKNOWN."""

    def score(self, text: str, lang: str | None) -> Sentiment:
        """See SentimentScorer."""
        primary = (lang or "").split("-")[0].lower()
        if primary == "en":
            return _score_en(text)
        return _score_de(text) if primary == "de" else UNKNOWN


# --- English --------------------------------------------------------------------------------------

# VADER's emoji and slang, TextBlob's adjectives: each finds what the other lacks; equal weights were not
# fitted
_EN_STEEPNESS = 4.0
_EN_MIDDLE = 0.05


@cache
def _vader() -> Any:
    return SentimentIntensityAnalyzer()


def _score_en(text: str) -> Sentiment:
    plain = _LINK.sub(" ", text)
    blob = textblob_en(plain)
    vader: float = _vader().polarity_scores(plain)["compound"]
    known: Mapping[str, float] = _vader().lexicon
    found = {word: float(known[word]) / 4 for word in _WORD.findall(plain.lower()) if word in known}
    for words, polarity, _, _ in blob.assessments:
        found[" ".join(words)] = polarity
    return _sentiment(-(float(blob[0]) + vader) / 2, found, text, "en", _EN_MIDDLE, _EN_STEEPNESS)


# --- German ---------------------------------------------------------------------------------------

_DE_STEEPNESS = 4.0
_DE_MIDDLE = 0.25
_NEGATION_WINDOW = 3  # words before a polar word in which a negation turns it
_NEGATED = -0.6  # "nicht gut" is bad, but less than "schlecht"
_INTENSIFIED = 1.3
_NEGATION_ITSELF = 0.3  # "kein Netz", "niemand hilft": complaints without a polar word
_POSITIVE_SHARE = 0.5  # thanks and irony stand in complaints too: praise counts half against blame
_SMILEY = 1.5
_PERSONAL = 0.3  # "ich", "euch": somebody speaks of their own case
_HEADLINE = 0.4  # a link and nobody's own voice: news of bad things is not a complaint
_LENGTH_SLACK = 5  # as VADER's normalisation: long texts hold more polar words by chance

_LINK = re.compile(r"https?://\S+|@\w+")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SMILEYS = re.compile(
    r"(?P<negative>[:;=]['’]? ?-? ?[(\[{]+|[:=] ?-? ?[/\\|](?=\s|$)|\)-?[:;]|>[:.]<|-[._]{1,3}-|D:(?=\s|$))"
    r"|(?P<positive>[:;=]['’]? ?-? ?[)\]D*pP]+|<3+|\^_?\^)"
)


class _Polarity(NamedTuple):
    polarity: float
    subjectivity: float
    assessments: Mapping[str, float]


class GermanAnalyzer(BaseSentimentAnalyzer):  # type: ignore[misc]
    """German polarity as a TextBlob analyzer: `TextBlob(text, analyzer=GermanAnalyzer())` works as well."""

    kind = CONTINUOUS

    def analyze(self, text: str) -> _Polarity:
        """Polarity (above 0 good, below 0 bad, mostly within -1..1), whether somebody speaks of their own
        case (0 or 1), and each word's part.
        """
        words = _WORD.findall(_LINK.sub(" ", text))
        small = [_folded(word) for word in words]
        lists = _words_de()
        personal = not lists.personal.isdisjoint(small)
        headline = not personal and "http" in text
        good = bad = 0.0
        found: dict[str, float] = {}
        for place, word in enumerate(words):
            polarity = _polarity_de(word)
            if not polarity:
                continue
            before = small[max(0, place - _NEGATION_WINDOW) : place]
            if not lists.negations.isdisjoint(before):
                polarity *= _NEGATED
            if before and before[-1] in lists.intensifiers:
                polarity *= _INTENSIFIED
            found[word] = polarity
            good, bad = good + max(polarity, 0.0), bad - min(polarity, 0.0)
        bad = bad * (_HEADLINE if headline else 1.0) + _NEGATION_ITSELF * sum(
            w in lists.negations for w in small
        )
        for smiley, value in _smileys(text):
            found[smiley] = value
            good, bad = good + max(value, 0.0), bad - min(value, 0.0)
        raw = _POSITIVE_SHARE * good - bad - _PERSONAL * personal
        return _Polarity(raw / sqrt(len(words) + _LENGTH_SLACK), float(personal), found)


def _smileys(text: str) -> list[tuple[str, float]]:
    """Emoji and typed smileys with their polarity; praise is halved later, so it is doubled here."""
    emoji = _emoji()
    found = [(letter, emoji[letter]) for letter in text if letter in emoji]
    for typed in _SMILEYS.finditer(_LINK.sub(" ", text)):
        found.append((typed.group(), -_SMILEY if typed["negative"] else _SMILEY / _POSITIVE_SHARE))
    return found


def _score_de(text: str) -> Sentiment:
    polarity, _, found = GermanAnalyzer().analyze(text)
    return _sentiment(-polarity, found, text, "de", _DE_MIDDLE, _DE_STEEPNESS)


@lru_cache(maxsize=50_000)
def _polarity_de(word: str) -> float:
    """A German word's polarity, by its form or its lemma; the lemma needs the capitals."""
    known = _polarities_de()
    small = _folded(word)
    if small in known:
        return known[small]
    lemma = str(lemmatize(word, lang="de", low_memory=True))  # 15 MB in place of 100, and 3 us more
    return known.get(_folded(lemma), 0.0)


@cache
def _polarities_de() -> Mapping[str, float]:
    """Klenner's words, lower-cased, means where a form has several; the project's own words win."""
    senses: dict[str, list[float]] = {}
    for form, polarity in re.findall(r'form="([^"]+)"[^>]*? polarity="([^"]+)"', lexicon("klenner-de.xml")):
        senses.setdefault(_folded(form), []).append(float(polarity))
    known = {form: sum(each) / len(each) for form, each in senses.items()}
    for value, listed in _raw_words()["de"]["polarity"].items():
        known.update(dict.fromkeys(map(_folded, listed.split()), float(value)))
    return known


class _Lists(NamedTuple):
    negations: frozenset[str]
    intensifiers: frozenset[str]
    personal: frozenset[str]


@cache
def _words_de() -> _Lists:
    raw = _raw_words()["de"]
    return _Lists(*(frozenset(map(_folded, raw[name].split())) for name in _Lists._fields))


@cache
def _raw_words() -> dict[str, Any]:
    return tomllib.loads(lexicon("words.toml"))


@cache
def _emoji() -> Mapping[str, float]:
    raw = _raw_words()["emoji"]
    values = (("positive", _SMILEY / _POSITIVE_SHARE), ("negative", -_SMILEY), ("angry", -_SMILEY))
    return {letter: value for name, value in values for letter in raw[name].split()}


# --- both -----------------------------------------------------------------------------------------


def _sentiment(
    raw: float, found: Mapping[str, float], text: str, lang: str, middle: float, steepness: float
) -> Sentiment:
    """A raw score (higher is worse) as a Sentiment; the logistic only bends the scale, it changes no
    order.
    """
    strongest = sorted((w for w, v in found.items() if v), key=lambda w: (-abs(found[w]), w))
    return Sentiment(
        negativity=1 / (1 + exp(-steepness * (raw - middle))),
        anger=_anger(text, lang),
        confidence=1 - exp(-sum(abs(v) for v in found.values())),
        words=tuple(strongest[:DECIDING_WORDS]),
    )


def _anger(text: str, lang: str) -> float:
    """0..1 from words of anger, angry emoji, shouting and rows of marks. Counted, not learnt: no labels
    exist.
    """
    whole, begins, emoji = _anger_words(lang)
    words = _WORD.findall(_LINK.sub(" ", text))
    signs = sum(_folded(w) in whole or _folded(w).startswith(begins) for w in words)
    signs += sum(letter in emoji for letter in text)
    loud = 0.5 * ("!!" in text or "?!" in text) + 0.5 * (sum(w.isupper() and len(w) > 3 for w in words) >= 2)
    return 1 - exp(-(0.7 * signs + (loud if signs else 0.3 * loud)))


@cache
def _anger_words(lang: str) -> tuple[frozenset[str], tuple[str, ...], frozenset[str]]:
    listed = [_folded(word) for word in _raw_words()["anger"][lang].split()]
    return (
        frozenset(word for word in listed if not word.endswith("*")),
        tuple(word[:-1] for word in listed if word.endswith("*")),
        frozenset(_raw_words()["emoji"]["angry"].split()),
    )


def _folded(word: str) -> str:
    return word.casefold().replace("’", "'")


# --- windows --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NegativeShare:
    """How negative a window's texts are: initialise empty, `add` each, read the result. Sums only:
    order-free, and two windows `merge` into one.

    texts     scored texts; brand accounts and unknown ones are in neither
    negative  of them those with negativity 0.5 or more
    sum_, sum_squares   of the negativities
    unknown   texts without a score: a desk should know what it can't see
    """

    texts: int = 0
    negative: int = 0
    sum_: float = 0.0
    sum_squares: float = 0.0
    unknown: int = 0

    def add(self, scored: Sentiment, *, from_brand: bool) -> NegativeShare:
        """The window with one text more; the brand's own texts leave it as it is."""
        if from_brand:
            return self
        value = scored.negativity
        if value is None:
            return NegativeShare(self.texts, self.negative, self.sum_, self.sum_squares, self.unknown + 1)
        return NegativeShare(
            self.texts + 1,
            self.negative + (value >= 0.5),
            self.sum_ + value,
            self.sum_squares + value * value,
            self.unknown,
        )

    def merge(self, other: NegativeShare) -> NegativeShare:
        """Both windows as one."""
        return NegativeShare(
            self.texts + other.texts,
            self.negative + other.negative,
            self.sum_ + other.sum_,
            self.sum_squares + other.sum_squares,
            self.unknown + other.unknown,
        )

    @property
    def share(self) -> float | None:
        """Share of negative texts, 0..1; None without a scored text."""
        return self.negative / self.texts if self.texts else None

    @property
    def mean(self) -> float | None:
        """Mean negativity, 0..1: tells windows apart better than `share`, since it keeps how negative each
        was.
        """
        return self.sum_ / self.texts if self.texts else None


MIN_TEXTS = 20  # below it a share says more about the single text than about the window
MIN_USUAL_TEXTS = 100


def against_usual(window: NegativeShare, usual: NegativeShare) -> float | None:
    """How many standard errors the window's mean negativity lies above the brand's usual one.

    Welch's statistic of the two sums; None (nobody can tell) under 20 texts in the window or 100 in the
    usual. The caller keeps `usual` free of the window itself, and sets the limit from the brand's own calm
    windows.
    """
    if window.texts < MIN_TEXTS or usual.texts < MIN_USUAL_TEXTS:
        return None
    error = sqrt(_error_squared(window) + _error_squared(usual))
    return (window.sum_ / window.texts - usual.sum_ / usual.texts) / max(error, 1e-6)


def _error_squared(window: NegativeShare) -> float:
    mean = window.sum_ / window.texts
    return max(window.sum_squares / window.texts - mean * mean, 0.0) / window.texts


def pooled(windows: Sequence[NegativeShare]) -> NegativeShare:
    """Several windows as one, for a brand's usual."""
    total = NegativeShare()
    for window in windows:
        total = total.merge(window)
    return total
