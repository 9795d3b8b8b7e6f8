"""Which build of flashover this is.

Law of this file: it looks at what was imported, and imports nothing for it that costs.
"""

from __future__ import annotations

from typing import Literal

from streams import thread

__all__ = ["hot_path"]


def hot_path() -> Literal["compiled", "interpreted"]:
    """Whether the hot path runs compiled, or as the source that it is (docs/adr/0014)."""
    return "interpreted" if thread.__file__.endswith(".py") else "compiled"
