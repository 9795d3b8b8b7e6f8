"""Plots: words stay inside the frame, and out of each other's way."""

from __future__ import annotations

import re

import pytest

from agents.tuning.plots import Axis, Plot


def heights(plot: Plot) -> list[float]:
    return [float(one) for one in re.findall(r'<text class="mark [^>]*? y="([^"]+)"', plot.svg())]


@pytest.mark.parametrize("y", [0.0, 50.0, 80.0])
def test_a_label_a_line_up_leaves_room_for_its_neighbour(y: float) -> None:
    plot = Plot("costs", Axis.counts("", 10), Axis.counts("cost", 100))
    plot.label(4, y, "now", "now")
    plot.label(5, y, "best", "chosen", line=1)
    now, best = heights(plot)
    assert now - best >= 11


@pytest.mark.parametrize("line", [0, 1])
def test_a_label_at_the_top_goes_below_its_point(line: int) -> None:
    plot = Plot("costs", Axis.counts("", 10), Axis.counts("cost", 100))
    plot.label(5, 100, "<best>", "chosen", line=line)
    assert heights(plot)[0] > 12
    assert "&lt;best&gt;" in plot.svg()
