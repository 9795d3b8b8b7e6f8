"""The API: what is known, in JSON; commands and what became of them; whether a draft may be sent."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agents.usuals import encode_usuals
from agents.web.api import add_routes
from streams.audit import Refusal
from streams.canned import DAY_MS, ReplyBook, learn
from streams.habits import Known
from streams.incident import HoldReplies, Mute, Take
from streams.levels import Level
from streams.usual import Usual
from tests.agents.web.house import ACT, ADMIN, READ, House, Visitor, bearer
from tests.agents.web.test_doors import ONE, OTHER, a_house, now_ms, visit
from tests.streams.incidents import case, ident

BLOCK = "Hallo, bitte schicke uns eine DM mit deinen Daten. LG, das Team"
OWN = "Ich habe den Vertrag eben gekündigt, die letzte Rechnung ist storniert. Es tut mir sehr leid."


def ask(house: House, path: str, body: Any = None, token: str = ACT, **more: Any) -> tuple[int, Any]:
    async def go(visitor: Visitor) -> tuple[int, Any]:
        if body is None:
            answer = await visitor.get(path, headers=bearer(token), **more)
        else:
            answer = await visitor.post(path, json=body, headers=bearer(token), **more)
        return answer.status, await answer.json()

    found: tuple[int, Any] = visit(house, go)
    return found


def test_incidents_are_listed_by_state_and_brand() -> None:
    house = a_house()
    house.alert(case(1, "t3", "other"), now_ms())
    ask(house, f"/api/incidents/{OTHER}/resolve", {"resolution": "handled"})

    def ids(query: str) -> set[str]:
        status, told = ask(house, f"/api/incidents{query}", token=READ)
        assert status == 200
        return {one["id"] for one in told["incidents"]}

    third = ident("t3", "other")
    assert ids("") == {ONE, third}
    assert ids("?state=resolved") == {OTHER}
    assert ids("?state=all&brand=acme") == {ONE, OTHER}
    assert ids("?brand=nobody") == set()
    assert ask(house, "/api/incidents?state=lost")[0] == 400


def test_an_incident_has_its_history_pages_and_evidence() -> None:
    house = a_house()
    status, told = ask(house, f"/api/incidents/{ONE}", token=READ)
    assert status == 200
    one = told["incident"]
    assert [entry["what"] for entry in one["history"]] == ["opened", "paging", "page sent"]
    assert one["paged"][0] | {"at": ""} == {
        "person": "duty",
        "channel": "push",
        "kind": "page",
        "state": "sent",
        "at": "",
        "why": "duty may decide",
        "reason": "",
    }
    assert one["alerts"][0]["id"] == "fl-acme-t1-1"
    assert told["doubt"] is None
    assert ask(house, "/api/incidents/in-none")[0] == 404


def test_an_address_that_does_more_than_load_a_page_is_not_handed_on() -> None:
    house = House()
    house.alert(case(url="javascript:alert(1)"), now_ms())
    assert ask(house, f"/api/incidents/{ONE}")[1]["incident"]["url"] is None


def test_a_command_is_answered_with_what_became_of_it() -> None:
    """Done, or refused with the reason; the desk's word, with who asked and from where."""
    house = a_house()
    status, told = ask(house, f"/api/incidents/{ONE}/take", {"reason": "cancelling"})
    assert (status, told["outcome"], told["incident"]["owner"]) == (200, "done", "duty-lead")
    (command,) = house.commands
    assert isinstance(command, Take)
    assert (command.where, command.address, command.who, command.hold) == (
        "api",
        "127.0.0.1",
        "duty-lead",
        True,
    )
    status, told = ask(house, f"/api/incidents/{ONE}/acknowledge", {})
    assert (status, told["outcome"], told["reason"]) == (409, "refused", "not-now")
    assert [(one.command, one.reason) for one in house.audits] == [("take", None), ("acknowledge", "not-now")]


