"""Worked examples: rounding, background, limits that are not known, oxygen, percentiles; each with its arithmetic."""

import pytest

from hub.judge import Instrument
from hub.judge.averaging import percentile
from tests.hub.judging import DAY, HOUR, MINUTE, Bench

NINE, TEN_PM = 9 * HOUR, 22 * HOUR
NOISE, FACTORY, AREA, HEBEI = "GB 12523-2025", "GB 12348-2008", "GB 3096-2008", "DB13/2934-2019"


def said(site, limit=""):
    """Return (value as compared, outcome, grade) of each window."""
    return [
        (one.compared, one.reason or one.outcome, one.grade)
        for one in site.judge()
        if not limit or one.rule.limit.id == limit
    ]


@pytest.mark.parametrize(
    ("level", "compared", "outcome"),
    [(70.0, 70, "compliant"), (70.4, 70, "compliant"), (70.5, 70, "compliant"), (70.6, 71, "exceeded")],
)
def test_noise_is_compared_in_whole_db_and_keeps_its_digits(level, compared, outcome):
    """HJ 706, 5.4; of two equally near whole numbers GB/T 8170 takes the even one."""
    (one,) = Bench(NOISE).add("laeq", NINE, 20 * MINUTE, level).judge()
    assert (round(one.value, 9), one.compared, one.outcome) == (level, compared, outcome)
    assert one.rule.limit.rounding == "S"


def test_what_nothing_is_known_of_is_compared_as_measured_and_says_so():
    """Nothing is said of the highest level, nor of the sound around (GB 3096)."""
    (peak,) = Bench(NOISE).add("lafmax", TEN_PM, 20 * MINUTE, 70.1).judge()
    assert (peak.compared, peak.outcome, peak.rule.limit.rounding) == (70.1, "exceeded", "U")
    night = Bench(AREA, zone="2").add("laeq", TEN_PM, HOUR, *[50.1] * 8).judge()
    assert [(one.compared, one.outcome, one.grade) for one in night] == [(50.1, "exceeded", "")]


@pytest.mark.parametrize(
    ("value", "limit", "outcome"),
    [(160.25, "o3-8h-2", "compliant"), (160.5, "o3-8h-2", "compliant"), (160.51, "o3-8h-2", "exceeded")],
)
def test_the_air_is_compared_in_whole_micrograms_so_that_limit_and_index_agree(value, limit, outcome):
    site = Bench("GB 3095-2026").add("o3", 0, HOUR, *[value] * 24)
    assert [one.outcome for one in site.judge() if one.rule.limit.id == limit] == [outcome]


def test_carbon_monoxide_is_compared_in_tenths_of_a_milligram():
    site = Bench("GB 3095-2026").add("co", 0, HOUR, 10.05, 10.06)
    assert [(one.compared, one.outcome) for one in site.judge() if one.rule.limit.id == "co-hour-2"] == [
        *((10.0, "compliant"), (10.1, "exceeded"))
    ]


@pytest.mark.parametrize(
    ("level", "compared", "outcome", "grade"),
    [
        (70.4, 70, "compliant", ""),  # not above: no background is needed (HJ 706, 6.1)
        (70.6, 71, "above_uncorrected", "suspicion"),
        (95.0, 95, "above_uncorrected", "suspicion"),
    ],
)
def test_above_a_limit_without_a_background_is_a_suspicion_however_far(level, compared, outcome, grade):
    assert said(Bench(NOISE, background=None).add("laeq", NINE, 20 * MINUTE, level)) == [(compared, outcome, grade)]


