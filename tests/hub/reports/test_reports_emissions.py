"""What stacks let out tells dashboards, read back from a real InfluxDB, by the statements of the panels, too."""

import datetime as dt

import msgspec
import pytest

from dashboards import Lang
from dashboards.generate import queries
from hub.log.log import Log
from hub.reports import Law, Reports
from hub.series import InfluxStore, StoreError
from hub.storage.compliance_file import open_compliance
from hub.storage.database import transaction
from hub.things.marks.records import Proof, Said
from hub.things.marks.store import MarkStore
from hub.things.marks.tables import PART as MARKS
from tests.hub.compliance.emissions.plant import CITY, HOUR, LIMIT, LIMITS, MONDAY, PERMIT, QUANTITIES, TOTAL, Plant
from tests.hub.helpers import SHANGHAI
from tests.hub.reports.test_reports import database, rows  # noqa: F401 - a fixture

OUTLET = "heat-da001"
MONTH = MONDAY - 86_400  # 1 March 2026 was a Sunday


class Told:
    """The plant, and what its hub tells InfluxDB."""

    def __init__(self, folder, db):
        self.plant, self.folder, self.db = Plant(folder, PERMIT, LIMIT, TOTAL), folder, db
        self.open()

    def open(self):
        clock = lambda: self.plant.now  # noqa: E731 - it moves
        self.store = InfluxStore("fenceline", Log(self.folder / "log.db"), QUANTITIES)
        law = Law(self.folder / "compliance.db", CITY, LIMITS, QUANTITIES)
        self.reports = Reports(self.folder, self.store, law, CITY, clock, "hub-1", 900, dict)

    def close(self):
        self.plant.close()
        self.reports.close()
        self.store.close()

    def run(self, start, minutes=60, **values):
        self.plant.say(start, minutes, **({"stack_nox": 45.0, "stack_o2": 6.0, "stack_flow": 20.0} | values))
        self.plant.take()

    def tell(self):
        self.plant.now += 60
        self.reports.take([])

    def read(self, measurement):
        return sorted(rows(self.db, measurement), key=lambda row: (row["time"], row.get("quantity", "")))

    def mark(self, begin, end):
        said = Said(OUTLET, "fault", begin, end, ("stack_nox",), 12 * HOUR, 36 * HOUR, proof=True)
        db = open_compliance(self.folder / "compliance.db", MARKS)
        with transaction(db):
            number = MarkStore(db).add(None, "mark", self.plant.now, "heat-1", "the lamp", said)
            proof = msgspec.to_builtins(Proof("0" * 64, "report.pdf", "application/pdf", 10))
            del proof["logged"], proof["who"]
            MarkStore(db).add(number, "proof", self.plant.now, "heat-1", "", proof)
        db.close()


@pytest.fixture
def told(tmp_path, database):  # noqa: F811
    found = Told(tmp_path, database)
    yield found
    found.close()


def test_hours_days_and_the_month_tell_mass_rates_and_the_permit_s_limit(told):
    told.run(MONDAY)
    told.run(MONDAY + HOUR, stack_nox=40.0)
    told.tell()
    first, second = told.read("emission")
    # 45 mg/m3 x (21 - 3.5) / (21 - 6) = 52.5, above the permit's 50; 40 gives 46.67.
    assert (first["raw"], first["compared"], first["limit_value"]) == (45.0, pytest.approx(52.5), 50.0)
    assert (first["above"], second["above"], first["limit_source"]) == (1, 0, "9144-001P")
    assert (first["outlet"], first["site"], first["district"]) == (OUTLET, "heat", "north")
    # 45 mg/m3 x 20 m3/s x 3600 s = 3.24 kg, 40 x 20 x 3600 = 2.88 kg.
    assert [row["mass_kg"] for row in (first, second)] == [pytest.approx(3.24), pytest.approx(2.88)]
    (day,) = told.read("emission_24h")
    assert (day["time"], day["due"], day["valid"], day["known_kg"]) == (MONDAY, 2, 2, pytest.approx(6.12))
    (month,) = told.read("emission_month")
    assert (month["time"], month["known_kg"], month["due"]) == (MONTH, pytest.approx(6.12), 2)
    (total,) = told.read("permit_total")
    assert (total["permitted_t"], total["used_t"]) == (0.1, pytest.approx(0.00612))
    assert (total["share"], total["whose_en"]) == (pytest.approx(0.0612), OUTLET)


