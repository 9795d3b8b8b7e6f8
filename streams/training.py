"""Weights for `streams.forecast` from recorded threads.

Law of this file: pure functions of mentions and numbers; the same recording gives the same weights. What
is learned from is what the forecast will see, since both walk `step`; what is learned is never about one
mention among many: a thread speaks a few times, at numbers of mentions that grow by half.

Method: the ln odds of reaching a size are linear in the signals, so for a handful of sizes around the
threshold this is one logistic regression over all of them (the proportional-odds model of McCullagh 1980),
with a ridge on standardised signals and bounds on the signs, solved by Newton's method on the free weights
(Bertsekas 1982, projected Newton). No library is needed: 14,588 threads take seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from streams.as_usual import begin, keep_up
from streams.forecast import SIGNALS, Features, Model, features_of, terms
from streams.mention import Mention
from streams.thread import DAY_MS, Thread, step
from streams.usual import Usuals

__all__ = ["Moment", "Story", "corrected", "fit", "tell"]

_SIZES: Final = (
    *((0.1, 0.1), (0.2, 0.1), (0.3, 0.1), (0.5, 0.2), (0.7, 0.5)),
    *((1.0, 1.0), (1.4, 0.5), (2.0, 0.2), (3.0, 0.2), (4.5, 0.1)),
)
"""(threshold over viral_at, weight): what is asked most about counts most; the others give the spread."""
_FROM: Final = 5  # mentions: smaller threads are never judged
_GROWTH: Final = 1.5
_RIDGE: Final = 1.0
_STEPS: Final = 50
_DONE: Final = 1e-5  # of the loss
_FREE: Final = (-math.inf, math.inf)
_POSITIVE: Final = (0.0, math.inf)
_SPREAD: Final = (0.05, math.inf)
_BOUNDS: Final = (
    *[_FREE if name in ("day_left", "age_beyond_2h", "brand_tempo") else _POSITIVE for name in SIGNALS],
    _FREE,  # bias
    _POSITIVE,  # progress
    _SPREAD,  # spread
    _POSITIVE,  # spread_by_age
    _POSITIVE,  # tail
)


class Moment(NamedTuple):
    """A thread after one of its mentions."""

    features: Features
    people: int
    busiest: int  # mentions by its busiest author
    at_ms: int


class Story(NamedTuple):
    """A thread's first day: moments in the order of their arrival, and how it ended."""

    thread_id: str
    brand: str
    born_ms: int  # of the mention that arrived first; names the episode
    started_ms: int
    size: int  # mentions within 24 h, the root included
    moments: tuple[Moment, ...]


def tell(mentions: Iterable[Mention]) -> list[Story]:
    """The stories of all threads in a recording; brands' own mentions and volume counts are left out."""
    threads: dict[str, Thread] = {}
    usuals = Usuals()
    told: dict[str, list[Moment]] = {}
    for mention in mentions:
        if mention.kind == "volume":
            continue
        latest = usuals.reach(mention.created_ms)
        before = threads.get(mention.thread_id)
        thread = step(before, mention)
        if thread is None:
            continue
        if thread is not before:
            threads[mention.thread_id] = thread
            begin(thread, latest)
        if mention.from_brand:
            continue
        usuals.add(thread, mention)
        if thread.last_ms - thread.started_ms < DAY_MS:
            keep_up(thread, latest)
            features, authors = features_of(thread), thread.authors
            moment = Moment(features, authors.estimate, authors.busiest, mention.created_ms)
            told.setdefault(mention.thread_id, []).append(moment)
    return [
        Story(name, one.brand, one.born_ms, one.started_ms, one.mentions_24h, tuple(moments))
        for name, moments in told.items()
        for one in (threads[name],)
    ]