@pytest.mark.parametrize(
    ("background", "compared", "outcome"),
    [
        (62.4, 73, "exceeded"),  # 73 - 62.4 = 10.6, 11: nothing is taken off
        (63.0, 72, "exceeded"),  # 10: 1 dB
        (67.4, 72, "exceeded"),  # 5.6, 6: 1 dB
        (67.6, 71, "exceeded"),  # 5.4, 5: 2 dB
        (68.6, 71, "exceeded"),  # 4.4, 4: 2 dB
        (69.6, 70, "compliant"),  # 3.4, 3: 3 dB
        (70.4, 70, "compliant"),  # 2.6, 3: 3 dB
        (70.6, 73, "background_near"),  # 2.4, 2: it cannot be judged
        (80.0, 73, "background_near"),
    ],
)
def test_a_level_above_its_limit_is_corrected_by_the_table(background, compared, outcome):
    """73 dB against 70: the difference to the background is rounded to whole dB first."""
    site = Bench(NOISE, background=background).add("laeq", NINE, 20 * MINUTE, 73.0)
    assert [one[:2] for one in said(site)] == [(compared, outcome)]


@pytest.mark.parametrize(
    ("elsewhere", "compared", "outcome"),
    [
        (50.0, 73, "exceeded"),  # 23 dB apart: nothing is taken off
        (68.0, 71, "exceeded"),  # 5: 2 dB
        (70.0, 70, "compliant"),  # 3: 3 dB
        (71.0, 73, "background_near"),
        (None, 73, "above_uncorrected"),  # it was not in order then
    ],
)
def test_a_board_that_does_not_hear_the_site_measures_its_background_in_the_same_window(elsewhere, compared, outcome):
    """73 dB against 70; the window before was quiet elsewhere, which says nothing of this one."""
    site = Bench(NOISE, background="r").add("laeq", NINE, 20 * MINUTE, 60.0, 73.0)
    site.add("laeq", NINE, 20 * MINUTE, 40.0, elsewhere, device="r")
    found = [(one.compared, one.reason or one.outcome, one.background) for one in site.judge()]
    assert found == [(60, "compliant", 40.0), (compared, outcome, elsewhere)]


def test_of_a_board_elsewhere_enough_must_be_measured_and_nothing_be_beyond_it():
    """14 of 20 min are too little; of a level that is only known to be at least so high nobody knows the difference."""
    short = Bench(NOISE, background="r").add("laeq", NINE, 20 * MINUTE, 73.0)
    short.add("laeq", NINE, 14 * MINUTE, 50.0, device="r")
    clipped = Bench(NOISE, background="r").add("laeq", NINE, 20 * MINUTE, 73.0)
    clipped.add("laeq", NINE, 19 * MINUTE, 50.0, device="r")
    clipped.add("laeq at least", NINE + 19 * MINUTE, MINUTE, 95.0, device="r")
    for site in (short, clipped):
        assert [(one.outcome, one.grade, one.background) for one in site.judge()] == [
            ("above_uncorrected", "suspicion", None)
        ]


def test_a_window_waits_for_the_board_elsewhere_and_its_late_records_amend_it():
    site = Bench(NOISE, background="r").add("laeq", NINE, 20 * MINUTE, 73.0)
    end = site.midnight + NINE + 20 * MINUTE
    assert site.told(until=end) == [(73.0, "above_uncorrected")]
    site.add("laeq", NINE, 20 * MINUTE, 70.0, device="r")
    assert site.told(until=end) == [(73.0, "compliant")]
    waiting = Bench(NOISE, background="r").add("laeq", NINE, 20 * MINUTE, 73.0)
    waiting.add("laeq", NINE, 10 * MINUTE, 70.0, device="r")
    waiting.engine.reach("a", end)
    assert waiting.engine.judge("a") == []


def test_a_board_elsewhere_gives_windows_that_its_own_site_does_not_have():
    """It stands at a factory whose zone class is not known, so there are no 20 min of its own."""
    site = Bench(NOISE, "GB 12348-2008", background="r")
    own = site.engine._sites.place("a")
    site.engine._sites.place = lambda device: own._replace(kind="factory") if device == "r" else own
    site.add("laeq", NINE, 20 * MINUTE, 73.0).add("laeq", NINE, 20 * MINUTE, 70.0, device="r")
    assert site.told("laeq-day") == [(73.0, "compliant")]


