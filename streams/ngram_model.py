"""A small linear model of negativity over hashed character n-grams, trained on the operator's own labelled
texts.

The law of this file: one byte a weight, no dependency, the same bytes for the same labels in the same
order. No model ships: none of the labelled texts at hand may be passed on. Without one the lexicons score
alone.

A text is cut into the n-grams (2 to 5 letters) of its lower-case words; each is hashed (CRC-32) to one of
2^17 weights. Training is logistic regression by AdaGrad (Duchi et al. 2011) over the texts in a fixed
shuffled order.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, sqrt
from zlib import crc32

from streams.sentiment import UNKNOWN, LexiconScorer, Sentiment

SLOTS = 1 << 17  # 128 KiB of weights
MAGIC = b"flashover-negativity-1\n"
MIN_TEXTS_PER_CLASS = 50

_LINK = re.compile(r"https?://\S+|@\w+")
_SPACE = re.compile(r"\s+")
_MAX_LETTERS = 1000


@dataclass(frozen=True, slots=True)
class NgramModel:
    """Weights of one language. `scale` turns a byte into a weight; `bias` is the log odds of an average
    text.
    """

    lang: str
    scale: float
    bias: float
    weights: bytes = field(repr=False)

    def negativity(self, text: str) -> float:
        """Probability that the text is negative, 0..1, as the training labels used the word."""
        slots = _slots(text)
        if not slots:
            return _logistic(self.bias)
        signed = memoryview(self.weights).cast("b")
        return _logistic(self.bias + self.scale * sum(signed[slot] for slot in slots) / sqrt(len(slots)))

    def to_bytes(self) -> bytes:
        """The model as a file: a line of JSON, then one byte a weight."""
        head = json.dumps({"lang": self.lang, "scale": self.scale, "bias": self.bias}, sort_keys=True)
        return MAGIC + head.encode() + b"\n" + self.weights

    @classmethod
    def from_bytes(cls, data: bytes) -> NgramModel:
        """A model file's bytes as a model. Raises ValueError for anything else."""
        if not data.startswith(MAGIC):
            raise ValueError("not a negativity model of this version")
        head, _, weights = data[len(MAGIC) :].partition(b"\n")
        if len(weights) != SLOTS:
            raise ValueError(f"a model has {SLOTS} weights, this one {len(weights)}")
        try:
            raw = json.loads(head)
            return cls(str(raw["lang"]), float(raw["scale"]), float(raw["bias"]), weights)
        except (KeyError, TypeError, ValueError) as wrong:
            raise ValueError(f"the model's head can't be read: {wrong}") from wrong


@dataclass(frozen=True, slots=True)
class EnsembleScorer:
    """The lexicons, and beside them the operator's models: the mean of both where a language has both.

    A language with a model alone is scored by it, without anger or words.
    """

    models: tuple[NgramModel, ...]
    lexicons: LexiconScorer = field(default_factory=LexiconScorer)

    def score(self, text: str, lang: str | None) -> Sentiment:
        """See SentimentScorer."""
        known = self.lexicons.score(text, lang)
        primary = (lang or "").split("-")[0].lower()
        model = next((each for each in self.models if each.lang == primary), None)
        if model is None:
            return known
        learnt = model.negativity(text)
        if known is UNKNOWN or known.negativity is None:
            return Sentiment(learnt, None, abs(2 * learnt - 1))
        return Sentiment(
            (known.negativity + learnt) / 2,
            known.anger,
            max(known.confidence, abs(2 * learnt - 1)),
            known.words,
        )


def train(
    labelled: Sequence[tuple[bool, str]], lang: str, *, rounds: int = 4, rate: float = 0.3
) -> NgramModel:
    """A model from (is negative, text) pairs. Deterministic; some 1,000 texts a second and round.

    The classes are weighted alike, so that the model's 0.5 means as likely as not at equal shares. Raises
    ValueError with fewer than 50 texts of either class, or nonsense settings.
    """
    negatives = sum(label for label, _ in labelled)
    if min(negatives, len(labelled) - negatives) < MIN_TEXTS_PER_CLASS:
        raise ValueError(f"training needs {MIN_TEXTS_PER_CLASS} texts of each class")
    if rounds < 1 or rate <= 0:
        raise ValueError("rounds must be 1 or more and rate above 0")
    worth = {True: len(labelled) / 2 / negatives, False: len(labelled) / 2 / (len(labelled) - negatives)}
    weights, squares = array("d", bytes(8 * SLOTS)), array("d", bytes(8 * SLOTS))
    bias, bias_square = 0.0, 1e-9
    cut = [(label, _slots(text)) for label, text in labelled]
    for turn in range(rounds):
        # an order that is mixed, yet the same each time
        for place in sorted(range(len(cut)), key=lambda p: crc32(f"{turn} {p}".encode())):
            label, slots = cut[place]
            norm = sqrt(len(slots) or 1)
            wrong = worth[label] * (_logistic(bias + sum(weights[s] for s in slots) / norm) - label)
            bias_square += wrong * wrong
            bias -= rate * wrong / sqrt(bias_square)
            slope = wrong / norm
            for slot in slots:
                squares[slot] += slope * slope
                weights[slot] -= rate * slope / (1e-3 + sqrt(squares[slot]))
    scale = max(map(abs, weights)) / 127 or 1.0
    return NgramModel(lang, scale, bias, array("b", (round(w / scale) for w in weights)).tobytes())


def _slots(text: str) -> list[int]:
    """Each n-gram's slot, once per text."""
    letters = f" {_SPACE.sub(' ', _LINK.sub(' ', text[:_MAX_LETTERS])).strip().casefold()} "
    encoded = {letters[at : at + size] for size in (2, 3, 4, 5) for at in range(len(letters) - size + 1)}
    return sorted(crc32(gram.encode("utf-8", "surrogatepass")) % SLOTS for gram in encoded - {"  "})


def _logistic(odds: float) -> float:
    return 1 / (1 + exp(-max(-30.0, min(30.0, odds))))
