"""A brand: pulses of all sources merged by event time, its surges, its level, its alerts.

Law of this file: the detector learns from closed intervals alone, each once and in order, so disorder
within the grace teaches the same. An interval of 5 minutes is closed once the brand's watermark has passed
its end by the grace. A storm does not wait for that: at every minute that the watermark leaves, what is
open so far is judged too, ahead of the learned state and without changing it. What was told that way is
not told again when the interval closes.

    mentions -> pulses -> minutes, open ----------------- judged each minute, learned by nobody
                              '--> 5 minutes, closed ---> learned, judged

What is usual for the brand (`streams.usual`) is learned from the same pulses, an hour at a time.

Every feed of volume counts has a detector of its own: what a feed counts need not be what was posted, and
the sum of both would count twice. Time is event time; `minute` means minutes since the epoch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import heappop, heappush
from typing import Final, NamedTuple

import msgspec

from streams.alert import Alert, Evidence, Reply, alert_id
from streams.forecast import Forecast
from streams.habits import LAG_MS
from streams.levels import Level, Sign, next_level
from streams.mention import rfc3339
from streams.pulse import GRACE_MIN, MINUTE_MS, Figures, Pulse, Said, Volume, merge
from streams.surge import (
    DAY_S,
    HOUR_S,
    Reading,
    SurgeParams,
    SurgeState,
    may_be_high,
    may_surge,
    observe,
    observe_posts,
    read,
    usual_per_hour,
)
from streams.usual import Learning, hear, heard, learn

__all__ = [
    "INTERVAL_MIN",
    "NEVER",
    "Brand",
    "BrandParams",
    "BrandReason",
    "Feed",
    "add",
    "advance",
    "anger",
    "due",
    "lately",
]

INTERVAL_MIN: Final = 5
NEVER: Final = 1 << 62  # a minute that does not come
_INTERVAL_S: Final = INTERVAL_MIN * 60
_HOLD_MIN: Final = GRACE_MIN + INTERVAL_MIN  # after which all that an early alert was raised on is closed
_FEEDS: Final = 16  # of one brand; more is a broken source
_FEED_SILENT_MS: Final = 2 * HOUR_S * 1000  # a surge in a feed that says nothing for so long is unknown

# What the 24 h after a surge held above the usual, over what the hour before it did: median, and spread of
# its ln, of 58 surges of seven brands in real recordings (docs/brands.md).
_REST_PER_EXCESS: Final = 6.0
_REST_SIGMA: Final = 1.6
_Z90: Final = 1.2815515655446004


class BrandReason(StrEnum):
    """One word for each rule that can raise a brand's level."""

    SURGE = "surge"  # talked about far more than usual
    SURGE_WITH_ANGER = "surge-with-anger"  # and much of it is negative
    SURGE_WITH_VIRAL_THREAD = "surge-with-viral-thread"  # and a thread of it reached the level page


@dataclass(frozen=True, slots=True)
class BrandParams:
    """The thresholds of brands. Raises ValueError for what is out of range."""

    surge: SurgeParams = field(default_factory=SurgeParams)
    anger_z: float = 2.5
    """A surge is angry if of what was scored within `anger_window_s` so many standard errors more is negative
    than is usual for the brand (>= 0)."""
    anger_share: float = 0.4
    """Where that is not known: if so much of it is negative (in (0, 1]). Lexicons find a third to half of the
    negative texts, so that is a lot."""
    anger_min: int = 20
    """And at least so many texts were scored (>= 1)."""
    anger_window_s: int = 3600
    viral_window_s: int = 21_600
    """A thread that reached page at most so long ago pages its surging brand; both in [300, 86400]."""

    def __post_init__(self) -> None:
        wrong = []
        if not 0 < self.anger_share <= 1:
            wrong.append(f"anger_share must be above 0 and at most 1, not {self.anger_share}")
        if self.anger_min < 1:
            wrong.append(f"anger_min must be at least 1, not {self.anger_min}")
        if not self.anger_z >= 0:
            wrong.append(f"anger_z must be at least 0, not {self.anger_z}")
        for name in ("anger_window_s", "viral_window_s"):
            if not _INTERVAL_S <= getattr(self, name) <= 86_400:
                wrong.append(f"{name} must lie between 300 and 86400, not {getattr(self, name)}")
        if wrong:
            raise ValueError("; ".join(wrong))