def test_a_call_that_is_repeated_counts_once() -> None:
    """A program that got no answer sends the same id again."""
    house = a_house()
    body = {"id": "ticket-7", "resolution": "handled"}
    assert ask(house, f"/api/incidents/{ONE}/resolve", body)[0] == 200
    status, told = ask(house, f"/api/incidents/{ONE}/resolve", body)
    assert (status, told["outcome"]) == (200, "done")  # the first word holds
    assert len([one for one in house.known.incidents[ONE].history if one.what == "resolve"]) == 1
    assert ask(house, f"/api/incidents/{ONE}/take", {"id": "a b"})[0] == 400


def test_without_a_worker_a_command_is_told_as_asked() -> None:
    house = a_house()
    house.silent = True
    status, told = ask(house, f"/api/incidents/{ONE}/take", {})
    assert (status, told["outcome"]) == (202, "asked")
    assert len(house.commands) == 1


def test_a_broker_that_does_not_take_a_command_is_told_and_audited() -> None:
    house = a_house()
    house.broken = True
    status, told = ask(house, f"/api/incidents/{ONE}/take", {})
    assert (status, told["error"]) == (503, "no-broker")
    assert [(one.command, one.reason) for one in house.audits] == [("take", Refusal.NO_BROKER)]


@pytest.mark.parametrize(
    ("name", "body", "problem"),
    [
        ("take", {"hold": "perhaps"}, "hold: must be true or false"),
        ("take", {"who": "somebody else"}, "'who': there is no such field"),
        ("hand-over", {}, "to: is needed"),
        ("hand-over", {"to": "a" * 101}, "to: must have at most 100 characters"),
        ("hand-over", {"to": ["lead"]}, "to: must be a text"),
        ("hold", {"for_s": -1}, "for_s: must be a number of seconds, more than 0 and at most 2592000"),
        ("hold", {"for_s": float("inf")}, "the body must be a JSON object"),
        ("resolve", {}, "resolution: must be one of handled, false-alarm, missed-too-late"),
        ("merge", {}, "into: is needed"),
    ],
)
def test_a_body_that_is_wrong_is_told_what_is_wrong(name: str, body: dict[str, Any], problem: str) -> None:
    house = a_house()
    status, told = ask(house, f"/api/incidents/{ONE}/{name}", body)
    assert (status, told["problems"]) == (400, [problem])
    assert house.commands == []


@pytest.mark.parametrize("raw", [b"[]", b"{", b"\xff", b'"text"', b"[" * 50_000])
def test_a_body_that_is_no_object_is_refused(raw: bytes) -> None:
    house = a_house()
    headers = bearer(ACT) | {"Content-Type": "application/json"}
    answer = visit(house, lambda one: one.post(f"/api/incidents/{ONE}/take", data=raw, headers=headers))
    assert answer.status == 400
    assert house.commands == []


def test_a_body_that_is_not_json_is_refused() -> None:
    house = a_house()
    answer = visit(
        house, lambda one: one.post(f"/api/incidents/{ONE}/take", data={"a": "b"}, headers=bearer(ACT))
    )
    assert answer.status == 415


def test_times_are_lengths_from_now() -> None:
    house = a_house()
    before = now_ms()
    ask(house, f"/api/incidents/{ONE}/hold", {"for_s": 600, "reason": "wait"})
    ask(house, "/api/mutes", {"brand": "acme", "thread_id": "t1", "for_s": 60, "why": "expected"})
    hold, mute = house.commands
    assert isinstance(hold, HoldReplies)
    assert isinstance(mute, Mute)
    assert hold.until_ms is not None
    assert 0 <= hold.until_ms - before - 600_000 < 10_000
    assert 0 <= mute.until_ms - before - 60_000 < 10_000


def test_mutes_are_listed_and_end() -> None:
    house = a_house()
    ask(house, "/api/mutes", {"brand": "acme", "for_s": 600, "why": "campaign"}, ADMIN)
    (mute,) = ask(house, "/api/mutes", token=READ)[1]["mutes"]
    assert (mute["brand"], mute["thread_id"], mute["who"], mute["why"]) == (
        "acme",
        None,
        "service-lead",
        "campaign",
    )
    assert ask(house, f"/api/incidents/{ONE}")[1]["incident"]["muted_until"] == mute["until"]
    assert ask(house, "/api/mutes/remove", {"brand": "acme"}, ADMIN)[0] == 200
    assert ask(house, "/api/mutes/remove", {"brand": "acme"}, ADMIN)[1]["reason"] == "no-such-mute"


