"""How big a thread will be a day after it began, and how sure that is.

Law of this file: a pure function of what the thread shows; constant time.

Method: a self-exciting process with an exponential kernel (Hawkes 1971) has a closed form for what is
still to come: every mention breeds `branching` more, fading with the time constant of the kernel, so
the fading count ("heat") times a factor is the expected rest. The size a day later is taken as
log-normal around it, narrower as the day runs out.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from streams.thread import DAY_MS, HEAT_TAU_S, Thread

__all__ = ["Forecast", "forecast"]

_TAU_INDEX: Final = len(HEAT_TAU_S) - 1
_REST_PER_HEAT: Final = 3.0  # expected mentions still to come for each unit of heat, with a whole day left
_SIGMA: Final = 0.8  # of log(size a day later / expected), with a whole day left
_Z90: Final = 1.2815515655446004  # the 90th percentile of the standard normal


class Forecast(msgspec.Struct, frozen=True):
    """A thread's mentions in its first 24 hours: mean, 80 % interval, and the chance to reach `viral_at`."""

    expected_24h: float
    p10: float
    p90: float
    viral_probability: float  # 0..1
    viral_at: int  # mentions


def forecast(thread: Thread, viral_at: int) -> Forecast:
    """What the thread will have become 24 h after its start, as of its latest mention."""
    now = float(thread.mentions_24h)
    left = max(0.0, 1.0 - (thread.last_ms - thread.started_ms) / DAY_MS)
    expected = now + _REST_PER_HEAT * thread.heat[_TAU_INDEX] * math.sqrt(left)
    if now >= viral_at:
        probability = 1.0
    elif left == 0.0 or expected <= 0.0:
        probability = 0.0
    else:
        sigma = _SIGMA * math.sqrt(left)
        probability = 0.5 * math.erfc(math.log(viral_at / expected) / (sigma * math.sqrt(2)))
    spread = math.exp(_Z90 * _SIGMA * math.sqrt(left))
    return Forecast(expected, max(now, expected / spread), expected * spread, probability, viral_at)
