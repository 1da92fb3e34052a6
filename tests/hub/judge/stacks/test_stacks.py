"""What leaves a stack, each calculation by hand: oxygen, states, validity, mass, rates, totals, forecasts."""

import datetime as dt
import random

import pytest

from hub.judge.stacks.cells import Cells, Record, cells_of, own_conversions
from hub.judge.stacks.hours import Span, Terms, day_mean, hours_of, merged, period_mean, states_of
from hub.judge.stacks.oxygen import converted
from hub.judge.stacks.rates import rates_of
from hub.judge.stacks.totals import forecast, mass_of, replaced

HOUR = 3600
GAS = Terms(reference_o2=3.5, limit=50.0, limit_source="91-1")
FINE = (1, 2)
"""Decimals of NOx and of oxygen."""


def minutes(start, values, flagged=None, zs=None, count=60, first=0):
    """Return records of `count` minutes of an hour from minute `first` on."""
    return [
        Record(start + 60 * (first + n), 60, dict(values), dict(flagged or {}), dict(zs or {})) for n in range(count)
    ]


def hour(start, nox=100.0, o2=6.0, flow=20.0, **more):
    return cells_of(minutes(start, {"stack_nox": nox, "stack_o2": o2, "stack_flow": flow}, **more))


def at_rest(start):
    return cells_of(minutes(start, {}, dict.fromkeys(("stack_nox", "stack_o2", "stack_flow"), "F")))


def of(cells, terms=GAS, spans=(), decimals=FINE):
    return hours_of(cells, "stack_nox", lambda _t: terms, decimals, spans)


def one(cells, terms=GAS, spans=()):
    (found,) = of({0: cells}, terms, spans)
    return found


def test_100_mg_at_6_percent_oxygen_are_116_67_at_3_5():
    # 100 x (21 - 3.5) / (21 - 6) = 100 x 17.5 / 15
    assert converted(100, 6.0, 3.5) == pytest.approx(116.6667, abs=1e-4)
    assert one(hour(0)).compared == pytest.approx(116.6667, abs=1e-4)


@pytest.mark.parametrize("oxygen", [21.0, 21.3, 25.0])
def test_with_as_much_oxygen_as_air_nothing_is_converted(oxygen):
    assert converted(100, oxygen, 3.5) is None
    found = one(hour(0, o2=oxygen), GAS.__class__(reference_o2=3.5, high_o2=22.0))
    assert (found.converted, found.counts, found.valid) == (None, False, True)


def test_near_air_the_conversion_is_finite_and_the_hour_does_not_count():
    found = one(hour(0, o2=20.9))
    assert found.converted == pytest.approx(100 * 17.5 / 0.1)
    assert (found.state, found.counts) == ("unclear", False)


def test_without_enough_valid_oxygen_nothing_is_converted():
    without = cells_of(minutes(0, {"stack_nox": 100.0, "stack_flow": 20.0}))
    faulty = cells_of(minutes(0, {"stack_nox": 100.0, "stack_flow": 20.0}, {"stack_o2": "D"}))
    short = cells_of(
        [
            *minutes(0, {"stack_nox": 100.0, "stack_o2": 6.0}, count=44),
            *minutes(0, {"stack_nox": 100.0}, {"stack_o2": "C"}, count=16, first=44),
        ]
    )
    for cells in (without, faulty, short):
        found = one(cells)
        assert (found.valid, found.oxygen, found.converted, found.compared) == (True, None, None, None)
    # Where no reference oxygen is asked, what was measured is compared.
    assert one(without, Terms(limit=50.0)).compared == 100.0


def test_45_valid_minutes_make_an_hour_and_44_do_not():
    def of_minutes(valid, letter):
        rest = minutes(0, {"stack_o2": 6.0, "stack_flow": 20.0}, {"stack_nox": letter}, count=60 - valid, first=valid)
        good = minutes(0, {"stack_nox": 80.0, "stack_o2": 6.0, "stack_flow": 20.0}, count=valid)
        return one(cells_of([*good, *rest]))

    assert (of_minutes(45, "C").valid, of_minutes(45, "C").reason) == (True, "")
    reasons = {"C": "calibrating", "M": "maintenance", "S": "by_hand", "D": "faulty", "T": "faulty", "B": "faulty"}
    for letter, reason in reasons.items():
        found = of_minutes(44, letter)
        assert (found.valid, found.reason, found.counts, found.mass_kg) == (False, reason, False, None)
        assert found.compared is None, "it is never judged as measured"


