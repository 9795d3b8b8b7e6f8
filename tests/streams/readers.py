"""A reader made to order: `bad` is negative, `fine` is not, `dm` is a text block, `hm` can't be read."""

from __future__ import annotations

from typing import Final

from streams.mask import MaskRules
from streams.phrase_rules import Rule, RuleBook
from streams.reading import Reader
from streams.sentiment import UNKNOWN, Sentiment

DAY_MS: Final = 86_400_000
_RULES: Final = (RuleBook("en", [Rule("ask-for-dm", "dm", "en", ("dm",))], words={}, same={}, filler=()),)


class Scorer:
    """Counts what it was asked for."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def score(self, text: str, lang: str | None) -> Sentiment:
        self.texts.append(text)
        if "hm" in text:
            return UNKNOWN
        return Sentiment(0.9 if "bad" in text else 0.1, None, 1.0)


def reader(scorer: Scorer | None = None, *, keep_ms: int = 7 * DAY_MS) -> Reader:
    return Reader(scorer or Scorer(), lambda text: "en", lambda lang: _RULES, MaskRules(), keep_ms)
