"""What the hub reports to dashboards, read back from a real InfluxDB with InfluxQL."""

import datetime as dt
import json
import re
import time
from pathlib import Path

import msgspec
import pytest

from edge import message
from hub.config.files import load_config
from hub.desk.desk import Desk
from hub.judge.aqi import aqi, edition_on
from hub.registry.live import Board, Registry, Site
from hub.reports.fleet import switched
from hub.run.consumers import Consumers, Job
from hub.series import StoreError
from hub.watch.text import GIVEN_UP
from tests.hub import registry_files
from tests.hub.alerting import until
from tests.hub.helpers import QUIET, SHANGHAI, Speaker, at, open_all, record
from tests.hub.whole import WholeHub

START = at("2026-11-24 06:00")
CITY = Registry(
    sites={
        "tower": Site(
            id="tower",
            district="north",
            kind="construction",
            en="Clock Tower",
            zh="钟楼",
            zone_class="2",
            position=(30.25, 120.5),
            background=QUIET,
        ),
        "mill": Site(id="mill", district="south", kind="factory", en="Old Mill", zh="老面粉厂"),
    },
    boards={"fence-1": Board(id="fence-1", site="tower"), "stack-1": Board(id="stack-1", site="mill")},
    keys={"fence-1": b"1" * 32, "stack-1": b"3" * 32},
    zone=SHANGHAI,
)


@pytest.fixture
def database(influxdb_v2, monkeypatch):
    influxdb_v2.create_bucket("fenceline")
    for name, value in (("URL", influxdb_v2.url), ("TOKEN", influxdb_v2.token), ("ORG", influxdb_v2.org)):
        monkeypatch.setenv(f"INFLUXDB_V2_{name}", value)
    return influxdb_v2.engine


@pytest.fixture
def hub(database, tmp_path):
    with WholeHub(tmp_path, CITY, START) as hub:
        hub.work()
        yield hub


def rows(database, measurement, what="*"):
    return database.query(f'SELECT {what} FROM "{measurement}"', "fenceline")


def alerts(database):
    """The alerts about limits; there are others of boards that nobody hears."""
    return [row for row in rows(database, "alert") if row["kind"] == "limit"]


def event(t, name, detail):
    return json.dumps({"t": t, "event": name, "detail": detail})


def measure(hub, board, minutes, **values):
    """Let a board measure minute after minute, and the hub work every ten minutes."""
    begin = int(hub.now)
    for first in range(0, minutes, 10):
        some = range(first, min(minutes, first + 10))
        hub.now = begin + 60 * (some[-1] + 1)
        hub.hear(board.telemetry(*[record(begin + 60 * i, 60, **values) for i in some]))
        hub.work()


def test_a_verdict_is_a_point_with_how_near_the_value_came(hub, database):
    measure(hub, Speaker(), 60, laeq=67.0)

    found = [row for row in rows(database, "verdict") if row["standard"] == "GB 12523-2025" and row["outcome"]]
    assert [row["time"] - START for row in found] == [0, 1200, 2400]
    assert {key: found[0][key] for key in ("district", "site", "device", "rule", "quantity", "binding")} == {
        "district": "north",
        "site": "tower",
        "device": "fence-1",
        "rule": "laeq-day",
        "quantity": "laeq",
        "binding": "binds",
    }
    assert (found[0]["outcome"], found[0]["exceeded"], found[0]["limit_value"]) == ("compliant", 0, 70)
    assert found[0]["margin"] == pytest.approx(-3)
    assert found[0]["ratio"] == pytest.approx(10**-0.3)  # of the energy that is permitted
    (day,) = [row for row in rows(database, "verdict_24h") if row["standard"] == "GB 12523-2025"]
    assert (day["windows"], day["exceeded"], day["capture"]) == (3, 0, 1)


