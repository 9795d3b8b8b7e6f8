"""A benchmark that is ended leaves nothing running behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNNER = """
import time
from tests.benchmarks.runners.clock import config
config()
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel of Linux ends the runner")
def test_a_runner_ends_with_a_benchmark_that_is_killed(tmp_path: Path) -> None:
    """Even with SIGKILL, when nobody is left to end it."""
    runner = tmp_path / "runner.py"
    runner.write_text(RUNNER)
    begin = (
        f"import subprocess, sys; one = subprocess.Popen([sys.executable, {str(runner)!r}, '{{}}'], "
        "stdout=subprocess.PIPE, text=True); print(one.pid, one.stdout.readline(), flush=True); one.wait()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", begin], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as benchmark:  # fmt: skip
        assert benchmark.stdout is not None
        pid, ready = benchmark.stdout.readline().split()
        assert ready == "ready"
        benchmark.send_signal(signal.SIGKILL)
    until = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < until, "it still runs"
        time.sleep(0.01)
