"""What happens to what a source brings, and how it becomes durable.

Law of this file: that of `agents.follower`, the other way round. A cursor is written only when the broker has
everything that came before it: mentions and rejects first, then cursors, then receipts. A crash between any
two steps means payloads read again, with the same ids, which count once. Nothing a platform sends stops
anything: what can't be read goes to `rejects` with its raw bytes, the reason, and where it came from.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import msgspec

from agents.source_metrics import (
    SOURCE_CURSOR,
    SOURCE_IGNORED,
    SOURCE_MENTIONS,
    SOURCE_REJECTS,
    SOURCE_SEEN,
    SOURCE_THREADS,
)
from agents.sources.source import Arrival, Cursor, Receipt, Source
from agents.tallies import Tallies
from streams.followed import Followed, Own, named_in
from streams.matching import Matcher
from streams.mention import Decoder, Reason, Rejected
from streams.post import Addressed, Count, Deleted, Found, Ignored, Post, Ready, Refused, count_address, wire

__all__ = ["FOLLOWS", "SOURCE", "Intake", "Output", "Reader", "cursor_key", "place_of"]

log = logging.getLogger(__name__)

Headers = list[tuple[str, bytes]]

SOURCE: Final = "source"  # header of a mention: which source brought it
FOLLOWS: Final = "follows"  # header: "thread" where all that answers counts, else "post"
_UNACKED_MOST: Final = 20_000  # mentions under way before the next payload is looked at
_DETAIL_LIMIT: Final = 200


class Output(Protocol):
    """Where results go: Kafka in a process, a list in a test. Each answer is done when the broker has it."""

    async def mention(self, key: bytes, value: bytes, headers: Headers) -> Awaitable[Any]:
        """Begin to send one mention."""

    async def reject(self, key: bytes | None, value: bytes | None, headers: Headers) -> Awaitable[Any]:
        """Begin to send one reject."""

    async def cursor(self, key: bytes, value: bytes | None) -> Awaitable[Any]:
        """Begin to write one cursor."""


def cursor_key(name: str, place: str) -> bytes:
    """The key of a cursor: the source's name, and the place within it."""
    return f"{name} {place}".encode("utf-8", "surrogatepass")


def place_of(key: bytes) -> tuple[str, str]:
    """Source and place back."""
    name, _, place = key.decode("utf-8", "replace").partition(" ")
    return name, place


class Sent(msgspec.Struct, frozen=True, gc=False):
    """One record that follows from a payload."""

    kind: str  # "mention", "reject"
    key: bytes | None
    value: bytes | None
    headers: Headers
    to: Addressed | None = None


class Reader:
    """From payloads to records: all that is decided, and no I/O. One per source, live and in `source try`."""

    def __init__(
        self,
        name: str,
        source: Source,
        matcher: Matcher,
        own: Own,
        decoder: Decoder,
        followed: Followed,
        detect: Callable[[str], str | None] | None = None,
    ) -> None:
        self.name = name
        self.source = source
        self.followed = followed
        self._matcher, self._own, self._detect = matcher, own, detect
        self._decode = decoder.decode
        self._source_header = (SOURCE, name.encode())

    def read(self, arrival: Arrival, now_ms: int) -> tuple[list[Sent], Counter[str]]:
        """The records of a payload, in order, and how many of its items were ignored, by why.

        `now_ms` is for nothing but refusing what lies in the future.
        """
        records: list[Sent] = []
        ignored: Counter[str] = Counter()
        if arrival.payload is None:
            return records, ignored
        try:
            self._read(arrival, arrival.payload, now_ms, records, ignored)
        except Exception as error:
            # A bug of ours. To end, and to meet the same payload again, would make the source deaf for ever.
            log.exception("source %s: a payload can't be read", self.name)
            rejected = Rejected(Reason.BAD_FIELD, f"a bug in reading it: {type(error).__name__}")
            records.append(self._reject(rejected, None, arrival.payload, arrival))
        return records, ignored

    def _read(
        self, arrival: Arrival, payload: bytes, now_ms: int, records: list[Sent], ignored: Counter[str]
    ) -> None:
        for found in self.source.parse(arrival):
            match found:
                case Ignored():
                    ignored[found.why] += 1
                case Refused():
                    raw = payload if found.raw is None else found.raw
                    records.append(self._reject(Rejected(found.reason, found.detail), None, raw, arrival))
                case _:
                    sent = self._mentions(found, arrival, now_ms)
                    if sent is None:
                        ignored["no-brand"] += 1
                    else:
                        records += sent

    def _mentions(self, found: Found, arrival: Arrival, now_ms: int) -> list[Sent] | None:
        """None if it is about no brand."""
        match found:
            case Post():
                named = named_in(found, self._matcher, self._own, self._detect)
                addressed = self.followed.address(found, named)
            case Deleted():
                addressed = self.followed.deletions(found)
            case Count():
                addressed = [count_address(found)]
            case Ready():
                return [self._checked(found.value, None, arrival, now_ms)]
            case _:
                return None
        if not addressed:
            return None
        return [self._checked(wire(found, to), to, arrival, now_ms) for to in addressed]

    def _checked(self, value: bytes, to: Addressed | None, arrival: Arrival, now_ms: int) -> Sent:
        mention = self._decode(value, now_ms)
        if isinstance(mention, Rejected):
            key = to.thread_id.encode("utf-8", "surrogatepass") if to is not None else None
            return self._reject(mention, key, value, arrival)
        follows = b"thread" if to is not None and self.followed.is_whole(to) else b"post"
        headers = [self._source_header, (FOLLOWS, follows)]
        return Sent("mention", mention.thread_id.encode(), value, headers, to)

    def _reject(self, rejected: Rejected, key: bytes | None, raw: bytes, arrival: Arrival) -> Sent:
        origin = f"source:{self.name}" + (f" {arrival.place}" if arrival.place else "")
        return Sent(
            "reject",
            key,
            raw,
            [
                ("reason", rejected.reason.value.encode()),
                ("detail", rejected.detail[:_DETAIL_LIMIT].encode("utf-8", "replace")),
                ("topic", origin.encode("utf-8", "replace")),
            ],
        )