def test_an_amended_verdict_replaces_the_first(hub, database):
    late = Speaker(stream="00000001").telemetry(*[record(START + 60 * i, 60, laeq=90.0) for i in range(5)])
    hub.now += 300
    measure(hub, Speaker(), 40, laeq=67.0)
    assert rows(database, "verdict", "exceeded")[0]["exceeded"] == 0

    hub.hear(late)
    hub.now += 600
    hub.work()

    first = rows(database, "verdict", "exceeded, outcome, revision")[0]
    assert (first["exceeded"], first["outcome"], first["revision"]) == (1, "exceeded", 2)
    assert rows(database, "verdict_24h", "exceeded")[0]["exceeded"] == 1


def test_an_alert_is_one_point_for_its_whole_life(hub, database):
    board = Speaker()
    measure(hub, board, 30, laeq=78.0)
    (firing,) = alerts(database)
    assert (firing["state"], firing["kind"], firing["open"]) == ("firing", "limit", 1)
    assert "Clock Tower" in firing["text_en"]
    assert "钟楼" in firing["text_zh"]

    desk = Desk(open_all(hub.folder / "compliance.db"), hub.clock)
    hub.now += 60
    desk.acknowledge(firing["id"], "officer-2")
    desk.book.db.close()
    measure(hub, board, 80, laeq=60.0)

    (resolved,) = alerts(database)
    assert resolved["time"] == firing["time"]
    assert (resolved["state"], resolved["open"], resolved["acknowledged_by"]) == ("resolved", 0, "officer-2")
    assert 0 < resolved["acknowledged_after_s"] < resolved["resolved_after_s"]
    assert resolved["ended_ms"] > 1000 * resolved["time"]


def test_the_open_windows_budget_is_told_every_minute(hub, database):
    measure(hub, Speaker(), 10, laeq=70.0)
    budget = rows(database, "budget")[-1]
    assert (budget["rule"], budget["limit_value"]) == ("laeq-day", 70)
    assert budget["used"] == pytest.approx(0.5)  # half of 20 min at the limit
    assert budget["time"] == hub.now


def test_the_map_knows_each_sites_worst_verdict_until_it_is_old(hub, database):
    board = Speaker()

    def state():
        newest = {row["site"]: row for row in rows(database, "state")}
        return newest["tower"]

    assert (state()["level"], state()["lat"], state()["lon"]) == (0, 30.25, 120.5)
    measure(hub, board, 30, laeq=60.0)
    assert state()["level"] == 1
    measure(hub, board, 30, laeq=69.0)
    assert (state()["level"], state()["rule"]) == (2, "GB 12523-2025 laeq-day")
    measure(hub, board, 30, laeq=75.0)
    assert (state()["level"], state()["alerts"]) == (3, 1)
    hub.now += 2 * 3600
    hub.work()
    assert state()["level"] == 0


def test_the_fleet_is_told_of_by_status_and_silence_and_outlasts_a_restart(hub, database):
    board = Speaker()
    said = {"agent": "0.1.0", "depth": 12, "dropped": 3, "rssi": -71, "heap_free": 51200, "cal_due": "2026-12-01"}
    hub.hear(board.say("status", message.status(True, START, sensors={"pm": "N", "spl": "D"}, **said)))
    measure(hub, board, 10, laeq=60.0)

    def of(device):
        return [row for row in rows(database, "fleet") if row["device"] == device][-1]

    told = {"online": 1, "silent": 0, "depth": 12, "dropped": 3, "rssi": -71, "heap_free": 51200, "agent": "0.1.0"}
    told |= {"clock": "ntp", "clock_level": 2, "cal_due_days": 7, "faulty": 1, "site_zh": "钟楼"}
    assert {key: of("fence-1")[key] for key in told} == told
    assert (of("stack-1")["silent"], of("stack-1")["online"]) == (0, 0)  # it may still speak
    measure(hub, board, 5, laeq=60.0)
    assert of("stack-1")["silent"] == 1

    hub.close()
    hub.open()
    hub.now += 900
    hub.work()
    assert (of("fence-1")["silent"], of("fence-1")["rssi"], of("fence-1")["last_heard"]) == (1, -71, START + 900)


