"""Which brands a text is about: thousands of terms in one pass, and why each counts or does not.

Law of this file: a text is folded once, terms by the same rule, and one automaton finds them all; what
decides then is said in a word (`Verdict`). Unknown is not a no: a text whose language nobody knows is within
every brand's languages.

Folding: NFKC, case folding (ß is ss), ä ö ü as ae oe ue, other accents dropped, invisible characters
dropped, curly apostrophes and unbreakable hyphens as plain ones, white space as single spaces. So Nestlé is
Nestle, and Müller is Mueller (but not Muller).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final, NamedTuple

from ahocorasick_rs import AhoCorasick, Implementation, MatchKind

__all__ = ["Hit", "Matcher", "Terms", "Verdict", "fold"]

# Letters with two spellings, those that no normal form takes apart, and what phones write for ' and -.
_SPELLINGS: Final = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "æ": "ae", "œ": "oe", "ø": "oe", "ł": "l", "đ": "d", "ı": "i"}
    | {"\u2018": "'", "\u2019": "'", "\u02bc": "'", "\u2010": "-", "\u2011": "-"}
)
# Soft hyphen, zero-width and direction marks, byte order mark: what hides a name from a search.
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff]+"
)
_ACCENTS: Final = re.compile("[\u0300-\u036f]+")
# Scripts that write no spaces between words: there a term has no border to ask for.
_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]"
)
_TERM_LIMIT: Final = 200  # characters


class Verdict(StrEnum):
    """Why a found term counts, or does not."""

    COUNTS = "counts"
    WITHIN_A_WORD = "within-a-word"  # "target" in "targeted"; "@acme" in "@acme.example.com"
    EXCLUDED = "excluded"  # it lies within one of the brand's exclusions
    LANGUAGE = "language"  # the text is in none of the brand's languages
    ONLY_A_LINK = "only-a-link"  # a name within an address: only domains count there


@dataclass(frozen=True, slots=True)
class Terms:
    """What a brand is known by. Written as people write it; see the head of the file for how it is compared.

    `names` and `phrases` count as whole words. `handles` (with or without @) count behind an @, and as ids of
    accounts that a post names; `hashtags` (with or without #) behind a #. `domains` count with every
    subdomain, in texts and links. A hit that overlaps one of `exclude` does not count. `languages` (primary
    tags such as "de"; none: all) limit names, phrases and hashtags; handles and domains are plain in any.

    Raises ValueError for a term that is empty or longer than 200 characters.
    """

    names: tuple[str, ...] = ()
    handles: tuple[str, ...] = ()
    hashtags: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in fields(self):
            for term in getattr(self, field.name):
                if len(term) > _TERM_LIMIT or not fold(term).strip("@# ."):
                    raise ValueError(f"{field.name}: a term has 1 to {_TERM_LIMIT} characters")


class Hit(NamedTuple):
    """One term that was found; `start` and `end` (open) are places in the folded text."""

    brand: str
    kind: str  # "name", "phrase", "handle", "hashtag", "domain"
    term: str  # as the operator wrote it
    start: int
    end: int
    verdict: Verdict


class _Pattern(NamedTuple):
    brand: str
    kind: str
    term: str


def fold(text: str) -> str:
    """The text as it is compared; see the head of the file."""
    if text.isascii():
        return " ".join(text.lower().split())
    # Folded before and after: folding may undo the normal form, and the other way round.
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    text = _INVISIBLE.sub("", text.translate(_SPELLINGS))
    if not text.isascii():
        text = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", text)))
    return " ".join(text.split())


class Matcher:
    """All brands' terms, made ready once. Finding is linear in the text, whatever the number of terms."""

    def __init__(self, brands: Mapping[str, Terms]) -> None:
        patterns: dict[str, list[_Pattern]] = {}
        self._accounts: dict[str, list[_Pattern]] = {}
        self._languages = {slug: frozenset(map(_primary, terms.languages)) for slug, terms in brands.items()}

        def add(brand: str, kind: str, term: str, sign: str = "") -> None:
            plain = fold(term).lstrip("@#") if sign else fold(term)
            patterns.setdefault(sign + plain, []).append(_Pattern(brand, kind, term))

        for slug, terms in brands.items():
            for kind, written in (
                ("name", terms.names),
                ("phrase", terms.phrases),
                ("exclude", terms.exclude),
            ):
                for term in written:
                    add(slug, kind, term)
            for term in terms.handles:
                add(slug, "handle", term, "@")
                account = term.strip().lstrip("@").lower()
                self._accounts.setdefault(account, []).append(_Pattern(slug, "handle", term))
            for term in terms.hashtags:
                add(slug, "hashtag", term, "#")
            for term in terms.domains:
                host = term.strip().lower().removeprefix("https://").removeprefix("http://")
                add(slug, "domain", host.removeprefix("www.").strip("./"))
        self._patterns = list(patterns.values())
        self._automaton = AhoCorasick(
            list(patterns), matchkind=MatchKind.Standard, implementation=Implementation.ContiguousNFA
        )

    def find(
        self,
        text: str,
        *,
        links: Iterable[str] = (),
        accounts: Iterable[str] = (),
        lang: str = "",
        detect: Callable[[str], str | None] | None = None,
    ) -> list[Hit]:
        """Every term in the text, with what became of it, in the order of the text.

        `links` are the addresses behind the text, `accounts` the ids or handles that the platform says are
        named in it. `lang` is a BCP 47 tag; where it is "" and a brand has limits, `detect` is asked, once.
        """
        folded = fold(text)
        body = len(folded)
        haystack = "\n".join((folded, *[link.lower() for link in links]))
        found = self._automaton.find_matches_as_indexes(haystack, overlapping=True)
        hits: list[Hit] = []
        excluded: dict[str, list[tuple[int, int]]] = {}
        known = _primary(lang)
        for number, start, end in found:
            for brand, kind, term in self._patterns[number]:
                whole = _is_whole(haystack, start, end, kind)
                if kind == "exclude":
                    if whole:
                        excluded.setdefault(brand, []).append((start, end))
                    continue
                verdict = Verdict.COUNTS if whole else Verdict.WITHIN_A_WORD
                if whole and start > body and kind != "domain":
                    verdict = Verdict.ONLY_A_LINK
                elif whole and kind in _LIMITED and (languages := self._languages[brand]):
                    if not known and detect is not None:
                        known = _primary(detect(text) or "")
                        detect = None
                    if known and known not in languages:
                        verdict = Verdict.LANGUAGE
                hits.append(Hit(brand, kind, term, start, end, verdict))
        if excluded:
            hits = [
                one._replace(verdict=Verdict.EXCLUDED)
                if one.verdict is Verdict.COUNTS
                and any(one.start < end and start < one.end for start, end in excluded.get(one.brand, ()))
                else one
                for one in hits
            ]
        for account in accounts:
            for brand, kind, term in self._accounts.get(account.lstrip("@").lower(), ()):
                hits.append(Hit(brand, kind, term, 0, 0, Verdict.COUNTS))
        return hits

    def brands(
        self,
        text: str,
        *,
        links: Iterable[str] = (),
        accounts: Iterable[str] = (),
        lang: str = "",
        detect: Callable[[str], str | None] | None = None,
    ) -> tuple[str, ...]:
        """The brands that the text is about, each once, sorted; arguments as for `find`."""
        hits = self.find(text, links=links, accounts=accounts, lang=lang, detect=detect)
        if not hits:
            return ()
        return tuple(sorted({one.brand for one in hits if one.verdict is Verdict.COUNTS}))


_LIMITED: Final = {"name", "phrase", "hashtag"}


def _primary(lang: str) -> str:
    return lang.replace("_", "-").partition("-")[0].lower()


def _is_whole(text: str, start: int, end: int, kind: str) -> bool:
    """Whether what stands around a hit leaves it what it is."""
    before = text[start - 1] if start else " "
    after = text[end] if end < len(text) else " "
    if kind == "domain":
        return not (_is_letter(before) or before == "-") and not _goes_on(text, end)
    if kind == "handle":
        return not _is_letter(before) and after != "@" and not _goes_on(text, end)
    if _is_letter(before) and _is_letter(text[start]) and not _UNSPACED.match(text[start]):
        return False
    return not (_is_letter(after) and _is_letter(text[end - 1]) and not _UNSPACED.match(text[end - 1]))


def _goes_on(text: str, end: int) -> bool:
    """True where a handle or host is longer than the hit: a letter, a hyphen, or a dot and then a letter."""
    after = text[end : end + 2]
    return bool(after) and (
        _is_letter(after[0]) or after[0] == "-" or (after[0] == "." and _is_letter(after[1:]))
    )


def _is_letter(text: str) -> bool:
    return text.isalnum() or text == "_"
