"""Tonnes of a day as dashboards read them: added up by district and kind, right again after a correction."""

import datetime as dt
import urllib.request
from contextlib import closing

import pytest

from dashboards import Lang
from dashboards.generate import queries
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


def test_the_panels_of_the_pack_read_it(db, influxdb_v2):
    """Each panel of the dashboard in both languages, on a real InfluxDB: levels, collections, tonnes, rounds, sums."""
    influxdb_v2.create_bucket("fenceline")
    weigh(db, "w-1", "2026-03-02T08:00", 6000, "other")
    weigh(db, "w-2", "2026-03-02T09:00", 500, "kitchen", "other")
    lines = list(Weighed(db).points(CITY))
    for device, levels in {"node-1": (80, 90, 91), "node-2": (70, 90, 5), "node-3": (10, 20, 30)}.items():
        for hour, level in enumerate(levels, start=10):
            t = at(f"2026-03-02T{hour}:00") * 10**9
            lines.append(f"bin,district=north,site=depot,device={device} fill={level} {t}")
    for day, subject, kind, rule, kept, suspected, value in (
        ("2026-03-02", "r-1", "round", "bin-round", 1, 0, 1.0),
        ("2026-03-03", "r-1", "round", "bin-round", 0, 1, 0.5),
        ("2026-03-02", "li", "worker", "shift-attended", 1, 0, 0.9),
        ("2026-03-02", "wu", "worker", "shift-attended", 0, 1, 0.1),
    ):
        names = 'subject_en="S",subject_zh="象",rule_en="R",rule_zh="规"'
        lines.append(
            f"ruling,district=north,rule={rule},kind={kind},subject={subject} value={value},kept={kept}i,broken=0i,"
            f"suspected={suspected}i,unknown=0i,{names} {at(day) * 10**9}"
        )
    data = "\n".join(lines).encode()
    urllib.request.urlopen(f"{influxdb_v2.engine.url}/write?db=fenceline", data, timeout=10).close()
    start, end = (dt.datetime.fromtimestamp(at(day), SHANGHAI) for day in ("2026-03-01", "2026-03-05"))
    for lang in Lang:
        asked = [one for one in queries(lang, ".*", ".*", ".*", start, end) if one.dashboard == "collection"]
        found = {one.query: influxdb_v2.query(one.statement, "fenceline") for one in asked if "$" not in one.panel}
        assert {row["device"]: row["fill"] for row in found["filled"]} == {"node-1": 91, "node-2": 5, "node-3": 30}
        (fell,) = found["emptied"]
        assert (fell["device"], fell["fell"], fell["time"]) == ("node-2", -85, at("2026-03-02T12:00"))
        assert {row["waste"]: (row["tonnes"], row["loads"]) for row in found["tonnes"]} == {
            "other": (6, 1),
            "mixed": (0.5, 1),
        }
        assert [row["tonnes"] for row in found["tonnes_in"]] == [6.5]
        assert [(row["subject"], row["done"], row["suspected"]) for row in found["served"]] == [("r-1", 0.75, 1)]
        assert [found[name][0][name] for name in ("kept", "suspected")] == [1, 1], "two people, one sum"
        assert not any("li" in str(rows) or "wu" in str(rows) for rows in found.values())
