"""Judges brand surges on real recordings and prints every figure beside its target.

    PYTHONPATH=. python tests/benchmarks/judge_surge.py [--robust]

Reads surge.jsonl.gz, surge-windows.json and storm-ichbinhanna.jsonl.gz from the folder
FLASHOVER_DATA (default: ../shared/data beside the checkout). --robust adds what shows a
plateau or a spike: one parameter at a time, thinned counts, later starts, all at random.
"""

from __future__ import annotations

import gzip
import json
import math
import os
import random
import statistics
import sys
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from streams import nab
from streams.surge import Surge, SurgeParams, SurgeState, observe

DATA = Path(os.environ.get("FLASHOVER_DATA", Path(__file__).parents[2] / "../shared/data"))
INTERVAL_S = 300
TARGET_NAB = 82.0
PUBLISHED = "ARTime 83.8, Skyline 77.8, CAD OSE 76.0, HTM Java 70.1, Numenta 66.1 on these five"

Counts = list[tuple[int, int]]  # (interval start in ms, mentions), in order
Windows = dict[str, list[nab.Window]]


def main(arguments: list[str]) -> None:
    """Print the figures; with --robust also how far they depend on the parameters."""
    params = SurgeParams()
    brands, windows = volumes(), {}
    for brand, spans in json.loads((DATA / "surge-windows.json").read_text()).items():
        starts = [start for start, _ in brands[brand]]
        windows[brand] = [
            (bisect_left(starts, _ms(left)), bisect_right(starts, _ms(right)) - 1) for left, right in spans
        ]
    began = time.process_time()
    found = {brand: detections(counts, params) for brand, counts in brands.items()}
    spent_us = (time.process_time() - began) * 1e6 / sum(map(len, brands.values()))
    for brand, counts in brands.items():
        rows = [row for row, _ in found[brand]]
        scored = [row for row in rows if row >= nab.probation(len(counts))]
        hits = sum(any(left <= row <= right for row in scored) for left, right in windows[brand])
        outside = sum(not any(left <= row <= right for left, right in windows[brand]) for row in scored)
        raw = nab.raw_score(rows, windows[brand], len(counts))
        score = nab.normalised(raw, len(windows[brand]))
        print(f"surge {brand:5} {score:5.1f}  windows {hits}/{len(windows[brand])}, outside {outside}")
    print(
        f"surge NAB standard, all {total(brands, windows, params):.1f}  (target >= {TARGET_NAB}; {PUBLISHED})"
    )
    judge_ministry(params)
    print(f"surge observe {spent_us:.1f} us an interval  (target <= 20)")
    if "--robust" in arguments:
        judge_robustness(brands, windows, params)


def judge_ministry(params: SurgeParams) -> None:
    """Print what the ministry's years and its storm day gave."""
    counts = posts("ministry")
    fired = [surge.at_ms for _, surge in detections(counts, params)]
    storm, nine = _ms("2021-06-10T00:00:00"), _ms("2021-06-10T09:00:00")
    first = next((at for at in fired if at >= storm), None)
    shown = datetime.fromtimestamp(first / 1000, UTC).strftime("%Y-%m-%d %H:%M") if first else "never"
    share = sum(count for start, count in counts if storm <= start < (first or storm))
    day = sum(count for start, count in counts if storm <= start < storm + 86_400_000)
    ok = first is not None and first < nine
    print(
        f"surge ministry storm {shown} UTC, {share / day:.1%} of the day before it"
        f"  (target: 10 June before 09:00: {'met' if ok else 'missed'})"
    )
    before = [at for at in fired if at < storm]
    for since in ("2018-01-01", "2020-03-01"):
        start = _ms(since + "T00:00:00")
        warns, months = sum(at >= start for at in before), (storm - start) / (86_400_000 * 365.25 / 12)
        print(
            f"surge ministry since {since}: {warns} warns in {months:.0f} months,"
            f" {warns / months:.2f} a month  (target <= 1)"
        )
    print(
        "surge ministry days:", ", ".join(str(datetime.fromtimestamp(a / 1000, UTC).date()) for a in before)
    )


