"""Draws the dashboards' pictures for the docs: `python -m tests.integration.pictures`, some three minutes."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from agents.embedded import free_port
from dashboards.boards import BOARDS
from dashboards.picture import asked, drawn
from tests.integration import brokers, flows
from tests.integration.monitoring import monitoring, until
from tests.integration.test_incidents import people
from tests.integration.test_monitoring import LINES, _resolved, _second_set

PER_S = 12
OUT = Path(__file__).parents[2] / "docs" / "pictures"


def main() -> None:
    """The bundled recording, played in some two minutes before a Prometheus that asks each second."""
    with tempfile.TemporaryDirectory() as named:
        folder = Path(named)
        with brokers.started("embedded", folder) as broker:
            settings = flows.settings_for(broker, "pictured-", metrics_port=free_port())
            _second_set(settings)
            with (
                monitoring(folder, settings.metrics_port) as watching,
                flows.worker(
                    settings, folder / "worker.log", people(f"{watching.inbox.url}/hook")
                ) as process,
            ):
                process.ready()
                until(lambda: watching.value('up{job="flashover"}'))
                began = time.time()
                flows.produce(settings, LINES, PER_S)
                until(lambda: flows.all_followed(settings))
                _resolved(settings, watching)
                time.sleep(3)  # two scrapes more
                ask = asked(watching.url, began, time.time())
                for board in BOARDS:
                    file = OUT / f"{board.uid.removeprefix('flashover-')}-board.svg"
                    file.write_text(drawn(board, ask), encoding="utf-8")


if __name__ == "__main__":
    main()
