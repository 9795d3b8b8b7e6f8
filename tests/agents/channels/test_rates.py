"""A channel is spared: so many a minute, a few at once, and quiet for as long as it asks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.channels.rates import Rate


def test_a_few_may_go_at_once_then_one_after_the_other() -> None:
    rate = Rate(30)  # one in 2 s, five at once
    waits = []
    for _ in range(7):
        waits.append(rate.wait_s(100.0))
        rate.take(100.0 + waits[-1])
    assert waits == [0, 0, 0, 0, 0, 2, 4]


def test_a_channel_that_asks_for_quiet_gets_it() -> None:
    rate = Rate(30)
    rate.rest(100.0, 20.0)
    rate.rest(101.0, 1.0)
    assert rate.wait_s(105.0) == 15.0
    assert rate.wait_s(121.0) == 0


@given(st.floats(0.5, 600), st.lists(st.floats(0, 20), max_size=200))
def test_no_minute_gets_more_than_its_share_and_what_may_come_at_once(
    per_min: float, pauses: list[float]
) -> None:
    rate, now_s, went = Rate(per_min), 0.0, []
    for pause in pauses:
        now_s += pause
        now_s += rate.wait_s(now_s)
        rate.take(now_s)
        went.append(now_s)
    for first in went:
        within = [one for one in went if first <= one < first + 60 - 1e-6]
        assert len(within) <= per_min + max(1, per_min / 6) + 1


def test_nothing_a_minute_is_no_rate() -> None:
    with pytest.raises(ValueError, match="per_min"):
        Rate(0)
