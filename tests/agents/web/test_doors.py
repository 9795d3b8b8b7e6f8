"""Every way in: without a sign-in, the role, our form or our key a request changes nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientResponse

from streams.audit import Refusal
from streams.delivery import Delivery, PageContent
from streams.links import Link, links, seal_link
from streams.signed import seal
from tests.agents.web.house import ACT, ADMIN, KEY, READ, House, Visitor, bearer, hidden, open_house
from tests.streams.incidents import case, ident

ONE, OTHER = ident(), ident("t2")
COMMANDS = {
    "acknowledge": {},
    "take": {"hold": "yes"},
    "hand-over": {"to": "lead"},
    "hold": {"reason": "wait"},
    "release": {},
    "resolve": {"resolution": "handled"},
    "merge": {"into": OTHER},
}
MUTES: dict[str, dict[str, str]] = {
    "mute": {"brand": "acme", "thread_id": "t1", "for_s": "3600", "why": "expected"},
    "unmute": {"brand": "acme", "thread_id": "t1"},
}
PAGES = {f"/incidents/{ONE}/{name}": fields for name, fields in COMMANDS.items()}
PAGES |= {f"/mutes/{name}": fields for name, fields in MUTES.items()}
API = {f"/api/incidents/{ONE}/{name}": fields for name, fields in COMMANDS.items()}
API |= {"/api/mutes": MUTES["mute"], "/api/mutes/remove": MUTES["unmute"]}
LOOKS = ["/incidents", f"/incidents/{ONE}"]
API_LOOKS = ["/api/incidents", f"/api/incidents/{ONE}", "/api/mutes", "/api/threads/t1/hold"]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def a_house() -> House:
    house = House()
    house.alert(case(), now_ms())
    house.alert(case(1, "t2"), now_ms())
    return house


def visit(house: House, go: Callable[[Visitor], Awaitable[Any]], **web: Any) -> Any:
    async def run() -> Any:
        async with open_house(house, **web) as visitor:
            return await go(visitor)

    return asyncio.run(run())


async def form_of(visitor: Visitor, token: str) -> dict[str, str]:
    """What an honest form of a signed-in person holds."""
    await visitor.sign_in(token)
    page = await (await visitor.get("/incidents")).text()
    return {"form": hidden(page, "form"), "id": "web-" + "0" * 24}


def unchanged(house: House, answer: ClientResponse, status: int, reason: Refusal | None) -> None:
    assert answer.status == status
    assert house.commands == []
    assert {one.reason for one in house.audits} == ({reason} if reason else set())


@pytest.mark.parametrize("path", [*LOOKS, *API_LOOKS])
def test_nobody_looks_without_a_sign_in(path: str) -> None:
    """A person is led to the sign-in, a program is told."""
    house = a_house()
    answer = visit(house, lambda visitor: visitor.get(path))
    if path.startswith("/api/"):
        unchanged(house, answer, 401, None)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    else:
        unchanged(house, answer, 303, None)
        assert answer.headers["Location"].startswith("/sign-in?next=")


@pytest.mark.parametrize("path", PAGES)
def test_a_form_without_a_sign_in_changes_nothing(path: str) -> None:
    house = a_house()
    fields = PAGES[path] | {"form": "00", "id": "web-" + "0" * 24}
    unchanged(house, visit(house, lambda one: one.post(path, data=fields)), 401, Refusal.NOT_SIGNED_IN)


@pytest.mark.parametrize("path", PAGES)
def test_a_form_of_somebody_who_may_only_look_changes_nothing(path: str) -> None:
    house = a_house()

    async def go(visitor: Visitor) -> ClientResponse:
        form = await form_of(visitor, READ)
        return await visitor.post(path, data=PAGES[path] | form)

    unchanged(house, visit(house, go), 403, Refusal.WRONG_ROLE)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    ("headers", "form"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, None),
        ({"Sec-Fetch-Site": "same-site"}, None),
        ({"Sec-Fetch-Site": "none"}, None),
        ({"Origin": "https://evil.example"}, None),
        ({}, ""),
        ({}, "0" * 32),
        ({}, "ä"),
        ({"Sec-Fetch-Site": "same-origin"}, "0" * 32),
    ],
)
def test_a_form_of_another_site_changes_nothing(path: str, headers: dict[str, str], form: str | None) -> None:
    """It can send the person's cookies, and has neither our form's token nor our origin."""
    house = a_house()

    async def go(visitor: Visitor) -> ClientResponse:
        fields = await form_of(visitor, ADMIN)
        if form is not None:
            fields["form"] = form
        return await visitor.post(path, data=PAGES[path] | fields, headers=headers)

    unchanged(house, visit(house, go), 403, Refusal.CROSS_SITE)


def test_a_form_that_was_shown_to_somebody_else_changes_nothing() -> None:
    house = a_house()

    async def go(visitor: Visitor) -> ClientResponse:
        fields = await form_of(visitor, ACT)
        visitor.session.cookie_jar.clear()
        await visitor.sign_in(ADMIN)
        return await visitor.post(f"/incidents/{ONE}/take", data=fields)

    unchanged(house, visit(house, go), 403, Refusal.CROSS_SITE)


@pytest.mark.parametrize("path", API)
@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({}, 401, Refusal.NOT_SIGNED_IN),
        (bearer(READ), 403, Refusal.WRONG_ROLE),
        (bearer("nobody's"), 401, None),
        ({"Authorization": f"Basic {ADMIN}"}, 401, None),
        ({"X-Forwarded-User": "lead", "Remote-User": "lead"}, 401, Refusal.NOT_SIGNED_IN),
        ({"Cookie": "flashover=" + seal(b"x" * 32, "session", b"lead")}, 401, Refusal.NOT_SIGNED_IN),
        ({"Cookie": "flashover=" + seal(KEY.encode(), "link", b"lead")}, 401, Refusal.NOT_SIGNED_IN),
    ],
)
def test_a_call_without_the_right_token_changes_nothing(
    path: str, headers: dict[str, str], status: int, reason: Refusal | None
) -> None:
    house = a_house()
    answer = visit(house, lambda one: one.post(path, json=API[path], headers=headers))
    unchanged(house, answer, status, reason)


@pytest.mark.parametrize("path", API)
def test_a_browsers_session_alone_can_change_nothing_by_the_api(path: str) -> None:
    """Else another site could: JSON needs no form of ours."""
    house = a_house()

    async def go(visitor: Visitor) -> ClientResponse:
        await visitor.sign_in(ADMIN)
        return await visitor.post(path, json=API[path], headers={"Sec-Fetch-Site": "same-origin"})

    unchanged(house, visit(house, go), 403, Refusal.CROSS_SITE)


@pytest.mark.parametrize("path", [*PAGES, *API, "/sign-in", "/sign-out", "/l/x"])
def test_looking_at_the_address_of_a_command_changes_nothing(path: str) -> None:
    house = a_house()
    answer = visit(house, lambda one: one.get(path, headers=bearer(ADMIN)))
    assert answer.status in (200, 403, 404, 405)
    assert house.commands == []


def test_only_an_admin_mutes_a_whole_brand() -> None:
    house = a_house()
    fields = {"brand": "acme", "for_s": 3600, "why": "campaign"}

    async def go(visitor: Visitor) -> tuple[int, int]:
        refused = await visitor.post("/api/mutes", json=fields, headers=bearer(ACT))
        done = await visitor.post("/api/mutes", json=fields, headers=bearer(ADMIN))
        return refused.status, done.status

    assert visit(house, go) == (403, 200)
    assert [one.reason for one in house.audits] == [Refusal.WRONG_ROLE, None]


@pytest.mark.parametrize(("token", "status"), [(ACT, 403), (ADMIN, 303)])
def test_only_an_admin_mutes_a_whole_brand_by_a_form(token: str, status: int) -> None:
    house = a_house()
    fields = {"brand": "acme", "thread_id": "", "for_s": "3600", "why": "campaign"}

    async def go(visitor: Visitor) -> int:
        form = await form_of(visitor, token)
        return (await visitor.post("/mutes/mute", data=fields | form)).status

    assert visit(house, go) == status
    assert len(house.commands) == (status == 303)


def a_link(purpose: str = "take", key: str = KEY, later_ms: int = 0) -> str:
    one = Delivery(ONE, 0, "lead", "push", "in/1.0.page/ab", "page", PageContent(case(), "may refund"))
    found = getattr(links(one, "", key.encode(), now_ms() + later_ms), purpose)
    return str(found)


def test_looking_at_a_link_is_not_using_it() -> None:
    """Previews of chats and mail filters load it, again and again, with every method that only looks."""
    house = a_house()
    path = a_link()

    async def go(visitor: Visitor) -> str:
        for _ in range(3):
            answer = await visitor.get(path)
            assert answer.status == 200
        await visitor.session.head(visitor.address + path)
        return await answer.text()

    page = visit(house, go)
    assert page.count("<button") == 1
    assert house.commands == []
    assert house.audits == []


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        (a_link(key="x" * 32), 403, Refusal.FORGED),
        (a_link()[:-2] + "AA", 403, Refusal.FORGED),
        (
            a_link("acknowledge").partition(".")[0] + "." + a_link("take").partition(".")[2],
            403,
            Refusal.FORGED,
        ),
        ("/l/" + seal(KEY.encode(), "session", b"take"), 403, Refusal.FORGED),
        ("/l/" + seal(KEY.encode(), "link", b"take"), 403, Refusal.FORGED),
        (a_link(later_ms=-3_600_001), 410, Refusal.EXPIRED),
    ],
)
def test_a_link_that_is_not_ours_or_is_over_changes_nothing(path: str, status: int, reason: Refusal) -> None:
    house = a_house()
    unchanged(house, visit(house, lambda one: one.post(path)), status, reason)
    assert all(one.where == "link" for one in house.audits)


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}])
def test_a_link_that_another_site_presses_changes_nothing(headers: dict[str, str]) -> None:
    house = a_house()
    answer = visit(house, lambda one: one.post(a_link(), headers=headers))
    unchanged(house, answer, 403, Refusal.CROSS_SITE)
    assert house.audits[0].who == "lead"


def test_a_link_works_once() -> None:
    """And for what it says: the person who was paged takes the case, by their link."""
    house = a_house()
    path = a_link()

    async def go(visitor: Visitor) -> list[str]:
        return [await (await visitor.post(path)).text() for _ in range(2)]

    first, second = visit(house, go)
    assert "Done." in first
    assert "This was done before." in second
    (command,) = house.commands
    assert (command.who, command.where, command.incident) == ("lead", "link", ONE)
    assert house.known.incidents[ONE].owner == "lead"


def test_a_link_that_was_used_elsewhere_is_used_here() -> None:
    """Two processes serve the pages: the desk's word, or the incident itself, tells the other."""
    house = a_house()
    path = a_link("acknowledge")
    visit(house, lambda one: one.post(path))
    house.known._verdicts.clear()
    page = visit(house, lambda one: one.get(path))
    assert page.status == 200
    visit(house, lambda one: one.post(path))
    assert len(house.commands) == 1


