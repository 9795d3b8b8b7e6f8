"""`flashover judge`: how good the alerts are on recorded threads whose truth is known.

Law of this file: the alerts are those of a replay; every figure comes from `streams.measures`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import click

from agents.commands.common import (
    Refusals,
    as_json,
    complain,
    counted,
    fail_if,
    files_argument,
    moment_ms,
    say,
    settings_of,
)
from agents.files import Line
from agents.tuning.sweep import Swept, record
from agents.tuning.truth import Truth, size_of, truth_of, truth_options
from streams import measures
from streams.trace import MARKS, Trace

__all__ = ["Calibration", "Score", "calibrations", "judge", "tell_refused", "tell_truth"]

# Static rules to be beaten: so many answers in a thread within so many hours, whenever that is.
_RULES: Final = ((30, 2), (25, 2), (30, 4), (50, 4))


class Score(NamedTuple):
    """The figures of one way to raise alerts; shares are 0..1, nan where there is nothing to share.

    The lead is that from an alert to the answer that made its thread viral, over alerted threads that
    became so: its mean, quartiles and median.
    """

    name: str
    alerts: int
    precision: float
    recall: float
    still_to_come: float  # mean over all viral threads, 0 for a missed one
    lead_time_s: float
    lead_time_q1_s: float
    lead_time_median_s: float
    lead_time_q3_s: float
    pages_per_week: float
    true_pages_per_week: float
    false_pages_per_week: float


class Calibration(NamedTuple):
    """How far the told probabilities can be believed, at one kind of moment."""

    moment: str
    forecasts: int
    brier: float  # 0 best; always telling the base rate scores base_rate * (1 - base_rate)
    base_rate: float
    bins: tuple[measures.Bin, ...]


@click.command()
@files_argument
@truth_options
@click.option(
    "--level",
    type=click.Choice(["watch", "warn", "page"]),
    default="page",
    show_default=True,
    help="Judge the alerts of this level and above.",
)
@as_json
@click.pass_context
def judge(
    context: click.Context,
    files: tuple[str, ...],
    truth: Path | None,
    labels: Path | None,
    level: str,
    json_: bool,
) -> None:
    """Measure the alerts on recorded threads, beside static rules.

    A thread counts once, at its first alert of the level. Precision: viral among the alerted. Recall: alerted
    among the viral. Still to come: the mean share of a viral thread's answers within 24 hours that lie after
    its alert, 0 where missed. Lead: the time from an alert to the answer that made its thread viral (median,
    and the middle half of them).

    Then the reliability curve: of the threads that were told a chance of 30 to 40 %, some 35 % should become
    viral. Told at the first alert of the level, and when a thread has 10, 20, 30, 50 mentions.

    \b
    Examples:
      flashover judge threads.jsonl.gz --truth threads-truth.csv
      FLASHOVER_THRESHOLDS__PAGE=0.7 flashover judge threads.jsonl.gz --truth threads-truth.csv --json
    """
    settings = settings_of(context)
    swept = record(files, settings, moment_ms("now", time.time_ns() // 1_000_000))
    tell_refused(swept)
    known = truth_of(swept.traces, settings, truth, labels)
    tell_truth(known, swept.traces)
    viral = known.storms
    days = {one.name: one.day_ms for one in swept.traces}
    sizes = {one.name: size_of(one, settings) for one in swept.traces}
    raised = {name: first for name, first in swept.raised[level].items() if name in days}
    alerted = {name: first.at_ms for name, first in raised.items()}
    scores = [_score("flashover", alerted, days, viral, sizes, swept.observed_s)]
    for count, hours in _RULES:
        fired = {
            thread: first
            for thread, day in days.items()
            if (first := measures.burst_ms(day, count, hours * 3600)) is not None
        }
        scores.append(_score(f"{count} in {hours} h", fired, days, viral, sizes, swept.observed_s))
    told = {name: first.probability for name, first in raised.items()}
    curves = calibrations(f"first {level}", told, swept.traces, viral)
    if json_:
        say(
            {
                "level": level,
                "threads": len(days),
                "viral": sum(viral.values()),
                "truth": known.source,
                "observed_s": swept.observed_s,
                "scores": [one._asdict() for one in scores],  # nan becomes null
                "reliability": [
                    {**one._asdict(), "bins": [part._asdict() for part in one.bins]} for one in curves
                ],
            }
        )
    else:
        _table(scores, len(days), sum(viral.values()))
        _curves(curves)
    fail_if(bool(swept.refused))


def tell_refused(swept: Swept) -> None:
    """Tell of the lines that are no mentions, the first few."""
    refusals = Refusals(None)
    for one in swept.refused_lines:
        refusals.add(Line(one.file, one.number, b"", whole=True), one.refusal)
    if (more := swept.refused.total() - len(swept.refused_lines)) > 0:
        complain(f"{more} more refused lines are not shown: `flashover replay --rejects OUT` writes them all")


def tell_truth(known: Truth, traces: Iterable[Trace]) -> None:
    """Tell of storms that were not recorded, and what the labels did, if there are any."""
    storms = {one for one, is_storm in known.storms.items() if is_storm}
    if absent := storms - {one.name for one in traces}:
        complain(f"{counted(len(absent), 'storm')} of the truth not in this recording: counted as missed")
    if known.labels is None:
        return
    joined = known.labels
    complain(
        f"{counted(joined.used, 'label')}; otherwise than the truth they say of "
        f"{counted(len(joined.overridden), 'thread')}; of nothing in this recording: {joined.unmatched}"
    )


def calibrations(
    first: str, told: Mapping[str, float], traces: Iterable[Trace], truth: Mapping[str, bool]
) -> list[Calibration]:
    """The reliability of what was told at the alerts (`told`, by trace), and at fixed sizes of a thread."""
    at_marks: dict[int, dict[str, float]] = {mark: {} for mark in MARKS}
    for one in traces:
        for mark, probability in one.at_marks:
            at_marks[mark][one.name] = probability
    moments = [(first, told), *((f"{mark} mentions", at_marks[mark]) for mark in MARKS)]
    found = []
    for name, probabilities in moments:
        pairs = [(probability, truth.get(one, False)) for one, probability in probabilities.items()]
        rate = measures.mean(float(happened) for _, happened in pairs)
        found.append(Calibration(name, len(pairs), measures.brier(pairs), rate, measures.reliability(pairs)))
    return found


def _score(
    name: str,
    alerted: Mapping[str, int],
    days: Mapping[str, Sequence[int]],
    truth: Mapping[str, bool],
    viral_at: Mapping[str, int],
    observed_s: float,
) -> Score:
    viral = [thread for thread, is_viral in truth.items() if is_viral]
    matched = measures.match(alerted, viral)
    leads = [measures.lead_time_s(at, days[one], viral_at[one]) for one, at in alerted.items()]
    return Score(
        name,
        len(alerted),
        measures.precision(matched),
        measures.recall(matched),
        measures.mean(
            measures.still_to_come(alerted[one], days[one]) if one in alerted else 0.0 for one in viral
        ),
        measures.mean(leads),
        measures.quantile(leads, 0.25),
        measures.quantile(leads, 0.5),
        measures.quantile(leads, 0.75),
        measures.per_week(len(alerted), observed_s),
        measures.per_week(len(matched.hits), observed_s),
        measures.false_pages_per_week(len(matched.false_alarms), observed_s),
    )


def _table(scores: Sequence[Score], threads: int, viral: int) -> None:
    say(f"{threads} threads, {viral} of them viral")
    columns = (
        f"{'alerts':>6} {'precision':>9} {'recall':>6} {'still to come':>13} {'lead, middle half':>22} "
        f"{'true/week':>9} {'false/week':>10}"
    )
    say(f"{'':12} {columns}")
    for one in scores:
        quarters = (one.lead_time_median_s, one.lead_time_q1_s, one.lead_time_q3_s)
        median, low, high = (f"{quarter / 60:.0f}" for quarter in quarters)
        say(
            f"{one.name:12} {one.alerts:6} {one.precision:9.3f} {one.recall:6.3f} {one.still_to_come:13.3f} "
            f"{f'{median} min ({low} to {high})':>22} {one.true_pages_per_week:9.2f} "
            f"{one.false_pages_per_week:10.2f}"
        )


def _curves(curves: Sequence[Calibration]) -> None:
    say("")
    say("came true, of those told a chance of (in brackets: how many threads)")
    edges = " ".join(f"{f'{one.above:.0%} on':>11}" for one in curves[0].bins)
    say(f"{'told at':12} {'Brier':>6} {edges}")
    for curve in curves:
        cells = " ".join(
            f"{f'{one.observed:.2f} ({one.forecasts})' if one.forecasts else '-':>11}" for one in curve.bins
        )
        say(f"{curve.moment:12} {curve.brier:6.3f} {cells}")
