"""What other thresholds would have done, what that costs, and which of them to take.

Law of this file: pure functions of when each thread would have been paged and of the truth. Nothing here
knows how an alert is raised (`streams.trace` does), nothing is rounded, what has no answer is nan.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Final, NamedTuple

import msgspec

from streams import measures
from streams.incident import Incident, Resolution, State, thread_ids
from streams.params import ThreadParams
from streams.trace import with_page

__all__ = [
    "PROFILES",
    "Costs",
    "Joined",
    "Label",
    "Outcome",
    "Resolution",
    "Seen",
    "Wish",
    "best",
    "combinations",
    "cost",
    "frontier",
    "labelled",
    "labels_of",
    "outcome",
]


@dataclass(frozen=True, slots=True)
class Costs:
    """A cost profile: prices in any one unit, each at least 0. The usual unit is one missed storm.

    `false`: of each page for a thread that was no storm. `missed`: of each storm that nobody was paged for.
    `late`: of a page that comes when all of its storm is over; one that comes earlier costs as much less as
    there is still to come. ValueError for a price below 0, nan or infinite.
    """

    false: float
    missed: float
    late: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(price) and price >= 0 for price in (self.false, self.missed, self.late)):
            raise ValueError(f"prices must be 0 or more, not {self.false}, {self.missed}, {self.late}")


# The weights of the Numenta Anomaly Benchmark's three application profiles (Lavin and Ahmad 2015), whose
# hit is worth 1 at a window's start and nothing at its end: that is `late`.
PROFILES: Final[Mapping[str, Costs]] = {
    "standard": Costs(false=0.11, missed=1.0, late=1.0),
    "reward-low-fp": Costs(false=0.22, missed=1.0, late=1.0),
    "reward-low-fn": Costs(false=0.11, missed=2.0, late=1.0),
}


class Seen(NamedTuple):
    """What measures need to know of a recorded thread: its brand, and its first day's answers, sorted."""

    brand: str
    day_ms: Sequence[int]


class Outcome(NamedTuple):
    """What one way to page would have done; shares are 0..1, weeks are of event time, nan is "no answer"."""

    pages: int
    hits: int
    missed: int
    precision: float
    recall: float
    still_to_come: float  # mean over all storms, 0 for a missed one
    lead_time_s: float  # median from page to the answer that made the thread a storm
    pages_per_week: float
    false_pages_per_week: float
    busiest_pages_per_week: float  # of the brand that is paged most
    cost: float  # over the whole recording, in the unit of the profile


def outcome(
    paged: Mapping[str, int],
    seen: Mapping[str, Seen],
    truth: Mapping[str, bool],
    viral_at: Mapping[str, int],
    observed_s: float,
    costs: Costs,
) -> Outcome:
    """Measure the pages, thread id -> time in ms, against the truth, thread id -> storm.

    A thread that the truth does not know is no storm; a storm that was never seen counts as missed.
    `viral_at` is the size of a storm by thread.
    """
    storms = [thread for thread, is_storm in truth.items() if is_storm]
    matched = measures.match(paged, storms)
    shares = {
        one: measures.still_to_come(paged[one], _day(seen, one)) if one in paged else 0.0 for one in storms
    }
    by_brand: dict[str, int] = {}
    for thread in paged:
        brand = seen[thread].brand
        by_brand[brand] = by_brand.get(brand, 0) + 1
    leads = (
        measures.lead_time_s(at, seen[one].day_ms, viral_at[one])
        for one, at in paged.items()
        if one in matched.hits
    )
    return Outcome(
        len(paged),
        len(matched.hits),
        len(matched.missed),
        measures.precision(matched),
        measures.recall(matched),
        measures.mean(shares.values()),
        measures.quantile(leads, 0.5),
        measures.per_week(len(paged), observed_s),
        measures.false_pages_per_week(len(matched.false_alarms), observed_s),
        measures.per_week(max(by_brand.values(), default=0), observed_s),
        cost(
            len(matched.false_alarms),
            len(matched.missed),
            (shares[one] for one in sorted(matched.hits)),
            costs,
        ),
    )


def cost(false: int, missed: int, still_to_come: Iterable[float], costs: Costs) -> float:
    """false * price + missed * price + the sum over caught storms of (1 - still to come) * price of late.

    `still_to_come` has the share of each caught storm; a nan (a storm without an answer) costs as 0 left.
    """
    gone = math.fsum(1.0 if math.isnan(share) else 1.0 - share for share in still_to_come)
    return false * costs.false + missed * costs.missed + gone * costs.late


