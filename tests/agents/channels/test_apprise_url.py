"""Apprise: real protocols to local servers, its log kept in, its failures told by what was answered."""

from __future__ import annotations

import asyncio
import email
import email.policy
import logging
import socket
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from msgspec.structs import replace
from pydantic import SecretStr

from agents.channels.apprise_url import render, sender, status_in
from agents.channels.channel import Send
from agents.channels.config import AppriseChannel
from streams.delivery import Delivery, GiveUp, Ok, Outcome, TryAgain
from tests.agents.channels.servers import TAKE, delivery, exchange, told
from tests.streams.test_page_text import HOSTILE

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # it is on loopback

PASSWORD = "hunter2"


def config(url: str) -> AppriseChannel:
    return AppriseChannel(url=SecretStr(url))


def ntfy(url: str) -> Send:
    """The one phone service that is a server of one's own; https://docs.ntfy.sh/publish/#publish-as-json."""
    return sender(config(f"ntfy://desk:hunter2@{urlsplit(url).netloc}/hunter2topic?priority=max"))


def mattermost(url: str) -> Send:
    """Slack's form of incoming webhooks; https://developers.mattermost.com/integrate/webhooks/incoming/."""
    return sender(config(f"mmost://{urlsplit(url).netloc}/3ccdd113474722377935511fc85d3dd4"))


class Mail:
    """A mail server that keeps what it takes, from whoever signs in as desk / hunter2."""

    def __init__(self) -> None:
        self.got: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refuses = False

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.refuses:
            return "550 there is no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 taken"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.got.append(message)
        self.recipients.append(envelope.rcpt_tos)
        return "250 taken"

    def authenticate(self, *args: Any) -> AuthResult:
        login = args[-1]
        return AuthResult(success=(login.login, login.password) == (b"desk", b"hunter2"))


@pytest.fixture
def mail() -> Iterator[tuple[Mail, int]]:
    one = Mail()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(
        one, "127.0.0.1", port, authenticator=one.authenticate, auth_require_tls=False, auth_required=True
    )
    controller.start()
    yield one, port
    controller.stop()


def mailed(port: int, one: Delivery, password: str) -> Outcome:
    url = f"mailto://desk:{password}@127.0.0.1:{port}?smtp=127.0.0.1&from=desk@acme.example&to=duty@acme.example"
    return asyncio.run(_sent(sender(config(url)), one))


async def _sent(send: Send, one: Delivery) -> Outcome:
    return await send(told(one))


def test_a_mail_has_its_first_line_as_subject_and_text_beside_html(mail: tuple[Mail, int]) -> None:
    server, port = mail
    assert mailed(port, delivery(), PASSWORD) == Ok()
    (got,) = server.got
    assert server.recipients == [["duty@acme.example"]]
    assert got["Subject"].startswith("acme: complaint about to go viral. 25 mentions")
    html, plain = got.get_body(("html",)), got.get_body(("plain",))
    assert html is not None
    assert plain is not None
    assert 'href="https://f.example/t?k=secret-link"' in html.get_content()
    assert "Why you: may refund." in plain.get_content()
    assert TAKE in plain.get_content()  # who reads text alone takes it too


def test_one_page_does_not_wait_for_the_last(mail: tuple[Mail, int]) -> None:
    """Apprise would sleep 5.5 s before each; a storm of pages has no time for that."""
    server, port = mail
    send = sender(
        config(
            f"mailto://desk:{PASSWORD}@127.0.0.1:{port}?smtp=127.0.0.1&from=desk@acme.example&to=duty@acme.example"
        )
    )

    async def twice() -> list[Outcome]:
        async with asyncio.timeout(4):
            return [await send(told(delivery())), await send(told(delivery(run=2)))]

    assert asyncio.run(twice()) == [Ok(), Ok()]
    assert len(server.got) == 2


def test_a_hostile_text_adds_no_header_and_no_recipient_to_a_mail(mail: tuple[Mail, int]) -> None:
    server, port = mail
    one = delivery()
    bad = replace(one.page.case, title=HOSTILE, voices=(HOSTILE,), brand=HOSTILE)
    assert (
        mailed(port, replace(one, person=HOSTILE, page=replace(one.page, case=bad, why=HOSTILE)), PASSWORD)
        == Ok()
    )
    (got,) = server.got
    assert server.recipients == [["duty@acme.example"]]
    assert got["Bcc"] is None
    assert "\n" not in got["Subject"]
    html = got.get_body(("html",))
    assert html is not None
    assert "<script" not in html.get_content()