def test_an_hour_of_which_nothing_came_and_one_of_which_little_came():
    assert one(Cells({})).reason == "no_data"
    assert one(Cells({})).state == "unknown"
    assert one(cells_of(minutes(0, {"stack_nox": 80.0}, count=30))).reason == "too_little"


def test_start_up_and_shut_down_are_told_by_what_lies_beside_them():
    day = {0: at_rest(0)}
    kinds = ["burning", "burning", "running", "running", "burning", "rest", "rest"]
    for number, kind in enumerate(kinds, 1):
        start = number * HOUR
        day[start] = at_rest(start) if kind == "rest" else hour(start, o2=19.5 if kind == "burning" else 6.0)
    states = list(states_of(day, lambda _t: GAS).values())
    assert states == [
        *("stopped", "starting", "starting", "running", "running"),
        *("stopping", "stopped", "stopped"),
    ]
    judged = [found.counts for found in of(day)]
    assert judged == [False, False, False, True, True, False, False, False]


def test_much_oxygen_between_hours_in_operation_is_neither_start_up_nor_judged():
    day = {0: hour(0), HOUR: hour(HOUR, o2=19.5), 2 * HOUR: hour(2 * HOUR)}
    assert list(states_of(day, lambda _t: GAS).values()) == ["running", "unclear", "running"]
    # What is still going on is not called a shut-down before the plant is at rest.
    assert list(states_of({0: hour(0), HOUR: hour(HOUR, o2=19.5)}, lambda _t: GAS).values()) == ["running", "unclear"]


def test_a_flow_below_what_the_outlet_names_is_rest_and_so_is_what_was_declared():
    slow = Terms(stopped_below=5.0)
    assert list(states_of({0: hour(0, flow=4.9)}, lambda _t: slow).values()) == ["stopped"]
    assert list(states_of({0: hour(0, flow=5.0)}, lambda _t: slow).values()) == ["running"]
    assert one(hour(0), spans=[Span(0, HOUR, "stopped", "registry/stopped")]).mass_kg == 0.0
    started = one(hour(0), spans=[Span(600, 4000, "starting", "registry/starting")])
    assert (started.state, started.valid, started.counts, started.marks) == (
        ("starting", True, False, ("registry/starting",))
    )


def test_what_is_marked_invalid_is_never_judged_nor_counted_as_mass():
    marked = one(hour(0), spans=[Span(0, 1800, "marked", "mark/7")])
    assert (marked.valid, marked.reason, marked.compared, marked.mass_kg) == (False, "marked", None, None)
    # Ten minutes leave 50 valid ones.
    assert one(hour(0), spans=[Span(0, 600, "marked", "mark/8")]).valid


def test_50_mg_at_20_m3_a_second_are_3_6_kg_an_hour():
    # 50 mg/m3 x 20 m3/s x 3600 s = 3,600,000 mg; the oxygen does not matter
    assert one(hour(0, nox=50.0, o2=11.0)).mass_kg == pytest.approx(3.6)
    assert one(hour(0, nox=-3.0)).mass_kg == 0.0
    half = cells_of(
        [
            *minutes(0, {"stack_nox": 50.0, "stack_o2": 6.0, "stack_flow": 20.0}, count=30),
            *minutes(0, {}, {"stack_nox": "F", "stack_o2": "F", "stack_flow": "F"}, count=30, first=30),
        ]
    )
    # Half of it at rest by its flags: that is an hour at rest.
    assert one(half).state == "stopped"
    forty = cells_of(
        [
            *minutes(0, {"stack_nox": 50.0, "stack_o2": 6.0, "stack_flow": 20.0}, count=40),
            *minutes(0, {}, {"stack_nox": "F", "stack_o2": "F", "stack_flow": "F"}, count=20, first=40),
        ]
    )
    assert one(forty).mass_kg == pytest.approx(50 * 20 * 2400e-6)


def test_gaps_of_the_mass_are_named():
    assert one(cells_of(minutes(0, {"stack_nox": 50.0, "stack_o2": 6.0}))).gap == "no_flow"
    assert one(hour(0), Terms(flow_dry=False)).gap == "flow_basis"
    assert one(cells_of(minutes(0, {"stack_flow": 20.0}, {"stack_nox": "D"}))).gap == "invalid"


