"""`streams` and `agents` are ours alone, and stay off the package index (docs/adr/0002)."""

from __future__ import annotations

import ast
import importlib
import os
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from hatch_build import COMPILED
from tests.processes import ROOT

COMPILED_FIRST = os.environ.get("PYTHONPATH", "").split(os.pathsep)[0].endswith("build/compiled")


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


@pytest.mark.parametrize("path", COMPILED)
def test_the_hot_path_that_runs_is_the_one_that_was_asked_for(path: str) -> None:
    """Else the tests of the compiled one would be those of the source, and pass."""
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    assert module.__file__ is not None
    assert module.__file__.endswith(".py") is not COMPILED_FIRST


@pytest.mark.parametrize("path", COMPILED)
def test_what_is_compiled_holds_no_class_that_compiling_spoils(path: str) -> None:
    """A class of msgspec's, a named tuple or a dataclass is no longer what it says once mypyc made it."""
    for one in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(one, ast.ClassDef):
            assert not one.bases, one.name
            assert all("mypyc_attr" in ast.unparse(mark) for mark in one.decorator_list), one.name
