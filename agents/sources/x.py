"""Posts by X's filtered stream (API v2).

Law of this file: what is read is billed, so every post that arrives is taken off a budget of the operator's
before it is looked at; when that is spent the stream is closed until the month ends. How a gap is filled is
told by X's page "Recovery and redundancy", how long to wait by `agents.sources.x_api`.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Final

import aiohttp
import msgspec

from agents.secret import clear
from agents.source_settings import X as Settings
from agents.sources.asking import ask, refusal
from agents.sources.budget import PLACE, Budget
from agents.sources.fields import JSON_TROUBLE
from agents.sources.http import translated
from agents.sources.recheck import StillThere
from agents.sources.source import Arrival, Context, Cursor, OutageError, Source, UnusableError
from agents.sources.x_api import (
    SETTLED_MS,
    Waits,
    as_page,
    as_rules,
    gone_in,
    id_ms,
    is_farewell,
    parse_lookup,
    parse_post,
    post_id,
)
from streams.mention import rfc3339
from streams.post import Found
from streams.thread import QUIET_MS

__all__ = ["X"]

_STREAM: Final = "/2/tweets/search/stream"
_RULES: Final = "/2/tweets/search/stream/rules"
_SEARCH: Final = "/2/tweets/search/recent"
_LOOKUP: Final = "/2/tweets"
_SILENT_S: Final = 25.0  # a line break comes every 20 s; a little more, lest it be cut off just before
_LINE_LIMIT: Final = 1 << 20
_PAGE: Final = 100  # posts in one answer of recent search, and in one question whether they are there
_RECHECKED: Final = 2_000  # posts of which that is asked
_GONE: Final = "gone"  # the place of the answers
_FIELDS: Final = (
    "created_at,author_id,conversation_id,in_reply_to_user_id,referenced_tweets,entities,lang,public_metrics,"
    "edit_history_tweet_ids,note_tweet"
)


class X(Source):
    """The filtered stream under one rule for each brand, within a budget of posts."""

    def __init__(
        self,
        settings: Settings,
        context: Context,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        silent_s: float = _SILENT_S,
    ) -> None:
        self._settings, self._context, self._now_ms, self._silent_s = settings, context, now_ms, silent_s
        self._budget = Budget("posts", settings.posts_per_month, "month", now_ms)
        self._tags = {f"flashover/{context.name}/{brand}": brand for brand in settings.rules}
        self._waits = Waits()
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
            there = as_rules((await ask(session, "X", _RULES)).body).data
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
                made = as_rules(answer.body)
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
                    async with aclosing(self._recovered(session, seen_ms)) as recovered:
                        async for arrival in recovered:
                            yield arrival
                async for line in _lines(response.content):
                    self._waits.well()
                    now_ms = self._now_ms()
                    if line and is_farewell(line):
                        raise OutageError("dropped", "X closed the stream")
                    if line:
                        self._bill([post_id(line)], now_ms)
                        yield Arrival(line, now_ms, "", now_ms)
                        yield Arrival(None, now_ms, PLACE, self._budget.cursor())
                        self._budget.must_have()
                    else:
                        yield Arrival(None, now_ms, "", now_ms)  # still there, and nothing was missed
                    async with aclosing(self._recheck(session, now_ms)) as rechecked:
                        async for arrival in rechecked:
                            yield arrival
        raise OutageError("dropped", "X closed the stream")

    async def _recovered(self, session: aiohttp.ClientSession, seen_ms: int) -> AsyncGenerator[Arrival, None]:
        """What matched since, by recent search, rule by rule; each post as a line of the stream would be."""
        # What is older is over; and a month's budget is not for what was missed when the last was spent.
        start_ms = max(seen_ms - SETTLED_MS, self._now_ms() - QUIET_MS)
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
                    page = as_page(answer.body)
                except JSON_TROUBLE:
                    raise OutageError("not-json", "X's answer to a search can't be read") from None
                rules = msgspec.json.encode([{"tag": tag}])
                lines = [
                    b'{"data":%b,"includes":%b,"matching_rules":%b}'
                    % (bytes(data), bytes(page.includes), rules)
                    for data in page.data
                ]
                self._bill([post_id(line) for line in lines], self._now_ms())
                for line in lines:
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
                gone = gone_in(answer.body)
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
                self._there.note(id, id_ms(id) or now_ms)

    def _asked(self) -> dict[str, str]:
        if not self._settings.authors:
            return {"tweet.fields": _FIELDS}
        return {"tweet.fields": _FIELDS, "expansions": "author_id", "user.fields": "username,public_metrics"}


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
