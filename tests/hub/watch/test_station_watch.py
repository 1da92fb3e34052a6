"""What the watch finds of stations: each with a station that does it, and one in order that is left in peace."""

import math

import msgspec
import pytest

from hub.config.alerts import Alerting
from hub.intake.stations.judging import Came, Judging
from hub.intake.stations.profiles import Profiles
from hub.registry.live import Station
from hub.watch.consumer import CLEAR_AFTER, Watch
from hub.watch.stations import StationWatch
from hub.wire.hj212 import Packet, build, read_packet
from hub.wire.station import local_text
from tests.hub.helpers import CITY, QUANTITIES, Hub, at, query

NINE = at("2026-03-02 09:00")
MN = "010000A8900016F000169DC0"
PROFILES = Profiles(QUANTITIES)
REGISTRY = msgspec.structs.replace(
    CITY, stations={"meter-1": Station(id="meter-1", site="tower", mn=MN, profile="dust_ug")}
)


class WatchedStation:
    """A station's frames, from the judge of frames by the log to the watch."""

    def __init__(self, hub):
        self.hub = hub
        self.judging = Judging(hub.admission, REGISTRY, PROFILES, hub.log.latest)
        self.start()

    def start(self):
        """Start the watch, as a hub that begins does."""
        stations = StationWatch(QUANTITIES, PROFILES.faults_of)
        self.watch = Watch(self.hub.folder, REGISTRY, lambda: self.hub.now, Alerting(), dict, stations=stations)

    def send(self, cn, data, t, checksum="standard", **fields):
        """Send a frame at the end of what it is of."""
        fields = {
            "QN": local_text(t, 480) + "001",
            "ST": "39",
            "CN": cn,
            "PW": "123456",
            "MN": MN,
            "Flag": "5",
        } | fields
        raw = build(Packet.make(f"DataTime={local_text(t, 480)};{data}", **fields), checksum)
        judged = self.judging.judge(Came(raw, read_packet(raw), "127.0.0.1"))
        self.hub.log.commit(judged.outcomes, self.hub.now)
        self.watch.take(self.hub.log.read(self.watch.position(), 1000))

    def minutes(self, values, first=NINE, **fields):
        """Send a minute for each value of PM2.5."""
        for n, value in enumerate(values):
            self.hub.now = first + 60 * (n + 1)
            self.send("2051", f"a34004-Avg={value},a34004-Flag=N", first + 60 * n, **fields)

    def look(self, later=60):
        self.hub.now += later
        self.watch.take([])

    def rules(self, state="firing"):
        self.look()
        rows = query(self.hub.folder / "compliance.db", "SELECT * FROM alert ORDER BY id")
        return {row["rule"]: row for row in rows if row["kind"] == "station" and row["state"] == state}


@pytest.fixture
def station(tmp_path):
    with Hub(tmp_path, registry=REGISTRY) as hub:
        hub.now = NINE
        made = WatchedStation(hub)
        yield made
        made.watch.close()


def wave(count, level=40.0):
    """Return values as air has them."""
    return [round(level + 9 * math.sin(n / 7) + (n * 7919 % 13) / 4, 1) for n in range(count)]


def test_a_station_in_order_is_left_in_peace(station):
    values = wave(130)
    station.minutes(values)
    station.send("2061", f"a34004-Avg={sum(values[:60]) / 60:.1f},a34004-Flag=N", NINE)
    assert station.rules() == {}


@pytest.mark.parametrize(("share", "told"), [(1.0, False), (0.8, True)])
def test_an_hour_that_its_own_minutes_do_not_make_is_told_whichever_comes_last(station, share, told):
    values = wave(60)
    station.minutes(values[:-1])
    station.send("2061", f"a34004-Avg={sum(values) / 60 * share:.1f},a34004-Flag=N", NINE)
    station.hub.now += 60
    station.send("2051", f"a34004-Avg={values[-1]},a34004-Flag=N", NINE + 59 * 60)
    found = station.rules()
    assert ("station averages: pm25" in found) is told
    if told:
        alert = found["station averages: pm25"]
        assert alert["severity"] == "suspicion"
        assert f"its own 60 minutes make {sum(values) / 60:.4g}" in alert["text"]


def test_a_value_that_never_changes_is_told(station):
    station.minutes([35.0] * int(QUANTITIES["pm25"].stuck_after / 60 + 3))
    told = station.rules()["station stuck: pm25"]["text"]
    assert f"PM2.5 has been 35 {QUANTITIES['pm25'].label} for" in told
    assert "PM2.5已连续" in told


def test_a_value_that_changes_faster_than_it_can_is_told_and_not_after_a_pause(station):
    def temperatures(first, *values):
        for n, value in enumerate(values):
            station.hub.now = first + 60 * (n + 1)
            station.send("2051", f"a01001-Avg={value},a01001-Flag=N", first + 60 * n)

    assert QUANTITIES["temperature"].max_rate == 10
    temperatures(NINE, 10.0, 15.0)
    temperatures(NINE + 7200, 35.0)
    assert station.rules() == {}
    temperatures(NINE + 7260, 12.0)
    (told,) = [alert["text"] for alert in station.rules().values()]
    assert "Air temperature went from 35 to 12 °C" in told
    assert "气温在" in told


def test_values_that_stop_at_one_level_are_told(station):
    station.minutes([min(value, 44.9) for value in wave(120)])
    told = station.rules()["station ceiling: pm25"]["text"]
    assert "values of PM2.5 stop just at" in told
    assert "pm25" not in told


def test_a_station_that_says_otherwise_what_was_is_told(station):
    station.minutes(wave(3))
    station.send("2051", "a34004-Avg=1.0,a34004-Flag=N", NINE)
    told = station.rules()["station restates"]["text"]
    assert "again what PM2.5 was at" in told
    assert "的PM2.5，以首次" in told


def test_a_fault_that_the_profile_does_not_know_is_told_and_is_over_when_it_is(station):
    station.minutes(wave(2))
    assert station.rules() == {}
    station.minutes(wave(4)[2:], first=NINE + 120, checksum="modbus")
    assert set(station.rules()) == {"station has new faults"}
    station.minutes(wave(3), first=NINE + 300)
    station.look(CLEAR_AFTER)
    assert station.rules() == {}
    assert set(station.rules("resolved")) == {"station has new faults"}


def test_an_instrument_that_is_another_than_before_is_told_also_after_a_restart(station):
    def says(serial):
        station.hub.now += 3600
        station.send("3019", f"PolId=a34004,a34004-SN={serial}", station.hub.now)
        return set(station.rules())

    assert says("0042") == set()
    assert says("0042") == set()
    station.watch.close()
    station.start()
    assert says("0042") == set()
    assert says("42") == {"station instrument: a34004"}, "zeros in front are part of a serial number"
    (told,) = station.rules().values()
    assert "'0042', and has '42' now" in told["text"]
    station.look(CLEAR_AFTER)
    assert says("42") == set()
