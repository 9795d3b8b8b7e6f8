"""The live thresholds of a worker: what the topic `thresholds` says, from its start on.

Law of this file: everything that was on the topic when the worker began holds before the first mention is
followed; what comes later holds from the next chunk on. A record that is refused changes nothing, is logged
and counted; it stops nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from agents.settings import Settings
from agents.terminal import safe
from agents.topics import topics
from agents.whole_topic import WholeTopic
from streams.params import ThreadParams
from streams.shadow import Beside, Tally
from streams.thresholds import EVERY_BRAND, Refused, Thresholds, decode, shown

__all__ = ["LiveThresholds", "Told", "from_settings", "summed", "told_of"]

log = logging.getLogger(__name__)

LEVELS: Final = ("watch", "warn", "page")
_LOGGED = 500  # characters of a refused record's reasons


class Told(msgspec.Struct, frozen=True):
    """A record of the topic `shadow`: what a second set of thresholds did so far, in one partition.

    `live` and `shadow` are alerts by level, the rest are threads by which set would page for them.
    """

    brand: str
    partition: int
    since_ms: int  # when the set was set
    live: dict[str, int]
    shadow: dict[str, int]
    both: int
    only_live: int
    only_shadow: int


def told_of(brand: str, partition: int, tally: Tally) -> Told:
    """A partition's tally, for the topic."""
    live, shadow = (dict(zip(LEVELS, rises, strict=True)) for rises in (tally.live, tally.shadow))
    pages = (tally.both, tally.only_live, tally.only_shadow)
    return Told(brand, partition, tally.since_ms, live, shadow, *pages)


def summed(told: Iterable[Told]) -> dict[str, Told]:
    """All partitions of a brand together, of its latest set; `partition` is -1."""
    sums: dict[str, Told] = {}
    for one in sorted(told, key=lambda one: one.since_ms):
        had = sums.get(one.brand)
        if had is None or had.since_ms != one.since_ms:
            had = told_of(one.brand, -1, Tally(one.since_ms))
        sums[one.brand] = Told(
            one.brand,
            -1,
            one.since_ms,
            {level: had.live[level] + one.live.get(level, 0) for level in LEVELS},
            {level: had.shadow[level] + one.shadow.get(level, 0) for level in LEVELS},
            had.both + one.both,
            had.only_live + one.only_live,
            had.only_shadow + one.only_shadow,
        )
    return sums


def from_settings(settings: Settings) -> Thresholds:
    """What holds where nobody has set anything live."""
    own = {brand: one.viral_at for brand, one in settings.brands.items() if one.viral_at is not None}
    return Thresholds(settings.thresholds, own)


class LiveThresholds:
    """The thresholds that hold now. One per worker; changes come by `take`, from `follow`."""

    def __init__(self, settings: Settings) -> None:
        self.topic = WholeTopic(settings, topics(settings).thresholds.name, self.take)
        self.now = from_settings(settings)
        self.changed = 0  # records that were taken
        self.refused = 0  # and that were not

    def params_for(self, brand: str) -> ThreadParams:
        """The thresholds of a brand's threads, in constant time."""
        return self.now.live(brand)

    def beside(self) -> Callable[[str], Beside | None] | None:
        """The look-up of second sets, None while there are none."""
        return self.now.beside if self.now.has_shadow else None

    def take(self, key: bytes | None, value: bytes | None, where: str) -> None:
        """One record of the topic; `where` it stood is for the log."""
        change = decode(key, value)
        after = change if isinstance(change, Refused) else self.now.after(change)
        if isinstance(change, Refused) or isinstance(after, Refused):
            assert isinstance(after, Refused)  # noqa: S101 — the one above is carried on
            self.refused += 1
            log.warning("thresholds refused (%s): %s", where, safe("; ".join(after.reasons), _LOGGED))
            return
        self.now = after
        self.changed += 1
        whom = "every brand" if change.key.brand == EVERY_BRAND else change.key.brand
        log.info(
            "thresholds of %s%s: %s, by %s: %s",
            whom,
            " (shadow)" if change.key.shadow else "",
            ", ".join(f"{name}={shown(number)}" for name, number in change.fields.items())
            or "as in the settings",
            safe(change.who, 100),
            safe(change.why, 200),
        )
