"""Posts by X's filtered stream, and counts of posts by its recent counts (API v2).

Law of this file: what is read is billed, so every post that arrives is taken off a budget of the operator's
before it is looked at; when that is spent the stream is closed until the month ends. Connections, waits and
recovery are those of X's documentation ("Handling disconnections", "Recovery and redundancy"): a
dropped stream at once; network errors 250 ms more each time, to 16 s; HTTP errors from 5 s doubling to 320 s;
429 from 60 s doubling, and never before the reset that it names.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Final

import aiohttp
import msgspec

from agents.source_settings import X as StreamSettings
from agents.source_settings import XCounts as CountSettings
from agents.source_settings import clear
from agents.sources.asking import ask, refusal
from agents.sources.budget import PLACE, Budget
from agents.sources.fields import JSON_TROUBLE, moment_ms, refused
from agents.sources.http import translated
from agents.sources.recheck import StillThere
from agents.sources.source import Arrival, Context, Cursor, OutageError, Source, UnusableError
from streams.mention import Kind, Reactions, rfc3339
from streams.post import Count, Deleted, Found, Ignored, Post
from streams.thread import QUIET_MS

__all__ = ["X", "XCounts", "parse_counts", "parse_lookup", "parse_post"]

_STREAM: Final = "/2/tweets/search/stream"
_RULES: Final = "/2/tweets/search/stream/rules"
_SEARCH: Final = "/2/tweets/search/recent"
_LOOKUP: Final = "/2/tweets"
_COUNTS: Final = "/2/tweets/counts/recent"
_SILENT_S: Final = 25.0  # a line break comes every 20 s; a little more, lest it be cut off just before
_LINE_LIMIT: Final = 1 << 20
_PAGE: Final = 100  # posts in one answer of recent search, and in one question whether they are there
_RECHECKED: Final = 2_000  # posts of which that is asked
_GONE: Final = "gone"  # the place of the answers
_WEEK_MS: Final = 7 * 86_400_000  # as far back as recent search and counts go
_SETTLED_MS: Final = 30_000  # X asks for an end this far back
_EPOCH_MS: Final = 1_288_834_974_657  # of X's ids: their upper bits are milliseconds since then
_FIELDS: Final = (
    "created_at,author_id,conversation_id,in_reply_to_user_id,referenced_tweets,entities,lang,public_metrics,"
    "edit_history_tweet_ids,note_tweet"
)
_KINDS: Final[Mapping[str, Kind]] = {"retweeted": "share", "quoted": "quote", "replied_to": "reply"}
_WRONG: Final = (*JSON_TROUBLE, ValueError, OverflowError)


class _Named(msgspec.Struct, frozen=True, gc=False):
    username: str = ""
    id: str = ""


class _Link(msgspec.Struct, frozen=True, gc=False):
    expanded_url: str = ""
    unwound_url: str = ""


class _Entities(msgspec.Struct, frozen=True, gc=False):
    mentions: list[_Named] = []
    urls: list[_Link] = []


class _Reference(msgspec.Struct, frozen=True, gc=False):
    type: str
    id: str


class _Metrics(msgspec.Struct, frozen=True, gc=False):
    retweet_count: int = 0
    reply_count: int = 0
    like_count: int = 0
    quote_count: int = 0
    impression_count: int = 0


class _Note(msgspec.Struct, frozen=True, gc=False):
    """A post of more than 280 characters in full."""

    text: str
    entities: _Entities = _Entities()


class _Data(msgspec.Struct, frozen=True, gc=False):
    id: str
    text: str
    author_id: str
    created_at: str
    conversation_id: str = ""
    in_reply_to_user_id: str = ""
    referenced_tweets: list[_Reference] = []
    entities: _Entities = _Entities()
    lang: str = ""
    public_metrics: _Metrics | None = None
    edit_history_tweet_ids: list[str] = []
    note_tweet: _Note | None = None


class _UserMetrics(msgspec.Struct, frozen=True, gc=False):
    followers_count: int | None = None


class _User(msgspec.Struct, frozen=True, gc=False):
    id: str
    username: str = ""
    public_metrics: _UserMetrics = _UserMetrics()


class _Includes(msgspec.Struct, frozen=True, gc=False):
    users: list[_User] = []


class _Rule(msgspec.Struct, frozen=True, gc=False):
    tag: str = ""


class _Line(msgspec.Struct, frozen=True, gc=False):
    """One line of the stream."""

    data: _Data
    includes: _Includes = _Includes()
    matching_rules: list[_Rule] = []


class _Probe(msgspec.Struct, frozen=True, gc=False):
    """Whether a line is a post or X's farewell."""

    data: msgspec.Raw = msgspec.Raw(b"")
    errors: list[msgspec.Raw] = []
    title: str = ""


