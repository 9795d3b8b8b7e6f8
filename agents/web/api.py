"""The API: incidents, holds, mutes and drafts, in JSON.

Law of this file: a handler asks what is known, or asks for a command; it decides nothing. What changes
something takes a bearer token: a browser's session or proxy alone can't be made to call it by another site.
docs/web.md is the contract.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from aiohttp import web

from agents.web.asked import COMMANDS, Asked, Wrong, command_of, role_for
from agents.web.signin import Person, may
from agents.web.site import SITE, VISIT, Site, TurnedAway, safe_link
from streams.as_usual import templates_of
from streams.audit import Audited, Refusal
from streams.desk import Held, Muted, mute_key
from streams.incident import Command, Incident, places
from streams.language import detect_language
from streams.mention import rfc3339
from streams.reply_check import check_reply

__all__ = ["add_routes", "tell"]

_STATES: Final = {"open", "paged", "acknowledged", "resolved", "merged"}
_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DRAFT: Final = 10_000  # characters, as of a mention
_encode = msgspec.json.Encoder().encode


def add_routes(app: web.Application) -> None:
    """Everything below /api/."""
    app.router.add_get("/api/incidents", incidents)
    app.router.add_get("/api/incidents/{incident}", incident)
    app.router.add_post("/api/incidents/{incident}/{command}", command)
    app.router.add_get("/api/threads/{thread:.+}/hold", hold)
    app.router.add_get("/api/mutes", mutes)
    app.router.add_post("/api/mutes", mute)
    app.router.add_post("/api/mutes/remove", unmute)
    app.router.add_post("/api/replies/check", check)


def tell(request: web.Request, away: TurnedAway) -> web.Response:
    """What was turned away, as JSON."""
    answer = _json({"error": away.reason, "problems": list(away.problems)}, away.status)
    if away.status == 401:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="flashover"'
    return answer


async def incidents(request: web.Request) -> web.Response:
    """Those under way, or with `state` those in it (`all`: every one), of `brand` if that is given."""
    site = request.app[SITE]
    await site.need(request, "read")
    state, brand = request.query.get("state", ""), request.query.get("brand")
    if state not in ("", "all") and state not in _STATES:
        raise TurnedAway(
            Refusal.BAD_REQUEST, 400, [f"state: must be all or one of {', '.join(sorted(_STATES))}"]
        )
    found = [
        one
        for one in site.known.incidents.values()
        if brand in (None, one.case.brand)
        and (state == "all" or (one.state == state if state else one.state not in ("resolved", "merged")))
    ]
    found.sort(key=lambda one: -one.opened_ms)
    return _json({"doubt": site.reading.doubt(), "incidents": [_short(site, one) for one in found]})


async def incident(request: web.Request) -> web.Response:
    """One incident, with its history, its pages and why it was raised."""
    site = request.app[SITE]
    await site.need(request, "read")
    one = site.known.incidents.get(request.match_info["incident"])
    if one is None:
        raise TurnedAway("not-found", 404)
    return _json({"doubt": site.reading.doubt(), "incident": _long(site, one)})


async def command(request: web.Request) -> web.Response:
    """Acknowledge, take, hand over, hold, release, resolve, merge; the body has what docs/web.md says."""
    site, name = request.app[SITE], request.match_info["command"]
    if name not in COMMANDS:
        raise TurnedAway("not-found", 404)
    person = await _caller(site, request, name)
    body = await _body(site, request, name)
    one = site.known.incidents.get(request.match_info["incident"])
    if one is None:
        if site.reading.doubt() is not None:
            await site.turn_away(request, Refusal.NO_BROKER, 503, name)
        await site.turn_away(request, Refusal.UNKNOWN_INCIDENT, 404, name)
    return await _ask(site, request, name, body, person, one)


async def mutes(request: web.Request) -> web.Response:
    """What is muted, by whom and until when."""
    site = request.app[SITE]
    await site.need(request, "read")
    return _json({"doubt": site.reading.doubt(), "mutes": [_mute(one) for one in site.known.mutes.values()]})


async def mute(request: web.Request) -> web.Response:
    """Mute a brand, or one thread of it."""
    return await _mutes(request, "mute")


async def unmute(request: web.Request) -> web.Response:
    """End a mute before its time."""
    return await _mutes(request, "unmute")


async def hold(request: web.Request) -> web.Response:
    """Whether a thread is held. `held` is null where that can't be told; `doubt` says why."""
    site = request.app[SITE]
    await site.need(request, "read")
    thread_id = request.match_info["thread"]
    held, doubt = _held(site, thread_id), site.reading.doubt()
    answer: bool | None = held is not None
    if held is None and doubt in ("not-read-yet", "out-of-touch"):
        answer = None
    return _json({"thread_id": thread_id, "held": answer, "doubt": doubt, "hold": held and _hold(held)})


