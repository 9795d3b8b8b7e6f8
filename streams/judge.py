"""When a thread deserves a person: the decision, its reason and its evidence.

Law of this file: `judge` looks and says, it changes nothing; `follow` is the one road a mention takes
through the core (step, judge, level, alert), and replay, tuning, shadow and live all walk it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from streams.alert import Alert, Evidence, Reply, alert_id
from streams.forecast import (
    SHIPPED,
    Forecast,
    Signal,
    features_of,
    forecast_from,
    signals,
    viral_probability,
)
from streams.levels import Level, Sign, next_level
from streams.mention import Mention, rfc3339
from streams.thread import DAY_MS, Thread, step
from streams.usual import UNKNOWN, Snapshots, Usual, begin, keep_up, known

__all__ = [
    "CALM",
    "TOP_1_PCT",
    "AlertReason",
    "Followed",
    "ThreadParams",
    "Verdict",
    "decide",
    "follow",
    "is_awake",
    "judge",
    "level_after",
    "may_rise",
    "storm_size",
]

TOP_1_PCT: Final = "top-1%"
ViralAt = int | Literal["top-1%"]


class AlertReason(StrEnum):
    """One word for each rule that can raise a level."""

    VIRAL_FORECAST = "viral-forecast"  # the forecast says that the thread will pass the brand's threshold
    ALREADY_VIRAL = "already-viral"  # it has passed it


@dataclass(frozen=True, slots=True)
class ThreadParams:
    """The thresholds of threads, all of them an operator's to tune.

    `viral_at` is the size in mentions within 24 h that counts as a storm (>= 2), or "top-1%": that which one
    in a hundred of the brand's own threads reaches, as it was learned when a thread began. `watch`, `warn`,
    `page` are probabilities of reaching it, 0 < watch < warn < page <= 1; a level falls again once it is
    below `release` (0 < release < 1) times its own threshold. No level is given to a thread of less
    than `min_mentions` mentions or `min_authors` people, and nobody is paged while one author wrote more
    than `max_author_share` of it (0 < max_author_share <= 1): that is one person's flood, not a storm.
    The defaults are for some four of five pages being true (docs/detection-threads.md); `flashover tune`
    finds others. Raises ValueError for anything else.
    """

    viral_at: ViralAt = 100
    watch: float = 0.2
    warn: float = 0.5
    page: float = 0.8
    release: float = 0.5
    min_mentions: int = 10
    min_authors: int = 8
    max_author_share: float = 0.5

    def __post_init__(self) -> None:
        wrong = []
        if self.viral_at != TOP_1_PCT and (isinstance(self.viral_at, str) or self.viral_at < 2):
            wrong.append(f"viral_at must be at least 2 mentions, or {TOP_1_PCT}, not {self.viral_at}")
        if not 0 < self.watch < self.warn < self.page <= 1:
            wrong.append(f"need 0 < watch < warn < page <= 1, not {self.watch}, {self.warn}, {self.page}")
        if not 0 < self.release < 1:
            wrong.append(f"release must lie between 0 and 1, not {self.release}")
        if self.min_mentions < 1 or self.min_authors < 1:
            wrong.append("min_mentions and min_authors must be at least 1")
        if not 0 < self.max_author_share <= 1:
            wrong.append(f"max_author_share must be above 0 and at most 1, not {self.max_author_share}")
        if wrong:
            raise ValueError("; ".join(wrong))


class Verdict(NamedTuple):
    """What the thread shows now: the level it should have, why, and how likely it is to go viral."""

    level: Level
    reason: AlertReason | None
    viral_probability: float  # 0..1; 0 where nothing was forecast


class Followed(NamedTuple):
    """The thread after a mention, and the alert if that mention raised a level."""

    thread: Thread
    alert: Alert | None = None


CALM: Final = Verdict(Level.CALM, None, 0.0)
# Names of their own: to find a member in its enum takes a tenth of a microsecond.
_COOLING, _STEADY, _WATCH, _WARN, _PAGE = Sign
_TO_DO: Final = {
    Level.WATCH: "keep an eye on it",
    Level.WARN: "read it, and let no text block answer it",
    Level.PAGE: "take the case, hold prepared replies, and decide what the brand can offer",
}
_ALREADY_VIRAL: Final = AlertReason.ALREADY_VIRAL
_VIRAL_FORECAST: Final = AlertReason.VIRAL_FORECAST


def judge(thread: Thread, params: ThreadParams) -> Verdict:
    """The level that `thread` should have as of its latest mention."""
    return _judged(thread, params) if is_awake(thread, params) else CALM


def is_awake(thread: Thread, params: ThreadParams) -> bool:
    """Whether there is anything to judge: a thread that has left calm, or may."""
    if thread.level:
        return True
    if thread.mentions < params.min_mentions:  # as `may_rise` would say, of nearly all
        return False
    age_ms = thread.last_ms - thread.started_ms
    return may_rise(thread.mentions, thread.authors.estimate, age_ms, params)


def _judged(thread: Thread, params: ThreadParams) -> Verdict:
    viral_at = storm_size(params, thread.viral_at)
    probability = viral_probability(features_of(thread), viral_at)
    level = level_after(thread.level, probability, thread.mentions, thread.authors.busiest, params)
    is_viral = thread.mentions_24h >= viral_at
    return Verdict(level, _ALREADY_VIRAL if is_viral else _VIRAL_FORECAST, probability)


def storm_size(params: ThreadParams, learned: int) -> int:
    """The mentions within 24 h that count as a storm in a thread which began with `learned` (0: not known).

    As long as TOP_1_PCT is not known, that is the size which the weights of the forecast were learned about.
    """
    at = params.viral_at
    return (learned or SHIPPED.viral_at) if isinstance(at, str) else at


def may_rise(mentions: int, authors: int, age_ms: int, params: ThreadParams) -> bool:
    """Whether a calm thread of so many mentions by so many people may leave calm: in its first day alone."""
    return mentions >= params.min_mentions and authors >= params.min_authors and age_ms < DAY_MS


def level_after(level: Level, probability: float, mentions: int, busiest: int, params: ThreadParams) -> Level:
    """The level of a thread that has `level` and may rise, at this probability of becoming viral.

    `busiest` are those of its `mentions` that its busiest author wrote.
    """
    sign = _sign(level, probability, params)
    if sign is _PAGE and busiest > params.max_author_share * mentions:
        sign = _WARN
    return next_level(level, sign)


def follow(
    thread: Thread | None, mention: Mention, params: ThreadParams, usuals: Snapshots = UNKNOWN
) -> Followed | None:
    """One mention through the whole core; None if it was counted before. `thread` is spent, as by `step`.

    `usuals` are the latest snapshots of what is usual for each brand.
    """
    stepped = step(thread, mention)
    if stepped is None:
        return None
    if stepped is not thread:
        begin(stepped, usuals)
    if mention.from_brand:
        return Followed(stepped)
    if not is_awake(stepped, params):
        return Followed(stepped)
    keep_up(stepped, usuals)
    return decide(stepped, mention, params, _judged(stepped, params), usuals)


def decide(
    stepped: Thread,
    mention: Mention,
    params: ThreadParams,
    verdict: Verdict,
    usuals: Snapshots = UNKNOWN,
) -> Followed:
    """Give `stepped`, in place, the level of `verdict` after `mention`; the alert if that is a rise."""
    level = stepped.level
    if verdict.level is level:
        return Followed(stepped)
    stepped.level = verdict.level
    if verdict.level < level:
        return Followed(stepped)
    stepped.raised_ms = mention.created_ms
    stepped.alerts += 1
    usual = known(usuals, stepped.brand, stepped.last_ms)
    return Followed(stepped, _alert(stepped, mention, level, verdict, params, usual))


def _sign(level: Level, probability: float, params: ThreadParams) -> Sign:
    if probability >= params.page:
        return _PAGE
    if level < 3:
        if probability >= params.warn:
            return _WARN
        if level < 2 and probability >= params.watch:
            return _WATCH
    held_by = (0.0, params.watch, params.warn, params.page)[level]
    return _COOLING if probability < held_by * params.release else _STEADY


def _alert(
    thread: Thread,
    mention: Mention,
    previous: Level,
    verdict: Verdict,
    params: ThreadParams,
    usual: Usual | None,
) -> Alert:
    assert verdict.reason is not None  # noqa: S101 — a level never rises without one
    features = features_of(thread)
    seen = forecast_from(features, storm_size(params, thread.viral_at))
    found = signals(features, seen.viral_at, usual.shown if usual is not None else ())
    return Alert(
        id=alert_id("thread", thread.brand, mention.thread_id, thread.born_ms, thread.alerts, verdict.level),
        scope="thread",
        brand=thread.brand,
        thread_id=mention.thread_id,
        level=verdict.level.word,
        previous_level=previous.word,
        raised_at=rfc3339(mention.created_ms),
        reason=verdict.reason,
        summary=_summary(thread, seen, found),
        forecast=seen,
        evidence=_evidence(found),
        reply=Reply("own-words" if thread.brand_replies else "none"),
        mentions=thread.mentions,
        authors=_people(thread),
        reach=thread.reach,
        negative_share=thread.negative / thread.scored if thread.scored else None,
    )


def _people(thread: Thread) -> int:
    return min(thread.authors.estimate, thread.mentions)  # beyond 64 it is an estimate, and may overshoot


def _summary(thread: Thread, seen: Forecast, found: Iterable[Signal]) -> str:
    """What is there, what will become of it, and what to do, in that order: a page may be cut."""
    minutes = max(1, round((thread.last_ms - thread.started_ms) / 60_000))
    spell = f"{minutes} min" if minutes < 120 else f"{minutes / 60:.0f} h"
    fresh = next(one for one in found if one.name == "new_people_2h")
    chance = (
        f"{seen.viral_probability:.0%} chance of {seen.viral_at}"
        if thread.mentions_24h < seen.viral_at
        else f"past {seen.viral_at} already"
    )
    said = "has answered" if thread.brand_replies else "has not answered"
    return (
        f"{thread.mentions} mentions by {_people(thread)} people in {spell}; "
        f"some {seen.expected_24h:.0f} expected within a day ({chance}); "
        f"{fresh.value:.0f} new people lately, usual at this size are {fresh.usual:.0f}; "
        f"the brand {said}: {_TO_DO[thread.level]}"
    )


def _evidence(found: Iterable[Signal]) -> tuple[Evidence, ...]:
    found = tuple(found)
    total = sum(abs(one.weight) for one in found) or 1.0
    return tuple(
        Evidence(one.name, round(one.value, 2), one.unit, round(one.usual, 2), round(one.weight / total, 3))
        for one in found
    )
