"""Draws the layout of a dashboard with data from a Prometheus: for the docs, where no Grafana is at hand.

Law of this file: it is our own renderer and says so in every picture; it knows panels, places, series and
thresholds, and imitates nothing else of Grafana. `python -m dashboards.picture --help`.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode
from urllib.request import urlopen

from dashboards.boards import BOARDS
from dashboards.panels import COLUMNS, Board, Panel, Query

__all__ = ["Series", "drawn"]

_CELL: Final = (52, 30)  # pixels of a column and a row
_HEAD: Final = 64
_GAP: Final = 4
_COLOURS: Final = ("#7eb26d", "#eab839", "#6ed0e0", "#ef843c", "#e24d42", "#1f78c1", "#ba43a9", "#705da0")
_STEPS: Final = {"green": "#73bf69", "yellow": "#f2cc0c", "orange": "#ff9830", "red": "#f2495c"}
_SAID: Final = "layout and data as drawn by flashover's own renderer, not by Grafana"
_LEGENDS: Final = 4  # series that are named
_BARS: Final = 6


class Series(NamedTuple):
    """One series: its name in the legend, (seconds since the epoch, value) in order, labels."""

    name: str
    points: list[tuple[float, float]]
    labels: dict[str, str]


Ask = Callable[[str, str], list[Series]]  # expression and legend


def drawn(board: Board, ask: Ask) -> str:
    """The board as SVG; `ask` answers an expression and the form of its legend with series."""
    placed = board.panels()
    height = _HEAD + max(y + panel.height for panel, _, y in placed) * _CELL[1] + _GAP
    width = COLUMNS * _CELL[0] + 2 * _GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#111217"/>',
        _text(12, 26, board.title, "#ffffff", 18),
        _text(12, 48, f"{board.about} ({_SAID})", "#9fa3ad"),
    ]
    for row in board.rows:
        y = next(y for panel, _, y in placed if panel is row.panels[0])
        parts.append(_text(12, _HEAD + y * _CELL[1] - 10, f"▾ {row.title}", "#ccccdc", 14))
    found = [[(query, ask(query.expr, query.legend)) for query in panel.queries] for panel, _, _ in placed]
    times = [at for asked in found for _, some in asked for one in some for at, _ in one.points]
    span = (min(times, default=0.0), max(times, default=0.0))  # every panel's, as in Grafana
    for (panel, x, y), answers in zip(placed, found, strict=True):
        parts.append(_panel(panel, x, y, answers, span))
    return "\n".join([*parts, "</svg>\n"])


def _panel(
    panel: Panel, x: int, y: int, found: list[tuple[Query, list[Series]]], span: tuple[float, float]
) -> str:
    left, top = _GAP + x * _CELL[0] + _GAP, _HEAD + y * _CELL[1]
    width, height = panel.width * _CELL[0] - 2 * _GAP, panel.height * _CELL[1] - _GAP
    parts = [
        f'<rect x="{left}" y="{top}" width="{width}" height="{height}" rx="3" fill="#181b1f" stroke="#2c3235"/>',
        _text(left + 10, top + 20, panel.title, "#ccccdc", 13),
    ]
    series = [one for _, some in found for one in some if one.points]
    box = (left + 10, top + 30, width - 20, height - 38)
    if not series:
        for line, words in enumerate(wrap(panel.empty, int(width / 7))):
            middle = top + height / 2 + 18 * line
            parts.append(_text(left + width / 2, middle, words, "#9fa3ad", anchor="middle"))
    elif panel.kind == "timeseries":
        parts.append(_lines(panel, series, box, span))
    elif panel.kind == "table":
        parts.append(_table([query for query, _ in found], [some for _, some in found], box))
    else:
        parts.append((_stats if panel.kind == "stat" else _bars)(panel, series, box))
    return "\n".join(parts)


Box = tuple[float, float, float, float]


def _lines(panel: Panel, series: list[Series], box: Box, span: tuple[float, float]) -> str:
    left, top, width, height = box[0] + 44, box[1], box[2] - 48, box[3] - 22
    values = [value for one in series for _, value in one.points]
    first, last = span[0], max(span[1], span[0] + 1)
    low = min(panel.low if panel.low is not None else min(values), *values)
    high = panel.high if panel.high is not None else max(values) * 1.05
    high = high if high > low else low + 1
    parts = []

    def at(moment: float, value: float) -> tuple[float, float]:
        across = (moment - first) / (last - first)
        up = (min(value, high) - low) / (high - low)
        return left + across * width, top + height - up * height

    for share in (0.0, 0.5, 1.0):
        value = low + share * (high - low)
        _, up = at(first, value)
        parts.append(f'<path d="M{left},{up:.1f}h{width}" stroke="#2c3235"/>')
        parts.append(_text(left - 4, up + 4, told(value, panel.unit), "#9fa3ad", 10, "end"))
    for value, colour in panel.steps[1:]:
        if low < value <= high:
            _, up = at(first, value)
            line = f'<path d="M{left},{up:.1f}h{width}" stroke="{_STEPS[colour]}" stroke-dasharray="5 4"/>'
            parts.append(line)
    across = left
    for place, one in enumerate(series):
        colour = _COLOURS[place % len(_COLOURS)]
        way = " ".join("{:.1f},{:.1f}".format(*at(*point)) for point in one.points)
        parts.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        if place < _LEGENDS:
            name = one.name[:26]
            parts.append(
                f'<rect x="{across:.0f}" y="{top + height + 12}" width="10" height="3" fill="{colour}"/>'
            )
            parts.append(_text(across + 14, top + height + 17, name, "#ccccdc", 10))
            across += 26 + 6 * len(name)
    if len(series) > _LEGENDS:
        parts.append(_text(across, top + height + 17, f"and {len(series) - _LEGENDS} more", "#9fa3ad", 10))
    return "\n".join(parts)


def _stats(panel: Panel, series: list[Series], box: Box) -> str:
    left, top, width, height = box
    each = width / min(len(series), _BARS)
    parts = []
    for place, one in enumerate(series[:_BARS]):
        value, x = one.points[-1][1], left + place * each
        colour = _colour(panel, value)
        parts.append(
            f'<rect x="{x + 2:.0f}" y="{top}" width="{each - 4:.0f}" height="{height}" fill="{colour}" rx="2"/>'
        )
        middle = x + each / 2
        parts.append(_text(middle, top + height / 2, told(value, panel.unit), "#111217", 26, "middle"))
        parts.append(_text(middle, top + height / 2 + 24, one.name, "#111217", 12, "middle"))
    return "\n".join(parts)


def _bars(panel: Panel, series: list[Series], box: Box) -> str:
    left, top, width, height = box
    shown = series[: 2 * _BARS]
    each = min(34.0, height / len(shown))
    high = panel.high or max(max(one.points[-1][1] for one in shown), 1.0)
    parts = []
    for place, one in enumerate(shown):
        value, y = one.points[-1][1], top + place * each
        reach = (width - 240) * min(1.0, value / high)
        colour = _colour(panel, value)
        parts.append(_text(left + 190, y + each / 2 + 4, one.name, "#ccccdc", 11, "end"))
        parts.append(
            f'<rect x="{left + 198}" y="{y + 3:.1f}" width="{width - 240}" height="{each - 6:.1f}" fill="#22252b"/>'
        )
        parts.append(
            f'<rect x="{left + 198}" y="{y + 3:.1f}" width="{reach:.1f}" height="{each - 6:.1f}" fill="{colour}"/>'
        )
        parts.append(_text(left + width, y + each / 2 + 4, told(value, panel.unit), colour, 12, "end"))
    return "\n".join(parts)


def _table(queries: list[Query], columns: list[list[Series]], box: Box) -> str:
    left, top, width, _ = box
    rows = sorted({one.labels.get("brand", "") for column in columns for one in column})
    each = width / (len(queries) + 1)
    parts = [_text(left, top + 14, "brand", "#6e9fff", 12)]
    parts += [
        _text(left + (place + 1) * each, top + 14, query.column, "#6e9fff", 12)
        for place, query in enumerate(queries)
    ]
    for line, brand in enumerate(rows):
        y = top + 40 + line * 24
        parts.append(_text(left, y, brand, "#ccccdc"))
        for place, (query, column) in enumerate(zip(queries, columns, strict=True)):
            value = next((one.points[-1][1] for one in column if one.labels.get("brand") == brand), None)
            words = "" if value is None else told(value, query.unit or "short")
            parts.append(_text(left + (place + 1) * each, y, words, "#ccccdc"))
    return "\n".join(parts)


def _colour(panel: Panel, value: float) -> str:
    return _STEPS[[colour for least, colour in panel.steps if value >= least][-1]]


def told(value: float, unit: str) -> str:
    """A value as people read it; `unit` is one of Grafana's ids."""
    match unit:
        case "percentunit":
            return f"{100 * value:.3g} %"
        case "s" if value >= 7200:
            return f"{value / 86400:,.1f} d" if value >= 172_800 else f"{value / 3600:.1f} h"
        case "s" if value >= 600:
            return f"{value / 60:.0f} min"
        case "s":
            return f"{value:.3g} s" if value >= 1 else f"{1000 * value:.3g} ms"
        case "bytes":
            return f"{value / 1e6:,.0f} MB"
        case "cps":
            return f"{value:,.3g}/s"
        case _:
            return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _text(x: float, y: float, words: str, colour: str, size: int = 12, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" fill="{colour}" font-size="{size}" text-anchor="{anchor}">'
        f"{escape(words)}</text>"
    )


