"""Brands: the same intervals in any order, a storm seen within minutes, told once, a page for a reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import brand as brand_module
from streams.alert import Alert, encode_alert
from streams.brand import NEVER, Brand, BrandParams, add, advance, due
from streams.levels import Level
from streams.pulse import GRACE_MIN, MINUTE_MS, Figures, Pulse, Volume
from streams.surge import SurgeParams, SurgeState, may_surge, observe
from streams.usual import Usual

M0 = 28_401_120  # 2024-01-01T00:00Z, a Monday, in minutes
PARAMS = BrandParams()
DAY = 1440
NOON = 2 * DAY + 720  # of 3 January
CALM = [(minute, Figures(1)) for minute in range(0, NOON, 2)]  # one every other minute
STORM = [(minute, Figures(12, 120)) for minute in range(NOON, NOON + 240)]

Minutes = Iterable[tuple[int, Figures]]


def followed(minutes: Minutes, until: int = 0, brand: Brand | None = None) -> tuple[Brand, list[Alert]]:
    """Minutes in order from one source, whose watermark goes with them, then on to `until`."""
    brand = brand or Brand("acme")
    alerts: list[Alert] = []
    last = 0
    for minute, figures in minutes:
        alerts += advance(brand, M0 + minute, PARAMS)
        add(brand, Pulse("acme", 0, M0 + minute, figures))
        last = minute
    return brand, [*alerts, *advance(brand, M0 + max(until, last + 1), PARAMS)]


def told(alerts: Iterable[Alert]) -> list[tuple[str, str, str]]:
    return [(alert.raised_at[:16], alert.level, alert.reason) for alert in alerts]


def with_pages(minutes: Minutes, at: int) -> Iterator[tuple[int, Figures]]:
    return ((minute, f._replace(pages=int(minute == at))) for minute, f in minutes)


def with_anger(minutes: Minutes, negative: int) -> Iterator[tuple[int, Figures]]:
    """Ten texts of each minute scored, `negative` of them negative."""
    return ((minute, f._replace(scored=10, negative=negative)) for minute, f in minutes)


def test_a_storm_is_seen_within_minutes_and_told_once() -> None:
    """It began at 12:00; its first interval closes at 12:15."""
    brand, alerts = followed([*CALM, *STORM])
    assert told(alerts) == [("2024-01-03T12:02", "warn", "surge")]
    assert brand.level is Level.WARN


def test_what_an_alert_of_a_brand_says() -> None:
    (alert,) = followed([*CALM, *STORM])[1]
    assert (alert.scope, alert.brand, alert.thread_id, alert.previous_level) == (
        "brand",
        "acme",
        None,
        "calm",
    )
    assert (alert.mentions, alert.reach) == (54, 240)  # 30 calm ones of an hour, and two minutes of storm
    assert alert.summary.startswith("54 mentions in an hour, usual are 31; ")
    assert [one.signal for one in alert.evidence] == [
        "mentions_15min_fading",
        "mentions_60min_fading",
        "mentions_240min_fading",
    ]
    weights = [one.weight for one in alert.evidence]
    assert weights == sorted(weights, reverse=True)
    assert sum(weights) == pytest.approx(1, abs=0.01)
    assert all(one.usual is not None and one.value > one.usual for one in alert.evidence)
    seen = alert.forecast
    assert 650 < seen.p10 < seen.expected_24h < seen.p90  # 720 are usual
    assert seen.viral_at == pytest.approx(2 * 720, rel=0.05)
    assert 0 < seen.viral_probability < 0.5


def test_a_surge_that_ends_cools_down_in_silence_and_the_next_is_told_anew() -> None:
    """Time alone brings the level down; the second storm has an id of its own."""
    brand, first = followed([*CALM, *STORM], until=NOON + 2 * DAY)
    assert brand.level is Level.CALM
    assert due(brand) == NEVER
    again = [(minute + 3 * DAY, figures) for minute, figures in STORM]
    brand, second = followed(again, brand=brand)
    assert [alert.level for alert in (*first, *second)] == ["warn", "warn"]
    assert first[0].id != second[0].id


@pytest.mark.parametrize(
    ("minutes", "alerts"),
    [
        pytest.param(
            [*CALM, *with_pages(STORM, NOON + 30)],
            [
                ("2024-01-03T12:02", "warn", "surge"),
                ("2024-01-03T12:31", "page", "surge-with-viral-thread"),
            ],
            id="a viral thread in a surge",
        ),
        pytest.param(
            [*with_pages(CALM, NOON - 60), *STORM],
            [("2024-01-03T12:02", "page", "surge-with-viral-thread")],
            id="one shortly before it",
        ),
        pytest.param(
            [*with_pages(CALM, NOON - 600), *STORM],
            [("2024-01-03T12:02", "warn", "surge")],
            id="one long before it",
        ),
        pytest.param(
            [*CALM, *with_anger(STORM, 4)],
            [("2024-01-03T12:02", "page", "surge-with-anger")],
            id="anger in a surge",
        ),
        pytest.param(
            [*CALM, *with_anger(STORM, 3)],
            [("2024-01-03T12:02", "warn", "surge")],
            id="too little anger",
        ),
        pytest.param(with_anger(with_pages(CALM, 2000), 10), [], id="anger and a viral thread, but no surge"),
    ],
)
def test_a_page_needs_a_surge_and_anger_or_a_viral_thread(
    minutes: Minutes, alerts: list[tuple[str, str, str]]
) -> None:
    assert told(followed(minutes)[1]) == alerts


@pytest.mark.parametrize(("usual", "level"), [(None, "page"), (0.15, "page"), (0.38, "warn"), (0.6, "warn")])
def test_what_is_usual_for_a_brand_is_no_anger(usual: float | None, level: str) -> None:
    """Two of five texts are negative: far more than usual for one brand, and every day's lot of another."""
    brand, _ = followed(CALM)
    since_ms = (M0 + NOON - 3 * DAY) * MINUTE_MS
    snapshot = Usual((M0 + NOON - 120) * MINUTE_MS, since_ms, 1.0, 28.0, negative_share=usual)
    brand.learning.latest = (snapshot,)
    _, alerts = followed(with_anger(STORM, 4), brand=brand)
    assert alerts[-1].level == level
    (share,) = [one for one in alerts[-1].evidence if one.signal == "negative_share"]
    assert share.usual == usual


