"""The ways in for a person: a link in a page, a token at the sign-in; and what a supervisor asks.

Law of this file: nobody needs to be signed in here, so each request must prove itself: a link by our
signature, its time and that it was not used, a form by our token. To look changes nothing.
"""

from __future__ import annotations

import re
import time
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from agents.web.drawing import form_of, page_of, redirect, said
from agents.web.site import SITE, VISIT, Site, TurnedAway, same_site, session_cookie, set_cookie
from streams.audit import Refusal
from streams.incident import Acknowledge, Command, Take
from streams.links import Link, read_link

__all__ = ["add_routes", "tell"]

_OURS: Final = re.compile(r"/incidents(/[A-Za-z0-9_-]{1,100})?")


def add_routes(app: web.Application) -> None:
    """Links, the sign-in, the health check."""
    app.router.add_get("/l/{link}", link)
    app.router.add_post("/l/{link}", press)
    app.router.add_get("/sign-in", sign_in_page)
    app.router.add_post("/sign-in", sign_in)
    app.router.add_post("/sign-out", sign_out)
    app.router.add_get("/healthz", healthz)


async def link(request: web.Request) -> web.Response:
    """What a link in a page leads to: one button. To look at it changes nothing, however often."""
    found = await _link(request, "")
    site = request.app[SITE]
    used = _is_used(site, found)
    return page_of(
        request,
        "link.html",
        link=found,
        one=site.known.incidents.get(found.incident),
        pressed=str(Refusal.COUNTED_BEFORE) if used else None,
    )


async def press(request: web.Request) -> web.Response:
    """The button behind a link. The link is the permission, so nobody signs in."""
    site = request.app[SITE]
    found = await _link(request, "link")
    if not same_site(request, site.web.public_url):
        await site.turn_away(request, Refusal.CROSS_SITE, 403, found.purpose, who=found.person)
    if _is_used(site, found):
        pressed = str(Refusal.COUNTED_BEFORE)
    else:
        kind: type[Acknowledge] | type[Take] = Take if found.purpose == "take" else Acknowledge
        address = request[VISIT].origin.address
        made: Command = kind(
            id=found.id,
            brand=found.brand,
            incident=found.incident,
            who=found.person,
            at_ms=site.now_ms(),
            where="link",
            address=address,
        )
        pressed = said(await site.ask(request, made))
    one = site.known.incidents.get(found.incident)
    return page_of(request, "link.html", link=found, one=one, pressed=pressed)


async def sign_in_page(request: web.Request) -> web.Response:
    """Where a token can be typed in."""
    return page_of(request, "signin.html", problem=None, next=_next(request.query.get("next", "")))


async def sign_in(request: web.Request) -> web.Response:
    """Begin a session."""
    site, visit = request.app[SITE], request[VISIT]
    form = await form_of(request)
    name = visit.person.name if visit.person is not None else ""
    await site.need_own_form(request, form.get("form", ""), name, "")
    cookie = site.registry.begin_session(form.get("token", "").strip(), time.time())
    if cookie is None:
        site.failed(visit.origin.address)
        answer = page_of(request, "signin.html", problem="wrong-token", next=_next(form.get("next", "")))
        answer.set_status(401)
        return answer
    answer = redirect(_next(form.get("next", "")))
    set_cookie(answer, session_cookie(visit.secure), cookie, visit.secure, int(site.web.session_s))
    return answer


async def sign_out(request: web.Request) -> web.Response:
    """End the session in this browser; to end it everywhere take its token out of the settings."""
    visit = request[VISIT]
    form = await form_of(request)
    name = visit.person.name if visit.person is not None else ""
    await request.app[SITE].need_own_form(request, form.get("form", ""), name, "")
    answer = redirect("/sign-in")
    answer.del_cookie(session_cookie(visit.secure), path="/", secure=visit.secure, httponly=True)
    return answer


async def healthz(request: web.Request) -> web.Response:
    """Whether the pages can be trusted: 200, or 503. For a supervisor: no sign-in, and nothing told."""
    well = request.app[SITE].reading.doubt() in (None, "workers-stand-still")
    return web.Response(text="ok\n" if well else "not ready\n", status=200 if well else 503)


def tell(request: web.Request, away: TurnedAway) -> web.Response:
    """What was turned away, as a page; whoever is not signed in and looks is asked to."""
    if away.status == 401 and request.method in ("GET", "HEAD") and "Authorization" not in request.headers:
        return redirect("/sign-in?" + urlencode({"next": request.rel_url.path}))
    answer = page_of(request, "message.html", reason=away.reason, status=away.status, problems=away.problems)
    answer.set_status(away.status)
    if away.status == 401:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="flashover"'
    return answer


async def _link(request: web.Request, command: str) -> Link:
    site = request.app[SITE]
    found = read_link(site.link_keys, request.match_info["link"], site.now_ms())
    if isinstance(found, Link):
        return found
    if found == "forged":
        site.failed(request[VISIT].origin.address)
    reason = Refusal.FORGED if found == "forged" else Refusal.EXPIRED
    await site.turn_away(request, reason, 403 if found == "forged" else 410, command)


def _is_used(site: Site, found: Link) -> bool:
    return site.known.verdict(found.id) is not None or site.known.counted_in(found.incident, found.id)


def _next(path: str) -> str:
    """Where to go after the sign-in: a page of ours and nowhere else."""
    return path if _OURS.fullmatch(path) else "/incidents"
