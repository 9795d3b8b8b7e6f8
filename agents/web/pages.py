"""The pages: the board, an incident, a link, the sign-in.

Law of this file: HTML is made by the templates beside it, where every value is escaped and passes `shown`
first; no page needs a script. A form is answered with a redirect, so that to load a page again repeats
nothing, and what it says of the outcome is a word of ours and never a text that was sent.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping
from functools import partial
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from zoneinfo import ZoneInfo

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from agents.terminal import safe
from agents.web.asked import COMMANDS, MUTES, Asked, Wrong, command_of, role_for
from agents.web.course import course, moment_ms
from agents.web.settings import Role
from agents.web.signin import Person, may
from agents.web.site import (
    SITE,
    VISIT,
    Site,
    TurnedAway,
    form_cookie,
    safe_link,
    same_site,
    session_cookie,
    set_cookie,
    words_of,
)
from agents.web.words import LANGUAGES, Words
from streams.audit import Audited, Refusal
from streams.delivery import Case, GiveUp, Outcome, TryAgain
from streams.desk import mute_key
from streams.incident import Acknowledge, Command, Incident, State, Take, thread_ids
from streams.links import Link, read_link

__all__ = ["add_routes", "shown", "tell"]

_OVER: Final = (State.RESOLVED, State.MERGED)
_WEIGHT: Final = {State.OPEN: 0, State.PAGED: 0, State.ACKNOWLEDGED: 1}
_REFRESH_S: Final = 15
_OUT: Final = 12  # attempts on the board
_WARM: Final = 12  # threads above calm
_BEFORE: Final = 6  # incidents that are over, on the board
_FIELDS: Final = 20
_FORM_ID: Final = re.compile(r"web-[0-9a-f]{24}")
_FLASHES: Final = {"done", "asked", *Refusal}
_STATIC: Final = {"flashover.css": "text/css", "icon.svg": "image/svg+xml"}


def shown(value: object) -> object:
    """A value as a page shows it: a text on one line, in its own reading order, nothing in it hidden."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return safe(" ".join(value.split()))
    return "" if value is None else value


def _static() -> dict[str, tuple[str, bytes, str]]:
    """Address -> file, content and type. The address has its hash in it, so it may be kept for ever."""
    found = {}
    for name, kind in _STATIC.items():
        content = files("agents.web").joinpath("static", name).read_bytes()
        stem, _, ending = name.rpartition(".")
        found[f"/static/{stem}-{sha256(content).hexdigest()[:12]}.{ending}"] = (name, content, kind)
    return found


_FILES: Final = _static()
_AT: Final = {name: address for address, (name, _, _) in _FILES.items()}

