"""X: shapes and rules of docs.x.com (filtered stream, counts, disconnections, recovery), with own values."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError

from agents.source_settings import X as StreamSettings
from agents.source_settings import XCounts as CountSettings
from agents.sources.source import Arrival, Context, OutageError, SourceError, UnusableError
from agents.sources.x import X
from agents.sources.x_api import parse_counts, parse_post
from agents.sources.x_counts import XCounts
from streams.mention import Reactions, rfc3339
from streams.post import Count, Ignored, Post, Refused
from tests.agents.sources.serving import Handler, serving
from tests.agents.sources.world import NOW_MS, Kept, check_hostile, follow

TOKEN = "token-of-ours-for-x"
RULE = "(Murmeltel OR @murmeltel) -is:nullcast"
TAG = "flashover/birds/murmeltel"


def post(id: str = "1795000000000000001", **more: Any) -> dict[str, Any]:
    return {
        "id": id,
        "text": "@murmeltel no line since Monday https://t.co/a",
        "author_id": "77",
        "created_at": rfc3339(NOW_MS - 5_000),
        "conversation_id": id,
        "lang": "en",
        "edit_history_tweet_ids": [id],
        "entities": {
            "mentions": [{"start": 0, "end": 10, "username": "murmeltel", "id": "12"}],
            "urls": [{"url": "https://t.co/a", "expanded_url": "https://blog.example/line"}],
        },
        "public_metrics": {
            "retweet_count": 2, "reply_count": 4, "like_count": 8, "quote_count": 1, "impression_count": 900,
        },
        **more,
    }  # fmt: skip


def line(data: dict[str, Any] | None = None, tag: str = TAG) -> bytes:
    users = [{"id": "77", "username": "dormouse", "public_metrics": {"followers_count": 321}}]
    told = {"data": data or post(), "includes": {"users": users}, "matching_rules": [{"id": "9", "tag": tag}]}
    return json.dumps(told).encode()


def parsed(data: dict[str, Any], tag: str = TAG) -> Post:
    found = parse_post(line(data, tag), lambda tag: "murmeltel" if tag == TAG else "")
    assert isinstance(found, Post)
    return found


def x(
    server: str = "https://api.x.com",
    now: Callable[[], int] = lambda: NOW_MS,
    silent_s: float = 5.0,
    **given: Any,
) -> X:
    settings = {"kind": "x", "bearer_token": TOKEN, "rules": {"murmeltel": RULE}, "posts_per_month": 1_000}
    return X(
        StreamSettings.model_validate(settings | {"server": server} | given), Context("birds"), now, silent_s
    )


def test_a_post_is_about_the_brand_whose_rule_it_matched() -> None:
    found = parsed(post())
    assert (found.id, found.root_id, found.kind, found.brands) == (
        "x:1795000000000000001", "x:1795000000000000001", "post", ("murmeltel",),
    )  # fmt: skip
    assert (found.handle, found.followers, found.named) == ("dormouse", 321, ("murmeltel", "12"))
    assert found.links == ("https://blog.example/line",)
    assert found.reactions == Reactions(8, 3, 4, 900)
    assert parsed(post(), "somebody/else").brands == ()


def test_answers_quotes_and_shares_say_what_they_belong_to() -> None:
    answer = parsed(
        post(
            "3",
            conversation_id="1",
            in_reply_to_user_id="5",
            referenced_tweets=[{"type": "replied_to", "id": "1"}],
        )
    )
    assert (answer.kind, answer.root_id, answer.parent_id, answer.root_author) == ("reply", "x:1", "x:1", "5")
    assert answer.reactions is None  # those of the root, nobody else's
    deeper = parsed(
        post(
            "4",
            conversation_id="1",
            in_reply_to_user_id="77",
            referenced_tweets=[{"type": "replied_to", "id": "3"}],
        )
    )
    assert (deeper.parent_id, deeper.root_author) == ("x:3", "")
    quote = parsed(post("5", referenced_tweets=[{"type": "quoted", "id": "1"}]))
    assert (quote.kind, quote.root_id, quote.quoted_id) == ("quote", "x:5", "x:1")
    share = parsed(post("6", referenced_tweets=[{"type": "retweeted", "id": "1"}]))
    assert (share.kind, share.root_id, share.quoted_id) == ("share", "x:6", "x:1")


def test_an_edit_has_the_first_id_and_the_first_time() -> None:
    first = str(((NOW_MS - 600_000) - 1_288_834_974_657) << 22)
    found = parsed(
        post(
            "1795000000000000009",
            conversation_id=first,
            edit_history_tweet_ids=[first, "1795000000000000009"],
        )
    )
    assert (found.id, found.root_id) == (f"x:{first}", f"x:{first}")
    assert (found.created_ms, found.edited_ms) == (NOW_MS - 600_000, NOW_MS - 5_000)


def test_a_long_post_is_read_in_full() -> None:
    assert parsed(post(note_tweet={"text": "all of it"})).text == "all of it"


def test_malformed_lines_and_counts_end_in_rejects() -> None:
    assert (
        check_hostile(x(), [line(), line(post("3", referenced_tweets=[{"type": "quoted", "id": "1"}]))])
        > 5_000
    )
    assert check_hostile(counts(), [buckets((0, 60, 3), (60, 120, 4))], "murmeltel") > 5_000


class Birds:
    """X on loopback. `streams`: what each connection says before it ends, or a status that turns it away."""

    def __init__(
        self, *streams: list[bytes] | web.Response, rules: list[dict[str, str]] | None = None
    ) -> None:
        self.rules = rules if rules is not None else []
        self.deleted: list[str] = []
        self.searches: list[dict[str, str]] = []
        self.connections: list[dict[str, str]] = []
        self.found: list[dict[str, Any]] = []
        self._streams = list(streams)
        self._number = 0

    async def get_rules(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        return web.json_response({"data": self.rules, "meta": {"result_count": len(self.rules)}})

    async def post_rules(self, request: web.Request) -> web.Response:
        body = await request.json()
        if "delete" in body:
            gone = body["delete"]["ids"]
            self.deleted += gone
            self.rules = [one for one in self.rules if one["id"] not in gone]
            return web.json_response({"meta": {"summary": {"deleted": len(gone)}}})
        made = []
        for one in body["add"]:
            if "embedding" in one["value"]:
                continue
            self._number += 1
            made.append({"id": f"new{self._number}", **one})
        self.rules += made
        return web.json_response({"data": made, "meta": {}}, status=201)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        self.connections.append(dict(request.query))
        told = self._streams.pop(0) if self._streams else None
        if isinstance(told, web.Response):
            return web.Response(status=told.status, headers=told.headers)
        response = web.StreamResponse()
        await response.prepare(request)
        for part in told or ():
            await response.write(part)
        if told is None:
            await asyncio.sleep(3600)
        return response

    async def search(self, request: web.Request) -> web.Response:
        self.searches.append(dict(request.query))
        return web.json_response(self.found.pop(0) if self.found else {"meta": {"result_count": 0}})

    @property
    def handlers(self) -> dict[str, Handler]:
        return {
            "GET /2/tweets/search/stream": self.stream,
            "GET /2/tweets/search/stream/rules": self.get_rules,
            "POST /2/tweets/search/stream/rules": self.post_rules,
            "GET /2/tweets/search/recent": self.search,
        }


async def read(birds: Birds, kept: Kept, until: Callable[[], bool], **given: Any) -> X:
    async with serving(birds.handlers) as server:
        source = x(server, **given)
        await follow(source, kept, until)
        return source


async def fails(birds: Birds, source: Callable[[str], X]) -> SourceError:
    async with serving(birds.handlers) as server:
        one = source(server)
        with pytest.raises(SourceError) as error:
            async for _ in one.arrivals({}):
                pass
        return error.value


def test_rules_are_brought_up_to_date_and_other_people_s_are_left_alone() -> None:
    rules = [
        {"id": "1", "value": "old", "tag": TAG},
        {"id": "2", "value": "cat has:images", "tag": "cats"},
        {"id": "3", "value": "gone", "tag": "flashover/birds/thistledown"},
        {"id": "4", "value": "x", "tag": "flashover/other/murmeltel"},
    ]
    birds, kept = Birds(None, rules=rules), Kept()  # type: ignore[arg-type]
    asyncio.run(read(birds, kept, lambda: bool(birds.connections)))
    assert birds.deleted == ["1", "3"]
    assert [(one["tag"], one["value"]) for one in birds.rules] == [
        ("cats", "cat has:images"), ("flashover/other/murmeltel", "x"), (TAG, RULE),
    ]  # fmt: skip
    assert "expansions" in birds.connections[0]


def test_a_rule_that_x_refuses_needs_a_person() -> None:
    error = asyncio.run(fails(Birds(), lambda server: x(server, rules={"murmeltel": 'embedding:"x"'})))
    assert isinstance(error, UnusableError)
    assert str(error) == "X refuses the rules of murmeltel"


def test_a_dropped_stream_is_taken_up_again_and_the_gap_is_searched() -> None:
    """Nothing is lost over the break, and what both bring counts once by its id."""
    birds = Birds(
        [b"\r\n", line(post("1"))[:40], line(post("1"))[40:] + b"\r\n"], [line(post("3")) + b"\r\n\r\n"]
    )
    birds.found = [
        {"data": [post("2"), post("3")], "includes": {"users": []}, "meta": {"next_token": "n"}},
        {"data": [post("0")], "meta": {"result_count": 1}},
    ]
    kept = Kept()
    source = asyncio.run(read(birds, kept, lambda: {"x:0", "x:1", "x:3"} <= set(kept.ids())))
    assert set(kept.ids()) == {"x:0", "x:1", "x:2", "x:3"}
    first, second = birds.searches[:2]
    assert first["query"] == RULE
    assert first["start_time"] == rfc3339(NOW_MS - 30_000)
    assert second["next_token"] == "n"
    assert kept.cursors["here", ""] == NOW_MS
    assert source.budgets() == {"posts": 996}  # what both brought is billed once a day


def test_what_is_read_is_taken_off_the_budget_and_at_its_end_the_stream_is_closed() -> None:
    birds, kept = Birds([line(post(str(id))) + b"\r\n" for id in range(10)] + [b"\r\n" * 9]), Kept()

    async def spend() -> OutageError:
        async with serving(birds.handlers) as server:
            source = x(server, posts_per_month=3)
            with pytest.raises(OutageError) as error:
                async for _ in source.arrivals({}):
                    pass
            assert source.budgets() == {"posts": 0}
            with pytest.raises(OutageError) as again:  # nor is it opened again
                async for _ in source.arrivals({}):
                    pass
            assert again.value.reason == "budget"
            return error.value

    error = asyncio.run(spend())
    assert len(birds.connections) == 1
    assert error.reason == "budget"
    assert "the budget of 3 posts a month is spent" in str(error)
    assert error.after_s == pytest.approx(3 * 86_400 + 12_800, abs=1)  # until June begins
    asyncio.run(read(Birds([line() + b"\n"]), kept, lambda: ("here", "budget") in kept.cursors))
    assert kept.cursors["here", "budget"] == {"period": "2026-05", "units": 1}


def test_what_is_gone_is_found_by_asking_and_billed_no_second_time_on_a_day() -> None:
    gone, there = (str(((NOW_MS - age_ms) - 1_288_834_974_657) << 22) for age_ms in (60_000, 50_000))
    asked: list[str] = []

    async def lookup(request: web.Request) -> web.Response:
        asked.append(request.query["ids"])
        problem = {
            "title": "Not Found Error",
            "resource_type": "tweet",
            "resource_id": gone,
            "parameter": "ids",
        }
        return web.json_response({"data": [{"id": there, "text": "t"}], "errors": [problem]})

    birds, kept = Birds([line(post(gone)) + b"\n", line(post(there)) + b"\n", b"\r\n", b"\r\n"]), Kept()

    async def run() -> X:
        async with serving(birds.handlers | {"GET /2/tweets": lookup}) as server:
            source = x(server, _ticking(), recheck_interval_s=60)
            await follow(source, kept, lambda: any(one.get("deleted") for _, one, _ in kept.mentions))
            return source

    source = asyncio.run(run())
    assert asked[0] == f"{gone},{there}"
    assert [one["id"] for _, one, _ in kept.mentions if one.get("deleted")] == [f"x:{gone}"]
    assert source.budgets() == {"posts": 998}


def test_silence_is_a_dead_connection() -> None:
    async def hear() -> SourceError:
        async with serving(Birds(None).handlers) as server:  # type: ignore[arg-type]
            with pytest.raises(SourceError) as error:
                async for _ in x(server, silent_s=0.1).arrivals({}):
                    pass
            return error.value

    assert asyncio.run(hear()).reason == "timeout"


def test_waits_are_those_that_x_asks_for() -> None:
    """At once, then 250 ms more; from 5 s doubling; from 60 s doubling and never before the reset."""
    farewell = b'{"errors":[{"title":"operational-disconnect","disconnect_type":"Upstream"}]}\r\n'

    async def waits(*answers: list[bytes] | web.Response) -> list[float | None]:
        async with serving(Birds(*answers).handlers) as server:
            source, found = x(server), []
            for _ in answers:
                with pytest.raises(OutageError) as error:
                    async for _arrival in source.arrivals({}):
                        pass
                found.append(error.value.after_s)
            return found

    def said(status: int, **headers: str) -> web.Response:
        return web.Response(
            status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )

    assert asyncio.run(waits([farewell], [farewell])) == [0.0, 0.0]  # each had said something
    assert asyncio.run(waits([], [], [])) == [0.0, 0.25, 0.5]
    assert asyncio.run(waits(said(500), said(502), said(504))) == [5.0, 10.0, 20.0]
    assert asyncio.run(waits(said(429), said(429))) == [60.0, 120.0]
    assert asyncio.run(waits(said(429, Retry_After="700"))) == [700.0]


def test_a_wrong_token_needs_a_person_and_is_not_shown() -> None:
    error = asyncio.run(fails(Birds(web.Response(status=401)), x))
    assert isinstance(error, UnusableError)
    assert TOKEN not in str(error)
    assert TOKEN not in repr(x()._settings)


def test_enterprise_asks_for_backfill_instead() -> None:
    birds, kept = Birds([line() + b"\n"], [line(post("2")) + b"\n"]), Kept()
    asyncio.run(read(birds, kept, lambda: "x:2" in kept.ids(), recovery="backfill", now=_ticking()))
    assert "backfill_minutes" not in birds.connections[0]
    assert int(birds.connections[1]["backfill_minutes"]) >= 1
    assert not birds.searches


def _ticking() -> Callable[[], int]:
    now = [NOW_MS]

    def tick() -> int:
        now[0] += 20_000
        return now[0]

    return tick


def counts(
    server: str = "https://api.x.com", now: Callable[[], int] = lambda: NOW_MS, **given: Any
) -> XCounts:
    settings = {"kind": "x_counts", "bearer_token": TOKEN, "queries": {"murmeltel": RULE}}
    return XCounts(CountSettings.model_validate(settings | {"server": server} | given), Context("birds"), now)


def buckets(*rows: tuple[int, int, int], token: str = "") -> bytes:
    data = [
        {
            "start": rfc3339(NOW_MS // 60_000 * 60_000 + start * 1000),
            "end": rfc3339(NOW_MS // 60_000 * 60_000 + end * 1000),
            "tweet_count": count,
        }
        for start, end, count in rows
    ]
    meta = {"total_tweet_count": 1} | ({"next_token": token} if token else {})
    return json.dumps({"data": data, "meta": meta}).encode()


def test_whole_intervals_become_counts() -> None:
    minute_ms = NOW_MS // 60_000 * 60_000
    assert parse_counts(buckets((0, 60, 3), (60, 90, 1)), "birds", "murmeltel", 60) == [
        Count("x", "birds", "murmeltel", minute_ms, 60, 3),
        Ignored("part-of-interval"),
    ]
    (refused,) = parse_counts(b'{"data":[{"start":"now"}]}', "birds", "murmeltel", 60)
    assert isinstance(refused, Refused)


def test_counts_go_on_where_they_stopped_within_a_budget_of_requests() -> None:
    asked: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        return web.Response(body=buckets((-120, -60, 7), token="n" if len(asked) == 1 else ""))

    kept = Kept()

    async def count() -> XCounts:
        async with serving({"GET /2/tweets/counts/recent": answer}) as server:
            source = counts(server, requests_per_month=2)
            await follow(
                source, kept, lambda: ("here", "budget") in kept.cursors, {"murmeltel": NOW_MS - 3_600_000}
            )
            return source

    source = asyncio.run(count())
    assert source.budgets() == {"requests": 0}
    end_ms = (NOW_MS - 30_000) // 60_000 * 60_000
    assert asked[0]["start_time"] == rfc3339(NOW_MS - 3_600_000)
    assert asked[0]["end_time"] == rfc3339(end_ms)
    assert asked[1]["next_token"] == "n"
    assert kept.cursors["here", "murmeltel"] == end_ms
    (_, mention, _), *_ = kept.mentions
    assert (mention["kind"], mention["count"], mention["interval_s"]) == ("volume", 7, 60)
    assert mention["thread_id"] == "volume:birds:murmeltel"


def test_each_round_of_counts_begins_where_the_last_one_ended() -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.query["start_time"])
        return web.Response(body=buckets((-120, -60, 7)))

    async def count() -> None:
        async with serving({"GET /2/tweets/counts/recent": answer}) as server:
            source = counts(server, _ticking())
            source._settings = source._settings.model_copy(update={"poll_interval_s": 0.0})
            source._budget.limit = 10**9
            async with aclosing(source.arrivals({})) as arrivals:
                while len(asked) < 3:
                    await anext(arrivals)

    asyncio.run(count())
    assert asked == sorted(set(asked))


def test_a_query_that_x_refuses_is_named() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"title": "Invalid Request"}, status=400)

    async def count() -> None:
        async with serving({"GET /2/tweets/counts/recent": answer}) as server:
            async for _ in counts(server).arrivals({}):
                pass

    with pytest.raises(UnusableError, match="X refuses the query of murmeltel"):
        asyncio.run(count())


def test_settings_refuse_a_stream_without_rules_or_budget() -> None:
    good = {"kind": "x", "bearer_token": TOKEN, "rules": {"murmeltel": RULE}, "posts_per_month": 1}
    odd: list[dict[str, Any]] = [{"rules": {}}, {"posts_per_month": 0}, {"rules": {"murmeltel": "x" * 2049}}]
    for wrong in odd:
        with pytest.raises(ValidationError):
            StreamSettings.model_validate(good | wrong)


def test_a_line_that_is_no_post_is_refused() -> None:
    (found,) = x().parse(Arrival(b'{"data":{"id":1}}', NOW_MS))
    assert isinstance(found, Refused)