def test_a_share_that_is_far_above_the_usual_is_anger_however_small() -> None:
    """Lexicons find a part of what is negative: a fifth may be many times the usual."""
    brand, _ = followed(CALM)
    since_ms = (M0 + NOON - 3 * DAY) * MINUTE_MS
    snapshot = Usual((M0 + NOON - 120) * MINUTE_MS, since_ms, 1.0, 28.0, negative_share=0.05)
    brand.learning.latest = (snapshot,)
    _, alerts = followed(with_anger(STORM, 2), brand=brand)
    assert alerts[-1].reason == "surge-with-anger"


@pytest.mark.parametrize("spike", [24, 30], ids=["too short for its interval", "long enough"])
def test_a_storm_soon_after_a_spike_is_the_same_surge(spike: int) -> None:
    """One warning went out; the storm an hour later holds the level, and may page."""
    storm = [(minute + 60, figures) for minute, figures in STORM]
    brand, first = followed([*CALM, (NOON, Figures(spike)), (NOON + 2, Figures(1))], until=NOON + 50)
    assert (told(first), brand.level) == ([("2024-01-03T12:01", "warn", "surge")], Level.CALM)
    brand, more = followed(storm, brand=brand)
    assert (more, brand.level) == ([], Level.WARN)
    brand, _ = followed([*CALM, (NOON, Figures(spike)), (NOON + 2, Figures(1))], until=NOON + 50)
    _, more = followed(with_pages(storm, NOON + 90), brand=brand)
    assert told(more) == [("2024-01-03T13:31", "page", "surge-with-viral-thread")]


def test_a_surge_of_its_own_is_told_though_the_level_is_still_held() -> None:
    """A spike, calm, and from 15:00 an unrest that the detector may tell again six hours after the spike."""
    calm = [(minute, Figures(1)) for minute in range(NOON + 2, NOON + 180, 2)]
    unrest = [(minute, Figures(3)) for minute in range(NOON + 180, NOON + 375)]
    brand, first = followed([*CALM, (NOON, Figures(40)), *calm, *unrest[:170]])
    assert (told(first), brand.level) == ([("2024-01-03T12:01", "warn", "surge")], Level.WARN)
    brand, second = followed(unrest[170:], brand=brand)
    assert told(second) == [("2024-01-03T18:05", "warn", "surge")]


