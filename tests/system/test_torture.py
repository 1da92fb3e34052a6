"""Ten kills at random moments and faults beside them, seeded: `make torture` does the same for as long as one likes."""

import copy
import time
from collections import Counter
from datetime import datetime

import pytest

from tests.conftest import require
from tests.system.chain import until
from tests.torture import AHEAD_S, City, difference, events_in_log, in_log, run

KILLS = 5  # in each of the two cities
SEED = 4


def test_every_record_is_in_log_and_store_once_and_every_event_in_the_log_after_ten_kills(tmp_path):
    for part in ("mosquitto", "influxdb", "micropython"):
        require(part)
    figures = run(tmp_path, ("sqlite", "influxdb"), KILLS, SEED, ("clock", "disk", "store"))
    assert figures["kills"] == 10
    assert figures["faults"].keys() | figures["left_out"].keys() == {"clock", "disk", "store"}
    assert all(figures["faults"].values())
    assert figures["records"] > 50
    assert figures["events"] > 20
    assert {name: figures[name] for name in ("lost", "duplicated", "quarantined")} == {
        "lost": 0,
        "duplicated": 0,
        "quarantined": 0,
    }, figures
    for city in figures["cities"]:
        assert city["log"]["records"] == city["series"]["records"] == city["records"]
    # The count can find what is wrong: take one record or event away, or add one.
    log = tmp_path / "sqlite" / "city" / "data" / "log.db"
    for there in (in_log(log), events_in_log(log)):
        one = next(iter(there))
        less, more = copy.copy(there), there + Counter([one])
        del less[one]
        assert difference(there, less) == {"records": there.total() - 1, "lost": 1, "duplicated": 0}
        assert difference(there, more) == {"records": there.total() + 1, "lost": 0, "duplicated": 1}


def test_the_hub_sees_the_time_that_the_clocks_fault_sets(tmp_path):
    for part in ("mosquitto", "micropython", "faketime"):
        require(part)
    with City(tmp_path, "sqlite", SEED, ["clock"]) as city:
        until(lambda: city.chain.in_log() > 0, "first messages")
        city._begin("clock")
        said = len(city.chain.log("hub"))
        until(lambda: city.chain.kill_part("hub.intake.passing"), "the receiver runs")
        words = "to the broker ended by itself"
        until(lambda: words in city.chain.log("hub")[said:], "the hub says so")
        (line,) = [line for line in city.chain.log("hub")[said:].splitlines() if words in line]
        ahead_s = datetime.fromisoformat(line[:19]).timestamp() - time.time()
        assert any(ahead_s == pytest.approx(ahead, abs=60) for ahead in AHEAD_S)