def test_what_the_station_converted_itself_is_compared_beyond_rounding():
    # 100 x 17.5 / 15 = 116.67: sent with one decimal it is 116.7
    same = one(hour(0, zs={"stack_nox": 116.7}))
    assert (same.own_differs, same.own) == (False, pytest.approx(116.7))
    assert same.own_expected == pytest.approx(116.6667, abs=1e-4)
    # The allowance: half a unit of both values (0.05 x (1 + 1.17)) and of the oxygen (116.67 x 0.005 / 15): 0.147
    assert not one(hour(0, zs={"stack_nox": 116.81})).own_differs
    assert one(hour(0, zs={"stack_nox": 116.82})).own_differs
    # Converted to 6 % instead: the station goes by another reference.
    assert one(hour(0, zs={"stack_nox": 100.0})).own_differs
    assert one(hour(0)).own is None


def test_a_station_that_converts_each_minute_is_compared_with_the_same():
    # Half an hour at 3 %, half at 11 %: 100 x 17.5/18 and 100 x 17.5/10, mean 136.1; of their mean (7 %) it is 125.
    cells = cells_of(
        [
            *minutes(0, {"stack_nox": 100.0, "stack_o2": 3.0}, zs={"stack_nox": 97.2}, count=30),
            *minutes(0, {"stack_nox": 100.0, "stack_o2": 11.0}, zs={"stack_nox": 175.0}, count=30, first=30),
        ]
    )
    found = one(cells)
    assert (found.own_expected, found.converted) == (pytest.approx(136.11, abs=0.01), pytest.approx(125.0))
    assert not found.own_differs


def test_own_values_are_found_under_the_keys_of_their_interval():
    said = {"stack_nox_min_zs_avg": 1.0, "stack_so2_rtd_zs_rtd": 2.0, "stack_pm_min": 3.0}
    assert own_conversions(said, ["stack_nox", "stack_so2", "stack_pm"]) == {"stack_nox": 1.0, "stack_so2": 2.0}


def test_of_two_sources_the_first_that_says_something_counts():
    both = merged([cells_of(minutes(0, {"stack_o2": 5.0})), hour(0)])
    assert both.quantities["stack_o2"].mean == 5.0
    assert both.quantities["stack_nox"].mean == 100.0


def test_20_valid_hours_make_a_day_and_19_do_not():
    def day(valid):
        return {n * HOUR: hour(n * HOUR) if n < valid else Cells({}) for n in range(24)}

    assert day_mean(of(day(20))).mean == pytest.approx(116.6667, abs=1e-4)
    assert day_mean(of(day(19))).mean is None
    assert (day_mean(of(day(19))).valid, day_mean(of(day(19))).enough) == (19, False)


def test_the_capture_of_a_quarter_leaves_out_hours_at_rest():
    # 100 h: 20 at rest, 60 valid, 20 without data: 60 / 80 = 75 %
    hours = {n * HOUR: at_rest(n * HOUR) if n < 20 else hour(n * HOUR) if n < 80 else Cells({}) for n in range(100)}
    found = period_mean(of(hours))
    assert (found.capture, found.enough) == (0.75, True)


def test_transmission_times_validity_of_a_month():
    # 720 h: 120 at rest, so 600 are due; 30 never came: 570 / 600 = 95 %; 57 of these are calibration: 513 / 570 = 90 %
    hours = {}
    for n in range(720):
        start = n * HOUR
        if n < 120:
            hours[start] = at_rest(start)
        elif n < 150:
            hours[start] = Cells({})
        elif n < 207:
            hours[start] = cells_of(minutes(start, {"stack_o2": 6.0}, {"stack_nox": "C"}))
        else:
            hours[start] = hour(start)
    found = rates_of(of(hours))
    assert (found.due, found.transmitted, found.valid) == (600, 570, 513)
    assert (found.transmission, found.validity) == (0.95, pytest.approx(0.9))
    assert found.product == pytest.approx(0.95 * 0.9)


def test_of_a_plant_at_rest_nothing_is_due():
    found = rates_of(of({0: at_rest(0)}))
    assert (found.due, found.transmission, found.validity, found.product) == (0, None, None, None)


