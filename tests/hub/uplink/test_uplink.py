"""The city's hub tells a platform above it, here another hub of ours: everything once, whatever is away or killed."""

import contextlib
import datetime as dt
import json
import socket
import time

import msgspec
import pytest

from hub.config.files import ConfigError, load_config
from hub.config.uplinks import Point, Uplink
from hub.run.hub import Hub as RunningHub
from hub.series.periods import Sums
from hub.upkeep.checks.lines.uplinks import check_uplinks
from hub.uplink.book import Book
from hub.uplink.collector import Collector
from hub.uplink.frames import Factors, area_of
from hub.uplink.sender import Uplinks
from hub.uplink.tables import FILE
from hub.wire.hj212 import END, Packet, Splitter, build, read, read_packet
from hub.wire.station import local_text
from tests.hub.alerting import run
from tests.hub.helpers import QUANTITIES, SHANGHAI, Hub, Speaker, record
from tests.hub.intake.frame_hub import until
from tests.hub.intake.stations.station import PASSWORD, StationHub, registry

MN = "010000A8900016F000169DC0"
STATIONS = registry("a", a={"mn": MN, "profile": "dust_ug"})
UNITS = dict.fromkeys(("a34001", "a34002", "a34004", "a34005"), "ug/m3")
HOUR = int(time.time()) // 3600 * 3600 - 2 * 3600
"""A whole hour that is over."""


def uplink_to(port, folder, **more):
    (folder / "pw").write_text(PASSWORD + "\n")
    settings = {"name": "province", "host": "127.0.0.1", "port": port, "password_file": folder / "pw", "units": UNITS}
    return Uplink(**settings | {"settle": 0, "points": (Point("fence-1", MN),), **more})


class City:
    """The lower hub from its log on; `now` is its clock."""

    def __init__(self, folder, uplink):
        self.hub, self.uplink, self.path = Hub(folder), uplink, folder / FILE
        self.hub.now = time.time()
        self.board = Speaker("fence-1")
        self.sender = self.collector = None
        self.start()

    def start(self):
        zone = SHANGHAI
        arguments = self.path, (self.uplink,), QUANTITIES, zone, lambda: self.hub.now
        self.collector = Collector(*arguments, self.path.with_name("log.db"))
        self.sender = Uplinks(*arguments)
        self.sender.start()

    def stop(self):
        self.sender.stop()
        self.collector.close()

    def close(self):
        self.stop()
        self.hub.close()

    def hear(self, *records):
        """Take records of the board into the log, and let the collector read it."""
        self.hub.hear(self.board.telemetry(*records))
        self.collector.take(self.hub.log.read(self.collector.position(), 1000))

    def waiting(self):
        with contextlib.closing(Book(self.path)) as book:
            return book.account("province", "fence-1", self.hub.now).waiting


@pytest.fixture
def province(tmp_path):
    (tmp_path / "province").mkdir()
    with StationHub(tmp_path / "province", STATIONS, f'a = "{PASSWORD}"\n') as made:
        yield made


@pytest.fixture
def city(tmp_path, province):
    (tmp_path / "city").mkdir()
    made = City(tmp_path / "city", uplink_to(province.port, tmp_path))
    yield made
    made.close()


def minutes(first, count, value=35.0):
    """Return records of 10 s for so many minutes from `first` on: PM2.5 counts up by the minute."""
    return [record(first + 60 * n + 10 * k, pm25=value + n, laeq=60.0) for n in range(count) for k in range(6)]


def values(province, kind="minute"):
    """Return what the platform has of a kind: start, PM2.5 and Leq, as often as it is there."""
    found = [one for entry in province.entries("a") if entry.place.kind == kind for one in entry.intervals]
    end = {"minute": "", "hour": "_hour"}[kind]
    said = [one.values if kind == "minute" else one.reported for one in found]
    return sorted((i.t, v.get(f"pm25{end}"), v.get(f"laeq{end}")) for i, v in zip(found, said, strict=True))