def asked(prometheus: str, start_s: float, end_s: float) -> Ask:
    """Answers expressions from a Prometheus at this URL, over this time."""

    def ask(expression: str, legend: str) -> list[Series]:
        expression = expression.replace("$brand", ".*")
        step = max(1.0, (end_s - start_s) / 250)
        query = {"query": expression, "start": f"{start_s}", "end": f"{end_s}", "step": f"{step:.0f}"}
        with urlopen(f"{prometheus}/api/v1/query_range?{urlencode(query)}", timeout=30) as answer:  # noqa: S310 — the operator's own URL
            result: list[dict[str, Any]] = json.loads(answer.read())["data"]["result"]
        return [
            Series(
                re.sub(r"\{\{(\w+)\}\}", lambda one, labels=one["metric"]: labels.get(one[1], ""), legend),  # type: ignore[misc]
                [(float(at), number) for at, text in one["values"] if (number := float(text)) == number],
                one["metric"],
            )
            for one in result
        ]

    return ask


def main() -> None:
    """Draw all boards into a folder."""
    options = argparse.ArgumentParser(prog="python -m dashboards.picture", description=__doc__)
    options.add_argument("--prometheus", default="http://localhost:9090")
    options.add_argument("--minutes", type=float, default=60.0, help="how far back [60]")
    options.add_argument("--out", type=Path, default=Path("docs/pictures"))
    chosen = options.parse_args()
    end_s = time.time()
    ask = asked(chosen.prometheus, end_s - 60 * chosen.minutes, end_s)
    for board in BOARDS:
        file = chosen.out / f"{board.uid.removeprefix('flashover-')}-board.svg"
        file.write_text(drawn(board, ask), encoding="utf-8")


if __name__ == "__main__":
    main()
