"""From frames in the log to hours, days, rates, totals and warnings, also when they come late or it is killed."""

import multiprocessing
import os
import random
import signal
import time
from contextlib import closing

import pytest

from hub.compliance.emissions import consumer
from hub.compliance.emissions.store import EmissionStore
from hub.judge.stacks.cells import Record, cells_of
from hub.judge.stacks.hours import Span
from hub.log.log import Log
from tests.hub.compliance.emissions.plant import (
    CITY,
    DAY,
    HOUR,
    LIMIT,
    LIMITS,
    MONDAY,
    PERMIT,
    QUANTITIES,
    THINGS_OF,
    TOTAL,
    Plant,
)
from tests.hub.helpers import at, open_all

FORK = multiprocessing.get_context("fork")
OUTLET = "heat-da001"


@pytest.fixture
def plant(tmp_path):
    plant = Plant(tmp_path, PERMIT, LIMIT, TOTAL)
    yield plant
    plant.close()


def hours(plant, start=MONDAY, end=MONDAY + DAY, marks=lambda *_: ()):
    return plant.ask(lambda book: book.hours(OUTLET, start, end), marks)["stack_nox"]


def test_an_hour_from_the_log_is_converted_weighed_and_compared_with_the_permit(plant):
    plant.say(MONDAY, stack_nox=45.0, stack_o2=6.0, stack_flow=20.0)
    plant.take()
    (found,) = hours(plant)
    assert (found.start, found.state, found.valid, found.raw) == (MONDAY, "running", True, pytest.approx(45.0))
    assert found.compared == pytest.approx(52.5)
    assert found.mass_kg == pytest.approx(45 * 20 * 3600e-6)
    assert (found.terms.limit, found.terms.limit_source) == (50.0, "9144-001P")
    assert [one.kind for one in found.terms.cited] == ["discharge_permit", "permit_limit", "outlet"]
    (day,) = plant.rows("emission_day")
    assert (day["outlet"], day["pollutant"], day["start"], day["hours"], day["valid"]) == (
        (OUTLET, "stack_nox", MONDAY, 1, 1)
    )
    assert day["measured_kg"] == pytest.approx(3.24)


def test_without_a_permit_limit_and_reference_are_the_standard_s(tmp_path):
    plant = Plant(tmp_path)
    plant.say(MONDAY, stack_nox=45.0, stack_o2=6.0)
    plant.take()
    (found,) = hours(plant)
    assert (found.terms.limit, found.terms.reference_o2) == (200.0, 3.5)
    assert found.terms.limit_source.startswith("GB 13271-2014")
    plant.close()


def test_late_minutes_amend_their_hour_and_day_and_count_once(plant):
    plant.say(MONDAY, 30, stack_nox=50.0, stack_o2=6.0, stack_flow=20.0)
    plant.say(MONDAY + HOUR, 60, stack_nox=50.0, stack_o2=6.0, stack_flow=20.0)
    plant.take()
    assert [one.valid for one in hours(plant)] == [False, True]
    plant.say(MONDAY + 1800, 30, stack_nox=150.0, stack_o2=6.0, stack_flow=20.0)
    plant.take()
    first, _ = hours(plant)
    assert (first.valid, first.raw) == (True, pytest.approx(100.0))
    (day,) = plant.rows("emission_day")
    assert (day["valid"], day["measured_kg"]) == (2, pytest.approx(7.2 + 3.6))


