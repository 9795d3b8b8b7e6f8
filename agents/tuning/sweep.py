"""A recording followed once, in as many processes as there are cores, and many thresholds asked of it.

Law of this file: what comes out is what one process would say, whatever the number of them. A brand is
followed by one process alone, with every brand that shares a thread with it, because what the core learns
it may learn of a brand. Memory: some 200 bytes for each mention of a thread that could have left calm.
"""

from __future__ import annotations

import heapq
import os
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from agents.files import STDIN, Refusal, check, read_lines, size_of
from agents.settings import Settings
from agents.terminal import progress
from agents.tuning.recorder import Recorder
from streams.levels import Level
from streams.params import ThreadParams
from streams.trace import DECIDED_BY, Floor, Trace, first_ms, floor_of, rises

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

__all__ = ["FirstAlert", "RefusedLine", "Swept", "record", "sweep"]

# Some 100,000 mentions, unpacked, or four seconds: below it processes cost more than they save.
_SMALL_BYTES: Final = 32 << 20
_PACKED: Final = 8  # times as much text as gzip bytes
_POLL_S: Final = 0.25
_REFUSALS_KEPT: Final = 10


class RefusedLine(NamedTuple):
    """A line that is no mention."""

    file: str
    number: int
    refusal: Refusal


class FirstAlert(NamedTuple):
    """The first alert of a level in a thread: when, and the probability it tells."""

    at_ms: int
    probability: float


class Swept(NamedTuple):
    """A recording, and what it says of each setting."""

    traces: list[Trace]  # sorted by start and name; made under the first setting of all
    paged: list[dict[str, int]]  # for each setting: name of the trace -> time of its first page
    raised: dict[str, dict[str, FirstAlert]]  # level -> name -> the first alert of that level or above it
    mentions: int
    first_ms: int  # of the first and the last mention
    last_ms: int
    refused: Counter[str]
    refused_lines: list[RefusedLine]  # the first few

    @property
    def observed_s(self) -> float:
        """The event time that was recorded, from the first mention to the last, in seconds."""
        return max(0, self.last_ms - self.first_ms) / 1000


class _Task(NamedTuple):
    """One brand's, or several brands', part of a recording under settings that need one pass."""

    files: tuple[str, ...]
    settings: Settings
    several: tuple[ThreadParams, ...]
    brands: frozenset[str] | None  # None: all
    with_rest: bool  # lines whose brand can't be read are this one's, to refuse
    floor: Floor
    now_ms: int


class _Named(msgspec.Struct, gc=False):
    """As much of a line as tells whose it is."""

    brand: str
    thread_id: str


class _StoppedError(Exception):
    """The parent wants no answer any more."""


def record(files: Sequence[str], settings: Settings, now_ms: int, workers: int | None = None) -> Swept:
    """The recording under the settings as they are: its traces, its alerts, no sweep."""
    return sweep(files, settings, (settings.thresholds,), now_ms, workers)


