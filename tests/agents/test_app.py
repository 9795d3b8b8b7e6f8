"""The composition root: what a worker needs of the machine it starts on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agents.app import build
from agents.settings import Settings


def test_a_worker_makes_no_folder_where_it_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing may be written, as in a container with a read-only root, it starts all the same."""
    monkeypatch.chdir(tmp_path)

    async def start() -> None:
        app = build(Settings.model_construct()).app
        app.finalize()
        await app.on_first_start()

    asyncio.run(start())
    assert not list(tmp_path.iterdir())
