"""Asking a platform over HTTP: one request, and what each answer means for whoever asked.

Law of this file: foreign errors end here and leave as ours. No address, header or body gets into their
sentences: keys travel there. An answer that is too long is not read to its end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

import aiohttp

from agents.sources.source import OutageError, UnusableError

__all__ = ["Answered", "ask", "refusal", "translated", "wait_s"]

_PATIENCE_S: Final = 30.0
_LIMIT: Final = 16 * 1024 * 1024
_LONGEST_S: Final = 86_400.0  # what a server may make us wait


class Answered(NamedTuple):
    """A good answer: 200 with its body, or 304 without."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@asynccontextmanager
async def translated(who: str, silent: str = "timeout") -> AsyncIterator[None]:
    """What aiohttp raises within, as one of ours; `who` is the platform, `silent` the word for silence."""
    try:
        yield
    except TimeoutError:
        raise OutageError(silent, f"{who} did not answer in time") from None
    except aiohttp.ClientError as error:
        raise OutageError("network", f"{who} can't be reached ({type(error).__name__})") from None
    except OSError as error:
        raise OutageError("network", f"{who} can't be reached ({error.strerror})") from None


async def ask(
    session: aiohttp.ClientSession,
    who: str,
    url: str,
    *,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    method: str = "GET",
    json: object = None,
    limit: int = _LIMIT,
    explain: Callable[[int, bytes], Exception | None] | None = None,
) -> Answered:
    """One request. Raises OutageError or UnusableError for everything but 2xx and 304.

    `explain` may know better what a status and its body mean.
    """
    async with (
        translated(who),
        asyncio.timeout(_PATIENCE_S),
        session.request(
            method, url, params=params, headers=headers, json=json, allow_redirects=False
        ) as response,
    ):
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > limit:
                raise OutageError("too-long", f"{who} answered with more than {limit} bytes")
        if response.status == 304 or 200 <= response.status < 300:
            return Answered(response.status, response.headers, bytes(body))
        better = explain(response.status, bytes(body)) if explain is not None else None
        raise better or refusal(who, response.status, response.headers)


def refusal(who: str, status: int, headers: Mapping[str, str]) -> OutageError | UnusableError:
    """What a status means: 429 and 5xx pass, 401 and the like need a person."""
    if status == 429 or status == 503:
        return OutageError(
            "rate-limit" if status == 429 else "http-503",
            f"{who} asks us to wait (HTTP {status})",
            wait_s(headers, time.time()),
        )
    if status >= 500 or status in (408, 425):
        return OutageError(f"http-{status}", f"{who} has trouble (HTTP {status})")
    return UnusableError(f"http-{status}", f"{who} refuses us (HTTP {status})")


def wait_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """How long the server asks us to wait, at most a day; None if it does not say.

    `Retry-After` (RFC 9110, seconds or a date), else `x-rate-limit-reset` (seconds since the epoch).
    """
    after = headers.get("Retry-After", "").strip()
    if after.isascii() and after.isdecimal() and len(after) < 10:
        return min(float(after), _LONGEST_S)
    if after:
        try:
            return min(max(0.0, parsedate_to_datetime(after).timestamp() - now_s), _LONGEST_S)
        except (ValueError, OverflowError):
            pass
    reset = headers.get("x-rate-limit-reset", "").strip()
    if reset.isascii() and reset.isdecimal() and len(reset) < 13:
        return min(max(0.0, float(reset) - now_s), _LONGEST_S)
    return None
