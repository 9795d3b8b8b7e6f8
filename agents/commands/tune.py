"""`flashover tune`: what other thresholds would have done with what was recorded, and which to take.

Law of this file: it gathers and it prints. What would have been raised comes from `streams.trace`, what that
is worth from `streams.tuning`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, get_type_hints

import click
from pydantic import TypeAdapter, ValidationError

from agents.commands.common import as_json, complain, fail_if, moment_ms, on_brokers, say, settings_of
from agents.commands.judge import calibrations, tell_refused, tell_truth
from agents.errors import InputError
from agents.files import STDIN
from agents.settings import Settings
from agents.terminal import progress, safe
from agents.tuning.sweep import FirstAlert, Swept, sweep
from agents.tuning.truth import Truth, is_over, size_of, truth_of, truth_options
from streams.levels import Level
from streams.params import ThreadParams
from streams.thread import QUIET_MS
from streams.trace import DECIDED_BY, Trace, rises
from streams.tuning import PROFILES, Costs, Outcome, Seen, Wish, best, combinations, frontier, outcome

__all__ = ["laid_aside", "toml_of", "tune"]

_PAGES: Final = tuple(round(0.05 * part, 2) for part in range(1, 20))
_MOST: Final = 10_000  # combinations
_ROWS: Final = 40
_SHORT_S: Final = 7 * 86_400.0


class _Price(click.ParamType):
    name = "price"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float:
        """A number of 0 or more; nan and infinity are none."""
        try:
            price = float(value)
            Costs(price, 0.0, 0.0)
        except ValueError:
            self.fail(f"{safe(repr(value), 40)} is no price: 0 or more", param, context)
        return price


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--last",
    metavar="TIME",
    help="Instead of FILES, threads on the topic `mentions` that began within this time: 14d, 12h.",
)
@truth_options
@click.option(
    "--vary",
    multiple=True,
    metavar="NAME=V,V,...",
    help="A threshold and the values to try; again for another, then all combinations are tried. "
    "[default: page from 0.05 to 0.95]",
)
@click.option(
    "--pages-per-week",
    type=click.FloatRange(min=0),
    help="A budget: no brand may be paged more often, on average. The most still to come within it is best.",
)
@click.option(
    "--min-precision",
    type=click.FloatRange(0, 1),
    help="At least this share of pages must be right. The most still to come with it is best.",
)
@click.option(
    "--profile",
    type=click.Choice(sorted(PROFILES)),
    default="standard",
    show_default=True,
    help="The prices of errors: those of the Numenta Anomaly Benchmark's profiles.",
)
@click.option("--cost-false", type=_Price(), help="Price of a false page, instead of the profile's.")
@click.option("--cost-missed", type=_Price(), help="Price of a storm without a page.")
@click.option("--cost-late", type=_Price(), help="Price of a page at the very end of its storm.")
@click.option("--report", metavar="OUT", help="Write a page with plots to OUT.html; it needs no network.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes at most.  [default: as many as cores]")
@on_brokers
@as_json
@click.pass_context
def tune(
    context: click.Context,
    files: tuple[str, ...],
    last: str | None,
    truth: Path | None,
    labels: Path | None,
    vary: tuple[str, ...],
    pages_per_week: float | None,
    min_precision: float | None,
    profile: str,
    cost_false: float | None,
    cost_missed: float | None,
    cost_late: float | None,
    report: str | None,
    workers: int | None,
    json_: bool,
) -> None:
    """Try other thresholds on recordings: what fires, what it costs.

    Each setting is measured as `flashover judge` does; brand/week are the pages a week of the brand that is
    paged most. Cost: each false page, each storm without a page, and each page the more, the less of its
    storm was still to come. Without a wish the cheapest setting is best; with --pages-per-week or
    --min-precision the one that comes earliest within it. What is printed at the end goes into
    flashover.toml. Exit code 1 if lines were refused or no setting meets the wish.

    \b
    Examples:
      flashover tune monday.jsonl.gz tuesday.jsonl.gz
      flashover tune day.jsonl.gz --pages-per-week 2 --report tuning.html
      flashover tune --last 14d --labels resolved.jsonl --profile reward-low-fn
      flashover tune day.jsonl.gz --vary page=0.3,0.4,0.5 --vary min_mentions=5,8,12 --json
    """
    if bool(files) == (last is not None):
        raise click.UsageError("either FILES or --last is needed")
    settings = settings_of(context)
    now_ms = time.time_ns() // 1_000_000
    prices = {"false": cost_false, "missed": cost_missed, "late": cost_late}
    own = {name: price for name, price in prices.items() if price is not None}
    costs = dataclasses.replace(PROFILES[profile], **own)
    varied = _varied(vary)
    if "viral_at" in varied and truth is None:
        raise click.UsageError("viral_at says what a storm is: to vary it, a --truth is needed")
    several, refused = combinations(settings.thresholds, varied)
    if refused:
        complain(f"{refused} combinations are no valid thresholds and were left out")
    several = sorted({settings.thresholds: None, **dict.fromkeys(several)}, key=_in_order(varied))
    present = several.index(settings.thresholds)
    with _output(report, files) as page, _recording(settings, files, last, now_ms) as (paths, since_ms):
        if STDIN in paths and varied.keys() - DECIDED_BY:
            raise click.UsageError("standard input can be read but once: give a file to vary that")
        swept = sweep(paths, settings, several, now_ms, workers)
        tell_refused(swept)
        if since_ms is not None:
            swept = _within(swept, settings, since_ms, now_ms)
        known = truth_of(swept.traces, settings, truth, labels)
        tell_truth(known, swept.traces)
        seen = {one.name: Seen(one.brand, one.day_ms) for one in swept.traces}
        outcomes = [
            outcome(
                paged,
                seen,
                known.storms,
                _sizes(settings, params, swept.traces),
                swept.observed_s,
                costs,
            )
            for params, paged in zip(several, swept.paged, strict=True)
        ]
        wish = Wish(pages_per_week, min_precision)
        changes = [
            sum(getattr(params, name) != getattr(settings.thresholds, name) for name in varied)
            for params in several
        ]
        chosen = best(outcomes, wish, changes)
        _warn(swept, known)
        source = f"the last {last}" if last is not None else ", ".join(Path(one).name for one in files)
        if json_:
            say(_as_json(source, swept, known, costs, several, outcomes, present, chosen))
        else:
            _table(swept, known, costs, varied, several, outcomes, present, chosen)
        if page is not None and chosen is not None:
            why = _why(wish, costs)
            page.write_text(
                _html(source, why, settings, swept, known, costs, varied, several, outcomes, present, chosen),
                encoding="utf-8",
            )
            complain(f"the report is in {safe(str(page))}")
    if chosen is None:
        least = min(one.busiest_pages_per_week for one in outcomes)
        most = max((one.precision for one in outcomes if one.pages), default=math.nan)
        complain(
            "no setting meets the wish, so there is no report: the brand that is paged most gets "
            f"{least:.2f} pages a week at least, and of the pages {most:.0%} are right at most"
        )
    fail_if(chosen is None or bool(swept.refused))


def toml_of(params: ThreadParams) -> str:
    """The thresholds as a table for flashover.toml: page, and what is not the default."""
    default = ThreadParams()
    lines = [
        f"{field.name} = {json.dumps(getattr(params, field.name))}"
        for field in dataclasses.fields(params)
        if field.name == "page" or getattr(params, field.name) != getattr(default, field.name)
    ]
    return "\n".join(("[thresholds]", *lines))


def _varied(options: Sequence[str]) -> dict[str, list[object]]:
    """The values to try, by the name of the threshold; as typed as the thresholds are."""
    types = get_type_hints(ThreadParams)
    fields = [field.name for field in dataclasses.fields(ThreadParams)]
    found: dict[str, list[object]] = {}
    count = 1
    for option in options:
        name, _, values = option.partition("=")
        if name not in fields:
            raise click.UsageError(f"{safe(name, 40)!r} is no threshold; there are {', '.join(fields)}")
        if name in found:
            raise click.UsageError(f"--vary {name} is given twice: put its values behind one another")
        adapter: TypeAdapter[object] = TypeAdapter(types[name])
        try:
            found[name] = [adapter.validate_python(one.strip()) for one in values.split(",")]
        except ValidationError:
            raise click.UsageError(f"--vary {name}={safe(values, 60)}: not all are values of it") from None
        count *= len(found[name])
    if count > _MOST:
        raise click.UsageError(f"{count} combinations are more than {_MOST}")
    return found or {"page": list(_PAGES)}


def _in_order(varied: Mapping[str, object]) -> Any:
    return lambda params: tuple(getattr(params, name) for name in varied)


def _sizes(settings: Settings, params: ThreadParams, traces: Sequence[Trace]) -> dict[str, int]:
    """The size of a storm by thread, under these thresholds."""
    changed = settings.model_copy(update={"thresholds": params})
    return {one.name: size_of(one, changed) for one in traces}


@contextlib.contextmanager
def _output(name: str | None, sources: Sequence[str]) -> Iterator[Path | None]:
    """Where the report goes; refused before an hour's work rather than after it."""
    if name is None:
        yield None
        return
    path = Path(name)
    if any(one != STDIN and path.exists() and path.samefile(one) for one in sources):
        raise click.UsageError(f"{safe(name)} is both read and written")
    place = path if path.exists() else path.parent
    if path.is_dir() or not path.parent.is_dir() or not os.access(place, os.W_OK):
        raise click.UsageError(f"{safe(name)}: can't be written")
    yield path


