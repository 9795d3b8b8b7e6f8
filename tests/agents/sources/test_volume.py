"""Counts per interval: GDELT's timelines (blog.gdeltproject.org, DOC 2.0 API) and others' tables."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError

from agents.source_settings import VolumeFeed as Settings
from agents.sources.source import Arrival, Context, OutageError, UnusableError
from agents.sources.volume import Volume, parse
from streams.post import Count, Ignored, Refused
from tests.agents.sources.serving import serving
from tests.agents.sources.world import NOW_MS, Kept, check_hostile, follow

QUARTER_MS = 900_000
BASE_MS = NOW_MS // QUARTER_MS * QUARTER_MS  # the interval that runs now
FEED = "https://api.example/doc?query=murmeltel&key=hush"


def at(quarters: int) -> str:
    return datetime.fromtimestamp((BASE_MS + quarters * QUARTER_MS) / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")


def timeline(*counts: tuple[int, Any]) -> bytes:
    data = [{"date": at(quarters), "value": count, "norm": 2354} for quarters, count in counts]
    return json.dumps(
        {
            "query_details": {"title": "murmeltel", "date_resolution": "15m"},
            "timeline": [{"series": "Article Count", "data": data}],
        }
    ).encode()


def settings(feed: str = FEED, **given: Any) -> Settings:
    plain = {"kind": "volume", "feeds": {"murmeltel": feed}, "poll_interval_s": 10, "pause_s": 0}
    return Settings.model_validate(plain | given)


def volume(feed: str = FEED, **given: Any) -> Volume:
    return Volume(settings(feed, **given), Context("news"), lambda: NOW_MS)


def read(payload: bytes, **given: Any) -> list[Any]:
    return parse(payload, settings(**given), "news", "murmeltel", NOW_MS)


def test_intervals_that_are_over_and_settled_become_counts() -> None:
    assert read(timeline((-3, 4), (-2, 0), (-1, 9), (0, 1))) == [
        Count("gdelt", "news", "murmeltel", BASE_MS - 3 * QUARTER_MS, 900, 4),
        Count("gdelt", "news", "murmeltel", BASE_MS - 2 * QUARTER_MS, 900, 0),
        Ignored("unsettled"),
        Ignored("unsettled"),
    ]


def test_gdelt_s_nothing_is_nothing() -> None:
    assert read(b"{}") == [Ignored("nothing")]
    assert read(b'{"timeline":[]}') == [Ignored("nothing")]


@pytest.mark.parametrize(
    "form", ["2026-05-28T18:00:00Z", "1779991200", 1779991200, 1779991200000, "20260528T180000Z"]
)
def test_times_are_read_in_all_usual_forms(form: Any) -> None:
    payload = json.dumps([{"when": form, "n": 3.0}]).encode()
    (found,) = read(payload, rows="", time="when", count="n")
    assert found == Count("gdelt", "news", "murmeltel", 1779991200000, 900, 3)


def test_a_table_in_csv_has_its_columns_named() -> None:
    table = b"\xef\xbb\xbfhour ,posts,other\r\n28.05.2026 17:00,12,x\r\n28.05.2026 18:00,13,y\r\n"
    found = read(
        table,
        form="csv",
        time="hour",
        count="posts",
        time_form="%d.%m.%Y %H:%M",
        interval_s=3600,
        platform="boards",
    )
    assert [one.count for one in found] == [12, 13]
    assert found[0].platform == "boards"


@pytest.mark.parametrize("count", [-1, 1.5, "many", None, True, 1e30, [], "nan", "inf"])
def test_what_is_no_count_is_refused_alone(count: Any) -> None:
    found = read(timeline((-4, 2), (-3, count)))
    assert [type(one) for one in found] == [Count, Refused]


def test_malformed_answers_end_in_rejects() -> None:
    assert check_hostile(volume(), [timeline((-3, 4), (-2, 0)), timeline((-5, 1))], "murmeltel 0") > 5_000


def test_malformed_tables_end_in_rejects_or_in_nothing() -> None:
    source = volume(form="csv", time="hour", count="posts")
    for table in (
        b"",
        b"\xff\xfe",
        b"hour,posts\n1,2,3\n",
        b'hour,posts\n"1,2\n',
        b"\x00\n\x00",
        b"a,b\n1,2\n",
    ):
        assert all(
            isinstance(one, Refused | Ignored) for one in source.parse(Arrival(table, NOW_MS, "murmeltel 0"))
        )


def test_each_interval_is_passed_on_once_and_a_restart_goes_on_there() -> None:
    answers = [timeline((-4, 1), (-3, 2), (-1, 7)), timeline((-4, 1), (-3, 2), (-2, 3))]

    async def answer(request: web.Request) -> web.Response:
        assert request.headers["X-Key"] == "hush"
        return web.Response(body=answers.pop(0), headers={"ETag": '"a"'})

    kept = Kept()

    async def run() -> None:
        async with serving({"GET /feed": answer}) as server:
            headers = {"headers": {"X-Key": "hush"}}
            await follow(
                volume(f"{server}/feed", **headers), kept, lambda: ("here", "murmeltel") in kept.cursors
            )
            cursor = kept.cursors["here", "murmeltel"]
            assert cursor == {"next_ms": BASE_MS - 2 * QUARTER_MS, "etag": "", "modified": ""}
            await follow(
                volume(f"{server}/feed", **headers),
                kept,
                lambda: len(kept.mentions) > 2,
                {"murmeltel": cursor},
            )

    asyncio.run(run())
    assert [one["count"] for _, one, _ in kept.mentions] == [1, 2, 3]
    assert kept.cursors["here", "murmeltel"]["etag"] == '"a"'  # all had settled: no need to hear it again


def test_a_feed_that_did_not_change_says_nothing() -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.headers.get("If-None-Match", ""))
        return web.Response(status=304)

    kept = Kept()

    async def run() -> None:
        async with serving({"GET /feed": answer}) as server:
            since = {"murmeltel": {"next_ms": 5, "etag": '"a"', "modified": ""}}
            await follow(volume(f"{server}/feed"), kept, lambda: bool(asked), since)

    asyncio.run(run())
    assert asked == ['"a"']
    assert not kept.mentions


def test_a_feed_that_fails_stops_no_other() -> None:
    async def gone(request: web.Request) -> web.Response:
        return web.Response(status=404)

    async def busy(request: web.Request) -> web.Response:
        return web.Response(status=503)

    async def good(request: web.Request) -> web.Response:
        return web.Response(body=timeline((-3, 4)))

    kept = Kept()

    async def run() -> None:
        async with serving({"GET /gone": gone, "GET /busy": busy, "GET /good": good}) as server:
            feeds = {"a": f"{server}/gone", "b": f"{server}/busy", "murmeltel": f"{server}/good"}
            await follow(volume(feeds=feeds), kept, lambda: bool(kept.mentions))
            restless = volume(feeds=feeds)
            restless._settings = restless._settings.model_copy(update={"poll_interval_s": 0.0})
            async with aclosing(restless.arrivals({})) as arrivals:
                rounds = [(await anext(arrivals)).place for _ in range(3)]
            assert rounds == ["murmeltel 0", "murmeltel", f"murmeltel {BASE_MS - 2 * QUARTER_MS}"]
            with pytest.raises(OutageError):  # nothing is left; one of the two may get well
                async for _ in volume(feeds={"a": feeds["a"], "b": feeds["b"]}).arrivals({}):
                    pass
            with pytest.raises(UnusableError, match="the feed of a answers 404"):
                async for _ in volume(feeds={"a": feeds["a"]}).arrivals({}):
                    pass

    asyncio.run(run())
    assert [one["count"] for _, one, _ in kept.mentions] == [4]


def test_a_server_that_is_asked_too_often_is_left_alone_as_long_as_it_says() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "45"})

    async def run() -> None:
        async with serving({"GET /feed": answer}) as server:
            async for _ in volume(f"{server}/feed?key=hush").arrivals({}):
                pass

    with pytest.raises(OutageError, match="the feed of murmeltel asks us to wait") as error:
        asyncio.run(run())
    assert error.value.after_s == 45
    assert "hush" not in str(error.value)


def test_settings_refuse_intervals_that_nobody_judges_and_mask_addresses() -> None:
    odd: list[dict[str, Any]] = [{"interval_s": 7200}, {"feeds": {"murmeltel": "ftp://x"}}, {"feeds": {}}]
    for wrong in odd:
        with pytest.raises(ValidationError) as error:
            settings(**wrong)
        assert "ftp" not in str(error.value)
    assert "hush" not in repr(settings())
