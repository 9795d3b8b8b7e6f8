"""The course of a thread as a picture: what came, what is expected, what the brand said, who was paged.

Law of this file: pure; from a thread's state and an incident to SVG without style or script in it.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final

from agents.tuning.plots import Axis, Plot
from agents.web.known import Told
from agents.web.words import Words
from streams.incident import Incident
from streams.thread import BUCKET_MS, DAY_MS, Thread

__all__ = ["course", "moment_ms"]

_HOUR_MS: Final = 3_600_000
_STEPS: Final = 24  # points of the forecast's curve


def moment_ms(text: str) -> int | None:
    """An RFC 3339 moment of ours in ms since the epoch; None if it is none."""
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def course(
    thread: Thread,
    incident: Incident,
    alerts: tuple[Told, ...],
    words: Words,
    width: int = 760,
    height: int = 300,
) -> str:
    """Mentions since the thread began, the forecast at its latest alert, and what happened, as an SVG."""
    start_ms = thread.started_ms
    seen = [(start_ms, 0)]
    for bucket, count in thread.buckets:
        at_ms = max(start_ms, min((bucket + 1) * BUCKET_MS, thread.last_ms))
        seen.append((at_ms, seen[-1][1] + count))
    # what fell out of the buckets that are kept came before them
    missing = max(0, thread.mentions - seen[-1][1])
    seen = [seen[0], *((at_ms, count + missing) for at_ms, count in seen[1:])]
    forecast = incident.case.forecast
    most = max(seen[-1][1], forecast.expected_24h * 1.25, forecast.viral_at * 1.15)
    end_ms = start_ms + max(DAY_MS, min(thread.last_ms - start_ms, 3 * DAY_MS))
    plot = Plot(
        words("course-title", mentions=words.number(thread.mentions)),
        Axis("", 0.0, end_ms - start_ms, _ticks(start_ms, end_ms, words, 8 if width > 500 else 4)),
        Axis.counts("", most),
        width,
        height,
    )
    told = next((one for one in reversed(alerts) if one.id == incident.case.id), None)
    raised_ms = moment_ms(told.raised_at if told is not None else incident.case.raised_at)
    if raised_ms is not None and start_ms <= raised_ms < start_ms + DAY_MS:
        now = float(incident.case.mentions)
        left = raised_ms - start_ms
        low = _curve(left, now, forecast.p10)
        high = _curve(left, now, forecast.p90)
        plot.band(low, high, "forecast")
        plot.line(_curve(left, now, forecast.expected_24h), "forecast")
    plot.level(forecast.viral_at, "viral", words.number(forecast.viral_at))
    for at_ms, kind, name in _happened(thread, incident, alerts):
        plot.upright(at_ms - start_ms, kind, f"{words(name)}: {words.clock(at_ms)}")
    points = [(at_ms - start_ms, count) for at_ms, count in seen]
    plot.area(points, "mentions")
    plot.line(points, "mentions", steps=True)
    return plot.svg()


def _happened(thread: Thread, incident: Incident, alerts: tuple[Told, ...]) -> list[tuple[int, str, str]]:
    found = [
        (thread.first_reply_ms, "reply", "course-reply"),
        (thread.last_reply_ms, "reply", "course-reply"),
    ]
    found += [
        (at_ms, "reply", "course-reply")
        for one in alerts
        if one.reason.startswith("canned-reply") and (at_ms := moment_ms(one.raised_at)) is not None
    ]
    # Pages and answers are of the wall clock: beside a recording that is played they lie elsewhere.
    found += [(one.at_ms, "paged", "course-page") for one in incident.history if one.what == "page sent"]
    found += [
        (one.at_ms, "taken", "course-taken")
        for one in incident.history
        if one.what in ("take", "acknowledge", "resolve")
    ]
    return sorted({one for one in found if one[0]})


def _curve(from_ms: int, now: float, then: float) -> list[tuple[float, float]]:
    """From what there was to what is expected a day after the start: much soon, little late."""
    points = []
    for step in range(_STEPS + 1):
        share = step / _STEPS
        grown = (1 - math.exp(-3 * share)) / (1 - math.exp(-3))
        points.append((from_ms + share * (DAY_MS - from_ms), now + (max(then, now) - now) * grown))
    return points


def _ticks(start_ms: int, end_ms: int, words: Words, most: int) -> list[tuple[float, str]]:
    """Full hours of the desk's clock, a few of them."""
    hours = (end_ms - start_ms) / _HOUR_MS
    every = next(step for step in (1, 2, 3, 4, 6, 12, 24) if hours / step <= most or step == 24)
    first = words.local(start_ms)
    ticks = []
    for hour in range(int(hours) + 2):
        at_ms = start_ms - (first.minute * 60 + first.second) * 1000 + hour * _HOUR_MS
        at = words.local(at_ms)
        if start_ms <= at_ms <= end_ms and at.hour % every == 0:
            ticks.append((float(at_ms - start_ms), f"{at:%H:%M}"))
    return ticks