def test_a_brand_never_seen_is_heard_without_history() -> None:
    """Nothing is usual yet, so it takes more: but a storm out of nothing is one."""
    steady = [(minute, Figures(2)) for minute in range(360)]
    loud = [(minute, Figures(40)) for minute in range(360, 420)]
    assert followed(steady)[1] == []
    assert [alert.level for alert in followed([*steady, *loud])[1]] == ["warn"]


@given(
    counts=st.lists(st.integers(0, 400), min_size=1, max_size=80),
    feeds=st.integers(1, 2),
)
@settings(deadline=None, max_examples=40)
def test_volume_alone_never_pages(counts: list[int], feeds: int) -> None:
    brand = Brand("acme")
    alerts: list[Alert] = []
    for number, count in enumerate([10] * 300 + counts):
        minute = M0 + 5 * number
        for feed in range(feeds):
            add(brand, Volume("acme", f"volume:{feed}", minute * MINUTE_MS, 300, count))
        alerts += advance(brand, minute, PARAMS)
    assert {alert.level for alert in alerts} <= {"warn"}
    assert brand.level <= Level.WARN


def test_a_volume_feed_raises_a_warning_at_the_end_of_its_interval() -> None:
    brand = Brand("acme")
    alerts: list[Alert] = []
    for number in range(600):
        minute = M0 + 5 * number
        add(brand, Volume("acme", "volume:acme", minute * MINUTE_MS, 300, 10 if number < 590 else 90))
        alerts += advance(brand, minute, PARAMS)
    assert told(alerts) == [("2024-01-03T01:15", "warn", "surge")]  # 90 from 01:10 to 01:15


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_disorder_within_the_grace_and_repetition_change_nothing_that_is_learned(data: st.DataObject) -> None:
    """Partial pulses of three sources, each late by up to the grace, some more than once, in any order."""
    final = data.draw(
        st.dictionaries(
            st.tuples(st.integers(0, 90), st.integers(0, 2)), st.integers(1, 60), min_size=1, max_size=40
        )
    )
    arrivals: list[tuple[int, int, Pulse]] = []
    for (minute, source), count in final.items():
        for part in [*sorted(data.draw(st.lists(st.integers(1, count), max_size=3))), count, count]:
            late = data.draw(st.integers(0, GRACE_MIN))
            order = data.draw(st.integers())
            arrivals.append((minute + late, order, Pulse("acme", source, M0 + minute, Figures(part))))
    mixed = Brand("acme")
    for watermark, _, pulse in sorted(arrivals, key=lambda one: one[:2]):
        advance(mixed, M0 + watermark, PARAMS)
        add(mixed, pulse)
    advance(mixed, M0 + 120, PARAMS)
    by_minute: dict[int, list[tuple[int, int]]] = {}
    for (minute, source), count in sorted(final.items()):
        by_minute.setdefault(minute, []).append((source, count))
    ordered = Brand("acme")
    for minute, counts in by_minute.items():
        advance(ordered, M0 + minute, PARAMS)
        for source, count in counts:
            add(ordered, Pulse("acme", source, M0 + minute, Figures(count)))
    advance(ordered, M0 + 120, PARAMS)
    assert (mixed.minutes, mixed.ahead, mixed.coming) == ({}, {}, [])
    assert (mixed.recent, mixed.surge, mixed.late) == (ordered.recent, ordered.surge, 0)
    assert sum(figures.mentions for _, figures in mixed.recent) == sum(final.values())


@pytest.mark.parametrize("sources", [1, 8])
def test_who_counted_what_makes_no_difference(sources: int) -> None:
    """The same mentions from one source or spread over eight, which tell their part at any pace."""
    alerts: list[Alert] = []
    brand = Brand("acme")
    for minute, figures in [*CALM, *STORM]:
        alerts += advance(brand, M0 + minute, PARAMS)
        for number in range(figures.mentions):
            source = number % sources
            each = Figures(
                number // sources + 1, (figures.reach // figures.mentions) * (number // sources + 1)
            )
            add(brand, Pulse("acme", source, M0 + minute, each))
    alerts += advance(brand, M0 + NOON + 240, PARAMS)
    expected = followed([*CALM, *STORM])[1]
    assert [encode_alert(one) for one in alerts] == [encode_alert(one) for one in expected]


def test_what_comes_when_its_interval_is_closed_is_left_out_and_counted() -> None:
    brand, _ = followed([(0, Figures(1)), (1, Figures(1))], until=15)
    minutes = dict(brand.minutes)
    assert add(brand, Pulse("acme", 1, M0 + 4, Figures(3)))
    assert (brand.late, brand.minutes) == (3, minutes)


