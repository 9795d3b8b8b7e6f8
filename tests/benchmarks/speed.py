"""How fast the whole path is, beside what others do with less on the same events, broker and machine."""

from __future__ import annotations

import math
import statistics
import uuid
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks import events, stage

__all__ = ["measure"]


class Runner(NamedTuple):
    """One line of the table; `share` of the events is what it is given, `target` what ours is held to.

    `archive`: its events are months of event time in seconds, which nobody else is asked to do.
    """

    module: str
    title: str
    peer: bool
    share: float
    target: float  # ours must be so many times as fast
    archive: bool = False


_OURS = "flashover, the whole path"
RUNNERS = (
    Runner("ours", _OURS, False, 1.0, 0.0),
    Runner("ours", "  the same, catching up on an archive", False, 0.2, 0.0, archive=True),
    Runner("faust_count", "(a) stock Faust, a count", False, 0.03, 15.0),
    Runner("quix_window", "(b) Quix Streams, a tumbling count", True, 0.25, 1.0),
    Runner("bytewax_slots", "(c) Bytewax, slots", True, 1.0, 1.0),
    Runner("aiokafka_dict", "(d) aiokafka, msgspec, a dict", False, 1.0, 0.2),
)


def measure(
    bootstrap: str, idempotent: bool, data: Path | None, peers: Path, size: int, rounds: int, only: list[str]
) -> None:
    """Fill the topics, run every runner `rounds` times in turn, print the table. Raises RuntimeError."""
    words, mentions = events.templates(data)
    chosen = [one for one in RUNNERS if not only or one.module in only]
    prefixes = {archive: f"bench-{uuid.uuid4().hex[:8]}-" for archive in {one.archive for one in chosen}}
    for archive, prefix in prefixes.items():
        settings = stage.made(stage.settings_for(bootstrap, "first", prefix, idempotent=idempotent))
        wanted = max(int(size * one.share) for one in chosen if one.archive is archive)
        records = events.laps(mentions, wanted) if archive else events.busy(mentions, wanted)
        stage.fill(bootstrap, settings.topic_prefix + "mentions", records)
    del mentions
    begun = f"{words}, begun within six hours"
    print(f"{size:,} mentions ({begun}), {stage.PARTITIONS} partitions, {rounds} rounds")
    found: dict[str, list[dict[str, Any]]] = {}
    for _ in range(rounds):
        for runner in chosen:
            prefix = prefixes[runner.archive]
            app_id = f"{prefix}{runner.module}-{uuid.uuid4().hex[:6]}"
            if runner.module == "ours":
                stage.made(stage.settings_for(bootstrap, app_id, prefix, idempotent=idempotent))
            asked = {
                "bootstrap": bootstrap,
                "prefix": prefix,
                "app_id": app_id,
                "idempotent": idempotent,
                "mentions": int(size * runner.share),
            }
            python = peers if runner.peer else Path(stage.PYTHON)
            found.setdefault(runner.title, []).append(stage.run(python, runner.module, asked))
    _print(found)


def _print(found: dict[str, list[dict[str, Any]]]) -> None:
    def us(runs: list[dict[str, Any]], what: str) -> float:
        return float(statistics.median(one[what] * 1e6 / one["mentions"] for one in runs))

    def ratio(runs: list[dict[str, Any]], what: str) -> float:
        return us(runs, what) / us(found[_OURS], what) if _OURS in found else math.nan

    print(
        f"\n{'':36} {'mentions':>10} {'per s':>9} {'us each':>8} {'spread':>15} {'ours is':>9} {'target':>8} "
        f"{'':6} {'CPU us':>7} {'ours is':>9}"
    )
    for runner in RUNNERS:
        if not (runs := found.get(runner.title)):
            continue
        each = us(runs, "seconds")
        all_us = [one["seconds"] * 1e6 / one["mentions"] for one in runs]
        by_clock, by_cpu = ratio(runs, "seconds"), ratio(runs, "cpu_s")
        line = (
            f"{runner.title:36} {runs[0]['mentions']:>10,} {1e6 / each:>9,.0f} {each:>8.2f} "
            f"{min(all_us):>7.2f}-{max(all_us):<7.2f} "
        )
        if runner.target:
            met = "met" if by_clock >= runner.target else "missed"
            line += f"{by_clock:>7.2f} x {'>= ' + format(runner.target, 'g'):>8} {met:6} "
        else:
            line += f"{'':9} {'':8} {'':6} "
        print(line + f"{us(runs, 'cpu_s'):>7.2f}" + (f" {by_cpu:>7.2f} x" if runner.target else ""))
        if runner.module == "ours":
            print(f"{'  of these, brands and their surges':36} {us(runs, 'brands_cpu_s'):>77.2f}")
    print(
        "us each: median of the rounds by the clock, from the first record read to the last one\n"
        "handled (ours: and durable, and acked); spread: fastest and slowest round; CPU us: of the runner"
    )
