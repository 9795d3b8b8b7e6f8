"""Draws the terminal view as it stands when the bundled recording has played up to a moment.

python tests/benchmarks/picture.py 2025-06-12T12:20:00Z docs/pictures/view.svg
"""

from __future__ import annotations

import re
import sys
from datetime import datetime
from io import StringIO
from pathlib import Path

from rich.console import Console

from agents.files import read_lines
from agents.recordings import RECORDING
from agents.settings import Settings
from agents.view import Board, draw, hottest
from agents.words import reader_of
from streams.alert import Alert
from streams.judge import follow, storm_size
from streams.mention import Decoder, Rejected
from streams.params import ThreadParams
from streams.thread import Thread

WIDTH = 132


def board_at(moment: datetime, params: ThreadParams) -> Board:
    """What the view of `flashover run` shows when event time is `moment`."""
    until_ms = int(moment.timestamp() * 1000)
    decoder, reader = Decoder(), reader_of(Settings.model_construct())
    threads: dict[str, Thread] = {}
    alerts: list[Alert] = []
    counted = total = last_ms = 0
    for line in read_lines([str(RECORDING)], 1 << 24, lambda _: None):
        total += 1
        mention = decoder.decode(line.raw, until_ms + (1 << 40))
        if isinstance(mention, Rejected) or mention.created_ms > until_ms:
            continue
        counted += 1
        last_ms = max(last_ms, mention.created_ms)
        if (followed := follow(threads.get(mention.thread_id), mention, params, reader=reader)) is not None:
            threads[mention.thread_id], alert = followed.thread, followed.alert
            alerts += [alert] if alert is not None else []
    return Board(
        broker="127.0.0.1:9092",
        title="playing at 720×",
        event_ms=last_ms,
        played=counted / total,
        speed=720,
        mentions=counted,
        per_s=14,
        rows=hottest(threads.items(), lambda thread: storm_size(params, thread.viral_at), 8),
        alerts=alerts[-6:],
        note="Incidents: http://127.0.0.1:9480   sign in with the token flashover_…\n"
        "Mentions of your own, from another terminal: .venv/bin/flashover send FILE"
        "      Ctrl-C ends everything.",
    )


def main(moment: str, target: str) -> None:
    """Write the picture."""
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True)
    console.print(draw(board_at(datetime.fromisoformat(moment), ThreadParams()), WIDTH))
    picture = console.export_svg(title="flashover run")
    # rich names a font on another's server; a picture of ours asks nobody for anything
    Path(target).write_text(re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
