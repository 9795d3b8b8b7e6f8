"""What every request passes: where it comes from, who asks, what every answer carries.

Law of this file: nobody reaches a page or the API but through `Site.person`, no command leaves but through
`Site.ask`, and each that is turned away is audited like one that is done. No answer leaves without the
headers of `_HEADERS`; what fails is told in words, without a stack trace and without what was sent.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, NoReturn, Protocol
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from agents.settings import Settings
from agents.terminal import safe
from agents.web.known import Known
from agents.web.reader import Doubt
from agents.web.settings import Role
from agents.web.signin import Failures, Origin, Person, Registry, may, origin_of
from agents.web.words import Words, chosen
from agents.words import rules_of
from streams.audit import Audited, Refusal
from streams.incident import Command

__all__ = ["BODY_BYTES", "SITE", "OnCall", "Post", "PostError", "Reading", "Site", "TurnedAway", "guarded"]

log = logging.getLogger(__name__)

BODY_BYTES: Final = 64 * 1024  # a form's note has 2,000 characters, a draft 10,000
_BODY_WITHIN_S: Final = 10.0
_ANSWER_WITHIN_S: Final = 3.0
_URL: Final = 2000  # characters
_YEAR_S: Final = 365 * 86_400

_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex, nofollow",
    "Server": "flashover",
}


class PostError(Exception):
    """The broker did not take it."""


class Post(Protocol):
    """Where commands go: Kafka, or a desk in a test."""

    async def command(self, command: Command) -> None:
        """Write it down. Raises PostError if it is not."""

    async def audit(self, audited: Audited) -> None:
        """Write it down, or log that it could not be."""


class Reading(Protocol):
    """What is read, and how far to trust it; `agents.web.reader.Reader` is one."""

    known: Known

    def doubt(self) -> Doubt | None:
        """Why what is known may not be so."""

    async def until(self, is_so: Callable[[], bool], within_s: float) -> bool:
        """Wait until it is so."""


#: Who is on call for a brand at a moment (ms), in the order in which they are paged.
OnCall = Callable[[str, int], tuple[str, ...]]


class TurnedAway(Exception):  # noqa: N818 — no error of ours: an answer
    """A request that changes nothing; `status` is HTTP's, `problems` say what was wrong with a body."""

    def __init__(self, reason: Refusal | str, status: int, problems: Sequence[str] = ()) -> None:
        self.reason = str(reason)
        self.status = status
        self.problems = tuple(problems)
        super().__init__(self.reason)


class Visit(NamedTuple):
    """One request, as far as all handlers need it."""

    origin: Origin
    secure: bool
    person: Person | None


