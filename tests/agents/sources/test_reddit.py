"""Reddit: listings as reddit.com/dev/api and PRAW's documentation describe them, with values of our own."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from agents.source_settings import Reddit as Settings
from agents.sources import kinds
from agents.sources.reddit import Reddit, parse
from agents.sources.source import Arrival, Context, OutageError, SourceError, UnusableError
from streams.mention import Reactions
from streams.post import Deleted, Ignored, Post, Refused
from tests.agents.sources.serving import Handler, serving
from tests.agents.sources.world import NOW_MS, Kept, check_hostile, follow

NOW_S = NOW_MS / 1000
SECRET = "secret-of-ours-for-reddit"


def comment(id: str = "c1", ago_s: float = 60, **more: Any) -> dict[str, Any]:
    return {
        "kind": "t1",
        "data": {
            "id": id,
            "name": f"t1_{id}",
            "created_utc": NOW_S - ago_s,
            "author": "dormouse",
            "author_fullname": "t2_9",
            "body": "Murmeltel: no line since Monday",
            "link_id": "t3_s1",
            "parent_id": "t3_s1",
            "link_author": "marmot",
            "permalink": "/r/phones/comments/s1/line/c1/",
            "subreddit": "phones",
            "edited": False,
            "score": 5,
            "ups": 5,
            **more,
        },
    }


def submission(id: str = "s1", ago_s: float = 120, **more: Any) -> dict[str, Any]:
    return {
        "kind": "t3",
        "data": {
            "id": id,
            "name": f"t3_{id}",
            "created_utc": NOW_S - ago_s,
            "author": "marmot",
            "title": "Murmeltel again",
            "selftext": "Two weeks now.",
            "url": f"https://www.reddit.com/r/phones/comments/{id}/again/",
            "permalink": f"/r/phones/comments/{id}/again/",
            "edited": False,
            "ups": 40,
            "num_comments": 12,
            "num_crossposts": 1,
            "removed_by_category": None,
            **more,
        },
    }


def listing(*things: dict[str, Any], after: str | None = None) -> dict[str, Any]:
    return {"kind": "Listing", "data": {"after": after, "dist": len(things), "children": list(things)}}


def packed(*things: dict[str, Any]) -> bytes:
    return json.dumps(listing(*things)).encode()


def reddit(server: str = "https://oauth.reddit.com", **given: Any) -> Reddit:
    settings = {
        "kind": "reddit",
        "client_id": "client",
        "client_secret": SECRET,
        "user_agent": "linux:org.example.watch:v1 (by /u/example)",
        "subreddits": ["phones", "contracts"],
        "poll_interval_s": 2,
        "server": server,
        "login_server": server,
    }
    return Reddit(Settings.model_validate(settings | given), Context("boards"), lambda: NOW_MS, recheck_s=0.0)


def test_comments_belong_to_their_submission() -> None:
    root, answer = parse(packed(submission(), comment(parent_id="t1_c0")), NOW_MS)
    assert isinstance(root, Post)
    assert isinstance(answer, Post)
    assert (root.id, root.root_id, root.kind, root.text) == (
        "reddit:t3_s1",
        "reddit:t3_s1",
        "post",
        "Murmeltel again\n\nTwo weeks now.",
    )
    assert root.reactions == Reactions(40, 1, 12, 0)
    assert (answer.root_id, answer.parent_id, answer.root_author) == (
        "reddit:t3_s1",
        "reddit:t1_c0",
        "marmot",
    )
    assert answer.url == "https://www.reddit.com/r/phones/comments/s1/line/c1/"
    assert (answer.author_id, answer.created_ms) == ("dormouse", NOW_MS - 60_000)


def test_a_submitted_link_is_a_link_and_one_s_own_page_is_none() -> None:
    out, own = parse(packed(submission(url="https://news.example/a"), submission()), NOW_MS)
    assert isinstance(out, Post)
    assert isinstance(own, Post)
    assert (out.links, own.links) == (("https://news.example/a",), ())


def test_an_edit_says_when() -> None:
    (found,) = parse(packed(comment(edited=NOW_S - 9)), NOW_MS)
    assert isinstance(found, Post)
    assert found.edited_ms == NOW_MS - 9_000


@pytest.mark.parametrize(
    "gone",
    [
        comment(author="[deleted]", body="[deleted]"),
        comment(body="[removed]"),
        comment(author=None),
        submission(selftext="[removed]"),
        submission(removed_by_category="deleted"),
    ],
)
def test_what_is_gone_is_told_as_deleted(gone: dict[str, Any]) -> None:
    assert parse(packed(gone), NOW_MS) == [Deleted("reddit", f"reddit:{gone['data']['name']}", NOW_MS)]


def test_what_is_over_by_now_is_passed_over() -> None:
    assert parse(packed(comment(ago_s=40 * 3600)), NOW_MS) == [Ignored("old")]


def test_a_thing_out_of_joint_spoils_no_other() -> None:
    found = parse(packed({"kind": "t5", "data": comment()["data"]}, comment(link_id=""), comment()), NOW_MS)
    assert [type(one) for one in found] == [Ignored, Refused, Post]


def test_malformed_listings_end_in_rejects() -> None:
    assert check_hostile(reddit(), [packed(comment(), submission()), packed(comment("c2"))]) > 5_000


class Board:
    """Reddit on loopback: listings by path, and how many requests are left."""

    def __init__(self, **listings: list[dict[str, Any]]) -> None:
        self.listings = listings
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.logins = 0
        self.login_status = 200
        self.status = 200

    async def login(self, request: web.Request) -> web.Response:
        self.logins += 1
        if self.login_status != 200:
            return web.json_response({"error": "unauthorized"}, status=self.login_status)
        return web.json_response(
            {"access_token": "t", "token_type": "bearer", "expires_in": 3600, "scope": "*"}
        )

    async def answer(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "bearer t"
        assert request.headers["User-Agent"].startswith("linux:org.example.watch")
        place = request.path.rsplit("/", 1)[-1]
        self.asked.append((place, dict(request.query)))
        headers = {"x-ratelimit-remaining": "599.0", "x-ratelimit-used": "1", "x-ratelimit-reset": "1"}
        if self.status != 200:
            return web.json_response(
                {"message": "no"}, status=self.status, headers=headers | {"Retry-After": "31"}
            )
        waiting = self.listings.get(place, [])
        told = waiting.pop(0) if len(waiting) > 1 else waiting[0] if waiting else listing()
        return web.json_response(told, headers=headers)

    @property
    def handlers(self) -> dict[str, Handler]:
        return {
            "POST /api/v1/access_token": self.login,
            "GET /r/phones+contracts/comments": self.answer,
            "GET /r/phones+contracts/new": self.answer,
            "GET /api/info": self.answer,
        }


def read(board: Board, kept: Kept, until: Callable[[], bool], since: dict[str, Any] | None = None) -> Reddit:
    async def run() -> Reddit:
        async with serving(board.handlers) as server:
            source = reddit(server)
            await follow(source, kept, until, since)
            return source

    return asyncio.run(run())


def test_listings_are_read_back_to_what_is_known_and_each_thing_once() -> None:
    """The second round brings what is new or was edited, and no more."""
    first = listing(comment("c2"), comment("c1", 90), after="t1_c1")
    older = listing(comment("c0", 5_000), comment("old", 90_000), after="t1_old")
    second = listing(comment("c3", 1), comment("c2", edited=NOW_S), comment("c1", 90))
    board, kept = Board(comments=[first, older, second], new=[listing(submission())]), Kept()
    source = read(board, kept, lambda: "reddit:t1_c3" in kept.ids())
    assert kept.ids() == [
        *("reddit:t1_c2", "reddit:t1_c1", "reddit:t1_c0", "reddit:t1_old"),
        *("reddit:t3_s1", "reddit:t1_c3", "reddit:t1_c2"),
    ]
    assert kept.mentions[-1][1]["edited_at"] == NOW_MS
    assert [query.get("after") for place, query in board.asked if place == "comments"][:3] == [
        None,
        "t1_c1",
        None,
    ]
    assert kept.cursors["here", "comments"] == NOW_S - 1
    assert source.budgets() == {"requests": 599.0}
    assert board.logins == 1


def test_after_a_restart_it_goes_on_at_the_cursor() -> None:
    board, kept = Board(comments=[listing(comment("c2", 10), comment("c1", 4_000), after="t1_c1")]), Kept()
    read(board, kept, lambda: ("here", "comments") in kept.cursors, {"comments": NOW_S - 60})
    assert [query.get("after") for place, query in board.asked if place == "comments"] == [None]


def test_what_was_deleted_since_is_found_within_a_look() -> None:
    """Reddit tells of no deletion: it is asked whether what was told is still there."""
    board = Board(
        comments=[listing(comment("c1"), comment("c2"))],
        info=[listing(comment("c1"), comment("c2", author="[deleted]", body="[deleted]"))],
    )
    kept = Kept()
    read(board, kept, lambda: any(one.get("deleted") for _, one, _ in kept.mentions))
    assert [one["id"] for _, one, _ in kept.mentions if one.get("deleted")] == ["reddit:t1_c2"]
    ((_, query), *_) = [one for one in board.asked if one[0] == "info"]
    assert query["id"] == "t1_c1,t1_c2"


@pytest.mark.parametrize(
    ("login_status", "status", "kind", "reason"),
    [
        (401, 200, UnusableError, "unauthorised"),
        (200, 403, UnusableError, "unauthorised"),
        (200, 429, OutageError, "rate-limit"),
    ],
)
def test_who_is_not_approved_is_told_so_and_who_is_too_quick_waits(
    login_status: int, status: int, kind: type[SourceError], reason: str
) -> None:
    board = Board()
    board.login_status, board.status = login_status, status

    async def run() -> None:
        async with serving(board.handlers) as server:
            async for _ in reddit(server).arrivals({}):
                pass

    with pytest.raises(kind) as error:
        asyncio.run(run())
    assert error.value.reason == reason
    assert SECRET not in str(error.value)
    if isinstance(error.value, OutageError):
        assert error.value.after_s == 31


def test_without_its_library_the_source_says_which_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpraw", None)
    monkeypatch.delitem(sys.modules, "agents.sources.reddit")
    settings = reddit()._settings
    with pytest.raises(UnusableError, match=r"flashover\[reddit\]"):
        kinds.make(settings, Context("boards"))


def test_a_payload_is_judged_by_itself() -> None:
    (found,) = reddit().parse(Arrival(b"[]", NOW_MS, "comments"))
    assert isinstance(found, Refused)