def corrected(stories: Iterable[Story], said: Mapping[str, bool], viral_at: int) -> list[Story]:
    """The stories after people's word on threads: a storm or none, whatever its size.

    What somebody took care of in time stayed small, and would teach the opposite: a storm counts as of
    `viral_at` mentions at least, what is none as of less.
    """
    found = []
    for story in stories:
        if (is_storm := said.get(story.thread_id)) is not None:
            size = max(story.size, viral_at) if is_storm else min(story.size, viral_at - 1)
            story = story._replace(size=size)
        found.append(story)
    return found


def fit(
    stories: Sequence[Story],
    viral_at: int,
    about: str = "",
    trained: Mapping[str, object] | None = None,
    measured: Mapping[str, object] | None = None,
) -> Model:
    """The weights that make the ends of these stories most likely.

    `stories` should hold some dozens that reached `viral_at` (>= 2); ValueError if none or all of them did.
    """
    signs = {story.size >= viral_at for story in stories}
    if len(signs) < 2:
        raise ValueError(f"need threads with less and with more than {viral_at} mentions to learn from")
    points = [
        (terms(moment.features), moment.features.mentions, moment.features.age_s, story.size)
        for story in stories
        for moment in _spoken(story)
    ]
    means, scales = _standards([values for values, *_ in points])
    rows: list[tuple[tuple[float, ...], float, float]] = []  # signals, weight, +1 reached or -1 not
    for values, mentions, age_s, size in points:
        ln_age = math.log(age_s / 300.0 + 1.0)
        known = [(value - mean) / scale for value, mean, scale in zip(values, means, scales, strict=True)]
        for ratio, weight in _SIZES:
            asked = ratio * viral_at
            if mentions < asked:
                ln_size = math.log(ratio)
                progress = -math.log(1.0 - mentions / asked)
                rest = (1.0, progress, -ln_size, -ln_size * ln_age, -max(0.0, ln_size))
                rows.append(((*known, *rest), weight / math.sqrt(mentions), 1.0 if size >= asked else -1.0))
    solved = _solve(rows)
    count = len(SIGNALS)
    weights = [weight / scale for weight, scale in zip(solved, scales, strict=False)]
    bias = solved[count] - sum(weight * mean for weight, mean in zip(weights, means, strict=True))
    return Model(
        kind="flashover-threads",
        about=about,
        viral_at=viral_at,
        bias=_rounded(bias),
        weights=dict(zip(SIGNALS, map(_rounded, weights), strict=True)),
        progress=_rounded(solved[count + 1]),
        spread=_rounded(solved[count + 2]),
        spread_by_age=_rounded(solved[count + 3]),
        tail=_rounded(solved[count + 4]),
        usual=_usual([(values, mentions) for values, mentions, _, size in points if size < viral_at]),
        trained=dict(trained or {}),
        measured=dict(measured or {}),
    )


def _spoken(story: Story) -> list[Moment]:
    """The moments at which a thread speaks: when it first has 5, 7, 11, 16, ... mentions."""
    chosen, due = [], _FROM
    for moment in story.moments:
        if moment.features.mentions >= due:
            chosen.append(moment)
            due = math.floor(moment.features.mentions * _GROWTH)
    return chosen


def _standards(table: Sequence[Sequence[float]]) -> tuple[list[float], list[float]]:
    columns = list(zip(*table, strict=True))
    means = [math.fsum(column) / len(column) for column in columns]
    scales = []
    for column, mean in zip(columns, means, strict=True):
        deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in column) / len(column))
        scales.append(deviation or 1.0)
    return means, scales


