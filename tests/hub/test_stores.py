"""One suite for every series store: the embedded one and InfluxDB, on the real engine."""

import datetime as dt
import logging
import random
import socket
import threading
import time
from contextlib import closing
from http import HTTPStatus

import msgspec
import pytest

from hub import consumer
from hub.consumer import Consumer, StoreSink
from hub.database import open_database
from hub.log import Log
from hub.readings import Interval
from hub.stores import InfluxStore, Rollup, SqliteStore, StoreError
from hub.stores import sqlite as sqlite_store
from tests.hub.helpers import NOON, QUANTITIES, Hub, Speaker, execute, query, record
from tests.influx_gateway import Gateway

TOKEN, ORG = "the-token-of-these-tests", "fenceline"


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

    def rollups(self):
        rows = query(self.path, "SELECT * FROM rollup")
        return {
            (row["device"], row["site"], row["quantity"], row["period"], row["start"]): tuple(
                row[part] for part in ("value", "capture", "highest", "lowest")
            )
            for row in rows
        }

    def go_away(self):
        execute(self.path, "CREATE TRIGGER away BEFORE UPDATE ON position BEGIN SELECT RAISE(ABORT, 'disk full'); END")

    def come_back(self):
        execute(self.path, "DROP TRIGGER away")


class Influx:
    """InfluxDB, as Grafana sees it: through InfluxQL. `gateway` gives the real engine the v2 write API."""

    def __init__(self, folder, engine, gateway):
        self.folder, self.engine, self.gateway = folder, engine, gateway
        engine.create_database("city")

    def open(self, bucket="city"):
        return InfluxStore(bucket, Log(self.folder / "log.db"), QUANTITIES)

    def query(self, influxql):
        return self.engine.query(influxql, "city")

    def quarantine(self):
        rows = query(self.folder / "log.db", "SELECT topic, payload, device, reason, detail FROM quarantine")
        return [tuple(row.values()) for row in rows]

    def normal(self):
        rows = self.query("SELECT * FROM noise, dust, weather")
        return {
            (row["device"], key, row["time"]): row[key]
            for row in rows
            for key in QUANTITIES
            if row.get(key) is not None
        }

    def flagged(self):
        rows = self.query("SELECT * FROM flagged")
        return {
            (row["device"], row["quantity"], row["time"], row["flag"]): (row.get("value"), row["dt"]) for row in rows
        }

    def levels(self):
        return sorted(row["laeq"] for row in self.query("SELECT laeq FROM noise"))

    def rollups(self):
        found = {}
        for period, name in ((600, "10m"), (3600, "1h"), (86_400, "24h")):
            for row in self.query(f"SELECT * FROM noise_{name}, dust_{name}, weather_{name}"):
                for key in QUANTITIES:
                    parts = tuple(row.get(key + suffix) for suffix in ("", "_capture", "_max", "_min"))
                    if any(part is not None for part in parts):
                        found[row["device"], row["site"], key, period, row["time"]] = parts
        return found

    def go_away(self):
        self.engine.kill()

    def come_back(self):
        self.engine.start()