def test_minutes_and_the_hour_reach_the_platform_once_as_they_were_measured(city, province):
    city.hear(*minutes(HOUR, 60))
    until(lambda: city.waiting() == 0, "all is acknowledged", 120)
    assert values(province) == [(HOUR + 60 * n, 35.0 + n, 60.0) for n in range(60)]
    assert values(province, "hour") == [(HOUR, 64.5, 60.0)]
    assert province.quarantine() == []
    entries = len(province.entries("a"))
    frame = read(next(one.payload for one in province.entries("a")).partition(b"\n")[2])
    assert set(frame.faults) <= {"old_data"}, "by the standard"
    city.stop()
    city.start()
    city.hear(*minutes(HOUR + 3600, 1))
    until(lambda: city.waiting() == 0, "what came after the restart", 120)
    told = len(province.entries("a")) - entries
    assert told <= 3, "the new minute, the hour and the day that it belongs to; nothing once more"
    assert len(values(province)) == 61


def test_what_a_platform_did_not_take_waits_for_it_and_comes_once(city, province):
    city.hear(*minutes(HOUR, 5))
    until(lambda: city.waiting() == 0, "the first", 120)
    for n in range(1, 4):
        province.stop()
        city.hear(*minutes(HOUR + 300 * n, 5))
        city.stop()
        city.start()
        assert city.waiting() >= 5
        province.start()
        until(lambda: city.waiting() == 0, "it is back", 120)
    assert values(province) == [(HOUR + 60 * n, 35.0 + n % 5, 60.0) for n in range(20)]


def test_late_data_are_told_again_and_say_so_in_the_2025_edition(tmp_path):
    (tmp_path / "city").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        uplink = uplink_to(server.getsockname()[1], tmp_path, edition=2025, send=("minute",))
        city = City(tmp_path / "city", uplink)
        try:
            with platform(server) as heard:
                city.hear(*minutes(HOUR, 1)[:5])
                first = heard()
                city.hear(minutes(HOUR, 1, 95.0)[5])
                second = heard()
        finally:
            city.close()
    assert (first.field("Flag"), first.field("RF"), first.item("a34004-Avg")) == ("9", None, "35.0")
    assert (second.field("Flag"), second.field("RF"), second.item("a34004-Avg")) == ("9", "1", "45.0")
    assert second.item("DataTime") == local_text(HOUR, 480)


@contextlib.contextmanager
def platform(server, answers=True):
    """Take the city's connection; give what waits for its next frame. Each is acknowledged, if it wants that."""
    server.settimeout(60)
    line, _ = server.accept()
    line.settimeout(60)
    splitter, waiting = Splitter(), []

    def heard():
        while not waiting:
            data = line.recv(65536)
            assert data, "the city closed the connection"
            waiting.extend(read_packet(one.raw) for one in splitter.feed(data))
        found = waiting.pop(0)
        assert found.crc == "standard"
        if answers and found.packet.field("CN")[0] == "2" and int(found.packet.field("Flag")) & 1:
            line.sendall(ask("9014", "", found.packet.field("QN")))
        return found.packet

    heard.line = line
    with line:
        yield heard


def ask(cn, data, qn="20260302120000000", pw=PASSWORD, mn=MN):
    return build(Packet.make(data, QN=qn, ST="39", CN=cn, PW=pw, MN=mn, Flag="5")) + END