@pytest.mark.parametrize("thread", ["t1", "bsky:at://did:plc:x/app.bsky.feed.post/3k", "mastodon:1 ä/hold"])
def test_a_reply_tool_asks_whether_a_thread_is_held(thread: str) -> None:
    """Under whatever id its platform gave it."""
    from urllib.parse import quote

    house = House()
    house.alert(case(1, thread), now_ms())
    path = f"/api/threads/{quote(thread, safe='')}/hold"
    assert ask(house, path, token=READ)[1] == {
        "thread_id": thread,
        "held": False,
        "doubt": None,
        "hold": None,
    }
    ask(house, f"/api/incidents/{ident(thread)}/take", {"reason": "on it"})
    told = ask(house, path, token=READ)[1]
    assert (told["held"], told["hold"]["owner"], told["hold"]["reason"]) == (True, "duty-lead", "on it")
    house.doubts = "out-of-touch"
    assert ask(house, path, token=READ)[1]["held"] is True  # the safe side
    ask(house, f"/api/incidents/{ident(thread)}/release", {})
    told = ask(house, path, token=READ)[1]
    assert (told["held"], told["doubt"]) == (None, "out-of-touch")


def check(house: House, text: str, thread: str = "t1", token: str = READ, **more: Any) -> dict[str, Any]:
    body = {"brand": "acme", "thread_id": thread, "text": text} | more
    status, told = ask(house, "/api/replies/check", body, token)
    assert status == 200
    found: dict[str, Any] = told
    return found


def test_a_text_block_is_held_where_it_would_burn() -> None:
    """Into a hot thread, or a held one; into a calm one it may go, and own words may go everywhere."""
    house = a_house()
    house.thread("t1", now_ms() - 3_600_000, Level.WARN)
    house.thread("t7", now_ms() - 3_600_000)
    told = check(house, BLOCK)
    assert (told["decision"], told["reason"], told["kind"]) == ("hold", "canned-into-hot-thread", "canned")
    assert told["because"]
    assert told["incident"] == ONE
    assert check(house, OWN)["decision"] == "send"
    assert check(house, BLOCK, "t7")["decision"] == "send"
    ask(house, f"/api/incidents/{ONE}/take", {})
    told = check(house, BLOCK)
    assert (told["decision"], told["reason"], told["owner"]) == ("hold", "on-hold", "duty-lead")
    assert check(house, OWN)["decision"] == "send"


def test_what_the_brand_has_said_often_is_known_from_the_topic() -> None:
    """An apology is a text block once it recurs; a friendly line that does is harmless."""
    house = a_house()
    house.thread("t1", now_ms() - 3_600_000, Level.WARN)
    sorry, friendly = "Das tut uns sehr leid!", "Danke für deine Geduld, wir melden uns morgen früh bei dir."
    assert check(house, sorry)["decision"] == check(house, friendly)["decision"] == "send"
    book, long_ago_ms = ReplyBook(), now_ms() - 5 * DAY_MS
    for text in (sorry, friendly) * 5:
        book = learn(book, text, long_ago_ms)
    known = tuple(Known(one.id, one.shingles, ((long_ago_ms, one.uses),)) for one in book.templates)
    house.known.take("usual", 0, b"acme", encode_usuals((Usual(long_ago_ms, 0, 1.0, 1.0, templates=known),)))
    told = check(house, sorry)
    assert (told["decision"], told["kind"]) == ("hold", "canned")
    told = check(house, friendly)
    assert (told["decision"], told["kind"]) == ("send", "recurring")
    house.known.take("usual", 0, b"acme", None)
    assert check(house, sorry)["decision"] == "send"