def test_hours_of_which_nothing_came_are_due_and_named(plant):
    plant.say(MONDAY, stack_nox=50.0, stack_o2=6.0, stack_flow=20.0)
    plant.say(MONDAY + 3 * HOUR, stack_nox=50.0, stack_o2=6.0, stack_flow=20.0)
    plant.take()
    assert [one.reason for one in hours(plant)] == ["", "no_data", "no_data", ""]
    found = plant.ask(lambda book: book.rates(OUTLET, MONDAY, MONDAY + DAY)).all
    assert (found.due, found.transmitted, found.valid) == (4, 2, 2)
    # A day later nothing has come, and all of it is due.
    plant.now = MONDAY + DAY + 2 * HOUR
    found = plant.ask(lambda book: book.rates(OUTLET, MONDAY, MONDAY + DAY)).all
    assert (found.due, found.product) == (24, pytest.approx(2 / 24))
    mass = plant.ask(lambda book: book.mass(OUTLET, "stack_nox", MONDAY, MONDAY + DAY))
    assert (mass.hours, mass.missing, mass.unknown) == (24, 22, 22)
    assert mass.measured_kg == pytest.approx(7.2)


def test_before_an_outlet_is_there_nothing_is_due(plant):
    plant.say(MONDAY + 5 * HOUR, stack_nox=50.0, stack_o2=6.0)
    plant.take()
    assert plant.ask(lambda book: book.begins(OUTLET)) == MONDAY + 5 * HOUR
    assert plant.ask(lambda book: book.rates(OUTLET, MONDAY, MONDAY + DAY)).all.due == 1
    assert plant.ask(lambda book: book.rates(OUTLET, MONDAY - 30 * DAY, MONDAY)).all.due == 0


def test_flags_of_a_station_at_rest_leave_out_its_hours(plant):
    flags = dict.fromkeys(("stack_nox", "stack_o2", "stack_flow"), "F")
    plant.say(MONDAY, 120, flags, stack_nox=0.0, stack_o2=20.9, stack_flow=0.0)
    plant.say(MONDAY + 2 * HOUR, stack_nox=120.0, stack_o2=19.4, stack_flow=20.0)
    plant.say(MONDAY + 3 * HOUR, stack_nox=50.0, stack_o2=6.0, stack_flow=20.0)
    plant.take()
    found = hours(plant)
    assert [one.state for one in found] == ["stopped", "stopped", "starting", "running"]
    assert [one.counts for one in found] == [False, False, False, True]
    rates = plant.ask(lambda book: book.rates(OUTLET, MONDAY, MONDAY + DAY)).all
    assert (rates.due, rates.valid) == (2, 2)


def test_accepted_marks_take_hours_out_and_are_named(plant):
    plant.say(MONDAY, 120, stack_nox=95.0, stack_o2=6.0, stack_flow=20.0)
    plant.take()

    def marks(outlet, _pollutant, _start, _end):
        return [Span(MONDAY, MONDAY + HOUR, "marked", "mark/7")] if outlet == OUTLET else []

    first, second = hours(plant, marks=marks)
    assert (first.valid, first.compared, first.mass_kg, first.marks) == (False, None, None, ("mark/7",))
    assert second.valid


def test_an_outlet_that_is_imported_later_gets_what_was_measured_before(tmp_path):
    plant = Plant(tmp_path)
    plant.know({"kind": "outlet", "id": OUTLET, "withdrawn": True})
    plant.say(MONDAY, stack_nox=50.0, stack_o2=6.0, stack_flow=20.0)
    plant.take()
    assert plant.rows("emission_day") == []
    plant.know(
        {
            "kind": "outlet",
            "id": OUTLET,
            "properties": {"number": "DA001", "enterprise": "heat-works", "source": ["stack-1"]},
        },
        PERMIT,
        LIMIT,
    )
    plant.take()
    (day,) = plant.rows("emission_day")
    assert day["measured_kg"] == pytest.approx(3.6)
    plant.close()