def test_all_that_a_board_says_of_its_relay_and_its_losses_is_known_in_chinese():
    """The board says it in English (edge/relay.py, edge/outbox.py); a new sentence there needs one here."""
    edge = Path(message.__file__).parent
    said = re.findall(r'_set\((?:True|False|on), "([^"]+)"', (edge / "relay.py").read_text("utf-8"))
    assert len(said) >= 6
    for text in said:
        assert re.search(r"[\u4e00-\u9fff]", switched(re.sub("%[gds]", "7", text)).zh), text
    reasons = re.findall(r'(?:_make_room|_lose|drop_oldest)\(.*?"(\w+)"\)', (edge / "outbox.py").read_text("utf-8"))
    assert set(reasons) == set(GIVEN_UP)


def test_states_lie_within_their_minute_the_later_the_worse(hub, database):
    board = Speaker()
    measure(hub, board, 30, laeq=75.0)
    asked = 'SELECT "choice_en", "level" FROM "state" ORDER BY time DESC LIMIT 2'
    worst, other = database.query(asked, "fenceline")
    assert (worst["choice_en"], worst["level"], other["level"]) == ("Clock Tower (tower)", 3, 0)


def test_what_happens_to_boards_is_an_event(hub, database):
    board = Speaker()
    hub.hear(board.say("event", event(START, "relay", {"on": True, "why": "PM10 160, on at 150"})))
    hub.hear(board.say("event", event(START, "relay", {"on": False, "why": "pm10 90, off below 100"})))
    hub.hear(board.say("event", message.dropped(0, board.stream, 1, 40, "overflow")))
    hub.now += 60
    hub.work()

    on, off, dropped = sorted(rows(database, "event"), key=lambda row: (row["event"] == "dropped", not row["on"]))
    assert (on["on"], on["text_en"], on["time"], off["on"]) == (1, "PM10 160, on at 150", START, 0)
    assert (on["text_zh"], off["text_zh"]) == ("PM10为160，达到150开启", "PM10为90，低于100关闭")
    assert (dropped["count"], dropped["time"]) == (40, START)  # a clock that is not set dates nothing
    assert dropped["text_zh"].startswith("发件箱已满：1-40")
    assert rows(database, "fleet", "relay, device")[-1]["relay"] == 0


def test_refused_messages_and_the_heartbeat_are_counted(hub, database):
    board = Speaker()
    hub.hear(board.unusable(1, 2), board.unusable(3, 4))
    measure(hub, board, 10, laeq=60.0)
    assert {row["messages"] for row in rows(database, "quarantine") if row["reason"] == "unknown_quantity"} == {2}
    beat = rows(database, "hub")[-1]
    assert (beat["hub"], beat["heartbeat"], beat["lag_s"], beat["quarantine"]) == ("hub-1", 1, 0, 2)
    assert beat["log_offset"] == 1
    assert beat["backlog_compliance"] == 0


def test_air_quality_and_noise_of_a_district_have_no_names_and_no_mean_of_decibels(hub, database):
    measure(hub, Speaker(), 60, pm10=130.0, pm25=40.0, laeq=60.0)
    hub.now += 700
    hub.work()
    hub.now += 60
    hub.work()

    expected = aqi({"PM10_1h": 130, "PM25_1h": 40}, edition_on(dt.date(2026, 11, 24)))
    (site,) = rows(database, "aqi")
    (district,) = rows(database, "district")
    assert (site["time"], site["site"], site["aqi"], site["primary"]) == (START, "tower", expected.value, "PM10")
    assert (district["district"], district["aqi"]) == ("north", expected.value)
    assert district["laeq"] == pytest.approx(60)
    assert (district["pm10_capture"], district["laeq_capture"]) == (1, 1)
    assert "site" not in district


