"""Who may decide what alone, and the words for it.

Law of this file: nobody is picked but for an authority that the case needs, for the language it is written
in, and for the order in which the operator named them. `why` says it in the reader's language.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

__all__ = ["LANGUAGES", "Lang", "Needed", "Person", "held", "holds", "picked", "reader_lang", "why"]

Lang = Literal["en", "de"]
LANGUAGES: Final[tuple[Lang, ...]] = ("en", "de")  # that flashover speaks to people


class Needed(NamedTuple):
    """Authorities that a case needs, each once; of some, the amount up to which one must be free."""

    authorities: tuple[str, ...] = ()
    amounts: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Person:
    """A role that can be paged. `limits`: up to which amount an authority goes; without one it has no end.

    `languages` are primary tags such as "de", the reader's own first; `channels` best first.
    """

    name: str
    authorities: frozenset[str] = frozenset()
    limits: Mapping[str, float] = field(default_factory=dict, hash=False)
    languages: tuple[str, ...] = ("en",)
    channels: tuple[str, ...] = ()
    zone: str = ""  # an IANA name, for the times in a page; "" not known


#: What an authority lets one do: behind "you may …" and "Sie dürfen …". Others are said by their own names.
_DEEDS: Final[Mapping[Lang, Mapping[str, str]]] = {
    "en": {
        "cancel-contract": "cancel the contract",
        "refund": "refund",
        "public-apology": "apologise in public",
        "data-protection": "decide on data protection",
        "product-safety": "decide on product safety",
        "legal": "decide on legal matters",
    },
    "de": {
        "cancel-contract": "den Vertrag auflösen",
        "refund": "erstatten",
        "public-apology": "öffentlich um Entschuldigung bitten",
        "data-protection": "über Datenschutz entscheiden",
        "product-safety": "über Produktsicherheit entscheiden",
        "legal": "über Rechtsfragen entscheiden",
    },
}


def holds(person: Person, authority: str, amount: float = 0.0) -> bool:
    """Whether a person may decide this alone, up to that amount."""
    limit = person.limits.get(authority)
    return authority in person.authorities and (limit is None or limit >= amount)


def held(person: Person, needed: Needed) -> frozenset[str]:
    """The needed authorities that a person has."""
    amounts = dict(needed.amounts)
    return frozenset(one for one in needed.authorities if holds(person, one, amounts.get(one, 0.0)))


def picked(people: Sequence[Person], needed: Needed, lang: str = "") -> tuple[Person, ...]:
    """As few as together hold as much of what is needed as there is; the best language first, then the order.

    Where nothing is needed it is one. () if nobody holds anything of it.
    """
    if not needed.authorities:
        return tuple(sorted(people, key=lambda one: _rank(one, lang))[:1])
    found: list[Person] = []
    missing = frozenset(needed.authorities)
    while missing:
        best = min(
            people, key=lambda one: (-len(held(one, needed) & missing), _rank(one, lang)), default=None
        )
        if best is None or not (gained := held(best, needed) & missing):
            break
        found.append(best)
        missing -= gained
    return tuple(sorted(found, key=lambda one: _rank(one, lang)))


def _rank(person: Person, lang: str) -> float:
    """How far from the first of a person's languages; a language that is not known is everybody's."""
    if not lang:
        return 0
    return person.languages.index(lang) if lang in person.languages else math.inf


def reader_lang(person: Person) -> Lang:
    """The first of a person's languages that flashover speaks; English where it speaks none of them."""
    for lang in person.languages:
        for ours in LANGUAGES:
            if lang == ours:
                return ours
    return "en"


def why(
    person: Person,
    needed: Needed,
    duty: str | None = None,
    missing: Iterable[str] = (),
    handed: bool = False,
) -> str:
    """Why this person, in their language: what they may decide, and how they come to stand there.

    `duty` is a rotation's name; `missing` are needed authorities that nobody has who can be paged now;
    `handed`: somebody has handed them the case.
    """
    lang = reader_lang(person)
    mine = held(person, needed)
    parts = []
    if mine:
        deeds = [_deed(one, lang, person.limits.get(one)) for one in needed.authorities if one in mine]
        parts.append(f"{_MAY[lang]} {_joined(deeds, lang)}")
    if handed:
        parts.append(_HANDED[lang])
    if duty is not None:
        parts.append(_ON_CALL[lang].format(duty))
    if lacking := [_deed(one, lang, None) for one in missing]:
        parts.append(f"{_NOBODY[lang]} {_joined(lacking, lang)}")
    return "; ".join(parts)


_MAY: Final[Mapping[Lang, str]] = {"en": "you may", "de": "Sie dürfen"}
_AND: Final[Mapping[Lang, str]] = {"en": " and ", "de": " und "}
_ON_CALL: Final[Mapping[Lang, str]] = {"en": "on call ({})", "de": "im Dienst ({})"}
_HANDED: Final[Mapping[Lang, str]] = {"en": "the case was handed to you", "de": "Ihnen übergeben"}
_NOBODY: Final[Mapping[Lang, str]] = {"en": "nobody on call may", "de": "niemand im Dienst darf"}
_UP_TO: Final[Mapping[Lang, str]] = {"en": "{0} up to {1}", "de": "bis {1} {0}"}


def _deed(authority: str, lang: Lang, limit: float | None) -> str:
    words = _DEEDS[lang].get(authority, authority.replace("-", " "))
    return words if limit is None else _UP_TO[lang].format(words, _amount(limit, lang))


def _amount(amount: float, lang: Lang) -> str:
    """1,234.50 or 1.234,50; without cents where there are none."""
    text = f"{amount:,.2f}".removesuffix(".00")
    return text if lang == "en" else text.translate(str.maketrans(",.", ".,"))


def _joined(words: Sequence[str], lang: Lang) -> str:
    *first, last = words
    return _AND[lang].join((", ".join(first), last)) if first else last