def test_a_short_gap_is_replaced_by_the_highest_of_the_180_valid_hours_before_it():
    # 200 h of 3.6 kg, one of 7.2 kg in the tenth hour (out of reach), one of 5.4 kg in the hundredth; then a gap of 2 h
    mg = dict.fromkeys(range(200), 50.0) | {10: 100.0, 100: 75.0}
    hours = {n * HOUR: hour(n * HOUR, nox=mg[n]) if n in mg else Cells({}) for n in range(202)}
    found = of(hours)
    (gap,) = replaced(found, [])
    assert (gap.start, gap.hours, gap.each_kg, gap.looked_back) == (200 * HOUR, 2, pytest.approx(5.4), 180)
    mass = mass_of(found, [gap])
    assert mass.measured_kg == pytest.approx(198 * 3.6 + 7.2 + 5.4)
    assert mass.replaced_kg == pytest.approx(10.8)
    assert (mass.hours, mass.missing, mass.unknown) == (202, 2, 0)


def test_a_gap_that_no_rule_fills_stays_one():
    hours = {n * HOUR: hour(n * HOUR) if n < 100 else Cells({}) for n in range(102)}
    found = of(hours)
    (gap,) = replaced(found, [])  # only 100 valid hours are known
    assert gap.each_kg is None
    assert mass_of(found, [gap]).unknown == 2
    # With a capture below 75 % nothing is replaced, whatever is known.
    poor = of({n * HOUR: hour(n * HOUR) if n < 5 else Cells({}) for n in range(10)})
    assert replaced(poor, [9.9] * 3000)[0].each_kg is None
    # With one between 75 and 90 % the 2160 hours before decide.
    fair = of({n * HOUR: hour(n * HOUR) if n < 8 else Cells({}) for n in range(10)})
    assert replaced(fair, [9.9] * 2152)[0].each_kg == 9.9
    assert replaced(fair, [9.9] * 2151)[0].each_kg is None


def test_the_day_on_which_a_total_is_used_up():
    # 1000 kg are permitted and 700 kg used; 10 days of 8 and 12 kg in turn: mean 10, so 300 / 10 = 30 days are left:
    # 2 June + 30 days = 2 July.
    days = [8.0, 12.0] * 5
    found = forecast(days, 700.0, 1000.0, dt.date(2026, 6, 2))
    assert (found.rate_kg, found.days, found.used_up) == (10.0, 10, dt.date(2026, 7, 2))
    # s = sqrt(10 x 4 / 9) = 2.108; margin = 2 x 2.108 x sqrt(1/30 + 1/10) = 1.5396
    assert found.deviation_kg == pytest.approx(2.1082, abs=1e-4)
    # 300 / 11.5396 = 25.997 -> 25 days; 300 / 8.4604 = 35.46 -> 35 days
    assert (found.earliest, found.latest) == (dt.date(2026, 6, 27), dt.date(2026, 7, 7))


def test_a_total_that_lasts_beyond_the_year_or_is_used_up_already():
    assert forecast([1.0] * 30, 0.0, 1000.0, dt.date(2026, 6, 2)).used_up is None
    over = forecast([1.0] * 30, 1001.0, 1000.0, dt.date(2026, 6, 2))
    assert (over.used_up, over.earliest) == (dt.date(2026, 6, 1), dt.date(2026, 6, 1))
    assert forecast([1.0] * 6, 0.0, 10.0, dt.date(2026, 6, 2)) is None, "too few days"
    assert forecast([0.0] * 30, 0.0, 10.0, dt.date(2026, 6, 2)) is None, "nothing is emitted"
    # On 22 December 95 kg are left, 9.5 days of 10 kg: nine whole days later it is the 31st.
    assert forecast([10.0] * 30, 5.0, 100.0, dt.date(2026, 12, 22)).used_up == dt.date(2026, 12, 31)
    assert forecast([10.0] * 30, 0.0, 100.0, dt.date(2026, 12, 22)).used_up is None


def test_only_the_last_30_days_count():
    found = forecast([99.0] * 10 + [10.0] * 30, 0.0, 100.0, dt.date(2026, 6, 2))
    assert (found.rate_kg, found.deviation_kg, found.used_up) == (10.0, 0.0, dt.date(2026, 6, 12))


def test_in_whatever_order_minutes_come_the_hour_is_the_same():
    drawn = random.Random(7)
    said = [
        Record(60 * n, 60, {"stack_nox": drawn.uniform(0, 200), "stack_o2": drawn.uniform(3, 20)}, {})
        for n in range(60)
    ]
    first = one(cells_of(said))
    for _ in range(20):
        drawn.shuffle(said)
        again = one(cells_of(said))
        assert again.converted == pytest.approx(first.converted)
        assert (again.valid, again.state) == (first.valid, first.state)
