"""The hub asks a station for what is missing, also after a kill, and tells it the time."""

import datetime as dt
import time

import pytest

from tests.hub.intake.stations.station import BEIJING, Station, StationHub, local, minute_of, registry, until

CITY_PROFILE = """
en = "With a clock that the hub sets"
zh = "由数据中心校时"
units = { a34004 = "ug/m3" }
clock = "set"
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("asking")
    (folder / "profiles").mkdir()
    (folder / "profiles" / "clocked.toml").write_text(CITY_PROFILE, "utf-8")
    stations = registry("a", "b", "c", "d", b={"profile": "clocked"})
    with StationHub(folder, stations, settings='profiles = "profiles"\n') as made:
        yield made


def test_a_gap_is_asked_for_after_a_restart_and_filled(hub):
    first, last = minute_of(30), minute_of(10)
    with Station(hub.port, "MN-A") as a:
        for t in (first, first + 60, last):
            a.minute(t)
            assert a.hear_of("9014")
    hub.stop()
    hub.start()
    with Station(hub.port, "MN-A") as a:
        a.minute(last + 60)
        asked = a.hear_of("2051", 15)
        assert (asked.field("ST"), asked.field("MN"), asked.field("Flag")) == ("39", "MN-A", "5")
        assert (asked.item("BeginTime"), asked.item("EndTime")) == (local(first + 120), local(last - 60))
        qn = asked.field("QN")
        a.send("9011", "QnRtn=1", QN=qn, ST="91", Flag="4")
        for t in range(first + 120, last, 60):
            a.minute(t, QN=qn)
            assert a.hear_of("9014").field("QN") == qn
        a.send("9012", "ExeRtn=1", QN=qn, ST="91", Flag="4")
        a.hear_of("9014", 0.1)
    times = sorted(one.intervals[0].t for one in hub.entries("a"))
    assert times == list(range(first, last + 61, 60)), "whole, and nothing twice"


def test_a_station_that_does_not_have_it_is_not_asked_for_ever(hub):
    with Station(hub.port, "MN-C") as c:
        for t in (minute_of(30), minute_of(10)):
            c.minute(t)
        asked = c.hear_of("2051", 15)
        c.send("9011", "QnRtn=2", QN=asked.field("QN"), ST="91", Flag="4")
        later = c.hear_of("2051", 5)  # from the last minute to now
        assert later is None or later.item("BeginTime") == local(minute_of(9))


def test_a_station_hears_the_time_when_it_asks_and_when_its_clock_is_wrong(hub):
    with Station(hub.port, "MN-B") as b:
        b.minute(minute_of(5))
        asked = b.hear_of("1011")
        b.send("9011", "QnRtn=1", QN=asked.field("QN"), ST="91", Flag="4")
        b.send("1011", f"SystemTime={local(time.time() - 500)}", QN=asked.field("QN"), Flag="4")
        told = b.hear_of("1012")
        b.send("1013", "PolId=a34004")
        assert b.hear_of("9013").field("ST") == "91"
        again = b.hear_of("1012")
    for packet in (told, again):
        said = dt.datetime.strptime(packet.item("SystemTime"), "%Y%m%d%H%M%S").replace(tzinfo=BEIJING).timestamp()
        assert abs(said - time.time()) < 10


def test_a_heartbeat_is_heard_and_not_kept(hub):
    with Station(hub.port, "MN-D") as d:
        d.minute(minute_of(5))
        assert d.hear_of("9014")
        d.send("9015", "")
        assert d.hear_of("9013")
        until(lambda: len(hub.entries("d")) == 1, "the minute alone")