def test_what_comes_within_the_grace_for_a_minute_that_was_judged_is_judged_at_once() -> None:
    """An idle source wakes up with a storm that the others have passed already."""
    brand, _ = followed(CALM, until=NOON + 1)
    assert due(brand) > brand.minute
    for minute in range(NOON - 6, NOON - 1):
        add(brand, Pulse("acme", 1, M0 + minute, Figures(40)))
    assert due(brand) == brand.minute
    alerts = advance(brand, brand.minute, PARAMS)
    assert [alert.level for alert in alerts] == ["warn"]


@given(
    calm=st.lists(st.integers(0, 30), min_size=20, max_size=60),
    shape=st.lists(st.integers(0, 4), min_size=1, max_size=3).filter(any),
    count_min=st.sampled_from([1.0, 15.0, 60.0]),
)
@settings(deadline=None, max_examples=60)
def test_what_is_not_looked_at_could_not_have_been_a_surge(
    calm: list[int], shape: list[int], count_min: float
) -> None:
    """The cheap look that spares the dear one: the smallest surge, in whatever intervals, passes it."""
    params = SurgeParams(return_d=1.01, settle_h=0.0, peak_prior_mean=0.0, count_min=count_min)
    state = SurgeState()
    for number, count in enumerate(calm):
        state, _ = observe(state, params, number * 300_000, 300, count)
    for factor in range(100):
        start = len(calm)
        opens = [
            brand_module._Open((start + number) * 300_000, 300, factor * part)
            for number, part in enumerate(shape)
            if part
        ]
        if brand_module._ahead(state, opens, params, missing_is_zero=True).fired:
            assert may_surge(state, params, opens[-1].end_ms, factor * sum(shape), missing_is_zero=True)
            return


@given(
    bursts=st.lists(
        st.tuples(st.integers(0, 1500), st.integers(1, 40), st.sampled_from([1, 1, 1, 2, 5, 30])), max_size=12
    ),
    level=st.sampled_from([0, 3, 30]),
    at_once=st.integers(30, 3000),
)
@settings(deadline=None, max_examples=80)
def test_how_much_is_told_at_once_makes_no_difference(
    bursts: list[tuple[int, int, int]], level: int, at_once: int
) -> None:
    """A reader that lags gets hours at once; alerts and what is learned are those of minute by minute."""
    counts = dict.fromkeys(range(0, 2500, 30 // level), 1) if level else {}
    for begins, minutes, mentions in bursts:
        counts.update(dict.fromkeys(range(begins, begins + minutes), mentions))
    counts[4 * DAY] = 1
    slow, fast = Brand("acme"), Brand("acme")
    alerts: tuple[list[Alert], list[Alert]] = ([], [])
    marked = 0
    for minute, mentions in sorted(counts.items()):
        if minute >= marked + at_once:
            marked = minute
            alerts[1].extend(advance(fast, M0 + marked, PARAMS))
        pulse = Pulse("acme", 0, M0 + minute, Figures(mentions))
        for brand in (slow, fast):
            add(brand, pulse)
        alerts[0].extend(advance(slow, M0 + minute + 1, PARAMS))
    end = M0 + 4 * DAY + 60
    for minute in range(M0 + 4 * DAY + 1, end + 1):
        alerts[0].extend(advance(slow, minute, PARAMS))
    alerts[1].extend(advance(fast, end, PARAMS))
    assert alerts[0] == alerts[1]
    assert slow == fast


def test_the_state_stays_small() -> None:
    """Open minutes and the counts of the last hours, whatever came before."""
    brand, _ = followed([*CALM, *STORM], until=NOON + 240)
    assert len(brand.minutes) <= GRACE_MIN + 5
    assert len(brand.recent) <= 6 * 12 + 2


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"anger_share": 0.0}, "anger_share"),
        ({"anger_share": 1.1}, "anger_share"),
        ({"anger_min": 0}, "anger_min"),
        ({"anger_z": -1.0}, "anger_z"),
        ({"anger_window_s": 60}, "anger_window_s"),
        ({"viral_window_s": 90_000}, "viral_window_s"),
    ],
)
def test_nonsense_is_refused_by_name(wrong: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        BrandParams(surge=SurgeParams(), **wrong)  # type: ignore[arg-type]
