"""The live terminal view: what stands on a screen of some size."""

from __future__ import annotations

from datetime import datetime
from io import StringIO

import pytest
from rich.console import Console
from rich.screen import Screen

from agents.view import Board, draw
from streams.params import ThreadParams
from tests.benchmarks.picture import board_at


@pytest.fixture(scope="module")
def evening() -> Board:
    """The board late on the recorded day, when it has the most to show."""
    return board_at(datetime.fromisoformat("2025-06-12T20:00:00Z"), ThreadParams())


@pytest.mark.parametrize(("width", "height"), [(150, 50), (110, 30), (80, 24)])
def test_what_opens_the_pages_and_the_latest_alert_stand_on_every_screen(
    evening: Board, width: int, height: int
) -> None:
    """However little room there is, it is the oldest alerts that are cut."""
    evening.note = "Incidents: http://127.0.0.1:9480   sign in with the token flashover_abc"
    out = Console(file=StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    out.print(Screen(draw(evening, width)))
    assert isinstance(out.file, StringIO)
    screen = out.file.getvalue()
    assert len(screen.splitlines()) == height
    assert "flashover_abc" in screen
    assert evening.alerts[-1].raised_at[5:16].replace("T", " ") in screen
    assert evening.alerts[0].raised_at[5:16].replace("T", " ") not in screen or height == 50
