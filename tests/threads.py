"""Threads as tests need them: made at one stroke, copied, changed.

A `Thread` is a native class where it is compiled, and `copy` and `replace` know nothing of those.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from streams.thread import Thread

__all__ = ["changed", "thread_of"]


def thread_of(
    brand: str, platform: str, born_ms: int, started_ms: int, last_ms: int, **fields: Any
) -> Thread:
    """A new thread with `fields`."""
    return _with(Thread(brand, platform, born_ms, started_ms, last_ms), fields)


def changed(thread: Thread, **fields: Any) -> Thread:
    """A copy that shares nothing, with other `fields`."""
    return _with(Thread.restored(deepcopy(thread.state())), fields)


def _with(thread: Thread, fields: dict[str, Any]) -> Thread:
    for name, value in fields.items():
        setattr(thread, name, value)
    return thread
