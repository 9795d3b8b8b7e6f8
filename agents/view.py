"""The live terminal view: what heats up, what was raised, how the worker does.

Law of this file: it looks and draws; what it draws is a function of the `Board` alone. Every text that a
stranger could have written goes through `safe` first. What a small terminal has no room for is cut from the
bottom, so what a person needs stands on top, and the oldest alerts last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from agents.terminal import safe
from streams.alert import Alert
from streams.forecast import forecast
from streams.levels import Level
from streams.mention import rfc3339
from streams.thread import BUCKET_MS, Thread

__all__ = ["Board", "Row", "draw", "hottest"]

_STYLE: Final = {"calm": "dim", "watch": "cyan", "warn": "yellow", "page": "bold red"}
_SPARKS: Final = "▁▂▃▄▅▆▇█"
_SPARK_BUCKETS: Final = 24  # two hours of five minutes


@dataclass(frozen=True, slots=True)
class Row:
    """One thread on the board."""

    thread_id: str
    thread: Thread
    expected_24h: float
    viral_probability: float
    viral_at: int


@dataclass(slots=True)
class Board:
    """Everything that the view shows at one moment; `played` is the share of the recording, 0..1."""

    broker: str = ""
    title: str = ""
    event_ms: int = 0
    played: float = 0.0
    speed: float = 1.0
    mentions: int = 0
    duplicates: int = 0
    rejects: int = 0
    per_s: float = 0.0
    lag: int = 0
    rows: list[Row] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    note: str = ""


def hottest(threads: Iterable[tuple[str, Thread]], size_of: Callable[[Thread], int], most: int) -> list[Row]:
    """The threads that deserve a look: raised ones first, then by their chance to reach `size_of` them."""
    lively = [(key, thread) for key, thread in threads if thread.level > Level.CALM or thread.heat_2h >= 3]
    lively.sort(key=lambda one: (one[1].level, one[1].heat_2h), reverse=True)
    rows = []
    for key, thread in lively[:most]:
        seen = forecast(thread, size_of(thread))
        rows.append(Row(key, thread, seen.expected_24h, seen.viral_probability, seen.viral_at))
    return rows


def draw(board: Board, width: int = 120) -> RenderableType:
    """The whole view, for a terminal of `width` columns."""
    parts: list[RenderableType] = [_head(board)]
    if board.note:
        parts.append(Text(board.note))
    return Group(*parts, _threads(board, width), _alerts(board))


def _head(board: Board) -> RenderableType:
    line = Table.grid(expand=True)
    line.add_column(ratio=3)
    line.add_column(ratio=1)
    clock = (
        rfc3339(board.event_ms)[:16].replace("T", " ") + " UTC" if board.event_ms else "waiting for mentions"
    )
    state = Text.assemble(
        ("flashover ", "bold"),
        (clock, "bold cyan"),
        f"   {board.mentions:,} mentions, {board.duplicates:,} twice, {board.rejects:,} rejected",
        f"   {board.per_s:,.0f}/s",
        f"   lag {board.lag:,}",
    )
    line.add_row(state, ProgressBar(total=1.0, completed=board.played))
    return Panel(line, title=board.title, subtitle=f"broker {board.broker}", border_style="dim")


def _threads(board: Board, width: int) -> RenderableType:
    table = Table(expand=True, box=None, pad_edge=False, title="Threads", title_justify="left")
    table.add_column("level", width=6)
    table.add_column("brand", width=16, no_wrap=True)
    table.add_column("thread", ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("mentions", justify="right", width=8)
    table.add_column("people", justify="right", width=6)
    if width >= 110:
        table.add_column("last 2 h, by 5 min", width=_SPARK_BUCKETS, no_wrap=True)
    table.add_column("24 h", justify="right", width=5)
    table.add_column("viral", justify="right", width=5)
    table.add_column("brand said", justify="right", width=10)
    for row in board.rows:
        thread = row.thread
        style = _STYLE[thread.level.word]
        cells: list[RenderableType] = [
            Text(thread.level.word, style=style),
            safe(thread.brand),
            Text(safe(thread.title or row.thread_id)),
            f"{thread.mentions:,}",
            f"{thread.authors.estimate:,}",
        ]
        if width >= 110:
            cells.append(Text(_spark(thread), style=style))
        cells += [f"{row.expected_24h:,.0f}", f"{row.viral_probability:.0%}", _said(thread)]
        table.add_row(*cells)
    return table


def _alerts(board: Board) -> RenderableType:
    table = Table(expand=True, box=None, pad_edge=False, title="Alerts, newest first", title_justify="left")
    table.add_column("raised", width=12, no_wrap=True)
    table.add_column("level", width=6)
    table.add_column("brand", width=16, no_wrap=True)
    table.add_column("what", ratio=1, overflow="fold")
    for alert in reversed(board.alerts):
        style = _STYLE[alert.level]
        raised = alert.raised_at[5:16].replace("T", " ")
        table.add_row(raised, Text(alert.level, style=style), safe(alert.brand), Text(safe(alert.summary)))
    return table


def _said(thread: Thread) -> Text:
    if not thread.brand_replies:
        return Text("nothing")
    blocks = f"{thread.canned_replies} canned" if thread.canned_replies else f"{thread.brand_replies}×"
    return Text(blocks, style="magenta" if thread.canned_replies else "")


def _spark(thread: Thread) -> str:
    newest = thread.last_ms // BUCKET_MS
    counts = dict(thread.buckets)
    values = [counts.get(newest - back, 0) for back in range(_SPARK_BUCKETS - 1, -1, -1)]
    top = max(max(values), 8)  # a single mention is no mountain
    return "".join(_SPARKS[min(7, value * 8 // (top + 1))] if value else " " for value in values)
