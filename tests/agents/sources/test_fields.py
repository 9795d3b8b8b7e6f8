"""Small things that several sources rely on: moments, markup, and what an answer of a server means."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from agents.sources.fields import moment_ms, refused, text_of_html
from agents.sources.http import checked, retry_after_s, session, translated
from agents.sources.source import OutageError, SourceError, UnusableError
from streams.mention import Reason

NOW_S = 1_780_000_000.0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-05-28T20:26:40Z", 1_780_000_000_000),
        ("2026-05-28T22:26:40.5+02:00", 1_780_000_000_500),
        ("2026-05-28T20:26:40", 1_780_000_000_000),
        ("1780000000000", 1_780_000_000_000),
        (1_780_000_000_000, 1_780_000_000_000),
        (1_780_000_000_000.7, 1_780_000_000_000),
    ],
)
def test_moments_are_rfc_3339_or_milliseconds(value: object, expected: int) -> None:
    assert moment_ms(value) == expected


@pytest.mark.parametrize("value", [None, True, "", "soon", "9" * 40, 1e300, float("nan"), [], {}, "٣"])
def test_what_is_no_moment_is_a_value_error(value: object) -> None:
    with pytest.raises(ValueError, match="no moment"):
        moment_ms(value)


@pytest.mark.parametrize(
    ("html", "text", "links"),
    [
        ("<p>one</p><p>two<br>three</p>", "one\ntwo\nthree", ()),
        ("a &amp; b &lt;script&gt;", "a & b <script>", ()),
        ("<style>p{}</style><script>alert(1)</script>seen", "seen", ()),
        ('<a href="https://a.example/">x</a> <a href="https://a.example/">y</a>', "x y", ("https://a.example/",)),
        ("a<!-- <b> -->b<!-- never closed", "ab", ()),
        ("1 < 2 <br/> 3 > 2", "1 < 2\n3 > 2", ()),
        ("<A HREF=https://c.example/?a=1&amp;b=2>z</A>", "z", ("https://c.example/?a=1&b=2",)),
        ('<a class="u-url mention" href="https://b.example/@u">@u</a>', "@u", ()),
        ("<p>never closed", "never closed", ()),
    ],
)  # fmt: skip
def test_markup_becomes_text_and_links(html: str, text: str, links: tuple[str, ...]) -> None:
    assert text_of_html(html) == (text, links)


@pytest.mark.parametrize(
    "piece", ["<a ", "<!--", "</", "<![CDATA[", "<a href='", "<script", "<a b='x' ", "&#", '<a"']
)
def test_markup_that_never_ends_is_read_in_no_time(piece: str) -> None:
    """Some hundred kilobytes of it keep other parsers busy for minutes."""
    began = time.process_time()
    text_of_html(piece * (200_000 // len(piece)))
    assert time.process_time() - began < 2


@given(st.text())
def test_any_markup_is_read(html: str) -> None:
    text_of_html(html)


def test_a_refusal_is_fit_for_a_log() -> None:
    one = refused(ValueError("\x1b[2J \u202e evil " + "x" * 1_000))
    assert one.reason is Reason.BAD_FIELD
    assert one.detail.isprintable()
    assert len(one.detail) <= 200


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("Thu, 28 May 2026 20:27:40 GMT", 60.0),
        ("Thu, 28 May 2020 20:27:40 GMT", 0.0),
        ("999999", 3600.0),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_at_most_an_hour(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, NOW_S) == seconds


def ask(status: int, headers: dict[str, str] | None = None, path: str = "/x") -> SourceError | None:
    """What a source makes of an answer of this status; -1: the server breaks off."""

    async def answer(request: web.Request) -> web.Response:
        if status < 0:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=max(status, 200), headers=headers)

    async def run() -> SourceError | None:
        app = web.Application()
        app.router.add_get("/x", answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}/x?token=hush-hush"
        try:
            async with session("flashover/test") as client:
                with translated("a.example"):
                    async with client.get(address) as response:
                        checked(response, "a.example", NOW_S)
        except SourceError as error:
            return error
        finally:
            await runner.cleanup()
        return None

    return asyncio.run(run())


def test_an_answer_means_go_on_wait_or_stop() -> None:
    assert ask(200) is None
    busy = ask(429, {"Retry-After": "77"})
    assert isinstance(busy, OutageError)
    assert (busy.reason, busy.after_s) == ("http-429", 77.0)
    assert isinstance(ask(503), OutageError)
    for status in (401, 403):
        refusal = ask(status)
        assert isinstance(refusal, UnusableError)
        assert refusal.reason == "unauthorised"


def test_a_broken_connection_is_an_outage_and_shows_no_address() -> None:
    broken = ask(-1)
    assert isinstance(broken, OutageError)
    assert broken.reason == "broken"
    assert "hush-hush" not in str(broken)
    assert broken.__cause__ is None
    assert broken.__suppress_context__  # no trace shows aiohttp's error, which may hold the address


def test_a_server_that_is_not_there_is_an_outage() -> None:
    async def run() -> None:
        async with session("flashover/test") as client:
            with pytest.raises(OutageError) as caught, translated("a.example"):
                await client.get("http://127.0.0.1:9/")
        assert caught.value.reason == "connect"

    asyncio.run(run())