class Feed(msgspec.Struct, array_like=True):
    """One feed of volume counts: what was learned from it, and start_ms -> (interval_s, count) still open."""

    surge: SurgeState = SurgeState()
    open: dict[int, tuple[int, int]] = {}


class Brand(msgspec.Struct, array_like=True):
    """What is known of one brand: of constant size but for the open minutes and the last day's counts.

    It has one owner, and `add` and `advance` change it in place: while a source lags, thousands of minutes of
    the others can be open.
    """

    brand: str
    surge: SurgeState = SurgeState()  # learned from posts
    minutes: dict[int, dict[int, Figures]] = {}  # judged, still open: minute -> source -> figures
    ahead: dict[int, dict[int, Figures]] = {}  # the same of those that the watermark has not left yet
    coming: list[int] = []  # the keys of `ahead`, as a heap
    feeds: dict[str, Feed] = {}
    recent: tuple[
        tuple[int, Figures], ...
    ] = ()  # closed: number of the interval, figures; not the empty ones
    minute: int = 0  # up to which (exclusive) everything was judged
    fresh: bool = False  # something came for what was judged already
    late: int = 0  # mentions that came when their interval was closed: left out
    level: Level = Level.CALM
    told_ms: int = 0  # when the present surge was told; names it
    told: Level = Level.CALM  # the highest level told of it
    alerts: int = 0  # told of it
    learning: Learning = msgspec.field(default_factory=Learning)  # what is usual for its threads


class _Open(NamedTuple):
    start_ms: int
    interval_s: int
    mentions: int

    @property
    def end_ms(self) -> int:
        return self.start_ms + self.interval_s * 1000


class _Ahead(NamedTuple):
    """A detector's state with all that is open, and whether a surge began in what is open."""

    state: SurgeState
    fired: bool


def add(brand: Brand, pulse: Pulse | Volume | Said) -> bool:
    """Take one more report into `brand`; False if it says nothing new."""
    if isinstance(pulse, Said):
        return heard(brand.learning, pulse)
    if isinstance(pulse, Volume):
        return _add_volume(brand, pulse)
    minutes = brand.minutes if pulse.minute < brand.minute else brand.ahead
    sources = minutes.get(pulse.minute)
    before = sources.get(pulse.source) if sources is not None else None
    figures = merge(before, pulse.figures) if before is not None else pulse.figures
    in_time = pulse.minute >= _closed_before(brand.minute)
    learned = (
        in_time and bool(pulse.counts) and hear(brand.learning, pulse.minute, pulse.source, pulse.counts)
    )
    if figures == before:
        return learned
    if not in_time:
        brand.late += figures.mentions
    elif sources is not None:
        sources[pulse.source] = figures
    else:
        minutes[pulse.minute] = {pulse.source: figures}
        if minutes is brand.ahead:
            heappush(brand.coming, pulse.minute)
    brand.fresh = brand.fresh or _closed_before(brand.minute) <= pulse.minute < brand.minute
    return True


def due(brand: Brand) -> int:
    """The next watermark (a minute) at which there is something to judge; NEVER if nothing is open."""
    return min(_judged_next(brand), brand.learning.due)


def _judged_next(brand: Brand) -> int:
    at = brand.minute
    if brand.fresh:
        return at
    soonest = brand.coming[0] + 1 if brand.coming else NEVER
    if brand.level or brand.surge.surging:  # only time can end it
        soonest = min(soonest, at - at % INTERVAL_MIN + INTERVAL_MIN)
    if brand.minutes:
        first = min(brand.minutes)
        soonest = min(soonest, first - first % INTERVAL_MIN + INTERVAL_MIN + GRACE_MIN)
    for feed in brand.feeds.values():
        for start_ms, (interval_s, _) in feed.open.items():
            start = start_ms // MINUTE_MS
            soonest = min(soonest, start if start > at else _closing(start_ms, interval_s))
    return max(at, soonest)


