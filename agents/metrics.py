"""Every figure that Prometheus gets, declared once, and how it is read off a worker when it is asked for.

Law of this file: a figure that is not declared here does not exist. What the worker's state tells is read at
the scrape, so that mentions pay nothing for it; what happens seldom (alerts, flushes, pages) is counted into
`Tallies` by those it happens to. Labels are few and bounded (`agents.tallies.LABELS`): never a thread, an
author or a text. Times of threads are event time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from agents.heartbeat import BRAND as HEARTBEAT
from agents.source_metrics import SOURCE_METRICS
from agents.tallies import Labels, Metric, Spread
from streams.as_usual import hour_of_week
from streams.brand import Brand, lately
from streams.forecast import forecast_from
from streams.incident import Ladder
from streams.judge import storm_size
from streams.levels import Level
from streams.mention import Reason
from streams.pulse import MINUTE_MS

if TYPE_CHECKING:
    from agents.above import Above
    from agents.app import Worker

__all__ = ["METRICS", "Sample", "read"]

_MINUTES: Final = (300.0, 900.0, 1800.0, 3600.0, 7200.0, 21_600.0, 86_400.0)
_QUICK: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SHARES: Final = (0.2, 0.4, 0.6, 0.8, 1.0)

_NO_INCIDENTS: Final = "until the first incident"
_NO_PAGE: Final = "until the first page"
_NO_LADDER: Final = "no ladder is set"
_NO_CALENDAR: Final = "no rotation has a calendar"
_NO_TEXTS: Final = "no text of the brand was scored within an hour of event time"
_NO_CLOCK: Final = "the brand has answered less than five times, or was first seen less than two hours ago"
_UNTIL_ALERT: Final = "until the first alert of its kind"

METRICS: Final[list[Metric]] = []


def _declared(metric: Metric) -> Metric:
    METRICS.append(metric)
    return metric


def _counter(name: str, text: str, *labels: str, empty: str | None = None) -> Metric:
    return _declared(Metric(f"flashover_{name}_total", "counter", text, labels, empty=empty))


def _gauge(name: str, text: str, *labels: str, empty: str | None = None) -> Metric:
    return _declared(Metric(f"flashover_{name}", "gauge", text, labels, empty=empty))


def _histogram(
    name: str, text: str, buckets: tuple[float, ...], *labels: str, empty: str | None = None
) -> Metric:
    return _declared(Metric(f"flashover_{name}", "histogram", text, labels, buckets, empty))


# The brands: what is said of them, and how hot it is
MENTIONS = _counter("mentions", "Customers' mentions that were counted.", "brand")
BRAND_REPLIES = _counter("brand_replies", "Replies of the brand's own accounts.", "brand")
CANNED_REPLIES = _counter("canned_replies", "Of those, text blocks.", "brand")
SCORED = _counter("scored_texts", "Texts of threads above calm that were scored.", "brand")
NEGATIVE = _counter("negative_texts", "Of those, negative ones: the load on the desk's people.", "brand")
UNREAD = _counter("unread_texts", "Texts beside those in a language that nobody here can score.", "brand")
LATE = _counter("late_mentions", "Mentions more than 10 minutes behind their thread; they counted.", "brand")
THREADS = _gauge(
    "live_threads", "Threads above calm, by the level they have; forgotten when over.", "brand", "level"
)
BRAND_LEVEL = _gauge("brand_level", "0 calm, 1 watch, 2 warn, 3 page: the brand as a whole.", "brand")
HOTTEST_MENTIONS = _gauge(
    "hottest_thread_expected_mentions",
    "Forecast of the brand's hottest thread: mentions in its first 24 hours. None while all are calm.",
    "brand",
    empty="no thread is above calm",
)
HOTTEST_PROBABILITY = _gauge(
    "hottest_thread_viral_probability",
    "Chance of the same thread to reach viral_at.",
    "brand",
    empty="no thread is above calm",
)
ALERTS = _counter("alerts", "Levels that rose, by the rule that raised them.", "brand", "level", "reason")
FIRST_TO_PAGE = _histogram(
    "first_mention_to_page_seconds",
    "Event time from a thread's start to its alert of level page.",
    _MINUTES,
    "brand",
    empty=_UNTIL_ALERT,
)
STILL_TO_COME = _histogram(
    "still_to_come_share",
    "Share of a paged thread's 24-hour mentions that came after the page; known a day after its start.",
    _SHARES,
    "brand",
    empty="until a day of event time after a paged thread's start",
)
SETTLED = _counter(
    "settled_alerts",
    "Alerts of threads whose first day is over, by what became of them: viral or small.",
    "level",
    "outcome",
    empty="until a day of event time after an alert",
)
SETTLED_PROBABILITY = _counter(
    "settled_probability",
    "Sum of the chances that those alerts gave: equal to the viral ones if the forecast is calibrated.",
    "level",
    empty="until a day of event time after an alert",
)
VIRAL_AT = _gauge("viral_at_mentions", "Mentions in 24 hours that count as a storm, as set now.", "brand")
THRESHOLD = _gauge(
    "threshold_probability", "Chance at which a level is reached, as set now.", "brand", "level"
)
SHADOW_ALERTS = _gauge(
    "shadow_alerts",
    "Levels raised since a second set of thresholds was set, by whom: live or shadow.",
    "brand",
    "level",
    "outcome",
    empty="no second set is set",
)
SHADOW_PAGED = _gauge(
    "shadow_paged_threads",
    "Threads since then that both would page for, or only one of the sets.",
    "brand",
    "outcome",
    empty="no second set is set",
)
NEGATIVE_SHARE = _gauge(
    "negative_share",
    "Share of negative texts among those scored in the last hour of event time.",
    "brand",
    empty=_NO_TEXTS,
)
HOSTILE = _gauge(
    "hostile_mentions_per_hour",
    "Negative texts scored in the last hour of event time: what the desk's people read.",
    "brand",
    empty="until the brand's first mention",
)
REPLY_CLOCK = _gauge(
    "reply_clock_seconds",
    "How long the brand usually takes to a first answer, asked at this hour of the week.",
    "brand",
    empty=_NO_CLOCK,
)
CANNED_SHARE = _gauge(
    "reply_canned_share", "How often that answer is a text block, 0..1.", "brand", empty=_NO_CLOCK
)
REPLY_GROWTH = _histogram(
    "reply_growth_ratio",
    "Mentions after a reply until the thread's first day was over, to those forecast before it, by kind of "
    "reply: canned, recurring, own-words. An association, no cause.",
    (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0, 10.0),
    "brand",
    "outcome",
    empty="until a day of event time after a thread's start in which a brand answered ten mentions or more",
)

# The desk: what becomes of a page
INCIDENTS = _gauge(
    "incidents", "Incidents by state: open, paged, acknowledged.", "brand", "outcome", empty=_NO_INCIDENTS
)
PAGE_TO_TAKEN = _histogram(
    "page_to_taken_seconds",
    "From an incident's first page until somebody with authority took it.",
    _MINUTES,
    "brand",
    empty=_NO_INCIDENTS,
)
RESOLUTIONS = _counter(
    "resolutions",
    "Incidents that were resolved: handled, false-alarm, missed-too-late.",
    "brand",
    "outcome",
    empty=_NO_INCIDENTS,
)
FIRST_ANSWERS = _counter(
    "first_answers",
    "Incidents by what came first: canned (a text block) or authority (a person who may decide).",
    "brand",
    "outcome",
    empty=_NO_INCIDENTS,
)
DELIVERIES = _counter(
    "deliveries",
    "Attempts to deliver a page: sent, failed, gave-up.",
    "channel",
    "outcome",
    empty=_NO_PAGE,
)
PAGES_IN_TIME = _counter(
    "page_deliveries",
    "Page-level alerts by whether a channel took them within 60 s: in-time or late.",
    "outcome",
    empty=_NO_INCIDENTS,
)
DELIVERY_TIME = _histogram(
    "page_delivery_seconds",
    "From a page-level alert until a channel has taken it.",
    (1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0, 900.0),
    "channel",
    empty=_NO_PAGE,
)
TOLD_AGAIN = _counter(
    "told_again",
    "Tellings of what is open to channels that ask for it: sent, failed, gave-up.",
    "channel",
    "outcome",
    empty="no channel asks for it, or nothing is open",
)
LADDER_EXHAUSTED = _counter(
    "ladder_exhausted",
    "Incidents that went up the whole ladder, and nobody took them.",
    "brand",
    empty=_NO_INCIDENTS,
)
NOBODY = _counter("nobody_to_page", "Steps of a ladder on which nobody stood.", "brand", empty=_NO_INCIDENTS)
ON_CALL = _gauge("on_call_people", "People who are on call for the brand now.", "brand", empty=_NO_LADDER)
CALENDAR_READ = _gauge(
    "calendar_last_success_timestamp_seconds",
    "When a rotation's calendar was last read; 0: never.",
    "source",
    empty=_NO_CALENDAR,
)
CALENDAR_ERRORS = _counter(
    "calendar_errors", "Readings of a rotation's calendar that failed.", "source", empty=_NO_CALENDAR
)
HEARTBEATS = _counter(
    "heartbeats",
    "Heartbeats that went the whole way, by whether the webhook took them: taken or missed.",
    "outcome",
    empty="no heartbeat_url is set",
)

# Where mentions come from
METRICS.extend(SOURCE_METRICS)

# The machine
RECORDS = _counter(
    "records",
    "Records of mentions by what became of them: counted, duplicate, revised (edited or deleted), skipped "
    "(read again), volume, rejected.",
    "outcome",
)
REJECTS = _counter("rejects", "Records that broke a rule.", "reason")
LAG = _gauge("lag_records", "Records that wait in a partition.", "topic", "partition")
OFFSET_AGE = _gauge(
    "offset_age_seconds", "How long a partition has not moved while records wait.", "topic", "partition"
)
EVENT_DELAY = _gauge(
    "event_delay_seconds",
    "Wall clock less the latest event time of a partition: years, if an old recording is played.",
    "partition",
    empty="until the partition's first mention",
)
FOLLOW_TIME = _counter("follow_seconds", "Time spent on following mentions: per record, the step time.")
FLUSH_TIME = _histogram(
    "flush_seconds", "Time to make durable what was taken.", _QUICK, empty="until the first flush"
)
LAST_FLUSH = _gauge(
    "last_flush_timestamp_seconds", "When that was last done; with nothing to write it does not move."
)
STATES = _gauge("state_records", "Records of state that are held, by partition.", "partition")
STATES_WRITTEN = _counter("states_written", "Records of state that were written.")
REBALANCES = _counter("rebalances", "Times that partitions were given out anew.")
RECOVERING = _gauge("recovering", "1 while partitions are given out or state is read back.")
BROKER_ERRORS = _counter("broker_errors", "Warnings and errors that the Kafka client logged.", "level")
THRESHOLD_CHANGES = _counter(
    "threshold_changes", "Records of the topic thresholds: taken or refused.", "outcome"
)
FOREIGN_PULSES = _counter("foreign_pulses", "Records of brand-pulse that no flashover of this version wrote.")
BUILD = _gauge("build_info", "1; the version is the label.", "version")


class Sample(NamedTuple):
    """One series now: a number, or a histogram."""

    metric: Metric
    labels: Labels
    value: float | Spread


_LEVELS: Final = (Level.WATCH, Level.WARN, Level.PAGE)
_OF_THREADS: Final = (MENTIONS, BRAND_REPLIES, CANNED_REPLIES, SCORED, NEGATIVE, LATE, UNREAD)


def read(worker: Worker, now_s: float, version: str) -> Iterator[Sample]:
    """Every series of a worker, in no order, each once. `now_s` is the event loop's clock.

    Must run between two steps of the event loop: nothing is copied. 0.1 ms for a brand with live threads.
    """
    worker.follower.settle()
    stats, tallies = worker.follower.stats, worker.follower.stats.tallies
    for metric, values in tallies.values.items():
        yield from (Sample(metric, labels, value) for labels, value in values.items())
    for metric, spreads in tallies.spreads.items():
        yield from (Sample(metric, labels, spread) for labels, spread in spreads.items())
    yield from _brands(worker)
    now_ms = int(time.time() * 1000)
    yield from worker.desk_watch.look(now_ms)
    yield from _on_call(worker, now_ms)
    if worker.heartbeat is not None:
        yield Sample(HEARTBEATS, ("taken",), worker.heartbeat.beats)
        yield Sample(HEARTBEATS, ("missed",), worker.heartbeat.missed)
    yield from _shadow(worker)
    yield from _partitions(worker, now_s)
    rejected = stats.rejects.total()
    for outcome, count in (
        ("counted", stats.mentions),
        ("duplicate", stats.duplicates),
        ("revised", stats.revised),
        ("skipped", stats.skipped),
        ("volume", stats.volumes),
        ("rejected", rejected),
    ):
        yield Sample(RECORDS, (outcome,), count)
    for reason in Reason:
        yield Sample(REJECTS, (reason.value,), stats.rejects[reason.value])
    yield Sample(FOLLOW_TIME, (), stats.follow_s)
    yield Sample(LAST_FLUSH, (), stats.flushed_at_s)
    yield Sample(STATES_WRITTEN, (), stats.stored)
    yield Sample(REBALANCES, (), worker.app.rebalancing_count)
    yield Sample(RECOVERING, (), float(worker.app.rebalancing or worker.app.in_recovery))
    yield Sample(THRESHOLD_CHANGES, ("taken",), worker.thresholds.changed)
    yield Sample(THRESHOLD_CHANGES, ("refused",), worker.thresholds.refused)
    yield Sample(FOREIGN_PULSES, (), worker.brands.foreign)
    yield Sample(BUILD, (version,), 1)


def _brands(worker: Worker) -> Iterator[Sample]:
    follower, bounds = worker.follower, worker.follower.stats.tallies.bounds
    names = [one for one in (*worker.settings.brands, *follower.stats.gained) if one != HEARTBEAT]
    label = {name: bounds.value("brand", name) for name in names}
    sums: dict[str, list[int]] = {}
    for name, gained in follower.stats.gained.items():
        if name not in label:
            continue
        had = sums.setdefault(label[name], [0] * len(gained))
        sums[label[name]] = [one + more for one, more in zip(had, gained, strict=True)]
    for brand in dict.fromkeys(label.values()):
        for metric, count in zip(_OF_THREADS, sums.get(brand, [0] * len(_OF_THREADS)), strict=True):
            yield Sample(metric, (brand,), count)
        params = worker.thresholds.params_for(brand)
        latest = worker.usuals.latest.get(brand, ())
        yield Sample(VIRAL_AT, (brand,), storm_size(params, latest[-1].viral_at or 0 if latest else 0))
        for level in _LEVELS:
            yield Sample(THRESHOLD, (brand, level.word), getattr(params, level.word))
    counts = {(brand, level): 0 for brand in label.values() for level in _LEVELS}
    hottest: dict[str, Above] = {}
    for partition in follower.partitions.values():
        for thread in partition.raised.values():
            if thread.brand == HEARTBEAT:
                continue
            brand = bounds.value("brand", thread.brand)
            counts[brand, thread.level] = counts.get((brand, thread.level), 0) + 1
            known = hottest.get(brand)
            if known is None or (thread.level, thread.heat) > (known.level, known.heat):
                hottest[brand] = thread
    for (brand, level), count in counts.items():
        yield Sample(THREADS, (brand, level.word), count)
    before, follower.stats.forecasts = follower.stats.forecasts, {}
    for brand, thread in hottest.items():
        asked = (thread.features, worker.storm_size(thread.brand, thread.viral_at))
        seen = before.get(asked) or forecast_from(*asked)  # most did not move since the last scrape
        follower.stats.forecasts[asked] = seen
        yield Sample(HOTTEST_MENTIONS, (brand,), seen.expected_24h)
        yield Sample(HOTTEST_PROBABILITY, (brand,), seen.viral_probability)
    levels: dict[str, int] = {}
    for one in worker.brands.partitions.values():
        for slot in one.slots.values():
            if slot.brand.brand == HEARTBEAT:
                continue
            brand = bounds.value("brand", slot.brand.brand)
            levels[brand] = max(levels.get(brand, 0), slot.brand.level)
            if brand == slot.brand.brand:  # shares of several that go by one name add up to nothing
                yield from _words(slot.brand)
    for brand, height in levels.items():
        yield Sample(BRAND_LEVEL, (brand,), height)


def _words(brand: Brand) -> Iterator[Sample]:
    """What the brand's mentions and its desk say, as of its own latest minute."""
    name, heard = (brand.brand,), lately(brand, 3600)
    yield Sample(HOSTILE, name, heard.negative)
    if heard.scored:
        yield Sample(NEGATIVE_SHARE, name, heard.negative / heard.scored)
    if brand.learning.latest and (usual := brand.learning.latest[-1]).reply_delays_s:
        hour = hour_of_week(brand.minute * MINUTE_MS)
        yield Sample(REPLY_CLOCK, name, usual.reply_delays_s[hour])
        yield Sample(CANNED_SHARE, name, usual.canned_shares[hour])


