"""What a platform rations or sells, and how much of it is left.

Law of this file: plain arithmetic on a time that is handed in; whoever spends says so before the request
goes out, so that nothing is read that nobody pays for. What was spent outlives the process in a cursor.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from agents.sources.source import OutageError

__all__ = ["PLACE", "Budget", "Period"]

#: The place within a source under which its cursor of spending is kept.
PLACE: Final = "budget"

Period = Literal["day", "month"]


class _Spent(NamedTuple):
    period: str  # "2026-11-25" or "2026-11", in the platform's own time zone
    units: int


class Budget:
    """So many units in each day or month of a platform's time zone; `name` is the word that metrics show."""

    def __init__(
        self, name: str, limit: int, period: Period, now_ms: Callable[[], int], zone: str = "UTC"
    ) -> None:
        self.name, self.limit = name, limit
        self._period, self._zone, self._now_ms = period, ZoneInfo(zone), now_ms
        self._spent = _Spent("", 0)

    @property
    def left(self) -> int:
        """Units that may still be spent in this period; never below 0."""
        return max(0, self.limit - self._this().units)

    @property
    def resets_s(self) -> float:
        """Seconds until the period ends."""
        now = self._now()
        start = now.replace(hour=0, minute=0, second=0, microsecond=0)
        if self._period == "day":
            # by the calendar, then back to UTC: two days a year have 23 or 25 hours
            end = (start + timedelta(days=1)).astimezone(UTC)
        else:
            end = (start.replace(day=1) + timedelta(days=32)).replace(day=1).astimezone(UTC)
        return max(1.0, (end - now.astimezone(UTC)).total_seconds())

    def spend(self, units: int = 1) -> None:
        """Take units off; the last may be exceeded, because some answers are longer than was asked."""
        spent = self._this()
        self._spent = _Spent(spent.period, spent.units + units)

    def must_have(self, units: int = 1) -> None:
        """Raise OutageError, until the period ends, if fewer are left."""
        if self.left < units:
            raise OutageError(
                "budget",
                f"the budget of {self.limit} {self.name} a {self._period} is spent; it begins anew "
                f"in {self.resets_s / 3600:.1f} hours",
                self.resets_s,
            )

    def spare_s(self, units_a_round: int) -> float:
        """Seconds to leave between rounds of that price, so that what is left lasts to the period's end."""
        return self.resets_s * units_a_round / self.left if self.left else self.resets_s

    def cursor(self) -> dict[str, Any]:
        """What must outlive the process."""
        return {"period": self._this().period, "units": self._this().units}

    def restore(self, cursor: object) -> None:
        """Go on from a cursor, unless more was spent since; one that is not ours counts as nothing spent."""
        if isinstance(cursor, dict):
            period, units = cursor.get("period"), cursor.get("units")
            if isinstance(period, str) and isinstance(units, int) and units >= 0:
                self._spent = max(self._spent, _Spent(period, units))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._now_ms() / 1000, self._zone)

    def _this(self) -> _Spent:
        period = self._now().strftime("%Y-%m-%d" if self._period == "day" else "%Y-%m")
        return self._spent if self._spent.period == period else _Spent(period, 0)