@contextlib.contextmanager
def _recording(
    settings: Settings, files: Sequence[str], last: str | None, now_ms: int
) -> Iterator[tuple[Sequence[str], int | None]]:
    """The files to read, and since when threads count: those given, or what the topic holds, laid aside.

    What the topic holds is read once into a file that only this user may read, and removed afterwards: every
    process reads it by itself. It begins 36 hours early, to know threads that were already running.
    """
    if last is None:
        yield files, None
        return
    since_ms = moment_ms(last, now_ms)
    if since_ms >= now_ms:
        raise click.UsageError("--last needs a time like 14d")
    with laid_aside(settings, since_ms - QUIET_MS) as (path, count):
        if not count:
            raise InputError(f"the topic holds no mention of the last {safe(last)}")
        yield (str(path),), since_ms


@contextlib.contextmanager
def laid_aside(settings: Settings, since_ms: int) -> Iterator[tuple[Path, int]]:
    """What the topic `mentions` holds since then, in a file that only this user may read, and how many."""
    with tempfile.TemporaryDirectory(prefix="flashover-") as folder:
        path = Path(folder) / "mentions.jsonl"
        yield path, _lay_aside(settings, since_ms, path)


def _lay_aside(settings: Settings, since_ms: int, path: Path) -> int:
    from agents.clients import read
    from agents.topics import topics

    count = 0
    with path.open("wb") as out, progress("reading the topic", None) as advance:
        for record in read(settings, topics(settings).mentions.name, since_ms=since_ms):
            # In JSON a line end is a blank between two words, so a blank says the same.
            if record.value:
                out.write(record.value.replace(b"\n", b" ") + b"\n")
                count += 1
                advance(1)
    return count