def test_warnings_come_at_each_share_and_the_total_is_a_violation(plant):
    # 100 kg are permitted. 500 mg/m3 x 20 m3/s are 36 kg an hour.
    plant.say(MONDAY, stack_nox=500.0, stack_o2=6.0, stack_flow=20.0)
    plant.take()
    assert not [row for row in plant.rows("alert") if row["rule"].startswith("permit-total")]
    plant.say(MONDAY + HOUR, 60, stack_nox=680.0, stack_o2=6.0, stack_flow=20.0)
    plant.take()  # 36 + 48.96 = 84.96 kg

    def alerts():
        return [row for row in plant.rows("alert") if row["rule"] == "permit-total heat-nox-year"]

    (alert,) = alerts()
    assert (alert["state"], alert["severity"], alert["device"], alert["site"]) == ("firing", "warning", OUTLET, "heat")
    assert (alert["value"], alert["limit_value"], alert["unit"]) == (pytest.approx(0.08496), 0.1, "t")
    assert "85.0 %" in alert["text"]
    assert "许可年排放量" in alert["text"]
    plant.say(MONDAY + 2 * HOUR, 60, stack_nox=300.0, stack_o2=6.0, stack_flow=20.0)
    plant.take()  # 106.56 kg
    (alert,) = alerts()
    assert (alert["state"], alert["severity"]) == ("firing", "violation")
    said = [
        (row["outcome"], row["grade"], row["reason"], row["revision"], row["amends"])
        for row in plant.rows("rule_verdict")
    ]
    year = at("2026-01-01 00:00")
    assert said == [
        ("compliant", "", "total_near", 1, None),
        ("exceeded", "violation", "", 2, year),
    ]
    events = [row["what"] for row in plant.rows("alert_step") if row["alert"] == alert["id"]]
    assert events == ["firing", "raised"]
    # Nothing is said twice, also after a restart.
    plant.restart()
    plant.say(MONDAY + 3 * HOUR, 60, stack_nox=1.0, stack_o2=6.0, stack_flow=20.0)
    plant.take()
    assert len(plant.rows("rule_verdict")) == 2


def test_a_permit_that_allows_more_ends_the_alert(plant):
    plant.say(MONDAY, 180, stack_nox=500.0, stack_o2=6.0, stack_flow=20.0)
    plant.take()
    plant.know(TOTAL | {"properties": TOTAL["properties"] | {"mass_t": 10.0}})
    plant.say(MONDAY + 3 * HOUR, stack_nox=1.0, stack_o2=6.0, stack_flow=20.0)
    plant.take()
    (alert,) = [row for row in plant.rows("alert") if row["rule"].startswith("permit-total")]
    assert alert["state"] == "resolved"
    assert plant.rows("rule_verdict")[-1]["outcome"] == "compliant"


def totals_alerts(plant):
    return [(row["first"], row["state"], row["severity"]) for row in plant.rows("alert") if row["kind"] == "rule"]


def test_what_comes_late_of_a_year_that_is_over_is_judged_in_that_year(tmp_path):
    eve, year, next_year = at("2026-12-31 20:00"), at("2026-01-01 00:00"), at("2027-01-01 00:00")
    plant = Plant(tmp_path, PERMIT, LIMIT, TOTAL)
    heavy = {"stack_nox": 500.0, "stack_o2": 6.0, "stack_flow": 20.0}  # 36 kg an hour of 100 kg permitted
    plant.say(eve, 120, **heavy)
    plant.say(next_year, 120, **heavy)
    plant.take()
    assert totals_alerts(plant) == []
    plant.say(eve + 2 * HOUR, 120, **heavy)
    plant.take()
    assert totals_alerts(plant) == [(year, "firing", "violation")]
    (said,) = plant.rows("rule_verdict")
    assert (said["start"], said["end"], said["value"]) == (year, next_year, pytest.approx(0.144))
    plant.say(next_year + 2 * HOUR, 60, **heavy)
    plant.take()
    assert totals_alerts(plant) == [(year, "resolved", "violation"), (next_year, "firing", "violation")]
    plant.say(eve - HOUR, 60, **heavy)
    plant.take()  # the verdict on the old year stands; the alert is about the new one
    assert totals_alerts(plant) == [(year, "resolved", "violation"), (next_year, "firing", "violation")]
    plant.now = next_year + 36 * DAY
    plant.take()
    assert totals_alerts(plant)[1][1] == "firing"
    plant.now = at("2028-01-01 00:00") + 36 * DAY
    plant.take()
    assert totals_alerts(plant)[1][1] == "resolved"
    plant.close()


