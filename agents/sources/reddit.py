"""New comments and submissions of subreddits, by Reddit's Data API.

Law of this file: asyncpraw (extra `reddit`) logs in and keeps to Reddit's rate limit; what is read are
listings as Reddit gives them. What is gone there is looked for, because Reddit's terms ask that it goes here,
too. The root is the submission. Reddit lets in nobody whom it has not approved (Responsible Builder Policy).
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

import asyncpraw
import msgspec
from asyncprawcore import exceptions as trouble

from agents.secret import clear
from agents.source_settings import Reddit as Settings
from agents.sources.asking import refusal
from agents.sources.fields import JSON_TROUBLE, refused
from agents.sources.recheck import StillThere
from agents.sources.source import Arrival, Context, Cursor, OutageError, Source
from streams.mention import Reactions
from streams.post import Deleted, Found, Ignored, Post
from streams.thread import QUIET_MS

__all__ = ["Reddit", "parse"]

_PAGE: Final = 100  # things in one listing, Reddit's most
_PAGES: Final = 10  # Reddit's listings end after 1,000
_SEEN: Final = 5_000  # things whose last look is remembered
_OVERLAP_S: Final = 600.0  # things may show up later than they were written
_FIRST_S: Final = 3_600.0  # how far a first look goes back
_RECHECKED: Final = 2_000  # things of which it is asked whether they are still there
_LATEST: Final[dict[str, str | int]] = {"limit": _PAGE, "raw_json": 1}  # raw: no HTML entities
_GONE: Final = frozenset({"[deleted]", "[removed]"})
_WRONG: Final = (*JSON_TROUBLE, ValueError, OverflowError)


class _Data(msgspec.Struct, frozen=True, gc=False):
    """A comment (t1) or a submission (t3)."""

    name: str
    created_utc: float
    author: str | None = None
    author_fullname: str = ""
    body: str = ""
    title: str = ""
    selftext: str = ""
    url: str = ""
    permalink: str = ""
    link_id: str = ""
    parent_id: str = ""
    link_author: str = ""
    removed_by_category: str | None = None
    edited: float | bool = False
    ups: int = 0
    num_comments: int = 0
    num_crossposts: int = 0


class _Thing(msgspec.Struct, frozen=True, gc=False):
    kind: str
    data: _Data


class _Children(msgspec.Struct, frozen=True, gc=False):
    children: list[msgspec.Raw]
    after: str | None = None


class _Listing(msgspec.Struct, frozen=True, gc=False):
    data: _Children


_as_listing = msgspec.json.Decoder(_Listing).decode
_as_thing = msgspec.json.Decoder(_Thing).decode


def parse(payload: bytes, at_ms: int) -> list[Found]:
    """The things of one listing."""
    try:
        children = _as_listing(payload).data.children
    except _WRONG as error:
        return [refused(error)]
    found: list[Found] = []
    for raw in children:
        try:
            found.append(_found(_as_thing(raw), at_ms))
        except _WRONG as error:
            found.append(refused(error, bytes(raw)))
    return found or [Ignored("nothing")]


def _found(thing: _Thing, at_ms: int) -> Found:
    data = thing.data
    if thing.kind not in ("t1", "t3"):
        return Ignored("other-kind")
    id = f"reddit:{data.name}"
    if _is_gone(data):
        return Deleted("reddit", id, at_ms)
    comment = thing.kind == "t1"
    if comment and not (data.link_id and data.parent_id):
        raise ValueError("a comment without link_id and parent_id")
    created_ms = int(data.created_utc * 1000)
    edited_ms = int(data.edited * 1000) if data.edited and not isinstance(data.edited, bool) else 0
    if max(created_ms, edited_ms) < at_ms - QUIET_MS:
        return Ignored("old")  # its thread is over; a first look at a quiet place finds such
    author = data.author or ""
    # Accounts are compared by name in listings; the id is not in all of them.
    link = () if comment or not data.url or (data.permalink and data.permalink in data.url) else (data.url,)
    return Post(
        platform="reddit",
        id=id,
        root_id=f"reddit:{data.link_id}" if comment else id,
        root_author=data.link_author if comment else author,
        created_ms=created_ms,
        author_id=author,
        handle=author,
        kind="reply" if comment else "post",
        parent_id=f"reddit:{data.parent_id}" if comment else "",
        text=data.body if comment else f"{data.title}\n\n{data.selftext}".strip(),
        url=f"https://www.reddit.com{data.permalink}" if data.permalink.startswith("/") else "",
        links=link,
        reactions=None
        if comment
        else Reactions(max(0, data.ups), data.num_crossposts, max(0, data.num_comments), 0),
        edited_ms=edited_ms,
    )


def _is_gone(data: _Data) -> bool:
    return (
        data.author in (None, "", "[deleted]")
        or data.body in _GONE
        or data.selftext in _GONE
        or (data.removed_by_category is not None)
    )


class Reddit(Source):
    """The configured subreddits, in rounds of two listings; and once a minute whether all is still there."""

    def __init__(
        self,
        settings: Settings,
        context: Context,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        recheck_s: float = 60.0,
    ) -> None:
        self._settings, self._context, self._now_ms, self._recheck_s = settings, context, now_ms, recheck_s
        self._told: OrderedDict[str, float | bool] = OrderedDict()  # `edited` of what was handed out
        self._there = StillThere(_RECHECKED, int(settings.recheck_h * 3_600_000))
        self._left: float | None = None

    def parse(self, arrival: Arrival) -> Iterable[Found]:
        """One listing."""
        return parse(arrival.payload or b"", arrival.at_ms)

    def budgets(self) -> Mapping[str, float]:
        """Requests that Reddit still lets us make in its window of ten minutes."""
        return {} if self._left is None else {"requests": self._left}

    async def arrivals(self, since: Mapping[str, Cursor]) -> AsyncGenerator[Arrival, None]:
        """Each listing back to what is known; cursors are seconds since the epoch of the latest thing."""
        reached: dict[str, float] = {
            place: float(at) for place, at in since.items() if isinstance(at, int | float)
        }
        async with self._logged_in() as reddit:
            rechecked_s = self._now_ms() / 1000
            while True:
                for place in ("comments", "new"):
                    until_s = reached.get(place, self._now_ms() / 1000 - _FIRST_S + _OVERLAP_S) - _OVERLAP_S
                    async with aclosing(self._since(reddit, place, until_s)) as pages:
                        async for body, newest_s in pages:
                            reached[place] = max(reached.get(place, 0.0), newest_s)
                            yield Arrival(body, self._now_ms(), place)
                    if place in reached:
                        yield Arrival(None, self._now_ms(), place, reached[place])
                if self._now_ms() / 1000 - rechecked_s >= self._recheck_s:
                    rechecked_s = self._now_ms() / 1000
                    async with aclosing(self._gone(reddit)) as gone:
                        async for body in gone:
                            yield Arrival(body, self._now_ms(), "gone")
                await asyncio.sleep(self._settings.poll_interval_s)

    async def _since(
        self, reddit: asyncpraw.Reddit, place: str, until_s: float
    ) -> AsyncGenerator[tuple[bytes, float], None]:
        """Pages of what is new or was edited, the newest first, and the time of the newest."""
        path = f"r/{'+'.join(self._settings.subreddits)}/{place}"
        after: str | None = None
        for _ in range(_PAGES):
            listing = await self._get(reddit, path, _LATEST | ({"after": after} if after else {}))
            fresh, newest_s, oldest_s = self._fresh(listing)
            if fresh is not None:
                yield fresh, newest_s
            after = _after(listing)
            if after is None or oldest_s <= until_s:
                return

    def _fresh(self, body: bytes) -> tuple[bytes | None, float, float]:
        """The listing without what was handed out before; the times of its newest and oldest thing."""
        try:
            children = _as_listing(body).data.children
        except _WRONG:
            return body, 0.0, 0.0
        fresh, times = [], []
        for raw in children:
            try:
                data = _as_thing(raw).data
            except _WRONG:
                fresh.append(raw)
                continue
            times.append(data.created_utc)
            if self._told.get(data.name) != data.edited or data.name not in self._told:
                fresh.append(raw)
            self._told[data.name] = data.edited
            self._told.move_to_end(data.name)
            if not _is_gone(data):
                self._there.note(data.name, int(data.created_utc * 1000))
        while len(self._told) > _SEEN:
            self._told.popitem(last=False)
        packed = msgspec.json.encode({"data": {"children": fresh}}) if fresh else None
        return packed, max(times, default=0.0), min(times, default=0.0)

    async def _gone(self, reddit: asyncpraw.Reddit) -> AsyncGenerator[bytes, None]:
        """What is no longer there, of what was told; a hundred in each request."""
        for asked in self._there.batches(self._now_ms(), _PAGE):
            body = await self._get(reddit, "api/info", {"id": ",".join(asked), "raw_json": 1})
            try:
                things = [(raw, _as_thing(raw).data) for raw in _as_listing(body).data.children]
            except _WRONG:
                yield body  # `parse` refuses what it can't read
                continue
            gone = set(self._there.gone(data.name for _, data in things if _is_gone(data)))
            if gone:
                children = [raw for raw, data in things if data.name in gone]
                yield msgspec.json.encode({"data": {"children": children}})

    @asynccontextmanager
    async def _logged_in(self) -> AsyncIterator[asyncpraw.Reddit]:
        reddit = asyncpraw.Reddit(
            client_id=clear(self._settings.client_id),
            client_secret=clear(self._settings.client_secret),
            user_agent=self._settings.user_agent,
            oauth_url=self._settings.server,
            reddit_url=self._settings.login_server,
            check_for_updates=False,
            timeout=30,
        )
        try:
            yield reddit
        finally:
            await reddit.close()

    async def _get(self, reddit: asyncpraw.Reddit, path: str, params: dict[str, str | int]) -> bytes:
        try:
            told: Any = await reddit.request(method="GET", path=path, params=params)
        except trouble.ResponseException as error:
            raise refusal("Reddit", error.response.status, error.response.headers) from None
        except trouble.OAuthException:
            raise refusal("Reddit", 401, {}) from None
        except (trouble.RequestException, OSError, TimeoutError):
            raise OutageError("connect", "Reddit can't be reached") from None
        except trouble.AsyncPrawcoreException as error:
            raise OutageError("reddit", f"Reddit did not answer ({type(error).__name__})") from None
        self._left = _left(reddit)
        return msgspec.json.encode(told)


def _left(reddit: asyncpraw.Reddit) -> float | None:
    remaining = reddit.auth.limits.get("remaining")
    return float(remaining) if remaining is not None else None


def _after(body: bytes) -> str | None:
    try:
        return _as_listing(body).data.after
    except _WRONG:
        return None