class Site:
    """Everything a handler may use. `keys` sign sessions and forms; without any of the settings' they are new
    with each start, and everybody signs in again."""

    def __init__(self, settings: Settings, reading: Reading, post: Post, on_call: OnCall) -> None:
        self.settings = settings
        self.web = settings.web
        self.reading = reading
        self.known = reading.known
        self.on_call = on_call
        self.link_keys = settings.web_keys
        self.people = {*settings.people, *settings.rotations}  # to whom a case can be handed
        self.rules = rules_of(settings.words)
        self.registry = Registry(settings.web, settings.web_keys or (secrets.token_bytes(32),))
        self._post = post
        self._failures = Failures()

    def now_ms(self) -> int:
        """The wall clock."""
        return time.time_ns() // 1_000_000

    def new_id(self, where: str) -> str:
        """An id of a command that nobody has used before; none begins like a link's."""
        return f"{where}-{secrets.token_hex(12)}"

    def visit(self, request: web.Request) -> Visit:
        """Where a request comes from and who asks. Raises TurnedAway for a token that is nobody's."""
        headers = request.headers
        origin = origin_of(
            self.web,
            request.remote or "",
            headers.getall("X-Forwarded-For", []),
            headers.get("X-Forwarded-Proto", ""),
            request.scheme,
        )
        secure = origin.is_secure or (self.web.public_url or "").startswith("https:")
        return Visit(origin, secure, self._person(request, origin, secure))

    def _person(self, request: web.Request, origin: Origin, secure: bool) -> Person | None:
        headers = request.headers
        named = None
        if origin.by_proxy:
            named = self.registry.by_proxy({name.lower(): headers.getall(name) for name in headers})
        if (authorization := headers.get("Authorization")) is not None:
            scheme, _, token = authorization.partition(" ")
            person = self.registry.by_token(token.strip()) if scheme.lower() == "bearer" else None
            if person is not None:
                return person
            if named is None:  # else it is the proxy's own token, that some hand on
                self.failed(origin.address)
                raise TurnedAway(Refusal.NOT_SIGNED_IN, 401)
            return named
        if (cookie := request.cookies.get(session_cookie(secure))) is not None:
            person = self.registry.by_session(cookie, time.time())
            if person is not None:
                return person
        return named

    def failed(self, address: str) -> None:
        """A sign-in from there failed. Raises TurnedAway once that was too often."""
        if not self._failures.note(address, asyncio.get_running_loop().time()):
            raise TurnedAway("too-often", 429)

    async def need(self, request: web.Request, role: Role, command: str = "") -> Person:
        """Who asks, if they may do what `role` may; else TurnedAway, and audited if it was a command."""
        visit = request[VISIT]
        if visit.person is None:
            await self.turn_away(request, Refusal.NOT_SIGNED_IN, 401, command)
        if not may(visit.person, role):
            await self.turn_away(request, Refusal.WRONG_ROLE, 403, command)
        person: Person = visit.person
        return person

    async def need_own_form(self, request: web.Request, token: str, name: str, command: str) -> None:
        """Refuse a form that is not ours: another site's, or one shown to somebody else."""
        visit = request[VISIT]
        cookie = request.cookies.get(form_cookie(visit.secure), "")
        if not same_site(request, self.web.public_url) or not self.registry.is_our_form(token, cookie, name):
            await self.turn_away(request, Refusal.CROSS_SITE, 403, command)

    async def turn_away(
        self,
        request: web.Request,
        reason: Refusal,
        status: int,
        command: str = "",
        problems: Sequence[str] = (),
        who: str = "",
    ) -> NoReturn:
        """Answer no. A command that is turned away is audited, as long as an address does not drown us."""
        visit = request[VISIT]
        if command:
            where = (
                "api" if request.path.startswith("/api/") else "link" if request.path[:3] == "/l/" else "web"
            )
            by = visit.person.name if visit.person is not None else who
            incident = request.match_info.get("incident", "")[:100]
            one = self.known.incidents.get(incident)
            brand = one.case.brand if one is not None else ""
            told = Audited(
                self.now_ms(),
                "refused",
                command,
                brand=brand,
                incident=incident,
                who=by,
                where=where,
                address=visit.origin.address,
                reason=reason,
            )
            log.info("turned away (%s): %s from %s", reason, safe(command), safe(visit.origin.address))
            if visit.person is not None or self._failures.note(
                visit.origin.address, asyncio.get_running_loop().time()
            ):
                await self._post.audit(told)
        raise TurnedAway(reason, status, problems)

    async def ask(self, request: web.Request, command: Command) -> Audited | None:
        """Send a command, and wait a little for what becomes of it; None if nobody has answered yet."""
        try:
            await self._post.command(command)
        except PostError:
            name = str(command.__struct_config__.tag)
            await self.turn_away(request, Refusal.NO_BROKER, 503, name, who=command.who)

        def is_told() -> bool:
            verdict = self.known.verdict(command.id)
            if verdict is None:
                return False
            waits = verdict.outcome == "done" and command.incident
            return not waits or self.known.counted_in(command.incident, command.id)

        await self.reading.until(is_told, _ANSWER_WITHIN_S)
        return self.known.verdict(command.id)

    async def body(self, request: web.Request) -> bytes:
        """The body of a request, bounded in size and time."""
        try:
            async with asyncio.timeout(_BODY_WITHIN_S):
                return await request.read()
        except TimeoutError:
            raise TurnedAway(Refusal.BAD_REQUEST, 408) from None
        except web.HTTPRequestEntityTooLarge:
            raise TurnedAway(Refusal.BAD_REQUEST, 413) from None


