"""The signed webhook: what is let in, what is answered, and that nothing is confirmed that Kafka has not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr, ValidationError

from agents.errors import BrokerError
from agents.intake import Headers
from agents.source_settings import Webhook as Settings
from agents.sources import inbox
from agents.sources.inbox import Inboxes
from agents.sources.source import Arrival, Context, UnusableError
from agents.sources.webhook import ITEMS_MOST, Webhook
from streams.mention import Reason
from streams.post import Ready, Refused
from tests.agents.sources.pushed import Pusher, free_port, listening, pushing
from tests.agents.sources.test_signature import KEY, NOW_S, OTHER, signed
from tests.agents.sources.world import NOW_MS, Kept, check_hostile

MENTION = {
    "id": "forum:77",
    "brand": "murmeltel",
    "platform": "forum",
    "thread_id": "forum:70",
    "parent_id": "forum:70",
    "author": {"id": "u9", "handle": "dormouse"},
    "text": "No line since Monday, and nobody may end the contract",
    "created_at": NOW_MS - 60_000,
}
PLAIN = {"path": "/in", "keys": [KEY.decode()]}


def webhook(port: int = 0, inboxes: Inboxes | None = None, **given: Any) -> Webhook:
    settings = Settings.model_validate({"kind": "webhook", "port": port, **PLAIN, **given})
    return Webhook(settings, Context("listener"), inboxes or Inboxes(), lambda: float(NOW_S))


def packed(*mentions: Any) -> bytes:
    return json.dumps(list(mentions)).encode()


def test_one_mention_or_a_list_and_each_is_passed_on_as_it_is() -> None:
    one, two = json.dumps(MENTION).encode(), json.dumps(MENTION | {"id": "forum:78"}).encode()
    source = webhook()
    assert list(source.parse(Arrival(one, NOW_MS))) == [Ready(one)]
    assert list(source.parse(Arrival(b" [" + one + b",\n" + two + b"]", NOW_MS))) == [Ready(one), Ready(two)]


def test_a_mention_without_its_brand_is_matched_as_any_post_is() -> None:
    """So that a tool that knows nothing of our brands can feed us; edits and deletions find what was told."""
    plain = {name: value for name, value in MENTION.items() if name != "brand"}
    ours = plain | {"text": "Murmeltel: no line", "links": ["https://blog.example/a"]}
    body = packed(
        ours, plain | {"id": "forum:78", "parent_id": None, "thread_id": "forum:78"}, plain | {"author": 1}
    )
    edit = packed(ours | {"text": "It works", "edited_at": NOW_MS}, ours | {"deleted": True})
    kept, port = Kept(), free_port()

    async def push() -> list[dict[str, Any]]:
        async with pushing(webhook(port), port=port, kept=kept) as client:
            answers = [await client.post(one, signed(one)) for one in (body, edit)]
            return [json.loads(text) for _, text in answers]

    assert asyncio.run(push()) == [
        {"taken": 1, "ignored": 1, "refused": {"bad-field": 1}},
        {"taken": 2, "ignored": 0, "refused": {}},
    ]
    assert [(one["id"], one["brand"]) for _, one, _ in kept.mentions] == [("forum:77", "murmeltel")] * 3
    assert [one.get("edited_at") or one.get("deleted") for _, one, _ in kept.mentions] == [None, NOW_MS, True]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1,", b"\xff", b"[" * 100_000, b"{}x", packed(*[1] * (ITEMS_MOST + 1))]
)
def test_a_body_that_is_neither_is_refused_as_a_whole(body: bytes) -> None:
    (found,) = webhook().parse(Arrival(body, NOW_MS))
    assert isinstance(found, Refused)


def test_what_is_stored_is_answered_with_counts_and_reasons() -> None:
    """The good ones of a list go in, the others go to rejects, byte for byte."""
    bad = MENTION | {"id": ""}
    future = MENTION | {"id": "forum:79", "created_at": NOW_MS + 3_600_000}
    body, kept, port = packed(MENTION, bad, future), Kept(), free_port()

    async def push() -> tuple[int, str]:
        async with pushing(webhook(port), port=port, kept=kept) as client:
            return await client.post(body, signed(body))

    status, text = asyncio.run(push())
    assert (status, json.loads(text)) == (
        202,
        {"taken": 1, "ignored": 0, "refused": {"bad-field": 1, "future": 1}},
    )
    assert [(key, mention["id"]) for key, mention, _ in kept.mentions] == [(b"forum:70", "forum:77")]
    assert [json.loads(raw or b"") for _, raw, _ in kept.rejects] == [bad, future]
    assert kept.rejects[0][2]["topic"] == b"source:here"


def test_who_is_not_signed_is_turned_away_and_counted_and_nothing_is_stored() -> None:
    body, kept, port = packed(MENTION), Kept(), free_port()
    source = webhook(port, max_body_bytes=1024)

    async def push() -> list[tuple[int, str]]:
        async with pushing(source, port=port, kept=kept) as client:
            return [
                await client.post(body, {}),
                await client.post(body, signed(body, OTHER)),
                await client.post(body, signed(body, at_s=NOW_S - 400)),
                await client.post(b" " * 2000, signed(b" " * 2000)),
                await client.get({}),
                await client.post(body, signed(body), "/elsewhere"),
            ]

    answers = asyncio.run(push())
    assert [status for status, _ in answers] == [401, 401, 401, 413, 405, 503]
    assert dict(source.turned_away()) == {
        "unsigned": 1,
        "wrong-signature": 1,
        "stale": 1,
        "too-long": 1,
        "method": 1,
    }
    assert not kept.mentions
    assert not kept.rejects


def test_a_second_key_is_good_while_the_first_is_being_replaced() -> None:
    body, kept, port = packed(MENTION), Kept(), free_port()

    async def push() -> int:
        keys = [KEY.decode(), OTHER.decode()]
        async with pushing(webhook(port, keys=keys), port=port, kept=kept) as client:
            return (await client.post(body, signed(body, OTHER)))[0]

    assert asyncio.run(push()) == 202


class Broken(Kept):
    """A broker that takes nothing."""

    async def mention(self, key: bytes, value: bytes, headers: Headers) -> Awaitable[Any]:
        raise BrokerError("the broker does not take it")


def test_what_kafka_does_not_take_is_answered_with_503_so_that_it_comes_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once because the broker refuses, once because it does not answer in time."""
    monkeypatch.setattr(inbox, "_PATIENCE_S", 0.2)
    body, port, slow_port, slow = packed(MENTION), free_port(), free_port(), Kept(hold=True)

    async def push() -> list[int]:
        async with pushing(webhook(port), port=port, kept=Broken()) as client:
            broken = await client.post(body, signed(body))
        async with pushing(webhook(slow_port), port=slow_port, kept=slow) as client:
            late = await client.post(body, signed(body))
        return [broken[0], late[0]]

    assert asyncio.run(push()) == [503, 503]


