"""Comments under YouTube videos and channels, by the Data API v3.

Law of this file: one unit of quota for each request, taken off before it goes out; what is left decides how
often is asked. Shapes are those of the reference of `commentThreads` and `comments`. The root is the video:
it is what the comments answer, and what an answer to a comment is about in the end.

Plain HTTP with aiohttp, not google-api-python-client: two GET requests with a key need no discovery
documents, and its transport (httplib2) would block the loop that all sources of a process share.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from typing import Final

import aiohttp
import msgspec

from agents.secret import clear
from agents.source_settings import YouTube as Settings
from agents.sources.asking import Answered, ask
from agents.sources.budget import PLACE, Budget
from agents.sources.fields import JSON_TROUBLE, moment_ms, refused
from agents.sources.recheck import StillThere
from agents.sources.source import Arrival, Context, Cursor, OutageError, Source, UnusableError
from streams.post import Deleted, Found, Ignored, Post
from streams.thread import QUIET_MS

__all__ = ["YouTube", "parse"]

_THREADS: Final = "/youtube/v3/commentThreads"
_COMMENTS: Final = "/youtube/v3/comments"
_PACIFIC: Final = "America/Los_Angeles"  # the quota begins anew at midnight there
_THREADS_KNOWN: Final = 20_000  # how many answers each has; what is forgotten is read again, and counts once
_REPLY_PAGES: Final = 5  # of 100 answers to one comment in one round
_RECHECKED: Final = 250  # comments of which it is asked whether they are still there
_IDS: Final = 50  # in one such question
_GONE_PLACE: Final = "gone"
_GONE: Final = frozenset({"commentsDisabled", "videoNotFound", "channelNotFound", "forbidden"})
_SPENT: Final = frozenset({"quotaExceeded", "dailyLimitExceeded"})
_SLOWER: Final = frozenset({"rateLimitExceeded", "userRateLimitExceeded"})


class _Channel(msgspec.Struct, frozen=True, gc=False):
    value: str = ""


class _Snippet(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    published_at: str
    text_original: str | None = None
    text_display: str = ""
    author_display_name: str = ""
    author_channel_id: _Channel | None = None
    channel_id: str = ""
    video_id: str = ""
    parent_id: str = ""
    updated_at: str = ""
    like_count: int = 0


class _Comment(msgspec.Struct, frozen=True, gc=False):
    id: str
    snippet: _Snippet


class _ThreadSnippet(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    top_level_comment: msgspec.Raw
    video_id: str = ""
    channel_id: str = ""
    total_reply_count: int = 0


class _Replies(msgspec.Struct, frozen=True, gc=False):
    comments: list[msgspec.Raw] = []


class _Thread(msgspec.Struct, frozen=True, gc=False):
    id: str
    snippet: _ThreadSnippet
    replies: _Replies = _Replies()


class _Kind(msgspec.Struct, frozen=True, gc=False):
    """Which of the two an item is; a thread has a comment in it."""

    kind: str = ""


class _Named(msgspec.Struct, frozen=True, gc=False):
    id: str


class _Missing(msgspec.Struct, frozen=True, gc=False):
    """Ids of comments that are gone; our own form."""

    gone: list[str]


class _List(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    items: list[msgspec.Raw]
    next_page_token: str = ""


_as_list = msgspec.json.Decoder(_List).decode
_as_thread = msgspec.json.Decoder(_Thread).decode
_as_comment = msgspec.json.Decoder(_Comment).decode
_kind_of = msgspec.json.Decoder(_Kind).decode
_WRONG: Final = (*JSON_TROUBLE, ValueError)


def parse(payload: bytes, brands: Mapping[str, str], video_id: str = "", channel_id: str = "") -> list[Found]:
    """The comments of one answer of `commentThreads.list` or `comments.list`.

    `brands` are those of videos and channels, by id. A list of answers does not say whose video they are
    about: `video_id` and `channel_id` do.
    """
    try:
        listed = _as_list(payload)
    except _WRONG as error:
        return [refused(error)]
    return [found for raw in listed.items for found in _item(raw, brands, video_id, channel_id)] or [
        Ignored("nothing")
    ]


def _deleted(payload: bytes, at_ms: int) -> list[Found]:
    try:
        gone = msgspec.json.decode(payload, type=_Missing).gone
    except _WRONG as error:
        return [refused(error)]
    return [Deleted("youtube", f"youtube:{id}", at_ms) for id in gone]


def _item(raw: msgspec.Raw, brands: Mapping[str, str], video_id: str, channel_id: str) -> Iterator[Found]:
    try:
        if _kind_of(raw).kind != "youtube#commentThread":
            yield _post(_as_comment(raw), brands, video_id, channel_id, "")
            return
        thread = _as_thread(raw)
    except _WRONG as error:
        yield refused(error, bytes(raw))
        return
    snippet = thread.snippet
    for one in (snippet.top_level_comment, *thread.replies.comments):
        try:
            yield _post(_as_comment(one), brands, snippet.video_id, snippet.channel_id, thread.id)
        except _WRONG as error:
            yield refused(error, bytes(one))


def _post(
    comment: _Comment, brands: Mapping[str, str], video_id: str, channel_id: str, thread_id: str
) -> Post:
    told = comment.snippet
    video_id, channel_id = told.video_id or video_id, told.channel_id or channel_id
    created_ms = moment_ms(told.published_at)
    edited_ms = moment_ms(told.updated_at) if told.updated_at else 0
    root_id = f"youtube:{video_id or thread_id or told.parent_id or comment.id}"
    author = told.author_channel_id.value if told.author_channel_id is not None else ""
    text = told.text_original if told.text_original is not None else told.text_display
    brand = brands.get(video_id) or brands.get(channel_id)
    id = f"youtube:{comment.id}"
    place = f"https://www.youtube.com/watch?v={video_id}&lc={comment.id}" if video_id else ""
    return Post(
        platform="youtube",
        id=id,
        root_id=root_id,
        root_author=channel_id,
        created_ms=created_ms,
        author_id=author or f"unnamed:{id}",
        handle=told.author_display_name.lstrip("@"),
        kind="post" if root_id == id else "reply",
        parent_id="" if root_id == id else (f"youtube:{told.parent_id}" if told.parent_id else root_id),
        text=text,
        url=place,
        brands=(brand,) if brand else (),
        own=bool(brands.get(author)),
        edited_ms=edited_ms if edited_ms > created_ms else 0,
    )


class YouTube(Source):
    """The configured videos and channels, in rounds; each as often as the quota lasts."""

    def __init__(
        self,
        settings: Settings,
        context: Context,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._settings, self._context, self._now_ms = settings, context, now_ms
        self._brands = {**settings.videos, **settings.channels}
        self._places = [("videoId", one) for one in settings.videos]
        self._places += [("allThreadsRelatedToChannelId", one) for one in settings.channels]
        self._budget = Budget("units", settings.units_per_day, "day", now_ms, _PACIFIC)
        self._answers: OrderedDict[str, int] = OrderedDict()  # of threads, as last told
        self._told: OrderedDict[str, tuple[str, int]] = OrderedDict()  # threads as last handed out
        self._there = StillThere(_RECHECKED, QUIET_MS)
        self._newest: dict[str, int] = {}  # ms of the latest comment, by place

    def parse(self, arrival: Arrival) -> Iterable[Found]:
        """One page of threads or answers, the place says of what; or what is gone."""
        if arrival.place == _GONE_PLACE:
            return _deleted(arrival.payload or b"", arrival.at_ms)
        _, _, under = arrival.place.partition(" ")
        video_id, _, channel_id = under.partition(" ")
        return [
            Ignored("old") if isinstance(one, Post) and _is_old(one, arrival.at_ms) else one
            for one in parse(arrival.payload or b"", self._brands, video_id, channel_id)
        ]

    def budgets(self) -> Mapping[str, float]:
        """Units of quota left today."""
        return {self._budget.name: self._budget.left}

    async def arrivals(self, since: Mapping[str, Cursor]) -> AsyncGenerator[Arrival, None]:
        """Page by page, the newest first, as far back as the latest that is known; then a pause."""
        self._budget.restore(since.get(PLACE))
        self._newest = {place: at for place, at in since.items() if isinstance(at, int)}
        headers = {
            "User-Agent": self._context.agent,
            "X-Goog-Api-Key": clear(self._settings.api_key),
        }
        async with aiohttp.ClientSession(self._settings.server, headers=headers, trust_env=True) as session:
            closed: set[str] = set()
            rechecked_ms = self._now_ms()
            while len(closed) < len(self._places):
                began, spent = self._budget.left, 0
                for filter, id in self._places:
                    if id in closed:
                        continue
                    try:
                        async with aclosing(self._round(session, filter, id)) as found:
                            async for arrival in found:
                                yield arrival
                    except _ClosedError as error:
                        closed.add(id)
                        if len(closed) == len(self._places):
                            raise UnusableError(
                                "closed", f"YouTube: {error}, and nothing else is watched"
                            ) from None
                spent = max(1, began - self._budget.left)
                if 0 < self._settings.recheck_interval_s <= (self._now_ms() - rechecked_ms) / 1000:
                    rechecked_ms = self._now_ms()
                    async with aclosing(self._missing(session)) as missing:
                        async for arrival in missing:
                            yield arrival
                yield Arrival(None, self._now_ms(), PLACE, self._budget.cursor())
                await asyncio.sleep(max(self._settings.poll_interval_s, self._budget.spare_s(spent)))

    async def _round(
        self, session: aiohttp.ClientSession, filter: str, id: str
    ) -> AsyncGenerator[Arrival, None]:
        known_ms = newest_ms = self._newest.get(id, 0)
        token = ""
        for _ in range(self._settings.pages):
            params = {"part": "snippet,replies", filter: id, "order": "time", "maxResults": "100"}
            params |= {"textFormat": "plainText"} | ({"pageToken": token} if token else {})
            page = await self._ask(session, _THREADS, params)
            yield Arrival(self._fresh(page.body, known_ms), self._now_ms(), id)
            threads, token = _threads(page.body)
            for thread, created_ms in threads:
                newest_ms = max(newest_ms, created_ms)
                async with aclosing(self._answers_of(session, thread, id)) as answers:
                    async for arrival in answers:
                        yield arrival
            # Answers come under old comments, too: pages behind the newest are worth their unit.
            if not token:
                break
        self._newest[id] = newest_ms
        yield Arrival(None, self._now_ms(), id, newest_ms)

    async def _missing(self, session: aiohttp.ClientSession) -> AsyncGenerator[Arrival, None]:
        """Comments that two answers running did not hold: YouTube says no more of what is gone."""
        for asked in self._there.batches(self._now_ms(), _IDS):
            page = await self._ask(session, _COMMENTS, {"part": "id", "id": ",".join(asked)})
            try:
                there = [msgspec.json.decode(raw, type=_Named).id for raw in _as_list(page.body).items]
            except _WRONG:
                continue  # an answer that can't be read says nothing of anybody
            if gone := self._there.absent(asked, there):
                yield Arrival(msgspec.json.encode({"gone": gone}), self._now_ms(), _GONE_PLACE)

    def _fresh(self, body: bytes, known_ms: int) -> bytes:
        """The page without the threads that are as they were when they were last handed out.

        After a restart those are the ones up to the cursor that nobody has answered; the others come again.
        """
        try:
            listed = _as_list(body)
        except _WRONG:
            return body
        fresh = []
        for raw in listed.items:
            try:
                thread = _as_thread(raw)
                comment = _as_comment(thread.snippet.top_level_comment)
                self._there.note(comment.id, moment_ms(comment.snippet.published_at))
                known = _is_known(thread, comment, known_ms)
            except _WRONG:
                fresh.append(raw)
                continue
            now = (comment.snippet.updated_at, thread.snippet.total_reply_count)
            before = self._told.get(thread.id)
            self._told[thread.id] = now
            if before != now and (before is not None or not known):
                fresh.append(raw)
            self._told.move_to_end(thread.id)
            if len(self._told) > _THREADS_KNOWN:
                self._told.popitem(last=False)
        return msgspec.json.encode({"items": fresh})

    async def _answers_of(
        self, session: aiohttp.ClientSession, thread: _Thread, place: str
    ) -> AsyncGenerator[Arrival, None]:
        told = thread.snippet.total_reply_count
        known = self._answers.get(thread.id, 0)
        self._answers[thread.id] = told
        self._answers.move_to_end(thread.id)
        if len(self._answers) > _THREADS_KNOWN:
            self._answers.popitem(last=False)
        if told <= max(known, len(thread.replies.comments)):
            return
        token = ""
        for _ in range(_REPLY_PAGES):
            params = {
                "part": "snippet",
                "parentId": thread.id,
                "maxResults": "100",
                "textFormat": "plainText",
            }
            page = await self._ask(session, _COMMENTS, params | ({"pageToken": token} if token else {}))
            yield Arrival(
                page.body, self._now_ms(), f"{place} {thread.snippet.video_id} {thread.snippet.channel_id}"
            )
            try:
                token = _as_list(page.body).next_page_token
            except _WRONG:
                return
            if not token:
                return

    async def _ask(self, session: aiohttp.ClientSession, path: str, params: Mapping[str, str]) -> Answered:
        self._budget.must_have()
        self._budget.spend()
        return await ask(session, "YouTube", path, params=params, explain=self._explain)

    def _explain(self, status: int, body: bytes) -> Exception | None:
        """What an error's reason means; Google says 403 to all kinds of things."""
        reasons = _reasons(body)
        if reasons & _SPENT:
            self._budget.spend(self._budget.left)
            try:
                self._budget.must_have()
            except OutageError as error:
                return error
        if reasons & _SLOWER:
            return OutageError("rate-limit", "YouTube asks us to wait", 60.0)
        if reasons & _GONE or status == 404:
            return _ClosedError(next(iter(sorted(reasons)), "not found"))
        return None