@pytest.mark.parametrize(
    ("kind", "elsewhere", "grade"),
    [("indicative", 50.0, "suspicion"), ("class_2", 50.0, "violation"), ("", 50.0, "violation")],
)
def test_what_an_indicative_board_elsewhere_says_makes_no_violation(kind, elsewhere, grade):
    meters = {"a": Instrument("class_1", 1.4), "r": Instrument(kind)}
    site = Bench(NOISE, background="r", instrument=meters).add("laeq", NINE, 20 * MINUTE, 73.0)
    site.add("laeq", NINE, 20 * MINUTE, elsewhere, device="r")
    ((one,)) = site.judge()
    assert (one.outcome, one.grade, one.instrument) == ("exceeded", grade, "class_1")
    assert one.reason == ("indicative" if grade == "suspicion" else "")


def test_what_is_above_whatever_an_indicative_reference_of_dust_says_is_certain():
    """150 off at most: 300 is above 80 for certain, 200 only because the reference says 100; two are permitted."""
    meters = {"a": Instrument("type_approved"), "r": Instrument("indicative")}
    for value, grade in ((300, "violation"), (200, "suspicion")):
        site = Bench(HEBEI, "GB 3095-2026", where="CN-HE", reference="r", instrument=meters)
        site.add("pm10", 8 * HOUR, HOUR, *[value] * 3).add("pm10", 8 * HOUR, HOUR, *[100] * 3, device="r")
        found = [one for one in site.judge() if one.rule.standard.id == HEBEI]
        assert [(one.outcome, one.grade) for one in found] == [("compliant", "")] * 2 + [("exceeded", grade)]


def test_the_highest_level_is_judged_directly():
    site = Bench(NOISE, background=None).add("lafmax", TEN_PM, 20 * MINUTE, 71.0)
    assert said(site) == [(71.0, "exceeded", "violation")]


def shaanxi(**properties):
    return Bench(where="CN-SN", **properties).add("tsp", NINE, HOUR, 650, 750, 850)


def test_a_phase_that_is_not_known_leaves_open_only_what_depends_on_it():
    """Earthworks 0.8, structure 0.7 mg/m3: 0.65 is kept and 0.85 exceeded in whichever phase, 0.75 is not known."""
    found = [one for one in shaanxi().judge() if one.binding == "binds"]
    assert {one.rule.standard.id for one in found} == {"DB61/1078-2017"}, "the laxer national limit is not taken"
    assert [(one.outcome, one.grade, one.missing) for one in found] == [
        *(("compliant", "", "phase"), ("open", "", "phase"), ("exceeded", "violation", "phase"))
    ]


def test_a_phase_that_is_known_decides():
    found = [one.outcome for one in shaanxi(phase="structure").judge() if one.binding == "binds"]
    assert found == ["compliant", "exceeded", "exceeded"]


def test_a_zone_class_that_is_not_known_likewise():
    """By day 50 dB in class 0 and 70 dB in class 4."""
    site = Bench(FACTORY, kind="factory").add("laeq", NINE, MINUTE, 50.0, 60.0, 71.0)
    assert [(one.outcome, one.missing) for one in site.judge()] == [
        *(("compliant", "zone_class"), ("open", "zone_class"), ("exceeded", "zone_class"))
    ]