def judge_robustness(brands: dict[str, Counts], windows: Windows, params: SurgeParams) -> None:
    """Print the score's dependence on parameters, volume and start."""
    numbers = [field.name for field in fields(params) if isinstance(getattr(params, field.name), int | float)]
    for name in numbers:
        row = []
        for factor in (0.5, 0.75, 0.9, 1.1, 1.33, 2):
            try:
                other = replace(params, **{name: getattr(params, name) * factor})
                row.append(f"x{factor:g} {total(brands, windows, other):.1f}")
            except ValueError:
                row.append(f"x{factor:g} refused")
        print(f"one at a time {name:18}", "  ".join(row), flush=True)
    for share in (0.7, 0.5, 0.3):
        dice = random.Random(1)
        thin = {
            brand: [(at, sum(dice.random() < share for _ in range(count))) for at, count in counts]
            for brand, counts in brands.items()
        }
        print(f"thinned to {share:.0%}: {total(thin, windows, params):.1f}", flush=True)
    dice, scores = random.Random(2), []
    for _ in range(40):
        shaken: dict[str, Any] = {
            name: getattr(params, name) * math.exp(dice.uniform(-0.25, 0.25)) for name in numbers
        }
        shaken["rise_min"] = max(shaken["rise_min"], 1.2)
        shaken["rearm_rise"] = min(max(shaken["rearm_rise"], 1.0), shaken["rise_min"])
        stretch = math.exp(dice.uniform(-0.25, 0.25))
        shaken["scales_s"] = tuple(int(scale_s * stretch) for scale_s in params.scales_s)
        scores.append(total(brands, windows, replace(params, **shaken)))
    deciles = statistics.quantiles(scores, n=10)
    print(
        f"all shaken by up to a quarter, {len(scores)} draws: lowest {min(scores):.1f},"
        f" tenth {deciles[0]:.1f}, median {statistics.median(scores):.1f}, highest {max(scores):.1f}"
    )


def total(brands: dict[str, Counts], windows: Windows, params: SurgeParams) -> float:
    """Score all brands together, in percent."""
    raw = sum(
        nab.raw_score([row for row, _ in detections(counts, params)], windows[brand], len(counts))
        for brand, counts in brands.items()
    )
    return nab.normalised(raw, sum(map(len, windows.values())))


def detections(counts: Counts, params: SurgeParams) -> list[tuple[int, Surge]]:
    """Run one brand through the detector; rows and surges."""
    state, found = SurgeState(), []
    for row, (start_ms, count) in enumerate(counts):
        state, surge = observe(state, params, start_ms, INTERVAL_S, count)
        if surge is not None:
            found.append((row, surge))
    return found


def volumes() -> dict[str, Counts]:
    """Read the count feeds, by brand."""
    brands: dict[str, Counts] = {}
    for record in _records("surge.jsonl.gz"):
        brands.setdefault(record["brand"], []).append((_ms(record["created_at"]), record["count"]))
    return brands


def posts(brand: str) -> Counts:
    """Read one brand's posts of the storm as counts of five minutes; silence is left out."""
    width = INTERVAL_S * 1000
    seen = Counter(
        _ms(record["created_at"]) // width * width
        for record in _records("storm-ichbinhanna.jsonl.gz")
        if record["brand"] == brand
    )
    return sorted(seen.items())


def _records(name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(DATA / name) as lines:
        yield from map(json.loads, _lines(lines))


def _lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    return (line for line in lines if line.strip())


def _ms(moment: str | int) -> int:
    if isinstance(moment, int):
        return moment
    parsed = datetime.fromisoformat(moment)
    return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1000)


if __name__ == "__main__":
    main(sys.argv[1:])
