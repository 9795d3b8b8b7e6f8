"""`flashover run`: everything at once, to try it out: a broker, a worker, a recording, a live view.

Law of this file: it puts together what the other rooms offer and owns only the pace of the recording.
Whatever ends it ends all of it.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from pydantic import SecretStr
from rich.console import Console
from rich.live import Live

from agents.app import Worker
from agents.embedded import SETTINGS, EmbeddedBroker, answers
from agents.errors import FlashoverError
from agents.files import read_lines
from agents.listen import Status, readers_of, take_in
from agents.recordings import RECORDING
from agents.settings import Settings
from agents.terminal import safe
from agents.topics import create_missing
from agents.view import Board, draw, hottest
from agents.web.server import serving
from agents.web.settings import Token, Web
from agents.web.signin import hash_of, new_token
from agents.worker import serve
from streams.levels import Level
from streams.mention import Decoder, Rejected
from streams.thread import Thread

__all__ = ["Playing", "Watch", "main"]

_REFRESH_S: Final = 0.25
_DEFAULT_PORT: Final = 9092  # where clients look first; taken only if nobody is there
_ROWS: Final = 12
_RESTS_MS: Final = 12 * 3_600_000  # how long a raised thread is shown after its last mention


@dataclass(slots=True)
class Playing:
    """How far the recording is."""

    total: int
    sent: int = 0
    sources: Mapping[str, Status] = field(default_factory=dict)  # taken in from, instead of a recording
    pages: str = ""  # where the pages answer

    @property
    def share(self) -> float:
        """0..1"""
        return self.sent / self.total if self.total else 1.0

    @property
    def troubles(self) -> list[str]:
        """A line for each source that does not read."""
        return [
            f"Source {name} is {one.state}: {safe(one.why)}" for name, one in self.sources.items() if one.why
        ]


def main(settings: Settings, recording: Path | None, speed: float, sources: tuple[str, ...] = ()) -> int:
    """Run until Ctrl-C; the answer is the exit code. `speed` is recorded seconds per second, > 0.

    With `sources`, names in the settings, mentions come from there. Raises FlashoverError if one can't be
    made.
    """
    readers, problems = readers_of(settings, sources)
    if problems:
        raise FlashoverError("\n".join(problems))
    log_file = settings.state_dir / "run.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=log_file,
        filemode="w",
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        force=True,
    )
    mentions = (
        []
        if sources
        else list(_records(recording or RECORDING, settings.decoder(), settings.max_record_bytes))
    )
    port = 0 if answers(_DEFAULT_PORT) else _DEFAULT_PORT
    with EmbeddedBroker(log=settings.state_dir / "broker.log", port=port) as broker:
        token = new_token()  # for this run alone
        ours = settings.model_copy(
            update={"brokers": (broker.bootstrap,), "web": _open_to(settings, token), **SETTINGS}
        )
        create_missing(ours)
        console = Console()
        playing = Playing(len(mentions), sources={name: Status() for name in readers})
        show = _live if console.is_terminal else _lines

        async def beside(worker: Worker) -> None:
            brought: Coroutine[Any, Any, Any] = (
                take_in(ours, readers, asyncio.Event(), playing.sources)
                if readers
                else _play(ours, mentions, speed, playing)
            )
            async with serving(ours) as (address, reading):
                playing.pages = f"Incidents: {address}   sign in with the token {token}"
                player: asyncio.Task[Any] = asyncio.create_task(brought)
                try:
                    await show(console, worker, playing, speed, (player, reading))
                finally:
                    player.cancel()
                    with suppress(asyncio.CancelledError):
                        await player

        code = asyncio.run(serve(ours, beside))
    console.print(f"{'The worker failed' if code else 'Ended'}. The log is in {log_file}.")
    return code


def _open_to(settings: Settings, token: str) -> Web:
    """The pages of a try-out: on loopback, for who holds the token; on any port if theirs is taken."""
    tokens = {"trying-out": Token(hash=SecretStr(hash_of(token)), role="admin")}
    port = settings.web.port if _is_free(settings.web.port) else 0
    return settings.web.model_copy(update={"host": "127.0.0.1", "port": port, "tokens": tokens})


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _records(path: Path, decoder: Decoder, limit: int) -> Iterator[tuple[int, bytes, bytes]]:
    """created_at (ms), key and value of every valid line, in order of time."""
    now_ms = int(time.time() * 1000)
    timed = []
    for line in read_lines([str(path)], limit, lambda _: None):
        mention = decoder.decode(line.raw, now_ms)
        if not isinstance(mention, Rejected):
            timed.append((mention.created_ms, mention.thread_id.encode(), line.raw))
    return iter(sorted(timed, key=lambda one: one[0]))


async def _play(
    settings: Settings, records: list[tuple[int, bytes, bytes]], speed: float, playing: Playing
) -> None:
    topic = settings.topic_prefix + "mentions"
    async with AIOKafkaProducer(**settings.aiokafka_kwargs(), linger_ms=20) as producer:
        began = time.monotonic()
        first_ms = records[0][0] if records else 0
        for created_ms, key, value in records:
            due = began + (created_ms - first_ms) / 1000 / speed
            if (wait_s := due - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            await producer.send(topic, value, key=key)
            playing.sent += 1


def _called() -> str:
    """How this command is called from here: by its name, or by its path where no PATH has it."""
    return "flashover" if shutil.which("flashover") else sys.argv[0]


def _title(playing: Playing, speed: float) -> str:
    if playing.sources:
        return f"taking in from {', '.join(playing.sources)}"
    done = playing.share >= 1.0
    return "the recording is played; still listening" if done else f"playing at {speed:g}×"


def _heed(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """What runs beside the worker and has failed ends all."""
    for one in tasks:
        if one.done():
            one.result()


class Watch:
    """Turns what a worker knows into a board. A raised one at rest, which workers pack away, stays."""

    def __init__(self, worker: Worker, playing: Playing, speed: float) -> None:
        self._worker, self._playing, self._speed = worker, playing, speed
        self._at, self._mentions, self._per_s = time.monotonic(), 0, 0.0
        self._raised: dict[str, Thread] = {}

    def _size_of(self, thread: Thread) -> int:
        return self._worker.storm_size(thread.brand, thread.viral_at)

    def board(self) -> Board:
        """The board as of now."""
        follower, settings = self._worker.follower, self._worker.settings
        stats, now = follower.stats, time.monotonic()
        if now > self._at:
            fresh = (stats.mentions - self._mentions) / (now - self._at)
            self._per_s = 0.7 * self._per_s + 0.3 * fresh  # smoothed for the eye
        self._at, self._mentions = now, stats.mentions
        event_ms = max((part.watermark_ms for part in follower.partitions.values()), default=0)
        threads = self._raised | dict(follower.threads())
        threads = {key: one for key, one in threads.items() if event_ms - one.last_ms < _RESTS_MS}
        rows = hottest(threads.items(), self._size_of, _ROWS)
        self._raised = {row.thread_id: row.thread for row in rows if row.thread.level > Level.CALM}
        broker = settings.brokers[0]
        elsewhere = "" if broker.endswith(f":{_DEFAULT_PORT}") else f" --brokers {broker}"
        send = f"{_called()} send FILE{elsewhere}"
        return Board(
            broker=broker,
            title=_title(self._playing, self._speed),
            event_ms=event_ms,
            played=self._playing.share,
            speed=self._speed,
            mentions=stats.mentions,
            duplicates=stats.duplicates,
            rejects=sum(stats.rejects.values()),
            per_s=self._per_s,
            lag=sum(self._worker.progress.lag().values()),
            rows=rows,
            alerts=list(stats.latest),
            note=f"{self._playing.pages}\n"
            f"Mentions of your own, from another terminal: {send}      Ctrl-C ends everything."
            + "".join(f"\n{one}" for one in self._playing.troubles),
        )


async def _live(
    console: Console, worker: Worker, playing: Playing, speed: float, tasks: Sequence[asyncio.Task[Any]]
) -> None:
    watch = Watch(worker, playing, speed)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            _heed(tasks)
            board = watch.board()
            board.rows = board.rows[: max(3, console.height // 2 - 8)]  # the alerts keep half the height
            live.update(draw(board, console.width), refresh=True)
            await asyncio.sleep(_REFRESH_S)


async def _lines(
    console: Console, worker: Worker, playing: Playing, speed: float, tasks: Sequence[asyncio.Task[Any]]
) -> None:
    """Where there is no terminal: a line for each alert."""
    shown = 0
    said_played = False
    told: list[str] = []
    say: Callable[[str], None] = lambda text: print(text, flush=True, file=sys.stdout)  # noqa: E731
    say(f"{_title(playing, speed)} into the embedded broker at {worker.settings.brokers[0]}")
    say(playing.pages)
    while True:
        _heed(tasks)
        if (troubles := playing.troubles) != told:
            for one in troubles:
                say(one)
            told = troubles
        total = sum(worker.follower.stats.alerts.values())
        if fresh := total - shown:
            for alert in list(worker.follower.stats.latest)[-fresh:]:
                where = f"{safe(alert.brand)} {safe(alert.title or alert.thread_id or '', 60)}"
                say(f"{alert.raised_at} {alert.level:5} {where}: {safe(alert.summary)}")
            shown = total
        stats = worker.follower.stats
        if playing.total and playing.share >= 1.0 and not said_played and stats.mentions >= playing.total:
            said_played = True
            say(f"the recording is played: {stats.mentions} mentions, {shown} alerts; still listening")
        await asyncio.sleep(_REFRESH_S)
