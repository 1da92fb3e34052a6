"""Tonnes of a day as dashboards read them: added up by district and kind, right again after a correction."""

import datetime as dt
from contextlib import closing

import pytest

from hub.registry.entries import District
from hub.registry.live import Registry
from hub.reports.weighed import Weighed
from hub.storage.compliance_file import open_compliance
from hub.things.entries import Thing
from hub.things.store import ThingStore
from hub.things.tables import PART
from tests.hub.helpers import SHANGHAI

CITY = Registry(
    sites={},
    boards={},
    keys={},
    zone=SHANGHAI,
    named_districts={"north": District(id="north", city="town", en="North Bank", zh="北岸区")},
)


def at(text):
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).timestamp())


@pytest.fixture
def db(tmp_path):
    with closing(open_compliance(tmp_path / "compliance.db", PART)) as db:
        yield db


def weigh(db, id_, when, kg, *waste, district="north", withdrawn=False):
    t = at(when)
    said = {"truck": "t", "weighbridge": "b", "waste": list(waste), "net_kg": float(kg)}
    thing = Thing(
        "weighing", id_, id_, id_, district=district, from_=t, until=t + 1, properties=said, withdrawn=withdrawn
    )
    ThingStore(db).add(thing, 0.0, "tester", "test")


def test_what_is_corrected_or_withdrawn_is_told_again(db):
    reports = Weighed(db)
    weigh(db, "w-1", "2026-03-02T23:59", 6000, "other")
    weigh(db, "w-2", "2026-03-02T01:00", 500, "kitchen", "other")
    weigh(db, "w-3", "2026-03-03T00:00", 2000, "other", district=None)
    first = list(reports.points(CITY))
    names = 'district_en="North Bank",district_zh="北岸区",'
    assert sorted(line.rpartition(" ")[0] for line in first) == [
        "weighed,district=-,waste=other loads=1i,tonnes=2",
        f"weighed,district=north,waste=mixed {names}loads=1i,tonnes=0.5",
        f"weighed,district=north,waste=other {names}loads=1i,tonnes=6",
    ]
    assert {int(line.rpartition(" ")[2]) // 10**9 for line in first} == {at("2026-03-02"), at("2026-03-03")}
    assert list(reports.points(CITY)) == [], "nothing is new"
    weigh(db, "w-1", "2026-03-02T23:59", 5400, "kitchen")
    weigh(db, "w-2", "2026-03-02T01:00", 500, "kitchen", "other", withdrawn=True)
    again = list(reports.points(CITY))
    expected = [
        f"weighed,district=north,waste=kitchen {names}loads=1i,tonnes=5.4",
        f"weighed,district=north,waste=mixed {names}loads=0i,tonnes=0",
        f"weighed,district=north,waste=other {names}loads=0i,tonnes=0",
    ]
    assert sorted(line.rpartition(" ")[0] for line in again) == expected
    # Made anew, as after a restart, the same stands there in the end.
    anew = {line.rpartition(" ")[0].partition(" ")[0]: line for line in Weighed(db).points(CITY)}
    assert set(again) <= set(anew.values())
