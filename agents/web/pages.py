"""The board, an incident, and its buttons.

Law of this file: a page shows what is known, a button asks for a command; nothing is decided here. A form is
answered with a redirect, so that to load a page again repeats nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from aiohttp import web
from markupsafe import Markup

from agents.web.asked import COMMANDS, MUTES, Asked, Wrong, command_of, role_for
from agents.web.course import course, moment_ms
from agents.web.drawing import form_of, page_of, redirect, said, words_for
from agents.web.settings import Role
from agents.web.signin import Person, may
from agents.web.site import SITE, VISIT, Site, TurnedAway, safe_link
from streams.audit import Refusal
from streams.incident import Incident, State, places, thread_ids

__all__ = ["add_routes"]

_OVER: Final = (State.RESOLVED, State.MERGED)
_WEIGHT: Final = {State.OPEN: 0, State.PAGED: 0, State.ACKNOWLEDGED: 1}
_REFRESH_S: Final = 15
_OUT: Final = 12  # attempts on the board
_WARM: Final = 12  # threads above calm
_BEFORE: Final = 6  # incidents that are over, on the board
_FORM_ID: Final = re.compile(r"web-[0-9a-f]{24}")


def add_routes(app: web.Application) -> None:
    """Everything that people look at and press."""
    app.router.add_get("/", home)
    app.router.add_get("/incidents", board)
    app.router.add_get("/incidents/{incident}", incident)
    app.router.add_post("/incidents/{incident}/{command}", command)
    app.router.add_post("/mutes/{command}", mutes)


async def home(request: web.Request) -> web.Response:
    """The board is where everybody begins."""
    return redirect("/incidents")


async def board(request: web.Request) -> web.Response:
    """Open incidents by brand and level, who has them, mutes, what is held, what went out."""
    site = request.app[SITE]
    person = await _reader(request)
    now_ms = site.now_ms()
    brand, refreshes = request.query.get("brand", ""), request.query.get("refresh") != "0"
    under_way = sorted(site.known.under_way(), key=_urgency)
    brands = sorted({one.case.brand for one in site.known.incidents.values()})
    found = [one for one in under_way if brand in ("", one.case.brand)]
    over = [
        one
        for one in site.known.incidents.values()
        if one.state is State.RESOLVED and brand in ("", one.case.brand)
    ]
    groups: dict[str, list[Incident]] = {}
    for one in found:
        groups.setdefault(one.case.brand, []).append(one)

    def keep(**changes: str | None) -> str:
        asked = {"brand": brand or None, "refresh": None if refreshes else "0"} | changes
        return urlencode({key: value for key, value in asked.items() if value is not None})

    answer = page_of(
        request,
        "board.html",
        open=found,
        by_brand=list(groups.items()),
        brand=brand,
        brands=brands,
        known_brands=sorted({*site.settings.brands, *brands}),
        over=sorted(over, key=lambda one: -one.changed_ms)[:_BEFORE],
        on_call=[
            (name, people)
            for name in sorted(site.settings.brands)
            if brand in ("", name) and (people := site.on_call(name, now_ms))
        ],
        mutes=sorted(site.known.mutes.values(), key=lambda one: one.until_ms),
        holds=sorted(
            (one for one in site.known.holds.values() if one.until_ms > now_ms and brand in ("", one.brand)),
            key=lambda one: one.until_ms,
        ),
        went_out=site.known.went_out(_OUT, brand),
        warm=_warm(site, brand, under_way)[:_WARM],
        refreshes=refreshes,
        keep=keep,
        may_mute=lambda thread_id: may(person, role_for("mute", {"thread_id": thread_id})),
    )
    if refreshes:
        answer.headers["Refresh"] = str(_REFRESH_S)
    return answer


async def incident(request: web.Request) -> web.Response:
    """One incident: what happened, its course, why, voices, history, who was paged, what can be done."""
    site = request.app[SITE]
    person = await _reader(request)
    one = site.known.incidents.get(request.match_info["incident"])
    if one is None:
        raise TurnedAway(Refusal.UNKNOWN_INCIDENT, 404)
    words = words_for(request)
    alerts = site.known.alerts(one)
    thread = site.known.thread(one.case.thread_id) if one.case.thread_id is not None else None
    of_case = next((told for told in reversed(alerts) if told.id == one.case.id), None)
    drawn = {}
    if thread is not None and thread.mentions:
        for name, width, height in (("broad", 960, 320), ("narrow", 400, 280)):
            drawn[name] = Markup(course(thread, one, alerts, words, width, height))  # noqa: S704 — escaped there
    others = [
        other for other in site.known.under_way() if other.case.brand == one.case.brand and other.id != one.id
    ]
    address = safe_link(one.case.url)
    return page_of(
        request,
        "incident.html",
        one=one,
        broad=drawn.get("broad"),
        narrow=drawn.get("narrow"),
        burning=[(place, safe_link(place.url)) for place in places(one)],
        evidence=of_case.evidence if of_case is not None else (),
        alerts=[
            {"at_ms": moment_ms(told.raised_at), "level": told.level, "reason": told.reason}
            for told in reversed(alerts)
        ],
        others=others,
        warm=_warm(site, one.case.brand, ())[:_WARM] if one.case.scope == "brand" else [],
        people=sorted(site.people or {page.person for page in one.pages}),
        may_act=may(person, "act"),
        reply_due_ms=moment_ms(one.case.reply.expected_at or ""),
        link=address,
        link_host=urlsplit(address).hostname if address else None,
    )


async def command(request: web.Request) -> web.Response:
    """A button of an incident's page."""
    site, name = request.app[SITE], request.match_info["command"]
    if name not in COMMANDS:
        raise TurnedAway("not-found", 404)
    person, form = await _own_form(request, "act", name)
    one = site.known.incidents.get(request.match_info["incident"])
    if one is None:
        await site.turn_away(request, Refusal.UNKNOWN_INCIDENT, 404, name)
    if name == "take":
        form["hold"] = "yes" if form.get("hold") == "yes" else "no"  # a box that is not ticked is not sent
    made = command_of(name, form, _asked(request, person, form), one.case.brand, one.id, site.people)
    if isinstance(made, Wrong):
        await site.turn_away(request, Refusal.BAD_REQUEST, 400, name, made.problems)
    verdict = await site.ask(request, made)
    return redirect(f"/incidents/{quote(one.id)}?said={said(verdict)}")


