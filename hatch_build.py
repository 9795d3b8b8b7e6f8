"""Compiles what a worker spends its time on, where FLASHOVER_COMPILED=1 asks for it.

Law of this file: the source is the program, and runs as it is. mypyc makes the same of it, faster; a build
that was not asked for it, and an editable one, has no C in it. What mypyc makes of a class can neither be
copied nor pickled: `Thread.restored(thread.state())` is how it is done.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: A module belongs here if every mention goes through it, and if it holds no class but its own native ones:
#: `msgspec.Struct` and dataclasses lose what they are when they are compiled.
COMPILED = (
    "streams/as_usual.py",
    "streams/authors.py",
    "streams/buckets.py",
    "streams/forecast.py",
    "streams/judge.py",
    "streams/mention.py",
    "streams/odds.py",
    "streams/pulses.py",
    "streams/seen.py",
    "streams/thread.py",
    "agents/codec.py",
    "agents/hot_path.py",
    "agents/partition.py",
)


class CompiledHotPath(BuildHookInterface[Any]):
    """Puts an extension module beside the source of each of `COMPILED`, into the wheel alone."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, if it is asked for."""
        if os.environ.get("FLASHOVER_COMPILED") != "1" or version == "editable":
            return
        self._folder = Path(tempfile.mkdtemp(prefix="flashover-mypyc-"))
        for built in _built(Path(self.root), self._folder):
            build_data["force_include"][str(built)] = str(built.relative_to(self._folder / "lib"))
        build_data["pure_python"], build_data["infer_tag"] = False, True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Leave nothing behind."""
        shutil.rmtree(getattr(self, "_folder", ""), ignore_errors=True)


def _built(root: Path, folder: Path) -> list[Path]:
    """The extension modules, below `folder`/lib as they belong below the root."""
    from mypyc.build import mypycify
    from setuptools import Distribution
    from setuptools.command.build_ext import build_ext

    with contextlib.chdir(root):
        modules = mypycify(
            [*COMPILED], opt_level="3", debug_level="0", group_name="flashover", target_dir=str(folder / "c")
        )
        for one in modules:  # as the interpreter rounds, also where a processor could add and multiply in one
            one.extra_compile_args.append("-ffp-contract=off")
        command = build_ext(Distribution({"name": "flashover", "ext_modules": modules}))
        command.build_lib, command.build_temp = str(folder / "lib"), str(folder / "o")
        command.ensure_finalized()
        command.run()
    return sorted((folder / "lib").rglob("*.so"))
