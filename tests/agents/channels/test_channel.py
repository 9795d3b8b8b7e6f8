"""HTTP to a channel: what an answer means, and that nothing secret goes astray on the way."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from pathlib import Path

import pytest
from aiohttp import web

from agents.channels.channel import Request, outcome_of, post, url_below
from streams.delivery import GiveUp, Ok, Outcome, TryAgain
from tests.agents.channels.servers import served

NOW_MS = 1_750_000_000_000  # Sunday, 15 June 2025, 15:06:40 GMT


@pytest.mark.parametrize(
    ("status", "retry_after", "outcome"),
    [
        (200, None, Ok()),
        (202, None, Ok()),
        (204, None, Ok()),
        (302, None, GiveUp("it answers with a redirect (302 Found)")),
        (400, None, GiveUp("it refuses: 400 Bad Request")),
        (404, "5", GiveUp("it refuses: 404 Not Found")),
        (408, None, TryAgain(2.0, "408 Request Timeout")),
        (429, "7", TryAgain(7.0, "429 Too Many Requests")),
        (429, "Sun, 15 Jun 2025 15:07:00 GMT", TryAgain(20.0, "429 Too Many Requests")),
        (429, "Sun, 15 Jun 2025 15:00:00 GMT", TryAgain(0.0, "429 Too Many Requests")),
        (429, "when it suits", TryAgain(2.0, "429 Too Many Requests")),
        (429, "nan", TryAgain(2.0, "429 Too Many Requests")),
        (429, "1e99", TryAgain(3600.0, "429 Too Many Requests")),
        (500, None, TryAgain(2.0, "500 Internal Server Error")),
        (503, "30", TryAgain(30.0, "503 Service Unavailable")),
        (799, None, TryAgain(2.0, "799 an unknown status")),
    ],
)
def test_what_an_answer_means(status: int, retry_after: str | None, outcome: Outcome) -> None:
    assert outcome_of(status, retry_after, NOW_MS) == outcome


def test_a_redirect_is_not_followed_with_what_is_secret() -> None:
    """A server that was taken over could send the token anywhere else."""
    paths = []

    async def handle(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    outcome = asyncio.run(served(handle, lambda url: post(Request(f"{url}/hook", b"{}", {}))))
    assert isinstance(outcome, GiveUp)
    assert paths == ["/hook"]


def test_an_answer_of_any_size_is_not_read() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            for _ in range(10_000):  # 640 MB
                await response.write(b"x" * 65_536)
        except ConnectionError:
            pass
        return response

    began = time.monotonic()
    outcome = asyncio.run(served(handle, lambda url: post(Request(url, b"{}", {}))))  # type: ignore[arg-type]
    assert outcome == Ok()
    assert time.monotonic() - began < 5


def test_nobody_at_home_is_to_be_tried_again_and_names_no_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    outcome = asyncio.run(post(Request(f"http://127.0.0.1:{port}/hunter2", b"{}", {})))
    assert isinstance(outcome, TryAgain)
    assert "hunter2" not in outcome.reason
    assert "127.0.0.1" not in outcome.reason


def test_a_certificate_that_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    import subprocess

    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    command += ["-days", "1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    got = []

    async def serve() -> Outcome:
        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            got.append(await reader.read())
            writer.close()

        async with await asyncio.start_server(take, "127.0.0.1", 0, ssl=context) as server:
            port = server.sockets[0].getsockname()[1]
            return await post(Request(f"https://127.0.0.1:{port}/hunter2", b"{}", {}))

    assert asyncio.run(serve()) == GiveUp("its certificate is not trusted")
    assert not any(got)


def test_a_request_shows_neither_address_nor_body() -> None:
    one = Request("https://hunter2.example", b"hunter2", {"Authorization": "hunter2"})
    assert "hunter2" not in f"{one!r} {one}"


def test_a_path_is_put_below_an_address_with_or_without_a_slash() -> None:
    assert (
        url_below("https://a.example/", "b") == url_below("https://a.example", "b") == "https://a.example/b"
    )