SITE: Final = web.AppKey("site", Site)
VISIT: Final = web.RequestKey("visit", Visit)
Told = Callable[[web.Request, TurnedAway], web.Response]


def guarded(tell_page: Told, tell_json: Told) -> Middleware:
    """The middleware around all handlers; what is turned away is told as a page or, below /api/, as JSON."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        tell = tell_json if request.path.startswith("/api/") else tell_page
        site = request.app[SITE]
        request[VISIT] = Visit(Origin(request.remote or "", False, False), False, None)
        answer: web.StreamResponse
        try:
            request[VISIT] = site.visit(request)
            answer = await handler(request)
        except TurnedAway as away:
            answer = tell(request, away)
            if away.status == 429:
                answer.headers["Retry-After"] = "60"
        except web.HTTPRedirection as moved:
            answer = web.Response(status=moved.status, headers={"Location": moved.headers["Location"]})
        except web.HTTPException as refused:
            name = {404: "not-found", 405: "not-found"}.get(refused.status, str(Refusal.BAD_REQUEST))
            answer = tell(request, TurnedAway(name, refused.status))
            if allow := refused.headers.get("Allow"):
                answer.headers["Allow"] = allow
        except Exception:
            log.exception("a page failed")  # the path may hold a link's secret: not logged
            answer = tell(request, TurnedAway("failed", 500))
        for name, value in _HEADERS.items():
            answer.headers.setdefault(name, value)
        answer.headers.setdefault("Cache-Control", "no-store")
        if request[VISIT].secure:
            answer.headers["Strict-Transport-Security"] = f"max-age={_YEAR_S}"
        return answer

    return guard


def session_cookie(secure: bool) -> str:
    """The name of the cookie; with TLS one that no other host can have set (RFC 6265bis, 4.1.3.2)."""
    return "__Host-flashover" if secure else "flashover"


def form_cookie(secure: bool) -> str:
    """As `session_cookie`: what binds a form to the browser it was shown in."""
    return "__Host-flashover-form" if secure else "flashover-form"


def set_cookie(
    answer: web.StreamResponse, name: str, value: str, secure: bool, lasting_s: int | None
) -> None:
    """A cookie that no script reads, and that comes with no form of another site (SameSite=Lax)."""
    answer.set_cookie(name, value, max_age=lasting_s, path="/", secure=secure, httponly=True, samesite="Lax")


def same_site(request: web.Request, public_url: str | None) -> bool:
    """Whether a request was made by a page of ours, as far as its browser says.

    Sec-Fetch-Site decides where it is sent. Before it browsers sent Origin, which is `null` under our own
    Referrer-Policy: then the form's token alone decides.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("Origin")
    if origin in (None, "null"):
        return True
    ours = {public_url, f"http://{request.host}", f"https://{request.host}"}
    return origin in ours


def safe_link(url: str | None) -> str | None:
    """A post's address, if following it can do nothing but load a page; None for any other."""
    if url is None or len(url) > _URL or not url.isprintable():
        return None
    try:
        parts = urlsplit(url)
        return url if parts.scheme in ("http", "https") and parts.hostname else None
    except ValueError:
        return None


def words_of(request: web.Request, words: Callable[[str], Words]) -> Words:
    """The reader's language: as the address says, as it said before, as the browser says."""
    asked = request.query.get("lang") or request.cookies.get("lang")
    return words(chosen(asked, request.headers.get("Accept-Language", "")))