def test_a_link_of_another_brands_incident_changes_nothing() -> None:
    """Signed by us it can't be; were it, the desk of its brand would refuse it."""
    house = a_house()
    link = Link("ln-1", "take", ONE, "other", "lead", 4_000_000_000)
    visit(house, lambda one: one.post(f"/l/{seal_link(KEY.encode(), link)}"))
    assert [one.reason for one in house.audits] == [Refusal.UNKNOWN_INCIDENT]
    assert house.known.incidents[ONE].owner is None


def test_after_too_many_failures_an_address_waits_and_a_right_token_still_passes() -> None:
    """So that nobody behind the same address is locked out."""
    house = a_house()

    async def go(visitor: Visitor) -> list[int]:
        answers = [await visitor.get("/api/incidents", headers=bearer(f"guess {n}")) for n in range(25)]
        answers.append(await visitor.get("/api/incidents", headers=bearer(READ)))
        assert answers[-2].headers["Retry-After"] == "60"
        return [one.status for one in answers]

    assert visit(house, go) == [401] * 20 + [429] * 5 + [200]


def test_an_address_cannot_flood_the_audit() -> None:
    house = a_house()

    async def go(visitor: Visitor) -> None:
        for _ in range(50):
            await visitor.post(f"/api/incidents/{ONE}/take")

    visit(house, go)
    assert len(house.audits) == 20


