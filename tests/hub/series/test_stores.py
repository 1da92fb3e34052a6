"""One suite for every series store: the embedded one and InfluxDB, on the real engine."""

import datetime as dt
import json
import logging
import random
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from http import HTTPStatus
from pathlib import Path

import msgspec
import pytest

from hub.config.files import load_config
from hub.log import consumer
from hub.log.consumer import Consumer
from hub.log.entry import Interval
from hub.log.log import Log
from hub.run.consumers import Consumers, Job
from hub.series import InfluxStore, Rollup, SqliteStore, StoreError
from hub.series import sqlite as sqlite_store
from hub.series.influx import ROUNDS, TOGETHER
from hub.series.sink import StoreSink
from hub.storage.database import open_database
from tests.hub import registry_files
from tests.hub.helpers import NOON, QUANTITIES, Hub, Speaker, execute, query, record
from tests.influx_gateway import WRONG, Gateway

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
def gateway(monkeypatch):
    """The way to an engine, which none is behind yet."""
    with Gateway("http://127.0.0.1:1", TOKEN, ORG) as gateway:
        threading.Thread(target=gateway.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        monkeypatch.setenv("INFLUXDB_V2_URL", gateway.url)
        monkeypatch.setenv("INFLUXDB_V2_TOKEN", TOKEN)
        monkeypatch.setenv("INFLUXDB_V2_ORG", ORG)
        yield gateway
        gateway.shutdown()


@pytest.fixture
def influx(tmp_path, gateway, influxdb):
    gateway.engine = influxdb.url
    return Influx(tmp_path, influxdb, gateway)


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
    deadline = time.monotonic() + 90
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


def spoil(store, measurement, t=NOON):
    """Write LAFmax as text, as a foreign program might: InfluxDB refuses it as a number then, and names no line."""
    store._send([f'{measurement},device=x,district=y,site=z lafmax="loud" {t * 1_000_000_000}'])


@pytest.mark.parametrize(
    "status", [HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.INTERNAL_SERVER_ERROR]
)
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
    assert detail.startswith(f"{status.value}: ")
    assert "partial write: field type conflict" in detail


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
        post, tries = store._post, []

        def then_away(batch):
            tries.append(batch)
            if len(tries) == 4:  # the whole, the last good point, the bad half, and now the other half
                influx.go_away()
            return post(batch)

        store._post = then_away
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


# What is said of points (True), and of the server, by its version; sources: the servers' code and their users' reports.
SAID = [
    # 1.8
    (400, {"error": "partial write: points beyond retention policy dropped=24"}, True),
    (400, {"error": 'partial write: field type conflict: input field "timeout" on measurement "noise" is type'}, True),
    (400, {"error": "unable to parse 'noise,device=not-found-1 laeq=': missing field value"}, True),
    (400, {"error": "partial write: max-series-per-database limit exceeded: (1000000) dropped=3"}, True),
    (404, {"error": 'database not found: "city"'}, False),
    (403, {"error": '"hub" user is not authorized to write to database "city"'}, False),
    (500, {"error": "engine: cache-max-memory-size exceeded: (1074767264/1073741824)"}, False),
    (500, {"error": "timeout"}, False),
    (400, {"error": "partial write: timeout"}, False),
    (500, {"error": "write failed: hinted handoff queue not empty"}, False),
    (500, {"error": "[shard 5] write /wal/_00001.wal: no space left on device"}, False),
    # 2.0, 2.7
    (
        500,
        {
            "message": "unexpected error writing points to database: partial write: points beyond retention pol"
            "icy dropped=1"
        },
        True,
    ),
    (500, {"message": "unexpected error writing points to database: partial write: field type conflict: input"}, True),
    (
        422,
        {
            "message": "failure writing points to database: partial write: dropped 550 points outside retention policy "
            "of duration 8760h0m0s - oldest point dust,device=timeout-1 at 2022-05-09T10:22:00Z dropped=550"
        },
        True,
    ),
    (500, {"message": "unexpected error writing points to database: timeout"}, False),
    (500, {"message": "unexpected error writing points to database: engine is closed"}, False),
    (500, {"message": "unexpected error writing points to database: not attempting to open shard 16167"}, False),
    (400, {"message": 'bucket "city" not found'}, False),
    (401, {"message": "unauthorized access"}, False),
    (413, {"message": "unable to read data: points batch is too large"}, True),
    (429, {"message": "org 1 has exceeded limited_write plan limit exceeded"}, False),
    (503, {"message": "unavailable"}, False),
    # 3.x
    (
        400,
        {
            "error": "partial write of line protocol occurred",
            "data": [
                {
                    "original_line": "dust,device=timeout-1 pm10=x",
                    "line_number": 2,
                    "error_message": "invalid column type for column 'pm10', expected iox::column_type::field::float",
                }
            ],
        },
        True,
    ),
    (
        400,
        {"error": "parsing failed for write_lp endpoint", "data": {"error_message": "No fields were provided"}},
        True,
    ),
    (500, {"error": "write buffer error: parsing for line protocol failed"}, True),
    # openGemini
    (400, {"error": "partial write: point time is expired, compared with rp duration dropped=7"}, True),
    (400, {"error": "partial write: conflict field type: laeq dropped=1"}, True),
    (500, {"error": "this node is readonly status"}, False),
    (500, {"error": "no node available, node: 2"}, False),
    (500, {"error": "can't map point to shard"}, False),
    (400, {"error": "partial write: can't map point to shard, shard group isn't there yet dropped=3"}, False),
    # Proxies
    (502, "<html><body>unable to parse the answer of upstream</body></html>", False),
    (400, "<html><head><title>400 Bad Request</title></head></html>", False),
    (413, "<html><head><title>413 Request Entity Too Large</title></head></html>", True),
    (504, "upstream request timeout", False),
    (400, "", True),
]


def test_an_answers_text_tells_whether_it_speaks_of_points_or_of_the_server(gateway, tmp_path):
    with closing(InfluxStore("city", Log(tmp_path / "log.db"), QUANTITIES)) as store:
        for status, body, of_points in SAID:
            gateway.wrong = status, json.dumps(body) if isinstance(body, dict) else body
            try:
                answer = store._post(["noise laeq=1 1"])
            except StoreError as error:
                answer = str(error)
                assert not of_points, answer
            else:
                assert of_points, answer
            assert str(status) in str(answer)
            assert '{"' not in str(answer), "people read it"


def test_an_answer_says_how_many_points_it_has_left_out(gateway, tmp_path):
    with closing(InfluxStore("city", Log(tmp_path / "log.db"), QUANTITIES)) as store:
        for text, dropped in (
            ("failure: partial write: points beyond retention policy dropped=24", 24),
            ("partial write: dropped 550 points - oldest point at x dropped=550 for database: y", 550),
            ("unable to parse 'noise dropped=3': missing fields", 0),
        ):
            gateway.wrong = 422, json.dumps({"message": text})
            assert store._post(["noise laeq=1 1"]).dropped == dropped


@contextmanager
def feeding(store, folder):
    """Feed a store from the log in a folder, as the hub does."""
    feeder = Consumer("store", Log(folder / "log.db"), StoreSink(store))
    feeder.start()
    try:
        yield feeder
    finally:
        feeder.stop()
        feeder.join()
        feeder._source.close()


@pytest.mark.parametrize(
    ("wrong", "known"), [*((wrong, True) for wrong in WRONG), *((wrong, False) for wrong in ("400", "413", "late"))]
)
def test_a_store_that_answers_wrongly_for_a_while_gets_everything_and_nothing_is_given_up(
    influx, tmp_path, monkeypatch, wrong, known
):
    """Whatever all points are refused with, it is the server's trouble; a bad one among them is found afterwards."""
    monkeypatch.setattr(consumer, "LONGEST_PAUSE", 0.1)
    monkeypatch.setenv("INFLUXDB_V2_TIMEOUT", "300")  # ms
    board = Speaker()
    with closing(influx.open()) as store:
        spoil(store, "noise", NOON - 86_400)
    with Hub(tmp_path) as hub, closing(influx.open()) as store, feeding(store, tmp_path) as feeder:
        if known:
            hub.hear(board.telemetry(*minute(0)))
            until(lambda: feeder.position == 1)
        influx.gateway.wrong = wrong
        first = influx.gateway.writes
        for n in range(1, 134):
            records = minute(n)
            if n == 70:
                records[3] = record(NOON - 86_400 + 60 * n + 30, laeq=60.0, lafmax=80.5)
            hub.hear(board.telemetry(*records))
        feeder.wake()
        until(lambda: feeder.failing or wrong == "now and then")
        until(lambda: influx.gateway.writes > first + 10)
        if wrong != "now and then":
            assert feeder.position == int(known)
        assert influx.quarantine() == []
        influx.gateway.wrong = None
        until(lambda: feeder.position == 133 + known)
        assert feeder.failing is None
    assert len(influx.levels()) == 6 * (133 + known) - 1
    (row,) = influx.quarantine()
    assert b"lafmax=80.5" in row[1]


@pytest.mark.parametrize("wrong", ["400", "413", "422", "400 empty"])
def test_a_single_point_that_is_refused_is_given_up_only_when_another_is_taken(influx, wrong):
    influx.gateway.wrong = wrong
    with closing(influx.open()) as store:
        for _ in range(5):
            with pytest.raises(StoreError, match=r"refuses every point.*nothing is given up"):
                store.write([interval(1, laeq=60.0)], 6)
        assert store.position() == 0
    assert influx.quarantine() == []
    influx.gateway.wrong = None
    with closing(influx.open()) as store:
        spoil(store, "noise")
    with closing(influx.open()) as store:  # which has written nothing yet
        store.write([interval(1, lafmax=60.0)], 6)
        assert store.position() == 6
    assert len(influx.quarantine()) == 1


def test_a_point_that_is_too_large_for_a_server_that_takes_others_is_given_up_alone(influx):
    influx.gateway.most_bytes = 1000
    with closing(influx.open()) as store:
        moment = NOON * 1_000_000_000
        store.write_lines([f'event,device=fence-1 text="{"x" * length}" {moment + length}' for length in (9, 2000, 7)])
    assert [len(row["text"]) for row in influx.query("SELECT text FROM event")] == [7, 9]
    ((topic, _, device, reason, detail),) = influx.quarantine()
    assert (topic, device, reason, detail[:4]) == ("store/influxdb/derived", "fence-1", "store", "413:")


def late(seconds, count=1, first=0):
    """Return intervals that lie so far back."""
    begin = int(time.time() - seconds)
    return [msgspec.structs.replace(interval(first + n, laeq=60.0), t=begin + n) for n in range(count)]


def keep(influx, days):
    influx.engine.query(f"ALTER RETENTION POLICY autogen ON city DURATION {f'{days}d' if days else 'INF'}")


@pytest.mark.parametrize(
    "status", [HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.UNPROCESSABLE_ENTITY]
)
def test_a_point_older_than_the_bucket_keeps_is_given_up_and_what_is_newer_is_written(influx, status):
    influx.gateway.partial_write = status
    keep(influx, 30)
    day = 86_400
    with closing(influx.open()) as store:
        store.write([*late(600, 50), *late(40 * day, first=50), *late(300, 50, 51)], 6)
        assert store.position() == 6
        assert len(influx.levels()) == 100
        ((_, payload, _, _, detail),) = influx.quarantine()
        assert detail.startswith(f"{status.value}: ")
        assert "points beyond retention policy" in detail
        assert payload.split()[-1].endswith(b"50")


def test_many_points_older_than_the_bucket_keeps_cost_few_requests_and_are_written_when_it_keeps_longer(influx):
    """As after a hub was restored from a backup: all of a log of a year is written again."""
    keep(influx, 30)
    old = late(40 * 86_400, 6000)
    with closing(influx.open()) as store:
        store.write(old, 6)
        assert store.position() == 6
        assert influx.levels() == []
        assert len(influx.quarantine()) == 6000
        assert influx.gateway.writes < 20
        keep(influx, None)
        with closing(Log(influx.folder / "log.db")) as log:
            assert log.ask(reason="store") == 6000
            for left in (*range(5500, -1, -500), 0):
                store.retry_refused()
                assert log.asked() == left
            assert log.counts()["", "replayed"] == 6000
    assert influx.quarantine() == []
    assert len(influx.levels()) == 6000


@pytest.mark.parametrize("days", [0, 30])
def test_where_opengemini_is_measurements_are_made_if_the_database_keeps_1970_and_else_cost_nothing(influx, days):
    influx.gateway.calls_itself = {"X-Geminidb-Version": "v1.5.2"}
    keep(influx, days)
    with closing(influx.open()) as store:
        assert store.make(["hub", "fleet"])
        assert store.make(["hub", "fleet"])  # at the next start again
        assert influx.quarantine() == []
        assert influx.query("SHOW TAG KEYS") == []
        if not days:
            names = {row["name"] for row in influx.query("SHOW MEASUREMENTS")}
            assert {"hub", "fleet", "noise", "noise_10m", "stack_24h", "flagged"} <= names
            assert influx.query('SELECT count(*) FROM "hub" WHERE time > 1d') == []
        store.write(MORNING, 6)
        assert store.position() == 6


def test_influxdb_needs_no_measurements_made(influx):
    with closing(influx.open()) as store:
        assert store.make(["hub"])
        assert influx.query("SHOW MEASUREMENTS") == []


def test_measurements_wait_for_a_store_that_is_away(influx):
    influx.gateway.calls_itself = {"X-Geminidb-Version": "v1.5.2"}
    with closing(influx.open()) as store:
        influx.go_away()
        with pytest.raises(StoreError):
            store.make(["hub"])
        influx.come_back()
        assert store.make(["hub"])
    assert "hub" in {row["name"] for row in influx.query("SHOW MEASUREMENTS")}


def test_a_server_that_does_not_say_what_it_is_is_asked_again(influx, monkeypatch, free_port):
    monkeypatch.setenv("INFLUXDB_V2_URL", f"http://127.0.0.1:{free_port()}")
    with closing(influx.open()) as store:
        assert not store.make(["hub"])


def test_a_refused_point_is_replayed_into_the_store_and_not_into_the_log(influx, tmp_path):
    with Hub(tmp_path) as hub, closing(influx.open()) as store:
        spoil(store, "noise")
        hub.hear(Speaker().telemetry(record(NOON - 600, laeq=60.0, lafmax=80.5)))
        StoreSink(store).take(hub.log.read(0, 10))
        assert len(influx.quarantine()) == 1
        before = query(tmp_path / "log.db", "SELECT * FROM message")
        assert hub.log.ask() == 1
        hub.log.replay(hub.admission.judge, NOON)  # which is of messages
        assert (hub.log.asked(), hub.log.asked(points=False)) == (1, 0)
        store.retry_refused()  # too early: the cause is not mended
        ((_, _, _, reason, detail),) = influx.quarantine()
        assert (reason, hub.log.asked()) == ("store", 0)
        assert "field type conflict" in detail
        influx.engine.query("DROP MEASUREMENT noise", "city")
        for _ in range(2):
            hub.log.ask()
            store.retry_refused()
        assert influx.quarantine() == []
        assert query(tmp_path / "log.db", "SELECT * FROM message") == before
    assert influx.query("SELECT laeq, lafmax FROM noise")[0]["lafmax"] == 80.5
    assert influx.levels() == [60.0]


def test_a_refused_rollup_is_not_replayed_over_a_newer_one(influx):
    with closing(influx.open()) as store:
        spoil(store, "noise_10m")
        store.write_rollups([rollup("lafmax", value=80.0)])
        influx.engine.query("DROP MEASUREMENT noise_10m", "city")
        store.write_rollups([rollup("lafmax", value=81.0)])
        with closing(Log(influx.folder / "log.db")) as log:
            assert log.ask() == 1
            store.retry_refused()
            assert log.asked() == 0
    ((*_, detail),) = influx.quarantine()
    assert "remove rollups.db" in detail
    assert [values[0] for values in influx.rollups().values()] == [81.0]


def test_a_kill_between_quarantine_and_position_is_impossible(influx):
    path = influx.folder / "log.db"
    with closing(influx.open()) as store:
        spoil(store, "noise")
        execute(path, "CREATE TRIGGER full BEFORE INSERT ON position BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        with pytest.raises(StoreError, match="disk full"):
            store.write([interval(1, lafmax=80.5), interval(2, laeq=60.0)], 6)
        assert influx.quarantine() == []
        execute(path, "DROP TRIGGER full")
        store.write([interval(1, lafmax=80.5), interval(2, laeq=60.0)], 6)
        assert store.position() == 6
    assert len(influx.quarantine()) == 1


def test_many_bad_points_among_good_ones_are_all_found_and_no_other(influx):
    with closing(influx.open()) as store:
        spoil(store, "noise")
        batch = [interval(seq, **({"lafmax": 80.5} if seq % 3 else {"laeq": 60.0})) for seq in range(150)]
        store.write(batch, 6)
        assert influx.gateway.writes < 100 * (1 + 1 + ROUNDS) + 150 + 3 * 100 / TOGETHER
    assert len(influx.levels()) == 50
    assert len(influx.quarantine()) == 100


def test_of_reports_that_are_refused_every_minute_the_newest_of_each_series_is_kept_and_all_count(influx):
    """A day of them would push everything else out of the quarantine."""
    with closing(influx.open()) as store:
        store.write_lines([f'fleet,device=x faulty="many" {NOON * 1_000_000_000}'])
        for minute in range(5):
            moments = [(NOON + 60 * minute + part) * 1_000_000_000 for part in (0, 30)]
            store.write_lines(
                [f"fleet,device={d} faulty={minute} {t}" for t in moments for d in ("f-1", "f-10", "f-2")]
            )
        store.write_lines([f"fleet faulty=1 {NOON * 1_000_000_000}"])
        store.write_lines([f"fleet faulty=2 {NOON * 1_000_000_000}"])
    rows = [(device, payload.decode().split(" ", 1)[1]) for _, payload, device, _, _ in influx.quarantine()]
    assert rows == [
        *((device, f"faulty=4 {(NOON + 270) * 1_000_000_000}") for device in ("f-1", "f-10", "f-2")),
        ("", f"faulty=2 {NOON * 1_000_000_000}"),
    ]
    with closing(Log(influx.folder / "log.db")) as log:
        assert log.counts() == {("f-1", "store"): 10, ("f-10", "store"): 10, ("f-2", "store"): 10, ("", "store"): 2}


def test_the_hub_writes_a_refused_reading_again_once_somebody_asks(influx, tmp_path):
    """`fenceline quarantine replay` with no hub running leaves it to the next one; admission judges the messages."""
    file = registry_files.make(tmp_path)
    file.write_text(f'{file.read_text()}[store]\nkind = "influxdb"\nbucket = "city"\n')
    config = load_config(file)
    config.data.mkdir()
    influx.folder = config.data
    with closing(influx.open()) as store:
        spoil(store, "noise")
        store.write([interval(1, lafmax=80.5)], 0)
    influx.engine.query("DROP MEASUREMENT noise", "city")
    command = [Path(sys.executable).parent / "fenceline", "quarantine", "replay", "--all", "--json", "--config", file]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert json.loads(answer.stdout) == {"asked": 1, "admitted": 0, "refused": 0, "waiting": 1}, answer.stderr
    consumers = Consumers(Job(config, time.time, "text"))
    consumers.start()
    try:
        until(lambda: influx.quarantine() == [])
    finally:
        consumers.stop()
    assert [row["lafmax"] for row in influx.query("SELECT lafmax FROM noise")] == [80.5]
