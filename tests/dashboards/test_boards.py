"""The dashboards that are checked in are those that the code builds; they ask for what exists."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from agents.metrics import METRICS
from agents.tallies import LABELS
from dashboards.boards import BOARDS
from dashboards.build import FOLDER, text_of
from dashboards.panels import COLUMNS, Board, Panel, Query, Row

ROOT = Path(__file__).parents[2]
NAMES = {one.name: one for one in METRICS}
RECORDS = set(
    re.findall(r"- record: (\S+)", (ROOT / "dashboards" / "prometheus" / "recording.yml").read_text())
)
PANELS = [
    pytest.param(panel, id=f"{board.uid}: {panel.title}")
    for board in BOARDS
    for row in board.rows
    for panel in row.panels
]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_the_file_is_what_the_code_builds(board: Board) -> None:
    """`python -m dashboards.build` writes it."""
    assert (FOLDER / f"{board.uid}.json").read_text(encoding="utf-8") == text_of(board)


def test_there_is_no_other_file() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == {board.uid for board in BOARDS}


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_asks_for_what_is_declared(panel: Panel) -> None:
    """Metrics with their labels, or what a rule records."""
    for query in panel.queries:
        plain = query.expr
        for record in RECORDS:
            plain = re.sub(re.escape(record) + r"(?![\w:])", "", plain)
        for name in re.findall(r"\bflashover_\w+", plain):
            metric = NAMES.get(name) or NAMES.get(re.sub(r"_(bucket|sum|count)$", "", name))
            assert metric, name
            if metric is not NAMES.get(name):
                assert metric.kind == "histogram"
        for label in re.findall(r"\{\{(\w+)\}\}", query.legend):
            assert label in {*LABELS, "instance"}
            assert (
                label in query.expr
                or f"by ({label}" in query.expr
                or ":" in query.expr
                or label == "instance"
            )


def test_panels_do_not_overlap() -> None:
    for board in BOARDS:
        taken: set[tuple[int, int]] = set()
        for panel in board.json()["panels"]:
            at = panel["gridPos"]
            assert at["x"] + at["w"] <= COLUMNS
            cells = {
                (x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
            }
            assert not taken & cells, panel["title"]
            taken |= cells
        numbers = [panel["id"] for panel in board.json()["panels"]]
        assert len(numbers) == len(set(numbers))


def test_a_panel_without_its_words_can_not_be_made() -> None:
    with pytest.raises(ValueError, match="about, legend, empty"):
        Panel("Title", "", "stat", "short", (Query("up", ""),), "")


def test_a_row_is_filled_from_left_to_right() -> None:
    def panel(title: str, width: int, height: int) -> Panel:
        query = Query("up", "{{instance}}")
        return Panel(
            title,
            "About this panel",
            "stat",
            "short",
            (query,),
            "Nothing is there",
            width=width,
            height=height,
        )

    row = Row("Row", (panel("a", 12, 8), panel("b", 12, 4), panel("c", 12, 8)))
    board = Board("uid", "Title", "About", "1h", "10s", (row, Row("Next", (panel("d", 24, 4),))))
    assert [(one.title, x, y) for one, x, y in board.panels()] == [
        ("a", 0, 1),
        ("b", 12, 1),
        ("c", 0, 9),
        ("d", 0, 18),
    ]


def test_the_files_are_json_without_a_person_or_a_thread_in_a_query() -> None:
    for path in FOLDER.iterdir():
        told = json.loads(path.read_text())
        text = json.dumps([panel.get("targets") for panel in told["panels"]])
        assert not re.search(r"thread_id|author|handle", text)
