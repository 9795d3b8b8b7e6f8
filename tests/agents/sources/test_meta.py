"""Facebook Pages and Instagram accounts: shapes of Meta's Webhooks reference, with values of our own.

Sources: developers.facebook.com/docs/graph-api/webhooks (getting started; reference of `page`, field `feed`,
and of `instagram`) and /docs/instagram-platform/webhooks/examples.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from typing import Any

import pytest

from agents.source_settings import Meta as Settings
from agents.sources.inbox import Inboxes
from agents.sources.meta import Meta
from agents.sources.source import Arrival, Context
from streams.post import Deleted, Found, Ignored, Post, Refused
from tests.agents.sources.pushed import free_port, pushing
from tests.agents.sources.world import NOW_MS, Kept, check_hostile

PAGE, ACCOUNT, SECRET, TOKEN = "108", "17841", "app-secret-of-ours", "a-word-of-ours"
AT_S = NOW_MS // 1000 - 30


def meta(port: int = 0) -> Meta:
    settings = Settings.model_validate(
        {
            "kind": "meta",
            "port": port,
            "path": "/in",
            "app_secret": SECRET,
            "verify_token": TOKEN,
            "pages": {PAGE: "murmeltel", ACCOUNT: "murmeltel"},
        }
    )
    return Meta(settings, Context("pages"), Inboxes())


def notice(value: dict[str, Any], field: str = "feed", object: str = "page", id: str = PAGE) -> bytes:
    entry = {"id": id, "time": AT_S, "changes": [{"field": field, "value": value}]}
    return json.dumps({"object": object, "entry": [entry]}).encode()


def comment(**more: Any) -> dict[str, Any]:
    return {
        "item": "comment",
        "verb": "add",
        "post_id": f"{PAGE}_500",
        "comment_id": "500_9",
        "parent_id": f"{PAGE}_500",
        "from": {"id": "77", "name": "A Customer"},
        "message": "Two weeks without a line!",
        "created_time": AT_S - 5,
        "post": {"status_type": "added_photos", "is_published": True},
        **more,
    }


def instagram(**more: Any) -> dict[str, Any]:
    return {
        "id": "1801",
        "from": {"id": "4711", "username": "dormouse"},
        "media": {"id": "1799", "media_product_type": "FEED"},
        "text": "And who answers us?",
        **more,
    }


def only(payload: bytes) -> Found:
    (found,) = meta().parse(Arrival(payload, NOW_MS))
    return found


def test_a_comment_belongs_to_the_page_s_post_and_to_the_brand_whatever_it_says() -> None:
    found = only(notice(comment()))
    assert isinstance(found, Post)
    assert (found.id, found.root_id, found.parent_id) == (
        "facebook:500_9",
        f"facebook:{PAGE}_500",
        f"facebook:{PAGE}_500",
    )
    assert (found.kind, found.author_id, found.brands, found.own) == ("reply", "77", ("murmeltel",), False)
    assert found.created_ms == (AT_S - 5) * 1000
    assert not found.edited_ms


def test_an_answer_to_a_comment_names_the_comment_as_its_parent() -> None:
    found = only(notice(comment(comment_id="500_10", parent_id="500_9")))
    assert isinstance(found, Post)
    assert (found.root_id, found.parent_id) == (f"facebook:{PAGE}_500", "facebook:500_9")


def test_the_page_s_own_posts_and_comments_are_the_brand_s() -> None:
    ours = {"id": PAGE, "name": "Murmeltel"}
    answer = only(notice(comment(**{"from": ours})))
    post = only(
        notice({"item": "status", "verb": "add", "post_id": f"{PAGE}_500", "from": ours, "message": "Hi"})
    )
    answer_there = only(
        notice(instagram(**{"from": {"id": ACCOUNT, "username": "m"}}), "comments", "instagram", ACCOUNT)
    )
    scoped = {"id": "9", "username": "m", "self_ig_scoped_id": "9"}
    scoped_answer = only(notice(instagram(**{"from": scoped}), "comments", "instagram", ACCOUNT))
    for one in (answer, post, answer_there, scoped_answer):
        assert isinstance(one, Post)
        assert one.own
    assert isinstance(post, Post)
    assert (post.kind, post.id, post.root_id) == ("post", post.root_id, f"facebook:{PAGE}_500")


def test_an_edit_is_the_same_comment_with_its_new_text() -> None:
    found = only(notice(comment(verb="edited", message="It works again")))
    assert isinstance(found, Post)
    assert (found.id, found.text, found.edited_ms) == ("facebook:500_9", "It works again", AT_S * 1000)
    assert found.created_ms == (AT_S - 5) * 1000


def test_what_is_removed_is_told_as_deleted() -> None:
    assert only(notice(comment(verb="remove", message=None))) == Deleted(
        "facebook", "facebook:500_9", AT_S * 1000
    )
    assert only(notice({"item": "post", "verb": "remove", "post_id": f"{PAGE}_500"})) == Deleted(
        "facebook", f"facebook:{PAGE}_500", AT_S * 1000
    )


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (notice({"item": "reaction", "verb": "add", "post_id": "1_2", "reaction_type": "angry"}), "reaction"),
        (notice({"item": "like", "verb": "add"}), "reaction"),
        (notice(comment(verb="hide")), "other-verb"),
        (notice({"item": "mystery", "verb": "add"}), "other-item"),
        (notice({"rating": 5}, "ratings"), "other-field"),
        (notice({"media_id": "1"}, "mentions", "instagram", ACCOUNT), "other-field"),
        (notice(comment(), id="999"), "unknown-page"),
        (
            json.dumps({"object": "page", "entry": [{"id": PAGE, "time": 1, "messaging": [{}]}]}).encode(),
            "no-changes",
        ),
    ],
)
def test_what_is_none_of_ours_is_passed_over_by_a_word(payload: bytes, why: str) -> None:
    assert only(payload) == Ignored(why)


def test_a_comment_on_instagram_answers_the_media_or_another_comment() -> None:
    found = only(notice(instagram(), "comments", "instagram", ACCOUNT))
    assert isinstance(found, Post)
    assert (found.platform, found.id, found.root_id, found.parent_id) == (
        "instagram",
        "instagram:1801",
        "instagram:1799",
        "instagram:1799",
    )
    assert found.created_ms == AT_S * 1000  # Meta does not say when it was written, but when it told us
    answer = only(notice(instagram(id="1802", parent_id="1801"), "comments", "instagram", ACCOUNT))
    assert isinstance(answer, Post)
    assert answer.parent_id == "instagram:1801"


def test_apps_with_instagram_login_send_field_and_value_without_a_list() -> None:
    entry = {"id": ACCOUNT, "time": AT_S, "field": "comments", "value": instagram()}
    payload = json.dumps([{"object": "instagram", "entry": [entry]}]).encode()
    assert isinstance(only(payload), Post)


def test_one_change_out_of_joint_spoils_no_other() -> None:
    changes = [
        {"field": "feed", "value": value} for value in (comment(), comment(comment_id=None), comment(verb=3))
    ]
    entry = {"id": PAGE, "time": AT_S, "changes": [*changes, 7]}
    found = list(meta().parse(Arrival(json.dumps({"object": "page", "entry": [entry, 8]}).encode(), NOW_MS)))
    assert [type(one) for one in found] == [Refused, Post, Refused, Refused, Refused]
    assert isinstance(found[0], Refused)
    assert found[0].raw == b"7"


def test_somebody_without_a_name_is_somebody_of_their_own() -> None:
    """Meta leaves `from` out where the app lacks pages_read_user_content."""
    found = [only(notice(comment(comment_id=id, **{"from": None}))) for id in ("1", "2")]
    assert len({one.author_id for one in found if isinstance(one, Post)}) == 2


def signature(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def test_the_challenge_is_given_back_to_who_knows_the_token_and_nobody_else() -> None:
    port, kept, source = free_port(), Kept(), meta()
    source = meta(port)

    async def ask() -> list[tuple[int, str]]:
        right = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": TOKEN}
        async with pushing(source, port=port, kept=kept) as client:
            return [
                await client.get(right),
                await client.get(right | {"hub.verify_token": "guess"}),
                await client.get(right | {"hub.mode": "unsubscribe"}),
                await client.get(right | {"hub.challenge": "<script>"}),
                await client.get({}),
            ]

    answers = asyncio.run(ask())
    assert answers[0] == (200, "1158201444")
    assert {status for status, _ in answers[1:]} == {403}
    assert dict(source.turned_away()) == {"wrong-token": 4}


def test_a_signed_notification_is_stored_before_it_is_answered() -> None:
    """With the page's own answer known as the brand's, on the wire as well."""
    port, kept = free_port(), Kept()
    body = notice(comment())
    ours = notice(
        comment(comment_id="500_10", parent_id="500_9", **{"from": {"id": PAGE, "name": "Murmeltel"}})
    )
    gone = notice(comment(verb="remove"))

    async def push() -> list[tuple[int, str]]:
        async with pushing(meta(port), port=port, kept=kept) as client:
            return [
                await client.post(body, signature(body)),
                await client.post(ours, signature(ours)),
                await client.post(gone, signature(gone)),
                await client.post(body, signature(body, "another")),
            ]

    answers = asyncio.run(push())
    assert [status for status, _ in answers] == [200, 200, 200, 401]
    told = [(one["id"], one.get("from_brand"), one.get("deleted")) for _, one, _ in kept.mentions]
    assert told == [
        ("facebook:500_9", None, None),
        ("facebook:500_10", True, None),
        ("facebook:500_9", None, True),
    ]
    assert {key for key, _, _ in kept.mentions} == {f"facebook:{PAGE}_500".encode()}


def test_malformed_notifications_end_in_rejects() -> None:
    payloads = [notice(comment()), notice(instagram(), "comments", "instagram", ACCOUNT)]
    assert check_hostile(meta(), payloads) > 5_000


def test_secrets_are_not_shown() -> None:
    shown = repr(meta()._settings)
    assert SECRET not in shown
    assert TOKEN not in shown