@pytest.mark.parametrize(
    "path", ["/incidents", f"/incidents/{ONE}", "/sign-in", "/nowhere", a_link(), "/healthz"]
)
def test_every_answer_carries_what_a_browser_must_heed(path: str) -> None:
    """No script, no frame, no referrer, no copy on disk; nothing loads from elsewhere."""
    answer = visit(a_house(), lambda one: one.get(path, headers=bearer(ADMIN)))
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Server"] == "flashover"
    assert "Strict-Transport-Security" not in answer.headers


def test_behind_tls_cookies_are_bound_to_it() -> None:
    house = a_house()
    web = {"trusted_proxies": ("127.0.0.1",), "user_header": "X-User", "everybody": "act"}
    headers = {"X-Forwarded-Proto": "https", "X-User": "lead"}
    answer = visit(house, lambda one: one.get("/incidents", headers=headers), **web)
    assert answer.status == 200
    assert answer.headers["Strict-Transport-Security"]
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-")
    for part in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert part in cookie


PROXY = {"trusted_proxies": ("127.0.0.1",), "user_header": "X-User", "people": {"lead": "act"}}


@pytest.mark.parametrize(
    ("headers", "status", "who"),
    [
        ({"X-User": "lead"}, 200, "lead"),
        ({"X-User": "lead", "Authorization": "Bearer the-proxys-own"}, 200, "lead"),  # some hand it on
        ({"X-User": "nobody"}, 303, ""),
        ({"X-User": "nobody", "Authorization": "Bearer the-proxys-own"}, 401, ""),
        ({}, 303, ""),
    ],
)
def test_people_are_named_by_their_proxy(headers: dict[str, str], status: int, who: str) -> None:
    async def go(visitor: Visitor) -> tuple[int, str]:
        answer = await visitor.get("/incidents", headers=headers)
        return answer.status, await answer.text()

    found, text = visit(a_house(), go, **PROXY)
    assert found == status
    assert not who or f'<span class="who">{who}</span>' in text


