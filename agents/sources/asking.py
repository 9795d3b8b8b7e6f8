"""Asking a platform over HTTP: one request, and what each answer means for whoever asked.

Law of this file: that of `agents.sources.http`, for whole answers. One that is too long is not read to its
end; what a refusal means is decided here, unless the platform's own words for it are known better.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import aiohttp

from agents.sources.http import retry_after_s, translated
from agents.sources.source import OutageError, UnusableError

__all__ = ["Answered", "ask", "refusal", "wait_s"]

_PATIENCE_S: Final = 30.0
_LIMIT: Final = 16 * 1024 * 1024  # bytes of an answer
_LONGEST_S: Final = 3600.0  # what a server may make us wait


class Answered(NamedTuple):
    """A good answer: 2xx with its body, or 304 without."""

    status: int
    headers: Mapping[str, str]
    body: bytes


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

    `who` is a name that may be shown. `explain` may know better what a status and its body mean.
    """
    with translated(who):
        async with (
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
    if status == 429:
        return OutageError("rate-limit", f"{who} asks us to wait", wait_s(headers, time.time()))
    if status >= 500 or status in (408, 425):
        return OutageError(f"http-{status}", f"{who} answers {status}", wait_s(headers, time.time()))
    if status in (401, 403):
        return UnusableError(
            "unauthorised", f"{who} answers {status}: the key is missing, wrong, or lacks a right"
        )
    return UnusableError(f"http-{status}", f"{who} answers {status}")


def wait_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """How long the server asks us to wait, at most an hour; None if it does not say.

    `Retry-After`, else `x-rate-limit-reset` (seconds since the epoch).
    """
    after_s = retry_after_s(headers.get("Retry-After"), now_s)
    if after_s is not None:
        return after_s
    reset = headers.get("x-rate-limit-reset", "").strip()
    if reset.isascii() and reset.isdecimal() and len(reset) < 13:
        return min(max(0.0, float(reset) - now_s), _LONGEST_S)
    return None
