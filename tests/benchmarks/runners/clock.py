"""The stop-watch of a runner: from the first record read to the last one handled.

Standard library only: the peers' environment runs it too.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import time
from typing import Any

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


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
    """What the benchmark asks of this runner, which ends with it, however that ends (on Linux)."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == 1:  # it was gone before that
            sys.exit(1)
    return json.loads(sys.argv[1])