def _is_known(thread: _Thread, comment: _Comment, known_ms: int) -> bool:
    """Written, and last changed, before the cursor, and without an answer."""
    told = comment.snippet
    latest_ms = max(moment_ms(told.published_at), moment_ms(told.updated_at or told.published_at))
    return latest_ms <= known_ms and not thread.snippet.total_reply_count


def _is_old(post: Post, at_ms: int) -> bool:
    """Its thread is over by now; a first look at a channel finds years of such."""
    return max(post.created_ms, post.edited_ms) < at_ms - QUIET_MS


class _ClosedError(Exception):
    """Comments are switched off, or the place is gone; the others go on."""


class _Reason(msgspec.Struct, frozen=True):
    reason: str = ""


class _Problem(msgspec.Struct, frozen=True):
    errors: list[_Reason] = []


class _Error(msgspec.Struct, frozen=True):
    error: _Problem = _Problem()


def _reasons(body: bytes) -> set[str]:
    try:
        told = {one.reason for one in msgspec.json.decode(body, type=_Error).error.errors}
    except JSON_TROUBLE:
        return set()
    return {one for one in told if one.isascii() and one.isalpha()}


def _threads(body: bytes) -> tuple[list[tuple[_Thread, int]], str]:
    """The threads of a page that can be read, each with its comment's time, and the next page's token."""
    try:
        listed = _as_list(body)
    except _WRONG:
        return [], ""
    threads = []
    for raw in listed.items:
        try:
            thread = _as_thread(raw)
            threads.append(
                (thread, moment_ms(_as_comment(thread.snippet.top_level_comment).snippet.published_at))
            )
        except _WRONG:
            continue  # `parse` refuses it
    return threads, listed.next_page_token