def advance(brand: Brand, minute: int, params: BrandParams) -> list[Alert]:
    """Learn and judge, in order, all there is up to the watermark `minute`; the alerts that follow."""
    alerts = []
    learn(brand.learning, minute)
    while (at := _judged_next(brand)) <= minute:
        quiet_until = _quiet_until(brand, at, minute, params)
        brand.minute, brand.fresh = max(at, quiet_until), False
        while brand.coming and brand.coming[0] < brand.minute:
            left = heappop(brand.coming)
            brand.minutes[left] = brand.ahead.pop(left)
        fired = _close(brand, params)
        if quiet_until < at and (alert := _judge(brand, params, fired=fired)) is not None:
            alerts.append(alert)
    return alerts


def _quiet_until(brand: Brand, at: int, minute: int, params: BrandParams) -> int:
    """The last minute from `at` to `minute` at which something is due, while too little was said for a surge.

    Nothing can be told and no level can change up to then, so all of it is learned at once, with the same
    result as minute by minute. In a recording of months nearly all is such. -1 where that is not sure.
    """
    surge, at_ms = brand.surge, at * MINUTE_MS
    if brand.level or brand.feeds or surge.surging:
        return -1
    if surge.end_ms is None or at_ms - surge.end_ms > DAY_S * 1000:  # a long silence is learned by itself
        return -1
    if brand.told_ms and at_ms - brand.told_ms < _HOLD_MIN * MINUTE_MS:
        return -1
    until, limit, mentions = -1, minute, _open_mentions(brand)
    while brand.coming and (left := brand.coming[0]) < minute:
        more = mentions + sum([one.mentions for one in brand.ahead[left].values()])
        if not _is_quiet(brand, max(at, left + 1), more, params):
            limit = left  # at the minute after it there may be something to tell
            break
        mentions = more
        brand.minutes[heappop(brand.coming)] = brand.ahead.pop(left)
        until = max(at, left + 1)
    if limit < at or not _is_quiet(brand, limit, mentions, params):
        return until
    until = max(at, until)
    for left in brand.minutes:
        closed = left - left % INTERVAL_MIN + INTERVAL_MIN + GRACE_MIN
        if until < closed <= limit:
            until = closed
    return until


def _is_quiet(brand: Brand, minute: int, mentions: int, params: BrandParams) -> bool:
    """Whether a calm brand without feeds stays calm until `minute`, with so many mentions not learned yet.

    Soon after it was told, a surge is not told again, but as long as it is high it holds the level.
    """
    may = may_be_high if _told_lately(brand, brand.minute * MINUTE_MS, params) else may_surge
    return not may(brand.surge, params.surge, minute * MINUTE_MS, mentions, missing_is_zero=True)


def _add_volume(brand: Brand, volume: Volume) -> bool:
    feed = brand.feeds.get(volume.feed)
    if feed is None:
        if len(brand.feeds) >= _FEEDS:
            brand.late += volume.count
            return True
        feed = Feed()
    before = feed.open.get(volume.start_ms)
    count = max(before[1], volume.count) if before is not None else volume.count
    if before == (volume.interval_s, count):
        return False
    if _closing(volume.start_ms, volume.interval_s) <= brand.minute:
        brand.late += volume.count
        return True
    brand.feeds[volume.feed] = feed
    feed.open[volume.start_ms] = (volume.interval_s, count)
    brand.fresh = brand.fresh or volume.start_ms // MINUTE_MS <= brand.minute
    return True


