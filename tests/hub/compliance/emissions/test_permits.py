"""A permit's limit takes the place of the standard's, and is named; editions and late imports count by their time."""

import datetime as dt

import pytest

from tests.hub.compliance.emissions.plant import HOUR, LIMIT, MONDAY, PERMIT, PERMIT_FROM, Plant, editions
from tests.hub.helpers import at


@pytest.fixture
def plant(tmp_path):
    plant = Plant(tmp_path, PERMIT, LIMIT)
    yield plant
    plant.close()


def test_the_permit_binds_and_the_standard_informs(plant):
    # 45 mg/m3 at 6 % oxygen are 45 x 17.5 / 15 = 52.5 at 3.5 %: above the permit's 50, below the standard's 200
    plant.say(MONDAY, stack_nox=45.0, stack_o2=6.0)
    plant.take()
    found = plant.verdicts("rule", "binding", "outcome", "grade", "limit_value", "value")
    assert sorted(found) == [
        ("9144-001P heat-nox", "binds", "exceeded", "violation", 50.0, pytest.approx(52.5)),
        ("GB 13271-2014 nox-new-gas", "informs", "compliant", "", 200.0, pytest.approx(52.5)),
    ]
    (row,) = [row for row in plant.rows("verdict") if row["binding"] == "binds"]
    assert editions(row["editions"]) == [
        ("discharge_permit", "heat-permit", 1),
        ("permit_limit", "heat-nox", 1),
        ("outlet", "heat-da001", 1),
    ]
    assert (row["standard"], row["verified"]) == ("9144-001P", "P")
    (alert,) = plant.rows("alert")
    assert (alert["rule"], alert["standard"], alert["limit_value"]) == ("9144-001P heat-nox", "9144-001P", 50.0)
    assert "9144-001P《排污许可证》" in alert["text"]


def test_the_reference_oxygen_is_the_permit_s(plant):
    other = LIMIT | {"properties": LIMIT["properties"] | {"reference_o2": 9.0}}
    plant.know(other)
    plant.say(MONDAY, stack_nox=45.0, stack_o2=6.0)
    plant.take()
    # 45 x 12 / 15 = 36
    assert ("9144-001P heat-nox", "compliant", pytest.approx(36.0)) in plant.verdicts("rule", "outcome", "value")


def test_without_valid_oxygen_a_permit_with_a_reference_says_nothing(plant):
    plant.say(MONDAY, flags={"stack_o2": "C"}, stack_nox=45.0, stack_o2=6.0)
    plant.take()
    assert {row[1:] for row in plant.verdicts("rule", "outcome", "reason")} == {("invalid", "no_oxygen")}
    plant.know(LIMIT | {"properties": {k: v for k, v in LIMIT["properties"].items() if k != "reference_o2"}})
    plant.say(MONDAY + HOUR, flags={"stack_o2": "C"}, stack_nox=45.0, stack_o2=6.0)
    plant.take()
    assert ("9144-001P heat-nox", MONDAY + HOUR, "compliant") in plant.verdicts("rule", "start", "outcome")


def test_each_hour_is_judged_by_the_edition_that_held_then(plant):
    at_two = MONDAY + 2 * HOUR
    plant.know(LIMIT | {"from": at_two, "properties": LIMIT["properties"] | {"value": 60.0}})
    plant.say(MONDAY, 240, stack_nox=45.0, stack_o2=6.0)
    plant.take()
    found = [
        (row["start"], row["limit_value"], row["outcome"], editions(row["editions"])[1][2])
        for row in plant.rows("verdict")
        if row["binding"] == "binds" and row["quantity"] == "stack_nox"
    ]
    assert sorted(found) == [
        (MONDAY, 50.0, "exceeded", 1),
        (MONDAY + HOUR, 50.0, "exceeded", 1),
        (at_two, 60.0, "compliant", 2),
        (at_two + HOUR, 60.0, "compliant", 2),
    ]


def test_outside_its_validity_the_standard_binds(tmp_path):
    ends = MONDAY + HOUR
    plant = Plant(tmp_path, PERMIT | {"until": ends}, LIMIT)
    plant.say(MONDAY, 120, stack_nox=45.0, stack_o2=6.0)
    plant.take()
    found = plant.verdicts("start", "rule", "binding")
    assert sorted(one for one in found if one[2] == "binds") == [
        (MONDAY, "9144-001P heat-nox", "binds"),
        (ends, "GB 13271-2014 nox-new-gas", "binds"),
    ]
    plant.close()