async def check(request: web.Request) -> web.Response:
    """May this draft be sent? `send`, `hold`, or `unknown`: then `then` is what the caller's settings say."""
    site = request.app[SITE]
    person = await site.need(request, "read")
    body = await _body(site, request, "")
    problems = [
        f"{key}: must be a text of 1 to {most} characters"
        for key, most in (("brand", 64), ("thread_id", 500), ("text", _DRAFT))
        if not isinstance(body.get(key), str) or not 0 < len(body[key]) <= most
    ]
    if not isinstance(body.get("lang"), str | None):
        problems.append("lang: must be a language tag")
    if problems:
        raise TurnedAway(Refusal.BAD_REQUEST, 400, problems)
    now_ms = site.now_ms()
    brand, thread_id, text = body["brand"], body["thread_id"], body["text"]
    held, doubt = _held(site, thread_id), site.reading.doubt()
    case = site.known.of_thread(brand, thread_id)
    owner = held.owner if held is not None else case.owner if case is not None else None
    checked = check_reply(
        text,
        body.get("lang") or detect_language(text),
        rules=site.rules,
        templates=templates_of(site.known.usuals.get(brand, ()), now_ms),
        at_ms=now_ms,
        held=held is not None,
        level=site.known.level(thread_id) if doubt is None else None,
        owner=owner,
    )
    decision, reason = checked.decision, str(checked.reason)
    own = checked.verdict is not None and checked.verdict.kind == "own-words"
    if doubt is not None and decision != "hold" and not own:
        decision, reason = "unknown", str(doubt)  # it may be held or hot, and nobody has read that yet
    return _json(
        {
            "decision": decision,
            "reason": reason,
            "then": person.when_unknown if decision == "unknown" else decision,
            "doubt": doubt,
            "owner": checked.owner,
            "incident": case.id if case is not None else None,
            "kind": checked.verdict.kind if checked.verdict is not None else None,
            "because": list(checked.verdict.reasons) if checked.verdict is not None else [],
        }
    )


async def _caller(site: Site, request: web.Request, name: str) -> Person:
    """Who may change something here: a bearer of a token, whose request no other site can have made."""
    person = await site.need(request, "act", name)
    if person.how != "token":
        await site.turn_away(request, Refusal.CROSS_SITE, 403, name)
    return person


async def _mutes(request: web.Request, name: str) -> web.Response:
    site = request.app[SITE]
    person = await _caller(site, request, name)
    body = await _body(site, request, name)
    if not may(person, role_for(name, body)):
        await site.turn_away(request, Refusal.WRONG_ROLE, 403, name)
    return await _ask(site, request, name, body, person, None)


async def _ask(
    site: Site, request: web.Request, name: str, body: Mapping[str, Any], person: Person, one: Incident | None
) -> web.Response:
    wanted = body.get("id")
    if wanted is not None and not (isinstance(wanted, str) and _ID.fullmatch(wanted)):
        await site.turn_away(request, Refusal.BAD_REQUEST, 400, name, [f"id: must match {_ID.pattern}"])
    asked = Asked(
        f"api-{person.name}-{wanted}" if wanted else site.new_id("api"),
        person.name,
        site.now_ms(),
        "api",
        request[VISIT].origin.address,
    )
    made = command_of(name, body, asked, *((one.case.brand, one.id, site.people) if one is not None else ()))
    if isinstance(made, Wrong):
        await site.turn_away(request, Refusal.BAD_REQUEST, 400, name, made.problems)
    verdict = await site.ask(request, made)
    status = 202 if verdict is None else 200 if verdict.outcome == "done" else 409
    return _json(_answer(site, made, verdict), status)


