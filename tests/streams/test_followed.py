"""Whom a post counts for; and that a text of two brands counts for both, all the way through the core."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.followed import FORGET_MS, Followed, Own, named_in
from streams.judge import follow
from streams.matching import Matcher, Terms
from streams.mention import Decoder, Mention
from streams.params import ThreadParams
from streams.post import Addressed, Deleted, Post, wire
from streams.thread import Thread

START_MS = 1_780_000_000_000


def post(id: str, root: str = "", parent: str = "", author: str = "ann", **more: object) -> Post:
    fields = {
        "platform": "p",
        "id": id,
        "root_id": root or id,
        "parent_id": parent or root,
        "created_ms": START_MS,
        "author_id": author,
        "root_author": "ann",
        "kind": "reply" if root else "post",
    }
    return Post(**(fields | more))  # type: ignore[arg-type]


def brands(addressed: Iterable[Addressed]) -> list[str]:
    return [to.brand for to in addressed]


def test_answers_to_a_root_that_names_a_brand_count_without_naming_it() -> None:
    followed = Followed()
    assert followed.address(post("1"), ("acme",)) == [Addressed("acme", "1", "1", "")]
    assert followed.address(post("2", "1", author="bob"), ()) == [Addressed("acme", "2", "1", "1")]
    assert followed.address(post("3", "1", "2", author="bob"), ()) == [Addressed("acme", "3", "1", "2")]
    assert followed.address(post("9", "8", author="bob"), ()) == []


def test_a_brand_named_in_passing_gets_that_branch_alone() -> None:
    """One of ten thousand answers to another matter names the brand: only what answers that one counts."""
    followed = Followed()
    assert followed.address(post("1"), ()) == []
    assert brands(followed.address(post("2", "1", author="bob"), ("acme",))) == ["acme"]
    assert brands(followed.address(post("3", "1", "2", author="eve"), ())) == ["acme"]
    assert brands(followed.address(post("4", "1", "3", author="eve"), ())) == ["acme"]
    assert followed.address(post("5", "1", "1", author="eve"), ()) == []


def test_who_began_the_thread_may_name_the_brand_later() -> None:
    """ "Which phone is it?" "A Murmeltel." From there on all of it is about the brand."""
    followed = Followed()
    followed.address(post("1"), ())
    assert brands(followed.address(post("2", "1", "1"), ("acme",))) == ["acme"]
    assert brands(followed.address(post("3", "1", "1", author="eve"), ())) == ["acme"]


def test_each_further_brand_has_a_tree_of_its_own() -> None:
    followed = Followed()
    root = followed.address(post("1"), ("acme", "zeta"))
    assert root == [Addressed("acme", "1", "1", ""), Addressed("zeta", "1#zeta", "1#zeta", "")]
    answer = followed.address(post("2", "1", author="bob"), ())
    assert answer == [Addressed("acme", "2", "1", "1"), Addressed("zeta", "2#zeta", "1#zeta", "1#zeta")]
    third = followed.address(post("3", "1", author="bob"), ("nova",))
    assert [to.id for to in third] == ["3", "3#zeta", "3#nova"]
    assert brands(followed.address(post("4", "1", author="eve"), ())) == ["acme", "zeta"]


def test_shares_and_quotes_of_what_is_remembered_belong_to_its_thread() -> None:
    followed = Followed()
    followed.address(post("1"), ("acme",))
    followed.address(post("2", "1", author="bob"), ())
    share = followed.address(post("s", "2", "2", author="eve", kind="share"), ())
    assert share == [Addressed("acme", "s", "1", "2")]
    quote = followed.address(post("q", author="eve", kind="quote", quoted_id="2"), ())
    assert quote == [Addressed("acme", "q", "1", "2")]
    assert followed.address(post("a", "q", "q", author="bob"), ()) == [Addressed("acme", "a", "1", "q")]
    assert followed.address(post("x", "unknown", "unknown", author="eve", kind="share"), ()) == []


def test_an_edit_still_reaches_the_brands_that_had_the_post() -> None:
    followed = Followed()
    followed.address(post("1"), ("acme",))
    assert brands(followed.address(post("1", edited_ms=START_MS + 5), ())) == ["acme"]
    assert brands(followed.address(post("1", edited_ms=START_MS + 6), ("zeta",))) == ["acme", "zeta"]
    assert followed.address(post("7", edited_ms=START_MS), ()) == []


def test_a_deletion_finds_every_mention_that_was_made_of_the_post() -> None:
    followed = Followed()
    followed.address(post("1"), ("acme", "zeta"))
    followed.address(post("2", "1", author="bob"), ())
    gone = followed.deletions(Deleted("p", "2", START_MS))
    assert gone == [Addressed("acme", "2", "1", ""), Addressed("zeta", "2#zeta", "1#zeta", "")]
    assert followed.deletions(Deleted("p", "9", START_MS)) == []


@given(st.data())
def test_what_was_learned_from_the_mentions_decides_as_what_was_seen(data: st.DataObject) -> None:
    """A process that begins anew and reads what it sent gives every later post the same ids."""
    seen, learned = Followed(), Followed()
    names = (
        st.lists(st.sampled_from(("acme", "nova", "zeta")), unique=True, max_size=2).map(sorted).map(tuple)
    )
    ids: list[str] = []
    for number in range(data.draw(st.integers(1, 12))):
        root = data.draw(st.sampled_from(["", *ids]))
        parent = data.draw(st.sampled_from(["", *ids])) if root else ""
        one = post(str(number), root, parent, author=data.draw(st.sampled_from(("ann", "bob"))))
        ids.append(one.id)
        for to in seen.address(one, data.draw(names)):
            learned.learn(to.brand, to.id, to.thread_id, one.created_ms, seen.is_whole(to))
    for number, root in enumerate(ids):
        late = post(f"late{number}", root, data.draw(st.sampled_from(ids)), author="eve")
        assert learned.address(late, ()) == seen.address(late, ())
        assert learned.deletions(Deleted("p", root, 0)) == seen.deletions(Deleted("p", root, 0))


def test_a_thread_whose_plain_ids_are_anothers_is_learned_as_such() -> None:
    """Only a further brand's mention is left to learn from: the plain ids are not given away."""
    followed = Followed()
    followed.learn("zeta", "2#zeta", "1#zeta", START_MS, True)
    assert followed.address(post("3", "1", author="bob"), ("acme",)) == [
        Addressed("zeta", "3#zeta", "1#zeta", "1#zeta"),
        Addressed("acme", "3#acme", "1#acme", "1#acme"),
    ]