def test_a_permit_that_is_imported_later_amends_what_was_judged(tmp_path):
    plant = Plant(tmp_path)
    plant.say(MONDAY, 120, stack_nox=45.0, stack_o2=6.0)
    plant.take()
    assert {row[:2] for row in plant.verdicts("rule", "binding")} == {("GB 13271-2014 nox-new-gas", "binds")}
    plant.know(PERMIT, LIMIT)
    plant.take()
    last = {(row["rule"], row["start"]): row for row in plant.rows("verdict")}
    for start in (MONDAY, MONDAY + HOUR):
        standard, permit = last["GB 13271-2014 nox-new-gas", start], last["9144-001P heat-nox", start]
        assert (standard["binding"], standard["revision"]) == ("informs", 2)
        assert (permit["binding"], permit["outcome"]) == ("binds", "exceeded")
    plant.close()


def test_a_permit_that_did_not_hold_takes_back_its_verdicts_and_its_alert(plant):
    plant.say(MONDAY, stack_nox=45.0, stack_o2=6.0)
    plant.take()
    assert [row["state"] for row in plant.rows("alert")] == ["firing"]
    plant.know(PERMIT | {"withdrawn": True})
    plant.take()
    last = {row["rule"]: row for row in plant.rows("verdict")}
    permit, standard = last["9144-001P heat-nox"], last["GB 13271-2014 nox-new-gas"]
    assert (permit["outcome"], permit["reason"], permit["binding"], permit["revision"]) == (
        ("invalid", "withdrawn", "informs", 2)
    )
    assert (standard["outcome"], standard["binding"], standard["revision"]) == ("compliant", "binds", 2)
    assert [row["state"] for row in plant.rows("alert")] == ["resolved"]
    # It holds after all.
    plant.know(PERMIT)
    plant.take()
    last = {row["rule"]: row for row in plant.rows("verdict")}
    assert (last["9144-001P heat-nox"]["outcome"], last["9144-001P heat-nox"]["revision"]) == ("exceeded", 3)


def test_an_alert_by_the_standard_ends_where_a_permit_decides_after_all(plant):
    plant.know(PERMIT | {"withdrawn": True})
    plant.say(MONDAY, stack_nox=450.0, stack_o2=6.0)
    plant.take()
    (alert,) = plant.rows("alert")
    assert (alert["rule"], alert["state"]) == ("GB 13271-2014 nox-new-gas", "firing")
    plant.know(PERMIT, LIMIT | {"properties": LIMIT["properties"] | {"value": 1000.0}})
    plant.take()
    assert [row["state"] for row in plant.rows("alert")] == ["resolved"]


def test_a_permit_that_is_imported_while_nobody_judges_is_seen_at_the_next_start(tmp_path):
    plant = Plant(tmp_path)
    plant.say(MONDAY, stack_nox=45.0, stack_o2=6.0)
    plant.take()
    plant.compliance.close()
    plant.know(PERMIT, LIMIT)
    plant.emissions.close()
    plant.open()
    plant.take()
    assert ("9144-001P heat-nox", "exceeded") in plant.verdicts("rule", "outcome")
    count = len(plant.rows("verdict"))
    plant.restart()
    plant.take()
    assert len(plant.rows("verdict")) == count, "what is judged already is not judged again"
    plant.close()


def test_a_pollutant_without_a_standard_is_judged_by_the_permit(plant):
    plant.know(
        {
            "kind": "permit_limit",
            "id": "heat-co",
            "properties": {"permit": "heat-permit", "outlet": "heat-da001", "pollutant": "stack_co", "value": 100.0},
        }
    )
    plant.take()
    plant.say(MONDAY + HOUR, stack_co=120.0)
    plant.take()
    found = [(row["rule"], row["outcome"]) for row in plant.rows("verdict") if row["quantity"] == "stack_co"]
    assert found == [("9144-001P heat-co", "exceeded")]


def test_the_strictest_of_several_limits_holds(plant):
    plant.know(LIMIT | {"id": "heat-nox-night", "properties": LIMIT["properties"] | {"value": 30.0}})
    found = plant.ask(lambda book: book.permits.limit("heat-da001", "stack_nox", MONDAY))
    assert (found.id, found.value, found.number) == ("heat-nox-night", 30.0, "9144-001P")
    assert found.since == PERMIT_FROM
    assert plant.ask(lambda book: book.permits.limit("heat-da001", "stack_nox", at("2031-01-01 00:00"))) is None
    assert dt.datetime.fromtimestamp(found.since, dt.UTC).year == 2025  # midnight in Shanghai