def test_a_mail_that_is_refused_is_no_delivery(mail: tuple[Mail, int]) -> None:
    server, port = mail
    server.refuses = True
    assert mailed(port, delivery(), PASSWORD) == TryAgain(2.0, "it could not be delivered")
    assert not server.got


def test_a_push_has_the_lock_screens_line_as_title() -> None:
    outcomes, got = exchange(ntfy, lambda one: web.json_response({"id": "1"}), [delivery()])
    assert outcomes == [Ok()]
    assert (got[0].method, got[0].path) == ("POST", "/")
    value = got[0].json
    assert value["topic"] == "hunter2topic"
    assert value["title"].startswith("acme: complaint about to go viral")
    assert "Take the case: https://f.example/t?k=secret-link" in value["message"]
    assert got[0].headers["x-priority"] == "max"
    assert "x-icon" not in got[0].headers  # no picture of a third party's


def test_a_chat_gets_text_in_which_nothing_of_a_strangers_is_markup() -> None:
    one = delivery()
    bad = replace(one.page.case, title=HOSTILE, voices=(HOSTILE,))
    hostile = replace(one, page=replace(one.page, case=bad))
    outcomes, got = exchange(mattermost, lambda _: web.Response(text="ok"), [hostile])
    assert outcomes == [Ok()]
    said = got[0].json["text"].replace("https://f.example/", "").replace("https://s.example/1", "")
    for markup in ("<!", "<@", "@everyone", "](", "https://", "```", "*b*"):
        assert markup not in said


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (429, TryAgain(2.0, "429 Too Many Requests")),
        (503, TryAgain(2.0, "503 Service Unavailable")),
        (401, GiveUp("it refuses: 401 Unauthorized")),
        (302, GiveUp("it answers with a redirect (302 Found)")),
    ],
)
def test_a_failure_is_what_the_service_answered(status: int, outcome: Outcome) -> None:
    headers = {"Location": "/elsewhere"} if status == 302 else {}
    outcomes, got = exchange(ntfy, lambda _: web.Response(status=status, headers=headers), [delivery()])
    assert outcomes == [outcome]
    assert {one.path for one in got} == {"/"}  # a redirect is not followed


def test_a_service_that_is_not_there_is_to_be_tried_again() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    assert asyncio.run(_sent(ntfy(url), delivery())) == TryAgain(2.0, "it could not be delivered")


class Kept(logging.Handler):
    """What comes to the root logger, but for the access log of the test's own server."""

    def __init__(self) -> None:
        super().__init__(1)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name != "aiohttp.access":
            self.lines.append(record.getMessage())


def test_no_address_and_no_text_reaches_the_log(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """At their most talkative Apprise and urllib3 log tokens, passwords and whole messages."""
    kept, root = Kept(), logging.getLogger()
    monkeypatch.setattr(root, "handlers", [kept])
    level = root.level
    request.addfinalizer(lambda: root.setLevel(level))
    root.setLevel(1)
    exchange(ntfy, lambda _: web.Response(status=500, text="hunter2"), [delivery()])
    exchange(mattermost, lambda _: web.Response(text="ok"), [delivery()])
    with pytest.raises(ValueError, match="no such service") as caught:
        sender(config("nosuchservice://hunter2"))
    logged = "\n".join(kept.lines) + repr(caught.value)
    assert kept.lines  # it does listen
    for secret in ("hunter2", "3ccdd1134747", "secret-link", "may refund"):
        assert secret not in logged


def test_a_url_can_not_switch_the_check_of_certificates_off_in_a_way_we_do_not_know() -> None:
    with pytest.raises(ValueError, match="certificates"):
        sender(config("ntfys://ntfy.example/topic?verify=%6Eo"))


def test_only_mail_gets_html() -> None:
    assert render(told(delivery()), config("mailtos://a:b@mail.example")).is_html
    assert not render(told(delivery()), config("tgram://123456789:abcdefg_hijklmnop/1/")).is_html


def test_the_last_status_counts() -> None:
    assert status_in(["Failed to send: Busy, error=503.", "retry", "error=429."]) == 429
    assert status_in(["error=Nobody", "connection refused", "error=1234"]) is None
