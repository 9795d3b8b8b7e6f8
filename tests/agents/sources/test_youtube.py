"""YouTube: shapes of the Data API's reference of `commentThreads` and `comments`, with values of our own.

Sources: developers.google.com/youtube/v3/docs/commentThreads, …/comments, …/errors, …/getting-started#quota.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError

from agents.source_settings import YouTube as Settings
from agents.sources.source import Arrival, Context, OutageError, UnusableError
from agents.sources.youtube import YouTube, parse
from streams.mention import rfc3339
from streams.post import Deleted, Ignored, Post, Refused
from tests.agents.sources.serving import Handler, serving
from tests.agents.sources.world import NOW_MS, Kept, check_hostile, follow

VIDEO, CHANNEL, CUSTOMER = "dQw4w9WgXcQ", "UC" + "m" * 22, "UC" + "c" * 22
KEY = "key-of-ours-for-google"


def comment(id: str, ago_s: int = 60, **more: Any) -> dict[str, Any]:
    at = rfc3339(NOW_MS - ago_s * 1000)
    snippet = {
        "channelId": CHANNEL,
        "videoId": VIDEO,
        "textDisplay": "No line since Monday",
        "textOriginal": "No line since Monday",
        "authorDisplayName": "@dormouse",
        "authorChannelUrl": f"http://www.youtube.com/channel/{CUSTOMER}",
        "authorChannelId": {"value": CUSTOMER},
        "canRate": True,
        "viewerRating": "none",
        "likeCount": 3,
        "publishedAt": at,
        "updatedAt": at,
        **more,
    }
    return {"kind": "youtube#comment", "etag": "e", "id": id, "snippet": snippet}


def thread(id: str, *answers: dict[str, Any], total: int | None = None, **more: Any) -> dict[str, Any]:
    return {
        "kind": "youtube#commentThread",
        "etag": "e",
        "id": id,
        "snippet": {
            "channelId": CHANNEL,
            "videoId": VIDEO,
            "topLevelComment": comment(id, **more),
            "canReply": True,
            "totalReplyCount": len(answers) if total is None else total,
            "isPublic": True,
        },
        "replies": {"comments": list(answers)},
    }


def page(*items: dict[str, Any], token: str = "") -> dict[str, Any]:
    listed: dict[str, Any] = {"kind": "youtube#commentThreadListResponse", "etag": "e", "items": list(items)}
    return listed | ({"nextPageToken": token} if token else {})


def packed(*items: dict[str, Any]) -> bytes:
    return json.dumps(page(*items)).encode()


def youtube(
    server: str = "https://www.googleapis.com", now: Callable[[], int] = lambda: NOW_MS, **given: Any
) -> YouTube:
    settings = {"kind": "youtube", "api_key": KEY, "videos": {VIDEO: "murmeltel"}, "poll_interval_s": 10}
    return YouTube(Settings.model_validate(settings | {"server": server} | given), Context("tube"), now)


def test_comments_answer_the_video_and_answers_their_comment() -> None:
    answer = comment("c1.a", 30, parentId="c1")
    first, second = parse(packed(thread("c1", answer)), {VIDEO: "murmeltel"})
    assert isinstance(first, Post)
    assert isinstance(second, Post)
    assert (first.id, first.root_id, first.parent_id) == (
        "youtube:c1",
        f"youtube:{VIDEO}",
        f"youtube:{VIDEO}",
    )
    assert (second.id, second.root_id, second.parent_id) == ("youtube:c1.a", f"youtube:{VIDEO}", "youtube:c1")
    assert (first.author_id, first.handle, first.brands, first.own) == (
        CUSTOMER,
        "dormouse",
        ("murmeltel",),
        False,
    )
    assert first.created_ms == NOW_MS - 60_000


def test_answers_that_are_listed_alone_need_telling_whose_video_it_is() -> None:
    answer = comment("c1.a", 30, parentId="c1")
    del answer["snippet"]["videoId"], answer["snippet"]["channelId"]
    (found,) = youtube().parse(Arrival(packed(answer), NOW_MS, f"{VIDEO} {VIDEO} {CHANNEL}"))
    assert isinstance(found, Post)
    assert (found.root_id, found.parent_id, found.brands) == (
        f"youtube:{VIDEO}",
        "youtube:c1",
        ("murmeltel",),
    )


def test_a_changed_comment_is_an_edit() -> None:
    (found,) = parse(packed(thread("c1", updatedAt=rfc3339(NOW_MS - 1000))), {})
    assert isinstance(found, Post)
    assert found.edited_ms == NOW_MS - 1000


def test_the_channel_s_own_answers_are_the_brand_s_if_the_channel_is() -> None:
    own = thread("c1", authorChannelId={"value": CHANNEL})
    (ours,) = parse(packed(own), {CHANNEL: "murmeltel"})
    (theirs,) = parse(packed(own), {VIDEO: "murmeltel"})  # somebody else's video about us
    assert isinstance(ours, Post)
    assert isinstance(theirs, Post)
    assert (ours.own, theirs.own) == (True, False)


def test_what_is_over_by_now_is_passed_over() -> None:
    old = list(youtube().parse(Arrival(packed(thread("c1", ago_s=40 * 3600)), NOW_MS, VIDEO)))
    assert old == [Ignored("old")]


def test_an_item_out_of_joint_spoils_no_other() -> None:
    found = parse(packed(thread("c1"), {"kind": "youtube#commentThread"}, thread("c2")), {})
    assert [type(one) for one in found] == [Post, Refused, Post]


def test_malformed_answers_end_in_rejects() -> None:
    payloads = [packed(thread("c1", comment("c1.a", parentId="c1"))), packed(comment("c2", parentId="c1"))]
    assert check_hostile(youtube(), payloads, VIDEO) > 5_000


class Tube:
    """YouTube on loopback: what it was asked, and what it answers."""

    def __init__(self, *answers: dict[str, Any] | web.Response) -> None:
        self.asked: list[dict[str, str]] = []
        self._answers = list(answers)

    async def answer(self, request: web.Request) -> web.Response:
        assert request.headers["X-Goog-Api-Key"] == KEY
        self.asked.append({"path": request.path.rsplit("/", 1)[-1], **request.query})
        one = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return (
            web.json_response(one)
            if isinstance(one, dict)
            else web.Response(status=one.status, body=one.body, headers={"Content-Type": "application/json"})
        )

    @property
    def handlers(self) -> dict[str, Handler]:
        return {"GET /youtube/v3/commentThreads": self.answer, "GET /youtube/v3/comments": self.answer}


def problem(status: int, reason: str) -> web.Response:
    return web.Response(
        status=status, text=json.dumps({"error": {"code": status, "errors": [{"reason": reason}]}})
    )


def test_pages_and_further_answers_are_read_and_each_costs_a_unit() -> None:
    tube = Tube(
        page(thread("c1", total=2), token="p2"),
        {"items": [comment("c1.a", 30, parentId="c1")], "nextPageToken": "r2"},
        {"items": [comment("c1.b", 20, parentId="c1")]},
        page(thread("c0", ago_s=90)),
        page(),
    )
    kept = Kept()

    async def read() -> YouTube:
        async with serving(tube.handlers) as server:
            source = youtube(server)
            await follow(source, kept, lambda: ("here", "budget") in kept.cursors)
            return source

    source = asyncio.run(read())
    assert kept.ids() == ["youtube:c1", "youtube:c1.a", "youtube:c1.b", "youtube:c0"]
    assert [one.get("pageToken") or one.get("parentId") for one in tube.asked] == [None, "c1", "r2", "p2"]
    assert source.budgets() == {"units": 9_996}
    assert kept.cursors["here", "budget"]["units"] == 4
    assert kept.cursors["here", VIDEO] == NOW_MS - 60_000


def test_what_did_not_change_is_handed_out_once() -> None:
    tube = Tube(
        page(thread("c1")), page(thread("c1"), thread("c2")), page(thread("c2"), thread("c1", total=0))
    )
    kept = Kept()

    async def read() -> None:
        async with serving(tube.handlers) as server:
            source = youtube(server)
            for rounds in (1, 2, 3):  # a round each: the pause is ten seconds
                await follow(
                    source,
                    kept,
                    lambda rounds=rounds: (
                        len(tube.asked) >= rounds
                        and (  # type: ignore[misc]
                            kept.cursors.get(("here", "budget"), {}).get("units", 0) >= rounds
                        )
                    ),
                )

    asyncio.run(read())
    assert kept.ids() == ["youtube:c1", "youtube:c2"]


def test_what_two_looks_running_do_not_find_is_gone() -> None:
    """One empty answer of a server in trouble deletes nothing."""
    now = [NOW_MS]
    looks = [["c1", "c2"], [], ["c2"], ["c2"]]
    asked: list[str] = []

    async def threads(request: web.Request) -> web.Response:
        return web.json_response(page(thread("c1"), thread("c2")) if not asked else page())

    async def comments(request: web.Request) -> web.Response:
        asked.append(request.query["id"])
        return web.json_response({"items": [{"id": one} for one in looks.pop(0)]})

    kept = Kept()

    async def run() -> None:
        handlers: dict[str, Handler] = {
            "GET /youtube/v3/commentThreads": threads,
            "GET /youtube/v3/comments": comments,
        }
        async with serving(handlers) as server:
            source = youtube(server, lambda: now[0], recheck_interval_s=600)
            for arrivals in range(4):
                generator, now[0] = source.arrivals({}), now[0] + 1
                async for arrival in generator:
                    now[0] += 400_000
                    list(source.parse(arrival))
                    if arrival.place == "gone":
                        kept.log += [one.id for one in source.parse(arrival) if isinstance(one, Deleted)]
                    if arrival.place == "budget":
                        break
                await generator.aclose()
                assert len(asked) == arrivals + 1

    asyncio.run(run())
    assert asked == ["c1,c2", "c1,c2", "c1,c2", "c2"]
    assert kept.log == ["youtube:c1"]


def test_after_a_restart_only_what_may_be_news_comes_again() -> None:
    """What is newer than the cursor, was changed since, or has answers that may be new."""
    changed = thread("c3", ago_s=300, updatedAt=rfc3339(NOW_MS - 1_000))
    tube = Tube(
        page(thread("c1", ago_s=10), thread("c2", ago_s=200), changed, thread("c4", total=1, ago_s=400)),
        {"items": [comment("c4.a", 20, parentId="c4")]},
    )
    kept = Kept()

    async def read() -> None:
        async with serving(tube.handlers) as server:
            since = {VIDEO: NOW_MS - 60_000}
            await follow(youtube(server), kept, lambda: ("here", "budget") in kept.cursors, since)

    asyncio.run(read())
    assert kept.ids() == ["youtube:c1", "youtube:c3", "youtube:c4", "youtube:c4.a"]


async def _fails(tube: Tube, since: dict[str, Any] | None = None, **given: Any) -> list[Arrival]:
    async with serving(tube.handlers) as server:
        return [one async for one in youtube(server, **given).arrivals(since or {})]


def test_a_spent_quota_waits_for_midnight_in_los_angeles_whoever_spent_it() -> None:
    """Ours, known before anything is asked; or the project's, known by Google's answer."""
    tube = Tube(page())
    with pytest.raises(OutageError) as ours:
        asyncio.run(_fails(tube, {"budget": {"period": "2026-05-28", "units": 5}}, units_per_day=5))
    assert not tube.asked
    with pytest.raises(OutageError) as theirs:
        asyncio.run(_fails(Tube(problem(403, "quotaExceeded"))))
    for error in (ours, theirs):
        assert error.value.reason == "budget"
        assert error.value.after_s == 10 * 3600 + 33 * 60 + 20  # it is 13:26:40 there


@pytest.mark.parametrize(
    ("response", "kind", "reason"),
    [
        (problem(403, "rateLimitExceeded"), OutageError, "rate-limit"),
        (problem(403, "commentsDisabled"), UnusableError, "closed"),
        (problem(404, "videoNotFound"), UnusableError, "closed"),
        (problem(400, "keyInvalid"), UnusableError, "http-400"),
        (problem(500, "backendError"), OutageError, "http-500"),
        (web.Response(status=403, text="<html>"), UnusableError, "unauthorised"),
    ],
)
def test_what_google_s_reasons_mean(response: web.Response, kind: type[Exception], reason: str) -> None:
    with pytest.raises(kind) as error:
        asyncio.run(_fails(Tube(response)))
    assert getattr(error.value, "reason", "") == reason
    assert KEY not in str(error.value)


def test_a_video_without_comments_stops_no_other() -> None:
    tube, kept, other = Tube(problem(403, "commentsDisabled"), page(thread("c1"))), Kept(), "abcdefghijk"

    async def read() -> None:
        async with serving(tube.handlers) as server:
            source = youtube(server, videos={other: "", VIDEO: "murmeltel"})
            await follow(source, kept, lambda: ("here", "budget") in kept.cursors)

    asyncio.run(read())
    assert kept.ids() == ["youtube:c1"]


def test_settings_name_something_to_watch() -> None:
    odd: list[dict[str, Any]] = [
        {"videos": {}},
        {"videos": {"short": "murmeltel"}},
        {"videos": {VIDEO: "No Slug"}},
    ]
    for wrong in odd:
        with pytest.raises(ValidationError):
            Settings.model_validate({"kind": "youtube", "api_key": KEY, **wrong})
