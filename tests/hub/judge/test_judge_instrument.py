"""Worked examples: what an instrument's class and uncertainty make of a verdict (JCGM 106, ILAC-G8), by hand."""

import pytest

from hub.judge import Instrument
from tests.hub.judging import HOUR, MINUTE, Bench

NINE = 9 * HOUR
NOISE, HEBEI, SHANGHAI = "GB 12523-2025", "DB13/2934-2019", "DB31/964-2016"


def judged(instrument, level, **options):
    """Return outcome, grade and reason of 20 min of a level, by day: the limit is 70 dB."""
    (one,) = Bench(NOISE, instrument=instrument, **options).add("laeq", NINE, 20 * MINUTE, level).judge()
    return one.outcome, one.grade, one.reason


GUARDED = "exceeded", "suspicion", "guard_band"
BROKEN, KEPT = ("exceeded", "violation", ""), ("compliant", "", "")


@pytest.mark.parametrize(
    ("rule", "level", "found"),
    [
        ("simple", 70.0, KEPT),
        ("simple", 71.0, BROKEN),
        ("guarded_rejection", 70.0, KEPT),
        ("guarded_rejection", 71.0, GUARDED),
        ("guarded_rejection", 72.0, GUARDED),  # 70 + 2: not above it
        ("guarded_rejection", 73.0, BROKEN),
        ("guarded_acceptance", 68.0, KEPT),  # 70 - 2: that is accepted
        ("guarded_acceptance", 69.0, GUARDED),
        ("guarded_acceptance", 70.0, GUARDED),
        ("guarded_acceptance", 71.0, BROKEN),
    ],
)
def test_the_guard_band_is_the_expanded_uncertainty(rule, level, found):
    assert judged(Instrument("class_2", 2.0, rule=rule), level) == found


def test_the_level_is_rounded_before_the_guard_band_counts():
    """73.4 dB are 73: above 70 + 2.9; 72.4 dB are 72."""
    meter = Instrument("class_2", 2.9, rule="guarded_rejection")
    assert judged(meter, 73.4) == BROKEN
    assert judged(meter, 72.4) == GUARDED


@pytest.mark.parametrize("rule", ["simple", "guarded_rejection", "guarded_acceptance"])
def test_an_indicative_instrument_makes_no_violation_however_high_the_value(rule):
    meter = Instrument("indicative", 3.0, rule=rule)
    assert judged(meter, 95.0) == ("exceeded", "suspicion", "indicative")


@pytest.mark.parametrize("rule", ["guarded_rejection", "guarded_acceptance"])
def test_without_an_uncertainty_every_rule_is_the_simple_one_and_says_so(rule):
    meter = Instrument("class_1", None, rule=rule)
    assert judged(meter, 71.0) == BROKEN
    assert judged(meter, 70.0) == KEPT
    (one,) = Bench(NOISE, instrument=meter).add("laeq", NINE, 20 * MINUTE, 71.0).judge()
    assert (one.instrument, one.uncertainty, one.decision) == ("class_1", None, "simple")


def test_what_is_not_stated_is_judged_as_ever():
    assert judged(Instrument(), 71.0) == BROKEN


def test_the_background_is_taken_off_before_the_guard_band_counts():
    """74 - 66 = 8 dB: 1 is taken off; 73 is above 70 by more than 2. 73 - 66 = 7: 72 is not."""
    meter = Instrument("class_2", 2.0, rule="guarded_rejection")
    assert judged(meter, 74.0, background=66.0) == BROKEN
    assert judged(meter, 73.0, background=66.0) == GUARDED


@pytest.mark.parametrize("background", [None, 68.5])
def test_below_the_limit_no_background_is_needed_for_a_suspicion(background):
    """69 dB are not above 70, so that nothing need be corrected (HJ 706, 6.1); the guard band stays."""
    meter = Instrument("class_2", 2.0, rule="guarded_acceptance")
    assert judged(meter, 69.0, background=background) == GUARDED
    found = judged(meter, 75.0, background=background)
    assert found[0] == ("above_uncorrected" if background is None else "exceeded")


def test_a_relative_uncertainty_is_a_share_of_the_limit():
    """25 % of 120 ug/m3 (PM10, day) are 30: up to 150 it is a suspicion, above it a violation."""
    sensor = Instrument("class_2", 0.25, relative=True, rule="guarded_rejection")
    for level, grade in ((120, ""), (150, "suspicion"), (151, "violation")):
        site = Bench("GB 3095-2026", kind="factory", instrument=sensor).add("pm10", 0, HOUR, *[level] * 24)
        (one,) = [one for one in site.judge() if one.rule.limit.id == "pm10-day-transition-2"]
        assert (one.uncertainty, one.reason) == (30.0, "guard_band" if grade == "suspicion" else "")
        assert one.outcome == ("exceeded" if grade else "compliant")


def test_more_windows_than_are_permitted_are_a_violation_only_if_so_many_are_certain():
    """Shanghai permits one window of 15 min above 2 mg/m3 a day; 10 % are 0.2.

    2.1 is nearer, and permitted; 2.5 is certain, and the first one that is; the next 2.5 is the second: a violation.
    """
    sensor = Instrument("class_2", 0.1, relative=True, rule="guarded_rejection")
    site = Bench(SHANGHAI, where="Shanghai", instrument=sensor)
    site.add("tsp", NINE, 15 * MINUTE, 2100, 2500, 2500)
    found = [(one.outcome, one.grade) for one in site.judge() if one.rule.limit.id == "pm-high"]
    assert found == [("compliant", ""), ("exceeded", "suspicion"), ("exceeded", "violation")]


def test_the_deducted_area_leaves_the_guard_band_and_the_cap_stays_certain():
    """Hebei: 80 ug/m3 above the area, of which at most 150 are taken off. 20 % are 16: above 246 it is certain."""
    sensor = Instrument("class_2", 0.2, relative=True, rule="guarded_rejection")
    levels = {240: "suspicion", 246: "suspicion", 247: "violation"}
    for level, grade in levels.items():
        site = Bench(HEBEI, where="Hebei", instrument=sensor).add("pm10", NINE, HOUR, *[level] * 3)
        assert [one.grade for one in site.judge()] == ["", "", grade]
