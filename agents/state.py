"""The table of threads as Faust has it: what is in the changelog, by partition.

Law of this file: raw bytes, filled by recovery and extended by a flush; `agents.partition` works above it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

import faust
from faust.stores import memory
from faust.types import TP, EventT

from agents.codec import counts_further

__all__ = ["ThreadTable"]


class _Store(memory.Store[bytes, bytes]):
    """Faust's side of the table: raw bytes per partition, in memory, filled by recovery."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.partitions: dict[int, dict[bytes, bytes]] = {}
        self.upto: dict[int, int] = {}  # offset of the last changelog record in it, by partition

    def persisted_offset(self, tp: TP) -> int:
        """Where recovery goes on: Faust's own account can outlive what we have forgotten in a rebalance."""
        return self.upto.get(tp.partition, -1)

    def apply_changelog_batch(
        self, batch: Iterable[EventT[Any]], to_key: Callable[[Any], Any], to_value: Callable[[Any], Any]
    ) -> None:
        """Take records of the changelog as they are; an empty value is a thread that is over.

        Of two states of a thread the one that counted further wins: a worker that was taken for dead may
        have written the older one after the newer. Nothing raises here, Faust would only log it.
        """
        for event in batch:
            message: Any = event.message
            key, value = message.key, message.value
            stored = self.partitions.setdefault(message.partition, {})
            self.upto[message.partition] = message.offset
            if value is None:
                stored.pop(key, None)
            elif (held := stored.get(key)) is None or not counts_further(held, value):
                stored[key] = value

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Forget what is not ours any more, and what will be read again from the start."""
        for tp in revoked | newly_assigned:
            if tp.topic == self.table.changelog_topic.get_topic_name():
                self.partitions.pop(tp.partition, None)
                self.upto.pop(tp.partition, None)

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Keep active partitions only, and all of them: one without a record yet is empty, not absent."""
        active = {tp.partition for tp in active_tps}
        self.partitions = {number: self.partitions.get(number, {}) for number in active}
        self.upto = {number: self.upto[number] for number in active & self.upto.keys()}

    def _clear(self) -> None:
        self.partitions.clear()
        self.upto.clear()


class ThreadTable(faust.Table[bytes, bytes]):
    """A Faust table whose changelog is written by the flush, in batches, not key by key."""

    def _new_store(self) -> _Store:
        return _Store("memory://", self.app, self, table_name=self.name, loop=self.loop)

    async def on_start(self) -> None:
        """Start the store; the changelog topic is made by `flashover topics create`, not here."""
        await self.add_runtime_dependency(self.data)

    @property
    def stored(self) -> dict[int, dict[bytes, bytes]]:
        """What the changelog holds, by partition."""
        return cast(_Store, self.data).partitions
