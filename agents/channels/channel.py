"""What a channel is, and the one way in which channels speak HTTP.

Law of this file: a request is a record before it is sent, so that a test can look at it; a redirect is never
followed, an answer's body never read, certificates are checked by the system's authorities. What the status
means is decided in one place: 2xx is taken, 408, 425, 429 and 5xx may work later, all else will not.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, NamedTuple

import aiohttp
import msgspec

from streams.delivery import Delivery, GiveUp, Ok, Outcome, TryAgain
from streams.links import Links
from streams.page_text import PageText

__all__ = ["TIMEOUT_S", "Request", "Send", "Told", "outcome_of", "post", "post_all", "url_below"]

TIMEOUT_S: Final = 10.0  # of one request; the desk waits for 15 s
_AGAIN_S: Final = 2.0
_LONGEST_S: Final = 3600.0
_LATER: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)


class Told(NamedTuple):
    """One delivery, as a channel gets it."""

    delivery: Delivery
    text: PageText
    links: Links | None
    now_ms: int  # wall clock; of a case that is closed and told again: when it was closed


Send = Callable[[Told], Awaitable[Outcome]]


class Request(NamedTuple):
    """A POST. Address, headers and body may hold secrets: its repr shows none of them."""

    url: str
    body: bytes
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Request({len(self.body)} bytes)"

    @classmethod
    def json(cls, url: str, value: object, headers: Mapping[str, str] | None = None) -> Request:
        """A body of JSON."""
        told = {"Content-Type": "application/json", "User-Agent": "flashover", **(headers or {})}
        return cls(url, msgspec.json.encode(value), told)


def url_below(url: str, path: str) -> str:
    """`path` below a server's address, whether that ends in a slash or not."""
    return f"{url.rstrip('/')}/{path}"


def outcome_of(status: int, retry_after: str | None, now_ms: int) -> Outcome:
    """What an answer means. `retry_after` is the header, seconds or a date (RFC 9110, 10.2.3)."""
    if 200 <= status < 300:
        return Ok()
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "an unknown status"
    if 300 <= status < 400:
        return GiveUp(f"it answers with a redirect ({status} {phrase})")
    if status >= 500 or status in _LATER:
        return TryAgain(_wait_s(retry_after, now_ms), f"{status} {phrase}")
    return GiveUp(f"it refuses: {status} {phrase}")


def _wait_s(retry_after: str | None, now_ms: int) -> float:
    if not retry_after:
        return _AGAIN_S
    try:
        wait_s = float(retry_after)
    except ValueError:
        try:
            moment = parsedate_to_datetime(retry_after)
        except ValueError:
            return _AGAIN_S
        wait_s = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now_ms / 1000
    return min(max(wait_s, 0.0), _LONGEST_S) if math.isfinite(wait_s) else _AGAIN_S


async def post(request: Request) -> Outcome:
    """Send it. Never raises for what the other side or the network does."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, auto_decompress=False, trust_env=True) as session,
            session.post(
                request.url, data=request.body, headers=request.headers, allow_redirects=False
            ) as answer,
        ):
            now_ms = int(datetime.now(UTC).timestamp() * 1000)
            return outcome_of(answer.status, answer.headers.get("Retry-After"), now_ms)
    except aiohttp.ClientConnectorCertificateError:
        return GiveUp("its certificate is not trusted")
    except aiohttp.InvalidURL:
        return GiveUp("its address is none")
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        return TryAgain(_AGAIN_S, f"no answer ({type(error).__name__})")  # its text may name the address


async def post_all(requests: tuple[Request, ...]) -> Outcome:
    """Send one after the other until one is not taken; Ok if there is none."""
    for request in requests:
        outcome = await post(request)
        if not isinstance(outcome, Ok):
            return outcome
    return Ok()
