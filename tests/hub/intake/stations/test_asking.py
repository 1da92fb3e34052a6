"""The hub asks a station for what is missing, also after a kill, and tells it the time."""

import datetime as dt
import time

import pytest

from hub.config.files import ConfigError
from hub.intake.stations.profiles import Profiles
from tests.hub.helpers import QUANTITIES
from tests.hub.intake.stations.station import BEIJING, Station, StationHub, local, minute_of, registry, until

CITY_PROFILE = """
en = "With a clock that the hub sets"
zh = "由数据中心校时"
units = { a34004 = "ug/m3" }
clock = "set"
"""
TELLS = """
en = "That tells what it is"
zh = "上报自身信息"
units = { a34004 = "ug/m3" }
instruments = ["a34004", "Leq"]
info = { a34004 = ["i12001"] }
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("asking")
    (folder / "profiles").mkdir()
    (folder / "profiles" / "clocked.toml").write_text(CITY_PROFILE, "utf-8")
    (folder / "profiles" / "tells.toml").write_text(TELLS, "utf-8")
    stations = registry("a", "b", "c", "d", "e", b={"profile": "clocked"}, e={"profile": "tells"})
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


def test_a_station_is_asked_what_its_instruments_are_at_each_connection(hub):
    for _ in range(2):
        heard = []
        with Station(hub.port, "MN-E") as e:
            e.minute(minute_of(5))
            while len(heard) < 3:
                asked = e.hear(60)
                if asked.field("CN") == "9014":
                    continue
                qn, code = asked.field("QN"), asked.item("PolId")
                heard.append((asked.field("CN"), code, asked.item("InfoId")))
                data = f"{code}-SN=00042" if asked.field("CN") == "3019" else "i12001-Info=2"
                e.send("9011", "QnRtn=1", QN=qn, ST="91", Flag="4")
                e.send(asked.field("CN"), f"PolId={code},{data}", QN=qn)
                e.send("9012", "ExeRtn=1", QN=qn, ST="91", Flag="4")
        assert heard == [("3019", "a34004", None), ("3019", "Leq", None), ("3020", "a34004", "i12001")]

    def told():
        return [moment.states for one in hub.entries("e", "state") for moment in one.said.moments]

    until(lambda: len(told()) >= 3, "its answers are kept", 60)
    assert told()[0] == {"PolId": "a34004", "a34004-SN": "00042"}
    assert told()[2] == {"PolId": "a34004", "i12001-Info": 2.0}


def test_what_it_is_asked_about_itself_is_checked(tmp_path):
    (tmp_path / "odd.toml").write_text('en = "x"\nzh = "x"\ninstruments = ["a3;CN"]\n', "utf-8")
    with pytest.raises(ConfigError, match="'a3;CN': expected codes of letters and digits"):
        Profiles(QUANTITIES, tmp_path)