def test_memory_is_bounded_and_old_threads_go() -> None:
    followed = Followed(threads=100, posts=200)
    for number in range(1_000):
        followed.address(post(str(number), created_ms=START_MS + number), ("acme",))
    assert len(followed) == 100
    assert followed.deletions(Deleted("p", "700", 0)) == []
    assert followed.deletions(Deleted("p", "900", 0))
    followed.forget(START_MS + 950)
    assert len(followed) == 50
    followed.forget(START_MS + 1_000 + FORGET_MS)
    assert len(followed) == 0


@pytest.mark.parametrize(
    ("platform", "author", "handle"),
    [
        ("bluesky", "did:plc:x", "Acme.example"),
        ("bluesky", "did:plc:acme", ""),
        ("mastodon", "help@acme.example", ""),
        ("x", "77", "@acmehelp"),
        ("facebook", "1234", ""),
    ],
)
def test_own_accounts_are_known_in_every_form(platform: str, author: str, handle: str) -> None:
    """By whoever asks first (the source) and by the decoder behind it, the same."""
    accounts = {
        "acme": frozenset(
            {
                "bluesky:acme.example",
                "did:plc:acme",
                "mastodon:help@acme.example",
                "acmehelp",
                "facebook:1234",
            }
        )
    }
    assert Own(accounts).brands_of(platform, author, handle) == ("acme",)
    one = post("1", author=author, platform=platform, handle=handle)
    decoded = Decoder(b"k", accounts).decode(wire(one, Addressed("acme", "1", "1", "")), START_MS)
    assert isinstance(decoded, Mention)
    assert decoded.from_brand


