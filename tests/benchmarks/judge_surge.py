"""Judges brand surges on real recordings and prints every figure beside its target.

    PYTHONPATH=. python tests/benchmarks/judge_surge.py [--robust]

Reads surge.jsonl.gz, surge-windows.json and storm-ichbinhanna.jsonl.gz from the folder
FLASHOVER_DATA (default: ../shared/data beside the checkout). First the detector alone, over
rows of five minutes; then the whole program, by the `warn` alerts of a replay. --robust adds what
shows a plateau or a spike: one parameter at a time, thinned counts, later starts, all at random.
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
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agents.commands.replay import Replay
from agents.files import Refusal, check, read_lines
from agents.settings import read_settings
from streams import nab
from streams.alert import Alert
from streams.surge import Surge, SurgeParams, SurgeState, observe

DATA = Path(os.environ.get("FLASHOVER_DATA", Path(__file__).parents[2] / "../shared/data"))
INTERVAL_S = 300
TARGET_NAB = 82.0
TARGET_OBSERVE_US = 20.0
FAR_MS = 4_102_444_800_000
REAL_DAYS = ("2020-10-31", "2020-11-30", "2020-12-10")  # of the ministry's earlier storms
PUBLISHED = "published: ARTime 83.8, Skyline 77.8, CAD OSE 76.0, HTM Java 70.1, Numenta 66.1 on these five"

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
    found = {brand: [row for row, _ in detections(counts, params)] for brand, counts in brands.items()}
    spent_us = (time.process_time() - began) * 1e6 / sum(map(len, brands.values()))
    judge_windows("surge", brands, windows, found)
    print(f"surge {PUBLISHED}")
    judge_ministry("surge", [surge.at_ms for _, surge in detections(posts("ministry"), params)])
    print(f"surge observe {spent_us:.1f} us an interval{verdict(spent_us, TARGET_OBSERVE_US, most=True)}")
    warned = warnings("surge.jsonl.gz")
    # An alert speaks at the end of its interval: of the row that begins then.
    judge_windows(
        "surge as it runs",
        brands,
        windows,
        {
            brand: [
                min(bisect_left([start for start, _ in counts], at), len(counts) - 1) for at in warned[brand]
            ]
            for brand, counts in brands.items()
        },
    )
    judge_ministry("surge as it runs", warnings("storm-ichbinhanna.jsonl.gz")["ministry"])
    if "--robust" in arguments:
        judge_robustness(brands, windows, params)


def verdict(value: float, target: float, *, most: bool = False) -> str:
    """The end of a line: its target, and whether it was met."""
    met = value <= target if most else value >= target
    return f"   target {'<=' if most else '>='} {target:g}: {'met' if met else 'MISSED'}"


def warnings(name: str) -> dict[str, list[int]]:
    """When `flashover replay` raises each brand to `warn` or above, in ms."""
    settings, found = read_settings(), defaultdict(list)
    run, decoder = Replay(settings, brands=True), settings.decoder()

    def keep(alerts: Iterable[Alert]) -> None:
        for alert in alerts:
            if alert.scope == "brand" and alert.level in ("warn", "page"):
                found[alert.brand].append(_ms(alert.raised_at))

    for line in read_lines([str(DATA / name)], settings.max_record_bytes, lambda _: None):
        mention = check(line, decoder, FAR_MS)
        assert not isinstance(mention, Refusal), mention
        run.follow(mention)
        keep(run.brand_alerts())
    keep(run.brand_alerts(at_end=True))
    return found


def judge_windows(
    name: str, brands: dict[str, Counts], windows: Windows, found: dict[str, list[int]]
) -> None:
    """Print the score of each brand and of all; `found` are the rows of detections."""
    for brand, counts in brands.items():
        rows = found[brand]
        scored = [row for row in rows if row >= nab.probation(len(counts))]
        hits = sum(any(left <= row <= right for row in scored) for left, right in windows[brand])
        outside = sum(not any(left <= row <= right for left, right in windows[brand]) for row in scored)
        raw = nab.raw_score(rows, windows[brand], len(counts))
        score = nab.normalised(raw, len(windows[brand]))
        print(f"{name} {brand:5} {score:5.1f}  windows {hits}/{len(windows[brand])}, outside {outside}")
    raw = math.fsum(nab.raw_score(found[one], windows[one], len(brands[one])) for one in brands)
    score = nab.normalised(raw, sum(map(len, windows.values())))
    print(f"{name} NAB standard, all {score:.1f}{verdict(score, TARGET_NAB)}")


def judge_ministry(name: str, fired: list[int]) -> None:
    """Print what the ministry's years and its storm day gave; `fired` are the times of its warnings."""
    counts = posts("ministry")
    storm, nine = _ms("2021-06-10T00:00:00"), _ms("2021-06-10T09:00:00")
    first = next((at for at in fired if at >= storm), None)
    shown = datetime.fromtimestamp(first / 1000, UTC).strftime("%Y-%m-%d %H:%M") if first else "never"
    share = sum(count for start, count in counts if storm <= start < (first or storm))
    day = sum(count for start, count in counts if storm <= start < storm + 86_400_000)
    ok = first is not None and first < nine
    print(
        f"{name} ministry storm {shown} UTC, {share / day:.1%} of the day before it"
        f"   target 10 June before 09:00: {'met' if ok else 'MISSED'}"
    )
    before = [at for at in fired if at < storm]
    for since in ("2018-01-01", "2020-03-01"):
        start = _ms(since + "T00:00:00")
        warns, months = sum(at >= start for at in before), (storm - start) / (86_400_000 * 365.25 / 12)
        print(
            f"{name} ministry since {since}: {warns} warns in {months:.0f} months,"
            f" {warns / months:.2f} a month{verdict(warns / months, 1, most=True)}"
        )
    days = [str(datetime.fromtimestamp(at / 1000, UTC).date()) for at in before]
    print(f"{name} ministry days:", ", ".join(days))
    real = [day for day in REAL_DAYS if day in days]
    print(f"{name} ministry real days among them: {len(real)}{verdict(len(real), len(REAL_DAYS))}")


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