def test_a_hub_reports_on_the_boards_of_its_own_districts_only(database, tmp_path):
    with WholeHub(tmp_path, CITY.owned(("north",)), START) as hub:
        hub.work()
    assert {row["device"] for row in rows(database, "fleet")} == {"fence-1"}
    assert {row["site"] for row in rows(database, "state")} == {"tower"}


def test_the_process_of_the_consumers_reports_and_watches_its_own_districts(database, tmp_path):
    """Put together as the hub does it, on the files of a city with two districts."""
    registry = registry_files.REGISTRY.replace('id = "mill"\ndistrict = "nanhai"', 'id = "mill"\ndistrict = "shunde"')
    named = '[[district]]\nid = "shunde"\ncity = "foshan"\nen = "Shunde"\nzh = "顺德"\n'
    file = registry_files.make(tmp_path, f"{registry}\n{named}")
    file.write_text(f'{registry_files.CONFIG}districts = ["nanhai"]\n[store]\nkind = "influxdb"\n')
    consumers = Consumers(Job(load_config(file), time.time, "text"))
    try:
        consumers.start()
        until(lambda: rows(database, "hub"))
        names = {"store", "rollups", "compliance", "rules", "emissions", "watch", "reports"}
        until(lambda: consumers.states().keys() == names)
    finally:
        consumers.stop()
    assert {row["device"] for row in rows(database, "fleet")} == {"fence-1"}


def test_an_outage_of_the_store_loses_nothing(hub, database):
    board = Speaker()
    database.stop()
    begin = int(hub.now)
    hub.now += 3600
    hub.hear(board.telemetry(*[record(begin + 60 * i, 60, laeq=78.0) for i in range(60)]))
    hub.hear(board.say("event", event(begin, "update", {"version": "0.2.0"})))
    entries = hub.log.read(0, 1000)
    hub.compliance.take(entries)
    for _ in range(2):
        with pytest.raises(StoreError):
            hub.reports.take(entries)
        hub.now += 60
    database.start()
    hub.work()

    assert [row["exceeded"] for row in rows(database, "verdict", "exceeded")] == [1, 1, 1]
    assert len(alerts(database)) == 1
    assert len(rows(database, "event")) == 1
    assert hub.reports.position() == 2


def test_a_kill_repeats_points_and_changes_none(hub, database):
    board = Speaker()
    measure(hub, board, 40, laeq=78.0)
    before = {name: rows(database, name) for name in ("verdict", "verdict_24h", "alert")}
    hub.close()
    (hub.folder / "reports.db").unlink()
    hub.open()
    hub.work()
    assert {name: rows(database, name) for name in before} == before


def test_above_a_limit_without_a_background_is_a_state_of_its_own(hub, database):
    bare = msgspec.structs.replace(CITY.sites["tower"], background=())
    for sink in (hub.compliance, hub.reports):
        sink.use(msgspec.structs.replace(CITY, sites=CITY.sites | {"tower": bare}))
    measure(hub, Speaker(), 30, laeq=95.4)
    (verdict,) = [row for row in rows(database, "verdict") if row["standard"] == "GB 12523-2025" and row["outcome"]]
    assert (verdict["outcome"], verdict["grade"], verdict["exceeded"], verdict["invalid"]) == (
        *("above_uncorrected", "suspicion"),
        *(0, 2),
    )
    assert (verdict["value"], verdict["compared"], verdict["rounding"]) == (pytest.approx(95.4), 95, "S")
    (day,) = [row for row in rows(database, "verdict_24h") if row["standard"] == "GB 12523-2025"]
    assert (day["windows"], day["exceeded"], day["uncorrected"], day["open"], day["invalid"]) == (1, 0, 1, 0, 0)
    state = {row["site"]: row for row in rows(database, "state")}["tower"]
    assert (state["level"], state["alerts"]) == (4, 1)
    assert alerts(database)[0]["severity"] == "suspicion"