@pytest.fixture
def influx(tmp_path, monkeypatch, influxdb):
    with Gateway(influxdb.url, TOKEN, ORG) as gateway:
        threading.Thread(target=gateway.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        monkeypatch.setenv("INFLUXDB_V2_URL", gateway.url)
        monkeypatch.setenv("INFLUXDB_V2_TOKEN", TOKEN)
        monkeypatch.setenv("INFLUXDB_V2_ORG", ORG)
        yield Influx(tmp_path, influxdb, gateway)
        gateway.shutdown()


@pytest.fixture(params=["sqlite", "influx"])
def place(request, tmp_path):
    """Where a store keeps its series; `open` returns the store."""
    return Sqlite(tmp_path) if request.param == "sqlite" else request.getfixturevalue("influx")


@pytest.fixture
def store(place):
    store = place.open()
    yield store
    store.close()


def interval(seq, flagged=None, device="fence-1", **values):
    """Return record `seq`, of which there is one every 10 s."""
    return Interval("north", "tower", device, "9f3a12c4", seq, NOON + 10 * seq, 10, values, flagged or {})


MORNING = [
    interval(1, laeq=67.2, pm10=81),
    interval(2, laeq=66.0, temperature=-12.5, flagged={"pm10": ("D", 80)}),
    interval(3, flagged={"laeq": ("B", None)}),
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
    store.write([interval(1, flagged={"laeq": (flag, 120.0)}), interval(2, laeq=60.0)], 1)
    assert place.normal() == {("fence-1", "laeq", NOON + 20): 60.0}
    assert place.flagged() == {("fence-1", "laeq", NOON + 10, flag): (120.0, 10)}


def test_writing_the_same_again_changes_nothing(place, store):
    store.write(MORNING[:2], 3)
    store.write(MORNING[2:], 6)
    before = place.normal(), place.flagged()
    store.write(MORNING, 6)
    store.write([*MORNING, *MORNING], 6)
    assert (place.normal(), place.flagged()) == before
    assert (len(before[0]), len(before[1])) == (4, 2)


def test_a_replay_from_an_earlier_position_is_written_too(place, store):
    store.write(MORNING, 6)
    store.write(MORNING[:2], 2)
    assert store.position() == 2
    store.write(MORNING[2:], 6)
    assert store.position() == 6
    assert len(place.normal()) == 4


def test_boards_at_the_same_moment_stay_apart(place, store):
    store.write([interval(1, laeq=60.0), interval(1, laeq=70.0, device="fence-2")], 1)
    assert place.normal() == {("fence-1", "laeq", NOON + 10): 60.0, ("fence-2", "laeq", NOON + 10): 70.0}


def test_entries_without_readings_move_the_position(store):
    store.write([], 5)
    assert store.position() == 5


def test_a_value_comes_back_to_the_last_digit(place, store):
    draw = random.Random(4)
    values = [0, -0.1, 0.1 + 0.2, 1e-9, 12345.678901234567, 1e20, *(draw.uniform(-50, 2000) for _ in range(1000))]
    store.write([interval(seq, pm10=value) for seq, value in enumerate(values)], 1)
    assert [value for _, value in sorted(place.normal().items())] == values


def test_a_store_opened_again_goes_on_where_it_was(place):
    first = place.open()
    first.write(MORNING[:1], 3)
    first.close()
    second = place.open()
    assert second.position() == 3
    second.write(MORNING[1:], 6)
    second.close()
    assert len(place.normal()) == 4
    assert len(place.flagged()) == 2


def test_a_store_that_is_away_says_so_and_takes_the_same_when_it_is_back(place, store):
    store.write(MORNING[:1], 2)
    place.go_away()
    for _ in range(2):
        with pytest.raises(StoreError):
            store.write(MORNING[1:], 6)
        assert store.position() == 2
    place.come_back()
    assert place.normal() == {("fence-1", "laeq", NOON + 10): 67.2, ("fence-1", "pm10", NOON + 10): 81}
    store.write(MORNING[1:], 6)
    assert store.position() == 6
    assert len(place.normal()) == 4
    assert len(place.flagged()) == 2


def test_away_for_long_then_everything_is_caught_up_while_memory_stays_flat(place, store, tmp_path, monkeypatch):
    """The hub goes on and the log holds what a consumer cannot write: it keeps one batch in memory, no more."""
    monkeypatch.setattr(consumer, "MOST", 20)
    monkeypatch.setattr(consumer, "LONGEST_PAUSE", 0.02)
    board = Speaker()
    with Hub(tmp_path) as hub:
        feeder = Consumer("store", Log(tmp_path / "log.db"), StoreSink(store))
        feeder.start()
        try:
            hub.hear(board.telemetry(*minute(0)))
            until(lambda: feeder.position == 1)
            place.go_away()
            for n in range(1, 101):
                hub.hear(board.telemetry(*minute(n)))
                feeder.wake()
            until(lambda: feeder.failing)
            assert feeder.position == 1
            assert len(feeder._entries) <= 20
            assert len(feeder._sink._waiting) <= 20 * 6
            place.come_back()
            until(lambda: feeder.position == 101)
            assert feeder.failing is None
        finally:
            feeder.stop()
            feeder.join()
            feeder._source.close()
    assert len(place.levels()) == 101 * 6


def minute(n):
    """Return the records of minute `n`, with levels that go up and down."""
    start = NOON - 86_400 + 60 * n
    return [record(t, laeq=60.0 + t // 10 % 7) for t in range(start, start + 60, 10)]


def until(true):
    """Wait until something has happened in another thread."""
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def rollup(quantity="laeq", device="fence-1", start=NOON, period=600, value=61.5, capture=0.5, **extremes):
    return Rollup("north", "tower", device, quantity, period, start, value, capture, **extremes)


def test_rollups_of_every_period_are_kept_with_data_capture_and_extremes(place, store):
    store.write_rollups(
        [
            rollup(highest=70.0, lowest=55.0),
            rollup("lafmax", value=80.5),
            rollup("pm10", period=3600, value=81.25, capture=1.0, highest=90.0, lowest=70.0),
            rollup("wind_dir", period=86_400, start=NOON - 43_200, value=None),
        ]
    )
    assert place.rollups() == {
        ("fence-1", "tower", "laeq", 600, NOON): (61.5, 0.5, 70.0, 55.0),
        ("fence-1", "tower", "lafmax", 600, NOON): (80.5, 0.5, None, None),
        ("fence-1", "tower", "pm10", 3600, NOON): (81.25, 1.0, 90.0, 70.0),
        ("fence-1", "tower", "wind_dir", 86_400, NOON - 43_200): (None, 0.5, None, None),
    }


def test_a_rollup_written_again_takes_the_place_of_the_earlier(place, store):
    store.write_rollups([rollup(), rollup(device="fence-2")])
    for _ in range(2):
        store.write_rollups([rollup(value=62.0, capture=0.75)])
    assert place.rollups() == {
        ("fence-1", "tower", "laeq", 600, NOON): (62.0, 0.75, None, None),
        ("fence-2", "tower", "laeq", 600, NOON): (61.5, 0.5, None, None),
    }


def test_rollups_are_not_mixed_with_what_was_measured_and_leave_the_position(place, store):
    store.write(MORNING, 6)
    before = place.normal()
    store.write_rollups([rollup(start=NOON + 10)])
    assert place.normal() == before
    assert store.position() == 6


def test_a_board_that_moved_has_rollups_at_both_sites(place, store):
    store.write_rollups([rollup(), msgspec.structs.replace(rollup(value=50.0), site="bridge")])
    assert {key[1]: values[0] for key, values in place.rollups().items()} == {"tower": 61.5, "bridge": 50.0}


def test_rollups_for_a_store_that_is_away(place, store):
    if isinstance(place, Sqlite):
        execute(place.path, "ALTER TABLE rollup RENAME TO away")
    else:
        place.go_away()
    with pytest.raises(StoreError):
        store.write_rollups([rollup()])
    if isinstance(place, Sqlite):
        execute(place.path, "ALTER TABLE away RENAME TO rollup")
    else:
        place.come_back()
    store.write_rollups([rollup()])
    assert len(place.rollups()) == 1


def test_two_threads_write_at_once(place, store):
    """The series' consumer and the rollups' consumer share a store."""
    rollups = threading.Thread(
        target=lambda: [store.write_rollups([rollup(start=NOON + 600 * n)]) for n in range(50)], daemon=True
    )
    rollups.start()
    for n in range(50):
        store.write([interval(n, laeq=60.0)], n)
    rollups.join()
    assert len(place.levels()) == len(place.rollups()) == 50
    assert store.position() == 49


def test_two_records_for_one_second_are_both_kept(place, store):
    """The board's clock was set back: a time comes twice, and neither record may replace the other."""
    first, second = interval(7, laeq=60.0), interval(4007, laeq=61.0)
    twice = [first, msgspec.structs.replace(second, t=first.t)]
    for _ in range(2):
        store.write(twice, 1)
    assert place.levels() == [60.0, 61.0]


def test_a_series_database_of_version_1_is_brought_forward_with_all_it_holds(tmp_path):
    path = tmp_path / "series.db"
    old = [
        ("fence-1", "9f3a12c4", 1, "laeq", "north", "tower", NOON + 10, 10, 67.2, "N"),
        ("fence-1", "9f3a12c4", 1, "pm10", "north", "tower", NOON + 10, 10, 81.0, "N"),
        ("fence-1", "9f3a12c4", 2, "pm10", "north", "tower", NOON + 20, 10, 80.0, "D"),
        ("fence-1", "9f3a12c4", 2, "tsp", "north", "tower", NOON + 20, 10, 0.1 + 0.2, "N"),
        ("fence-1", "9f3a12c4", 3, "laeq", "north", "tower", NOON + 30, 10, None, "B"),
        ("fence-1", "9f3a12c5", 3, "laeq", "north", "bridge", NOON + 30, 10, 1e-9, "N"),
        ("fence-2", "00000001", 1, "temperature", "north", "tower", NOON, 60, -12.5, "N"),
    ]
    with closing(open_database(path, sqlite_store.STEPS[:1])) as db:
        db.executemany("INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", old)
        db.execute("UPDATE position SET offset = 17")
    columns = "device, stream, seq, quantity, district, site, t, dt, value, flag"
    for _ in range(2):  # what is written again takes the place of what was brought forward
        store = SqliteStore(path)
        assert store.position() == 17
        rows = query(path, f"SELECT {columns} FROM reading ORDER BY device, stream, seq, quantity")
        assert [tuple(row.values()) for row in rows] == old
        store.write([interval(1, laeq=67.2, pm10=81.0)], 17)
        store.close()


def test_influxdb_has_a_measurement_for_each_family_and_tags_for_the_place(influx):
    with closing(influx.open()) as store:
        store.write(MORNING, 6)
    assert influx.query("SELECT * FROM noise")[0] == {
        "time": NOON + 10,
        "device": "fence-1",
        "district": "north",
        "site": "tower",
        "laeq": 67.2,
    }
    names = {row["name"] for row in influx.query("SHOW MEASUREMENTS")}
    assert names == {"noise", "dust", "weather", "flagged"}


def test_nobody_at_the_address_of_influxdb(influx, monkeypatch, free_port):
    monkeypatch.setenv("INFLUXDB_V2_URL", f"http://127.0.0.1:{free_port()}")
    with closing(influx.open()) as store:
        with pytest.raises(StoreError, match="does not answer"):
            store.write(MORNING, 6)
        assert store.position() == 0


def test_an_influxdb_that_never_answers_is_not_waited_for_without_end(influx, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("INFLUXDB_V2_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("INFLUXDB_V2_TIMEOUT", "200")  # ms
        with closing(influx.open()) as store, pytest.raises(StoreError, match="does not answer"):
            store.write(MORNING, 6)


def test_a_bucket_that_influxdb_does_not_have_is_a_matter_of_configuration(influx):
    with closing(influx.open("elsewhere")) as store:
        with pytest.raises(StoreError, match=r"404: .*elsewhere.*create bucket 'elsewhere', or mend \[store\] bucket"):
            store.write(MORNING, 6)
        assert store.position() == 0
    assert influx.quarantine() == []


def test_a_wrong_token_is_a_matter_of_configuration_and_never_told(influx, monkeypatch, caplog):
    monkeypatch.setenv("INFLUXDB_V2_TOKEN", "a-wrong-one")
    caplog.set_level(logging.DEBUG)
    with closing(influx.open()) as store, pytest.raises(StoreError, match=r"401: .*set INFLUXDB_V2_TOKEN") as refusal:
        store.write(MORNING, 6)
    assert influx.quarantine() == []
    assert "a-wrong-one" not in str(refusal.value) + caplog.text


def spoil(store, measurement):
    """Write LAFmax as text, as a foreign program might: InfluxDB refuses it as a number then, and names no line."""
    store._send([f'{measurement},device=x,district=y,site=z lafmax="loud" {NOON * 1_000_000_000}'])


@pytest.mark.parametrize("status", [HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY])
@pytest.mark.parametrize("bad", [0, 57, 99])
def test_one_bad_point_costs_one_point(influx, status, bad):
    influx.gateway.partial_write = status
    with closing(influx.open()) as store:
        spoil(store, "noise")
        batch = [interval(seq, laeq=60.0, pm10=80) for seq in range(100)]
        batch[bad].values["lafmax"] = 80.5
        store.write(batch, 6)
        assert store.position() == 6
    levels = {row["time"] for row in influx.query("SELECT laeq FROM noise")}
    assert levels == {i.t for i in batch} - {batch[bad].t}
    assert len(influx.query("SELECT pm10 FROM dust")) == 100
    ((topic, payload, device, reason, detail),) = influx.quarantine()
    moment = (NOON + 10 * bad) * 1_000_000_000 + bad
    assert payload.decode() == f"noise,device=fence-1,district=north,site=tower laeq=60.0,lafmax=80.5 {moment}"
    assert (topic, device, reason) == ("store/influxdb", "fence-1", "store")
    assert detail.startswith(f"{status.value}: partial write: field type conflict")


def test_several_bad_points_far_apart(influx):
    with closing(influx.open()) as store:
        spoil(store, "noise")
        batch = [interval(seq, laeq=60.0, device=f"fence-{seq}") for seq in range(300)]
        for bad in (3, 4, 150, 299):
            batch[bad].values["lafmax"] = 80.5
        store.write(batch, 6)
    assert len(influx.query("SELECT laeq FROM noise")) == 296
    assert [row[2] for row in influx.quarantine()] == ["fence-3", "fence-4", "fence-150", "fence-299"]


def test_a_rollup_that_influxdb_refuses_costs_no_other(influx):
    with closing(influx.open()) as store:
        spoil(store, "noise_10m")
        store.write_rollups([rollup(start=NOON + 600 * n) for n in range(20)] + [rollup("lafmax", device="fence-2")])
    assert len([key for key in influx.rollups() if key[0] == "fence-1"]) == 20
    assert [row[2:4] for row in influx.quarantine()] == [("fence-2", "store")]


def test_bad_points_are_in_quarantine_once_though_influxdb_went_away_in_between(influx):
    with closing(influx.open()) as store:
        spoil(store, "noise")
        batch = [interval(1, lafmax=80.5), interval(2, laeq=60.0)]
        send, tries = store._api.write, []

        def then_away(*args, **kwargs):
            tries.append(1)
            if len(tries) == 3:  # the whole, its bad half, and now the other half
                influx.go_away()
            return send(*args, **kwargs)

        store._api.write = then_away
        with pytest.raises(StoreError):
            store.write(batch, 6)
        influx.come_back()
        store.write(batch, 6)
    assert len(influx.quarantine()) == 1
    assert influx.levels() == [60.0]


def test_a_request_that_is_too_large_is_sent_in_parts(influx):
    influx.gateway.most_bytes = 1000
    with closing(influx.open()) as store:
        store.write([interval(seq, laeq=60.0) for seq in range(100)], 6)
    assert len(influx.levels()) == 100
    assert influx.quarantine() == []


def test_many_points_go_in_several_requests(influx):
    with closing(influx.open()) as store:
        store.write([interval(seq, laeq=60.0) for seq in range(12_000)], 6)
    assert influx.gateway.writes == 3
    assert len(influx.levels()) == 12_000


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_under_load_is_left_alone_for_as_long_as_it_asks(influx, status):
    with closing(influx.open()) as store:
        for headers, expected in (({}, 0), ({"Retry-After": "17"}, 17), ({"Retry-After": "soon"}, 0)):
            influx.gateway.overload = HTTPStatus(status), headers
            with pytest.raises(StoreError, match=f"{status}: come back later") as refusal:
                store.write(MORNING, 6)
            assert refusal.value.retry_after == expected
        assert store.position() == 0
        assert influx.gateway.writes == 3  # nothing is tried again behind our back
        influx.gateway.overload = None
        store.write(MORNING, 6)
    assert len(influx.normal()) == 4
    assert influx.quarantine() == []


def test_a_date_to_come_back_at(influx):
    later = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=100)
    influx.gateway.overload = HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": f"{later:%a, %d %b %Y %H:%M:%S} GMT"}
    with closing(influx.open()) as store, pytest.raises(StoreError) as refusal:
        store.write(MORNING, 6)
    assert 60 < refusal.value.retry_after <= 100
