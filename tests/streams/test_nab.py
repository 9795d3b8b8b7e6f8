"""The scoring of detections, against cases reckoned by hand."""

import math

import pytest

from streams.nab import false_alarm, hit, normalised, probation, raw_score, sigmoid

ONE = [(800, 899)]


def test_probation_is_fifteen_percent_and_at_most_750_rows() -> None:
    assert [probation(rows) for rows in (0, 100, 5000, 15_902)] == [0, 15, 750, 750]


def test_sigmoid_follows_its_definition() -> None:
    for y in (-1.0, -0.3, 0.0, 0.5, 2.0):
        assert sigmoid(y) == pytest.approx(2 / (1 + math.exp(5 * y)) - 1)


def test_a_hit_is_worth_one_at_the_first_row_and_little_at_the_last() -> None:
    # s(-1) = 0.986614; the last of 100 rows has y = -0.01: s = 0.024995
    assert hit(800, (800, 899)) == pytest.approx(1.0)
    assert hit(850, (800, 899)) == pytest.approx(0.848284 / 0.986614, abs=1e-6)
    assert hit(899, (800, 899)) == pytest.approx(0.024995 / 0.986614, abs=1e-6)


def test_a_false_alarm_is_cheap_just_after_a_window_and_dear_elsewhere() -> None:
    assert false_alarm(790, None) == pytest.approx(0.11)
    assert false_alarm(900, (800, 899)) == pytest.approx(0.11 * math.tanh(2.5 / 99))
    assert false_alarm(998, (800, 899)) == pytest.approx(0.11 * 0.986614, abs=1e-6)
    assert false_alarm(900, (899, 899)) == pytest.approx(0.11 * 0.986614, abs=1e-6)  # a window of one row


@pytest.mark.parametrize(
    ("detections", "raw"),
    [
        ([], -1.0),
        ([800], 1.0),
        ([800, 801, 899], 1.0),  # only the best inside counts
        ([899, 800], 1.0),
        ([760], -1.11),
        ([760, 760], -1.11),  # a row can't be detected twice
        ([749], -1.0),  # in probation
        ([760, 800], 0.89),
    ],
)
def test_raw_score_of_one_window(detections: list[int], raw: float) -> None:
    assert raw_score(detections, ONE, 5000) == pytest.approx(raw)


def test_a_false_alarm_is_weighed_from_the_window_before_it() -> None:
    windows = [(3000, 3099), (800, 899)]
    near = raw_score([3100], windows, 5000)
    assert near == pytest.approx(-2 - 0.11 * math.tanh(2.5 / 99))
    assert raw_score([2999], windows, 5000) == pytest.approx(-2.11)


def test_normalised_is_zero_for_silence_hundred_for_perfection_and_undefined_without_windows() -> None:
    assert normalised(raw_score([], ONE, 5000), 1) == 0
    assert normalised(raw_score([800], ONE, 5000), 1) == pytest.approx(100)
    assert math.isnan(normalised(0, 0))


@pytest.mark.parametrize("windows", [[(900, 800)], [(800, 899), (899, 950)], [(4990, 5000)], [(-1, 5)]])
def test_windows_that_make_no_sense_are_refused(windows: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="windows must lie apart"):
        raw_score([], windows, 5000)