def _closing(start_ms: int, interval_s: int) -> int:
    return -(-(start_ms + interval_s * 1000) // MINUTE_MS) + GRACE_MIN


def _closed_before(minute: int) -> int:
    """The minute up to which (exclusive) intervals of posts are closed once the watermark is at `minute`."""
    return (minute - GRACE_MIN) // INTERVAL_MIN * INTERVAL_MIN


def _close(brand: Brand, params: BrandParams) -> bool:
    """Learn what can't change any more; whether a surge began in it."""
    before, surge, fired = _closed_before(brand.minute), brand.surge, False
    minutes = brand.minutes
    if left := sorted([minute for minute in minutes if minute < before]):
        closed: dict[int, Figures] = {}
        for minute in left:
            number, sources = minute // INTERVAL_MIN, minutes.pop(minute).values()
            closed[number] = _sum([closed[number], *sources] if number in closed else [*sources])
        surge, fired = observe_posts(
            surge,
            params.surge,
            _INTERVAL_S,
            [(number * _INTERVAL_S * 1000, figures.mentions) for number, figures in closed.items()],
        )
        kept = number - max(params.viral_window_s, params.anger_window_s, HOUR_S) // _INTERVAL_S + 3
        recent, gone = brand.recent, 0
        while gone < len(recent) and recent[gone][0] < kept:
            gone += 1
        brand.recent = (*recent[gone:], *[one for one in closed.items() if one[0] >= kept])
    if surge.end_ms is not None and surge.end_ms < before * MINUTE_MS:  # silence since, and it is over
        surge, _ = observe(surge, params.surge, (before - INTERVAL_MIN) * MINUTE_MS, _INTERVAL_S, 0)
    brand.surge = surge
    for feed in brand.feeds.values():
        for start_ms, interval_s, count in _opens(feed):
            if _closing(start_ms, interval_s) > brand.minute:
                continue
            del feed.open[start_ms]
            if start_ms < (feed.surge.end_ms or 0):  # it overlaps the one before
                brand.late += count
                continue
            feed.surge, one = observe(
                feed.surge, params.surge, start_ms, interval_s, count, missing_is_zero=False
            )
            fired = fired or one is not None
    return fired


def _judge(brand: Brand, params: BrandParams, *, fired: bool) -> Alert | None:
    """Give the brand its level at its minute; the alert if that is above what was told of this surge."""
    at, at_ms = brand.minute, brand.minute * MINUTE_MS
    recently = _told_lately(brand, at_ms, params)
    if not (fired or recently or brand.level or brand.feeds or brand.surge.surging) and not may_surge(
        brand.surge, params.surge, at_ms, _open_mentions(brand), missing_is_zero=True
    ):
        return None  # as the rest would answer, at a tenth of the cost: most minutes are such
    if brand.surge.surging and recently and not (fired or brand.feeds):  # on, and told: only a page is news
        level = next_level(brand.level, _sign_of_surge(brand, params))
        if level <= max(brand.level, brand.told):
            brand.level = level
            return None
    ahead = []
    for state, opens, zero in (
        (brand.surge, _open_posts(brand), True),
        *(
            (feed.surge, [one for one in _opens(feed) if one.start_ms <= at_ms], False)
            for feed in brand.feeds.values()
        ),
    ):
        mentions = sum([one.mentions for one in opens])
        if recently or (
            opens and may_surge(state, params.surge, opens[-1].end_ms, mentions, missing_is_zero=zero)
        ):
            ahead.append(_ahead(state, opens, params.surge, missing_is_zero=zero))
        else:
            ahead.append(_Ahead(state, False))
    early = [one for one in ahead if one.fired]
    raised_ms = max([at_ms, *[one.state.end_ms or 0 for one in early]])  # a volume is known at its end
    if (fired or early) and (not brand.told_ms or raised_ms - brand.told_ms >= params.surge.rearm_s * 1000):
        # A surge of its own climbs from calm, though the one before may still hold the level.
        brand.level, brand.told_ms, brand.told, brand.alerts = Level.CALM, raised_ms, Level.CALM, 0
    surging = brand.surge.surging or any(
        feed.surge.surging and at_ms - (feed.surge.end_ms or 0) < _FEED_SILENT_MS
        for feed in brand.feeds.values()
    )
    if brand.told_ms and not surging:
        since_ms = at_ms - brand.told_ms
        surging = since_ms < _HOLD_MIN * MINUTE_MS or (
            # The detector tells no second surge so soon; whether one is there matters for the level.
            since_ms < params.surge.rearm_s * 1000 and any(_is_high(one.state, params.surge) for one in ahead)
        )
    sign = _sign_of_surge(brand, params) if surging else Sign.STEADY if at % INTERVAL_MIN else Sign.COOLING
    level, before = next_level(brand.level, sign), brand.level
    brand.level = level
    if level <= max(before, brand.told):
        return None
    brand.told = level
    brand.alerts += 1
    reason = BrandReason.SURGE
    if level is Level.PAGE:
        viral = _has_viral_thread(brand, params)
        reason = BrandReason.SURGE_WITH_VIRAL_THREAD if viral else BrandReason.SURGE_WITH_ANGER
    states = [one.state for one in ahead if one.state.seen]
    loudest = max(states, key=lambda one: (one.surging, max(x.z for x in read(one, params.surge))))
    return _alert(brand, before, reason, raised_ms, loudest, params)


def _ahead(
    state: SurgeState, opens: Iterable[_Open], params: SurgeParams, *, missing_is_zero: bool
) -> _Ahead:
    """The detector as if all that is open were closed."""
    fired = False
    for start_ms, interval_s, count in opens:
        if start_ms >= (state.end_ms or 0):
            state, surge = observe(
                state, params, start_ms, interval_s, count, missing_is_zero=missing_is_zero
            )
            fired = fired or surge is not None
    return _Ahead(state, fired)


def _told_lately(brand: Brand, at_ms: int, params: BrandParams) -> bool:
    return bool(brand.told_ms) and at_ms - brand.told_ms < params.surge.rearm_s * 1000


def _open_mentions(brand: Brand) -> int:
    return sum([one.mentions for sources in brand.minutes.values() for one in sources.values()])


def _is_high(state: SurgeState, params: SurgeParams) -> bool:
    readings = read(state, params)
    most = max([one.observed for one in readings], default=0.0)
    rises = [one.rise for one in readings]
    return most >= params.count_min and sum(rises) > len(rises) * math.log(params.rise_min)


def _open_posts(brand: Brand) -> list[_Open]:
    """Intervals of posts, in order, as far as the watermark: the last may be as short as a minute."""
    counts: dict[int, int] = {}
    for minute in sorted(brand.minutes):
        number = minute // INTERVAL_MIN
        seen = sum([one.mentions for one in brand.minutes[minute].values()])
        counts[number] = counts.get(number, 0) + seen
    return [
        _Open(
            number * INTERVAL_MIN * MINUTE_MS,
            min(INTERVAL_MIN, brand.minute - number * INTERVAL_MIN) * 60,
            count,
        )
        for number, count in counts.items()
    ]


def _opens(feed: Feed) -> list[_Open]:
    return [_Open(start_ms, interval_s, count) for start_ms, (interval_s, count) in sorted(feed.open.items())]


def _sum(figures: list[Figures]) -> Figures:
    return figures[0] if len(figures) == 1 else Figures(*map(sum, zip(*figures, strict=True)))


def lately(brand: Brand, window_s: int) -> Figures:
    """What was counted of posts in the last `window_s` seconds, to within an interval."""
    since = brand.minute - window_s // 60
    return _sum(
        [
            Figures(),
            *[figures for number, figures in brand.recent if (number + 1) * INTERVAL_MIN > since],
            *[
                figures
                for minute, sources in brand.minutes.items()
                if since <= minute
                for figures in sources.values()
            ],
        ]
    )


def _sign_of_surge(brand: Brand, params: BrandParams) -> Sign:
    return Sign.PAGE if _has_viral_thread(brand, params) or _angry(brand, params) else Sign.WARN


def _has_viral_thread(brand: Brand, params: BrandParams) -> bool:
    return lately(brand, params.viral_window_s).pages > 0


def _angry(brand: Brand, params: BrandParams) -> bool:
    """Whether what was read lately is more negative than is usual for the brand."""
    heard = lately(brand, params.anger_window_s)
    if heard.scored < params.anger_min:
        return False
    share, usual = heard.negative / heard.scored, _usual_negative(brand)
    return (
        share >= params.anger_share if usual is None else anger(share, heard.scored, usual) >= params.anger_z
    )


def anger(share: float, texts: int, usual: float) -> float:
    """How many standard errors a share of negative ones among `texts` (>= 1) lies above the usual share."""
    return (share - usual) / math.sqrt(max(usual * (1 - usual), 0.01) / texts)


def _usual_negative(brand: Brand) -> float | None:
    """The brand's usual share of negative texts as of an hour ago; None: not known."""
    upto_ms = brand.minute * MINUTE_MS - LAG_MS
    known = (one for one in reversed(brand.learning.latest) if one.as_of_ms <= upto_ms)
    return next((one.negative_share for one in known), None)


def _alert(
    brand: Brand, previous: Level, reason: BrandReason, raised_ms: int, state: SurgeState, params: BrandParams
) -> Alert:
    hour = lately(brand, HOUR_S)
    anger = lately(brand, params.anger_window_s)
    share = anger.negative / anger.scored if anger.scored else None
    readings = sorted(read(state, params.surge), key=lambda one: -one.z)
    hourly = min(readings, key=lambda one: abs(one.scale_s - HOUR_S))
    viral = lately(brand, params.viral_window_s).pages
    seen = hour.mentions or round(hourly.observed)
    return Alert(
        id=alert_id("brand", brand.brand, None, brand.told_ms, brand.alerts, brand.level),
        scope="brand",
        brand=brand.brand,
        thread_id=None,
        level=brand.level.word,
        previous_level=previous.word,
        raised_at=rfc3339(raised_ms),
        reason=reason,
        summary=_summary(seen, hourly, max(readings, key=lambda one: one.return_d), viral, anger),
        forecast=_forecast(state, hourly, raised_ms, params.surge),
        evidence=_evidence(readings, share, _usual_negative(brand), viral),
        reply=Reply(),
        mentions=seen,
        authors=0,
        reach=hour.reach,
        negative_share=share,
    )


def _summary(seen: int, hourly: Reading, rarest: Reading, viral: int, anger: Figures) -> str:
    usual = f"{hourly.usual:.0f}" if hourly.usual >= 10 else f"{hourly.usual:.1f}"
    often = f"once in {rarest.return_d:.0f} days" if rarest.return_d < 365 else "not once in a year"
    parts = [f"{seen} mentions in an hour, usual are {usual}; this brand sees such a rise {often}"]
    if viral:
        parts.append(f"{viral} of its threads went viral: begin with {'that' if viral == 1 else 'those'}")
    if anger.scored:
        parts.append(f"{anger.negative} of {anger.scored} texts read are negative")
    if not viral:
        parts.append("look for what they have in common, and hold prepared replies until it is known")
    return "; ".join(parts)


def _evidence(
    readings: Iterable[Reading], share: float | None, usual_share: float | None, viral: int
) -> tuple[Evidence, ...]:
    """Biggest first. The weight of a scale is its share in what lies above the brand's usual peaks."""
    readings = list(readings)
    total = sum(max(one.z, 0.0) for one in readings) or 1.0
    evidence = [
        Evidence(
            f"mentions_{one.scale_s // 60}min_fading",
            round(one.observed, 2),
            "mentions",
            round(one.usual, 2),
            round(max(one.z, 0.0) / total, 3),
        )
        for one in readings
    ]
    # These two make a page out of a warning; they have no say in whether it is a surge.
    if viral:
        evidence.append(Evidence("viral_threads", float(viral), "threads", None, 0.0))
    if share is not None:
        evidence.append(Evidence("negative_share", round(share, 3), "share", usual_share, 0.0))
    return tuple(evidence)


def _forecast(state: SurgeState, hourly: Reading, at_ms: int, params: SurgeParams) -> Forecast:
    """Mentions of the brand in the 24 hours after `at_ms`, and the chance that they are twice the usual.

    What is usual for those hours, and the surplus of the last hour times what surpluses came to before.
    """
    usual = sum([usual_per_hour(state, params, at_ms + hour * HOUR_S * 1000) for hour in range(24)])
    rest = _REST_PER_EXCESS * max(0.0, hourly.observed - hourly.usual)
    spread = math.exp(_Z90 * _REST_SIGMA)
    viral_at = max(math.ceil(params.count_min), math.ceil(2 * usual))
    chance = 0.0
    if rest > 0:
        chance = 0.5 * math.erfc(math.log((viral_at - usual) / rest) / (_REST_SIGMA * math.sqrt(2)))
    return Forecast(usual + rest, usual + rest / spread, usual + rest * spread, chance, viral_at)
