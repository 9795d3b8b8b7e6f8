"""Templates into answers: what every page has, what every form of ours brings back.

Law of this file: HTML is made by the templates beside it, where every value is escaped and passes `shown`
first; no page needs a script. What a page says of an outcome is a word of ours, never a text that was sent.
"""

from __future__ import annotations

import re
from functools import partial
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from agents.terminal import safe
from agents.web.site import SITE, VISIT, TurnedAway, form_cookie, set_cookie, words_of
from agents.web.words import LANGUAGES, Words
from streams.audit import Audited, Refusal
from streams.delivery import Case, GiveUp, Outcome, TryAgain
from streams.desk import mute_key
from streams.incident import Incident

__all__ = ["add_files", "form_of", "page_of", "redirect", "said", "sentence", "shown", "words_for"]

_FIELDS: Final = 20
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


def add_files(app: web.Application) -> None:
    """The style and the icon."""
    for address, (_, content, kind) in _FILES.items():
        app.router.add_get(address, partial(_file, content, kind))


def page_of(request: web.Request, template: str, **values: Any) -> web.Response:
    """A template with what all of them need."""
    site, visit, words = request.app[SITE], request[VISIT], words_for(request)
    now_ms = site.now_ms()
    name = form_cookie(visit.secure)
    cookie = request.cookies.get(name, "")
    fresh = not re.fullmatch(r"[0-9a-f]{24}", cookie)
    if fresh:
        cookie = site.new_id("").strip("-")
    who = visit.person.name if visit.person is not None else ""
    told = request.query.get("said", "")

    def muted_ms(one: Incident) -> int | None:
        keys = mute_key(one.case.brand, None), mute_key(one.case.brand, one.case.thread_id)
        return max((site.known.mutes[key].until_ms for key in keys if key in site.known.mutes), default=None)

    def so_far(one: Incident) -> int:
        thread = site.known.thread(one.case.thread_id) if one.case.thread_id is not None else None
        return thread.mentions if thread is not None else one.case.mentions

    text = _environment.get_template(template).render(
        w=words,
        now_ms=now_ms,
        person=visit.person,
        form=site.registry.form_token(cookie, who),
        new_id=lambda: site.new_id("web"),
        here=None if template in ("link.html", "message.html") else request.path,
        doubt=site.reading.doubt() if visit.person is not None else None,
        flash=told if told in _FLASHES else None,
        muted_ms=muted_ms,
        so_far=so_far,
        sentence=partial(sentence, words),
        outcome=partial(_outcome, words),
        **values,
    )
    answer = web.Response(text=text, content_type="text/html")
    if fresh:
        set_cookie(answer, name, cookie, visit.secure, None)
    if request.query.get("lang") in LANGUAGES:
        set_cookie(answer, "lang", request.query["lang"], visit.secure, 365 * 86_400)
    return answer


async def form_of(request: web.Request) -> dict[str, str]:
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


def redirect(where: str) -> web.Response:
    """On to another page of ours, to be loaded with GET."""
    return web.Response(status=303, headers={"Location": where})


def said(verdict: Audited | None) -> str:
    """One word for what became of a command: done, asked, or why it was refused."""
    if verdict is None:
        return "asked"
    return "done" if verdict.reason is None else str(verdict.reason)


def words_for(request: web.Request) -> Words:
    """The words and the clock of the reader."""
    zone = ZoneInfo(request.app[SITE].web.timezone)
    return words_of(request, lambda lang: Words(lang, zone))


def sentence(words: Words, case: Case) -> str:
    """What happened, in the reader's language: English as the core says it, else from the same figures."""
    if words.lang == "en":
        return case.summary
    figures = {
        "mentions": words.number(case.mentions),
        "authors": words.number(case.authors),
        "expected": words.number(case.forecast.expected_24h),
        "chance": words.percent(case.forecast.viral_probability),
        "viral_at": words.number(case.forecast.viral_at),
    }
    what = words(case.reason)
    told = words("sentence-brand" if case.scope == "brand" else "sentence", **figures)
    return f"{what[:1].upper()}{what[1:]}: {told}"


def _outcome(words: Words, outcome: Outcome) -> str:
    if isinstance(outcome, GiveUp):
        return f"{words('give-up')}: {outcome.reason[:200]}"
    if isinstance(outcome, TryAgain):
        return f"{words('try-again')}: {outcome.reason[:200]}" if outcome.reason else words("try-again")
    return words("ok")


async def _file(content: bytes, kind: str, request: web.Request) -> web.Response:
    return web.Response(
        body=content, content_type=kind, headers={"Cache-Control": "public, max-age=31536000, immutable"}
    )