_environment = Environment(
    loader=PackageLoader("agents.web"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=shown,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.globals.update(style=_AT["flashover.css"], icon=_AT["icon.svg"])


def add_routes(app: web.Application) -> None:
    """Everything that is not the API."""
    app.router.add_get("/", home)
    app.router.add_get("/incidents", board)
    app.router.add_get("/incidents/{incident}", incident)
    app.router.add_post("/incidents/{incident}/{command}", command)
    app.router.add_post("/mutes/{command}", mutes)
    app.router.add_get("/l/{link}", link)
    app.router.add_post("/l/{link}", press)
    app.router.add_get("/sign-in", sign_in_page)
    app.router.add_post("/sign-in", sign_in)
    app.router.add_post("/sign-out", sign_out)
    app.router.add_get("/healthz", healthz)
    for address, (_, content, kind) in _FILES.items():
        app.router.add_get(address, partial(_file, content, kind))


async def home(request: web.Request) -> web.Response:
    """The board is where everybody begins."""
    return _redirect("/incidents")


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

    answer = _page(
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
    words = _words(request)
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
    return _page(
        request,
        "incident.html",
        one=one,
        broad=drawn.get("broad"),
        narrow=drawn.get("narrow"),
        mentions=thread.mentions if thread is not None else one.case.mentions,
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
    return _redirect(f"/incidents/{quote(one.id)}?said={_said(verdict)}")


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
    return _redirect(f"{where}?said={_said(verdict)}")


async def link(request: web.Request) -> web.Response:
    """What a link in a page leads to: one button. To look at it changes nothing, however often."""
    found = await _link(request, "")
    site = request.app[SITE]
    used = _is_used(site, found)
    return _page(
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
        pressed = _said(await site.ask(request, made))
    one = site.known.incidents.get(found.incident)
    return _page(request, "link.html", link=found, one=one, pressed=pressed)


async def sign_in_page(request: web.Request) -> web.Response:
    """Where a token can be typed in."""
    return _page(request, "signin.html", problem=None, next=_next(request.query.get("next", "")))


async def sign_in(request: web.Request) -> web.Response:
    """Begin a session."""
    site, visit = request.app[SITE], request[VISIT]
    form = await _form(request)
    name = visit.person.name if visit.person is not None else ""
    await site.need_own_form(request, form.get("form", ""), name, "")
    cookie = site.registry.begin_session(form.get("token", "").strip(), time.time())
    if cookie is None:
        site.failed(visit.origin.address)
        answer = _page(request, "signin.html", problem="wrong-token", next=_next(form.get("next", "")))
        answer.set_status(401)
        return answer
    answer = _redirect(_next(form.get("next", "")))
    set_cookie(answer, session_cookie(visit.secure), cookie, visit.secure, int(site.web.session_s))
    return answer


async def sign_out(request: web.Request) -> web.Response:
    """End the session in this browser; to end it everywhere take its token out of the settings."""
    visit = request[VISIT]
    form = await _form(request)
    name = visit.person.name if visit.person is not None else ""
    await request.app[SITE].need_own_form(request, form.get("form", ""), name, "")
    answer = _redirect("/sign-in")
    answer.del_cookie(session_cookie(visit.secure), path="/", secure=visit.secure, httponly=True)
    return answer


async def healthz(request: web.Request) -> web.Response:
    """Whether the pages can be trusted: 200, or 503. For a supervisor: no sign-in, and nothing told."""
    well = request.app[SITE].reading.doubt() in (None, "workers-stand-still")
    return web.Response(text="ok\n" if well else "not ready\n", status=200 if well else 503)


def tell(request: web.Request, away: TurnedAway) -> web.Response:
    """What was turned away, as a page; whoever is not signed in and looks is asked to."""
    if away.status == 401 and request.method in ("GET", "HEAD") and "Authorization" not in request.headers:
        return _redirect("/sign-in?" + urlencode({"next": request.rel_url.path}))
    answer = _page(request, "message.html", reason=away.reason, status=away.status, problems=away.problems)
    answer.set_status(away.status)
    if away.status == 401:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="flashover"'
    return answer


async def _file(content: bytes, kind: str, request: web.Request) -> web.Response:
    return web.Response(
        body=content, content_type=kind, headers={"Cache-Control": "public, max-age=31536000, immutable"}
    )


async def _reader(request: web.Request) -> Person:
    return await request.app[SITE].need(request, "read")


async def _form(request: web.Request) -> dict[str, str]:
    """The fields of a form; of a field that comes twice the first."""
    site = request.app[SITE]
    if request.content_type != "application/x-www-form-urlencoded":
        raise TurnedAway(Refusal.BAD_REQUEST, 415)
    raw = await site.body(request)
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, max_num_fields=_FIELDS, errors="strict"
        )
    except ValueError:  # Unicode's are, too
        raise TurnedAway(Refusal.BAD_REQUEST, 400) from None
    return dict(reversed(pairs))


async def _own_form(request: web.Request, role: Role, name: str) -> tuple[Person, dict[str, str]]:
    """The fields of a form of ours, and who sent it: somebody who may."""
    site = request.app[SITE]
    person = await site.need(request, role, name)
    form = await _form(request)
    token = form.pop("form", "")
    if person.how != "token":  # a bearer's request comes from no page
        await site.need_own_form(request, token, person.name, name)
    if not _FORM_ID.fullmatch(form.get("id", "")):
        await site.turn_away(request, Refusal.BAD_REQUEST, 400, name)
    return person, form


def _asked(request: web.Request, person: Person, form: Mapping[str, str]) -> Asked:
    site, visit = request.app[SITE], request[VISIT]
    return Asked(form["id"], person.name, site.now_ms(), "web", visit.origin.address)


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


def _said(verdict: Audited | None) -> str:
    if verdict is None:
        return "asked"
    return "done" if verdict.reason is None else str(verdict.reason)


def _next(path: str) -> str:
    """Where to go after the sign-in: a page of ours and nowhere else."""
    ok = re.fullmatch(r"/incidents(/[A-Za-z0-9_-]{1,100})?", path)
    return path if ok else "/incidents"


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


def _words(request: web.Request) -> Words:
    zone = ZoneInfo(request.app[SITE].web.timezone)
    return words_of(request, lambda lang: Words(lang, zone))


def _redirect(where: str) -> web.Response:
    return web.Response(status=303, headers={"Location": where})


def _page(request: web.Request, template: str, **values: Any) -> web.Response:
    """A template with what all of them need."""
    site, visit, words = request.app[SITE], request[VISIT], _words(request)
    now_ms = site.now_ms()
    name = form_cookie(visit.secure)
    cookie = request.cookies.get(name, "")
    fresh = not re.fullmatch(r"[0-9a-f]{24}", cookie)
    if fresh:
        cookie = site.new_id("").strip("-")
    who = visit.person.name if visit.person is not None else ""
    said = request.query.get("said", "")

    def muted_ms(one: Incident) -> int | None:
        keys = mute_key(one.case.brand, None), mute_key(one.case.brand, one.case.thread_id)
        return max((site.known.mutes[key].until_ms for key in keys if key in site.known.mutes), default=None)

    text = _environment.get_template(template).render(
        w=words,
        now_ms=now_ms,
        person=visit.person,
        form=site.registry.form_token(cookie, who),
        new_id=lambda: site.new_id("web"),
        here=None if template in ("link.html", "message.html") else request.path,
        doubt=site.reading.doubt() if visit.person is not None else None,
        flash=said if said in _FLASHES else None,
        muted_ms=muted_ms,
        sentence=partial(_sentence, words),
        outcome=partial(_outcome, words),
        **values,
    )
    answer = web.Response(text=text, content_type="text/html")
    if fresh:
        set_cookie(answer, name, cookie, visit.secure, None)
    if request.query.get("lang") in LANGUAGES:
        set_cookie(answer, "lang", request.query["lang"], visit.secure, 365 * 86_400)
    return answer


def _sentence(words: Words, case: Case) -> str:
    """What happened in the reader's language; of a brand's surge the core's own sentence."""
    if case.scope == "brand":
        return case.summary
    return words(
        "sentence",
        mentions=words.number(case.mentions),
        authors=words.number(case.authors),
        expected=words.number(case.forecast.expected_24h),
        chance=words.percent(case.forecast.viral_probability),
        viral_at=words.number(case.forecast.viral_at),
    )


def _outcome(words: Words, outcome: Outcome) -> str:
    if isinstance(outcome, GiveUp):
        return f"{words('give-up')}: {outcome.reason[:200]}"
    if isinstance(outcome, TryAgain):
        return f"{words('try-again')}: {outcome.reason[:200]}" if outcome.reason else words("try-again")
    return words("ok")