def test_an_account_of_another_platform_is_not_the_brands() -> None:
    accounts = {"acme": frozenset({"bluesky:acme"})}
    assert Own(accounts).brands_of("mastodon", "acme", "acme") == ()
    decoded = Decoder(b"k", accounts).decode(
        wire(post("1", author="acme", platform="mastodon"), Addressed("acme", "1", "1", "")), START_MS
    )
    assert isinstance(decoded, Mention)
    assert not decoded.from_brand


def test_what_a_brand_writes_itself_is_about_it() -> None:
    matcher, own = Matcher({"acme": Terms(names=("Acme",))}), Own({"acme": frozenset({"acmehelp"})})
    assert named_in(post("1", author="acmehelp", text="Moin"), matcher, own) == ("acme",)
    assert named_in(post("1", text="I like Acme"), matcher, own) == ("acme",)
    assert named_in(post("1", text="Moin", brands=("zeta",)), matcher, own) == ("zeta",)
    assert named_in(post("1", text="Moin"), matcher, own) == ()


def test_a_storm_about_two_brands_is_a_storm_of_each() -> None:
    """End to end through the core: matched, sent, decoded, followed; each brand is paged once for its own."""
    matcher = Matcher({"acme": Terms(names=("Acme",)), "zeta": Terms(names=("Zeta",))})
    followed, own, decoder = Followed(), Own({}), Decoder(b"k")
    threads: dict[str, Thread] = {}
    pages: list[tuple[str, str | None]] = []
    eager = ThreadParams(viral_at=20, min_mentions=5, min_authors=5)
    for number in range(60):
        text = "Acme and Zeta both charged me twice" if not number else f"me too {number}"
        one = post(
            str(number), "0" if number else "", author=f"a{number}", root_author="a0", text=text,
            created_ms=START_MS + number * 10_000,
        )  # fmt: skip
        for to in followed.address(one, named_in(one, matcher, own)):
            mention = decoder.decode_keyed(wire(one, to), START_MS + 10_000_000, to.thread_id.encode())
            assert isinstance(mention, Mention)
            after = follow(threads.get(to.thread_id), mention, eager)
            assert after is not None
            threads[to.thread_id] = after.thread
            if after.alert is not None and after.alert.level == "page":
                pages.append((after.alert.brand, after.alert.thread_id))
    assert pages == [("acme", "0"), ("zeta", "0#zeta")]
    acme, zeta = threads["0"], threads["0#zeta"]
    assert (acme.brand, zeta.brand) == ("acme", "zeta")
    assert acme.mentions == zeta.mentions == 60
    assert (acme.breadth, acme.depth, acme.root_author) == (zeta.breadth, zeta.depth, zeta.root_author)


def test_edits_and_deletions_are_mentions_to_who_does_not_know_them() -> None:
    """Forward compatible: a reader of the fixed contract sees an id that it has counted."""
    edit = wire(post("1", text="now", edited_ms=START_MS + 5), Addressed("acme", "1", "1", ""))
    gone = wire(Deleted("p", "1", START_MS + 9), Addressed("acme", "1", "1", ""))
    for value in (edit, gone):
        mention = Decoder(b"k").decode(value, START_MS + 60_000)
        assert isinstance(mention, Mention)
        assert (mention.id, mention.brand) == ("1", "acme")
    assert msgspec.json.decode(edit)["edited_at"] == START_MS + 5
    assert msgspec.json.decode(gone) == {
        "id": "1", "brand": "acme", "platform": "p", "thread_id": "1", "author": {"id": "-"},
        "created_at": START_MS + 9, "deleted": True,
    }  # fmt: skip
