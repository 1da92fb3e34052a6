"""One suite for every series store: the embedded one and InfluxDB, on the real engine."""

import dataclasses

import pytest

from hub.log import Log
from hub.readings import Reading
from hub.stores import InfluxStore, SqliteStore
from hub.stores.base import StoreError
from tests.hub.helpers import NOON, QUANTITIES, execute, query


class Sqlite:
    """The embedded store, as a user of its file sees it."""

    def __init__(self, folder):
        self.path = folder / "series.db"

    def open(self):
        return SqliteStore(self.path)

    def normal(self):
        rows = query(self.path, "SELECT device, quantity, t, value FROM reading WHERE flag = 'N'")
        return {(row["device"], row["quantity"], row["t"]): row["value"] for row in rows}

    def flagged(self):
        rows = query(self.path, "SELECT * FROM reading WHERE flag != 'N'")
        return {(row["device"], row["quantity"], row["t"], row["flag"]): (row["value"], row["dt"]) for row in rows}

    def levels(self):
        return [
            row["value"] for row in query(self.path, "SELECT value FROM reading WHERE quantity = 'laeq' ORDER BY 1")
        ]

    def go_away(self):
        execute(self.path, "CREATE TRIGGER away BEFORE UPDATE ON position BEGIN SELECT RAISE(ABORT, 'disk full'); END")

    def come_back(self):
        execute(self.path, "DROP TRIGGER away")


class Influx:
    """InfluxDB, as Grafana sees it: through InfluxQL."""

    def __init__(self, folder, server):
        self.folder, self.server = folder, server
        server.create_bucket("city")

    def open(self, bucket="city"):
        return InfluxStore(bucket, Log(self.folder / "log.db"), QUANTITIES)

    def normal(self):
        rows = self.server.query("SELECT * FROM noise, dust, weather", "city")
        return {
            (row["device"], key, row["time"]): row[key]
            for row in rows
            for key in QUANTITIES
            if row.get(key) is not None
        }

    def flagged(self):
        rows = self.server.query("SELECT * FROM flagged", "city")
        return {
            (row["device"], row["quantity"], row["time"], row["flag"]): (row.get("value"), row["dt"]) for row in rows
        }

    def levels(self):
        return sorted(row["laeq"] for row in self.server.query("SELECT laeq FROM noise", "city"))

    def go_away(self):
        self.server.engine.kill()

    def come_back(self):
        self.server.engine.start()


@pytest.fixture
def influx(tmp_path, monkeypatch, influxdb_v2):
    monkeypatch.setenv("INFLUXDB_V2_URL", influxdb_v2.url)
    monkeypatch.setenv("INFLUXDB_V2_TOKEN", influxdb_v2.token)
    monkeypatch.setenv("INFLUXDB_V2_ORG", influxdb_v2.org)
    return Influx(tmp_path, influxdb_v2)


@pytest.fixture(params=["sqlite", "influx"])
def place(request, tmp_path):
    """Where a store keeps its series; `open` returns the store."""
    return Sqlite(tmp_path) if request.param == "sqlite" else request.getfixturevalue("influx")


@pytest.fixture
def store(place):
    store = place.open()
    yield store
    store.close()


def reading(seq, quantity, value, flag="N", device="fence-1"):
    """Return a reading of record `seq`, of which there is one every 10 s."""
    return Reading("north", "tower", device, "9f3a12c4", seq, NOON + 10 * seq, 10, quantity, value, flag)


MORNING = [
    reading(1, "laeq", 67.2),
    reading(1, "pm10", 81),
    reading(2, "laeq", 66.0),
    reading(2, "pm10", 80, "D"),
    reading(2, "temperature", -12.5),
    reading(3, "laeq", None, "B"),
]


def test_a_new_store_has_done_nothing(place, store):
    assert store.position() == 0
    assert place.normal() == place.flagged() == {}


def test_what_is_written_is_there_and_the_position_with_it(place, store):
    store.write(MORNING, 17)
    assert store.position() == 17
    assert place.normal() == {
        ("fence-1", "laeq", NOON + 10): 67.2,
        ("fence-1", "pm10", NOON + 10): 81,
        ("fence-1", "laeq", NOON + 20): 66.0,
        ("fence-1", "temperature", NOON + 20): -12.5,
    }


def test_flagged_readings_are_kept_apart_with_their_value_if_they_have_one(place, store):
    store.write(MORNING, 17)
    assert place.flagged() == {
        ("fence-1", "pm10", NOON + 20, "D"): (80, 10),
        ("fence-1", "laeq", NOON + 30, "B"): (None, 10),
    }


