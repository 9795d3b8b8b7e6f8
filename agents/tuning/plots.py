"""Small plots as SVG text, for a page without scripts and without a network.

Law of this file: every text passes `html.escape` on its way in, no number is written that is not finite,
and colours are names of CSS classes: the page decides what they look like by day and by night.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final, NamedTuple

__all__ = ["Axis", "Plot"]

_FONT: Final = 11  # px at natural size


class Axis(NamedTuple):
    """One axis: values from `low` to `high` > `low`, with a tick and its words at each of `ticks`."""

    name: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]

    @classmethod
    def shares(cls, name: str) -> Axis:
        """0 to 100 %, for values of 0..1."""
        return cls(name, 0.0, 1.0, [(part / 4, f"{part * 25}%") for part in range(5)])

    @classmethod
    def counts(cls, name: str, high: float) -> Axis:
        """0 to a round number at or above `high`, some four ticks at round numbers."""
        high = max(high, 1e-9)
        rough = high / 4
        ten = 10.0 ** math.floor(math.log10(rough))
        step = next(ten * part for part in (1, 2, 2.5, 5, 10) if ten * part >= rough * (1 - 1e-9))
        count = math.ceil(high / step - 1e-9)
        return cls(name, 0.0, count * step, [(one * step, f"{one * step:,.6g}") for one in range(count + 1)])


class Plot:
    """One plot in the making; data in, `svg()` out. `x` runs right, `y` up."""

    def __init__(self, title: str, x: Axis, y: Axis, width: int = 400, height: int = 250) -> None:
        self._title, self._x, self._y = title, x, y
        self._width, self._height = width, height
        longest = max((len(words) for _, words in y.ticks), default=0)
        self._left, self._right = 18 + 6.5 * longest + (16 if y.name else 0), width - 18
        self._top, self._bottom = 12, height - (42 if x.name else 26)
        self._parts: list[str] = []
        self._frame()

    def line(self, points: Iterable[tuple[float, float]], kind: str, *, steps: bool = False) -> None:
        """A line through the points, in order; with `steps` it stays level until the next point."""
        path = self._path(points, steps)
        if path:
            self._parts.append(f'<path class="line {escape(kind)}" d="M{path}"/>')

    def area(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """The area between a line of steps and the x axis."""
        if points:
            path = self._path(points, steps=True)
            end, start = self._at(points[-1][0], self._y.low), self._at(points[0][0], self._y.low)
            self._parts.append(f'<path class="area {escape(kind)}" d="M{path} L{end} L{start} Z"/>')

    def band(
        self, low: Sequence[tuple[float, float]], high: Sequence[tuple[float, float]], kind: str
    ) -> None:
        """The area between two lines that begin and end together."""
        if low and high:
            path = self._path([*high, *reversed(low)], steps=False)
            self._parts.append(f'<path class="area {escape(kind)}" d="M{path} Z"/>')

    def dot(self, x: float, y: float, kind: str, told: str, radius: float = 3.5) -> None:
        """A point, with words that a pointer above it shows."""
        if _finite(x, y):
            across, up = self._at(x, y).split(",")
            self._parts.append(
                f'<circle class="dot {escape(kind)}" cx="{across}" cy="{up}" r="{radius:g}">'
                f"<title>{escape(told)}</title></circle>"
            )

    def label(
        self, x: float, y: float, words: str, kind: str = "", *, above: bool = True, line: int = 0
    ) -> None:
        """Words beside a point, kept inside of the frame; `line` more lines up where a neighbour has one."""
        if not _finite(x, y):
            return
        across, up = (float(part) for part in self._at(x, y).split(","))
        half = 3.1 * len(words)
        across = min(max(across, self._left + half + 2), self._right - half - 2)
        up = up - 9 - line * _FONT if above and up > (2 + line) * _FONT else up + 18
        self._text(across, up, words, f"mark {kind}")

    def upright(self, x: float, kind: str, told: str) -> None:
        """A vertical line over the whole height."""
        if self._x.low <= x <= self._x.high:
            top, bottom = self._at(x, self._y.high), self._at(x, self._y.low)
            words = f"<title>{escape(told)}</title>"
            self._parts.append(f'<path class="upright {escape(kind)}" d="M{top} L{bottom}">{words}</path>')

    def level(self, y: float, kind: str, words: str) -> None:
        """A horizontal line with its name at the right end."""
        if self._y.low <= y <= self._y.high:
            left, right = self._at(self._x.low, y), self._at(self._x.high, y)
            self._parts.append(f'<path class="level {escape(kind)}" d="M{left} L{right}"/>')
            self._text(self._right - 2, float(right.split(",")[1]) - 4, words, "tick", "end")

    def bar(self, x: float, width: float, low: float, high: float, kind: str, told: str) -> None:
        """A bar from `x`, `width` wide, between two values of y."""
        if _finite(x, low, high) and high > low:
            left, top = (float(part) for part in self._at(x, high).split(","))
            right, bottom = (float(part) for part in self._at(x + width, low).split(","))
            self._parts.append(
                f'<rect class="bar {escape(kind)}" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
                f'height="{bottom - top:.1f}"><title>{escape(told)}</title></rect>'
            )

    def svg(self) -> str:
        """The picture, to be put into a page."""
        return (
            f'<svg viewBox="0 0 {self._width} {self._height}" role="img" font-size="{_FONT}">'
            f"<title>{escape(self._title)}</title>{''.join(self._parts)}</svg>"
        )

    def _frame(self) -> None:
        for value, words in self._x.ticks:
            across = float(self._at(value, self._y.low).split(",")[0])
            self._parts.append(f'<path class="rule" d="M{across:.1f},{self._top} V{self._bottom}"/>')
            self._text(across, self._bottom + 15, words, "tick")
        for value, words in self._y.ticks:
            up = float(self._at(self._x.low, value).split(",")[1])
            self._parts.append(f'<path class="rule" d="M{self._left:.1f},{up:.1f} H{self._right}"/>')
            self._text(self._left - 6, up + 4, words, "tick", "end")
        if self._x.name:
            self._text((self._left + self._right) / 2, self._height - 8, self._x.name, "axis")
        if self._y.name:
            middle = (self._top + self._bottom) / 2
            turn = f' transform="rotate(-90 12 {middle:.1f})"'
            self._text(12, middle, self._y.name, "axis", turn=turn)

    def _text(
        self, x: float, y: float, words: str, kind: str, anchor: str = "middle", turn: str = ""
    ) -> None:
        self._parts.append(
            f'<text class="{escape(kind)}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{turn}>'
            f"{escape(words)}</text>"
        )

    def _path(self, points: Iterable[tuple[float, float]], steps: bool) -> str:
        parts: list[str] = []
        for x, y in points:
            if not _finite(x, y):
                continue
            place = self._at(x, y)
            if steps and parts:
                parts.append(f"H{place.split(',')[0]} V{place.split(',')[1]}")
            else:
                parts.append(place if not parts else f"L{place}")
        return " ".join(parts)

    def _at(self, x: float, y: float) -> str:
        across = (min(max(x, self._x.low), self._x.high) - self._x.low) / (self._x.high - self._x.low)
        up = (min(max(y, self._y.low), self._y.high) - self._y.low) / (self._y.high - self._y.low)
        return (
            f"{self._left + across * (self._right - self._left):.1f},"
            f"{self._bottom - up * (self._bottom - self._top):.1f}"
        )


def _finite(*values: float) -> bool:
    return all(math.isfinite(value) for value in values)