def combinations(
    present: ThreadParams, vary: Mapping[str, Sequence[object]]
) -> tuple[list[ThreadParams], int]:
    """Every combination of the values that each named field may take, the rest as at `present`.

    Returns also how many are no valid thresholds and were left out. Where `page` varies and watch and warn
    do not, these keep below it (`with_page`). Raises TypeError for a name that is no field.
    """
    found: dict[ThreadParams, None] = {}
    refused = 0
    for values in product(*vary.values()):
        fields: dict[str, Any] = dict(zip(vary, values, strict=True))
        base = present
        try:
            if "page" in fields and not {"watch", "warn"} & fields.keys():
                base = with_page(present, fields.pop("page"))
            found[replace(base, **fields)] = None
        except ValueError:
            refused += 1
    return list(found), refused


class Wish(NamedTuple):
    """What is asked of a setting: None asks nothing."""

    pages_per_week: float | None = None  # at most so many, for the brand that is paged most
    precision: float | None = None  # at least


def best(outcomes: Sequence[Outcome], wish: Wish, changes: Sequence[int] = ()) -> int | None:
    """The place of the outcome to take, None if none meets the wish.

    With a wish, the most still to come within it; without, the least cost. Among equals the least cost, the
    fewest pages, the fewest `changes` (of each outcome's setting from the present one, if given), the first.
    """
    within = [number for number, one in enumerate(outcomes) if _meets(one, wish)]
    asked = wish != Wish()

    def rank(number: int) -> tuple[float, float, int, int]:
        one = outcomes[number]
        early = _or_zero(one.still_to_come) if asked else 0.0
        return (-early, one.cost, one.pages, changes[number] if changes else 0)

    return min(within, key=rank, default=None)


def frontier(outcomes: Sequence[Outcome]) -> list[int]:
    """The places of the outcomes that none beats in both precision and still to come; sorted by precision.

    One without a page has no precision and is not among them.
    """
    known = [number for number, one in enumerate(outcomes) if not math.isnan(one.precision)]
    known.sort(
        key=lambda n: (-outcomes[n].precision, -_or_zero(outcomes[n].still_to_come), outcomes[n].pages)
    )
    kept: list[int] = []
    for number in known:
        if not kept or _or_zero(outcomes[number].still_to_come) > _or_zero(outcomes[kept[-1]].still_to_come):
            kept.append(number)
    return kept[::-1]


class Label(msgspec.Struct, frozen=True):
    """What people said of a thread when it was over; its id names it, that of an alert of it, or both."""

    resolution: Resolution
    thread_id: str | None = None
    alert_id: str | None = None


def labels_of(incident: Incident) -> tuple[Label, ...]:
    """What people said of the threads of an incident: nothing before it is resolved.

    Those that were merged into it share its resolution. One of a brand says nothing of any one thread.
    """
    if incident.state is not State.RESOLVED or incident.resolution is None:
        return ()
    case = incident.case
    return tuple(
        [
            Label(incident.resolution, one, case.id if one == case.thread_id else None)
            for one in thread_ids(incident)
        ]
    )


class Joined(NamedTuple):
    """The truth after labels: how many of them were used, what they turned round, what they did not find."""

    truth: dict[str, bool]
    used: int
    overridden: tuple[str, ...]  # threads of which the truth said otherwise, sorted
    unmatched: int  # labels of threads and alerts that are not in the recording
    too_late: frozenset[str]  # threads that people said were paged too late, or never


def labelled(
    truth: Mapping[str, bool],
    labels: Iterable[Label],
    recorded: Iterable[str],
    thread_of: Mapping[str, str],
) -> Joined:
    """The truth with people's word above it: handled and missed-too-late are storms, false-alarm is none.

    Labels come in the order in which they were given: the last word on a thread counts. `recorded` are the
    thread ids of the recording, `thread_of` its alert ids; a label of anything else is counted and left out.
    An alert's id says which life of a thread is meant, if that began anew: where it is known, it wins.
    """
    there = frozenset(recorded)
    said: dict[str, Resolution] = {}
    used = unmatched = 0
    for label in labels:
        thread = thread_of.get(label.alert_id or "") or label.thread_id
        if thread is None or thread not in there:
            unmatched += 1
            continue
        used += 1
        said[thread] = label.resolution
    words = {thread: resolution != "false-alarm" for thread, resolution in said.items()}
    return Joined(
        {**truth, **words},
        used,
        tuple(sorted(one for one, is_storm in words.items() if truth.get(one, False) != is_storm)),
        unmatched,
        frozenset(one for one, resolution in said.items() if resolution == "missed-too-late"),
    )


def _day(seen: Mapping[str, Seen], thread: str) -> Sequence[int]:
    found = seen.get(thread)
    return found.day_ms if found is not None else ()


def _meets(one: Outcome, wish: Wish) -> bool:
    if wish.pages_per_week is not None and not one.busiest_pages_per_week <= wish.pages_per_week:
        return False
    return wish.precision is None or one.precision >= wish.precision


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value
