"""What sources tell of brands: cumulative, in time, and nothing lost over a restart."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.mention import Mention
from streams.pulse import GRACE_MIN, MINUTE_MS, Figures, Mark, Open, Pulse, Told, Volume, Watermarks, merge
from streams.pulses import Pulses

M0 = 28_401_120  # 2024-01-01T00:00Z in minutes


def mention(
    at_min: float,
    brand: str = "acme",
    *,
    followers: int = 0,
    from_brand: bool = False,
    count: int = 0,
    interval_s: int = 0,
) -> Mention:
    return Mention(
        id=f"forum:{at_min}",
        key=1,
        brand=brand,
        platform="forum",
        thread_id="volume:acme",
        parent=0,
        to_root=False,
        kind="volume" if interval_s else "post",
        author=1,
        followers=followers,
        from_brand=from_brand,
        text="",
        lang="",
        created_ms=int((M0 + at_min) * MINUTE_MS),
        url="",
        reactions=None,
        count=count,
        interval_s=interval_s,
    )


def figures_of(told: Iterable[Told]) -> dict[tuple[str, int], Figures]:
    merged: dict[tuple[str, int], Figures] = {}
    for one in told:
        if isinstance(one, Pulse):
            key = (one.brand, one.minute - M0)
            merged[key] = merge(merged.get(key, Figures()), one.figures)
    return merged


def test_a_minute_is_told_once_the_watermark_has_left_it() -> None:
    pulses = Pulses(3)
    pulses.add(mention(0.1, followers=7))
    pulses.add(mention(0.9, followers=5))
    assert pulses.take() == [Mark(3, M0, False)]
    assert pulses.take() == []
    pulses.add(mention(1.0))
    assert pulses.take() == [Pulse("acme", 3, M0, Figures(2, 12)), Mark(3, M0 + 1, False)]
    assert pulses.take() == []


def test_a_minute_that_changed_is_told_again_whole() -> None:
    pulses = Pulses(0)
    for at_min in (0.0, 1.0):
        pulses.add(mention(at_min))
    pulses.take()
    for at_min in (0.5, 2.0):
        pulses.add(mention(at_min))
    assert figures_of(pulses.take()) == {("acme", 0): Figures(2), ("acme", 1): Figures(1)}


@pytest.mark.parametrize(("behind_min", "counts"), [(GRACE_MIN, True), (GRACE_MIN + 1, False)])
def test_what_is_later_than_the_grace_is_left_out_and_counted(behind_min: int, counts: bool) -> None:
    pulses = Pulses(0)
    pulses.add(mention(20))
    pulses.take()
    pulses.add(mention(20 - behind_min))
    assert (pulses.late, len(figures_of(pulses.take(idle=True)))) == ((0, 2) if counts else (1, 1))


def test_an_idle_source_tells_the_minute_that_runs() -> None:
    pulses = Pulses(0)
    pulses.add(mention(0))
    assert pulses.take(idle=True) == [Pulse("acme", 0, M0, Figures(1)), Mark(0, M0, True)]


def test_the_brands_own_mentions_are_in_no_figure() -> None:
    pulses = Pulses(0)
    pulses.add(mention(0, from_brand=True))
    assert figures_of(pulses.take(idle=True)) == {}


def test_what_a_mention_did_to_its_thread_is_told() -> None:
    """Texts scored with it, those of them that are negative, and the page it led to."""
    pulses = Pulses(0)
    pulses.add(mention(0), scored=1, negative=1)
    pulses.add(mention(0), scored=2, paged=True)
    pulses.add(mention(0))
    assert figures_of(pulses.take(idle=True)) == {("acme", 0): Figures(3, 0, scored=3, negative=1, pages=1)}


def test_a_volume_is_passed_on_and_judged_late_by_its_end() -> None:
    """A feed tells of an hour when it is over; sources with posts are ahead by then."""
    pulses = Pulses(0)
    pulses.add(mention(65))
    pulses.volume(mention(0, count=4, interval_s=3600))
    pulses.volume(mention(0, count=4, interval_s=300))
    pulses.volume(mention(0, count=4, interval_s=86_400))
    assert pulses.take()[0] == Volume("acme", "volume:acme", M0 * MINUTE_MS, 3600, 4)
    assert (pulses.late, pulses.coarse) == (1, 1)


@given(
    minutes=st.lists(st.tuples(st.integers(0, 40), st.sampled_from("ab")), min_size=1, max_size=60),
    cut=st.integers(0, 60),
    flushes=st.sets(st.integers(0, 60)),
)
@settings(deadline=None)
def test_a_restart_changes_nothing(minutes: list[tuple[int, str]], cut: int, flushes: set[int]) -> None:
    """Whenever the process ends and goes on from what it wrote, the merged figures are the same."""
    whole, parts = Pulses(0), Pulses(0)
    told: list[Told] = []
    for number, (minute, brand) in enumerate(minutes):
        for pulses in (whole, parts):
            pulses.add(mention(minute, brand))
        if number in flushes:
            told += parts.take()
        if number == cut:
            told += parts.take()
            parts = Pulses(0, parts.open())
    told += parts.take(idle=True)
    assert figures_of(told) == figures_of(whole.take(idle=True))
    assert parts.late == whole.late


def test_what_must_be_remembered_is_bounded_by_the_grace() -> None:
    pulses = Pulses(0)
    for minute in range(500):
        pulses.add(mention(minute))
    pulses.take()
    kept = pulses.open()
    assert kept == Open(M0 + 499, 0, tuple(("acme", M0 + m, Figures(1), ()) for m in range(489, 500)))


@pytest.mark.parametrize(
    ("marks", "minute"),
    [
        ([Mark(0, 9, False)], 0),  # source 1 was never heard of
        ([Mark(0, 9, False), Mark(1, 5, False)], 5),
        ([Mark(0, 9, False), Mark(1, 5, True)], 9),  # nobody waits for an idle source
        ([Mark(0, 9, True), Mark(1, 5, True)], 9),
        ([Mark(0, 9, False), Mark(1, 5, True), Mark(1, 6, False)], 9),  # never back
        ([Mark(0, 9, False), Mark(1, 5, False), Mark(1, 4, True)], 5),  # an old mark, read again
        ([Mark(0, 9, False), Mark(1, 5, False), Mark(2, 99, False)], 5),  # no source of ours
    ],
)
def test_the_watermark_is_that_of_the_slowest_source(marks: list[Mark], minute: int) -> None:
    watermarks = Watermarks(2)
    for mark in marks:
        watermarks.hear(mark)
    assert watermarks.minute == minute
    assert Watermarks(2, watermarks.marks.values(), watermarks.minute).minute == minute