def test_what_a_mark_takes_back_is_gone_and_what_was_told_twice_stands_once(told):
    told.run(MONDAY)
    told.run(MONDAY + HOUR)
    told.tell()
    told.mark(MONDAY, MONDAY + HOUR)
    told.plant.take()
    told.tell()
    first, second = told.read("emission")
    assert (first["reason"], first["compared"], first["mass_kg"], first["marks"]) == ("marked", None, None, "mark/1")
    assert second["compared"] == pytest.approx(52.5)
    (day,) = told.read("emission_24h")
    assert (day["valid"], day["measured_kg"]) == (1, pytest.approx(3.24))
    (mark,) = told.read("mark")
    assert (mark["id"], mark["standing"], mark["proofs"], mark["end_ms"]) == (1, "counts", 1, (MONDAY + HOUR) * 1000)
    before = [told.read(name) for name in ("emission", "emission_24h", "emission_month", "mark")]

    told.reports.close()
    (told.folder / "reports.db").unlink()
    told.open()
    told.tell()
    assert [told.read(name) for name in ("emission", "emission_24h", "emission_month", "mark")] == before


def test_a_store_that_is_away_in_the_middle_gets_the_same_in_the_end(told, monkeypatch):
    told.run(MONDAY)
    told.tell()
    before = told.read("emission")
    told.plant.know(LIMIT | {"properties": LIMIT["properties"] | {"value": 80.0}})
    told.plant.take()
    write = told.store.write_lines

    def away(lines):
        if any(line.startswith("emission,") for line in lines):
            raise StoreError("away")
        write(lines)

    monkeypatch.setattr(told.store, "write_lines", away)
    with pytest.raises(StoreError):
        told.tell()
    assert told.read("emission") == [], "taken back, and not written yet"
    monkeypatch.undo()
    told.tell()
    (after,) = told.read("emission")
    assert after == before[0] | {"limit_value": 80.0, "above": 0}


def test_the_clock_alone_makes_an_hour_due_of_which_nothing_came(told):
    told.run(MONDAY)
    told.tell()
    told.plant.now += 5 * HOUR
    told.reports.take([])
    told.tell()
    (month,) = told.read("emission_month")
    assert (month["due"], month["transmitted"], month["valid"], month["unknown"]) == (6, 1, 1, 5)


def test_every_panel_about_stacks_finds_rows(told):
    told.run(MONDAY)
    told.run(MONDAY + HOUR)
    told.mark(MONDAY, MONDAY + 600)
    told.plant.take()
    told.tell()
    for lang in Lang:
        found = {}
        for days, length in (("", 1), ("_24h", 30), ("_month", 300)):
            end = dt.datetime.fromtimestamp(told.plant.now + 60, SHANGHAI)
            asked = queries(lang, "north", "heat", ".*", end - dt.timedelta(days=length), end)
            for one in asked:
                if one.dashboard == "factory" and one.query in {f"mass{days or '_raw'}", "totals", "rates", "marks"}:
                    found[one.query] = told.db.query(one.statement, "fenceline")
        assert [query for query, answer in found.items() if not answer] == []
        assert found.keys() == {"mass_raw", "mass_24h", "mass_month", "totals", "rates", "marks"}
        (rate,) = found["rates"]
        assert (rate["product"], rate["due_h"]) == (1.0, 2)


def test_a_permit_s_limit_and_its_name_stand_with_verdicts_and_open_windows(told):
    """As measured, so that an open hour has a budget: 60 mg/m3 for half an hour are 60 % of 50 for a whole one."""
    told.plant.know(LIMIT | {"properties": {**LIMIT["properties"], "reference_o2": None}})
    told.run(MONDAY, stack_nox=60.0)
    told.plant.say(MONDAY + HOUR, 30, stack_nox=60.0, stack_o2=6.0, stack_flow=20.0)
    for _ in range(2):
        told.plant.compliance.take(told.plant.log.read(told.plant.compliance.position(), 1000))
    told.plant.now = MONDAY + HOUR + 1800
    told.reports.take([])
    (judged,) = [row for row in told.read("verdict") if row["binding"] == "binds" and row["outcome"] == "exceeded"]
    assert (judged["limit_value"], judged["rule_en"]) == (50.0, "Nitrogen oxides in stack gas (as NO2), outlet DA001")
    (budget,) = [row for row in told.read("budget") if row["quantity"] == "stack_nox"]
    assert (budget["standard"], budget["limit_value"], budget["used"]) == ("9144-001P", 50.0, pytest.approx(0.6))