def sweep(
    files: Sequence[str],
    settings: Settings,
    several: Sequence[ThreadParams],
    now_ms: int,
    workers: int | None = None,
) -> Swept:
    """Follow `files` under `settings`, and tell when each of `several` thresholds would have paged.

    Settings that differ in `streams.trace.DECIDED_BY` alone share one pass. `workers` are at most as many as
    there are cores (None). Standard input is read once: it allows one pass only. Raises InputError, and
    ValueError if standard input would have to be read twice.
    """
    passes = _passes(settings.thresholds, several)
    if STDIN in files and len(passes) > 1:
        raise ValueError("standard input can be read but once")
    total = size_of(files)
    cores = min(workers or _cores(), _cores())
    if total is None or _text_bytes(files) < _SMALL_BYTES:
        cores = 1
    with progress("following", None if total is None else total * (len(passes) + (cores > 1))) as advance:
        parts: list[frozenset[str] | None] = [None]
        if cores > 1:
            parts = list(_parts(files, settings.max_record_bytes, cores, advance)) or [None]
        tasks = [
            _Task(
                tuple(files),
                settings.model_copy(update={"thresholds": base}),
                tuple(several[number] for number in numbers),
                brands,
                part == 0,
                floor_of([*(several[number] for number in numbers), base]),
                now_ms,
            )
            for base, numbers in passes
            for part, brands in enumerate(parts)
        ]
        # Each part reads all of the files: the bar moves by its share.
        answers = _run(tasks, cores, lambda more: advance(more // len(parts)))
    by_pass = [answers[at : at + len(parts)] for at in range(0, len(answers), len(parts))]
    paged: list[dict[str, int]] = [{} for _ in several]
    for (_, numbers), of_pass in zip(passes, by_pass, strict=True):
        for answer in of_pass:
            for number, found in zip(numbers, answer.paged, strict=True):
                paged[number].update(found)
    first = by_pass[0]
    lines = [line for answer in first for line in answer.refused_lines]
    order = {name: number for number, name in enumerate(files)}
    lines.sort(key=lambda one: (order[one.file], one.number))
    return Swept(
        sorted(
            (trace for answer in first for trace in answer.traces), key=lambda one: (one.started_ms, one.name)
        ),
        paged,
        {
            level: {name: alert for answer in first for name, alert in answer.raised[level].items()}
            for level in first[0].raised
        },
        sum(answer.mentions for answer in first),
        min((answer.first_ms for answer in first if answer.mentions), default=0),
        max((answer.last_ms for answer in first if answer.mentions), default=0),
        sum((answer.refused for answer in first), Counter()),
        lines[:_REFUSALS_KEPT],
    )


def _passes(present: ThreadParams, several: Sequence[ThreadParams]) -> list[tuple[ThreadParams, list[int]]]:
    """Thresholds that need a pass of their own, with the places in `several` of those that it answers for.

    The first is that of `present`, which makes the traces, even if none of `several` goes with it.
    """

    def key(params: ThreadParams) -> tuple[tuple[str, Any], ...]:
        return tuple((name, value) for name, value in asdict(params).items() if name not in DECIDED_BY)

    passes: dict[tuple[tuple[str, Any], ...], tuple[ThreadParams, list[int]]] = {key(present): (present, [])}
    for number, params in enumerate(several):
        passes.setdefault(key(params), (params, []))[1].append(number)
    return list(passes.values())


def _parts(
    files: Sequence[str], limit: int, count: int, advance: Callable[[int], None]
) -> list[frozenset[str]]:
    """The brands in at most `count` parts of like many mentions; brands that share a thread together."""
    decode = msgspec.json.Decoder(_Named).decode
    mentions: Counter[str] = Counter()
    brand_of: dict[int, str] = {}
    joined: dict[str, str] = {}

    def root(brand: str) -> str:
        while (above := joined.get(brand, brand)) != brand:
            brand = above
        return brand

    for line in read_lines(files, limit, advance):
        try:
            one = decode(line.raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        mentions[one.brand] += 1
        other = brand_of.setdefault(hash(one.thread_id), one.brand)
        if other != one.brand and root(other) != root(one.brand):
            joined[root(one.brand)] = root(other)
    groups: dict[str, list[str]] = {}
    for brand in mentions:
        groups.setdefault(root(brand), []).append(brand)
    parts: list[tuple[int, int, list[str]]] = [(0, number, []) for number in range(count)]
    for group in sorted(groups.values(), key=lambda group: -sum(mentions[brand] for brand in group)):
        size, number, brands = heapq.heappop(parts)
        heapq.heappush(parts, (size + sum(mentions[brand] for brand in group), number, [*brands, *group]))
    return [frozenset(brands) for _, _, brands in sorted(parts, key=lambda part: part[1]) if brands]


def _run(tasks: Sequence[_Task], workers: int, advance: Callable[[int], None]) -> list[Swept]:
    if workers == 1 or len(tasks) == 1:
        return [_follow(task, advance) for task in tasks]
    context = get_context("spawn")  # a fork would copy the thread of the progress bar in mid-step
    done: Synchronized[int] = context.Value("q", 0)
    pool = ProcessPoolExecutor(min(workers, len(tasks)), context, _begin, (done,))
    try:
        futures = [pool.submit(_follow_apart, task) for task in tasks]
        waiting, told = set(futures), 0
        while waiting:
            finished, waiting = wait(waiting, _POLL_S, FIRST_COMPLETED)
            for future in finished:
                future.result()
            advance(done.value - told)
            told = done.value
        return [future.result() for future in futures]
    finally:
        done.value = _STOP
        pool.shutdown(cancel_futures=True)


_STOP: Final = -(1 << 62)
_done: Synchronized[int] | None = None  # in a process of the pool: bytes read by all of them


def _begin(done: Synchronized[int]) -> None:
    global _done
    _done = done
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group: the parent decides


def _follow_apart(task: _Task) -> Swept:
    done = _done
    assert done is not None  # noqa: S101 — set by `_begin`

    def advance(more: int) -> None:
        with done.get_lock():
            if done.value < 0:
                raise _StoppedError
            done.value += more

    return _follow(task, advance)


def _follow(task: _Task, advance: Callable[[int], None]) -> Swept:
    """One part of a recording, through the core."""
    settings = task.settings
    decoder, recorder = settings.decoder(), Recorder(settings, task.floor)
    named = msgspec.json.Decoder(_Named).decode
    raised: dict[str, dict[str, FirstAlert]] = {level.word: {} for level in Level if level}
    refused: Counter[str] = Counter()
    refused_lines: list[RefusedLine] = []
    mentions, first, last = 0, 1 << 62, 0
    for line in read_lines(task.files, settings.max_record_bytes, advance):
        if task.brands is not None:
            try:
                if named(line.raw).brand not in task.brands:
                    continue
            except (msgspec.DecodeError, UnicodeDecodeError):
                if not task.with_rest:
                    continue
        mention = check(line, decoder, task.now_ms)
        if isinstance(mention, Refusal):
            refused[mention.reason] += 1
            if len(refused_lines) < _REFUSALS_KEPT:
                refused_lines.append(RefusedLine(line.file, line.number, mention))
            continue
        if mention.kind == "volume":
            continue  # a count of the brand's, no thread's
        mentions += 1
        at = mention.created_ms
        first, last = min(first, at), max(last, at)
        name, alert = recorder.follow(mention)
        if alert is not None:
            found = FirstAlert(at, alert.forecast.viral_probability)
            for level in Level:
                if Level.CALM < level <= Level[alert.level.upper()]:
                    raised[level.word].setdefault(name, found)
    traces = recorder.traces()
    paged = []
    for params in task.several:
        with_params = settings.model_copy(update={"thresholds": params})
        times = (
            (one.name, first_ms(rises(one, with_params.params_for(one.brand)), Level.PAGE))
            for one in traces
            if one.glimpses
        )
        paged.append({name: at for name, at in times if at is not None})
    return Swept(traces, paged, raised, mentions, first, last, refused, refused_lines)


def _text_bytes(files: Sequence[str]) -> int:
    return sum((size_of([name]) or 0) * (_PACKED if name.endswith(".gz") else 1) for name in files)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
