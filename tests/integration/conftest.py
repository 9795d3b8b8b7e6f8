"""The fixtures of every integration test: a broker, of each kind at hand, and names of one's own on it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.integration import brokers
from tests.integration.brokers import Broker


@pytest.fixture(scope="session", params=brokers.chosen())
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A started broker that all tests share: once embedded, once Kafka (see brokers.py)."""
    with brokers.started(request.param, tmp_path_factory.mktemp("broker")) as started:
        yield started


@pytest.fixture
def prefix() -> str:
    """What a test's topics, groups and app ids start with, so that no two tests meet on a shared cluster."""
    return f"flashover-test-{uuid.uuid4().hex[:10]}-"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which brokers the run was on."""
    terminalreporter.write_line(brokers.in_words())
