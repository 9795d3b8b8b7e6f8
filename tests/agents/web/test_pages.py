"""The pages: what a reader sees, in their language, and what a button does."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from agents.web.drawing import shown
from streams.alert import Evidence, Reply
from streams.incident import HandOver, HoldReplies, Merge, Mute, Resolve, Take
from streams.levels import Level
from tests.agents.web.house import ACT, ADMIN, READ, House, Visitor, bearer
from tests.agents.web.test_doors import ONE, OTHER, a_house, now_ms, visit
from tests.streams.incidents import case, ident

#: What strangers write: markup, a way out of an attribute, an override, control characters, a newline.
HOSTILE = (
    '<script>alert(1)</script>"><img src=x onerror=alert(2)>\u202egnp.\x1b[31m\x00\u2066 {{ 7*7 }}\nline'
)


class Tags(HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def page(house: House, path: str, token: str = ACT, headers: dict[str, str] | None = None, **web: Any) -> str:
    async def go(visitor: Visitor) -> str:
        answer = await visitor.get(path, headers=bearer(token) | (headers or {}))
        assert answer.status == 200, await answer.text()
        return await answer.text()

    text: str = visit(house, go, **web)
    return text


def hostile_house() -> House:
    house = House()
    told = case(
        1,
        f"t{HOSTILE}",
        title=HOSTILE,
        summary=HOSTILE,
        voices=(HOSTILE,) * 3,
        url=f'https://x.example/"{HOSTILE}',
        reason=HOSTILE,
        reply=Reply("canned", HOSTILE, 0.5),
    )
    house.alert(told, now_ms(), [Evidence(HOSTILE, 1.0, HOSTILE, None, 0.5)])
    house.desk.command(
        Take(
            id="1", brand="acme", incident=ident(told.thread_id), who=HOSTILE, at_ms=now_ms(), reason=HOSTILE
        ),
        now_ms(),
    )
    house.desk.command(
        Mute(id="2", brand="acme", who=HOSTILE, at_ms=0, until_ms=now_ms() + 60_000, why=HOSTILE), now_ms()
    )
    house.publish()
    return house


def test_what_strangers_write_is_text_and_nothing_else() -> None:
    """No element, no attribute, no address of theirs; what steers a screen is shown as an escape."""
    house = hostile_house()
    (one,) = house.known.incidents.values()
    for path in ("/incidents", f"/incidents/{one.id}"):
        text = page(house, path, ADMIN)
        assert "&lt;script&gt;" in text
        assert "{{ 7*7 }}" in text
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\x7f]", text)
        assert "\\u202e" in text
        for tag, attributes in Tags(text).found:
            assert tag not in ("script", "img", "iframe", "object", "style")
            assert not any(name.startswith("on") or name == "style" for name in attributes)
            assert "javascript:" not in str(attributes.get("href"))


def test_a_value_is_shown_on_one_line_with_nothing_hidden() -> None:
    assert shown("a\u202eb\tc\nd") == "a\\u202eb c d"
    assert shown(None) == ""
    assert shown(7) == 7
    assert shown("Schöne Grüße 👩‍👧") == "Schöne Grüße 👩‍👧"


def test_no_page_needs_a_script_or_another_host() -> None:
    house = a_house()
    for path in ("/incidents", f"/incidents/{ONE}", "/sign-in"):
        for tag, attributes in Tags(page(house, path)).found:
            assert tag != "script"
            for name in ("src", "href", "action"):
                assert not (attributes.get(name) or "").startswith(("http", "//"))


def test_the_board_shows_who_has_what_and_every_mute() -> None:
    house = a_house()
    house.desk.command(
        Mute(id="m", brand="acme", who="lead", at_ms=0, until_ms=now_ms() + 60_000, why="a give-away"),
        now_ms(),
    )
    house.desk.command(
        Take(id="t", brand="acme", incident=OTHER, who="duty-lead", at_ms=0, reason="calling them"), now_ms()
    )
    house.publish()
    text = page(house, "/incidents")
    assert text.index(f"/incidents/{ONE}") < text.index(f"/incidents/{OTHER}")  # what nobody has comes first
    for expected in ("Nobody has it", "duty-lead", "a give-away", "the whole brand", "calling them", "push"):
        assert expected in text
    assert 'action="/mutes/unmute"' not in text  # a whole brand's takes an admin
    assert 'action="/mutes/unmute"' in page(house, "/incidents", ADMIN)


def test_the_board_is_narrowed_to_a_brand_and_can_stand_still() -> None:
    house = a_house()
    house.alert(case(1, "t3", "other"), now_ms())
    text = page(house, "/incidents?brand=other")
    assert ident("t3", "other") in text
    assert f"/incidents/{ONE}" not in text

    async def refresh(visitor: Visitor) -> list[str | None]:
        paths = ("/incidents", "/incidents?refresh=0")
        return [(await visitor.get(path, headers=bearer(ACT))).headers.get("Refresh") for path in paths]

    assert visit(house, refresh) == ["15", None]


def test_the_board_says_who_is_on_call() -> None:
    house = a_house()
    assert "On call now" not in page(house, "/incidents")
    house.people = {"acme": ("duty-lead", "service-lead")}
    text = page(house, "/incidents")
    assert "On call now" in text
    assert "service-lead" in text


def test_the_board_shows_what_is_warming_up() -> None:
    """Threads at watch and warn, for which nobody is paged yet; a brand's incident shows its threads."""
    house = House()
    house.thread("t7", now_ms(), Level.WARN, title="It begins")
    house.alert(case(1, "t7", level="warn", title="It begins"), now_ms())
    house.alert(case(1, "t8", level="warn", title="It has cooled"), now_ms())
    house.thread("t8", now_ms(), Level.CALM)
    house.alert(case(1, None, summary="The brand is talked about"), now_ms())
    for path in ("/incidents", f"/incidents/{ident(None)}"):
        text = page(house, path)
        assert "It begins" in text
        assert "It has cooled" not in text


