"""`streams` and `agents` are ours alone, and stay off the package index (docs/adr/0002)."""

from __future__ import annotations

import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("package", ["streams", "agents"])
def test_no_other_distribution_owns_the_package(package: str) -> None:
    assert set(packages_distributions().get(package, ["flashover"])) == {"flashover"}


def test_the_distribution_can_not_be_uploaded_by_accident() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "Private :: Do Not Upload" in project["classifiers"]


@pytest.mark.parametrize(
    "lock", sorted([*ROOT.glob("*.lock"), *ROOT.glob("tests/**/*.lock")]), ids=lambda path: path.name
)
def test_a_lock_pins_by_hash_and_names_no_index(lock: Path) -> None:
    text = lock.read_text()
    assert text.count("--hash=sha256:") >= text.count("==")
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text
