"""Which collocations make a sensor more than indicative: days, means, slope, intercept, R2, error."""

import msgspec
import pytest

from firmware.calibrate.correction import Point, apply, collocation
from firmware.calibrate.sufficiency import DEMANDS, told_of, trial
from firmware.notebook.calibrations import Trial

HOUR, DAY = 3600, 86_400
BEGIN = 1_761_926_400  # 2025-11-01 00:00 at UTC+8


def beside(days, error=lambda hour: 0.0, length=HOUR):
    """Return hourly pairs of so many days: the reference goes up and down, the raw board reads half of it and 4."""
    found = []
    for hour in range(days * 24):
        true = 40 + 3 * (hour // 24 % 15) + hour % 24
        found.append(Point(0.5 * (true + error(hour)) + 4, true, BEGIN + hour * HOUR, length))
    return found


def shown(pairs, quantity="pm25"):
    """Return what a collocation shows of the board with the correction that it gives itself."""
    return trial(quantity, pairs, collocation(pairs)[0])


def test_thirty_days_of_a_sensor_that_follows_suffice_and_are_dated():
    found = shown(beside(30))
    assert found.suffices
    assert (found.since.isoformat(), found.until.isoformat()) == (
        "2025-10-31T16:00:00+00:00",
        "2025-11-30T16:00:00+00:00",
    )
    assert found.figures["days"] == found.figures["means"] == 30
    assert (found.figures["slope"], found.figures["r2"]) == (pytest.approx(1, abs=1e-3), pytest.approx(1, abs=1e-3))
    assert "may state another class" in told_of("pm25", found).en


def test_eight_pairs_correct_the_board_and_leave_it_indicative():
    found = shown(beside(1)[:8])
    assert not found.suffices
    assert {"days", "means"} <= {*found.lacks}
    told = told_of("pm25", found)
    assert "stays indicative" in told.en
    assert "days 0.333, asked >= 30 (EPA 600/R-20/280 [U])" in told.en
    assert "仍为指示性" in told.zh


@pytest.mark.parametrize("days", [22, 29])
def test_a_day_too_few_is_too_few(days):
    lacks = {"days", "means"} if days < 23 else {"days"}
    assert {*shown(beside(days)).lacks} == lacks


def test_a_day_counts_only_when_three_quarters_of_it_are_paired():
    pairs = [pair for n, pair in enumerate(beside(30)) if n // 24 < 20 or n % 24 < 17]
    found = shown(pairs)
    assert found.figures["means"] == 20
    assert "means" in found.lacks
    assert "means" not in shown([pair for n, pair in enumerate(beside(30)) if n // 24 < 20 or n % 24 < 18]).lacks


def test_a_sensor_that_drifts_from_day_to_day_has_too_little_r2():
    found = shown(beside(30, error=lambda hour: 7.0 * (-1) ** (hour // 24)))
    assert "r2" in found.lacks
    assert "R² " in told_of("pm25", found).en


def test_the_figures_are_those_of_the_corrected_board_on_the_reference():
    """A correction of twice the board's answer is off by the factor two, whatever the scatter."""
    found = trial("pm25", beside(30), {"gain": 4.0, "offset": -16.0})
    assert found.figures["slope"] == pytest.approx(2.0, abs=1e-6)
    assert "slope" in found.lacks
    pairs = beside(30)
    means = [
        sum(apply({"gain": 4.0, "offset": -16.0}, p.raw) for p in pairs[d * 24 : d * 24 + 24]) / 24 for d in range(30)
    ]
    truth = [sum(p.true for p in pairs[d * 24 : d * 24 + 24]) / 24 for d in range(30)]
    error = (sum((m - t) ** 2 for m, t in zip(means, truth, strict=True)) / 30) ** 0.5
    assert found.figures["rmse"] == pytest.approx(error, abs=1e-4)
    assert "rmse" in found.lacks


def test_either_rmse_or_its_share_of_the_mean_is_enough():
    """Every day 10 ug/m3 off, to either side: RMSE 10, of a mean of 72.5 less than 30 %."""
    found = trial("pm25", beside(30, error=lambda hour: 10.0 * (-1) ** (hour // 24)), {"gain": 2.0, "offset": -8.0})
    assert found.figures["rmse"] == pytest.approx(10)
    assert found.figures["nrmse"] < 0.3
    assert not {"rmse", "nrmse"} & {*found.lacks}


@pytest.mark.parametrize(
    ("quantity", "pairs", "lacks"),
    [
        ("tsp", beside(60), ("no_demand",)),
        ("pm10", [Point(p.raw, p.true) for p in beside(60)], ("no_times",)),
        ("co", [], ("no_demand", "no_times")),
    ],
)
def test_what_nobody_asks_or_nobody_dated_stays_indicative(quantity, pairs, lacks):
    found = trial(quantity, pairs, {"gain": 2.0, "offset": -8.0})
    assert found.lacks == lacks
    assert "stays indicative" in told_of(quantity, found).en


def test_every_demand_says_who_asks_and_how_well_that_is_known():
    for demand in DEMANDS.values():
        for figure in (demand.means, demand.days, demand.slope, demand.intercept, demand.r2, demand.rmse):
            assert figure.source
            assert figure.verified in ("P", "S", "U")


def test_it_stands_in_the_ledger_as_it_was():
    found = shown(beside(30))
    assert msgspec.json.decode(msgspec.json.encode(found), type=Trial) == found