def test_an_incident_of_several_threads_shows_where_it_burns() -> None:
    """With links that lead to the web and nowhere else, and not for a case of one thread."""
    house = House()
    house.alert(case(1, "t1", platform="bluesky", refs=("a",), url="https://bsky.example/1"), now_ms())
    assert 'id="places"' not in page(house, f"/incidents/{ident('t1')}")
    house.alert(
        case(1, "t2", platform="mastodon", refs=("a",), url="javascript:alert(1)", mentions=45), now_ms()
    )
    text = page(house, f"/incidents/{ident('t1')}")
    assert text.index("mastodon") < text.index("bluesky")
    assert 'href="https://bsky.example/1"' in text
    assert "javascript:" not in text


def test_a_page_says_when_it_may_be_out_of_date() -> None:
    house = a_house()
    house.doubts = "out-of-touch"
    assert "lost touch" in page(house, "/incidents")
    house.doubts = None
    assert "lost touch" not in page(house, "/incidents")


def test_pages_speak_the_readers_language() -> None:
    """As the browser says, unless they chose; figures and times as that language writes them."""
    house = House()
    house.alert(case(reach=48_210, negative_share=0.71), now_ms())
    german = page(house, f"/incidents/{ONE}", headers={"Accept-Language": "de-CH,en;q=0.5"})
    assert '<html lang="de">' in german
    assert "Übernehmen" in german
    assert "48.210" in german
    assert "71 %" in german
    english = page(house, f"/incidents/{ONE}?lang=en", headers={"Accept-Language": "de"})
    assert "Take it" in english
    assert "48,210" in english


def test_times_are_those_of_the_desks_clock() -> None:
    house = House()
    house.alert(case(reply=Reply("none", "2026-07-01T22:30:00Z", 0.8)), now_ms())
    assert "2 Jul 00:30" in page(house, f"/incidents/{ONE}", timezone="Europe/Berlin")


def test_a_thread_is_drawn_as_long_as_the_workers_know_it() -> None:
    """Twice, for a phone and for a desk; with what the forecast was, and each answer of the brand."""
    house = House()
    began_ms = now_ms() - 7_200_000
    house.thread("t1", began_ms, Level.PAGE)
    house.alert(case(raised_at="2026-01-01T00:00:00Z"), now_ms())
    text = page(house, f"/incidents/{ONE}")
    assert text.count("<svg viewBox") == 3  # with the flame of the head
    assert 'class="line mentions"' in text
    house.known.take("threads", 0, b"t1", None)
    assert "over 36 hours old" in page(house, f"/incidents/{ONE}")


