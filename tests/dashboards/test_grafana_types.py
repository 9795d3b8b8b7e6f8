"""The dashboards' JSON is what Grafana's published types say, as far as these go.

The types come from npm, pinned in grafana/package-lock.json, into the user's cache; else it is skipped.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dashboards.boards import BOARDS
from dashboards.panels import Board

_ROOM = Path(__file__).parent / "grafana"
_PANELS = {"timeseries": "TimeSeries", "stat": "Stat", "bargauge": "BarGauge", "table": "Table"}
_RAW = "@grafana/schema/dist/esm/raw/composable"

# A JSON file has texts where the types have enums; what Prometheus adds to a query is not in this package.
_TYPES = """\
import type { AnnotationQuery, Dashboard, DataQuery, Panel, RowPanel, VariableModel } from '@grafana/schema';
{imports}
type Plain<T> = T extends string ? `${T}` : T extends (infer U)[] ? Plain<U>[]
  : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
type Query = Plain<DataQuery> & {
  expr: string; legendFormat: string; instant: boolean; range: boolean; format: 'time_series' | 'table';
};
type Mark = Plain<AnnotationQuery> & { expr: string; step: string; titleFormat: string; textFormat: string };
type Board = Omit<Plain<Dashboard>, 'annotations' | 'panels' | 'templating'> & {
  annotations: { list: Mark[] };
  panels: (Plain<Panel> | Plain<RowPanel>)[];
  templating: { list: (Plain<VariableModel> & { definition?: string })[] };
};
"""


@pytest.fixture(scope="module")
def types() -> Path:
    """A folder in which the types and their compiler are installed."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    lock = _ROOM / "package-lock.json"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flashover"
    folder = cache / f"grafana-types-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    if not (folder / "node_modules" / ".package-lock.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(_ROOM / file, folder)
        done = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            pytest.skip(f"npm has no way to its registry: {done.stderr[-300:]}")
    return folder


def typed(board: Board) -> str:
    """A TypeScript file that says of each part of a board which type it has."""
    imports = "\n".join(
        f"import type * as {name} from '{_RAW}/{kind}/panelcfg/x/{name}PanelCfg_types.gen';"
        for kind, name in _PANELS.items()
    )
    told = board.json()
    lines = [_TYPES.replace("{imports}", imports)]
    lines.append(f"export const board: Board = {json.dumps(told)};")
    for panel in told["panels"]:
        if panel["type"] == "row":
            continue
        name, number = _PANELS[panel["type"]], panel["id"]
        lines.append(f"export const o{number}: Plain<{name}.Options> = {json.dumps(panel['options'])};")
        if custom := panel["fieldConfig"]["defaults"].get("custom"):
            lines.append(f"export const c{number}: Plain<{name}.FieldConfig> = {json.dumps(custom)};")
        for place, target in enumerate(panel["targets"]):
            what = json.dumps(target)
            lines.append(f"export const t{number}_{place}: Query = {what};")
    return "\n".join(lines)


def compiled(types: Path, folder: Path, source: str) -> subprocess.CompletedProcess[str]:
    """What the compiler says to a file; it must lie where the types are found."""
    (folder / "node_modules").symlink_to(types / "node_modules")
    (folder / "board.ts").write_text(source)
    compiler = types / "node_modules" / ".bin" / "tsc"
    options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "esnext"]
    return subprocess.run(
        [compiler, *options, "--moduleResolution", "bundler", "board.ts"],
        cwd=folder,
        capture_output=True,
        text=True,
    )


def test_grafana_knows_every_field(types: Path, tmp_path: Path) -> None:
    for board in BOARDS:
        folder = tmp_path / board.uid
        folder.mkdir()
        done = compiled(types, folder, typed(board))
        assert done.returncode == 0, f"{board.uid}: {done.stdout[:3000]}"


def test_the_check_sees_a_field_that_grafana_does_not_know(types: Path, tmp_path: Path) -> None:
    source = typed(BOARDS[0]).replace('"graphMode": "none"', '"graphMode": "nothing"')
    assert compiled(types, tmp_path, source).returncode != 0
