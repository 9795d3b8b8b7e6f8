"""Phrase rules: which stock phrases a text holds, told by name.

The law of this file: a pattern is a row of words, not a regular expression. It is matched word by word with a
set of places, so a text of n words costs at most n times the pattern's length, whatever stands in either; and
a match never crosses the end of a sentence.

A pattern's words, separated by spaces:

    refund          this word                       we|i         one of these words
    escalat*        a word that begins so           @team        one of the file's list `team`
    please?         this word or none               *               any one word
    ..  ..2         up to four words, up to two words (any)
    <link> <phone> <mail>   a link, a telephone number, an e-mail address
    ^               the begin of a sentence         $            its end
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any, Literal, get_args

PhraseKind = Literal["hand-off", "dm", "hotline", "no-access", "refusal", "apology"]
KINDS: tuple[PhraseKind, ...] = get_args(PhraseKind)

Sentence = tuple[str, ...]

GAP_WORDS = 4  # `..` in a pattern; long enough for "your full name and", short enough to stay in one clause

_TOKEN = re.compile(
    r"(?P<link>(?:https?://|www\.)\S+|\[link\])"
    r"|(?P<mail>[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}|\[e-mail\])"
    r"|(?P<handle>@\[?\w+\]?)"
    r"|(?P<phone>\[(?:phone|number)\]|\+?\(?\d(?:[ ./()-]{0,3}\d){6,24})"
    r"|(?P<word>[^\W_]+(?:['’´`][^\W_]+)*)"
    r"|(?P<end>[.!?;…\n]+(?=\s|$)|[!?…\n])"
)
_ABBREVIATIONS = frozenset(
    {"pls", "plz", "nr", "tel", "ggf", "bzw", "inkl", "evtl", "z", "b", "zb", "dr", "st", "mr", "mrs", "ms"}
    | {"approx", "no", "acct", "ca", "usw", "u", "a", "s"}
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One stock phrase. `patterns` find it; a sentence with one of `unless` does not count.

    `alone`: the rule holds only if every sentence of the text is one of its own or the file's filler
    (greetings, thanks): how "an apology without an act" is told from an apology that goes on to help.
    """

    name: str
    kind: PhraseKind
    lang: str
    patterns: tuple[str, ...]
    unless: tuple[str, ...] = ()
    alone: bool = False
    examples: tuple[str, ...] = ()
    counter_examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that holds, and the words of the text it was found in."""

    rule: str
    kind: PhraseKind
    words: str


_Step = tuple[
    Callable[[str], bool] | None, int
]  # a word that fits, or None and how many words may be skipped


@dataclass(frozen=True, slots=True)
class _Pattern:
    steps: tuple[_Step, ...]
    at_begin: bool
    at_end: bool
    first: Callable[[str], bool] | None  # what the first word must be, where it may not be left out

    def find(self, sentence: Sequence[str]) -> tuple[int, int] | None:
        """The first place it matches, as word numbers [from, to)."""
        for begin in range(1 if self.at_begin else len(sentence)):
            if self.first and begin < len(sentence) and not self.first(sentence[begin]):
                continue
            places = {begin}
            for fits, skip in self.steps:
                if fits is None:
                    places = {p + n for p in places for n in range(skip + 1) if p + n <= len(sentence)}
                else:
                    took = {p + 1 for p in places if p < len(sentence) and fits(sentence[p])}
                    places = took | places if skip else took
                if not places:
                    break
            if self.at_end:
                places &= {len(sentence)}
            if ends := [place for place in places if place > begin]:
                return begin, min(ends)
        return None


class RuleBook:
    """The rules of one language, ready to match.

    Raises ValueError, with all faults of the file together, for a rule without name, kind, pattern, example
    or counter-example, two rules of one name, an unknown word list, or a pattern of gaps alone.
    """

    __slots__ = ("_fillers", "_patterns", "_same", "_unless", "lang", "rules")

    def __init__(
        self,
        lang: str,
        rules: Iterable[Rule],
        *,
        words: Mapping[str, Sequence[str]],
        same: Mapping[str, str],
        filler: Sequence[str],
    ) -> None:
        self.lang = lang
        self.rules = tuple(rules)
        self._same = {tuple(said.split()): meant for said, meant in same.items()}
        self._patterns = {r.name: [_compiled(p, words) for p in r.patterns] for r in self.rules}
        self._unless = {r.name: [_compiled(p, words) for p in r.unless] for r in self.rules}
        self._fillers = [_compiled(p, words) for p in filler]

    @classmethod
    def read(cls, lang: str, toml: str) -> RuleBook:
        """A rule file's text as rules. Raises ValueError with every fault named."""
        raw = tomllib.loads(toml)
        faults: list[str] = []
        listed = raw.get("rule", ())
        words = {name: tuple(_texts(raw.get("words", {})[name])) for name in raw.get("words", {})}
        same, filler = raw.get("same", {}), raw.get("filler", ())
        if not isinstance(listed, list) or not listed:
            faults.append(f"{lang}: there is no [[rule]]")
            listed = ()
        if not all(isinstance(one, str) for one in (*same.values(), *filler)):
            faults.append(f"{lang}: [same] and filler hold texts alone")
            same, filler = {}, ()
        rules = []
        for place, each in enumerate(listed, 1):
            if fault := _fault(each):
                faults.append(f"{lang}: rule {each.get('name', place)}: {fault}")
            else:
                rules.append(
                    Rule(
                        name=each["name"],
                        kind=each["kind"],
                        lang=lang,
                        patterns=tuple(each["patterns"]),
                        unless=tuple(each.get("unless", ())),
                        alone=each.get("alone", False),
                        examples=tuple(each["examples"]),
                        counter_examples=tuple(each["counter_examples"]),
                    )
                )
        if len({r.name for r in rules}) < len(rules):
            faults.append(f"{lang}: two rules share a name")
        for where, pattern in (
            *((f"rule {r.name}", one) for r in rules for one in (*r.patterns, *r.unless)),
            *(("filler", one) for one in filler),
        ):
            try:
                _compiled(pattern, words)
            except ValueError as error:
                faults.append(f"{lang}: {where}: {error}")
        if faults:
            raise ValueError("; ".join(faults))
        return cls(lang, rules, words=words, same=same, filler=filler)

    def hits(self, text: str) -> tuple[Hit, ...]:
        """Every rule that holds in the text, in the file's order, each once."""
        sentences = [self._unified(s) for s in sentences_of(text)]
        return tuple(hit for rule in self.rules if (hit := self._hit(rule, sentences)))

    def _hit(self, rule: Rule, sentences: Sequence[Sentence]) -> Hit | None:
        first: Hit | None = None
        for sentence in sentences:
            found = next((f for p in self._patterns[rule.name] if (f := p.find(sentence))), None)
            if found and any(p.find(sentence) for p in self._unless[rule.name]):
                found = None
            if found and first is None:
                first = Hit(rule.name, rule.kind, " ".join(sentence[found[0] : found[1]]))
            if rule.alone and not found and not any(p.find(sentence) for p in self._fillers):
                return None
        return first

    def _unified(self, sentence: Sentence) -> Sentence:
        """Two words that mean one ("direct message") as that one ("dm")."""
        words: list[str] = []
        for word in sentence:
            words.append(word)
            if len(words) > 1 and (meant := self._same.get((words[-2], words[-1]))):
                words[-2:] = [meant]
            elif meant := self._same.get((word,)):
                words[-1] = meant
        return tuple(words)