def _solve(rows: Sequence[tuple[tuple[float, ...], float, float]]) -> list[float]:
    """The b that minimises sum(weight * ln(1 + exp(-sign * x.b))) + ridge within _BOUNDS; it is convex."""
    size, signals = len(_BOUNDS), len(SIGNALS)
    ridge = [_RIDGE] * signals + [0.0] + [0.01] * (size - signals - 1)
    point = [min(max(0.0, low), high) for low, high in _BOUNDS]
    loss = _loss(rows, point, ridge)
    for _ in range(_STEPS):
        gradient, hessian = _slopes(rows, point, ridge)
        free = [
            i
            for i, (low, high) in enumerate(_BOUNDS)
            if not ((point[i] <= low and gradient[i] > 0) or (point[i] >= high and gradient[i] < 0))
        ]
        ahead = _linear([[hessian[i][j] for j in free] for i in free], [-gradient[i] for i in free])
        length, before = 1.0, loss
        while True:
            reached = point[:]
            for i, move in zip(free, ahead, strict=True):
                reached[i] = min(max(point[i] + length * move, _BOUNDS[i][0]), _BOUNDS[i][1])
            loss = _loss(rows, reached, ridge)
            if loss <= before or length < 1e-6:
                break
            length /= 2
        point = reached
        if before - loss < _DONE * before:
            break
    return point


def _loss(
    rows: Iterable[tuple[tuple[float, ...], float, float]], point: Sequence[float], ridge: Sequence[float]
) -> float:
    total = 0.0
    for values, weight, sign in rows:
        margin = -sign * sum([value * at for value, at in zip(values, point, strict=True)])
        total += weight * (margin if margin > 30 else math.log1p(math.exp(margin)))
    return total + 0.5 * sum(r * at * at for r, at in zip(ridge, point, strict=True))


def _slopes(
    rows: Iterable[tuple[tuple[float, ...], float, float]], point: Sequence[float], ridge: Sequence[float]
) -> tuple[list[float], list[list[float]]]:
    """Gradient and Hessian of `_loss`."""
    size = len(point)
    gradient = [r * at for r, at in zip(ridge, point, strict=True)]
    hessian = [[ridge[i] + 1e-9 if i == j else 0.0 for j in range(size)] for i in range(size)]
    for values, weight, sign in rows:
        margin = sign * sum([value * at for value, at in zip(values, point, strict=True)])
        chance = 1.0 / (1.0 + math.exp(margin)) if margin < 30 else 0.0
        push, bend = -sign * weight * chance, weight * chance * (1.0 - chance)
        if chance < 1e-6:
            continue
        for i, value in enumerate(values):
            gradient[i] += push * value
            bent, line = bend * value, hessian[i]
            for j in range(i + 1):
                line[j] += bent * values[j]
    for i in range(size):
        for j in range(i):
            hessian[j][i] = hessian[i][j]
    return gradient, hessian


def _linear(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Solve matrix * x = right, the matrix positive definite (Cholesky)."""
    size = len(right)
    lower = [[0.0] * size for _ in range(size)]
    for i in range(size):
        for j in range(i + 1):
            rest = matrix[i][j] - sum(lower[i][k] * lower[j][k] for k in range(j))
            lower[i][j] = math.sqrt(rest) if i == j else rest / lower[j][j]
    half = [0.0] * size
    for i in range(size):
        half[i] = (right[i] - sum(lower[i][k] * half[k] for k in range(i))) / lower[i][i]
    solution = [0.0] * size
    for i in reversed(range(size)):
        rest = sum(lower[k][i] * solution[k] for k in range(i + 1, size))
        solution[i] = (half[i] - rest) / lower[i][i]
    return solution


def _usual(points: Sequence[tuple[tuple[float, ...], int]]) -> dict[str, tuple[float, float]]:
    """For each signal the straight line of its term over ln mentions, by least squares."""
    logs = [math.log(mentions) for _, mentions in points]
    middle = math.fsum(logs) / len(logs)
    spread = math.fsum((one - middle) ** 2 for one in logs) or 1.0
    lines = {}
    for index, name in enumerate(SIGNALS):
        column = [values[index] for values, _ in points]
        mean = math.fsum(column) / len(column)
        slope = math.fsum((x - middle) * (y - mean) for x, y in zip(logs, column, strict=True)) / spread
        lines[name] = (_rounded(mean - slope * middle), _rounded(slope))
    return lines


def _rounded(number: float) -> float:
    return round(number, 4)