def test_people_of_a_proxy_need_our_form_as_others_do() -> None:
    """The proxy signs in whatever their browser sends, a request of another site's page included."""
    house = a_house()
    headers = {"X-User": "lead"}

    async def go(visitor: Visitor) -> list[int]:
        path = f"/incidents/{ONE}/take"
        page = await (await visitor.get(f"/incidents/{ONE}", headers=headers)).text()
        fields = {"form": hidden(page, "form"), "id": hidden(page, "id")}
        forged = await visitor.post(path, data=fields | {"form": "0" * 32}, headers=headers)
        foreign = await visitor.post(path, data=fields, headers=headers | {"Sec-Fetch-Site": "cross-site"})
        by_api = await visitor.post(f"/api/incidents/{ONE}/take", json={}, headers=headers)
        honest = await visitor.post(path, data=fields, headers=headers | {"X-Forwarded-For": "203.0.113.9"})
        return [forged.status, foreign.status, by_api.status, honest.status]

    assert visit(house, go, **PROXY) == [403, 403, 403, 303]
    (command,) = house.commands
    assert (command.who, command.address) == ("lead", "203.0.113.9")


def test_a_body_that_is_too_big_is_refused() -> None:
    house = a_house()

    async def go(visitor: Visitor) -> list[int]:
        path = f"/api/incidents/{ONE}/take"
        big = b'{"reason": "' + b"a" * 70_000 + b'"}'
        headers = bearer(ACT) | {"Content-Type": "application/json"}
        form = await form_of(visitor, ACT)
        return [
            (await visitor.post(path, data=big, headers=headers)).status,
            (await visitor.post(f"/incidents/{ONE}/take", data=form | {"reason": "a" * 70_000})).status,
        ]

    assert visit(house, go) == [413, 413]
    assert house.commands == []


def test_a_health_check_needs_no_sign_in_and_tells_nothing() -> None:
    house = a_house()

    async def go(visitor: Visitor) -> list[tuple[int, str]]:
        answers = []
        for doubt in (None, "workers-stand-still", "not-read-yet", "out-of-touch"):
            house.doubts = doubt
            answer = await visitor.get("/healthz")
            answers.append((answer.status, await answer.text()))
        return answers

    assert visit(house, go) == [(200, "ok\n"), (200, "ok\n"), (503, "not ready\n"), (503, "not ready\n")]


@pytest.mark.parametrize(
    "next_", ["//evil.example", "https://evil.example", "/\\evil", "/incidents/../x", "/api/x"]
)
def test_the_sign_in_leads_to_a_page_of_ours_only(next_: str) -> None:
    house = a_house()

    async def go(visitor: Visitor) -> str:
        page = await (await visitor.get("/sign-in")).text()
        fields = {"form": hidden(page, "form"), "token": ACT, "next": next_}
        return (await visitor.post("/sign-in", data=fields)).headers["Location"]

    assert visit(house, go) == "/incidents"


def test_a_session_ends_when_it_is_ended_or_its_token_is_taken_back() -> None:
    house = a_house()

    async def go(visitor: Visitor) -> tuple[int, int]:
        await visitor.sign_in(ACT)
        page = await (await visitor.get("/incidents")).text()
        seen = (await visitor.get("/incidents")).status
        await visitor.post("/sign-out", data={"form": hidden(page, "form")})
        return seen, (await visitor.get("/incidents")).status

    assert visit(house, go) == (200, 303)


def test_a_sign_in_from_another_site_signs_nobody_in() -> None:
    house = a_house()
    answer = visit(house, lambda one: one.post("/sign-in", data={"token": ACT}))
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers or "flashover=" not in answer.headers["Set-Cookie"]