@pytest.mark.parametrize(
    ("where", "properties", "quantity"),
    [
        ("Wuxi", {"plant": "other"}, "stack_nox"),
        ("Wuxi", {}, "so2"),
        ("Xi'an", {"plant": "boiler", "fuel": "gas", "boiler": "new"}, "stack_nox"),
        ("Xi'an", {"plant": "power_boiler", "fuel": "gas", "boiler": "new"}, "stack_so2"),
        ("Foshan", {"plant": "boiler", "fuel": "coal", "boiler": "new"}, "stack_pm"),
        ("Guangdong", {"plant": "boiler", "fuel": "gas", "boiler": "new"}, "stack_nox"),
        ("Nanchang", {"plant": "other", "key_industry": "yes"}, "stack_nmhc"),
    ],
)
def test_a_local_limit_whose_value_is_not_known_is_open_and_no_national_one_is_taken(where, properties, quantity):
    site = Bench(where=where, kind="factory", zone="3", **properties).add(quantity, 0, HOUR, 40.0)
    found = [one for one in site.judge() if one.binding == "binds"]
    assert [(one.outcome, one.reason, one.missing, one.grade) for one in found] == [
        ("open", "value_unknown", "value", "")
    ]
    assert found[0].value == 40.0


@pytest.mark.parametrize(
    ("city", "day", "properties", "outcome"),
    [
        ("Nanhai", "2026-06-01", {"boiler": "new"}, "exceeded"),
        ("Guangzhou", "2026-06-01", {"boiler": "in_use"}, "exceeded"),
        ("Guangzhou", "2024-03-11", {"boiler": "in_use"}, "open"),
        ("Foshan", "2026-06-01", {"boiler": "in_use", "capacity": "large"}, "exceeded"),
        ("Foshan", "2026-06-01", {"boiler": "in_use", "capacity": "small"}, "open"),
    ],
)
def test_a_gas_boiler_of_180_mg_per_m3_in_guangdong(city, day, properties, outcome):
    """50 mg/m3 at 3.5 % oxygen (DB44/765-2019, table 3), where a city has said so; the national limit is 200 or 400."""
    site = Bench(where=city, day=day, kind="factory", zone="3", plant="boiler", fuel="gas", **properties)
    site.add("stack_nox", 0, HOUR, 180.0).add("stack_o2", 0, HOUR, 3.5)
    found = [one for one in site.judge() if one.binding == "binds"]
    assert [(one.rule.standard.id, one.outcome) for one in found] == [("DB44/765-2019", outcome)]


@pytest.mark.parametrize(
    ("properties", "found"), [({"key_industry": "no"}, [("GB 16297-1996 stack-nmhc", "compliant")]), ({}, [])]
)
def test_in_jiangxi_the_national_limit_holds_only_where_no_trade_of_the_province_is_known(properties, found):
    site = Bench(where="Nanchang", kind="factory", zone="3", plant="other", **properties).add(
        "stack_nmhc", 0, HOUR, 100
    )
    assert [(one.rule.id, one.outcome) for one in site.judge() if one.binding == "binds"] == found


def test_organic_compounds_and_other_stacks_in_guangdong():
    site = Bench(where="Foshan", kind="factory", zone="3", plant="other")
    for quantity, value in (("stack_nmhc", 100.0), ("stack_nox", 180.0), ("stack_so2", 520.0)):
        site.add(quantity, 0, HOUR, value)
    found = {one.rule.id: one.outcome for one in site.judge() if one.binding == "binds"}
    assert found == {
        "DB44/2367-2022 stack-nmhc": "exceeded",
        "DB44/27-2001 stack-nox": "exceeded",
        "DB44/27-2001 stack-so2": "exceeded",
    }


def hebei(*values, area=(), reference="r"):
    site = Bench(HEBEI, "GB 3095-2026", where="CN-HE", reference=reference).add("pm10", 8 * HOUR, HOUR, *values)
    return site.add("pm10", 8 * HOUR, HOUR, *area, device="r")


def of_hebei(site, until=1 << 60):
    found = [one for one in site.judge(until) if one.rule.standard.id == HEBEI]
    return [(one.compared, one.reason or one.outcome) for one in found]


def test_the_background_of_the_county_is_taken_off_at_most_150_of_it():
    """200 - 100 = 100, 200 - 130 = 70, 300 - min(200, 150) = 150; two above 80 are permitted in a day."""
    site = hebei(200, 200, 300, 300, area=(100, 130, 200, 200))
    assert of_hebei(site) == [(100, "compliant"), (70, "compliant"), (150, "compliant"), (150, "exceeded")]