def test_totals_are_judged_a_few_at_once_and_only_those_whose_outlets_were_calculated(plant, monkeypatch):
    judged = []
    judge = consumer.Emissions._judge
    monkeypatch.setattr(
        consumer.Emissions,
        "_judge",
        lambda self, total, start, now: (judged.append(total.permitted.id), judge(self, total, start, now)),
    )
    outlet, total = THINGS_OF[1], TOTAL["properties"] | {"outlet": "other"}
    plant.know(
        outlet | {"id": "other", "properties": outlet["properties"] | {"number": "DA002", "source": ["stack-2"]}}
    )
    plant.know(*(TOTAL | {"id": f"other-{n}", "properties": total} for n in range(3)))
    plant.take()
    assert sorted(judged) == ["heat-nox-year", "other-0", "other-1", "other-2"]
    judged.clear()
    plant.say(MONDAY, 60, stack_nox=50.0, stack_o2=6.0, stack_flow=20.0)
    plant.take()
    assert judged == ["heat-nox-year"]
    judged.clear()
    plant.restart()
    with monkeypatch.context() as patch:
        patch.setattr(consumer, "BUDGET", -1.0)
        plant.take()
    assert judged == []
    plant.know(TOTAL | {"id": "other-2", "properties": total, "until": MONDAY - DAY})
    plant.take()
    assert sorted(judged) == ["heat-nox-year", "other-0", "other-1"]  # one has ended while it waited


def test_a_total_of_the_enterprise_counts_all_its_outlets_and_forecasts(plant):
    plant.know(
        {
            "kind": "permit_total",
            "id": "heat-all",
            "properties": {"permit": "heat-permit", "pollutant": "stack_nox", "mass_t": 1.0, "warn_at": [50.0]},
        }
    )
    # Seven whole days of 24 x 3.6 = 86.4 kg: 604.8 kg
    minute = {"stack_nox": 50.0, "stack_o2": 6.0, "stack_flow": 20.0}
    with closing(open_all(plant.folder / "compliance.db")) as db:
        for start in range(MONDAY, MONDAY + 7 * DAY, HOUR):
            EmissionStore(db).put_hour("stack-1", start, cells_of([Record(start, HOUR, minute, {})]))
    plant.now = MONDAY + 7 * DAY
    plant.take()
    found = {one.permitted.id: one for one in plant.ask(lambda book: list(book.totals(plant.now)))}
    total = found["heat-all"]
    assert (total.permitted.subject, total.permitted.warn_at) == (("enterprise", "heat-works"), (50.0,))
    assert total.mass.measured_kg == pytest.approx(604.8)
    assert total.share == pytest.approx(0.6048)
    # (1000 - 604.8) / 86.4 = 4.57: on the fifth day from 9 March on
    assert total.forecast.used_up.isoformat() == "2026-03-13"
    assert (total.forecast.days, total.forecast.deviation_kg) == (7, pytest.approx(0.0, abs=1e-6))


def test_another_zone_and_what_is_too_late_and_pruned(plant, caplog):
    plant.say(MONDAY, stack_nox=50.0, stack_o2=6.0, stack_flow=20.0)
    plant.say(MONDAY + 40 * DAY, stack_nox=50.0, stack_o2=6.0, stack_flow=20.0)
    plant.take()
    plant.say(MONDAY + 60, 1, stack_nox=90.0, stack_o2=6.0, stack_flow=20.0)
    plant.take()
    assert "stays as it was calculated" in caplog.text
    (first,) = hours(plant, end=MONDAY + HOUR)
    assert first.raw == pytest.approx(50.0)
    assert min(row["t"] for row in plant.rows("emission_record")) >= MONDAY + 5 * DAY


