"""Worked examples: dust of construction sites, emission at boundaries and from stacks."""

import pytest

from tests.hub.judging import DAY, HOUR, MINUTE, Bench

QUARTER = 15 * MINUTE


def quarters(site, day, *values):
    """Add means of 15 min from 08:00 of the `day`-th day on."""
    return site.add("tsp", day * DAY + 8 * HOUR, QUARTER, *values)


def outcomes(site, limit, **options):
    return [outcome for _, outcome in site.told(limit, **options)]


def shanghai():
    return Bench("DB31/964-2016", where="CN-SH")


def test_shanghai_permits_one_quarter_of_an_hour_a_day_above_2_mg_per_m3():
    site = quarters(shanghai(), 0, 2000, 2001, 500, 2500, 2001)
    found = [one for one in site.judge() if one.rule.limit.id == "pm-high"]
    assert [one.outcome for one in found] == ["compliant", "compliant", "compliant", "exceeded", "exceeded"]
    assert [one.permitted for one in found] == [False, True, False, False, False]


def test_shanghai_permits_six_quarters_of_an_hour_a_day_above_1_mg_per_m3():
    site = quarters(shanghai(), 0, *[1100] * 8)
    assert outcomes(site, "pm-low") == ["compliant"] * 6 + ["exceeded"] * 2


def test_permitted_exceedances_are_counted_anew_every_local_day():
    """The last quarter before midnight and the first after it are each the first of their day."""
    site = shanghai().add("tsp", DAY - QUARTER, QUARTER, 2500, 2500, 2500)
    assert outcomes(site, "pm-high") == ["compliant", "compliant", "exceeded"]


def test_an_earlier_exceedance_that_becomes_known_late_uses_up_the_permission_of_a_later_one():
    site = quarters(shanghai(), 0, 500, 500, 500, 2500)
    end = site.midnight + 10 * HOUR
    assert outcomes(site, "pm-high", until=end) == ["compliant"] * 4
    site.add("tsp", 7 * HOUR, QUARTER, 2400)
    amended = [(one.value, one.outcome, one.permitted) for one in site.judge(until=end) if one.rule.id.endswith("high")]
    assert amended == [(2400, "compliant", True), (2500, "exceeded", False)]


def test_invalid_quarters_use_up_no_permission():
    site = shanghai().add("tsp", 8 * HOUR, MINUTE, *[2500] * 11, *[None] * 4, *[2500] * 15)
    assert outcomes(site, "pm-high") == ["too_little", "compliant"]


@pytest.mark.parametrize(("phase", "outcome"), [("earthworks", "compliant"), ("structure", "exceeded")])
def test_shaanxi_by_the_phase_of_the_works(phase, outcome):
    """Half an hour of 0.6 and half an hour of 1.0 mg/m3: a mean of 0.8, allowed for earthworks and not above 0.7."""
    site = Bench("DB61/1078-2017", where="CN-SN", phase=phase)
    assert site.add("tsp", 8 * HOUR, 30 * MINUTE, 600, 1000).told() == [(800, outcome)]


@pytest.mark.parametrize(("area", "outcome"), [("urban", "exceeded"), ("rural", "compliant")])
def test_liaoning_by_the_area_in_windows_of_5_minutes(area, outcome):
    site = Bench("DB21/2642-2016", where="CN-LN", area=area)
    assert site.add("tsp", 8 * HOUR, MINUTE, 800, 900, 1000, 1100, 1200).told() == [(1000, outcome)]


def test_in_guizhou_the_local_limit_on_dust_is_open_and_the_national_one_is_not_taken():
    site = Bench("DB52/1700-2022", "GB 16297-1996", where="Guiyang")
    site.add("tsp", 0, HOUR, 1200).add("pm10", 0, HOUR, 300)
    assert {one.rule.id: (one.outcome, one.missing) for one in site.judge()} == {
        "DB52/1700-2022 tsp": ("open", "value"),
        "DB52/1700-2022 pm10": ("open", "value"),
    }
    before = Bench("DB52/1700-2022", "GB 16297-1996", where="Guizhou", day="2023-02-28").add("tsp", 0, HOUR, 1200)
    assert before.told("boundary-pm") == [(1200, "exceeded")]


def test_hebei_is_above_the_background_which_nobody_knows():
    """Up to 80 it is kept whatever the background; up to 230 it may be kept or not, and nobody is told that it is."""
    site = Bench("DB13/2934-2019", where="CN-HE").add("pm10", 8 * HOUR, HOUR, 80, 81, 230)
    assert site.told() == [(80, "compliant"), (81, "no_background"), (230, "no_background")]


def test_fugitive_dust_by_the_national_limit_where_the_province_has_none():
    assert Bench("GB 16297-1996", where="CN-JX").add("tsp", 0, HOUR, 1000, 1001).told() == [
        *((1000, "compliant"), (1001, "exceeded")),
    ]