class _Page(msgspec.Struct, frozen=True, gc=False):
    """One answer of recent search."""

    data: list[msgspec.Raw] = []
    includes: msgspec.Raw = msgspec.Raw(b"{}")
    meta: dict[str, Any] = {}


class _OwnRule(msgspec.Struct, frozen=True, gc=False):
    id: str
    value: str
    tag: str = ""


class _OwnRules(msgspec.Struct, frozen=True, gc=False):
    data: list[_OwnRule] = []
    errors: list[msgspec.Raw] = []


class _Bucket(msgspec.Struct, frozen=True, gc=False):
    start: str
    end: str
    tweet_count: int


class _Buckets(msgspec.Struct, frozen=True, gc=False):
    data: list[msgspec.Raw]
    meta: dict[str, Any] = {}


class _PostId(msgspec.Struct, frozen=True, gc=False):
    id: str


class _Absent(msgspec.Struct, frozen=True, gc=False):
    resource_id: str = ""
    resource_type: str = ""


class _Looked(msgspec.Struct, frozen=True, gc=False):
    """One answer of post lookup: what can't be shown to us any more is named among the errors."""

    errors: list[_Absent] = []


_as_named = msgspec.json.Decoder(_PostId).decode
_as_looked = msgspec.json.Decoder(_Looked).decode
_as_line = msgspec.json.Decoder(_Line).decode
_as_probe = msgspec.json.Decoder(_Probe).decode
_as_page = msgspec.json.Decoder(_Page).decode
_as_rules = msgspec.json.Decoder(_OwnRules).decode
_as_buckets = msgspec.json.Decoder(_Buckets).decode
_as_bucket = msgspec.json.Decoder(_Bucket).decode


def parse_post(payload: bytes, brand_of: Callable[[str], str] = lambda tag: "") -> Found:
    """The post in one line of the stream; `brand_of` says whose a rule is, by its tag ("": nobody's)."""
    try:
        line = _as_line(payload)
        data = line.data
        note = data.note_tweet
        versions = data.edit_history_tweet_ids or [data.id]
        edited = len(versions) > 1 and data.id != versions[0]
        at_ms = moment_ms(data.created_at)
        user = next((one for one in line.includes.users if one.id == data.author_id), None)
        referenced = {_KINDS[one.type]: one.id for one in data.referenced_tweets if one.type in _KINDS}
        kind: Kind = next((one for one in ("share", "reply", "quote") if one in referenced), "post")
        own_id = f"x:{versions[0]}"
        root = data.conversation_id or data.id
        root_id = own_id if root in versions or kind == "share" else f"x:{root}"
        parent_id = f"x:{referenced['reply']}" if "reply" in referenced else ""
        quoted = referenced.get("share") or referenced.get("quote")
        entities = (data.entities, note.entities) if note is not None else (data.entities,)
        metrics = data.public_metrics
        return Post(
            platform="x",
            id=own_id,
            root_id=root_id,
            root_author=data.in_reply_to_user_id if parent_id == root_id else "",
            created_ms=(_id_ms(versions[0]) or at_ms) if edited else at_ms,
            author_id=data.author_id,
            handle=user.username if user is not None else "",
            followers=user.public_metrics.followers_count if user is not None else None,
            kind=kind,
            parent_id=parent_id,
            quoted_id=f"x:{quoted}" if quoted else "",
            text=note.text if note is not None else data.text,
            lang="" if data.lang in ("und", "zxx") else data.lang,  # X's words for "we don't know"
            url=f"https://x.com/i/status/{data.id}",
            links=tuple(one.unwound_url or one.expanded_url for some in entities for one in some.urls),
            named=tuple(
                word for some in entities for one in some.mentions for word in (one.username, one.id) if word
            ),
            reactions=None
            if metrics is None or root_id != own_id
            else Reactions(
                metrics.like_count,
                metrics.retweet_count + metrics.quote_count,
                metrics.reply_count,
                metrics.impression_count,
            ),
            brands=tuple(sorted({brand for one in line.matching_rules if (brand := brand_of(one.tag))})),
            edited_ms=at_ms if edited else 0,
        )
    except _WRONG as error:
        return refused(error)


def parse_lookup(payload: bytes, at_ms: int) -> list[Found]:
    """The deletions in one answer of post lookup: posts that are gone, or whose authors are, or hide."""
    try:
        errors = _as_looked(payload).errors
    except _WRONG as error:
        return [refused(error)]
    gone = [Deleted("x", f"x:{one.resource_id}", at_ms) for one in errors if _is_post(one)]
    return [*gone] or [Ignored("still-there")]


