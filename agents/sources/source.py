"""What a source is: it brings payloads, and says what is in them. The rest is `agents.intake`'s.

Law of this file: the contract and its errors. A source keeps no record of what was delivered: it hands out
each payload with the cursor from which to go on after it, and begins again from the cursors it is given. What
lies between a cursor and the crash comes twice, and counts once.

    SourceError             what a platform did; told by one word (`reason`), which the metrics show
    ├── OutageError         it may be well again: the supervisor waits, and begins anew
    └── UnusableError            it will not get better by waiting: this source ends, the others go on
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from typing import Any, NamedTuple

from streams.post import Found

__all__ = ["Arrival", "Context", "Cursor", "OutageError", "Receipt", "Source", "SourceError", "UnusableError"]

#: Where to go on: anything that JSON holds. Never changed once it was handed out.
Cursor = Any


class Receipt(NamedTuple):
    """What became of a payload, once the broker has all of it. Counts of items; `refused` by reason."""

    taken: int
    ignored: int
    refused: Mapping[str, int]


class Arrival(NamedTuple):
    """One payload as it came.

    `payload` None: nothing but a new cursor. `place` tells apart what has cursors of its own within a source
    (a feed's address, a server and stream). `cursor` None: none with this payload. `at_ms`: when the platform
    gave it out, or when it came. `receipt` is for those who must answer: set once all is acknowledged, or
    given the exception if it never will be.
    """

    payload: bytes | None
    at_ms: int
    place: str = ""
    cursor: Cursor = None
    receipt: asyncio.Future[Receipt] | None = None


class Context(NamedTuple):
    """What a source may know of the rest: its name in the settings, and the brands' accounts on its platform.

    `accounts` are ids and handles in lower case, without platform and @. `agent` is how we introduce
    ourselves to a server. `wants` answers whether a text names a brand: worth another request, where one
    costs.
    """

    name: str
    accounts: frozenset[str] = frozenset()
    agent: str = "flashover"
    wants: Callable[[str], bool] = lambda _: True


class Source(ABC):
    """One configured source. Made by `agents.sources.kinds`."""

    @abstractmethod
    def parse(self, arrival: Arrival) -> Iterable[Found]:
        """What is in a payload. Pure: no I/O, no clock (`arrival.at_ms` is). Raises nothing, ever."""

    @abstractmethod
    def arrivals(self, since: Mapping[str, Cursor]) -> AsyncGenerator[Arrival, None]:
        """Connect, go on from the cursors (by place; none at the very first), and hand out what comes.

        An end without an error is the end of the source: there is nothing left to read. Raises SourceError.
        An asynchronous generator: what it holds open is closed in its `finally`.
        """

    def budgets(self) -> Mapping[str, float]:
        """What is left of what the platform sells or rations, by a word for it; read at any time."""
        return {}

    def turned_away(self) -> Mapping[str, int]:
        """Requests to us that were not let in so far, by a word for why: they are nobody's payloads."""
        return {}


class SourceError(Exception):
    """What a platform did; `str()` is a sentence without secrets, `reason` one word out of few."""

    def __init__(self, reason: str, sentence: str) -> None:
        self.reason = reason
        super().__init__(sentence)


class OutageError(SourceError):
    """The connection broke, or a request failed; `after_s`: not to try again earlier, None: as usual."""

    def __init__(self, reason: str, sentence: str, after_s: float | None = None) -> None:
        self.after_s = after_s
        super().__init__(reason, sentence)


class UnusableError(SourceError):
    """A person must do something: a wrong token, a missing library, an exhausted budget."""
