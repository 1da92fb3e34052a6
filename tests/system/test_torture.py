"""Ten kills at random moments, seeded: `make torture` does the same for as long as one likes."""

import copy
from collections import Counter

from tests.conftest import require
from tests.torture import difference, in_log, run

KILLS = 5  # in each of the two cities
SEED = 4


def test_every_record_is_in_log_and_store_once_after_ten_kills(tmp_path):
    for part in ("mosquitto", "influxdb", "micropython"):
        require(part)
    figures = run(tmp_path, ("sqlite", "influxdb"), KILLS, SEED)
    assert figures["kills"] == 10
    assert figures["records"] > 50
    assert {name: figures[name] for name in ("lost", "duplicated", "quarantined")} == {
        "lost": 0,
        "duplicated": 0,
        "quarantined": 0,
    }, figures
    for city in figures["cities"]:
        assert city["log"]["records"] == city["series"]["records"] == city["records"]
    # The count can find what is wrong: take one record away, or add one.
    there = in_log(tmp_path / "sqlite" / "city" / "data" / "log.db")
    one = next(iter(there))
    less, more = copy.copy(there), there + Counter([one])
    del less[one]
    assert difference(there, less) == {"records": there.total() - 1, "lost": 1, "duplicated": 0}
    assert difference(there, more) == {"records": there.total() + 1, "lost": 0, "duplicated": 1}