def last(plant):
    """Return the newest outcome and reason of each hour as the permit has it, by hours from the first."""
    rows = [row for row in plant.rows("verdict") if (row["quantity"], row["standard"]) == ("stack_nox", "9144-001P")]
    return {(row["start"] - MONDAY) // HOUR: (row["outcome"], row["reason"]) for row in rows}


def states(plant):
    hours = plant.ask(lambda book: book.hours("heat-da001", MONDAY, MONDAY + 10 * HOUR))["stack_nox"]
    return [(one.state, one.counts) for one in hours]


HOT = {"stack_nox": 60.0, "stack_o2": 6.0, "stack_flow": 20.0}
"""60 mg/m3 x 17.5 / 15 = 70 at the reference oxygen, above 50."""
STOPPED = {"flags": dict.fromkeys(HOT, "F")}


def test_the_hour_in_which_a_plant_starts_after_a_rest_does_not_count(plant):
    plant.say(MONDAY, 60, **HOT, **STOPPED)
    plant.say(MONDAY + HOUR, 12, **HOT, **STOPPED)
    plant.say(MONDAY + HOUR + 720, 48, **HOT)
    plant.say(MONDAY + 2 * HOUR, 60, **HOT)
    plant.take()
    assert states(plant) == [("stopped", False), ("starting", False), ("running", True)]
    assert last(plant) == {0: ("invalid", "too_little"), 1: ("invalid", "not_running"), 2: ("exceeded", "")}


def test_an_hour_that_turns_out_to_end_in_a_rest_is_judged_again(plant):
    plant.say(MONDAY, 48, **HOT)
    plant.say(MONDAY + 2880, 12, **HOT, **STOPPED)
    plant.take()
    assert last(plant) == {0: ("exceeded", "")}, "48 min are valid, and nobody knows what follows"
    plant.say(MONDAY + HOUR, 60, **HOT, **STOPPED)
    plant.take()
    assert states(plant) == [("stopping", False), ("stopped", False)]
    assert last(plant)[0] == ("invalid", "not_running")
    assert [row["state"] for row in plant.rows("alert") if row["kind"] == "limit"] == ["resolved"]


def test_minutes_at_rest_between_hours_in_operation_excuse_nothing(plant):
    plant.say(MONDAY, 60, **HOT)
    plant.say(MONDAY + HOUR, 10, **HOT, **STOPPED)
    plant.say(MONDAY + HOUR + 600, 50, **HOT)
    plant.say(MONDAY + 2 * HOUR, 60, **HOT)
    plant.take()
    assert states(plant) == [("running", True)] * 3
    assert last(plant) == dict.fromkeys(range(3), ("exceeded", ""))


def test_air_in_the_stack_counts_by_no_permit_whatever_it_asks(tmp_path):
    plant = Plant(tmp_path, PERMIT, LIMIT | {"properties": {**LIMIT["properties"], "reference_o2": None}})
    plant.say(MONDAY, 60, **(HOT | {"stack_o2": 18.9}))
    plant.say(MONDAY + HOUR, 60, **(HOT | {"stack_o2": 19.0}))
    plant.take()
    assert last(plant) == {0: ("exceeded", ""), 1: ("invalid", "oxygen_high")}
    assert [counts for _, counts in states(plant)] == [True, False]
    plant.close()


def test_less_flow_than_the_outlet_names_is_a_plant_at_rest(tmp_path):
    outlet = {"number": "DA001", "enterprise": "heat-works", "site": "heat", "source": ["stack-1"]}
    at_rest = {"kind": "outlet", "id": "heat-da001", "properties": outlet | {"stopped_below_m3_s": 2.0}}
    plant = Plant(tmp_path, at_rest, PERMIT, LIMIT)
    plant.say(MONDAY, 60, **(HOT | {"stack_flow": 2.0}))
    plant.say(MONDAY + HOUR, 60, **(HOT | {"stack_flow": 1.9}))
    plant.take()
    assert last(plant) == {0: ("exceeded", ""), 1: ("invalid", "not_running")}
    assert states(plant) == [("running", True), ("stopped", False)]
    plant.close()
