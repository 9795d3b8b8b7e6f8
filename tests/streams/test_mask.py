"""Masking: no raw value survives, whatever stands around it; and what is not personal stays readable."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.mask import MaskRules, Shape, is_card, is_iban, mask

# what stands around a value: anything that does not itself continue a word or a number
AROUND = st.text(max_size=30).map(lambda s: s + " ") | st.sampled_from(
    ["", "(", "nr. ", "12.05.2021 ", "„", "\u200b "]
)
AFTER = st.text(max_size=30).map(lambda s: " " + s) | st.sampled_from(["", ")", ".", ", 5 €", "!", "\n12"])


def luhn(head: str) -> str:
    return next(number for d in string.digits if is_card(number := head + d))


@st.composite
def spaced(draw: st.DrawFn, plain: str, gaps: str = " -./") -> str:
    """The value in groups, the way people write it."""
    groups, left = [], plain
    while left:
        size = draw(st.integers(2, 6))
        groups.append(left[:size])
        left = left[size:]
    gap: str = draw(st.sampled_from(["", *gaps]))
    return gap.join(groups)


@st.composite
def cards(draw: st.DrawFn) -> str:
    head = draw(st.sampled_from(["4", "51", "37", "6011"]))
    head += draw(st.text(string.digits, min_size=12, max_size=14))
    return draw(spaced(luhn(head[:15]), " -"))


@st.composite
def phones(draw: st.DrawFn) -> str:
    head = draw(st.sampled_from(["+49 ", "+49 (0) ", "0049", "0", "(030) ", "+1 ", "+43-", "0800 / "]))
    return head + draw(spaced(draw(st.from_regex(r"[1-9]\d{6,9}", fullmatch=True))))


@st.composite
def ibans(draw: st.DrawFn) -> str:
    country, bank, digits = draw(
        st.sampled_from(
            [("DE", "", 18), ("AT", "", 16), ("GB", "WEST", 14), ("NL", "INGB", 10), ("MT", "MALT", 23)]
        )
    )
    body = bank + draw(st.text(string.digits, min_size=digits, max_size=digits))
    check = 98 - int("".join(str(int(c, 36)) for c in body + country + "00")) % 97
    plain = f"{country}{check:02d}{body}"
    assert is_iban(plain)
    shown = draw(st.sampled_from([plain, " ".join(plain[i : i + 4] for i in range(0, len(plain), 4))]))
    return draw(st.sampled_from([shown, shown.lower()]))


E_MAILS = st.from_regex(
    r"[a-z0-9äö]([a-z0-9._%+'-]{0,20}[a-z0-9])?@[a-z0-9]([a-z0-9-]{0,12}[a-z0-9])?\.[a-z]{2,10}",
    fullmatch=True,
)


@given(AROUND, E_MAILS | cards() | phones() | ibans(), AFTER)
@settings(max_examples=300, deadline=None)
def test_no_raw_value_survives(before: str, value: str, after: str) -> None:
    """Neither the value as written nor its bare digits are in the masked text."""
    shown = mask(before + value + after).text
    assert value not in shown
    if not any(c.isalpha() for c in value):
        assert "".join(c for c in value if c.isdigit()) not in shown


@given(st.text(max_size=200) | st.text("ab@. 0123-+/()[]{}atdoIBANDE", max_size=200))
@settings(max_examples=300, deadline=None)
def test_masking_twice_is_masking_once(text: str) -> None:
    once = mask(text).text
    assert mask(once).text == once


@given(st.text(string.digits, min_size=7, max_size=40))
def test_seven_digits_in_a_row_are_never_shown(digits: str) -> None:
    assert mask(f"mein Code {digits} hier").text in {
        f"mein Code {label} hier" for label in ("[number]", "[phone]", "[card]")
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("schreib an max.muster+x@beispiel.de, danke", "schreib an [e-mail], danke"),
        ("max (at) beispiel (punkt) de", "[e-mail]"),
        ("IBAN: DE89 3704 0044 0532 0130 00 bitte", "IBAN: [iban] bitte"),
        ("call me on +44 20 7946 0958 now", "call me on [phone] now"),
        ("Tel. 030/123456-78", "Tel. [phone]"),
        ("ring 12345", "ring [phone]"),
        ("555-867-5309", "[phone]"),
        ("card 4111 1111 1111 1111 12/27 123", "card [card]"),
        ("Meine Kundennummer ist 12345 und ich warte", "Meine Kundennummer ist [contract] und ich warte"),
        ("Vertragsnr.: AB-1234/56", "Vertragsnr.: [contract]"),
        ("booking reference: QWERTY please", "booking reference: [contract] please"),
        ("order 123-1234567-1234567", "order [number]"),
        ("ich wohne Musterstraße 12a, 12345 Berlin", "ich wohne [address], [address]"),
        ("Am Langen Weg 5 ist Stromausfall", "[address] ist Stromausfall"),
        ("at 12 Long Lane, London SW1A 1AA", "at [address], London [address]"),
        ("geboren am 12.05.1980 in", "geboren am [birth-date] in"),
        ("@someone hilft nicht", "@[handle] hilft nicht"),
        ("https://shop.example/?mail=a.b@c.de&x", "https://shop.example/?mail=[e-mail]&x"),
    ],
)
def test_personal_data_is_named_not_shown(text: str, shown: str) -> None:
    assert mask(text).text == shown


@pytest.mark.parametrize(
    "text",
    [
        "am 12.05.2021 um 14:30 Uhr, 2021-06-10 14 Uhr",
        "vom 10.06.2021 - 12.06.2021 kein Internet",
        "1.000.000 € Strafe, 12,99 €, 5 Sterne, 24/7",
        "order no longer than 5 days, account number please",
        "wir sind hotel 12345 mal angerufen worden",
        "10000 Euro und 12345 Kunden",
        "https://t.co/AbC123xyz9",
        "1982 - 2017, Tabellenplatz 2",
        "no internet going on 15 hours. I already talked to someone this afternoon",
        "😡😡 100 % Frechheit",
    ],
)
def test_what_is_not_personal_stays(text: str) -> None:
    assert mask(text).text == text


def test_own_shapes_and_the_brands_handle() -> None:
    rules = MaskRules(shapes=(Shape("KD-9{4,6}"), Shape("AA99")), shown_handles=frozenset({"brandhelp"}))
    masked = mask("@BrandHelp @me kd-1234 und zz12, nicht abc12", rules)
    assert masked.text == "@BrandHelp @[handle] [contract] und [contract], nicht abc12"
    assert masked.found == {"contract": 2, "handle": 1}


@pytest.mark.parametrize("shape", ["", "KD-", "9{0}", "9{5,2}", "A{1,65}"])
def test_a_shape_that_can_find_nothing_sensible_is_refused(shape: str) -> None:
    with pytest.raises(ValueError, match="shape"):
        Shape(shape)


def test_a_shapes_signs_are_themselves() -> None:
    assert mask("x.+ 1a", MaskRules(shapes=(Shape("x.+ 9"),))).text == "x.+ 1a"
    assert mask("x.+ 1", MaskRules(shapes=(Shape("x.+ 9"),))).text == "[contract]"


@pytest.mark.parametrize(
    ("digits", "sound"),
    [
        ("4111111111111111", True),
        ("378282246310005", True),
        ("4111111111111112", False),
        ("0000000000000000", False),
        ("411111111111", False),
    ],
)
def test_a_cards_checksum(digits: str, sound: bool) -> None:
    assert is_card(digits) is sound


HOSTILE = [
    "@", "a@", "a.", "1 ", "1-", "+", "(", "DE12", "AA11 ", "A-", "A ", "A.", "1 A ", "Straße ",
    "kundennummer ", "x (at) ", "geb ", "tel ", "0 /", "a-b.", "\u200b1", "12.05.2021 ", "[", "@a", "ß",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_hostile_text_comes_back(piece: str) -> None:
    """A scan that is not linear would never end on these: 50,000 signs, five times the longest mention."""
    once = mask(piece * (50_000 // len(piece)))
    assert mask(once.text).text == once.text
