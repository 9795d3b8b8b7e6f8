"""How a worker ended is told by its exit code, whatever it ended from."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from agents import worker
from agents.errors import TopicsError
from agents.settings import Settings


class App:
    """As much of a Faust app as `serve` uses."""

    def __init__(self) -> None:
        self.crashed = False
        self.stopped = 0
        self._ended = asyncio.Event()
        self.on_start: Callable[[], Awaitable[None]] | None = None
        self.on_stop: Callable[[], Awaitable[None]] | None = None

    def finalize(self) -> None:
        return

    async def start(self) -> None:
        if self.on_start is not None:
            await self.on_start()

    async def wait_until_stopped(self) -> None:
        await self._ended.wait()

    async def crash(self, error: BaseException) -> None:
        self.crashed = True
        self._ended.set()

    async def stop(self) -> None:
        self.stopped += 1
        if self.on_stop is not None:
            await self.on_stop()


class Fake:
    def __init__(self) -> None:
        self.app = App()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs `serve` on a fake app that `prepare` has prepared."""

    def run(prepare: Callable[[App], None], beside: Any = None) -> int:
        made = []

        def build(settings: Settings) -> Fake:
            one = Fake()
            prepare(one.app)
            made.append(one.app)
            return one

        monkeypatch.setattr(worker, "build", build)
        code = asyncio.run(worker.serve(Settings.model_construct(metrics_port=0), beside))
        assert [app.stopped for app in made] == [1]
        return code

    return run


def soon(action: Callable[[], Any]) -> None:
    asyncio.get_running_loop().call_soon(action)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop(serve: Callable[..., int], number: signal.Signals) -> None:
    assert serve(lambda app: soon(lambda: os.kill(os.getpid(), number))) == 0


def test_asked_to_stop_while_it_starts(serve: Callable[..., int]) -> None:
    """A start that waits for a broker does not hold the stop up."""

    def prepare(app: App) -> None:
        async def start() -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(3600)

        app.on_start = start

    assert serve(prepare) == 0


def test_crashed(serve: Callable[..., int]) -> None:
    def prepare(app: App) -> None:
        soon(lambda: asyncio.ensure_future(app.crash(RuntimeError("the broker took it ill"))))

    assert serve(prepare) == worker.EXIT_CRASHED == 70


def test_crashed_while_it_starts(serve: Callable[..., int]) -> None:
    def prepare(app: App) -> None:
        async def start() -> None:
            raise OSError("nobody answers")

        app.on_start = start

    assert serve(prepare) == worker.EXIT_CRASHED


def test_no_broker_is_told_in_a_line(serve: Callable[..., int], caplog: pytest.LogCaptureFixture) -> None:
    """What a person can put right needs no stack trace; anything else has one."""

    def failing(error: Exception) -> Callable[[App], None]:
        async def start() -> None:
            raise error

        return lambda app: setattr(app, "on_start", start)

    assert serve(failing(KafkaConnectionError("Unable to bootstrap"))) == worker.EXIT_CRASHED
    assert serve(failing(TopicsError("topic usual is missing"))) == worker.EXIT_CRASHED
    assert serve(failing(RuntimeError("a bug"))) == worker.EXIT_CRASHED
    told = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.getMessage() for record in told[:2]] == [
        "the worker ends: no use of the broker at localhost:9092: nobody answers there",
        "the worker ends: topic usual is missing",
    ]
    assert [record.exc_info is not None for record in told] == [False, False, True]


def test_crashed_while_it_stops(serve: Callable[..., int]) -> None:
    """What was to be written at the end could not be: that is no orderly end."""

    def prepare(app: App) -> None:
        async def stop() -> None:
            await app.crash(OSError("the last flush failed"))

        app.on_stop = stop
        soon(lambda: os.kill(os.getpid(), signal.SIGTERM))

    assert serve(prepare) == worker.EXIT_CRASHED


def test_an_error_while_it_stops(serve: Callable[..., int]) -> None:
    def prepare(app: App) -> None:
        async def stop() -> None:
            raise OSError("the last flush failed")

        app.on_stop = stop
        soon(lambda: os.kill(os.getpid(), signal.SIGTERM))

    assert serve(prepare) == worker.EXIT_CRASHED


def test_what_runs_beside_it_ends_it(serve: Callable[..., int]) -> None:
    async def beside(one: Any) -> None:
        return

    assert serve(lambda app: None, beside) == 0


def test_an_error_of_what_runs_beside_it_is_not_swallowed(serve: Callable[..., int]) -> None:
    async def beside(one: Any) -> None:
        raise ValueError("a bug in the view")

    with pytest.raises(ValueError, match="a bug in the view"):
        serve(lambda app: None, beside)


@pytest.mark.parametrize(
    ("level", "text", "told"),
    [
        (logging.INFO, "[^--Fetcher]: Starting...", False),
        (logging.INFO, "[^App]: Stopping...", False),
        (logging.INFO, "[^--Recovery]: Resuming flow...", True),
        (logging.ERROR, "[^App]: Starting...", True),
        (logging.INFO, "metrics: http://127.0.0.1:9464/metrics", True),
    ],
)
def test_that_services_start_and_stop_is_no_news(level: int, text: str, told: bool) -> None:
    assert worker.is_news(logging.LogRecord("agents.app", level, "", 0, text, (), None)) is told


def test_a_stop_that_is_broken_off_is_a_crash(
    serve: Callable[..., int], caplog: pytest.LogCaptureFixture
) -> None:
    """A commit under way is cancelled as its group coordinator goes away: no trace, the code of a crash."""

    def prepare(app: App) -> None:
        async def start() -> None:
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)

        async def stop() -> None:
            raise asyncio.CancelledError

        app.on_start, app.on_stop = start, stop

    assert serve(prepare) == worker.EXIT_CRASHED
    assert "broken off" in caplog.text


def test_a_crash_ends_the_process_though_a_thread_is_left() -> None:
    """As that of a consumer whose stop was broken off."""
    code = (
        "import threading, agents.worker as w\n"
        "async def serve(settings):\n"
        "    threading.Thread(target=threading.Event().wait).start()\n"
        "    return w.EXIT_CRASHED\n"
        "w.serve = serve\n"
        "w.main(w.Settings.model_construct())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=60, cwd=Path(__file__).parents[2])
    assert done.returncode == worker.EXIT_CRASHED


def test_a_stop_that_does_not_end_is_a_crash(
    serve: Callable[..., int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Amid a rebalance Faust may wait for ever."""
    monkeypatch.setattr(worker, "_STOP_WITHIN_S", 0.05)

    def prepare(app: App) -> None:
        async def start() -> None:
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)

        async def stop() -> None:
            await asyncio.sleep(3600)

        app.on_start, app.on_stop = start, stop

    assert serve(prepare) == worker.EXIT_CRASHED
    assert "did not stop" in caplog.text
