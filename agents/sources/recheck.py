"""What was told and may be gone by now, for platforms that tell of no deletion: they must be asked.

Law of this file: plain bookkeeping, bounded, on a time that is handed in. Nothing is called gone because one
answer did not hold it, unless the platform says so in so many words.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

__all__ = ["StillThere"]


class StillThere:
    """The latest `most` ids that were told, each until it is `within_ms` old or is called gone."""

    def __init__(self, most: int, within_ms: int) -> None:
        self._most, self._within_ms = most, within_ms
        self._created: OrderedDict[str, int] = OrderedDict()
        self._missed: set[str] = set()

    def __len__(self) -> int:
        return len(self._created)

    def note(self, id: str, created_ms: int) -> None:
        """It is there."""
        self._created[id] = created_ms
        self._missed.discard(id)
        if len(self._created) > self._most:
            self.forget(next(iter(self._created)))

    def forget(self, id: str) -> None:
        """It need not be asked for any more."""
        self._created.pop(id, None)
        self._missed.discard(id)

    def batches(self, now_ms: int, size: int) -> list[list[str]]:
        """What to ask for now, `size` at a time; what has become too old is forgotten."""
        for id in [one for one, created_ms in self._created.items() if created_ms < now_ms - self._within_ms]:
            self.forget(id)
        ids = list(self._created)
        return [ids[first : first + size] for first in range(0, len(ids), size)]

    def gone(self, ids: Iterable[str]) -> list[str]:
        """Those that the platform calls gone, each once."""
        known = [id for id in ids if id in self._created]
        for id in known:
            self.forget(id)
        return known

    def absent(self, asked: Iterable[str], answered: Iterable[str]) -> list[str]:
        """Those that two answers running did not hold, where a platform says no more than that."""
        there = set(answered)
        missing = [id for id in asked if id not in there and id in self._created]
        self._missed.difference_update(there)
        twice = [id for id in missing if id in self._missed]
        self._missed.update(missing)
        return self.gone(twice)
