"""`flashover judge`: how good the alerts are on recorded threads whose truth is known.

Law of this file: the alerts are those of a replay; every figure comes from `streams.measures`.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import click

from agents.commands.common import Refusals, as_json, fail_if, files_argument, moment_ms, say, settings_of
from agents.commands.replay import Replay
from agents.errors import InputError
from agents.files import Refusal, check, read_lines, size_of
from agents.terminal import progress, safe
from streams import measures
from streams.levels import Level
from streams.thread import DAY_MS

__all__ = ["Score", "judge"]

# Static rules to be beaten: so many answers in a thread within so many hours, whenever that is.
_RULES: Final = ((30, 2), (25, 2), (30, 4), (50, 4))


class Score(NamedTuple):
    """The figures of one way to raise alerts; shares are 0..1, nan where there is nothing to share."""

    name: str
    alerts: int
    precision: float
    recall: float
    still_to_come: float  # mean over all viral threads, 0 for a missed one
    lead_time_s: float  # mean over alerted threads that reached their size
    false_pages_per_week: float


@click.command()
@files_argument
@click.option(
    "--truth",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV with the columns thread_id, viral (0 or 1).",
)
@click.option(
    "--level",
    type=click.Choice(["watch", "warn", "page"]),
    default="page",
    show_default=True,
    help="Judge the alerts of this level and above.",
)
@as_json
@click.pass_context
def judge(context: click.Context, files: tuple[str, ...], truth: Path, level: str, json_: bool) -> None:
    """Measure the alerts against recorded threads whose truth is known, beside the static rules.

    A thread counts once, at its first alert of the level. Precision: viral among the alerted. Recall: alerted
    among the viral. Still to come: the mean share of a viral thread's answers within 24 hours that lie after
    its alert, 0 where missed. Lead: the mean time from an alert to the answer that made its thread viral.

    \b
    Examples:
      flashover judge threads.jsonl.gz --truth threads-truth.csv
      FLASHOVER_THRESHOLDS__PAGE=0.7 flashover judge threads.jsonl.gz --truth threads-truth.csv --json
    """
    settings = settings_of(context)
    viral = _read_truth(truth)
    decoder, now_ms = settings.decoder(), moment_ms("now", time.time_ns() // 1_000_000)
    run = Replay(settings)
    alerted: dict[str, int] = {}
    starts: dict[str, int] = {}
    answers: dict[str, list[int]] = {}
    wanted = Level[level.upper()]
    refusals = Refusals(None)
    with progress("judging", size_of(files)) as advance:
        for line in read_lines(files, settings.max_record_bytes, advance):
            mention = check(line, decoder, now_ms)
            if isinstance(mention, Refusal):
                refusals.add(line, mention)
                continue
            alert = run.follow(mention)
            if not mention.from_brand and mention.kind != "volume":
                thread, at = mention.thread_id, mention.created_ms
                starts[thread] = min(starts.get(thread, at), at)
                if mention.id != thread:
                    answers.setdefault(thread, []).append(at)
            if alert is not None and Level[alert.level.upper()] >= wanted:
                alerted.setdefault(mention.thread_id, mention.created_ms)
    days = {
        thread: sorted(at for at in answers.get(thread, ()) if at - start < DAY_MS)
        for thread, start in starts.items()
    }
    observed_s = (max(starts.values()) - min(starts.values())) / 1000 if starts else 0.0
    viral_at = settings.thresholds.viral_at
    scores = [_score("flashover", alerted, days, viral, viral_at, observed_s)]
    for count, hours in _RULES:
        fired = {
            thread: first
            for thread, day in days.items()
            if (first := measures.burst_ms(day, count, hours * 3600)) is not None
        }
        scores.append(_score(f"{count} in {hours} h", fired, days, viral, viral_at, observed_s))
    if json_:
        say(
            {
                "level": level,
                "threads": len(days),
                "viral": sum(viral.values()),
                "scores": [_json(s) for s in scores],
            }
        )
    else:
        _table(scores, len(days), sum(viral.values()))
    fail_if(bool(refusals.counts))


def _read_truth(path: Path) -> dict[str, bool]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = csv.DictReader(stream)
            if {"thread_id", "viral"} <= set(rows.fieldnames or ()):
                return {row["thread_id"]: row["viral"] == "1" for row in rows}
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise InputError(f"{safe(str(path))}: can't be read as CSV ({error})") from None
    raise InputError(f"{safe(str(path))}: has no columns thread_id and viral")


def _score(
    name: str,
    alerted: Mapping[str, int],
    days: Mapping[str, Sequence[int]],
    truth: Mapping[str, bool],
    viral_at: int,
    observed_s: float,
) -> Score:
    viral = [thread for thread, is_viral in truth.items() if is_viral]
    matched = measures.match(alerted, viral)
    return Score(
        name,
        len(alerted),
        measures.precision(matched),
        measures.recall(matched),
        measures.mean(measures.still_to_come(alerted.get(one), days.get(one, ())) for one in viral),
        measures.mean(measures.lead_time_s(at, days[one], viral_at) for one, at in alerted.items()),
        measures.false_pages_per_week(len(matched.false_alarms), observed_s),
    )


def _json(score: Score) -> dict[str, object]:
    return score._asdict()  # nan becomes null


def _table(scores: Sequence[Score], threads: int, viral: int) -> None:
    say(f"{threads} threads, {viral} of them viral")
    columns = (
        f"{'alerts':>6} {'precision':>9} {'recall':>6} {'still to come':>13} {'lead':>8} {'false/week':>10}"
    )
    say(f"{'':12} {columns}")
    for one in scores:
        say(
            f"{one.name:12} {one.alerts:6} {one.precision:9.3f} {one.recall:6.3f} {one.still_to_come:13.3f} "
            f"{one.lead_time_s / 60:4.0f} min {one.false_pages_per_week:10.2f}"
        )
