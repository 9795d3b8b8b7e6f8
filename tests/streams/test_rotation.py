"""Who is on call follows the clocks of the place, and leaves no moment out."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.rotation import Agenda, Interval, Layer, Override, Rotation, Shift, duties, gaps, shifts

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
HOUR, DAY = 3_600_000, 86_400_000


def at(text: str) -> int:
    """A moment, UTC."""
    return int(datetime.fromisoformat(text + ":00+00:00").timestamp() * 1000)


def told(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M")


def on_call(rotation: Rotation, at_ms: int) -> tuple[str, ...]:
    (duty,) = duties(rotation, at_ms, at_ms + 1)
    return duty.people


def weekly(zone: ZoneInfo, starts: date, hand_over: time = time(8), days: int = 7) -> Layer:
    return Layer(("a", "b"), zone, starts, hand_over, days)


@pytest.mark.parametrize(
    ("layer", "since", "ends"),
    [
        # Berlin's clocks go forward on 30 March 2025 and back on 26 October; the week is 167 and 169 h long
        (weekly(BERLIN, date(2025, 3, 24)), "2025-03-24T07:00", "2025-03-31T06:00"),
        (weekly(BERLIN, date(2025, 10, 20)), "2025-10-20T06:00", "2025-10-27T07:00"),
        # New York's on 9 March and 2 November
        (weekly(NEW_YORK, date(2025, 3, 3)), "2025-03-03T13:00", "2025-03-10T12:00"),
        (weekly(NEW_YORK, date(2025, 10, 27)), "2025-10-27T12:00", "2025-11-03T13:00"),
        # a hand-over at 2:30 on the day that has none is an hour later on the clock; that of 26 October
        # has two, and the first one counts
        (weekly(BERLIN, date(2025, 3, 23), time(2, 30)), "2025-03-23T01:30", "2025-03-30T01:30"),
        (weekly(BERLIN, date(2025, 10, 19), time(2, 30)), "2025-10-19T00:30", "2025-10-26T00:30"),
        # leap days: 2028 has one, 2100 has none
        (weekly(BERLIN, date(2028, 2, 28), days=1), "2028-02-28T07:00", "2028-02-29T07:00"),
        (weekly(BERLIN, date(2028, 2, 29), days=1), "2028-02-29T07:00", "2028-03-01T07:00"),
        (weekly(BERLIN, date(2100, 2, 28), days=1), "2100-02-28T07:00", "2100-03-01T07:00"),
    ],
)
def test_a_hand_over_is_at_its_hour_of_the_local_clock(layer: Layer, since: str, ends: str) -> None:
    first, second, *_ = shifts(layer, at(since), at(ends) + DAY)
    assert (told(first.start_ms), told(first.end_ms), first.person) == (since, ends, "a")
    assert (told(second.start_ms), second.person) == (ends, "b")


def test_nobody_is_on_call_before_a_layer_starts() -> None:
    layer = weekly(BERLIN, date(2025, 6, 2))
    assert list(shifts(layer, at("2025-05-01T00:00"), at("2025-06-02T06:00"))) == []


def test_hours_of_the_night_belong_to_the_day_they_begin_on() -> None:
    """From 20:00 to 8:00 on Fridays: Saturday's early hours are within, Friday's are not."""
    layer = Layer(("a",), BERLIN, date(2025, 6, 2), hours=(time(20), time(8)), weekdays=frozenset({4}))
    found = [
        (told(one.start_ms), told(one.end_ms))
        for one in shifts(layer, at("2025-06-05T00:00"), at("2025-06-12T00:00"))
    ]
    assert found == [("2025-06-06T18:00", "2025-06-07T06:00")]


def test_a_hand_over_within_the_hours_parts_them() -> None:
    layer = Layer(("a", "b"), BERLIN, date(2025, 6, 2), time(12), 1, (time(8), time(20)))
    found = list(shifts(layer, at("2025-06-03T00:00"), at("2025-06-04T00:00")))
    assert [(told(one.start_ms)[11:], told(one.end_ms)[11:], one.person) for one in found] == [
        ("06:00", "10:00", "a"),
        ("10:00", "18:00", "b"),
    ]


def test_day_in_berlin_and_night_in_new_york_meet_at_eight_of_each_clock() -> None:
    """In the week in which only Berlin's clocks are back, both are there for an hour, and nobody for one."""
    day = Layer(("berlin",), BERLIN, date(2025, 1, 6), hours=(time(8), time(14)))
    night = Layer(("york",), NEW_YORK, date(2025, 1, 6), hours=(time(8), time(2)))
    both = Rotation((day, night))

    def seen(since: str, until: str) -> list[tuple[str, tuple[str, ...]]]:
        return [(told(one.start_ms)[11:], one.people) for one in duties(both, at(since), at(until))]

    assert seen("2025-10-20T06:00", "2025-10-21T06:00") == [("06:00", ("berlin",)), ("12:00", ("york",))]
    assert seen("2025-10-28T07:00", "2025-10-29T07:00") == [
        ("07:00", ("berlin",)),
        ("12:00", ("berlin", "york")),
        ("13:00", ("york",)),
        ("06:00", ()),
    ]


def test_layers_are_on_call_side_by_side() -> None:
    rotation = Rotation(
        (
            weekly(BERLIN, date(2025, 6, 2)),
            Agenda((Shift(at("2025-06-03T00:00"), at("2025-06-04T00:00"), "c"),)),
        )
    )
    assert on_call(rotation, at("2025-06-03T12:00")) == ("a", "c")
    assert on_call(rotation, at("2025-06-04T00:00")) == ("a",)