def _is_post(absent: _Absent) -> bool:
    return absent.resource_type in ("tweet", "post") and absent.resource_id.isdecimal()


def parse_counts(payload: bytes, feed: str, brand: str, interval_s: int) -> list[Found]:
    """The intervals of one answer of recent counts; those that are no whole interval are ignored."""
    try:
        listed = _as_buckets(payload)
    except _WRONG as error:
        return [refused(error)]
    found: list[Found] = []
    for raw in listed.data:
        try:
            bucket = _as_bucket(raw)
            started_ms, ended_ms = moment_ms(bucket.start), moment_ms(bucket.end)
            if ended_ms - started_ms == interval_s * 1000:
                found.append(Count("x", feed, brand, started_ms, interval_s, bucket.tweet_count))
            else:
                found.append(Ignored("part-of-interval"))
        except _WRONG as error:
            found.append(refused(error, bytes(raw)))
    return found or [Ignored("nothing")]


class _Waits:
    """How long to wait after which failure, by X's rules; what has said something begins anew."""

    def __init__(self) -> None:
        self.failures = 0

    def well(self) -> None:
        self.failures = 0

    def after(self, error: OutageError) -> OutageError:
        """The same error, with the wait that X asks for."""
        before, self.failures = self.failures, self.failures + 1
        if error.reason in ("connect", "broken", "timeout", "dropped"):
            wait_s = min(0.25 * before, 16.0)
        elif error.reason == "rate-limit":
            wait_s = max(60.0 * 2 ** min(before, 10), error.after_s or 0.0)
        else:
            wait_s = max(min(5.0 * 2 ** min(before, 10), 320.0), error.after_s or 0.0)
        return OutageError(error.reason, str(error), wait_s)