def test_without_the_background_what_is_above_cap_and_limit_is_certain():
    """80 + 150 = 230: above it the limit is exceeded whatever the background is."""
    site = hebei(80, 81, 230, 231, 300, 400, reference=None)
    assert of_hebei(site) == [
        *((80, "compliant"), (81, "no_background"), (230, "no_background")),
        *((81, "compliant"), (150, "compliant"), (250, "exceeded")),  # two are permitted
    ]


def test_a_window_waits_for_the_background_and_a_late_one_amends_it():
    site = hebei(200)
    end = site.midnight + 9 * HOUR
    assert of_hebei(site, end) == [(200, "no_background")]
    site.add("pm10", 8 * HOUR, HOUR, 130, device="r")
    assert of_hebei(site, end) == [(70, "compliant")]
    waiting = hebei(200).add("pm10", 8 * HOUR, 30 * MINUTE, 130, device="r")
    waiting.engine.reach("a", end)
    assert waiting.engine.judge("a") == []


@pytest.mark.parametrize(("oxygen", "outcome"), [(18.9, "exceeded"), (19.0, "oxygen_high"), (20.9, "oxygen_high")])
def test_an_hour_with_as_much_oxygen_as_at_rest_is_void(oxygen, outcome):
    """At 18.9 % it is 100 x 17.5 / 2.1 = 833 mg/m3; from 19 % on the conversion multiplies by 9 and more."""
    site = Bench("GB 13271-2014", kind="factory", plant="boiler", fuel="gas", boiler="new")
    site.add("stack_nox", 0, HOUR, 100.0).add("stack_o2", 0, HOUR, oxygen)
    assert site.told("nox-new-gas")[0][1] == outcome


def test_windy_parts_of_a_night_are_left_out_and_the_rest_is_judged():
    """1 h of 49 dB at 9 m/s and 7 h of 40 dB at 2 m/s: Ln is 40.0 dB."""
    site = Bench(AREA, zone="2").add("laeq", TEN_PM, HOUR, 49.0, *[40.0] * 7)
    site.add("wind_speed", TEN_PM, HOUR, 9.0, *[2.0] * 7)
    (night,) = site.judge()
    assert (round(night.value, 9), night.outcome, night.capture) == (40.0, "compliant", 0.875)


def test_a_night_of_which_most_was_windy_is_not_judged():
    site = Bench(AREA, zone="2").add("laeq", TEN_PM, HOUR, *[60.0] * 8)
    site.add("wind_speed", TEN_PM, HOUR, *[9.0] * 3, *[2.0] * 5)
    assert site.told("ln-2") == [(60.0, "too_little")]


@pytest.mark.parametrize(
    ("properties", "judged"), [({}, True), ({"works": "emergency"}, False), ({"sensitive": "none"}, False)]
)
def test_construction_noise_is_limited_near_sensitive_buildings_and_not_in_an_emergency(properties, judged):
    found = Bench(NOISE, **properties).add("laeq", NINE, 20 * MINUTE, 60.0).judge()
    assert bool(found) is judged
    if found:
        assert found[0].assumed == "sensitive=near, works=planned"


def test_what_is_said_of_a_site_is_not_assumed():
    (one,) = Bench(NOISE, sensitive="near", works="planned").add("laeq", NINE, 20 * MINUTE, 60.0).judge()
    assert one.assumed == ""


def test_percentiles_as_hj_663_has_them():
    """Of 1 to 10, the 90th: rank 1 + 9 x 0.9 = 9.1, so 9 + 0.1 x (10 - 9)."""
    assert percentile([float(n) for n in range(10, 0, -1)], 90) == pytest.approx(9.1)
    assert percentile([5.0], 98) == 5.0
    assert percentile([float(n) for n in range(1, 366)], 98) == pytest.approx(1 + 364 * 0.98)