def test_a_platform_asks_for_what_was_and_nobody_else_is_answered(tmp_path):
    (tmp_path / "city").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        city = City(tmp_path / "city", uplink_to(server.getsockname()[1], tmp_path, send=()))
        try:
            city.hear(*minutes(HOUR, 10))
            with platform(server) as heard:
                span = f"BeginTime={local_text(HOUR + 120, 480)},EndTime={local_text(HOUR + 240, 480)}"
                for cn, data, given, wanted in (
                    ("2051", span, {"pw": "wrong1"}, ["QnRtn=3"]),
                    ("2051", span, {"mn": "ANOTHER"}, ["QnRtn=4"]),
                    ("1012", "SystemTime=20260101000000", {}, ["QnRtn=2"]),
                    ("7777", "", {}, ["QnRtn=8"]),
                    ("2031", span, {}, ["QnRtn=1", "ExeRtn=100"]),
                    ("2051", "BeginTime=yesterday", {}, ["QnRtn=1", "ExeRtn=100"]),
                ):
                    heard.line.sendall(ask(cn, data, **given))
                    assert [heard().area for _ in wanted] == wanted, (cn, given)
                heard.line.sendall(ask("2051", span, qn="20260302120000077"))
                found = [heard() for _ in range(5)]
                heard.line.sendall(ask("1011", ""))
                clock = [heard() for _ in range(3)][1]
        finally:
            city.close()
    assert {one.field("QN") for one in found} == {"20260302120000077"}
    assert [one.field("CN") for one in found] == ["9011", "2051", "2051", "2051", "9012"]
    assert [one.item("a34004-Avg") for one in found[1:4]] == ["37.0", "38.0", "39.0"]
    said = dt.datetime.strptime(clock.item("SystemTime"), "%Y%m%d%H%M%S").replace(tzinfo=SHANGHAI)
    assert abs(said.timestamp() - time.time()) < 120


def test_a_platform_that_never_acknowledges_hears_it_over_a_new_connection(tmp_path, monkeypatch):
    monkeypatch.setattr("hub.uplink.sender.WITHIN", 0.5)
    (tmp_path / "city").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        city = City(tmp_path / "city", uplink_to(server.getsockname()[1], tmp_path, send=("minute",)))
        try:
            city.hear(*minutes(HOUR, 1))
            with platform(server, answers=False) as heard:
                first = [heard() for _ in range(3)]
            with platform(server) as heard:
                again = heard()
                until(lambda: city.waiting() == 0, "it is acknowledged", 60)
        finally:
            city.close()
    assert len({one.field("QN") for one in (*first, again)}) == 4
    assert {one.area for one in (*first, again)} == {first[0].area}


def sums(seconds, value, aggregate="mean"):
    made = Sums()
    made.add(aggregate, value, 0, seconds)
    return made


@pytest.mark.parametrize(
    ("letters", "told"),
    [
        ({"N": 3600}, "N"),
        ({"N": 2700}, "N"),
        ({"N": 2690}, "B"),
        ({"N": 1000, "C": 1500, "M": 1100}, "C"),
        ({"D": 3600}, "D"),
    ],
)
def test_an_hour_has_the_letter_of_what_took_most_of_what_is_missing(letters, told):
    uplink = Uplink("p", "h", 1, "pw", units=UNITS)
    totals = {("pm25", letter): sums(seconds, 40.0) for letter, seconds in letters.items()}
    area = area_of(HOUR, 3600, totals, Factors(uplink, QUANTITIES).known("39"), QUANTITIES)
    assert f"a34004-Flag={told}" in area
    assert ("a34004-Avg=40.0" in area) is ("N" in letters)


def test_units_are_the_platforms_and_particles_have_none_by_themselves():
    def area(**units):
        uplink = Uplink("p", "h", 1, "pw", units=UNITS | units)
        factors = Factors(uplink, QUANTITIES).known("39")
        return area_of(HOUR, 60, {("pm25", "N"): sums(60, 41.26)}, factors, QUANTITIES)

    assert "a34004-Avg=41.3" in area()
    assert "a34004-Avg=0.0413" in area(a34004="mg/m3")
    plain = Factors(Uplink("p", "h", 1, "pw"), QUANTITIES)
    assert plain.unknown("39")["pm25"] == "a34004"
    assert plain.known("39").keys() >= {"laeq", "temperature", "wind_speed"}
    with pytest.raises(ConfigError, match="a34004 = 'm/s': expected one of"):
        area(a34004="m/s")
    with pytest.raises(ConfigError, match="units: 'a99999': expected factor codes"):
        area(a99999="mg/m3")


def test_what_no_platform_could_tell_apart_is_refused():
    point = Point("fence-1", MN)
    for change in ({"device": "b"}, {"mn": "2"}):
        with pytest.raises(ValueError, match="stands there twice"):
            Uplink("p", "h", 1, "pw", points=(point, msgspec.structs.replace(point, **change)))
    with pytest.raises(ValueError, match="certificate and key belong together"):
        Uplink("p", "h", 1, "pw", certificate="x")


