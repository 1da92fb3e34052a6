"""Worked examples of every way to calibrate, and what is refused because it would make the board's data worse."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.calibration import Calibration
from firmware.calibrate.correction import (
    Point,
    RefusedError,
    apply,
    collocation,
    fit,
    from_ppm,
    noise_offset,
    several_points,
    zero_offset,
    zero_span,
)
from firmware.calibrate.stability import RULES, Rule, stability
from firmware.calibrate.steps import Target, dried

NOISE = RULES["noise"]


def seconds(values, every=1.0):
    return [(n * every, value) for n, value in enumerate(values)]


def test_a_calibrator_s_tone_is_stable_and_a_level_that_climbs_or_jumps_is_not():
    assert stability(seconds([94.1, 94.1, 94.2, 94.1] * 3), NOISE).stable
    assert not stability(seconds([94 + 0.1 * n for n in range(12)]), NOISE).stable
    assert not stability(seconds([94.1, 95.0] * 6), NOISE).stable


def test_it_takes_the_whole_time_and_looks_at_nothing_older():
    assert not stability(seconds([94.0] * 5), NOISE).stable
    jumped = stability(seconds([60.0] * 30 + [94.0] * 11), NOISE)
    assert jumped.stable
    assert jumped.mean == 94.0
    assert not stability([], NOISE).stable


def test_the_limit_grows_with_the_reading_where_a_sensor_s_noise_does():
    rule = Rule(seconds=5, absolute=3, relative=0.1)
    assert not stability(seconds([20, 30] * 5), rule).stable
    assert stability(seconds([200, 210] * 5), rule).stable


def test_a_microphone_that_reads_94_6_from_94_is_shifted_by_minus_0_6():
    correction = noise_offset(94.6, 94.0)
    assert correction == {"offset": -0.6}
    assert apply(correction, 60.0) == pytest.approx(59.4)


def test_a_calibrator_that_is_off_or_set_to_114_is_no_calibration():
    with pytest.raises(RefusedError, match="is the calibrator on, at the level you gave"):
        noise_offset(52.0, 94.0)
    with pytest.raises(RefusedError, match=r"20\.1 dB off"):
        noise_offset(93.9, 114.0)


def test_clean_air_moves_the_zero_and_leaves_the_gain():
    correction = zero_offset(4, {"gain": 1.5, "offset": 2}, most=20)
    assert correction == {"gain": 1.5, "offset": -6.0}
    assert apply(correction, 4) == 0
    assert zero_offset(4, {}, most=20) == {"offset": -4.0}
    with pytest.raises(RefusedError, match="zero filter"):
        zero_offset(35, {}, most=20)
    with pytest.raises(RefusedError, match="several points"):
        zero_offset(4, {"points": [[0, 1], [10, 12]]}, most=20)


def test_zero_and_span_gas_give_gain_and_offset():
    correction = zero_span(Point(12, 0), Point(472, 460))
    assert correction == {"gain": 1.0, "offset": -12.0}
    assert zero_span(Point(10, 0), Point(240, 460)) == {"gain": 2.0, "offset": -20.0}


@pytest.mark.parametrize(
    ("zero", "span", "why"),
    [
        (Point(12, 0), Point(13, 460), "does not answer to the gas"),
        (Point(0, 0), Point(60, 460), r"gain of 7\.67"),
        (Point(0, 50), Point(60, 40), "must have more"),
    ],
)
def test_a_dead_cell_a_wrong_unit_and_swapped_cylinders_are_refused(zero, span, why):
    with pytest.raises(RefusedError, match=why):
        zero_span(zero, span)


def test_several_points_are_sorted_and_must_rise():
    correction = several_points([Point(98, 100), Point(0, 2), Point(51, 50)])
    assert correction == {"points": [[0, 2], [51, 50], [98, 100]]}
    with pytest.raises(RefusedError, match="does not rise"):
        several_points([Point(98, 2), Point(51, 50)])
    with pytest.raises(RefusedError, match="two or more"):
        several_points([Point(98, 2)])


def test_a_collocation_gives_the_line_of_the_reference_on_the_board():
    pairs = [Point(x, 1.2 * x + 5 + (-1) ** n) for n, x in enumerate(range(20, 120, 10))]
    correction, found = collocation(pairs)
    assert correction["gain"] == pytest.approx(1.2, abs=0.01)
    assert correction["offset"] == pytest.approx(5, abs=1)
    assert found.r2 > 0.99
    assert found.rmse == pytest.approx(1, abs=0.05)
    exact = fit([Point(10, 21), Point(20, 41), Point(30, 61)])
    assert (exact.slope, exact.offset, exact.r2, exact.rmse) == (2, 1, 1, 0)


@pytest.mark.parametrize(
    ("pairs", "why"),
    [
        ([Point(x, x) for x in range(5)], "at least 8"),
        ([Point(40, y) for y in range(10)], "board did not change"),
        ([Point(x, 40) for x in range(10)], "reference did not change"),
        ([Point(x, 100 - x) for x in range(10)], "falls when the reference rises"),
        ([Point(x, 50 + 40 * (-1) ** x + 3 * x) for x in range(10)], r"R² is below 0\.70"),
        ([Point(x, 20 * x) for x in range(10)], r"gain of 20\.00"),
    ],
)
def test_a_worthless_fit_is_refused_with_its_reason(pairs, why):
    with pytest.raises(RefusedError, match=why) as refused:
        collocation(pairs)
    assert refused.value.text.zh != refused.value.text.en


def test_a_cylinder_s_ppm_in_the_catalogue_s_unit():
    assert from_ppm("no2", 0.5) == pytest.approx(940, abs=1)
    assert from_ppm("co", 10) == pytest.approx(11.45, abs=0.01)
    assert from_ppm("stack_so2", 100) == pytest.approx(285.8, abs=0.1)
    with pytest.raises(RefusedError, match="cannot be converted"):
        from_ppm("pm10", 1)


@given(
    st.one_of(
        st.fixed_dictionaries({"gain": st.floats(0.2, 5), "offset": st.floats(-50, 50)}),
        st.lists(st.integers(0, 500), min_size=1, max_size=5, unique=True).map(
            lambda raws: {"points": [[raw, 2 * raw + 1] for raw in sorted(raws)]}
        ),
    ),
    st.floats(-10, 600),
)
def test_the_laptop_and_the_board_correct_alike(correction, raw):
    board = Calibration("/nonexistent/calibration.json")
    board.channels = {"pm10": correction}
    assert math.isclose(board.correct({"pm10": raw}, {})["pm10"], apply(correction, raw), abs_tol=1e-9)


def test_optical_dust_is_not_calibrated_in_fog():
    target = Target("fence-1", "dust", "pm10", ("pm10",), {"id": 1, "channels": {"pm10": {"kappa": 0.33}}})
    assert dried(target, 480, {"humidity": 95.0}) == pytest.approx(100)
    with pytest.raises(RefusedError, match="humidity of 97 %, above 95 %: calibrate it when the air is drier"):
        dried(target, 480, {"humidity": 97.0})
    bare = Target("fence-1", "dust", "pm10", ("pm10",), {"id": 1, "channels": {}})
    assert dried(bare, 480, {"humidity": 97.0}) == 480
