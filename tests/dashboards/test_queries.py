"""Every query, as Grafana sends it, on a real InfluxDB."""

import datetime as dt
import urllib.request
from zoneinfo import ZoneInfo

import pytest

from dashboards import Lang, queries

SHANGHAI = ZoneInfo("Asia/Shanghai")
MIDNIGHT = dt.datetime(2026, 3, 10, tzinfo=SHANGHAI)


@pytest.fixture
def database(influxdb):
    influxdb.create_database("fenceline")
    return influxdb


def write(database, *lines):
    urllib.request.urlopen(f"{database.url}/write?db=fenceline&precision=s", "\n".join(lines).encode()).close()


def record(family, start, values, device="a1"):
    return f"{family},district=north,site=gate-7,device={device} {values} {start.timestamp():.0f}"


def ask(database, start, hours, site="gate-7", device=".*"):
    """Return the rows of every query of the site's dashboard by the query's name."""
    asked = queries(Lang.EN, "north", site, device, start, start + dt.timedelta(hours=hours))
    return {query.where.rpartition("/")[2]: database.query(query.statement, "fenceline") for query in asked}


def test_every_query_runs_and_finds_what_was_written(database):
    at = MIDNIGHT + dt.timedelta(hours=3)
    write(
        database,
        record("noise", at, "laeq=61.5,lafmax=74.2"),
        record("dust", at, "pm10=81,pm25=35"),
        record("stack", at, "stack_nox=120.5,stack_co=33.25"),
        record("flagged", at, "value=1200,dt=60", device="a1,quantity=pm10,flag=D"),
        record("flagged", at, "dt=60", device="a1,quantity=pm25,flag=B"),
    )

    rows = ask(database, at, hours=1)

    assert all(rows.values()), [name for name, found in rows.items() if not found]
    time = int(at.timestamp())
    assert rows["laeq"] == [{"device": "a1", "time": time, "laeq": 61.5}]
    assert rows["pm10"][0] == {"device": "a1", "time": time, "mean": 81}
    assert sorted(rows["flagged"], key=str) == [
        {"time": time, "device": "a1", "quantity": "pm10", "flag": "D", "value": 1200, "dt": 60},
        {"time": time, "device": "a1", "quantity": "pm25", "flag": "B", "value": None, "dt": 60},
    ]
    for variable, value in (("district", "north"), ("site", "gate-7"), ("device", "a1")):
        assert {row["value"] for row in rows[variable]} == {value}


def test_a_missing_minute_is_an_empty_row_and_never_zero(database):
    for minute in (0, 1, 3):
        at = MIDNIGHT + dt.timedelta(minutes=minute)
        write(database, record("dust", at, "pm10=50"), record("noise", at, "laeq=60,lafmax=70"))

    rows = ask(database, MIDNIGHT, hours=1)

    assert [row["mean"] for row in rows["pm10"][:4]] == [50, 50, None, 50]
    assert [row["max"] for row in rows["lafmax"][:4]] == [70, 70, None, 70]
    assert len(rows["laeq"]) == 3


def test_each_device_has_its_own_curve(database):
    write(database, record("noise", MIDNIGHT, "laeq=60", "a1"), record("noise", MIDNIGHT, "laeq=61", "b2"))
    assert {row["device"]: row["laeq"] for row in ask(database, MIDNIGHT, hours=1)["laeq"]} == {"a1": 60, "b2": 61}
    assert {row["device"] for row in ask(database, MIDNIGHT, hours=1, device="b2")["laeq"]} == {"b2"}


def test_limit_lines_follow_the_day_in_the_sites_time_zone(database):
    write(database, *(record("noise", MIDNIGHT + dt.timedelta(hours=hour), "laeq=60,lafmax=70") for hour in range(24)))

    for begin in (0, 5, 6, 12, 21, 22, 23):
        start = MIDNIGHT + dt.timedelta(hours=begin)
        rows = ask(database, start, hours=26)
        laeq, lafmax = ({row["time"]: row["limit"] for row in rows[f"{key}_limit"]} for key in ("laeq", "lafmax"))
        for step in range(26 * 6 + 1):
            at = start + dt.timedelta(minutes=10 * step)
            day = 6 <= at.hour < 22
            assert laeq[at.timestamp()] == (70 if day else 55), at
            assert lafmax.get(at.timestamp()) == (None if day else 70), at


def test_a_site_that_measured_nothing_has_no_limit_line(database):
    write(database, record("noise", MIDNIGHT, "laeq=60,lafmax=70"))
    assert ask(database, MIDNIGHT, hours=24, site="gate-8")["laeq_limit"] == []