def test_the_year_is_told_by_its_98th_percentile_too():
    """365 days of NO2, 8 of them at 90: rank 1 + 364 x 0.98 = 357.72 lies between the 357th, 40, and the 358th, 90."""
    days = [40.0] * 365
    for n in range(8):
        days[n * 40] = 90.0
    site = Bench("GB 3095-2026", day="2027-01-01").days("no2", "2027-01-01", *days)
    (year,) = [one for one in site.judge() if one.rule.limit.id == "no2-p98-transition-2"]
    assert year.value == pytest.approx(40 + 0.72 * 50)
    assert (year.compared, year.outcome, year.start, year.end - year.start) == (
        *(76, "compliant"),
        *(site.midnight, 365 * DAY),
    )


def test_a_day_of_ozone_above_the_limit_counts_in_the_year_however_little_was_measured():
    """11 h of 200 ug/m3 give a mean of 8 h above 160, though fewer than 14 of them are there."""
    site = Bench("GB 3095-2026", day="2027-01-01").add("o3", 8 * HOUR, HOUR, *[200.0] * 11)
    assert [one.outcome for one in site.judge() if one.rule.limit.id == "o3-8h-2"] == ["exceeded"]
    node = next(node for key, node in site.engine._plans.nodes.items() if key.endswith("day max >=14"))
    assert list(site.engine.kept_of("a", node, site.midnight, site.midnight + DAY).values()) == [200.0]


COAL = {"plant": "boiler", "fuel": "coal", "boiler": "in_use"}


def stack(*declared):
    """Return (outcome or reason, assumed) of three hours of a coal boiler: 100 mg/m3 at 9 % oxygen, the limit is 80."""
    site = Bench("GB 13271-2014", kind="factory", **COAL)
    site.engine._sites.declared = tuple((site.midnight + start, site.midnight + end) for start, end in declared)
    site.add("stack_pm", NINE, HOUR, 100, 100, 100).add("stack_o2", NINE, HOUR, 9, 9, 9)
    return [(one.reason or one.outcome, one.assumed) for one in site.judge() if one.rule.limit.id == "pm-in-use-coal"]


def test_hours_of_a_declared_start_do_not_count():
    """From 09:30 to 10:00 exactly: the hour from 10:00 on has no part of it."""
    half = 30 * MINUTE
    assert stack((NINE + half, NINE + HOUR)) == [("starting", ""), ("exceeded", ""), ("exceeded", "")]
    assert stack((NINE + half, NINE + HOUR + 1))[:2] == [("starting", ""), ("starting", "")]
    assert stack((0, 1), (NINE + 2 * HOUR, NINE + 3 * HOUR))[-1] == ("starting", "")


def test_where_nothing_is_declared_it_is_said_that_running_is_assumed():
    assert stack() == [("exceeded", "operation=running")] * 3


def test_a_fence_has_no_start_to_be_declared():
    site = Bench(NOISE)
    site.engine._sites.declared = ((0, 1 << 60),)
    (one,) = site.add("laeq", NINE, 20 * MINUTE, 75.0).judge()
    assert (one.outcome, "operation" in one.assumed) == ("exceeded", False)


@pytest.mark.parametrize(
    ("fume", "outcome", "grade", "reason"), [(2.0, "compliant", "", ""), (9.0, "exceeded", "suspicion", "indicative")]
)
@pytest.mark.parametrize("kind", ["", "type_approved"])
def test_fume_in_a_duct_is_screened_and_makes_no_violation_whatever_the_instrument(kind, fume, outcome, grade, reason):
    site = Bench("GB 18483-2001", kind="restaurant", instrument=Instrument(kind)).add(
        "fume", NINE, 10 * MINUTE, *[fume] * 6
    )
    assert [(one.outcome, one.grade, one.reason) for one in site.judge()] == [(outcome, grade, reason)]