def _within(swept: Swept, settings: Settings, since_ms: int, now_ms: int) -> Swept:
    """The same without threads that began earlier, and those whose first day may still make them a storm."""
    kept = [
        one
        for one in swept.traces
        if one.started_ms >= since_ms and (is_over(one, now_ms) or one.size_24h >= size_of(one, settings))
    ]
    names = {one.name for one in kept}
    raised: dict[str, dict[str, FirstAlert]] = {
        level: {name: first for name, first in found.items() if name in names}
        for level, found in swept.raised.items()
    }
    return swept._replace(
        traces=kept,
        paged=[{name: at for name, at in paged.items() if name in names} for paged in swept.paged],
        raised=raised,
        first_ms=max(swept.first_ms, since_ms),
    )


def _warn(swept: Swept, known: Truth) -> None:
    if swept.observed_s < _SHORT_S:
        complain(
            f"only {swept.observed_s / 86_400:.1f} days were recorded: weekly figures are stretched from them"
        )
    if not any(known.storms.values()):
        complain("there is no storm in this recording: what finds storms can't be told from what does not")


def _why(wish: Wish, costs: Costs) -> str:
    asked = []
    if wish.pages_per_week is not None:
        asked.append(f"at most {wish.pages_per_week:g} pages a week for each brand")
    if wish.precision is not None:
        asked.append(f"at least {wish.precision:.0%} of the pages right")
    if asked:
        return (
            f"Asked for: {' and '.join(asked)}. Of the settings that do so, it leaves the most still to come."
        )
    return (
        f"Of all settings it costs least, at {costs.false:g} for a false page, {costs.missed:g} for a missed "
        f"storm and {costs.late:g} for one that was paged at its very end."
    )