def test_who_may_only_look_sees_no_button() -> None:
    text = page(a_house(), f"/incidents/{ONE}", READ)
    assert "You may look, and not act." in text
    assert f'action="/incidents/{ONE}' not in text


async def _press(visitor: Visitor, path: str, **fields: str) -> str:
    await visitor.sign_in(ADMIN)
    text = await (await visitor.get(f"/incidents/{ONE}")).text()
    answer = await visitor.press(text, path, **fields)
    assert answer.status == 303, await answer.text()
    return answer.headers["Location"]


@pytest.mark.parametrize(
    ("name", "fields", "kind"),
    [
        ("take", {"hold": "yes"}, Take),
        ("hand-over", {"to": "lead", "note": "knows the case"}, HandOver),
        ("hold", {"for_s": "3600", "reason": "wait"}, HoldReplies),
        ("hold", {"for_s": "", "reason": ""}, HoldReplies),
        ("resolve", {"resolution": "false-alarm", "note": "a song contest"}, Resolve),
        ("merge", {"into": OTHER}, Merge),
    ],
)
def test_a_button_asks_for_what_it_says(name: str, fields: dict[str, str], kind: type[Any]) -> None:
    """And leads back to the incident, which says that it is done."""
    house = a_house()
    where = visit(house, lambda one: _press(one, f"/incidents/{ONE}/{name}", **fields))
    assert where == f"/incidents/{ONE}?said=done"
    (command,) = house.commands
    assert isinstance(command, kind)
    assert (command.who, command.where, command.address) == ("service-lead", "web", "127.0.0.1")
    assert "Done." in page(house, where)


def test_taking_without_the_tick_holds_nothing() -> None:
    house = a_house()
    visit(house, lambda one: _press(one, f"/incidents/{ONE}/take"))
    assert house.known.incidents[ONE].hold is None


def test_a_button_pressed_twice_counts_once() -> None:
    house = a_house()

    async def go(visitor: Visitor) -> list[str]:
        await visitor.sign_in()
        text = await (await visitor.get(f"/incidents/{ONE}")).text()
        answers = [await visitor.press(text, f"/incidents/{ONE}/take", hold="yes") for _ in range(2)]
        return [one.headers["Location"] for one in answers]

    visit(house, go)
    assert len([one for one in house.known.incidents[ONE].history if one.what == "take"]) == 1


def test_what_is_said_of_an_outcome_is_a_word_of_ours() -> None:
    """An address can't make the page say something."""
    assert "evil" not in page(a_house(), f"/incidents/{ONE}?said=evil")


def test_a_mute_of_the_thread_leads_back_to_it() -> None:
    house = a_house()
    where = visit(house, lambda one: _press(one, "/mutes/mute", **MUTE))
    assert where == f"/incidents/{ONE}?said=done"
    assert house.known.mutes["mute:acme:t1"].why == "expected"


MUTE = {"brand": "acme", "thread_id": "t1", "for_s": "3600", "why": "expected", "back": ONE}


def test_the_link_page_shows_what_happened_and_one_button() -> None:
    from tests.agents.web.test_doors import a_link

    house = House()
    house.alert(case(title="The contract of my dead mother", voices=("Cancel it.",)), now_ms())

    async def go(visitor: Visitor) -> str:
        return await (await visitor.get(a_link())).text()

    text = visit(house, go)
    assert "The contract of my dead mother" in text
    assert "Cancel it." in text
    assert "For lead." in text


def test_unknown_pages_are_told_in_words() -> None:
    async def go(visitor: Visitor) -> list[tuple[int, bool]]:
        found = []
        for path in ("/nowhere", "/incidents/in-none", "/static/../settings.py"):
            answer = await visitor.get(path, headers=bearer(ACT))
            found.append((answer.status, "There is no such" in await answer.text()))
        return found

    assert visit(a_house(), go) == [(404, True)] * 3


def test_the_style_may_be_kept_for_ever() -> None:
    house = a_house()
    found = re.search(r'href="(/static/flashover-[0-9a-f]{12}\.css)"', page(house, "/incidents"))
    assert found
    path = found[1]
    answer = visit(house, lambda one: one.get(path))
    assert answer.status == 200
    assert "immutable" in answer.headers["Cache-Control"]