def _on_call(worker: Worker, now_ms: int) -> Iterator[Sample]:
    roster, bounds = worker.roster.now, worker.follower.stats.tallies.bounds
    counts: dict[Ladder, int] = {}
    for brand in dict.fromkeys((*worker.settings.brands, *worker.follower.stats.gained)):
        if brand == HEARTBEAT or bounds.value("brand", brand) != brand:
            continue
        if (ladder := roster.ladder_for(brand)).rungs:
            if ladder not in counts:
                counts[ladder] = len(roster.on_call(brand, now_ms))
            yield Sample(ON_CALL, (brand,), counts[ladder])
    for rotation, failures in worker.roster.failures.items():
        good = worker.roster.calendars.get(rotation)
        yield Sample(CALENDAR_READ, (rotation,), good.at_ms / 1000 if good else 0)
        yield Sample(CALENDAR_ERRORS, (rotation,), failures)


def _shadow(worker: Worker) -> Iterator[Sample]:
    bounds = worker.follower.stats.tallies.bounds
    latest: dict[str, int] = {}
    tallies = [
        (bounds.value("brand", name), tally)
        for partition in worker.follower.partitions.values()
        for name, tally in partition.tallies.items()
    ]
    for brand, tally in tallies:
        latest[brand] = max(latest.get(brand, 0), tally.since_ms)
    sums: dict[tuple[Metric, Labels], int] = {}
    for brand, tally in tallies:
        if tally.since_ms != latest[brand]:
            continue
        rows: list[tuple[Metric, Labels, int]] = [
            (SHADOW_PAGED, (brand, outcome), count)
            for outcome, count in (
                ("both", tally.both),
                ("only-live", tally.only_live),
                ("only-shadow", tally.only_shadow),
            )
        ]
        for outcome, rises in (("live", tally.live), ("shadow", tally.shadow)):
            rows += [
                (SHADOW_ALERTS, (brand, level.word, outcome), count)
                for level, count in zip(_LEVELS, rises, strict=True)
            ]
        for metric, labels, count in rows:
            sums[metric, labels] = sums.get((metric, labels), 0) + count
    for (metric, labels), count in sums.items():
        yield Sample(metric, labels, count)


def _partitions(worker: Worker, now_s: float) -> Iterator[Sample]:
    for topic, progress in (
        ("mentions", worker.progress),
        ("brand-pulse", worker.pulse_progress),
        *worker.desk_progress.items(),
    ):
        for number, lag in progress.lag().items():
            yield Sample(LAG, (topic, str(number)), lag)
        for number, age_s in progress.age_s(now_s).items():
            yield Sample(OFFSET_AGE, (topic, str(number)), age_s)
    wall_s = time.time()
    for number, partition in worker.follower.partitions.items():
        yield Sample(STATES, (str(number),), len(partition.stored))
        if partition.watermark_ms:
            yield Sample(EVENT_DELAY, (str(number),), max(0.0, wall_s - partition.watermark_ms / 1000))
