"""Processes that tests and benchmarks start run on the same flashover as they themselves.

`make test-compiled` and `make bench` put what is compiled first on PYTHONPATH; without `-P` Python would put
the folder it is started in, which is the source, before that.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["PYTHON", "ROOT", "python_path"]

ROOT = Path(__file__).parents[1]
PYTHON = (sys.executable, "-P")


def python_path() -> str:
    """PYTHONPATH for a child: ours, and behind it the root, where `tests` is."""
    return os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(ROOT)])
