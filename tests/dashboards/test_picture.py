"""A picture shows each panel with its data or its text for nothing, and says who drew it."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from dashboards.boards import BOARDS
from dashboards.panels import Board, Panel, Query, Row
from dashboards.picture import Series, drawn, told


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_every_panel_is_there_with_and_without_data(board: Board) -> None:
    points = [(float(at), at / 7) for at in range(5)]
    hostile = Series("<b>&", points, {"brand": "acme", "topic": "mentions"})
    with_data, without = drawn(board, lambda *_: [hostile, hostile]), drawn(board, lambda *_: [])
    for picture in (with_data, without):
        texts = [one.text for one in ElementTree.fromstring(picture).iter() if one.tag.endswith("text")]  # noqa: S314
        assert any("not by Grafana" in (text or "") for text in texts)
        for row in board.rows:
            for panel in row.panels:
                assert panel.title in texts
                assert (panel.empty in " ".join(filter(None, texts))) == (picture is without)


def test_the_highest_value_is_at_the_top_of_its_panel() -> None:
    panel = Panel(
        "T", "About this panel", "timeseries", "short", (Query("up", "x"),), "Nothing there", high=10
    )
    board = Board("uid", "Title", "About", "1h", "10s", (Row("Row", (panel,)),))
    picture = drawn(board, lambda *_: [Series("x", [(0, 0.0), (1, 10.0)], {})])
    line = next(
        one.attrib["points"]
        for one in ElementTree.fromstring(picture).iter()  # noqa: S314
        if one.tag.endswith("polyline")
    )
    (x0, y0), (x1, y1) = (map(float, pair.split(",")) for pair in line.split())
    assert x0 < x1
    assert y0 - y1 == pytest.approx(panel.height * 30 - 64, abs=5)


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0.256, "percentunit", "25.6 %"),
        (0.012, "s", "12 ms"),
        (45.0, "s", "45 s"),
        (10_800.0, "s", "3.0 h"),
        (2e8, "bytes", "200 MB"),
        (1234.0, "short", "1,234"),
    ],
)
def test_values_are_told_in_their_unit(value: float, unit: str, words: str) -> None:
    assert told(value, unit) == words


def test_all_panels_of_a_board_show_the_same_time() -> None:
    """What came last is at the right, not stretched over the whole panel."""
    query = Query("up", "x")
    panels = [
        Panel(title, "About this panel", "timeseries", "short", (query,), "Nothing there") for title in "ab"
    ]
    board = Board("uid", "Title", "About", "1h", "10s", (Row("Row", tuple(panels)),))
    answers = iter(
        [[Series("x", [(0.0, 1.0), (10.0, 1.0)], {})], [Series("x", [(9.0, 1.0), (10.0, 1.0)], {})]]
    )
    picture = ElementTree.fromstring(drawn(board, lambda *_: next(answers)))  # noqa: S314
    lines = [one.attrib["points"] for one in picture.iter() if one.tag.endswith("polyline")]
    long, short = (float(one.split()[1].split(",")[0]) - float(one.split()[0].split(",")[0]) for one in lines)
    assert short == pytest.approx(long / 10, abs=0.2)