@pytest.mark.parametrize("doubt", ["not-read-yet", "out-of-touch", "workers-stand-still"])
def test_what_cant_be_told_is_unknown_and_the_callers_settings_apply(doubt: Any) -> None:
    house = a_house()
    house.thread("t1", now_ms() - 3_600_000)
    house.doubts = doubt
    told = check(house, BLOCK)
    assert (told["decision"], told["reason"], told["then"], told["doubt"]) == (
        "unknown",
        doubt,
        "hold",
        doubt,
    )
    assert check(house, BLOCK, token=ACT)["then"] == "send"
    assert check(house, OWN)["decision"] == "send"


def test_a_thread_that_nobody_has_seen_is_unknown() -> None:
    told = check(a_house(), BLOCK, "never-seen")
    assert (told["decision"], told["reason"], told["then"]) == ("unknown", "thread-unknown", "hold")


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value has what a schema of ours needs, and nothing that it does not name."""
    if "$ref" in schema:
        return fits(value, OPENAPI["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return any(fits(value, one) for one in schema["anyOf"])
    if "allOf" in schema:
        known = {name for one in schema["allOf"] for name in _properties(one)}
        return set(value) <= known
    if "enum" in schema:
        return bool(value in schema["enum"])
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if value is None:
        return "null" in kinds
    if "properties" in schema and isinstance(value, dict):
        parts = schema["properties"]
        needed = set(schema.get("required", ()))
        return needed <= value.keys() <= parts.keys() and all(fits(value[key], parts[key]) for key in value)
    return True


def _properties(schema: dict[str, Any]) -> set[str]:
    if "$ref" in schema:
        schema = OPENAPI["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return set(schema["properties"])


OPENAPI = json.loads((Path(__file__).parents[3] / "docs" / "openapi.json").read_text())


def schema_of(path: str, method: str, status: int) -> dict[str, Any]:
    answers = OPENAPI["paths"][path][method]["responses"]
    one = answers.get(str(status), answers["default"])
    found: dict[str, Any] = one["content"]["application/json"]["schema"]
    return found


def test_answers_are_as_the_openapi_file_says() -> None:
    house = a_house()
    ask(house, f"/api/incidents/{OTHER}/take", {})
    ask(house, "/api/mutes", {"brand": "acme", "for_s": 600, "why": "campaign"}, ADMIN)
    draft = {"brand": "acme", "thread_id": "t1", "text": BLOCK}
    for template, path, body in (
        ("/api/incidents", "/api/incidents", None),
        ("/api/incidents/{incident}", f"/api/incidents/{OTHER}", None),
        ("/api/incidents/{incident}/{command}", f"/api/incidents/{ONE}/take", {}),
        ("/api/incidents/{incident}/{command}", f"/api/incidents/{ONE}/acknowledge", {}),
        ("/api/incidents/{incident}/{command}", f"/api/incidents/{ONE}/resolve", {}),
        ("/api/threads/{thread}/hold", "/api/threads/t2/hold", None),
        ("/api/mutes", "/api/mutes", None),
        ("/api/mutes/remove", "/api/mutes/remove", {"brand": "acme"}),
        ("/api/replies/check", "/api/replies/check", draft),
    ):
        status, told = ask(house, path, body, ADMIN)
        assert fits(told, schema_of(template, "get" if body is None else "post", status)), (path, told)
    assert not fits({"error": "x"}, schema_of("/api/mutes", "get", 400))


def test_the_openapi_file_names_every_address() -> None:
    app = web.Application()
    add_routes(app)
    there = {
        (re.sub(":[^}]*", "", resource.canonical), route.method.lower())
        for resource in app.router.resources()
        for route in resource
        if route.method != "HEAD"
    }
    assert there == {(path, method) for path, methods in OPENAPI["paths"].items() for method in methods}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"brand": "acme", "thread_id": "t1", "text": ""},
        {"brand": "acme", "thread_id": "t1", "text": "a" * 10_001},
        {"brand": 7, "thread_id": "t1", "text": "a"},
        {"brand": "acme", "thread_id": "t1", "text": "a", "lang": 7},
    ],
)
def test_a_draft_that_is_none_is_refused(body: dict[str, Any]) -> None:
    assert ask(a_house(), "/api/replies/check", body, READ)[0] == 400