def consume(folder, now, most, told):
    """Take the log in small batches, as a process of its own, and tell after each."""
    consumer.RECKON_EVERY = 0
    emissions = consumer.Emissions(folder / "compliance.db", CITY, LIMITS, QUANTITIES, lambda: now)
    log = Log(folder / "log.db")
    while entries := log.read(emissions.position(), most):
        emissions.take(entries)
        told.send(emissions.position())
        told.recv()
    emissions.take([])
    told.send("done")


def test_killed_at_any_moment_it_comes_to_the_same(tmp_path):
    drawn = random.Random(11)
    plant = Plant(tmp_path, PERMIT, LIMIT, TOTAL)
    emitted = []
    for n in range(8):
        nox = round(drawn.uniform(150, 400), 1)
        plant.say(MONDAY + n * HOUR, stack_nox=nox, stack_o2=6.0, stack_flow=20.0)
        emitted.append(nox * 20 * 3600e-6)
    plant.now += 400
    plant.close()

    def run(batches):
        """Run the consumer; kill it in the batch behind so many; return what it told last."""
        here, there = FORK.Pipe()
        child = FORK.Process(target=consume, args=(tmp_path, plant.now, 20, there))
        child.start()
        said = None
        for _ in range(batches):
            said = here.recv()
            if said == "done":
                break
            here.send("go on")
        if said != "done":
            time.sleep(drawn.uniform(0, 0.01))
            os.kill(child.pid, signal.SIGKILL)
        child.join(60)
        return said

    # Of 24 batches at most 15 are taken by those that are killed.
    assert "done" not in [run(batches) for batches in (1, 3, 2, 5)]
    assert run(100) == "done"
    with closing(open_all(tmp_path / "compliance.db")) as db:
        found = EmissionStore(db).hours("stack-1", MONDAY, MONDAY + DAY)
    assert [found[MONDAY + n * HOUR].quantities["stack_nox"].seconds for n in range(8)] == [3600.0] * 8
    (day,) = plant.rows("emission_day")
    assert (day["hours"], day["valid"]) == (8, 8)
    assert day["measured_kg"] == pytest.approx(sum(emitted))
    last = plant.rows("rule_verdict")[-1]
    assert (last["outcome"], last["value"] > 0.1) == ("exceeded", True)


def test_days_that_are_calculated_again_and_come_out_the_same_are_no_news(plant):
    plant.say(MONDAY, stack_nox=50.0, stack_o2=6.0, stack_flow=20.0)
    plant.take()
    before, told = plant.rows("emission_day"), plant.rows("emission_change")

    def again(book):
        EmissionStore(book._store._db).again(book.quarter(MONDAY)[0])

    plant.ask(again)
    assert [row["stale"] for row in plant.rows("emission_day")] == [1]
    plant.emissions.take([])
    assert plant.rows("emission_day") == before
    assert plant.rows("emission_change") == told


def test_a_change_says_whether_anything_was_taken_back(plant):
    plant.say(MONDAY, stack_nox=50.0, stack_o2=6.0, stack_flow=20.0)
    plant.take()
    (first,) = plant.rows("emission_change")
    assert (first["outlet"], first["start"], first["amended"]) == (OUTLET, MONDAY, 0)
    plant.say(MONDAY + HOUR, stack_nox=60.0, stack_o2=6.0, stack_flow=20.0)
    plant.take()
    (second,) = plant.rows("emission_change")
    assert (second["number"] > first["number"], second["amended"]) == (True, 0), "an hour more"
    plant.know(LIMIT | {"properties": LIMIT["properties"] | {"value": 80.0}})
    plant.take()
    (third,) = plant.rows("emission_change")
    assert third["amended"] == third["number"] > second["number"], "the limit of both hours is another"
    plant.know({"kind": "outlet", "id": OUTLET, "withdrawn": True})
    plant.take()
    (last,) = plant.rows("emission_change")
    assert last["amended"] == last["number"] > third["number"]
    assert plant.rows("emission_day") == []