@pytest.mark.parametrize("flag", "FMCDTSB")
def test_no_flag_is_mixed_with_normal_readings(place, store, flag):
    store.write([reading(1, "laeq", 120.0, flag), reading(2, "laeq", 60.0)], 1)
    assert place.normal() == {("fence-1", "laeq", NOON + 20): 60.0}
    assert place.flagged() == {("fence-1", "laeq", NOON + 10, flag): (120.0, 10)}


def test_writing_the_same_again_changes_nothing(place, store):
    store.write(MORNING[:3], 3)
    store.write(MORNING[3:], 6)
    before = place.normal(), place.flagged()
    store.write(MORNING, 6)
    store.write([*MORNING, *MORNING], 6)
    assert (place.normal(), place.flagged()) == before
    assert len(before[0]) + len(before[1]) == len(MORNING)


def test_a_replay_from_an_earlier_position_is_written_too(place, store):
    store.write(MORNING, 6)
    store.write(MORNING[:2], 2)
    assert store.position() == 2
    store.write(MORNING[2:], 6)
    assert store.position() == 6
    assert len(place.normal()) == 4


def test_boards_at_the_same_moment_stay_apart(place, store):
    store.write([reading(1, "laeq", 60.0), reading(1, "laeq", 70.0, device="fence-2")], 1)
    assert place.normal() == {("fence-1", "laeq", NOON + 10): 60.0, ("fence-2", "laeq", NOON + 10): 70.0}


def test_entries_without_readings_move_the_position(store):
    store.write([], 5)
    assert store.position() == 5


def test_a_value_comes_back_to_the_last_digit(place, store):
    values = [0, -0.1, 0.1 + 0.2, 1e-9, 12345.678901234567, 1e20]
    store.write([reading(seq, "pm10", value) for seq, value in enumerate(values)], 1)
    assert [value for _, value in sorted(place.normal().items())] == values


def test_a_store_opened_again_goes_on_where_it_was(place):
    first = place.open()
    first.write(MORNING[:3], 3)
    first.close()
    second = place.open()
    assert second.position() == 3
    second.write(MORNING[3:], 6)
    second.close()
    assert len(place.normal()) == 4
    assert len(place.flagged()) == 2


def test_a_store_that_is_away_says_so_and_takes_the_same_when_it_is_back(place, store):
    store.write(MORNING[:2], 2)
    place.go_away()
    for _ in range(2):
        with pytest.raises(StoreError):
            store.write(MORNING[2:], 6)
        assert store.position() == 2
    place.come_back()
    assert place.normal() == {("fence-1", "laeq", NOON + 10): 67.2, ("fence-1", "pm10", NOON + 10): 81}
    store.write(MORNING[2:], 6)
    assert store.position() == 6
    assert len(place.normal()) == 4
    assert len(place.flagged()) == 2


def test_influxdb_has_a_measurement_for_each_family_and_tags_for_the_place(influx):
    store = influx.open()
    store.write(MORNING, 6)
    store.close()
    assert influx.server.query("SELECT * FROM noise", "city")[0] == {
        "time": NOON + 10,
        "device": "fence-1",
        "district": "north",
        "site": "tower",
        "laeq": 67.2,
    }
    assert {row["name"] for row in influx.server.query("SHOW MEASUREMENTS", "city")} == {
        "noise",
        "dust",
        "weather",
        "flagged",
    }


def test_nobody_at_the_address_of_influxdb(influx, monkeypatch, free_port):
    monkeypatch.setenv("INFLUXDB_V2_URL", f"http://127.0.0.1:{free_port()}")
    store = influx.open()
    with pytest.raises(StoreError, match="does not answer"):
        store.write(MORNING, 6)
    assert store.position() == 0
    store.close()


def test_a_bucket_that_influxdb_does_not_have_is_refused_with_its_own_words(influx):
    store = influx.open("elsewhere")
    with pytest.raises(StoreError, match=r"refused \d+ points: 404 .*elsewhere"):
        store.write(MORNING, 6)
    assert store.position() == 0
    store.close()


def test_a_wrong_token_is_refused_with_its_own_words(influx, monkeypatch):
    monkeypatch.setenv("INFLUXDB_V2_TOKEN", "wrong")
    store = influx.open()
    with pytest.raises(StoreError, match=r"401 .*unauthorized"):
        store.write(MORNING, 6)
    store.close()


def test_two_records_for_one_second_are_both_kept(place, store):
    """The board's clock was set back: a time comes twice, and neither record may replace the other."""
    first, second = reading(7, "laeq", 60.0), reading(4007, "laeq", 61.0)
    twice = [first, dataclasses.replace(second, t=first.t)]
    for _ in range(2):
        store.write(twice, 1)
    assert place.levels() == [60.0, 61.0]
