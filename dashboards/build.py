"""Writes the dashboards' JSON: `python -m dashboards.build`. What it writes is checked in, and tested."""

from __future__ import annotations

import json
from pathlib import Path

from dashboards.boards import BOARDS
from dashboards.panels import Board

__all__ = ["FOLDER", "text_of"]

FOLDER = Path(__file__).parent / "grafana" / "boards"


def text_of(board: Board) -> str:
    """A board's file, the same bytes each time."""
    return json.dumps(board.json(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write every board to its file."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for board in BOARDS:
        (FOLDER / f"{board.uid}.json").write_text(text_of(board), encoding="utf-8")


if __name__ == "__main__":
    main()
