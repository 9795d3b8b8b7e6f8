"""Who speaks and when: seeded chance, invented accounts, the hours of a day. All of it pure once seeded."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, TypeVar

from agents.recordings.script import Script

T = TypeVar("T")
DAY_S = 86_400

# Share of a day's calm posts by local hour: asleep at night, two humps at noon and in the evening.
HOURLY_WEIGHTS = (1, 1, 1, 1, 1, 2, 5, 9, 11, 11, 11, 12, 13, 11, 10, 10, 11, 12, 13, 14, 13, 11, 7, 3)


def share_of_day(at_s: int, utc_offset_h: int) -> float:
    """The share in [0, 1] of the diurnal curve that lies before `at_s`."""
    weights = [HOURLY_WEIGHTS[(h + utc_offset_h) % 24] for h in range(24)]
    hour, rest_s = divmod(at_s, 3600)
    return (sum(weights[:hour]) + weights[hour] * rest_s / 3600) / sum(weights)


class Chance:
    """Seeded chance from `Random.random()` alone, the one draw Python promises to keep between versions."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed).random  # noqa: S311 - the same recording twice, not a secret

    def below(self, n: int) -> int:
        """An integer in [0, n)."""
        return int(self._draw() * n)

    def happens(self, percent: int) -> bool:
        """True in so many of a hundred cases."""
        return self.below(100) < percent

    def pick(self, items: Sequence[T]) -> T:
        """One of them, each as likely."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """All of them in a new order (Fisher-Yates)."""
        out = list(items)
        for i in range(len(out) - 1, 0, -1):
            j = self.below(i + 1)
            out[i], out[j] = out[j], out[i]
        return out

    def lognormal(self, median: float, sigma: float) -> float:
        """Positive and heavy-tailed, in the median's unit."""
        return median * math.exp(sigma * NormalDist().inv_cdf(self._draw() * 0.998 + 0.001))

    def daytime_s(self, low: float, high: float, utc_offset_h: int) -> int:
        """Seconds since midnight UTC: the point at a uniform share in [low, high) of the diurnal curve."""
        share = low + self._draw() * (high - low)
        weights = [HOURLY_WEIGHTS[(h + utc_offset_h) % 24] for h in range(24)]
        left = share * sum(weights)
        for hour, weight in enumerate(weights):
            if left < weight:
                return int((hour + left / weight) * 3600)
            left -= weight
        return DAY_S - 1


@dataclass
class People:
    """Invented accounts of one brand's public: neutral handles, followers with a heavy tail."""

    script: Script
    chance: Chance
    known: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))  # by platform

    def someone(self, platform: str, new_percent: int = 72) -> dict[str, Any]:
        """A new account of the platform, or one that has spoken there before."""
        if self.known[platform] and not self.chance.happens(new_percent):
            return self.chance.pick(self.known[platform])
        return self.newcomer(platform, min(250_000, int(self.chance.lognormal(170, 1.7))))

    def newcomer(self, platform: str, followers: int) -> dict[str, Any]:
        """An account nobody has seen yet."""
        number = 1 + sum(map(len, self.known.values()))
        first, second = (
            self.chance.pick(self.script.handle_first),
            self.chance.pick(self.script.handle_second),
        )
        person = {
            "id": f"{platform}:{self.script.brand[0]}{10_000 + 37 * number}",
            "handle": f"{first}_{second}{number}",
            "followers": followers,
        }
        self.known[platform].append(person)
        return person