class X(Source):
    """The filtered stream under one rule for each brand, within a budget of posts."""

    def __init__(
        self,
        settings: StreamSettings,
        context: Context,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        silent_s: float = _SILENT_S,
    ) -> None:
        self._settings, self._context, self._now_ms, self._silent_s = settings, context, now_ms, silent_s
        self._budget = Budget("posts", settings.posts_per_month, "month", now_ms)
        self._tags = {f"flashover/{context.name}/{brand}": brand for brand in settings.rules}
        self._waits = _Waits()
        self._there = StillThere(_RECHECKED, QUIET_MS)
        self._rechecked_ms = now_ms()
        self._billed: set[str] = set()  # posts of this UTC day: X bills each once a day
        self._billed_day = 0

    def parse(self, arrival: Arrival) -> Iterable[Found]:
        """One line of the stream, or one post of a search in the same form, or an answer of post lookup."""
        if arrival.place == _GONE:
            return parse_lookup(arrival.payload or b"", arrival.at_ms)
        return [parse_post(arrival.payload or b"", lambda tag: self._tags.get(tag, ""))]

    def budgets(self) -> Mapping[str, float]:
        """Posts that may still be read this month."""
        return {self._budget.name: self._budget.left}

    async def arrivals(self, since: Mapping[str, Cursor]) -> AsyncGenerator[Arrival, None]:
        """Bring the rules up to date, connect, fill the gap since the cursor, then read on."""
        self._budget.restore(since.get(PLACE))
        self._budget.must_have()
        seen_ms = at if isinstance(at := since.get(""), int) else 0
        token = clear(self._settings.bearer_token)
        headers = {"User-Agent": self._context.agent, "Authorization": f"Bearer {token}"}
        try:
            async with aiohttp.ClientSession(
                self._settings.server, headers=headers, trust_env=True
            ) as session:
                await self._bring_rules(session)
                async with aclosing(self._stream(session, seen_ms)) as stream:
                    async for arrival in stream:
                        yield arrival
        except OutageError as error:
            raise (error if error.reason == "budget" else self._waits.after(error)) from None

    async def _bring_rules(self, session: aiohttp.ClientSession) -> None:
        """Make the rules with our tags what the settings say; the project's other rules are left alone."""
        try:
            there = _as_rules((await ask(session, "X", _RULES)).body).data
        except JSON_TROUBLE:
            raise OutageError("not-json", "X's list of rules can't be read") from None
        ours = [one for one in there if one.tag.startswith(f"flashover/{self._context.name}/")]
        wanted = {tag: self._settings.rules[brand] for tag, brand in self._tags.items()}
        stale = [one.id for one in ours if wanted.get(one.tag) != one.value]
        fresh = {
            tag: rule
            for tag, rule in wanted.items()
            if (tag, rule) not in {(one.tag, one.value) for one in ours}
        }
        if stale:
            await ask(session, "X", _RULES, method="POST", json={"delete": {"ids": stale}})
        if fresh:
            add = [{"value": rule, "tag": tag} for tag, rule in fresh.items()]
            answer = await ask(session, "X", _RULES, method="POST", json={"add": add})
            try:
                made = _as_rules(answer.body)
            except JSON_TROUBLE:
                raise OutageError("not-json", "X's answer to new rules can't be read") from None
            if missing := sorted(self._tags[tag] for tag in fresh.keys() - {one.tag for one in made.data}):
                raise UnusableError("rule", f"X refuses the rules of {', '.join(missing)}")

    async def _stream(self, session: aiohttp.ClientSession, seen_ms: int) -> AsyncGenerator[Arrival, None]:
        params = self._asked()
        if self._settings.recovery == "backfill" and seen_ms:
            gap_min = math.ceil((self._now_ms() - seen_ms) / 60_000)
            params["backfill_minutes"] = str(min(5, max(1, gap_min)))
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=30.0, sock_read=self._silent_s)
        with translated("X"):
            async with session.get(
                _STREAM, params=params, timeout=timeout, allow_redirects=False
            ) as response:
                if response.status != 200:
                    raise refusal("X", response.status, response.headers)
                if self._settings.recovery == "search" and seen_ms:
                    # Connected first, so that nothing lies between the two; what both bring counts once.
                    async for arrival in self._recovered(session, seen_ms):
                        yield arrival
                async for line in _lines(response.content):
                    self._waits.well()
                    now_ms = self._now_ms()
                    probe = _probed(line) if line else None
                    if probe is not None and not probe.data and (probe.errors or probe.title):
                        raise OutageError("dropped", "X closed the stream")
                    if line:
                        self._bill([_post_id(probe.data) if probe is not None else ""], now_ms)
                        yield Arrival(line, now_ms, "", now_ms)
                        yield Arrival(None, now_ms, PLACE, self._budget.cursor())
                        self._budget.must_have()
                    else:
                        yield Arrival(None, now_ms, "", now_ms)  # still there, and nothing was missed
                    async for arrival in self._recheck(session, now_ms):
                        yield arrival
        raise OutageError("dropped", "X closed the stream")

    async def _recovered(self, session: aiohttp.ClientSession, seen_ms: int) -> AsyncGenerator[Arrival, None]:
        """What matched since, by recent search, rule by rule; each post as a line of the stream would be."""
        start_ms = max(seen_ms - _SETTLED_MS, self._now_ms() - _WEEK_MS + 60_000)
        for tag, brand in self._tags.items():
            params = {
                "query": self._settings.rules[brand],
                "start_time": rfc3339(start_ms),
                "max_results": str(_PAGE),
            }
            while True:
                self._budget.must_have()
                answer = await ask(session, "X", _SEARCH, params=self._asked() | params)
                try:
                    page = _as_page(answer.body)
                except JSON_TROUBLE:
                    raise OutageError("not-json", "X's answer to a search can't be read") from None
                self._bill([_post_id(data) for data in page.data], self._now_ms())
                for data in page.data:
                    rules = msgspec.json.encode([{"tag": tag}])
                    line = b'{"data":%b,"includes":%b,"matching_rules":%b}' % (
                        bytes(data),
                        bytes(page.includes),
                        rules,
                    )
                    yield Arrival(line, self._now_ms())
                yield Arrival(None, self._now_ms(), PLACE, self._budget.cursor())
                if not isinstance(token := page.meta.get("next_token"), str):
                    break
                params["next_token"] = token

    async def _recheck(self, session: aiohttp.ClientSession, now_ms: int) -> AsyncGenerator[Arrival, None]:
        """Ask whether what was told is still there, if it is time: X tells Enterprise alone of deletions."""
        if not 0 < self._settings.recheck_interval_s <= (now_ms - self._rechecked_ms) / 1000:
            return
        self._rechecked_ms = now_ms
        for asked in self._there.batches(now_ms, _PAGE):
            self._budget.must_have(len(asked))
            answer = await ask(session, "X", _LOOKUP, params={"ids": ",".join(asked)})
            self._bill(asked, now_ms)
            try:
                gone = [one.resource_id for one in _as_looked(answer.body).errors if _is_post(one)]
            except JSON_TROUBLE:
                gone = asked  # `parse` refuses what it can't read
            if self._there.gone(gone):
                yield Arrival(answer.body, now_ms, _GONE)
        yield Arrival(None, now_ms, PLACE, self._budget.cursor())

    def _bill(self, ids: Iterable[str], now_ms: int) -> None:
        """Take posts off the budget, those of which X was asked before on this UTC day excepted."""
        if (day := now_ms // 86_400_000) != self._billed_day:
            self._billed_day, self._billed = day, set()
        for id in ids:
            if not id or id not in self._billed:
                self._budget.spend()
            if id:
                self._billed.add(id)
                self._there.note(id, _id_ms(id) or now_ms)

    def _asked(self) -> dict[str, str]:
        if not self._settings.authors:
            return {"tweet.fields": _FIELDS}
        return {"tweet.fields": _FIELDS, "expansions": "author_id", "user.fields": "username,public_metrics"}


class XCounts(Source):
    """Recent counts of one query for each brand, interval by interval, within a budget of requests."""

    def __init__(
        self,
        settings: CountSettings,
        context: Context,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._settings, self._context, self._now_ms = settings, context, now_ms
        self._budget = Budget("requests", settings.requests_per_month, "month", now_ms)
        self._interval_s = 60 if settings.granularity == "minute" else 3600
        self._waits = _Waits()

    def parse(self, arrival: Arrival) -> Iterable[Found]:
        """The intervals of one brand."""
        return parse_counts(arrival.payload or b"", self._context.name, arrival.place, self._interval_s)

    def budgets(self) -> Mapping[str, float]:
        """Requests that may still be made this month."""
        return {self._budget.name: self._budget.left}

    async def arrivals(self, since: Mapping[str, Cursor]) -> AsyncGenerator[Arrival, None]:
        """All whole intervals since the cursor, brand by brand; then a pause that the budget can bear."""
        self._budget.restore(since.get(PLACE))
        token = clear(self._settings.bearer_token)
        headers = {"User-Agent": self._context.agent, "Authorization": f"Bearer {token}"}
        step_ms = self._interval_s * 1000
        reached = {place: at for place, at in since.items() if isinstance(at, int)}
        try:
            async with aiohttp.ClientSession(
                self._settings.server, headers=headers, trust_env=True
            ) as session:
                while True:
                    for brand, query in self._settings.queries.items():
                        end_ms = (self._now_ms() - _SETTLED_MS) // step_ms * step_ms
                        start_ms = max(reached.get(brand, end_ms - step_ms), end_ms - _WEEK_MS + step_ms)
                        if start_ms >= end_ms:
                            continue
                        params = {"query": query, "granularity": self._settings.granularity}
                        params |= {"start_time": rfc3339(start_ms), "end_time": rfc3339(end_ms)}
                        try:
                            async for body in self._pages(session, params):
                                yield Arrival(body, self._now_ms(), brand)
                        except UnusableError as error:
                            if error.reason != "http-400":
                                raise
                            raise UnusableError("query", f"X refuses the query of {brand}") from None
                        reached[brand] = end_ms
                        yield Arrival(None, self._now_ms(), brand, end_ms)
                        yield Arrival(None, self._now_ms(), PLACE, self._budget.cursor())
                        self._waits.well()
                    spare_s = self._budget.spare_s(len(self._settings.queries))
                    await asyncio.sleep(max(self._settings.poll_interval_s, spare_s))
        except OutageError as error:
            raise (error if error.reason == "budget" else self._waits.after(error)) from None

    async def _pages(self, session: aiohttp.ClientSession, params: dict[str, str]) -> AsyncIterator[bytes]:
        while True:
            self._budget.must_have()
            self._budget.spend()
            body = (await ask(session, "X", _COUNTS, params=params)).body
            yield body
            try:
                token = _as_buckets(body).meta.get("next_token")
            except JSON_TROUBLE:
                return
            if not isinstance(token, str):
                return
            params = params | {"next_token": token}


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Line by line; what is longer than a post can be ends the connection."""
    buffered = bytearray()
    async for chunk in content.iter_any():
        buffered += chunk
        *lines, rest = bytes(buffered).split(b"\n")
        for line in lines:
            yield line.strip()
        buffered = bytearray(rest)
        if len(buffered) > _LINE_LIMIT:
            raise OutageError("too-long", f"X sent a line of more than {_LINE_LIMIT} bytes")


def _probed(line: bytes) -> _Probe | None:
    try:
        return _as_probe(line)
    except JSON_TROUBLE:
        return None


def _post_id(data: msgspec.Raw) -> str:
    try:
        return _as_named(data).id
    except JSON_TROUBLE:
        return ""


def _id_ms(id: str) -> int:
    """When an id was given out; 0 for what is none."""
    return (int(id) >> 22) + _EPOCH_MS if id.isascii() and id.isdecimal() and len(id) < 20 else 0