def sentences_of(text: str) -> tuple[Sentence, ...]:
    """The text's sentences as lower-case words, without handles; links, numbers, addresses are `<...>`."""
    sentences: list[Sentence] = []
    words: list[str] = []
    for found in _TOKEN.finditer(unescape(text)):
        kind = found.lastgroup
        if kind == "word":
            words.append(_plain(found.group()))
        elif kind in ("link", "mail", "phone"):
            words.append(f"<{kind}>")
        elif kind == "end" and words and not (found.group() == "." and words[-1] in _ABBREVIATIONS):
            sentences.append(tuple(words))
            words = []
    if words:
        sentences.append(tuple(words))
    return tuple(sentences)


def _plain(word: str) -> str:
    for mark in "’´`":
        word = word.replace(mark, "'")
    return word.casefold().replace("ß", "ss")


def failing_examples(book: RuleBook) -> tuple[str, ...]:
    """Sentences on examples that their rule does not find, and counter-examples that it does."""
    found: list[str] = []
    for rule in book.rules:
        for wanted, texts in ((True, rule.examples), (False, rule.counter_examples)):
            for text in texts:
                if any(hit.rule == rule.name for hit in book.hits(text)) is not wanted:
                    verb = "does not find its example" if wanted else "finds its counter-example"
                    found.append(f"{book.lang}: rule {rule.name} {verb} {text[:60]!r}")
    return tuple(found)


def _texts(listed: object) -> list[str]:
    """The words of a list: a text that blanks part. Raises ValueError for anything else."""
    if not isinstance(listed, str):
        raise ValueError("a list of words is one text, its words parted by blanks")
    return listed.split()


def _fault(raw: Mapping[str, Any]) -> str | None:
    missing = [
        key for key in ("name", "kind", "patterns", "examples", "counter_examples") if not raw.get(key)
    ]
    if missing:
        return "lacks " + ", ".join(missing)
    if not isinstance(raw["name"], str):
        return "its name is no text"
    lists = ("patterns", "examples", "counter_examples", "unless")
    if wrong := [
        key
        for key in lists
        if not isinstance(listed := raw.get(key, []), list) or not all(isinstance(one, str) for one in listed)
    ]:
        return f"{', '.join(wrong)} must be lists of texts"
    return None if raw["kind"] in KINDS else f"kind {raw['kind']!r} is none of {', '.join(KINDS)}"


def _compiled(pattern: str, words: Mapping[str, Sequence[str]]) -> _Pattern:
    parts = pattern.split()
    at_begin, at_end = parts[:1] == ["^"], parts[-1:] == ["$"]
    steps = tuple(_steps(parts[at_begin : len(parts) - at_end], words, pattern))
    if not any(fits for fits, _ in steps):
        raise ValueError(f"pattern {pattern!r} has no word")
    return _Pattern(steps, at_begin, at_end, None if steps[0][1] else steps[0][0])


def _steps(parts: Sequence[str], words: Mapping[str, Sequence[str]], pattern: str) -> Iterator[_Step]:
    for part in parts:
        if gap := re.fullmatch(r"\.\.(\d{0,2})", part):
            yield None, int(gap.group(1) or GAP_WORDS)
            continue
        whole: set[str] = set()
        begins: list[str] = []
        for choice in part.removesuffix("?").split("|"):
            if choice.startswith("@") and choice[1:] not in words:
                raise ValueError(f"pattern {pattern!r}: no list named {choice[1:]!r}")
            for word in words[choice[1:]] if choice.startswith("@") else (choice,):
                plain = _plain(word)
                if plain.endswith("*"):
                    begins.append(plain[:-1])
                else:
                    whole.add(plain)
        yield _fitting(frozenset(whole), tuple(begins)), part.endswith("?")


def _fitting(whole: frozenset[str], begins: tuple[str, ...]) -> Callable[[str], bool]:
    if not begins:
        return whole.__contains__
    return lambda word: word in whole or word.startswith(begins)
