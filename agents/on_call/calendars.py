"""Calendars of rotations: fetched within bounds, and read by a process that can be ended.

Law of this file: no calendar can hold up or grow this process, whatever is in it, and no address of one is
shown: who knows it can read it. What can't be had or read raises CalendarError, a sentence for people.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from agents.errors import FlashoverError
from agents.on_call.calendar_reader import Asked, Read
from agents.terminal import safe

__all__ = ["MOST_BYTES", "CalendarError", "expanded", "fetched", "file_content"]

MOST_BYTES: Final = 2 * 1024 * 1024
_FETCH_S: Final = 10.0
_READ_S: Final = 15.0
_REDIRECTS: Final = 3


class CalendarError(FlashoverError):
    """A calendar can't be had, or can't be read."""


def file_content(path: Path) -> bytes:
    """A calendar's file, at most 2 MiB. Raises CalendarError."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise CalendarError(f"{safe(str(path))} can't be read ({error.strerror})") from None
    return _bounded(content)


async def fetched(url: str) -> bytes:
    """What an address (https, http, webcal) answers with, at most 2 MiB within 10 s. Raises CalendarError."""
    scheme, _, rest = url.partition("://")
    url = f"https://{rest}" if scheme.lower() == "webcal" else url
    try:
        timeout = aiohttp.ClientTimeout(total=_FETCH_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, max_redirects=_REDIRECTS) as answer,
        ):
            if answer.status != 200:
                raise CalendarError(f"its server answers {answer.status}")
            content = bytearray()
            async for piece in answer.content.iter_chunked(64 * 1024):
                content += piece
                _bounded(content)
    except TimeoutError:
        raise CalendarError(f"its server does not answer within {_FETCH_S:g} s") from None
    except (aiohttp.ClientError, ValueError, OSError) as error:  # their texts quote the address
        raise CalendarError(f"its server can't be asked ({type(error).__name__})") from None
    return bytes(content)


def expanded(content: bytes, start_ms: int, end_ms: int, zone: str, names: Mapping[str, str]) -> Read:
    """The shifts in a calendar that touch [start, end); see `calendar_reader`. Raises CalendarError.

    Blocks for 15 s at most.
    """
    asked = msgspec.json.encode(Asked(content, start_ms, end_ms, zone, names))
    command = [sys.executable, "-P", "-m", "agents.on_call.calendar_reader"]
    try:
        done = subprocess.run(  # noqa: S603 — our own module, nothing of the calendar's in the command
            command, input=asked, capture_output=True, timeout=_READ_S, check=False, env={}
        )
    except subprocess.TimeoutExpired:
        raise CalendarError(f"it can't be read within {_READ_S:g} s: it repeats too often") from None
    except OSError as error:
        raise CalendarError(f"no process to read it can be started ({error.strerror})") from None
    if done.returncode < 0:
        raise CalendarError("it takes more time or memory to read than it may: it repeats too often")
    if done.returncode:
        why = safe(done.stderr.decode("utf-8", "replace"), 200)
        raise CalendarError(why or "it is no calendar that can be read")
    return msgspec.json.decode(done.stdout, type=Read)


def _bounded(content: bytes | bytearray) -> bytes:
    if len(content) > MOST_BYTES:
        raise CalendarError(f"it has more than {MOST_BYTES // 1024 // 1024} MiB")
    return bytes(content)