def test_files_that_cannot_be_used_are_named(tmp_path):
    uplink = Uplink("p", "h", 1, tmp_path / "none", units=UNITS)
    with pytest.raises(ConfigError, match=r"password_file .* cannot be read"):
        Uplinks(tmp_path / FILE, (uplink,), QUANTITIES, SHANGHAI, time.time)
    (tmp_path / "pw").write_text("x")
    uplink = Uplink("p", "h", 1, tmp_path / "pw", units=UNITS, ca=tmp_path / "none.crt")
    with pytest.raises(ConfigError, match="ca, certificate, key: cannot be used"):
        Uplinks(tmp_path / FILE, (uplink,), QUANTITIES, SHANGHAI, time.time)


def write_files(folder, password_file="pw", device="fence-1"):
    """Write the files of a hub with one uplink; return its configuration's path."""
    (folder / "registry.toml").write_text(
        '[[site]]\nid = "tower"\ndistrict = "north"\nkind = "construction"\nen = "Tower"\nzh = "塔楼"\n'
        '[[board]]\nid = "fence-1"\nsite = "tower"\n',
        "utf-8",
    )
    (folder / "keys.toml").touch(0o600)
    (folder / "keys.toml").write_text(f'fence-1 = "{"1" * 64}"\n')
    (folder / "pw").touch(0o600)
    (folder / "pw").write_text(PASSWORD)
    path = folder / "fenceline.toml"
    path.write_text(
        'registry = "registry.toml"\nkeys = "keys.toml"\n[http]\nport = 0\n[[uplink]]\nname = "province"\n'
        f'host = "127.0.0.1"\nport = 1\npassword_file = "{password_file}"\nsettle = 0\n'
        f'[[uplink.point]]\ndevice = "{device}"\nmn = "{MN}"\n'
    )
    return path


def test_check_and_the_hub_look_at_uplinks_before_anything_runs(tmp_path):
    def found(**files):
        config = load_config(write_files(tmp_path, **files))
        return [(one.state, one.text.en) for one in check_uplinks(config.uplinks, {"fence-1"})]

    assert found() == [("ok", "province: 1 points to 127.0.0.1:1")]
    assert found(device="fence-2") == [("problem", "province: no board or station fence-2")]
    ((state, text),) = found(password_file="none")
    assert (state, "password_file" in text) == ("problem", True)
    with pytest.raises(ConfigError, match=r"password_file .* cannot be read"):
        RunningHub(load_config(write_files(tmp_path, password_file="none")))
    (tmp_path / "pw").chmod(0o644)
    (state, text), *_ = found()
    assert (state, "other users can read the platform's password" in text) == ("warning", True)


def test_the_command_line_tells_how_a_platform_stands(tmp_path):
    write_files(tmp_path)
    shown = run(tmp_path, "uplink", "list", "--json").out.splitlines()
    assert json.loads(shown[-1]) == {"summary": True, "points": 0, "waiting": 0}
    (tmp_path / "data").mkdir()
    uplink = load_config(tmp_path / "fenceline.toml").uplinks[0]
    with Hub(tmp_path) as hub:
        hub.now = time.time()
        hub.hear(Speaker("fence-1").telemetry(*minutes(HOUR, 3)))
        collector = Collector(
            tmp_path / "data" / FILE, (uplink,), QUANTITIES, SHANGHAI, lambda: hub.now, tmp_path / "log.db"
        )
        collector.take(hub.log.read(0, 100))
        collector.close()
    row, summary = map(json.loads, run(tmp_path, "uplink", "list", "--json").out.splitlines())
    assert (row["platform"], row["point"], row["mn"], row["newest"]) == ("province", "fence-1", MN, None)
    assert row["waiting"] == summary["waiting"] >= 4, "three minutes and their hour"
    assert "province" in run(tmp_path, "uplink", "list").out
    assert "上报点" in run(tmp_path, "uplink", "list", "--lang", "zh").out
