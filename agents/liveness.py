"""Whether a worker that is up also works: the age of the offset it stands at.

Law of this file: pure bookkeeping; time is an argument.
"""

from __future__ import annotations

__all__ = ["Progress", "stalled"]


class Progress:
    """Per partition: where the worker stands, where the records end, since when it has not moved."""

    def __init__(self) -> None:
        self.at: dict[int, tuple[int, int, float]] = {}  # position, end, time of the last move (s)

    def note(self, partition: int, position: int, end: int | None, now_s: float) -> None:
        """`position` is the next offset to read, `end` the one after the last record (None: unknown yet)."""
        before = self.at.get(partition)
        end = position if end is None else end
        moved = before is None or position > before[0] or position >= end
        self.at[partition] = (position, end, now_s if moved or before is None else before[2])

    def lag(self) -> dict[int, int]:
        """Records that wait, by partition."""
        return {partition: max(0, end - position) for partition, (position, end, _) in self.at.items()}

    def age_s(self, now_s: float) -> dict[int, float]:
        """How long each partition has stood still with records waiting; 0 where none wait."""
        return {
            partition: now_s - since if end > position else 0.0
            for partition, (position, end, since) in self.at.items()
        }

    def forget(self) -> None:
        """Begin again: a rebalance or a recovery stands still for good reasons."""
        self.at.clear()


def stalled(progress: Progress, now_s: float, after_s: float) -> set[int]:
    """Partitions whose records have waited for more than `after_s` seconds."""
    return {partition for partition, age_s in progress.age_s(now_s).items() if age_s > after_s}