@pytest.mark.parametrize(("where", "standard"), [("CN-SH", "DB31/964-2016"), ("CN-GD", "DB44/27-2001")])
def test_the_limit_of_the_province_stands_in_for_the_national_one(where, standard):
    site = Bench(where=where).add("tsp", 8 * HOUR, MINUTE, *[1200] * 60)
    binding = {one.rule.standard.id for one in site.judge() if one.binding == "binds"}
    assert binding == {standard}


@pytest.mark.parametrize(("quantity", "limit"), [("tsp", 1000), ("so2", 400), ("nox", 120), ("nmhc", 4)], ids=str)
def test_the_boundary_of_a_factory_in_hours(quantity, limit):
    site = Bench("GB 16297-1996", kind="factory").add(quantity, 0, HOUR, limit, limit * 1.01)
    assert [outcome for _, outcome in site.told()] == ["compliant", "exceeded"]


def boiler(**properties):
    return Bench("GB 13271-2014", kind="factory", **({"plant": "boiler", "fuel": "gas", "boiler": "new"} | properties))


def test_stack_gas_is_converted_to_the_reference_oxygen():
    """150 mg/m3 at 10 % oxygen is 150 x (21 - 3.5) / (21 - 10) = 238.6 mg/m3 at 3.5 %, above 200."""
    site = boiler().add("stack_nox", 0, HOUR, 150.0).add("stack_o2", 0, HOUR, 10.0)
    assert site.told("nox-new-gas") == [(238.6, "exceeded")]


def test_at_the_reference_oxygen_nothing_changes():
    site = boiler().add("stack_nox", 0, HOUR, 200.0, 200.1).add("stack_o2", 0, HOUR, 3.5, 3.5)
    assert site.told("nox-new-gas") == [(200.0, "compliant"), (200.1, "exceeded")]


def test_the_hourly_means_are_converted_not_the_minutes():
    """NOx 100 then 200 at oxygen 3 then 9 %: means of 150 and 6, 150 x 17.5 / 15 = 175 mg/m3."""
    site = boiler().add("stack_nox", 0, 30 * MINUTE, 100.0, 200.0).add("stack_o2", 0, 30 * MINUTE, 3.0, 9.0)
    assert site.told("nox-new-gas") == [(175.0, "compliant")]


@pytest.mark.parametrize("oxygen", [[], [None] * 60, [10.0] * 44, [21.0] * 60, [22.0] * 60])
def test_without_a_valid_oxygen_below_that_of_air_nothing_can_be_converted(oxygen):
    site = boiler().add("stack_nox", 0, MINUTE, *[150.0] * 60).add("stack_o2", 0, MINUTE, *oxygen)
    assert site.told("nox-new-gas") == [(None, "no_oxygen")]


def test_oxygen_that_comes_late_amends_the_verdict():
    site = boiler().add("stack_nox", 0, HOUR, 150.0)
    assert site.told("nox-new-gas", until=site.midnight + HOUR) == [(None, "no_oxygen")]
    site.add("stack_o2", 0, HOUR, 10.0)
    assert site.told("nox-new-gas", until=site.midnight + HOUR) == [(238.6, "exceeded")]


@pytest.mark.parametrize(
    ("properties", "quantity", "value"),
    [
        ({"boiler": "in_use", "fuel": "coal"}, "stack_pm", 80),
        ({"boiler": "in_use", "fuel": "coal"}, "stack_so2", 400),
        ({"boiler": "new", "fuel": "oil"}, "stack_so2", 200),
        ({"boiler": "special", "fuel": "gas"}, "stack_nox", 150),
    ],
)
def test_boilers_by_table(properties, quantity, value):
    reference = 9.0 if properties["fuel"] == "coal" else 3.5
    site = (
        boiler(**properties).add(quantity, 0, HOUR, value, value + 0.1).add("stack_o2", 0, HOUR, reference, reference)
    )
    assert [outcome for _, outcome in site.told()] == ["compliant", "exceeded"]


def test_a_gas_turbine_is_converted_to_15_percent():
    """60 mg/m3 at 13 % is 60 x (21 - 15) / (21 - 13) = 45 mg/m3."""
    site = Bench("GB 13223-2011", kind="factory", plant="gas_turbine", fuel="gas")
    site.add("stack_nox", 0, HOUR, 60.0, 70.0).add("stack_o2", 0, HOUR, 13.0, 13.0)
    assert site.told("turbine-nox") == [(45.0, "compliant"), (52.5, "exceeded")]


def test_a_stack_without_a_standard_of_its_trade_is_not_converted():
    site = Bench("GB 16297-1996", kind="factory", plant="other").add("stack_nox", 0, HOUR, 240.0, 240.1)
    assert site.told("stack-nox") == [(240.0, "compliant"), (240.1, "exceeded")]


def test_calibration_and_faults_do_not_count_and_an_hour_needs_45_minutes():
    for minutes, outcome in ((45, "exceeded"), (44, "too_little")):
        site = boiler().add("stack_o2", 0, MINUTE, *[3.5] * 60)
        site.add("stack_nox", 0, MINUTE, *[300.0] * minutes, *[None] * (60 - minutes))
        assert site.told("nox-new-gas") == [(300.0, outcome)]
