"""The dashboards, in the order of their readers: the desk, the house, the tuners, the operators."""

from __future__ import annotations

from typing import Final

from dashboards.desk import DESK
from dashboards.engine import ENGINE
from dashboards.health import HEALTH
from dashboards.panels import Board
from dashboards.tuning import TUNING

__all__ = ["BOARDS"]

BOARDS: Final[tuple[Board, ...]] = (DESK, HEALTH, TUNING, ENGINE)
