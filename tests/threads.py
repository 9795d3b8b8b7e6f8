"""Threads as tests need them: made at one stroke, copied, changed.

A `Thread` is a native class where it is compiled, and `copy` and `replace` know nothing of those.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from streams.buckets import Buckets
from streams.thread import Thread

__all__ = ["buckets_of", "changed", "thread_of"]


def thread_of(
    brand: str, platform: str, born_ms: int, started_ms: int, last_ms: int, **fields: Any
) -> Thread:
    """A new thread with `fields`."""
    return _with(Thread(brand, platform, born_ms, started_ms, last_ms), fields)


def buckets_of(counts: Mapping[int, int]) -> Buckets:
    """`counts` by number, packed."""
    return b"".join((n + 2**31).to_bytes(4, "big") + counts[n].to_bytes(4, "big") for n in sorted(counts))


def changed(thread: Thread, **fields: Any) -> Thread:
    """A copy that shares nothing, with other `fields`."""
    return _with(Thread.restored(deepcopy(thread.state())), fields)


def _with(thread: Thread, fields: dict[str, Any]) -> Thread:
    for name, value in fields.items():
        setattr(thread, name, value)
    return thread
