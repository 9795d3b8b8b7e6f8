"""The picture of a thread: whatever the thread, it is whole, and holds no style and no script."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.web.course import course, moment_ms
from agents.web.known import Told
from agents.web.words import Words
from streams.forecast import Forecast
from streams.incident import Incident, Ladder, Raised
from streams.mention import rfc3339
from streams.thread import DAY_MS
from tests.streams.incidents import T0, after, case
from tests.threads import buckets_of, thread_of

WORDS = Words("en", ZoneInfo("Europe/Berlin"))


def told(at_ms: int, **more: Any) -> Told:
    one = case(raised_at=rfc3339(at_ms), **more)
    return Told(**{name: getattr(one, name) for name in one.__struct_fields__})


def incident(at_ms: int = T0, **more: Any) -> Incident:
    return after(None, Raised(case(raised_at=rfc3339(at_ms), **more), Ladder(())), T0)


def classes(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)  # noqa: S314 — our own picture
    for one in root.iter():
        assert "style" not in one.attrib
        assert one.tag.rpartition("}")[2] in ("svg", "title", "path", "text", "circle", "rect")
    return [one.get("class", "") for one in root.iter()]


def test_a_thread_is_drawn_with_its_forecast_replies_and_pages() -> None:
    began = T0 - 3_600_000
    thread = thread_of(
        "acme", "x", began, began, T0, mentions=30, first_reply_ms=T0 - 60_000, last_reply_ms=T0 - 60_000
    )
    thread.pulse = buckets_of({0: 10, 6: 12, 11: 8})
    alerts = (told(T0 - 600_000), told(T0, reason="canned-reply"))
    found = classes(course(thread, incident(), alerts, WORDS))
    for kind in ("line mentions", "area forecast", "line forecast", "level viral"):
        assert kind in found
    assert (
        found.count("upright reply") == 2
    )  # the first and only reply, and the alert that told of a text block


def test_a_forecast_of_another_day_is_not_drawn() -> None:
    thread = thread_of("acme", "x", T0, T0, T0 + 3_600_000, mentions=3)
    for raised_ms in (T0 - 1, T0 + DAY_MS):
        assert "area forecast" not in classes(course(thread, incident(raised_ms), (), WORDS))


@given(
    start=st.integers(0, 2**43),
    last=st.integers(-DAY_MS, 10 * DAY_MS),
    pulse=st.dictionaries(st.integers(-300, 3000), st.integers(1, 10**6), max_size=20),
    mentions=st.integers(0, 10**7),
    sizes=st.tuples(*[st.floats(0, 1e9)] * 3),
    width=st.sampled_from([400, 960]),
)
def test_every_thread_has_a_picture(
    start: int, last: int, pulse: dict[int, int], mentions: int, sizes: tuple[float, float, float], width: int
) -> None:
    """Stray dates, empty buckets, giants."""
    thread = thread_of("acme", "x", start, start, start + last, mentions=mentions, last_reply_ms=start)
    thread.pulse = buckets_of(pulse)
    seen = Forecast(sizes[0], sizes[1], sizes[2], 0.5, 100)
    svg = course(thread, incident(start, forecast=seen), (), WORDS, width, 300)
    classes(svg)
    assert "nan" not in svg
    assert "inf" not in svg


@pytest.mark.parametrize("text", ["", "soon", "9999999-01-01", "\x00"])
def test_a_moment_that_is_none_is_none(text: str) -> None:
    assert moment_ms(text) is None
    assert moment_ms("2026-01-01T00:00:00Z") == 1_767_225_600_000
