"""When a thread deserves a person: the decision, its reason and its evidence.

Law of this file: `judge` looks and says, it changes nothing; `follow` is the one road a mention takes
through the core (step, read, judge, level, alert), and replay, tuning, shadow and live all walk it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from mypy_extensions import mypyc_attr

from streams.alert import Alert, Evidence, Reply, alert_id
from streams.as_usual import UNKNOWN, Snapshots, begin, keep_up, known, templates_of
from streams.canned import Verdict as ReplyVerdict
from streams.cases import told_refs
from streams.forecast import (
    ODDS,
    SHIPPED,
    Forecast,
    Signal,
    features_of,
    forecast_from,
    signals,
)
from streams.levels import TRANSITIONS, Level, Sign
from streams.mention import Mention, rfc3339
from streams.params import AlertReason, ThreadParams
from streams.reading import NOTHING, Reader, Reading, answered, forget, opened, read
from streams.revision import is_revision, revise
from streams.thread import DAY_MS, Thread, step
from streams.usual import Usual

__all__ = [
    "CALM",
    "Followed",
    "Verdict",
    "answer",
    "decide",
    "decide_on_reply",
    "follow",
    "has_paged",
    "held_by_reply",
    "is_awake",
    "judge",
    "keep",
    "level_after",
    "level_after_reply",
    "may_rise",
    "reply_is_due",
    "storm_size",
]


@mypyc_attr(acyclic=True)
class Verdict:
    """What the thread shows now: the level it should have, why, and how likely it is to go viral."""

    def __init__(self, level: Level, reason: AlertReason | None, viral_probability: float) -> None:
        self.level = level
        self.reason = reason
        self.viral_probability = viral_probability  # 0..1; 0 where nothing was forecast


@mypyc_attr(acyclic=True)
class Followed:
    """The thread after a mention, the alert if it raised a level or was a canned reply, and what was read."""

    def __init__(
        self,
        thread: Thread,
        alert: Alert | None = None,
        reading: Reading = NOTHING,
        reply: ReplyVerdict | None = None,
    ) -> None:
        self.thread = thread
        self.alert = alert
        self.reading = reading
        self.reply = reply  # on a reply of the brand


CALM: Final = Verdict(Level.CALM, None, 0.0)
# Names of their own: to find a member in its enum takes a tenth of a microsecond.
_COOLING: Final = Sign.COOLING
_STEADY: Final = Sign.STEADY
_WATCH: Final = Sign.WATCH
_WARN: Final = Sign.WARN
_PAGE: Final = Sign.PAGE
_CANNED: Final = Sign.CANNED
_PAGED: Final = Level.PAGE
# And `TRANSITIONS` is asked without `next_level`, which a mention would wait for as long again.
_TO_DO: Final = {
    Level.WATCH: "keep an eye on it",
    Level.WARN: "read it, and let no text block answer it",
    Level.PAGE: "take the case, hold prepared replies, and decide what the brand can offer",
}
_ALREADY_VIRAL: Final = AlertReason.ALREADY_VIRAL
_CANNED_REPLY_DUE: Final = AlertReason.CANNED_REPLY_DUE
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
    viral_at, busiest, at_ms = storm_size(params, thread.viral_at), thread.authors.busiest, thread.last_ms
    probability = _probability(thread, viral_at)
    held = thread.canned_ms > 0 and held_by_reply(thread.canned_ms, at_ms, params)
    due = thread.reply_due_ms > 0 and reply_is_due(thread, at_ms, params)
    level = level_after(thread.level, probability, thread.mentions, busiest, params, held=held, due=due)
    reason = _ALREADY_VIRAL if thread.mentions_24h >= viral_at else _VIRAL_FORECAST
    if due and level is _PAGED and probability < params.page:
        reason = _CANNED_REPLY_DUE
    return Verdict(level, reason, probability)


def _probability(thread: Thread, viral_at: int) -> float:
    """`streams.forecast.viral_probability` of what the thread shows now."""
    return ODDS.probability(
        thread.mentions_24h,
        (thread.last_ms - thread.started_ms) / 1000,
        thread.fresh,
        thread.heat_30min,
        thread.tempo,
        thread.growth,
        viral_at,
    )


def storm_size(params: ThreadParams, learned: int) -> int:
    """The mentions within 24 h that count as a storm in a thread which began with `learned` (0: not known).

    As long as TOP_1_PCT is not known, that is the size which the weights of the forecast were learned about.
    """
    at = params.viral_at
    return (learned or SHIPPED.viral_at) if isinstance(at, str) else at


def may_rise(mentions: int, authors: int, age_ms: int, params: ThreadParams) -> bool:
    """Whether a calm thread of so many mentions by so many people may leave calm: in its first day alone."""
    return mentions >= params.min_mentions and authors >= params.min_authors and age_ms < DAY_MS


def level_after(
    level: Level,
    probability: float,
    mentions: int,
    busiest: int,
    params: ThreadParams,
    *,
    held: bool = False,
    due: bool = False,
) -> Level:
    """The level of a thread that has `level` and may rise, at this probability of becoming viral.

    `busiest` are those of its `mentions` that its busiest author wrote. `held`: a canned reply keeps the
    level from falling; `due`: one is about to come, which may make a page of a warning.
    """
    sign = _sign(level, probability, params)
    if held and sign is _COOLING:
        sign = _STEADY
    if due and probability >= params.page_when_due and TRANSITIONS[level, sign] is Level.WARN:
        sign = _PAGE
    if sign is _PAGE and busiest > params.max_author_share * mentions:
        sign = _WARN
    return TRANSITIONS[level, sign]


def level_after_reply(level: Level, mentions: int, busiest: int, params: ThreadParams) -> Level:
    """The level of a thread that has `level` after a canned reply into it; `busiest` as in `level_after`."""
    after = TRANSITIONS[level, _CANNED]
    flood = after is Level.PAGE and busiest > params.max_author_share * mentions
    return level if flood else after


def held_by_reply(canned_ms: int, at_ms: int, params: ThreadParams) -> bool:
    """Whether a canned reply at `canned_ms` (0: there was none) keeps the level from falling at `at_ms`."""
    return canned_ms > 0 and at_ms < canned_ms + params.reply_holds_s * 1000


def reply_is_due(thread: Thread, at_ms: int, params: ThreadParams) -> bool:
    """Whether the brand is likely to answer `thread` from a text block around `at_ms`, for the first time."""
    return (
        thread.reply_due_ms > 0
        and not thread.brand_replies
        and thread.canned_share >= params.due_canned_share
        and abs(at_ms - thread.reply_due_ms) <= params.reply_due_s * 1000
    )


def follow(
    thread: Thread | None,
    mention: Mention,
    params: ThreadParams,
    usuals: Snapshots = UNKNOWN,
    reader: Reader | None = None,
) -> Followed | None:
    """One mention through the whole core; None if it adds nothing, because it was counted before.

    `thread` is spent, as by `step`: of an edit or a deletion it is changed, though nothing is counted.

    `usuals` are the latest snapshots of what is usual for each brand. Without a `reader` no text is read.
    """
    stepped = step(thread, mention)
    if stepped is None:
        if thread is not None and is_revision(mention):
            revise(thread, mention, reader)
        return None
    if stepped is not thread:
        begin(stepped, usuals)
    if reader is not None and (
        mention.id == mention.thread_id or mention.created_ms - stepped.started_ms > reader.keep_ms
    ):
        keep(stepped, mention, reader)
    if mention.from_brand:
        reply = answer(stepped, mention, usuals, reader)
        return decide_on_reply(stepped, mention, params, reply, usuals)
    if not is_awake(stepped, params):
        return Followed(stepped)
    keep_up(stepped, usuals)
    verdict = _judged(stepped, params)
    reading = NOTHING
    if reader is not None and mention.text and (stepped.level or verdict.level):
        reading = read(stepped, mention, reader)
    return decide(stepped, mention, params, verdict, usuals, reading)


def keep(stepped: Thread, mention: Mention, reader: Reader) -> None:
    """Keep what may be shown of a root, and let go of what is too old to be kept."""
    if mention.id == mention.thread_id:
        if not stepped.root_deleted:
            opened(stepped, mention, reader)
    elif mention.created_ms - stepped.started_ms > reader.keep_ms:
        forget(stepped, mention.created_ms, reader)


def answer(
    stepped: Thread, mention: Mention, usuals: Snapshots, reader: Reader | None
) -> ReplyVerdict | None:
    """The verdict on a mention of the brand; None for its root, or where nobody reads."""
    if reader is None or mention.id == mention.thread_id:
        return None
    templates = templates_of(usuals.get(stepped.brand, ()), mention.created_ms)
    return answered(stepped, mention, reader, templates)


def decide_on_reply(
    stepped: Thread,
    mention: Mention,
    params: ThreadParams,
    reply: ReplyVerdict | None,
    usuals: Snapshots = UNKNOWN,
) -> Followed:
    """Raise `stepped`, in place, if it is above calm and the brand has answered it from a text block.

    At page there is an alert as well: the case has changed.
    """
    level = stepped.level
    if not level or reply is None or reply.kind != "canned":
        return Followed(stepped, reply=reply)
    stepped.level = level_after_reply(level, stepped.mentions, stepped.authors.busiest, params)
    if stepped.level > level:
        stepped.raised_ms = mention.created_ms
    stepped.alerts += 1
    keep_up(stepped, usuals)
    probability = _probability(stepped, storm_size(params, stepped.viral_at))
    verdict = Verdict(stepped.level, AlertReason.CANNED_REPLY, probability)
    usual = known(usuals, stepped.brand, stepped.last_ms)
    return Followed(stepped, _alert(stepped, mention, level, verdict, params, usual, reply), reply=reply)


def decide(
    stepped: Thread,
    mention: Mention,
    params: ThreadParams,
    verdict: Verdict,
    usuals: Snapshots = UNKNOWN,
    reading: Reading = NOTHING,
) -> Followed:
    """Give `stepped`, in place, the level of `verdict` after `mention`; the alert if that is a rise."""
    level = stepped.level
    if verdict.level is level:
        return Followed(stepped, None, reading)
    stepped.level = verdict.level
    if verdict.level < level:
        return Followed(stepped, None, reading)
    stepped.raised_ms = mention.created_ms
    stepped.alerts += 1
    usual = known(usuals, stepped.brand, stepped.last_ms)
    return Followed(stepped, _alert(stepped, mention, level, verdict, params, usual), reading)


def has_paged(alert: Alert | None) -> bool:
    """Whether the alert is a thread's rise to page; one that only changed a paged thread's case is not."""
    return alert is not None and alert.level == "page" and alert.previous_level != "page"


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
    reply: ReplyVerdict | None = None,
) -> Alert:
    assert verdict.reason is not None  # noqa: S101 — a level never rises without one
    voices = sorted(thread.voices, key=lambda voice: voice.at_ms)
    features = features_of(thread)
    seen = forecast_from(features, storm_size(params, thread.viral_at))
    found = signals(features, seen.viral_at, usual.shown if usual is not None else ())
    evidence = _evidence(found)
    if reply is not None:
        evidence = (*_of_reply(reply), *(msgspec.structs.replace(one, weight=0.0) for one in evidence))
    return Alert(
        id=alert_id("thread", thread.brand, mention.thread_id, thread.born_ms, thread.alerts, verdict.level),
        scope="thread",
        brand=thread.brand,
        thread_id=mention.thread_id,
        level=verdict.level.word,
        previous_level=previous.word,
        raised_at=rfc3339(mention.created_ms),
        reason=verdict.reason,
        summary=_summary(thread, mention.created_ms, verdict.reason, seen, found),
        forecast=seen,
        evidence=(*evidence, *_of_words(thread)),
        reply=_reply(thread, mention.created_ms),
        mentions=thread.mentions,
        authors=_people(thread),
        reach=thread.reach,
        negative_share=thread.negative / thread.scored if thread.scored else None,
        title=thread.title,
        voices=tuple(voice.text for voice in voices),
        url=thread.url or None,
        voice_ids=tuple(f"{voice.lot:016x}" for voice in voices),
        root_deleted=thread.root_deleted,
        platform=thread.platform,
        refs=told_refs(thread, mention.thread_id),
    )


def _people(thread: Thread) -> int:
    return min(thread.authors.estimate, thread.mentions)  # beyond 64 it is an estimate, and may overshoot


def _summary(thread: Thread, at_ms: int, reason: AlertReason, seen: Forecast, found: Iterable[Signal]) -> str:
    """What is there, what will become of it, and what to do, in that order: a page may be cut."""
    minutes = max(1, round((thread.last_ms - thread.started_ms) / 60_000))
    spell = f"{minutes} min" if minutes < 120 else f"{minutes / 60:.0f} h"
    fresh = next(one for one in found if one.name == "new_people_2h")
    usually = f", usual at this size are {fresh.usual:.0f}" if fresh.usual is not None else ""
    chance = (
        f"{seen.viral_probability:.0%} chance of {seen.viral_at}"
        if thread.mentions_24h < seen.viral_at
        else f"past {seen.viral_at} already"
    )
    begin, said = "", f"; the brand {_said(thread, at_ms)}"
    if reason is AlertReason.CANNED_REPLY:
        begin, said = (
            "Answered from a text block" + (" again" if thread.canned_replies > 1 else "") + ": ",
            "",
        )
    return (
        f"{begin}{thread.mentions} mentions by {_people(thread)} people in {spell}; "
        f"some {seen.expected_24h:.0f} expected within a day ({chance}); "
        f"{fresh.value:.0f} new people lately{usually}"
        f"{said}: {_TO_DO[thread.level]}"
    )


def _said(thread: Thread, at_ms: int) -> str:
    if thread.brand_replies:
        return (
            "has answered from a text block"
            if thread.canned_ms >= thread.last_reply_ms > 0
            else "has answered"
        )
    if not thread.reply_due_ms:
        return "has not answered"
    due = rfc3339(max(at_ms, thread.reply_due_ms))[11:16]
    return f"is to answer at {due} UTC, in {thread.canned_share:.0%} of cases from a text block"


def _reply(thread: Thread, at_ms: int) -> Reply:
    """What the brand has said last, and when its first word is due; never before `at_ms`."""
    if not thread.reply_due_ms:
        expected_at = canned_share = None
    else:
        due_ms, canned_share = max(at_ms, thread.reply_due_ms), round(thread.canned_share, 3)
        expected_at = None if thread.brand_replies else rfc3339(due_ms)
    if not thread.brand_replies:
        return Reply("none", expected_at, canned_share)
    canned = thread.canned_ms >= thread.last_reply_ms > 0
    return Reply("canned" if canned else "own-words", expected_at, canned_share)


def _of_reply(reply: ReplyVerdict) -> tuple[Evidence, ...]:
    """Both witnesses: each rule that holds, and how often the brand has posted nearly this before.

    They alone decided, in equal parts; a recurrence that is none has no part in it.
    """
    seen = reply.recurrence
    part = round(1 / (len(reply.hits) + seen.recurs), 3)
    rules = [Evidence(f"{hit.kind}: {hit.rule}", 1.0, "phrases", None, part) for hit in reply.hits]
    recurred = Evidence(
        f"template {seen.template_id}",
        float(seen.earlier),
        "earlier uses",
        None,
        part if seen.recurs else 0.0,
    )
    return (*rules, recurred)


def _of_words(thread: Thread) -> tuple[Evidence, ...]:
    """What was read; it has no say in the level."""
    if not thread.scored:
        return ()
    share = round(thread.negative / thread.scored, 3)
    usual = round(thread.negative_usual, 3) if thread.negative_usual >= 0 else None
    return (Evidence("negative_share", share, "share", usual, 0.0),)


def _evidence(found: Iterable[Signal]) -> tuple[Evidence, ...]:
    found = tuple(found)
    total = sum(abs(one.weight) for one in found) or 1.0
    return tuple(
        Evidence(
            one.name,
            round(one.value, 2),
            one.unit,
            None if one.usual is None else round(one.usual, 2),
            round(one.weight / total, 3),
        )
        for one in found
    )
