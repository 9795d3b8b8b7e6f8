"""Threads that quote the same, lead to the same, or say nearly the same are one case; others are not."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.cases import alike, canonical, refs_of, words_of
from streams.desk import Desk, decode_record, encode_record
from streams.incident import Resolve, State, Take, places
from streams.mention import Mention
from tests.mentions import altered
from tests.streams.incidents import RULES, T0, case, command, ident
from tests.streams.test_desk import Everybody
from tests.streams.test_revision import storm, walked

Make = Callable[..., Mention]
ONE_THING = "example.org/press/no-refunds"
TITLE = "They cut the line of a house with an elevator phone and say that nobody can do anything"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/press/no-refunds",
        "http://www.example.org/press/no-refunds/",
        "https://EXAMPLE.org:443/press/no-refunds?utm_source=x&fbclid=abc#top",
        "https://m.example.org/press/no-refunds?ref=home",
        "https://amp.example.org/press/no-refunds/amp",
        "https://www.google.com/amp/s/example.org/press/no-refunds",
        "https://example-org.cdn.ampproject.org/c/s/example.org/press/no-refunds?amp=1",
    ],
)
def test_one_page_has_one_spelling(url: str) -> None:
    assert canonical(url) == ONE_THING


@pytest.mark.parametrize(
    ("url", "is_"),
    [
        ("https://youtu.be/dQw4w9WgXcQ?si=x&t=4", "youtube.com/watch?v=dQw4w9WgXcQ"),
        ("https://www.youtube.com/shorts/dQw4w9WgXcQ", "youtube.com/watch?v=dQw4w9WgXcQ"),
        ("https://m.youtube.com/watch?v=dQw4w9WgXcQ&list=PL1&index=2", "youtube.com/watch?v=dQw4w9WgXcQ"),
        ("https://twitter.com/somebody/status/123?s=20", "x.com/i/status/123"),
        ("https://x.com/i/web/status/123", "x.com/i/status/123"),
        ("https://old.reddit.com/r/de/comments/abc/", "reddit.com/r/de/comments/abc"),
        ("https://example.org/?page=2&id=7", "example.org?id=7&page=2"),
        ("https://example.org:8443/a", "example.org:8443/a"),
        ("https://example.org/", ""),  # a site as a whole
        ("https://example.org/?utm_source=x", ""),
        ("ftp://example.org/a", ""),
        ("https://localhost/a", ""),
        ("https://[::1/a", ""),
        ("https://example.org:99999/a", ""),
        ("nothing", ""),
        ("https://example.org/" + "a" * 3000, ""),
        ("https://www.google.com/amp/s/", ""),
    ],
)
def test_what_platforms_spell_in_their_own_way_and_what_says_nothing(url: str, is_: str) -> None:
    assert canonical(url) == is_


@given(st.text(max_size=200))
def test_whatever_strangers_write_is_read_without_an_error(text: str) -> None:
    for url in (text, "https://" + text, f"https://example.org/{text}", f"https://www.google.com/amp/{text}"):
        assert not canonical(url).startswith("http")


@given(st.lists(st.sampled_from(["a", "news", "2026", "amp", "m."]), min_size=1).map("/".join))
def test_how_somebody_came_does_not_matter_and_a_spelling_is_its_own(path: str) -> None:
    one = canonical(f"https://example.org/{path}")
    for other in (f"http://www.example.org/{path}/?utm_campaign=x&gclid=1#a", f"https://{one}"):
        assert canonical(other) == one


def test_a_quote_is_found_in_the_thread_that_is_quoted() -> None:
    """By the id of its root, its address, or a link that both have; from the alerts of both."""
    posts = storm()
    _, alerts = walked(posts)
    for more in (
        {"quoted_id": posts[0].id},
        {"links": ("https://forum.example/1?utm_source=share",)},
        {"text": "look at this https://www.forum.example/1 !"},
    ):
        other = altered(posts[0], id="o:root", thread_id="o:root", **more)
        assert {f"{ref:016x}" for ref in refs_of(other)} & {*alerts[-1].refs}


def test_most_roots_refer_to_nothing_and_a_flood_of_links_is_bounded() -> None:
    root = storm()[0]
    assert refs_of(root) == ()
    flood = tuple(f"https://example.org/{number}" for number in range(500))
    assert len(refs_of(altered(root, links=flood))) <= 24
    late = (*("not a link" for _ in range(500)), "https://example.org/late")  # and so is the work for it
    assert refs_of(altered(root, links=late)) == ()


def test_near_duplicates_are_alike_and_short_or_other_texts_are_not() -> None:
    other = "My parcel has not come, and the shop says to wait for two weeks at least"
    assert alike(words_of(TITLE), words_of(TITLE.replace("house", "home") + "!"))
    assert not alike(words_of(TITLE), words_of(other))
    assert words_of("this is a disgrace") is None
    assert not alike(None, None)


# At the desk

BLUE: dict[str, Any] = {"platform": "bluesky", "refs": ("a" * 16, "c" * 16), "mentions": 120}
ELEPHANT: dict[str, Any] = {
    "platform": "mastodon",
    "refs": ("b" * 16, "c" * 16),
    "mentions": 45,
    "title": "Two",
}
FORUM: dict[str, Any] = {"platform": "forum", "refs": ("d" * 16, "b" * 16), "mentions": 23}


def desk() -> Desk:
    return Desk(Everybody(), RULES)


def test_a_second_thread_of_a_case_joins_it_and_pages_nobody_twice() -> None:
    """And whoever is paged reads where it burns."""
    one = desk()
    one.alert(case(1, "t1", **BLUE), T0)
    one.tick(T0)
    first = [each.dedup_key for each in one.deliveries(T0)]
    one.alert(case(1, "t2", **ELEPHANT), T0 + 1)
    one.alert(case(1, "t3", level="watch", **FORUM), T0 + 2)  # a chain: it refers to the second
    one.tick(T0 + 2)
    pages = list(one.deliveries(T0 + 2))
    assert first == [each.dedup_key for each in pages]
    assert [(place.platform, place.mentions) for place in pages[0].page.places] == [
        ("bluesky", 120),
        ("mastodon", 45),
        ("forum", 23),
    ]
    assert one.incidents[ident("t1")].threads == ("t2", "t3")
    assert {one.incidents[ident(name)].state for name in ("t2", "t3")} == {State.MERGED}


def test_the_order_of_alerts_does_not_change_what_is_one_case() -> None:
    """Of three, of which the second has something in common with each of the others."""
    rows = {"t1": BLUE, "t2": ELEPHANT, "t3": FORUM}
    for order in permutations(rows):
        one = desk()
        for place, name in enumerate(order):
            one.alert(case(1, name, **rows[name]), T0 + place)
        under_way = [each for each in one.incidents.values() if each.state is not State.MERGED]
        assert len(under_way) == 1, order
        assert {place.thread_id for place in places(under_way[0])} == set(rows)
        assert {*under_way[0].threads, under_way[0].case.thread_id} == set(rows)


def test_what_a_thread_shows_to_be_one_case_goes_to_who_has_taken_it() -> None:
    one = desk()
    one.alert(case(1, "t1", **BLUE), T0)
    one.alert(case(1, "t3", **FORUM), T0 + 1)
    one.command(command(Take, T0 + 2, incident=ident("t3")), T0 + 2)
    one.alert(case(1, "t2", **ELEPHANT), T0 + 3)
    assert one.incidents[ident("t1")].merged_into == ident("t3")
    assert one.incidents[ident("t3")].state is State.ACKNOWLEDGED
    assert set(one.incidents[ident("t3")].threads) == {"t1", "t2"}


def test_nearly_the_same_words_make_one_case_and_other_words_do_not() -> None:
    one = desk()
    one.alert(case(1, "t1", title=TITLE), T0)
    one.alert(case(1, "t2", title=TITLE.replace("house", "home")), T0 + 1)
    one.alert(case(1, "t3", title="My parcel has not come, and the shop says to wait for two weeks"), T0 + 2)
    assert one.incidents[ident("t2")].merged_into == ident("t1")
    assert one.incidents[ident("t3")].state is State.OPEN


def test_taking_a_case_holds_all_its_threads_and_a_later_word_updates_its_place() -> None:
    one = desk()
    one.alert(case(1, "t1", **BLUE), T0)
    one.alert(case(1, "t2", **ELEPHANT), T0 + 1)
    one.command(command(Take, T0 + 2, incident=ident("t1"), hold=True), T0 + 2)
    assert {thread for thread, held in one.changes()[0].items() if held is not None} == {"t1", "t2"}
    one.alert(case(2, "t2", **(ELEPHANT | {"mentions": 300})), T0 + 3)
    assert [place.mentions for place in places(one.incidents[ident("t1")])] == [300, 120]


def test_other_brands_and_cases_that_are_over_are_joined_by_nobody() -> None:
    one = desk()
    one.alert(case(1, "t1", **BLUE), T0)
    one.alert(case(1, "t2", "other", **ELEPHANT), T0 + 1)
    assert one.incidents[ident("t2", "other")].state is State.OPEN
    one.command(command(Resolve, T0 + 2, incident=ident("t1"), resolution="handled"), T0 + 2)
    one.alert(case(1, "t3", **ELEPHANT), T0 + 3)
    assert one.incidents[ident("t3")].state is State.OPEN
    one.alert(case(1, "t4", level="warn", **BLUE), T0 + 4)  # to a case under way a warning belongs, too
    assert one.incidents[ident("t4")].merged_into == ident("t3")


@pytest.mark.parametrize("lost", [0, 1])
def test_a_case_that_was_joined_by_half_is_joined_whole_when_the_alert_is_read_again(lost: int) -> None:
    """One of the two records was written before the crash."""
    one = desk()
    one.alert(case(1, "t1", **BLUE), T0)
    before = decode_record(encode_record(one.incidents[ident("t1")]))
    one.changes()
    one.alert(case(1, "t2", **ELEPHANT), T0 + 1)
    after = {key: value for key, value in one.changes()[1].items() if value is not None}
    assert len(after) == 2
    del after[(ident("t1"), ident("t2"))[lost]]
    again = Desk(Everybody(), RULES, [before, *after.values()] if lost == 0 else [*after.values()])
    again.alert(case(1, "t2", **ELEPHANT), T0 + 2)
    assert again.incidents[ident("t1")].threads == ("t2",)
    assert again.incidents[ident("t2")].merged_into == ident("t1")
    assert len(places(again.incidents[ident("t1")])) == 2
