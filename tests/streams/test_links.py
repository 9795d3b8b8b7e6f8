"""A link does one thing, once, for a while, and only if we made it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from streams.delivery import Delivery, Kind, PageContent
from streams.links import LASTING_S, Link, links, read_link, seal_link
from streams.signed import seal
from tests.streams.incidents import T0, case, ident

KEY, OLD = b"k" * 32, b"o" * 32
URL = "https://flashover.example/"


def delivery(kind: Kind = "page", key: str = "in-1/1.0.page/ab") -> Delivery:
    return Delivery(ident(), 0, "duty-lead", "push", key, kind, PageContent(case(), "may refund"))


def token(url: str | None) -> str:
    assert url is not None
    return url.removeprefix("https://flashover.example/l/")


def read(url: str | None, now_ms: int = T0) -> Link:
    link = read_link((KEY,), token(url), now_ms)
    assert isinstance(link, Link)
    return link


def test_a_page_has_a_link_for_each_answer() -> None:
    """They say what they do, for whom and until when; `show` is the page that needs a sign-in."""
    found = links(delivery(), URL, KEY, T0)
    assert found.show == f"https://flashover.example/incidents/{ident()}"
    take, acknowledge = read(found.take), read(found.acknowledge)
    assert (take.purpose, take.incident, take.brand, take.person) == ("take", ident(), "acme", "duty-lead")
    assert acknowledge.purpose == "acknowledge"
    assert take.id != acknowledge.id
    assert take.until_s == T0 // 1000 + LASTING_S


def test_a_page_sent_again_has_the_same_links_and_another_page_has_others() -> None:
    """The id of its command follows from the page, so that the incident counts it once."""
    first, again = (read(links(delivery(), URL, KEY, now).take) for now in (T0, T0 + 60_000))
    assert first.id == again.id
    assert read(links(delivery(key="in-1/2.0.page/ab"), URL, KEY, T0).take).id != first.id


@pytest.mark.parametrize("kind", ["digest", "acknowledged", "resolved"])
def test_only_a_page_asks_for_an_answer(kind: Kind) -> None:
    found = links(delivery(kind), URL, KEY, T0)
    assert (found.acknowledge, found.take) == (None, None)
    assert found.show


def test_without_a_key_no_link_acts() -> None:
    assert links(delivery(), URL, None, T0).take is None


def test_a_link_ends_with_its_time() -> None:
    text = token(links(delivery(), URL, KEY, T0, 60).take)
    assert isinstance(read_link((KEY,), text, T0 + 59_999), Link)
    assert read_link((KEY,), text, T0 + 60_000) == "expired"


def test_keys_may_be_changed_while_links_are_out() -> None:
    """An old key still reads, and only the first signs."""
    text = token(links(delivery(), URL, OLD, T0).take)
    assert isinstance(read_link((KEY, OLD), text, T0), Link)
    assert read_link((KEY,), text, T0) == "forged"


def test_what_is_forged_is_worth_nothing() -> None:
    """Another purpose, person or use, every single character changed, more or less of it."""
    link = read(links(delivery(), URL, KEY, T0).acknowledge)
    text = seal_link(KEY, link)
    other = seal_link(KEY, replace(link, purpose="take"))
    forged = [
        f"{other.partition('.')[0]}.{text.partition('.')[2]}",
        seal(KEY, "session", b"take"),
        seal(KEY, "link", b"no link"),
        "",
        ".",
        text.partition(".")[0],
        text + "=",
        text + "A",
        " " + text,
        "ä" + text,
        "A" * 10_000 + text,
        *(text[:n] + ("A" if text[n] != "A" else "B") + text[n + 1 :] for n in range(len(text))),
    ]
    for one in forged:
        assert read_link((KEY,), one, T0) == "forged", one
