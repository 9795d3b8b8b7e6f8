"""People are picked for what they may decide, and are told why in their language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.authority import Needed, Person, held, holds, picked, reader_lang, why
from tests.streams.people import PEOPLE

DUTY, NIGHT, LEAD, OFFICER = (
    PEOPLE[one] for one in ("duty-lead", "night-lead", "service-lead", "privacy-officer")
)


@pytest.mark.parametrize(("amount", "may"), [(0, True), (200, True), (200.01, False)])
def test_an_authority_goes_up_to_its_limit(amount: float, may: bool) -> None:
    assert holds(DUTY, "refund", amount) is may


def test_one_who_holds_all_is_enough() -> None:
    assert picked((DUTY, LEAD), Needed(("refund", "public-apology"))) == (LEAD,)


def test_where_nobody_holds_all_those_come_who_do_together() -> None:
    assert set(picked((DUTY, NIGHT, OFFICER), Needed(("refund", "data-protection")))) == {DUTY, OFFICER}


def test_the_best_language_comes_first() -> None:
    needed = Needed(("refund",))
    assert picked((DUTY, LEAD), needed, "en") == (LEAD,)
    assert picked((LEAD, DUTY), needed, "de") == (DUTY,)
    assert picked((NIGHT, LEAD), needed, "de") == (LEAD,)  # the third of three is better than none
    assert picked((DUTY, LEAD), needed, "fr") == picked((DUTY, LEAD), needed) == (DUTY,)


def test_nobody_is_picked_who_holds_nothing_of_it() -> None:
    assert picked((DUTY,), Needed(("legal",))) == ()
    assert picked((DUTY,), Needed(("refund",), (("refund", 500),))) == ()


def test_where_nothing_is_needed_one_is_picked() -> None:
    assert picked((DUTY, LEAD), Needed(), "en") == (LEAD,)
    assert picked((), Needed()) == ()


@pytest.mark.parametrize(
    ("languages", "lang"), [(("de", "en"), "de"), (("fr", "de"), "de"), (("fr",), "en"), (("en",), "en")]
)
def test_a_reader_gets_the_first_language_that_flashover_speaks(
    languages: tuple[str, ...], lang: str
) -> None:
    assert reader_lang(Person("x", languages=languages)) == lang


NEEDED = Needed(("cancel-contract", "refund", "goodwill-gesture", "data-protection"))


def test_why_says_what_one_may_and_what_nobody_may() -> None:
    assert why(LEAD, NEEDED, None, ("data-protection",)) == (
        "you may cancel the contract and refund; nobody on call may decide on data protection"
    )
    assert why(DUTY, NEEDED, "desk") == (
        "Sie dürfen den Vertrag auflösen und bis 200 erstatten; im Dienst (desk)"
    )
    assert (
        why(Person("x", frozenset({"refund"}), {"refund": 1234.5}, ("de",)), NEEDED)
        == "Sie dürfen bis 1.234,50 erstatten"
    )
    generous = Person("x", frozenset(NEEDED.authorities), {"refund": 1_000_000})
    assert why(generous, NEEDED) == (
        "you may cancel the contract, refund up to 1,000,000, goodwill gesture and decide on data protection"
    )


PERSONS = st.lists(
    st.builds(
        Person,
        st.sampled_from("abcdefgh"),
        st.frozensets(st.sampled_from("uvwxyz")),
        st.dictionaries(st.sampled_from("uvwxyz"), st.floats(0, 10)),
        st.lists(st.sampled_from(["en", "de", "fr"]), min_size=1, unique=True).map(tuple),
    ),
    unique_by=lambda one: one.name,
)
NEEDEDS = st.builds(
    Needed,
    st.lists(st.sampled_from("uvwxyz"), min_size=1, unique=True).map(tuple),
    st.dictionaries(st.sampled_from("uvwxyz"), st.floats(0, 10)).map(lambda one: tuple(one.items())),
)


@given(PERSONS, NEEDEDS, st.sampled_from(["", "en", "de", "it"]))
def test_those_picked_hold_together_all_that_there_is_and_nobody_is_idle(
    people: list[Person], needed: Needed, lang: str
) -> None:
    chosen = picked(people, needed, lang)
    assert frozenset().union(*(held(one, needed) for one in chosen)) == frozenset().union(
        *(held(one, needed) for one in people)
    )
    assert all(held(one, needed) for one in chosen)
    assert len(set(chosen_names := [one.name for one in chosen])) == len(chosen_names)
