"""The report of a sweep: one HTML file that opens anywhere, without a network and without a script.

Law of this file: the same sweep gives the same bytes. Every text is escaped; of a thread nothing is told but
its id, its brand, times and counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

from agents.tuning.plots import Axis, Plot
from streams.levels import Level
from streams.measures import Bin, still_to_come, wilson
from streams.mention import rfc3339
from streams.params import ThreadParams
from streams.trace import Rise, Trace
from streams.tuning import Costs, Outcome

__all__ = ["Report", "Storm", "html_of", "page_of"]

_STORMS: Final = 60  # timelines drawn
_FALSE_PAGES: Final = 100  # rows
_BARS: Final = 60
_CURVE_POINTS: Final = 160  # of one timeline
_HOUR_MS: Final = 3_600_000


class Storm(NamedTuple):
    """A thread on the report: what was recorded, and the alerts that the chosen setting raises on it."""

    trace: Trace
    rises: tuple[Rise, ...]
    viral_at: int
    too_late: bool  # said people


class Report(NamedTuple):
    """Everything on the page; numbers are not rounded yet."""

    source: str  # where the mentions came from
    truth: str  # and the truth
    threads: int
    storms: int
    brands: int
    observed_s: float
    costs: Costs
    names: Sequence[str]  # the fields that differ between the settings
    settings: Sequence[ThreadParams]
    outcomes: Sequence[Outcome]
    frontier: Sequence[int]
    present: int
    chosen: int
    why: str  # the chosen one is the best, in words
    toml: str
    curves: Sequence[tuple[str, float, Sequence[Bin]]]  # moment, Brier score, reliability
    caught: Sequence[Storm]  # storms, paged or not
    false: Sequence[Storm]  # paged and no storm


def html_of(report: Report) -> str:
    """The page."""
    one = report.outcomes[report.chosen]
    body = "".join(
        (
            f"<header><h1>What would have fired</h1><p>{escape(_recorded(report))}</p></header>",
            f"<section><h2>{escape(_named(report, report.chosen))}</h2>"
            f"<p class=lead>{escape(_headline(one))}</p>"
            f"<p>{escape(report.why)}</p><pre>{escape(report.toml)}</pre></section>",
            "<section class=pair>",
            _figure("How sure, how early", _trade_off(report), _TRADE_OFF),
            _figure(
                "What it costs",
                _cost_bars(report),
                _cost_words(report.costs),
                keys=("missed", "late", "false"),
            ),
            "</section>",
            f"<section><h2>Settings</h2>{_table(report)}</section>",
            f"<section><h2>Can the probabilities be believed?</h2><p>{_RELIABILITY}</p><div class=grid>",
            "".join(
                _reliability(*curve) for curve in report.curves if any(part.forecasts for part in curve[2])
            ),
            "</div></section>",
            _storms(report),
            _false_pages(report),
            f"<section><h2>How to read this</h2>{_WORDS}</section>",
        )
    )
    return page_of("flashover: what would have fired", body)


def page_of(title: str, body: str) -> str:
    """A whole page around `body`, which is HTML already; it loads nothing and runs nothing."""
    return (
        '<!doctype html><html lang=en><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_NOTHING_ELSE}">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title>"
        f"<style>{_STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )


def _recorded(report: Report) -> str:
    days = report.observed_s / 86_400
    return (
        f"{report.source}: {_many(report.threads, 'thread')} of {_many(report.brands, 'brand')} "
        f"in {days:.1f} days; {_many(report.storms, 'storm')} among them, known by {report.truth}."
    )


def _headline(one: Outcome) -> str:
    if not one.pages:
        return "It would have paged nobody."
    return (
        f"{_many(one.pages, 'page')}, {one.pages_per_week:.1f} a week; "
        f"{_percent(one.precision)} of them for storms. {_percent(one.recall)} of the storms would have been "
        f"paged, on average with {_percent(one.still_to_come)} of the storm still to come and a median lead "
        f"of {_spell(one.lead_time_s)}."
    )


def _trade_off(report: Report) -> str:
    plot = Plot(
        "precision against still to come",
        Axis.shares("precision: pages that were right"),
        Axis.shares("still to come"),
        width=480,
        height=330,
    )
    outcomes = report.outcomes
    plot.line([(outcomes[n].precision, outcomes[n].still_to_come) for n in report.frontier], "curve")
    for number, one in enumerate(outcomes):
        if number not in (report.chosen, report.present):
            plot.dot(one.precision, one.still_to_come, "other", f"{_named(report, number)}: {_headline(one)}")
    for number, kind, word, above in (
        (report.present, "now", "now", False),
        (report.chosen, "chosen", "best", True),
    ):
        one = outcomes[number]
        if number == report.present == report.chosen:
            word = "best, and now"
        elif kind == "now" and number == report.chosen:
            continue
        plot.dot(one.precision, one.still_to_come, kind, f"{_named(report, number)}: {_headline(one)}", 6)
        if kind == "chosen" or number != report.chosen:
            plot.label(one.precision, one.still_to_come, word, kind, above=above)
    return plot.svg()


def _cost_bars(report: Report) -> str:
    shown = _shown(report)
    costs, outcomes = report.costs, report.outcomes
    high = max((outcomes[n].cost for n in shown), default=1.0)
    every = math.ceil(len(shown) / 8)
    by = report.names[0] if len(report.names) == 1 else ""
    ticks = [
        (place + 0.5, _value(getattr(report.settings[number], by)) if by else str(place + 1))
        for place, number in enumerate(shown)
        if place % every == 0
    ]
    plot = Plot(
        "cost of each setting",
        Axis(by or "setting, as in the table", 0.0, float(len(shown)), ticks),
        Axis.counts("cost", high),
        width=480,
        height=330,
    )
    for place, number in enumerate(shown):
        one = outcomes[number]
        false, missed = (one.pages - one.hits) * costs.false, one.missed * costs.missed
        at = 0.0
        for kind, size in (
            ("missed", missed),
            ("late", max(0.0, one.cost - false - missed)),
            ("false", false),
        ):
            told = f"{_named(report, number)}: {kind} {size:.2f} of {one.cost:.2f}"
            plot.bar(place + 0.12, 0.76, at, at + size, kind, told)
            at += size
        # Words are wider than a bar: they stand above its neighbours, too.
        over = max(outcomes[near].cost for near in shown[max(0, place - 1) : place + 2])
        if number == report.chosen:
            beside = report.present in (*shown[max(0, place - 1) : place], *shown[place + 1 : place + 2])
            plot.label(place + 0.5, over, "best", "chosen", line=int(beside))
        elif number == report.present:
            plot.label(place + 0.5, over, "now", "now")
    return plot.svg()


def _shown(report: Report) -> list[int]:
    """The settings that there is room for: all, else the frontier, always the present and the chosen one."""
    if len(report.outcomes) <= _BARS:
        return list(range(len(report.outcomes)))
    return sorted({*report.frontier, report.present, report.chosen})


def _table(report: Report) -> str:
    heads = [
        "",
        *report.names,
        "pages a week",
        "false a week",
        "busiest brand a week",
        "precision",
        "recall",
        "still to come",
        "median lead",
        "cost",
    ]
    rows = []
    shown = _shown(report)
    for number in shown:
        one = report.outcomes[number]
        marks = [mark for mark, at in (("best", report.chosen), ("now", report.present)) if at == number]
        cells = [
            *(_value(getattr(report.settings[number], name)) for name in report.names),
            f"{one.pages_per_week:.2f}",
            f"{one.false_pages_per_week:.2f}",
            f"{one.busiest_pages_per_week:.2f}",
            _percent(one.precision),
            _percent(one.recall),
            _percent(one.still_to_come),
            _spell(one.lead_time_s),
            f"{one.cost:.2f}",
        ]
        rows.append(
            f'<tr class="{escape(" ".join(marks))}"><th scope=row>{escape(", ".join(marks))}</th>'
            + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            + "</tr>"
        )
    left_out = len(report.outcomes) - len(shown)
    note = f"<p>{left_out} settings that another beats in both are left out.</p>" if left_out else ""
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in heads)
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f"<div class=wide><table>{body}</table></div>{note}"


def _reliability(moment: str, brier: float, bins: Sequence[Bin]) -> str:
    plot = Plot(
        f"reliability at {moment}",
        Axis.shares("told chance"),
        Axis.shares("came true"),
        width=330,
        height=260,
    )
    plot.line([(0.0, 0.0), (1.0, 1.0)], "ideal")
    known = [one for one in bins if one.forecasts]
    for one in known:
        low, high = wilson(round(one.observed * one.forecasts), one.forecasts)
        plot.line([(one.predicted, low), (one.predicted, high)], "spread")
    plot.line([(one.predicted, one.observed) for one in known], "curve")
    for one in known:
        count = _many(one.forecasts, "thread")
        told = f"{one.above:.0%} to {one.below:.0%}: {count}, {one.observed:.0%} came true"
        radius = min(7.0, 2.5 + math.log10(one.forecasts) * 1.5)
        plot.dot(one.predicted, one.observed, "other", told, radius)
    threads = _many(sum(one.forecasts for one in known), "thread")
    words = f"{threads}, Brier score {brier:.3f}" if known else "no thread"
    return _figure(f"at {moment}", plot.svg(), words, level=3)


def _storms(report: Report) -> str:
    if not report.caught:
        return "<section><h2>Storms</h2><p>There is none in this recording.</p></section>"
    biggest = sorted(
        report.caught, key=lambda one: (_paged(one) is not None, -len(one.trace.day_ms), one.trace.name)
    )[:_STORMS]
    note = "Mentions since the thread began, over its first 24 hours; what lies after the page is shaded."
    if len(report.caught) > len(biggest):
        note += f" Missed ones first, then the biggest: {len(biggest)} of {len(report.caught)}."
    figures = "".join(_timeline(one) for one in biggest)
    keys = _keys(("watch", "warn", "page"))
    return f"<section><h2>Each storm</h2><p>{note} {keys}</p><div class=grid>{figures}</div></section>"


def _paged(storm: Storm) -> Rise | None:
    return next((rise for rise in storm.rises if rise.level is Level.PAGE), None)


def _timeline(storm: Storm) -> str:
    trace = storm.trace
    times = [max(0.0, (at - trace.started_ms) / _HOUR_MS) for at in trace.day_ms]
    count = len(times)
    every = max(1, math.ceil(count / _CURVE_POINTS))
    kept = sorted({*range(0, count, every), *([count - 1] if count else [])})
    curve = [(0.0, 0.0), *((times[n], float(n + 1)) for n in kept), (24.0, float(count))]
    hours = [(float(hour), f"{hour} h") for hour in range(0, 25, 6)]
    plot = Plot(
        f"mentions of {trace.name}",
        Axis("", 0.0, 24.0, hours),
        Axis.counts("", max(count, storm.viral_at)),
        width=330,
        height=200,
    )
    firsts: dict[Level, Rise] = {}
    for rise in storm.rises:
        firsts.setdefault(rise.level, rise)
    page = _paged(storm)
    if page is not None:
        hour = (page.at_ms - trace.started_ms) / _HOUR_MS
        before = sum(at <= page.at_ms for at in trace.day_ms)
        if hour < 24:
            plot.area([(hour, float(before)), *(point for point in curve if point[0] > hour)], "rest")
    plot.line(curve, "curve", steps=True)
    plot.level(storm.viral_at, "viral", f"storm: {storm.viral_at}")
    for level, rise in firsts.items():
        hour = (rise.at_ms - trace.started_ms) / _HOUR_MS
        done = sum(at <= rise.at_ms for at in trace.day_ms)
        so_far = f"{_spell(hour * 3600)}, {_many(done, 'mention')}, chance {rise.probability:.0%}"
        told = f"{level.word} after {so_far}"
        plot.upright(hour, level.word, told)
        plot.dot(hour, float(done), level.word, told, 4)
    if page is None:
        words = "no page"
    else:
        share = still_to_come(page.at_ms, trace.day_ms)
        spell = _spell((page.at_ms - trace.started_ms) / 1000)
        words = f"page after {spell}, {_percent(share)} still to come"
    if storm.too_late:
        words += "; people said: too late"
    when = rfc3339(trace.started_ms)[:16].replace("T", " ")
    return _figure(
        trace.name, plot.svg(), f"{trace.brand}, {when} UTC, {_many(count, 'mention')}; {words}", level=3
    )


def _false_pages(report: Report) -> str:
    if not report.false:
        return "<section><h2>False pages</h2><p>None with the best setting.</p></section>"
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td>{escape(cell)}</td>"
            for cell in (
                one.trace.name,
                one.trace.brand,
                rfc3339(page.at_ms)[:16].replace("T", " "),
                f"{page.probability:.0%}",
                str(sum(at <= page.at_ms for at in one.trace.day_ms)),
                str(len(one.trace.day_ms)),
            )
        )
        + "</tr>"
        for one in report.false[:_FALSE_PAGES]
        if (page := _paged(one)) is not None
    )
    heads = ("thread", "brand", "paged at, UTC", "told chance", "mentions then", "mentions in 24 h")
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in heads)
    more = len(report.false) - _FALSE_PAGES
    note = f"<p>{more} more are not shown.</p>" if more > 0 else ""
    table = f"<table class=words><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return (
        "<section><h2>False pages</h2><p>What the best setting would have paged for, and was no storm.</p>"
        f"<div class=wide>{table}</div>{note}</section>"
    )


def _figure(title: str, svg: str, words: str, level: int = 2, keys: Sequence[str] = ()) -> str:
    caption = f"{_keys(keys)}{escape(words)}"
    return f"<figure><h{level}>{escape(title)}</h{level}>{svg}<figcaption>{caption}</figcaption></figure>"


def _keys(kinds: Sequence[str]) -> str:
    parts = (f'<span class=key><i class="{escape(kind)}"></i>{escape(kind)}</span> ' for kind in kinds)
    return "".join(parts)


def _named(report: Report, number: int) -> str:
    settings = report.settings[number]
    named = ", ".join(f"{name} {_value(getattr(settings, name))}" for name in report.names)
    return named or "the settings as they are"


def _cost_words(costs: Costs) -> str:
    return (
        f"A false page costs {costs.false:g}, a missed storm {costs.missed:g}, a page at the very end of its "
        f"storm {costs.late:g}, an earlier one as much less as is still to come. For all that was recorded."
    )


def _value(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{share:.0%}"


def _spell(seconds: float) -> str:
    if math.isnan(seconds):
        return "–"
    minutes = round(abs(seconds) / 60)
    sign = "−" if seconds < 0 and minutes else ""
    return f"{sign}{minutes} min" if minutes < 60 else f"{sign}{minutes // 60} h {minutes % 60:02} min"


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


_NOTHING_ELSE: Final = "default-src 'none'; style-src 'unsafe-inline'"
_TRADE_OFF: Final = (
    "Each point is a setting: the further right, the fewer pages are wrong; the higher, the earlier they "
    "come. The line joins those that no other beats in both."
)
_RELIABILITY: Final = (
    "Of the threads that were told a chance of some 30&nbsp;%, some 30&nbsp;% should become storms: points "
    "on the dashed line. Above it flashover is too modest, below it too sure. Bigger points stand for more "
    "threads, the bars are 95&nbsp;% intervals. The Brier score is the mean squared error: 0 is best."
)
_WORDS: Final = """<dl>
<dt>precision</dt><dd>pages that were for storms, among all pages; a thread counts once</dd>
<dt>recall</dt><dd>storms that were paged, among all storms</dd>
<dt>still to come</dt><dd>the share of a storm's first 24 hours of answers that lies after the page, on
average over all storms; 0 for one that was missed</dd>
<dt>lead</dt><dd>from the page to the answer that made the thread a storm</dd>
<dt>busiest brand a week</dt><dd>pages a week for the brand that is paged most: what a budget limits</dd>
<dt>best</dt><dd>chosen on this very recording: on the next one it will do a little worse</dd>
</dl>"""
_STYLE: Final = Path(__file__).with_name("report.css").read_text(encoding="utf-8")


def storms_of(
    traces: Sequence[Trace],
    rises: Mapping[str, tuple[Rise, ...]],
    truth: Mapping[str, bool],
    viral_at: Mapping[str, int],
    too_late: frozenset[str],
) -> tuple[list[Storm], list[Storm]]:
    """The storms, and the paged threads that were none, in the order of the traces."""
    caught, false = [], []
    for one in traces:
        storm = Storm(one, rises.get(one.name, ()), viral_at[one.name], one.name in too_late)
        if truth.get(one.name, False):
            caught.append(storm)
        elif _paged(storm) is not None:
            false.append(storm)
    return caught, false