def _answer(site: Site, command: Command, verdict: Audited | None) -> dict[str, Any]:
    one = site.known.incidents.get(command.incident)
    return {
        "id": command.id,
        "outcome": verdict.outcome if verdict is not None else "asked",
        "reason": verdict.reason if verdict is not None else None,
        "incident": _short(site, one) if one is not None else None,
    }


async def _body(site: Site, request: web.Request, name: str) -> dict[str, Any]:
    """The JSON object of a request; an empty body is an empty one."""
    raw = await site.body(request)
    if raw and request.content_type != "application/json":
        await site.turn_away(request, Refusal.BAD_REQUEST, 415, name, ["the body must be application/json"])
    try:
        body = msgspec.json.decode(raw) if raw.strip() else {}
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        await site.turn_away(request, Refusal.BAD_REQUEST, 400, name, ["the body must be a JSON object"])
    found: dict[str, Any] = body
    return found


def _held(site: Site, thread_id: str) -> Held | None:
    held = site.known.holds.get(thread_id)
    return held if held is not None and held.until_ms > site.now_ms() else None


def _short(site: Site, one: Incident) -> dict[str, Any]:
    case = one.case
    keys = mute_key(case.brand, None), mute_key(case.brand, case.thread_id)
    muted_ms = max((site.known.mutes[key].until_ms for key in keys if key in site.known.mutes), default=None)
    return {
        "id": one.id,
        "state": one.state,
        "brand": case.brand,
        "scope": case.scope,
        "thread_id": case.thread_id,
        "threads": list(one.threads),
        "places": [
            {
                "thread_id": place.thread_id,
                "platform": place.platform,
                "level": place.level,
                "mentions": place.mentions,
                "expected_24h": place.expected_24h,
                "url": safe_link(place.url),
            }
            for place in places(one)
        ],
        "level": case.level,
        "reason": case.reason,
        "title": case.title,
        "summary": case.summary,
        "url": safe_link(case.url),
        "owner": one.owner,
        "resolution": one.resolution,
        "opened_at": rfc3339(one.opened_ms),
        "changed_at": rfc3339(one.changed_ms),
        "raised_at": case.raised_at,
        "hold": _hold(one.hold) if one.hold is not None else None,
        "muted_until": rfc3339(muted_ms) if muted_ms is not None else None,
        "merged_into": one.merged_into,
        "mentions": case.mentions,
        "authors": case.authors,
        "reach": case.reach,
        "negative_share": case.negative_share,
        "forecast": case.forecast,
        "reply": case.reply,
    }


def _long(site: Site, one: Incident) -> dict[str, Any]:
    alerts = site.known.alerts(one)
    return {
        **_short(site, one),
        "needs": list(one.ladder.needs),
        "voices": list(one.case.voices),
        "evidence": list(alerts[-1].evidence) if alerts else [],
        "alerts": [
            {"id": told.id, "raised_at": told.raised_at, "level": told.level, "reason": told.reason}
            for told in alerts
        ],
        "paged": [
            {
                "person": page.person,
                "channel": page.channel,
                "kind": page.kind,
                "state": page.state,
                "at": rfc3339(page.at_ms or page.made_ms),
                "why": page.why,
                "reason": page.reason,
            }
            for page in one.pages
        ],
        "history": [
            {"at": rfc3339(e.at_ms), "what": e.what, "who": e.who, "where": e.where, "note": e.note}
            for e in one.history
        ],
    }


def _hold(one: Any) -> dict[str, Any]:
    """A hold, be it an incident's or a thread's."""
    found = {"owner": one.owner, "reason": one.reason}
    found |= {"since": rfc3339(one.since_ms), "until": rfc3339(one.until_ms)}
    return found | ({"incident": one.incident} if isinstance(one, Held) else {})


def _mute(one: Muted) -> dict[str, Any]:
    return {
        "brand": one.brand,
        "thread_id": one.thread_id,
        "who": one.who,
        "why": one.why,
        "since": rfc3339(one.since_ms),
        "until": rfc3339(one.until_ms),
    }


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=_encode(value), status=status, content_type="application/json")
