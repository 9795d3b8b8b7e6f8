"""HTTP, as several sources speak it: who we are, how long we wait, and what an answer means for a source.

Law of this file: aiohttp's errors become ours here and nowhere else. No address with its query, no header and
no body is ever part of a sentence: tokens live there.
"""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import aiohttp

from agents.sources.source import OutageError, UnusableError

__all__ = ["CONNECT_S", "checked", "retry_after_s", "session", "translated"]

CONNECT_S: Final = 20.0
_ANSWER_S: Final = 60.0
_AFTER_AT_MOST_S: Final = 3600.0  # a server that asks for more is asked again after an hour


def session(agent: str, *, total_s: float | None = _ANSWER_S) -> aiohttp.ClientSession:
    """A session that says who we are, obeys the proxy of the environment, and does not wait for ever.

    `total_s` None is for streams, which must look after silence themselves.
    """
    timeout = aiohttp.ClientTimeout(total=total_s, connect=CONNECT_S)
    return aiohttp.ClientSession(headers={"User-Agent": agent}, timeout=timeout, trust_env=True)


@contextmanager
def translated(server: str) -> Iterator[None]:
    """Turn what aiohttp raises into OutageError; `server` is a name that may be shown."""
    try:
        yield
    except aiohttp.WSServerHandshakeError as error:
        if error.status in (401, 403):
            unusable = _unauthorised(server, error.status)
            raise unusable from None
        reason, said = f"http-{error.status}", f"{server} answers {error.status}"
    except (TimeoutError, aiohttp.ServerTimeoutError):
        reason, said = "timeout", f"{server} does not answer"
    except aiohttp.ClientConnectorError as error:
        reason, said = "connect", f"{server} can't be reached ({error.os_error.strerror or 'no route'})"
    except (aiohttp.ClientError, ConnectionError, asyncio.IncompleteReadError) as error:
        reason, said = "broken", f"the connection to {server} broke ({type(error).__name__})"
    else:
        return
    raise OutageError(reason, said) from None  # an error of aiohttp may hold an address and its query


def checked(response: aiohttp.ClientResponse, server: str, now_s: float | None = None) -> None:
    """Return for a status below 400. Raises UnusableError for 401 and 403, OutageError for all others.

    `now_s` is the wall clock, for a Retry-After that is a date.
    """
    status = response.status
    if status < 400:
        return
    if status in (401, 403):
        raise _unauthorised(server, status)
    after_s = retry_after_s(response.headers.get("Retry-After"), time.time() if now_s is None else now_s)
    raise OutageError(f"http-{status}", f"{server} answers {status}", after_s)


def _unauthorised(server: str, status: int) -> UnusableError:
    return UnusableError(
        "unauthorised", f"{server} answers {status}: the token is missing, wrong, or lacks a right"
    )


def retry_after_s(header: str | None, now_s: float) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3), at most an hour; None without one."""
    if not header:
        return None
    text = header.strip()
    if text.isascii() and text.isdecimal():
        after_s = float(text[:9])
    else:
        try:
            after_s = email.utils.parsedate_to_datetime(text).timestamp() - now_s
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(after_s, 0.0), _AFTER_AT_MOST_S)
