"""What is taken back is taken out of panels, too: a real InfluxDB shows what holds now, not what was said first."""

import contextlib

import pytest

from tests.hub.helpers import Speaker, record
from tests.hub.reports.test_reports import START, database, hub, rows  # noqa: F401 - fixtures

HOUR = 3600
SPAN = 7 * HOUR


def day(hub, board, values, start=START, span=SPAN):  # noqa: F811
    """Let a board measure minute after minute; the hub works once an hour. `values` gives a minute's, by its time."""
    for begin in range(start, start + span, HOUR):
        for first in range(begin, begin + HOUR, 600):
            hub.now = first + 600
            hub.hear(board.telemetry(*[record(t, 60, **values(t)) for t in range(first, first + 600, 60)]))
        hub.work()
        hub.now += 61
        hub.work()


def dead_after_two_hours(t):
    return {"pm10": 0.0 if t >= START + 2 * HOUR else 40.0 + t % 7, "pm25": 12.0 + t // 60 % 5}


def test_readings_of_a_sensor_found_dead_leave_the_panels(hub, database):  # noqa: F811
    board = Speaker()
    day(hub, board, dead_after_two_hours, span=8 * HOUR)
    assert sum(row["pm10"] == 0 for row in rows(database, "dust", "pm10, pm25")) == 360
    assert {row["time"]: row["pm10"] for row in rows(database, "dust_1h", "pm10")}[START + 4 * HOUR] == 0
    assert any(row["pm10"] == 0 for row in rows(database, "aqi", "pm10"))

    day(hub, board, dead_after_two_hours, START + 8 * HOUR, HOUR)

    found = rows(database, "dust", "pm10, pm25")
    assert len(found) == 9 * 60
    assert [row for row in found if row["pm10"] == 0] == []
    assert sum(row["pm10"] is not None for row in found) == 120
    assert all(row["pm25"] is not None for row in found)
    flagged = [row for row in rows(database, "flagged") if row["quantity"] == "pm10"]
    assert [row["time"] for row in flagged] == [START + 2 * HOUR + 60 * n for n in range(420)]
    assert {(row["flag"], row["value"]) for row in flagged} == {("D", 0)}
    for name, step in (("dust_10m", 600), ("dust_1h", HOUR)):
        whole = rows(database, name, "pm10, pm10_min, pm25, pm25_capture")
        assert [row["time"] for row in whole] == list(range(START, START + 9 * HOUR, step))
        assert {row["time"] for row in whole if row["pm10"] is not None} == {*range(START, START + 2 * HOUR, step)}
        assert all(row["pm25_capture"] == pytest.approx(1) for row in whole)
    (local_day,) = rows(database, "dust_24h", "pm10, pm10_capture, pm10_min, pm25")
    assert local_day["pm10"] == pytest.approx(
        sum(dead_after_two_hours(START + 60 * n)["pm10"] for n in range(120)) / 120
    )
    assert (local_day["pm10_capture"], local_day["pm10_min"]) == (pytest.approx(2 / 24), 40)
    for name in ("aqi", "district"):
        air = {row["time"]: row for row in rows(database, name)}
        assert [t for t, row in air.items() if row.get("pm10") == 0] == []
        assert air[START + HOUR]["pm10"] == pytest.approx(43, abs=0.1)
        assert air[START + 5 * HOUR]["pm25"] == pytest.approx(14, abs=0.1)


def test_a_verdict_that_is_taken_back_leaves_no_number(hub, database):  # noqa: F811
    board = Speaker()
    day(hub, board, lambda t: {"laeq": 78.0}, span=HOUR)
    asked = "value, compared, ratio, margin, outcome, reason, closed"
    said = [row for row in rows(database, "verdict", asked) if row["outcome"]]
    assert {row["outcome"] for row in said} == {"exceeded"}
    assert all(row["ratio"] > 1 for row in said)
    night = rows(database, "verdict_24h", "exceeded, highest")[-1]
    assert (night["exceeded"], night["highest"]) == (3, 78)

    day(hub, board, lambda t: {"laeq": 78.0}, START + HOUR, HOUR)

    now = {row["time"]: row for row in rows(database, "verdict", asked)}
    for before in said:
        row = now[before["time"]]
        assert row["outcome"] == "invalid"
        assert [row[name] for name in ("value", "compared", "ratio", "margin")] == [None] * 4
    assert all(now[t]["closed"] for t in (START + 1200, START + 2400, START + HOUR))
    (whole,) = [row for row in rows(database, "verdict_24h", "exceeded, highest, ratio, invalid") if row["invalid"]]
    assert (whole["exceeded"], whole["highest"], whole["ratio"]) == (0, None, None)
    assert {row["time"] for row in rows(database, "noise", "laeq")} == set()
    assert rows(database, "noise_10m", "laeq") == []


def test_a_kill_at_any_step_ends_in_the_same_picture(hub, database, monkeypatch):  # noqa: F811
    board = Speaker()
    day(hub, board, dead_after_two_hours, span=8 * HOUR)
    begin = START + 8 * HOUR
    for first in range(begin, begin + HOUR, 600):
        hub.now = first + 600
        hub.hear(board.telemetry(*[record(t, 60, **dead_after_two_hours(t)) for t in range(first, first + 600, 60)]))
    for asked in range(1, 5):
        counted = iter(range(100))
        erase = hub.store._eraser.erase

        def killed(spans, erase=erase, counted=counted, asked=asked):
            erase(spans)
            if next(counted) == asked:
                raise KeyboardInterrupt

        hub.store._eraser.erase = killed
        hub.now += 61
        with contextlib.suppress(KeyboardInterrupt):
            hub.work()
        hub.close()
        hub.open()
    hub.now += 700
    hub.work()
    hub.now += 61
    hub.work()
    assert [row for row in rows(database, "dust", "pm10, pm25") if row["pm10"] == 0 or row["pm25"] is None] == []
    assert len(rows(database, "dust", "pm10, pm25")) == 9 * 60
    (local_day,) = rows(database, "dust_24h", "pm10_capture, pm25_capture")
    assert (local_day["pm10_capture"], local_day["pm25_capture"]) == (pytest.approx(2 / 24), pytest.approx(9 / 24))


def test_a_store_that_removes_nothing_is_told_and_holds_nothing_up(hub, database, influxdb_v2, caplog):  # noqa: F811
    influxdb_v2.gateway.removes_nothing = True
    board = Speaker()
    day(hub, board, dead_after_two_hours, span=9 * HOUR)
    assert "the store removes no points (HTTP 405)" in caplog.text
    assert sum("removes no points" in one.message for one in caplog.records) == 1
    assert rows(database, "dust", "pm25")[-1]["time"] == START + 9 * HOUR - 60
