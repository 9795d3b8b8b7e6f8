"""What tests of the shell share: no settings but their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def clean_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No FLASHOVER_* variable is set, and the working directory, here answered, holds no settings file."""
    for name in os.environ:
        if name.startswith("FLASHOVER_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path