def _as_json(
    source: str,
    swept: Swept,
    known: Truth,
    costs: Costs,
    several: Sequence[ThreadParams],
    outcomes: Sequence[Outcome],
    present: int,
    chosen: int | None,
) -> dict[str, object]:
    return {
        "source": source,
        "threads": len(swept.traces),
        "storms": sum(known.storms.values()),
        "truth": known.source,
        "observed_s": swept.observed_s,
        "costs": dataclasses.asdict(costs),
        "settings": [
            {"thresholds": dataclasses.asdict(params), **one._asdict()}  # nan becomes null
            for params, one in zip(several, outcomes, strict=True)
        ],
        "frontier": frontier(outcomes),
        "present": present,
        "best": chosen,
        "toml": None if chosen is None else toml_of(several[chosen]),
    }


def _table(
    swept: Swept,
    known: Truth,
    costs: Costs,
    varied: Mapping[str, object],
    several: Sequence[ThreadParams],
    outcomes: Sequence[Outcome],
    present: int,
    chosen: int | None,
) -> None:
    say(
        f"{len(swept.traces)} threads in {swept.observed_s / 86_400:.1f} days, "
        f"{sum(known.storms.values())} storms (by {known.source}); "
        f"cost: {costs.false:g} a false page, {costs.missed:g} a missed storm, "
        f"up to {costs.late:g} a late one"
    )
    names = " ".join(f"{name:>{max(6, len(name))}}" for name in varied)
    say(
        f"{'':8} {names} {'pages/week':>10} {'brand/week':>10} "
        f"{'false/week':>10} {'precision':>9} {'recall':>6} "
        f"{'still to come':>13} {'lead':>9} {'cost':>8}"
    )
    shown: Sequence[int] = range(len(several))
    if len(several) > _ROWS:
        shown = sorted({*frontier(outcomes), present, *([] if chosen is None else [chosen])})
    for number in shown:
        one = outcomes[number]
        mark = " ".join(word for word, at in (("now", present), ("best", chosen)) if at == number)
        values = " ".join(f"{_short(getattr(several[number], name)):>{max(6, len(name))}}" for name in varied)
        say(
            f"{mark:8} {values} {one.pages_per_week:10.2f} {one.busiest_pages_per_week:10.2f} "
            f"{one.false_pages_per_week:10.2f} {one.precision:9.3f} {one.recall:6.3f} "
            f"{one.still_to_come:13.3f} "
            f"{one.lead_time_s / 60:5.0f} min {one.cost:8.2f}"
        )
    if len(shown) < len(several):
        say(f"{len(several) - len(shown)} more are beaten by one of these; --json prints them all")
    if chosen is not None:
        say("")
        say("# in flashover.toml:")
        for line in toml_of(several[chosen]).splitlines():
            say(line)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _html(
    source: str,
    why: str,
    settings: Settings,
    swept: Swept,
    known: Truth,
    costs: Costs,
    varied: Mapping[str, object],
    several: Sequence[ThreadParams],
    outcomes: Sequence[Outcome],
    present: int,
    chosen: int,
) -> str:
    from agents.tuning.report import Report, html_of, storms_of

    with_best = settings.model_copy(update={"thresholds": several[chosen]})
    found = {one.name: rises(one, with_best.params_for(one.brand)) for one in swept.traces if one.glimpses}
    sizes = _sizes(settings, several[chosen], swept.traces)
    too_late = known.labels.too_late if known.labels is not None else frozenset[str]()
    caught, false = storms_of(swept.traces, found, known.storms, sizes, too_late)
    told = {
        name: next(rise.probability for rise in several_rises if rise.level is Level.PAGE)
        for name, several_rises in found.items()
        if any(rise.level is Level.PAGE for rise in several_rises)
    }
    curves = calibrations("the first page", told, swept.traces, known.storms)
    return html_of(
        Report(
            source,
            known.source,
            len(swept.traces),
            sum(known.storms.values()),
            len({one.brand for one in swept.traces}),
            swept.observed_s,
            costs,
            list(varied),
            several,
            outcomes,
            frontier(outcomes),
            present,
            chosen,
            why,
            toml_of(several[chosen]),
            [(one.moment, one.brier, one.bins) for one in curves],
            caught,
            false,
        )
    )