async def mutes(request: web.Request) -> web.Response:
    """Mute or unmute a brand or a thread."""
    site, name = request.app[SITE], request.match_info["command"]
    if name not in MUTES:
        raise TurnedAway("not-found", 404)
    person, form = await _own_form(request, "act", name)
    if not may(person, role_for(name, form)):
        await site.turn_away(request, Refusal.WRONG_ROLE, 403, name)
    back = form.pop("back", "")
    made = command_of(name, form, _asked(request, person, form))
    if isinstance(made, Wrong):
        await site.turn_away(request, Refusal.BAD_REQUEST, 400, name, made.problems)
    verdict = await site.ask(request, made)
    where = f"/incidents/{quote(back)}" if back in site.known.incidents else "/incidents"
    return redirect(f"{where}?said={said(verdict)}")


async def _reader(request: web.Request) -> Person:
    return await request.app[SITE].need(request, "read")


async def _own_form(request: web.Request, role: Role, name: str) -> tuple[Person, dict[str, str]]:
    """The fields of a form of ours, and who sent it: somebody who may."""
    site = request.app[SITE]
    person = await site.need(request, role, name)
    form = await form_of(request)
    token = form.pop("form", "")
    if person.how != "token":  # a bearer's request comes from no page
        await site.need_own_form(request, token, person.name, name)
    if not _FORM_ID.fullmatch(form.get("id", "")):
        await site.turn_away(request, Refusal.BAD_REQUEST, 400, name)
    return person, form


def _asked(request: web.Request, person: Person, form: Mapping[str, str]) -> Asked:
    site, visit = request.app[SITE], request[VISIT]
    return Asked(form["id"], person.name, site.now_ms(), "web", visit.origin.address)


def _warm(site: Site, brand: str, but: Collection[Incident]) -> list[dict[str, Any]]:
    """Threads above calm, but for those that are shown already, with where to read of each."""
    known = {thread_id for one in but for thread_id in thread_ids(one)}
    found = []
    for level, told in site.known.above_calm(brand):
        if told.thread_id not in known:
            one = site.known.of_thread(told.brand, told.thread_id or "")
            found.append(
                {
                    "level": level.word,
                    "case": told,
                    "raised_ms": moment_ms(told.raised_at),
                    "incident": one.id if one is not None else None,
                    "link": safe_link(told.url),
                }
            )
    return found


def _urgency(one: Incident) -> tuple[str, int, float]:
    """By brand, those that nobody has first, the biggest first."""
    return one.case.brand, _WEIGHT.get(one.state, 2), -one.case.forecast.expected_24h
