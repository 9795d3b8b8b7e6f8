"""Which authorities a case needs: told from its words, brand, language, reply and reason.

Law of this file: within one condition any value will do, and all conditions of a need must hold; one that
sets none is the default, for cases that nothing else fits. All that fit count together, the highest amount of
each authority. Unknown is not a no: a case whose language nobody knows is within every need's languages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from streams.authority import Needed
from streams.delivery import Case
from streams.matching import Hit, Matcher, Terms, Verdict, fold

__all__ = ["Fitting", "Need", "Needs", "text_of"]

_STAR: Final = "*"


@dataclass(frozen=True, slots=True)
class Need:
    """A kind of case. `words` and phrases are compared as in `streams.matching`.

    A star before or behind a word leaves that end open: `vertrag*` finds "Vertragsende".
    Empty conditions ask for nothing. Raises ValueError for words that are none.
    """

    name: str
    authorities: tuple[str, ...]
    amounts: Mapping[str, float] = field(default_factory=dict, hash=False)
    brands: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    replies: tuple[str, ...] = ()  # none, canned, own-words
    reasons: tuple[str, ...] = ()  # of alerts

    def __post_init__(self) -> None:
        Terms(phrases=tuple(word.strip(_STAR) for word in self.words))

    @property
    def is_default(self) -> bool:
        """Whether it sets no condition."""
        return not (self.brands or self.words or self.languages or self.replies or self.reasons)


class Fitting(NamedTuple):
    """What a case needs, and the names of the needs that say so."""

    needed: Needed
    names: tuple[str, ...]


class Needs:
    """All needs of an operator, made ready once."""

    def __init__(self, needs: Iterable[Need]) -> None:
        self.all = tuple(needs)
        self._open: dict[tuple[str, str], tuple[bool, bool]] = {}
        terms: dict[str, Terms] = {}
        for need in self.all:
            for word in need.words:
                key = need.name, word.strip(_STAR)
                before, behind = self._open.get(key, (False, False))
                self._open[key] = (before or word.startswith(_STAR), behind or word.endswith(_STAR))
            if need.words:
                terms[need.name] = Terms(phrases=tuple({word.strip(_STAR): None for word in need.words}))
        self._matcher = Matcher(terms)

    def of(self, case: Case, lang: str = "") -> Fitting:
        """What this case needs; `lang` is its language's primary tag, "" not known."""
        text = text_of(case)
        folded = fold(text)
        worded = {hit.brand for hit in self._matcher.find(text) if self._counts(hit, folded)}
        fitting = [one for one in self.all if not one.is_default and _fits(one, case, lang, worded)]
        fitting = fitting or [one for one in self.all if one.is_default]
        amounts: dict[str, float] = {}
        for one in fitting:
            for authority, amount in one.amounts.items():
                amounts[authority] = max(amount, amounts.get(authority, 0.0))
        authorities = dict.fromkeys(authority for one in fitting for authority in one.authorities)
        return Fitting(
            Needed(tuple(authorities), tuple(sorted(amounts.items()))), tuple(one.name for one in fitting)
        )

    def _counts(self, hit: Hit, folded: str) -> bool:
        if hit.verdict is Verdict.COUNTS:
            return True
        if hit.verdict is not Verdict.WITHIN_A_WORD:
            return False
        before, behind = self._open[hit.brand, hit.term]
        whole_before = hit.start == 0 or not folded[hit.start - 1].isalnum()
        whole_behind = hit.end >= len(folded) or not folded[hit.end].isalnum()
        return (before or whole_before) and (behind or whole_behind)


def text_of(case: Case) -> str:
    """What is known of a case's words: the root's beginning and the voices, one a line."""
    return "\n".join(filter(None, (case.title, *case.voices)))


def _fits(need: Need, case: Case, lang: str, worded: set[str]) -> bool:
    return (
        (not need.brands or case.brand in need.brands)
        and (not need.words or need.name in worded)
        and (not need.languages or not lang or lang in need.languages)
        and (not need.replies or case.reply.state in need.replies)
        and (not need.reasons or case.reason in need.reasons)
    )
