"""The stop-watch of a runner: from the first record read to the last one handled.

Standard library only: the peers' environment runs it too.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any


class Clock:
    """Starts with the first call of `start`; `stop` says what was found, as one line of JSON."""

    def __init__(self) -> None:
        self.began = 0.0
        self._cpu_s = 0.0

    def start(self) -> None:
        """The first record is here. Later calls change nothing."""
        if not self.began:
            self.began, self._cpu_s = time.perf_counter(), cpu_s()

    def stop(self, mentions: int, **more: Any) -> None:
        """The last record is handled."""
        seconds, used = time.perf_counter() - self.began, cpu_s() - self._cpu_s
        print(json.dumps({"mentions": mentions, "seconds": seconds, "cpu_s": used, **more}), flush=True)


def cpu_s() -> float:
    """CPU seconds of this process so far, all threads, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def config() -> Any:
    """What the benchmark asks of this runner."""
    return json.loads(sys.argv[1])
