"""The pages over a desk of the core instead of Kafka, and what a browser or a program sends them.

Law of this file: what a command does is decided by `streams.desk` as in a worker; only the way is short.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import ClientResponse, ClientSession, CookieJar
from pydantic import SecretStr
from yarl import URL

from agents.codec import CURSOR_KEY, encode_cursor, encode_state
from agents.settings import Brand, Settings
from agents.web.known import Known, Told
from agents.web.reader import Doubt
from agents.web.server import application, listening
from agents.web.settings import Web
from agents.web.signin import hash_of
from agents.web.site import PostError
from streams.alert import Evidence
from streams.audit import Audited, audited
from streams.delivery import Attempt, Case, Ok
from streams.desk import Desk, encode_record
from streams.incident import Command, Rules
from streams.levels import Level
from tests.streams.test_desk import Everybody
from tests.threads import buckets_of, thread_of

READ, ACT, ADMIN = "a-token-that-may-read", "a-token-that-may-act", "a-token-that-may-do-all"
KEY = "k" * 32
NOW_MS = 1_900_000_000_000  # beyond any clock of a machine that runs this: holds are not over


def settings(**web: Any) -> Settings:
    tokens = {
        "reply-tool": {"hash": hash_of(READ), "role": "read", "when_unknown": "hold"},
        "duty-lead": {"hash": hash_of(ACT), "role": "act"},
        "service-lead": {"hash": hash_of(ADMIN), "role": "admin"},
    }
    given = Web.model_validate({"tokens": tokens, "port": 0} | web)
    return Settings(web=given, web_key=(SecretStr(KEY),), brands={"acme": Brand()})


class House:
    """A desk, what is known of it, and what was asked and audited."""

    def __init__(self) -> None:
        self.known = Known()
        self.desk = Desk(Everybody(), Rules())
        self.commands: list[Command] = []
        self.audits: list[Audited] = []
        self.doubts: Doubt | None = None
        self.people: dict[str, tuple[str, ...]] = {}  # who is on call, by brand
        self.broken = False
        self.silent = False  # no worker answers

    def on_call(self, brand: str, now_ms: int) -> tuple[str, ...]:
        return self.people.get(brand, ())

    def doubt(self) -> Doubt | None:
        return self.doubts

    async def until(self, is_so: Callable[[], bool], within_s: float) -> bool:
        await asyncio.sleep(0)
        return is_so()

    async def command(self, command: Command) -> None:
        if self.broken:
            raise PostError
        self.commands.append(command)
        if self.silent:
            return
        now_ms = command.at_ms
        reason = None if self.desk.command(command, now_ms) else self.desk.why_refused(command, now_ms)
        self.tell(audited(command, now_ms, reason))
        self.publish()

    async def audit(self, audited: Audited) -> None:
        self.audits.append(audited)

    def tell(self, one: Audited) -> None:
        self.audits.append(one)
        self.known.take("audit", 0, b"", msgspec.json.encode(one))

    def publish(self) -> None:
        holds, changed = self.desk.changes()
        for thread_id, held in holds.items():
            value = None if held is None else msgspec.json.encode(held)
            self.known.take("holds", 0, thread_id.encode(), value)
        for key, record in changed.items():
            value = None if record is None else encode_record(record)
            self.known.take("incidents", 0, key.encode(), value)

    def alert(self, case: Case, now_ms: int, evidence: Iterable[Evidence] = ()) -> None:
        """An alert rises, and who is due is paged."""
        told = Told(
            **{name: getattr(case, name) for name in case.__struct_fields__}, evidence=tuple(evidence)
        )
        self.known.take("alerts", 0, case.brand.encode(), msgspec.json.encode(told))
        self.desk.alert(case, now_ms)
        self.desk.tick(now_ms)
        for one in list(self.desk.deliveries(now_ms)):
            self.desk.delivered(one, Ok(), now_ms)
            attempt = Attempt(
                now_ms,
                one.incident,
                case.brand,
                one.dedup_key,
                one.kind,
                0,
                one.person,
                one.channel,
                0.2,
                Ok(),
            )
            self.known.take("pages", 0, b"", msgspec.json.encode(attempt))
        self.publish()

    def thread(
        self, thread_id: str, at_ms: int, level: Level = Level.CALM, mentions: int = 25, title: str = ""
    ) -> None:
        """The workers write down a thread."""
        one = thread_of(
            "acme", "test", at_ms, at_ms, at_ms + 3_600_000, mentions=mentions, level=level, title=title
        )
        one.pulse = buckets_of(dict.fromkeys(range(12), 2))
        self.known.take("threads", 0, thread_id.encode(), encode_state(7, one))
        self.known.take("threads", 0, CURSOR_KEY, encode_cursor(7, at_ms))


class Visitor:
    """A browser or a program: a session, and the address of the pages."""

    def __init__(self, session: ClientSession, address: str) -> None:
        self.session, self.address = session, address

    async def get(self, path: str, **more: Any) -> ClientResponse:
        return await self.session.get(URL(self.address + path, encoded=True), allow_redirects=False, **more)

    async def post(self, path: str, **more: Any) -> ClientResponse:
        return await self.session.post(URL(self.address + path, encoded=True), allow_redirects=False, **more)

    async def sign_in(self, token: str = ACT) -> None:
        """As a person does: load the page, fill the form."""
        page = await (await self.get("/sign-in")).text()
        answer = await self.post("/sign-in", data={"form": hidden(page, "form"), "token": token})
        assert answer.status == 303, await answer.text()

    async def press(self, page: str, path: str, **fields: str) -> ClientResponse:
        """Press the button of the form of `page` that goes to `path`."""
        form = page[page.index(f'action="{path}"') :]
        named = {"form": hidden(form, "form"), "id": hidden(form, "id")}
        return await self.post(path, data=named | fields, headers={"Sec-Fetch-Site": "same-origin"})


def hidden(page: str, name: str) -> str:
    found = re.search(f'name="{name}" value="([^"]*)"', page)
    assert found, page
    return found[1]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def open_house(house: House, **web: Any) -> AsyncIterator[Visitor]:
    """The pages answer for the length of a `with`."""
    app = application(settings(**web), house, house, house.on_call)
    async with listening(app, "127.0.0.1", 0) as address:
        jar = CookieJar(unsafe=True)  # of an address instead of a name
        async with ClientSession(cookie_jar=jar) as session:
            yield Visitor(session, address)