class Intake:
    """Takes what one source brings. `take` and `flush` may run at the same time; two of `take` may not."""

    def __init__(self, reader: Reader, output: Output, tallies: Tallies, now_ms: Callable[[], int]) -> None:
        self.reader = reader
        self._output = output
        self._tallies = tallies
        self._now_ms = now_ms
        self._sends: list[asyncio.Future[Any]] = []
        self._cursors: dict[str, Cursor] = {}
        self._receipts: list[tuple[asyncio.Future[Receipt], Receipt]] = []
        self._seen_ms = 0
        self._flushing = asyncio.Lock()
        self.due = asyncio.Event()  # somebody waits for a receipt
        self.cursors: dict[str, Cursor] = {}  # that are durable, by place
        self.stored_ms = 0  # `at_ms` of the latest payload that is durable
        tallies.begin(SOURCE_MENTIONS, reader.name)
        for reason in Reason:
            tallies.begin(SOURCE_REJECTS, reader.name, reason.value)

    async def take(self, arrival: Arrival) -> None:
        """Send all that follows from a payload; `flush` makes it durable."""
        name, tallies = self.reader.name, self._tallies
        try:
            records, ignored = self.reader.read(arrival, self._now_ms())
            refused: Counter[str] = Counter()
            for one in records:
                if one.kind == "mention":
                    sent = await self._output.mention(one.key or b"", one.value or b"", one.headers)
                else:
                    sent = await self._output.reject(one.key, one.value, one.headers)
                self._sends.append(asyncio.ensure_future(sent))
                if one.kind == "reject":
                    refused[one.headers[0][1].decode()] += 1
        except BaseException as error:
            _fail(arrival.receipt, error)
            raise
        taken = len(records) - refused.total()
        if taken:
            tallies.count(SOURCE_MENTIONS, name, by=taken)
        for reason, count in refused.items():
            tallies.count(SOURCE_REJECTS, name, reason, by=count)
        for why, count in ignored.items():
            tallies.count(SOURCE_IGNORED, name, why, by=count)
        self._seen_ms = max(self._seen_ms, arrival.at_ms)
        if arrival.cursor is not None:
            self._cursors[arrival.place] = arrival.cursor
        if arrival.receipt is not None:
            self._receipts.append((arrival.receipt, Receipt(taken, ignored.total(), dict(refused))))
            self.due.set()
        if len(self._sends) > _UNACKED_MOST:
            await self.flush()

    async def flush(self) -> None:
        """Wait until the broker has what was taken so far, then write the cursors, then give the receipts.

        What it raises is the broker's refusal: then no cursor was written, and the process must end. Broken
        off, it owes the next flush what it was about: no cursor gets past a mention that nobody waited for.
        """
        async with self._flushing:
            sends, self._sends = self._sends, []
            cursors, self._cursors = self._cursors, {}
            receipts, self._receipts = self._receipts, []
            seen_ms = self._seen_ms
            self.due.clear()
            try:
                await _all(sends)
                written: list[asyncio.Future[Any]] = []
                for place, cursor in cursors.items():
                    key, value = cursor_key(self.reader.name, place), msgspec.json.encode(cursor)
                    written.append(asyncio.ensure_future(await self._output.cursor(key, value)))
                await _all(written)
            except BaseException as error:
                self._sends = [*sends, *self._sends]
                self._cursors = {**cursors, **self._cursors}
                for receipt, _ in receipts:
                    _fail(receipt, error)
                raise
            self.cursors.update(cursors)
            self.stored_ms = max(self.stored_ms, seen_ms)
            for receipt, answer in receipts:
                if not receipt.done():
                    receipt.set_result(answer)
        self.tell()

    def tell(self) -> None:
        """Bring the gauges up to date."""
        name, tallies = self.reader.name, self._tallies
        if self.stored_ms:
            tallies.set(SOURCE_SEEN, self.stored_ms / 1000, name)
            tallies.set(SOURCE_CURSOR, max(0.0, (self._now_ms() - self.stored_ms) / 1000), name)
        tallies.set(SOURCE_THREADS, len(self.reader.followed), name)


async def _all(sends: list[asyncio.Future[Any]]) -> None:
    """Wait for all, and raise what the first one raises. Whoever stops waiting cancels none of them."""
    if sends:
        await asyncio.wait(sends)
    for one in sends:
        one.result()


def _fail(receipt: asyncio.Future[Receipt] | None, error: BaseException) -> None:
    if receipt is not None and not receipt.done():
        receipt.set_exception(error if isinstance(error, Exception) else RuntimeError("the intake ends"))
        receipt.exception()  # looked at: who gave it may have gone