def test_a_trial_confirms_nothing() -> None:
    """`flashover source try` shows what comes and keeps none of it: the sender must not believe it."""
    body, port = packed(MENTION), free_port()

    async def push() -> int:
        source = webhook(port)

        async def tries() -> None:
            async for arrival in source.arrivals({}):
                assert arrival.receipt is not None
                arrival.receipt.cancel()

        trial = asyncio.ensure_future(tries())
        await listening(port)
        try:
            async with aiohttp.ClientSession() as session:
                return (await Pusher(session, f"http://127.0.0.1:{port}").post(body, signed(body)))[0]
        finally:
            trial.cancel()
            await asyncio.gather(trial, return_exceptions=True)

    assert asyncio.run(push()) == 503


def test_who_dawdles_or_comes_in_crowds_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "_BODY_WITHIN_S", 0.2)
    monkeypatch.setattr(inbox, "_WAITING_MOST", 2)
    body, port, kept = packed(MENTION), free_port(), Kept()
    source = webhook(port)

    async def dawdle() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /in HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        try:
            return await reader.readline()
        finally:
            writer.close()

    async def push() -> tuple[list[bytes], int, int]:
        async with pushing(source, port=port, kept=kept) as client:
            slow = [asyncio.ensure_future(dawdle()) for _ in range(2)]
            route = source._inboxes._open["127.0.0.1", port]._routes["/in"]
            while route.under_way < 2:  # noqa: ASYNC110 — a server tells of nothing but answers
                await asyncio.sleep(0.005)
            crowded = await client.post(body, signed(body))
            answers = await asyncio.gather(*slow)
            return answers, crowded[0], (await client.post(body, signed(body)))[0]

    answers, crowded, after = asyncio.run(push())
    assert [one.split()[1] for one in answers] == [b"408", b"408"]
    assert (crowded, after) == (503, 202)
    assert dict(source.turned_away()) == {"too-slow": 2, "not-stored": 1}


def test_sources_of_one_address_share_a_server_and_a_path_is_one_s_own() -> None:
    body, kept, port, inboxes = packed(MENTION), Kept(), free_port(), Inboxes()
    first, second = webhook(port, inboxes), webhook(port, inboxes, path="/other", keys=[OTHER.decode()])

    async def push() -> list[int]:
        async with pushing(first, second, port=port, kept=kept) as client:
            while not (first.port and second.port):  # noqa: ASYNC110 — a source tells of nothing but arrivals
                await asyncio.sleep(0.005)
            with pytest.raises(UnusableError, match="two sources want the path /in"):
                async for _ in webhook(port, inboxes).arrivals({}):
                    pass
            return [
                (await client.post(body, signed(body)))[0],
                (await client.post(body, signed(body), "/other"))[0],
                (await client.post(body, signed(body, OTHER), "/other"))[0],
            ]

    assert asyncio.run(push()) == [202, 401, 202]


def test_a_port_that_is_taken_ends_the_source_with_a_sentence() -> None:
    port = free_port()

    async def push() -> None:
        async with pushing(webhook(port), port=port, kept=Kept()):
            async for _ in webhook(port).arrivals({}):
                pass

    with pytest.raises(UnusableError, match=r"127\.0\.0\.1:\d+ can't be listened on"):
        asyncio.run(push())


def test_malformed_bodies_end_in_rejects() -> None:
    payloads = [json.dumps(MENTION).encode(), packed(MENTION, MENTION | {"id": "forum:78"})]
    assert check_hostile(webhook(), payloads) > 5_000


def test_settings_refuse_what_would_let_strangers_in_and_never_show_a_key() -> None:
    odd: list[dict[str, Any]] = [{"keys": ["short"]}, {"path": "in"}, {"tolerance_s": 86_400}]
    for wrong in odd:
        with pytest.raises(ValidationError) as error:
            Settings.model_validate({"kind": "webhook", **PLAIN, **wrong})
        assert "short" not in str(error.value).replace("too_short", "")
    settings = Settings.model_validate({"kind": "webhook", **PLAIN})
    assert settings.host == "127.0.0.1"
    assert KEY.decode() not in repr(settings)
    assert isinstance(settings.keys[0], SecretStr)


def test_the_reasons_are_those_of_every_mention() -> None:
    (found,) = webhook().parse(Arrival(b"no", NOW_MS))
    assert isinstance(found, Refused)
    assert found.reason is Reason.NOT_JSON
