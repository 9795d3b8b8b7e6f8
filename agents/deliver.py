"""What the desk asks of the channels: one call for one delivery.

Law of this file: a contract and nothing else. The channels know neither the desk nor each other; the
composition root hands the desk one `Deliver` that looks up the channel by its name.
"""

from __future__ import annotations

from typing import Protocol

from streams.delivery import Delivery, Outcome

__all__ = ["Deliver"]


class Deliver(Protocol):
    """Sends one delivery by the channel it names.

    Answers with what became of it and does not raise; an exception counts as `GiveUp` and is shown. Two calls
    with one `dedup_key` are the same page. Retries over time are the desk's: it asks again after `TryAgain`.
    """

    async def __call__(self, delivery: Delivery) -> Outcome:
        """Ok, TryAgain or GiveUp; within `timeout_s` of the desk."""