def test_of_overrides_that_overlap_the_last_holds_while_it_lasts() -> None:
    start = at("2025-06-03T00:00")
    rotation = Rotation(
        (weekly(BERLIN, date(2025, 6, 2)),),
        (Override(start, start + 6 * HOUR, "c"), Override(start + 2 * HOUR, start + 4 * HOUR, "d")),
    )
    found = [(one.start_ms - start, one.people) for one in duties(rotation, start - HOUR, start + 8 * HOUR)]
    assert found == [
        (-HOUR, ("a",)),
        (0, ("c",)),
        (2 * HOUR, ("d",)),
        (4 * HOUR, ("c",)),
        (6 * HOUR, ("a",)),
    ]


def test_who_stands_in_for_one_replaces_nobody_else() -> None:
    start = at("2025-06-03T00:00")
    layers = (weekly(BERLIN, date(2025, 6, 2)), Layer(("x",), BERLIN, date(2025, 6, 2)))
    rotation = Rotation(
        layers, (Override(start, start + HOUR, "c", "x"), Override(start, start + HOUR, "d", "b"))
    )
    assert on_call(rotation, start) == ("a", "c")


def test_an_override_for_whoever_it_is_fills_a_gap() -> None:
    start = at("2025-06-03T00:00")
    rotation = Rotation((Layer(("a",), BERLIN, date(2026, 1, 1)),), (Override(start, start + HOUR, "c"),))
    assert on_call(rotation, start) == ("c",)
    assert on_call(rotation, start + HOUR) == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"people": ()},
        {"days": 0},
        {"weekdays": frozenset()},
        {"weekdays": frozenset({7})},
        {"hand_over": time(8, tzinfo=UTC)},
    ],
)
def test_a_layer_refuses_nonsense(wrong: dict[str, object]) -> None:
    fields: dict[str, object] = {"people": ("a",), "zone": BERLIN, "starts": date(2025, 1, 1)}
    with pytest.raises(ValueError, match=r"layer|days|weekdays|zone"):
        Layer(**(fields | wrong))  # type: ignore[arg-type]  # that is the point


def test_an_override_does_not_end_before_it_starts() -> None:
    with pytest.raises(ValueError, match="ends before"):
        Override(5, 5, "a")


ZONES = st.sampled_from([BERLIN, NEW_YORK, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Asia/Kathmandu"), UTC])
DATES = st.dates(date(2015, 1, 1), date(2030, 1, 1))
CLOCKS = st.times().map(lambda one: one.replace(second=0, microsecond=0))
LAYERS = st.builds(
    Layer,
    people=st.lists(st.sampled_from("abcd"), min_size=1, max_size=4).map(tuple),
    zone=ZONES,
    starts=DATES,
    hand_over=CLOCKS,
    days=st.integers(1, 28),
)


@given(LAYERS, st.integers(0, 1500), st.integers(1, 60))
def test_every_moment_after_the_start_has_exactly_one_person_per_layer(
    layer: Layer, later_days: int, length_days: int
) -> None:
    start_ms = (
        round(datetime.combine(layer.starts, layer.hand_over, layer.zone).timestamp() * 1000)
        + later_days * DAY
    )
    end_ms = start_ms + length_days * DAY
    found = list(shifts(layer, start_ms, end_ms))
    assert found[0].start_ms == start_ms
    assert found[-1].end_ms == end_ms
    assert all(one.end_ms == after.start_ms for one, after in itertools.pairwise(found))
    assert all(len(one.people) == 1 for one in duties(Rotation((layer,)), start_ms, end_ms))


@given(LAYERS, CLOCKS, CLOCKS, st.integers(0, 400), st.integers(0, 5 * 24 * 60 - 1))
def test_hours_never_put_two_of_a_layer_on_call_and_a_moment_is_as_the_span_around_it(
    layer: Layer, since: time, until: time, later_days: int, minute: int
) -> None:
    layer = Layer(layer.people, layer.zone, layer.starts, layer.hand_over, layer.days, (since, until))
    noon = datetime.combine(layer.starts + timedelta(days=later_days), time(12), UTC)
    start_ms = round(noon.timestamp() * 1000)
    found = list(shifts(layer, start_ms, start_ms + 5 * DAY))
    assert all(one.end_ms <= after.start_ms for one, after in itertools.pairwise(found))
    moment = start_ms + minute * 60_000
    around = [one.person for one in found if one.start_ms <= moment < one.end_ms]
    assert [one.person for one in shifts(layer, moment, moment + 1)] == around


INTERVALS = st.lists(
    st.tuples(st.integers(-5, 25), st.integers(1, 10)).map(lambda one: Interval(one[0], sum(one)))
)


@given(INTERVALS)
def test_gaps_are_what_no_interval_covers(covered: list[Interval]) -> None:
    missing = {ms for one in gaps(covered, 0, 20) for ms in range(*one)}
    assert missing == {ms for ms in range(20) if not any(one.start_ms <= ms < one.end_ms for one in covered)}


def test_hours_that_end_when_they_begin_are_a_whole_day() -> None:
    layer = Layer(("a",), BERLIN, date(2025, 6, 2), hours=(time(8), time(8)), weekdays=frozenset({4}))
    found = list(shifts(layer, at("2025-06-05T00:00"), at("2025-06-12T00:00")))
    assert [(told(one.start_ms), told(one.end_ms)) for one in found] == [
        ("2025-06-06T06:00", "2025-06-07T06:00")
    ]
