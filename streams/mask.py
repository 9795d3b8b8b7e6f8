"""Personal data in texts becomes a word in brackets before a text reaches state, alerts, logs or the web.

The law of this file: every scan is linear in the text (each pattern's repeats are disjoint or bounded, and a
number is found once, then judged), and when in doubt a number is masked: seven digits in a row are never
shown unless they are a date or an amount. Masking a masked text changes nothing.

What it does not find: names of people, numbers spelt in words, addresses without a street word or post code,
and anything inside a picture. See docs/words.md.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

Kind = Literal["e-mail", "iban", "card", "phone", "contract", "address", "birth-date", "number", "handle"]

LABEL: Mapping[Kind, str] = {
    "e-mail": "[e-mail]",
    "iban": "[iban]",
    "card": "[card]",
    "phone": "[phone]",
    "contract": "[contract]",
    "address": "[address]",
    "birth-date": "[birth-date]",
    "number": "[number]",
    "handle": "@[handle]",
}

MIN_NUMBER_DIGITS = 7  # the shortest numbers with an area code; below it are prices, years, post codes

# The lengths of ISO 13616's registry, by country
IBAN_LENGTH: Mapping[str, int] = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FK FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC",
        32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip

# Between two digits of one number: spaces of all widths, invisible marks, dashes, dots, slashes, brackets.
_GAP = r"[\s\u00ad\u200b-\u200d\u2060\ufeff\-\u2010-\u2015./()]"
_NUMBER = re.compile(rf"\d(?:{_GAP}{{0,4}}\d)*")
_BEFORE_NUMBER = re.compile(r"(?:\+\s?)?(?:\(\s?)?$")
_GROUP = re.compile(r"\d+")
_IBAN_HEAD = re.compile(r"(?:(?<![^\W_])|(?<=iban))[a-z]{2}\s?[0-9]{2}(?=\W{0,2}[a-z0-9])", re.I)
_TWO_DIGITS = re.compile(r"[0-9]{2}")
_LOCAL_STOP = re.compile(r"[\s@<>()\[\]{},;:\"`|\\/=?&]")
_DOMAIN = re.compile(r"[^\W_](?:[\w-]{0,62})(?:\.[^\W_][\w-]{0,62}){1,8}")
_AT_IN_WORDS = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64} ?[(\[{] ?(?:at|ät|æt) ?[)\]}] ?[\w-]{1,63}"
    r"(?:(?:\.| ?[(\[{] ?(?:dot|punkt) ?[)\]}] ?)[\w-]{2,63}){1,4}",
    re.I,
)
_HANDLE = re.compile(r"@(\w+)")

_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_MONTH = r"(?:0?[1-9]|1[0-2])"
_YEAR = r"(?:19|20)\d\d"
_DATE = rf"(?:{_YEAR}-{_MONTH}-{_DAY}|{_DAY}[./-]{_MONTH}[./-](?:{_YEAR}|\d\d)|{_MONTH}/{_DAY}/{_YEAR})"
_DATES = re.compile(rf"(?:{_DATE}(?:\s?-\s?{_DATE})?(?:\s[0-2]?\d)?|{_YEAR}\s?[-–/]\s?{_YEAR})")
_BORN_BEFORE = re.compile(
    r"(?<![\w\[])(?:geb|geboren|geburtsdatum|geburtstag|born|birth|birthday|dob)\b.{0,12}$", re.I | re.S
)
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+")
_MONEY_AFTER = re.compile(r"\s?(?:,\d\d)?\s?(?:€|\$|£|%|eur|usd|gbp|chf|mio|mrd)", re.I)
_MONEY_BEFORE = re.compile(r"(?:€|\$|£|eur|usd|gbp|chf)\s?$", re.I)
_PHONE_BEFORE = re.compile(
    r"(?<![\w\[])(?:tel|telefon|telefonnummer|phone|mobile|mobil|handy|handynummer|rufnummer|cell|call|ring|anrufen|fax|whatsapp)"
    r"\b.{0,16}$",
    re.I | re.S,
)

_CONTRACT = re.compile(
    r"(?<![\w\[])(?:(?:kunden|vertrags?|auftrags?|bestell|rechnungs?|konto|buchungs?|ticket|vorgangs?|mitglieds?|zähler|"
    r"sendungs?|policen?|versicherungs?|service|steuer|personalausweis|ausweis|reisepass|rufnummern)"
    r"[ -]?(?:nummer|nr|id|code|pin|kennwort|passwort)"
    r"|(?:kd|kdn|vs|best|rg|re)[. -]{0,2}nr"
    r"|(?:customer|account|acct|contract|order|booking|confirmation|conf|reservation|case|ticket|reference|ref|policy|"
    r"membership|member|tracking|invoice|serial|passport|sort|loyalty|frequent flyer|claim|rewards)"
    r" ?(?:numbers?|no|nr|num|id|code|reference|ref|locator|#)"
    r"|record locator|pnr|iban|bic|imei|ssn)"
    r"(?!\w)[.:#=)\s-]{0,4}(?:(?:is|ist|lautet|was|war|of|von)(?!\w)[:\s]{0,3})?"
)  # for small letters: to heed none would cost three times as much
_CONTRACT_VALUE = re.compile(
    r"(?:[A-Za-z]{1,4}[ -])?(?=\S{0,40}\d)[^\W_][\w/.-]{1,38}\w(?:[ /-]{1,3}(?=\d)[\w/-]{1,20}){0,6}"
)
_BOOKING_CODE = re.compile(r"[A-Z][A-Z0-9]{5}(?!\w)")

_HOUSE = r"\d{1,4}(?:\s?[-/]\s?\d{1,4})?\s?[a-hA-H]?(?!\w)"
_STREET_DE = re.compile(
    r"(?<!\w)(?!(?:Tabellen|Start|Sitz|Park|Stell|Arbeits|Steh|Lade|Treppchen)platz|(?:Heim|Rück|Hin)weg)"
    r"[A-ZÄÖÜ][\w.-]{0,40}(?:straße|strasse|str\.?|weg|gasse|platz|allee|damm|ufer|chaussee|ring)"
    rf"\s{{1,2}}{_HOUSE}"
    r"|(?<!\w)(?:[A-ZÄÖÜ][\w.]{0,30}[\s-]){0,3}(?:Straße|Strasse|Str\.|Weg|Gasse|Allee|Damm|Ufer|Ring)"
    rf"\s{{1,2}}{_HOUSE}"
)
_POSTCODE_DE = re.compile(
    r"(?<![\w.,])(?:D-\d{5}|(?:A|CH)-\d{4}|(?!\d{2}000)\d{5})\s"
    r"(?!(?:Euro|Kunden|Menschen|Leute|Mal|Follower|Likes|Punkte|Meilen|Kilometer|Stück|Haushalte)(?!\w))"
    r"[A-ZÄÖÜ][a-zäöüß]{2,30}(?:-\w{2,30})?(?:\s(?:am|an der|im)\s\w{2,20})?"
)
_STREET_EN = re.compile(
    r"(?<![\w.,])\d{1,5}[a-zA-Z]?,?\s(?:[A-Z][\w.'-]{0,30}\s){1,3}"
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Close|Court|Ct|Terrace|Crescent|Way)(?!\w)\.?"
)
_POSTCODE_UK = re.compile(r"(?<!\w)[A-Z]{1,2}\d[A-Z0-9]?\s?\d[A-Z]{2}(?!\w)")
_STATE_ZIP = re.compile(r"(?<!\w)[A-Z]{2}\s\d{5}(?:-\d{4})?(?!\w)")
_HINT_HOUSE = re.compile(r"\s{1,2}\d")
_STREET_ENDS_DE = (
    *(
        "straße",
        "strasse",
        "str",
        "str.",
        "weg",
        "gasse",
        "platz",
        "allee",
        "damm",
        "ufer",
        "chaussee",
        "ring",
    ),
    *("Straße", "Strasse", "Str.", "Weg", "Gasse", "Allee", "Damm", "Ufer", "Ring"),
)
_HINT_STREET_EN = re.compile(r"\d[a-zA-Z]?,?\s[A-Z]")
_HINT_POSTCODE_DE = re.compile(r"\d{4}\s")
_HINT_POSTCODE_UK = re.compile(r"\d[A-Z]{2}")
_HINT_STATE_ZIP = re.compile(r"\d{5}")


@dataclass(frozen=True, slots=True)
class Masked:
    """A text that may be stored and shown, and how much was taken out of it.

    `found` counts the spans by kind; it holds no raw value.
    """

    text: str
    found: Mapping[Kind, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shape:
    """A contract number's form: `9` a digit, `A` a letter, `{m,n}` repeats the one before, all else itself.

    Shapes, not regular expressions: an operator's shape cannot backtrack. `KD-9{6,10}` finds `kd-1234567`.
    Raises ValueError for a shape without a digit or letter place, or with a repeat over 64.
    """

    shape: str

    def __post_init__(self) -> None:
        _shape_pattern(self.shape)


@dataclass(frozen=True, slots=True)
class MaskRules:
    """What an operator may set: own number shapes, and the handles that may be shown (the brand's)."""

    shapes: tuple[Shape, ...] = ()
    shown_handles: frozenset[str] = frozenset()
    mask_handles: bool = True


_Span = tuple[int, int, Kind]


_PLAIN = MaskRules()

_DIGIT = re.compile(r"\d")
_BRACKET = re.compile(r"[(\[{]")
_SIX_CAPITALS = re.compile(r"[A-Z]{6}")


def mask(text: str, rules: MaskRules = _PLAIN) -> Masked:
    """Replace personal data by words in brackets. Linear in len(text); any text is accepted; idempotent."""
    # What can't be in a text is not looked for: most hold no digit, and cost a tenth.
    digits = _DIGIT.search(text) is not None
    spans = [
        *(_e_mails(text) if "@" in text or _BRACKET.search(text) else ()),
        *(_ibans(text) if digits else ()),
        *_own_numbers(text, rules.shapes),
        *(_contracts(text) if digits or _SIX_CAPITALS.search(text) else ()),
        *(_addresses(text) if digits else ()),
        *(_numbers(text) if digits else ()),
        *(_handles(text, rules.shown_handles) if rules.mask_handles and "@" in text else ()),
    ]
    if not spans:
        return Masked(text)
    parts: list[str] = []
    found: Counter[Kind] = Counter()
    shown_to = 0
    for start, end, kind in _merged(spans):
        parts += text[shown_to:start], LABEL[kind]
        found[kind] += 1
        shown_to = end
    parts.append(text[shown_to:])
    return Masked("".join(parts), dict(found))


def is_iban(compact: str) -> bool:
    """Whether the country's length and the checksum of ISO 13616 (mod 97 = 1) hold; without spaces."""
    if not (compact.isascii() and compact.isalnum() and IBAN_LENGTH.get(compact[:2].upper()) == len(compact)):
        return False
    turned = compact[4:] + compact[:4]
    return int("".join(str(int(c, 36)) for c in turned)) % 97 == 1


def is_card(digits: str) -> bool:
    """Whether 13..19 digits pass Luhn's check (ISO/IEC 7812-1) and are not one digit repeated."""
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _merged(spans: Iterable[_Span]) -> Iterator[_Span]:
    """Overlapping spans as one; the label is the first finder's, in the order of `mask`."""
    open_: tuple[int, int, int, Kind] | None = None
    for rank, (start, end, kind) in sorted(enumerate(spans), key=lambda each: each[1][:2]):
        if open_ and start < open_[1]:
            label = min((open_[2], open_[3]), (rank, kind))
            open_ = (open_[0], max(open_[1], end), *label)
            continue
        if open_:
            yield open_[0], open_[1], open_[3]
        open_ = (start, end, rank, kind)
    if open_:
        yield open_[0], open_[1], open_[3]


def _e_mails(text: str) -> Iterator[_Span]:
    left_wall = 0
    at = text.find("@")
    while at >= 0:
        stop = left_wall
        for wall in _LOCAL_STOP.finditer(text, left_wall, at):
            stop = wall.end()
        domain = _DOMAIN.match(text, at + 1)
        if domain and stop < at:
            yield stop, domain.end(), "e-mail"
        left_wall = at + 1
        at = text.find("@", left_wall)
    for found in _AT_IN_WORDS.finditer(text) if _BRACKET.search(text) else ():
        yield found.start(), found.end(), "e-mail"


def _ibans(text: str) -> Iterator[_Span]:
    if not any(
        text[max(0, two.start() - 3) : two.start()].rstrip()[-2:].isalpha()
        for two in _TWO_DIGITS.finditer(text)
    ):
        return
    for head in _IBAN_HEAD.finditer(text):
        compact, ends = "", []
        for place in range(head.start(), min(len(text), head.start() + 80)):
            letter = text[place]
            if letter.isascii() and letter.isalnum():
                compact += letter
                ends.append(place + 1)
            elif len(compact) >= 34 or not re.match(_GAP, letter):
                break
        length = IBAN_LENGTH.get(compact[:2].upper(), 99)
        # half of it digits: one in 97 sentences that begin "is 15 minutes" would pass the checksum too
        mostly_digits = sum(c.isdigit() for c in compact[:length]) * 2 >= length
        if mostly_digits and is_iban(compact[:length]):
            yield head.start(), ends[length - 1], "iban"


def _own_numbers(text: str, shapes: tuple[Shape, ...]) -> Iterator[_Span]:
    for shape in shapes:
        for found in _shape_pattern(shape.shape).finditer(text):
            yield found.start(), found.end(), "contract"


def _contracts(text: str) -> Iterator[_Span]:
    small = text.lower()
    if len(small) != len(text):  # one of the few letters whose small form is longer
        small = "".join([one.lower() if len(one.lower()) == 1 else one for one in text])
    for name in _CONTRACT.finditer(small):
        if value := _CONTRACT_VALUE.match(text, name.end()) or _BOOKING_CODE.match(text, name.end()):
            yield value.start(), value.end(), "contract"


@cache
def _shape_pattern(shape: str) -> re.Pattern[str]:
    parts: list[str] = []
    places = 0
    for found in re.finditer(r"([9A])(?:\{(\d{1,3})(?:,(\d{1,3}))?\})?|(.)", shape, re.S):
        place, low, high, literal = found.groups()
        if literal is not None:
            parts.append(re.escape(literal))
            continue
        least, most = int(low or 1), int(high or low or 1)
        if not 1 <= least <= most <= 64:
            raise ValueError(f"shape {shape!r}: a repeat must be 1..64 and rise")
        places += 1
        parts.append((r"\d" if place == "9" else r"[^\W\d_]") + f"{{{least},{most}}}")
    if not places:
        raise ValueError(f"shape {shape!r} has no place for a digit (9) or a letter (A)")
    return re.compile(r"(?<!\w)" + "".join(parts) + r"(?!\w)", re.I)


def _addresses(text: str) -> Iterator[_Span]:
    """Each pattern is searched for only where something that begins with a digit, cheap to find, is there."""
    for hint, pattern in (
        (_HINT_STREET_EN, _STREET_EN),
        (_HINT_POSTCODE_DE, _POSTCODE_DE),
        (_HINT_POSTCODE_UK, _POSTCODE_UK),
        (_HINT_STATE_ZIP, _STATE_ZIP),
    ):
        if hint.search(text) is not None:
            for found in pattern.finditer(text):
                yield found.start(), found.end(), "address"
    if any(text.endswith(_STREET_ENDS_DE, 0, house.start()) for house in _HINT_HOUSE.finditer(text)):
        for found in _STREET_DE.finditer(text):
            yield found.start(), found.end(), "address"


def _numbers(text: str) -> Iterator[_Span]:
    for run in _NUMBER.finditer(text):
        start, end = run.span()
        if before := _BEFORE_NUMBER.search(text, max(0, start - 4), start):
            start = before.start()
        raw = text[start:end]
        if _DATES.fullmatch(raw.strip()):
            if _BORN_BEFORE.search(text[max(0, start - 30) : start]):
                yield start, end, "birth-date"
            continue
        digits = "".join(_GROUP.findall(raw))
        if len(digits) < MIN_NUMBER_DIGITS:
            if len(digits) >= 5 and _PHONE_BEFORE.search(text[max(0, start - 40) : start]):
                yield start, end, "phone"
            continue
        if _THOUSANDS.fullmatch(raw.strip()) and (
            _MONEY_AFTER.match(text, end) or _MONEY_BEFORE.search(text[max(0, start - 4) : start])
        ):
            continue
        yield start, end, _kind_of(raw.strip(), digits, text[max(0, start - 40) : start])


def _kind_of(raw: str, digits: str, before: str) -> Kind:
    """What to call a number that is masked anyway; a card may have its date and check digits beside it."""
    groups = _GROUP.findall(raw)
    for first in range(len(groups)):
        compact = ""
        for group in groups[first : first + 19]:
            compact += group
            if len(compact) > 19:
                break
            if is_card(compact):
                return "card"
    if raw.startswith(("+", "0", "(0")) or _PHONE_BEFORE.search(before):
        return "phone" if len(digits) <= 17 else "number"
    return "phone" if [len(g) for g in groups] in ([3, 3, 4], [1, 3, 3, 4]) else "number"


def _handles(text: str, shown: frozenset[str]) -> Iterator[_Span]:
    for found in _HANDLE.finditer(text):
        if found.group(1).casefold() not in shown:
            yield found.start(), found.end(), "handle"
