"""A new version on its way: canaries first, halted by itself and back, or everywhere; whatever is killed meanwhile."""

import hashlib
import json

import msgspec
import pytest
from jsonschema import Draft202012Validator

from edge import files
from hub.config.files import load_config
from hub.log.log import Log
from hub.orders.book import OrderBook
from hub.orders.kinds import OrderError
from hub.orders.waves import health
from hub.orders.waves.book import RolloutBook, text_of
from hub.orders.waves.rolling import ANSWERS, SILENT, TAKES
from hub.orders.waves.shelf import MANIFEST, Shelf
from hub.wire.messages import Status
from tests.hub.alerting import run, write_files
from tests.hub.helpers import query
from tests.hub.orders.fleet import WATCH, FleetCity, bundle, check_done, fails, signing_key
from tests.system.chain import ROOT

COMMAND = Draft202012Validator(json.loads((ROOT / "schemas" / "messages" / "command.schema.json").read_text("utf-8")))


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    """A function that makes a city with so many boards."""
    monkeypatch.setattr(files, "fsync", lambda _file: None)
    made = []

    def make(count, failing=(), **more):
        made.append(FleetCity(tmp_path, count, failing, **more))
        return made[-1]

    yield make
    for city in made:
        city.close()


def test_two_hundred_boards_of_which_a_twentieth_fails_in_five_ways_end_as_they_should(fleet):
    failing = fails(200)
    city = fleet(200, failing)
    city.begin(tolerate=20)
    waves = []
    city.until(city.settled, 48, lambda: waves.append((city.book.newest().wave, sum(city.running().values()))))
    assert city.state() == "done"
    assert {wave for wave, _ in waves} == {0, 1, 2}
    check_done(city, failing)
    assert [step.what for step in city.book.steps(1)] == ["begun", "wave", "wave", "done"]


def test_canaries_that_fail_halt_it_and_all_go_back(fleet):
    names = [f"b{index}" for index in range(40)]
    city = fleet(40, dict.fromkeys(names, "starving"))
    city.begin((5, 100))
    city.until(city.settled)
    assert (city.state(), city.counts()) == ("halted", {"returned": 2, "waiting": 38})
    assert city.running() == {"0.1.0": 40}
    why = text_of(city.why())
    assert "wave 1: 2 of 2 boards failed, 0 may: " in why.en
    assert "heap: 6000 bytes free, before 25000" in why.en
    assert "空闲内存6000字节" in why.zh
    assert sum(board.starts for board in city.boards.values()) == 4


@pytest.mark.parametrize("way", ["blind", "gives_up", "refuses", "silent"])
def test_one_board_that_fails_calls_back_those_that_work(fleet, way):
    city = fleet(12)
    first = {name for name in city.boards if name not in _chosen_last(city, 11)}
    bad = min(set(city.boards) - first)
    city.boards[bad].fails = way
    city.begin((50, 100), tolerate=0)
    city.until(city.settled)
    assert city.state() == "halted"
    assert bad in city.why()
    stays = {"silent": {"0.1.0": 11}}.get(way, {"0.1.0": 12})
    assert city.running() == stays
    assert {row.device for row in city.book.boards(1) if row.failed} == {bad}


def _chosen_last(city, count):
    """Return all but the boards that are chosen first by the sequence of chance of the first rollout."""
    drawn = sorted(city.boards, key=lambda name: hashlib.sha256(f"1 {name}".encode()).digest())
    return drawn[: 12 - count]


def test_a_hub_killed_within_every_step_goes_on_and_nothing_is_done_twice(fleet, monkeypatch):
    city = fleet(30, {"b3": "blind", "b4": "gives_up"})
    city.begin((10, 100), tolerate=50)
    change, left = RolloutBook.change, [0]

    def killed(book, *values, **more):
        left[0] -= 1
        if left[0] == -1:
            raise KeyboardInterrupt
        change(book, *values, **more)

    monkeypatch.setattr(RolloutBook, "change", killed)
    kills = 0
    for turn in range(2000):
        if city.settled():
            break
        left[0] = turn // 4 % 3 if turn % 4 else -2
        before = city.db.execute("SELECT * FROM rollout_board").fetchall()
        try:
            city.step()
        except KeyboardInterrupt:
            kills += 1
            assert city.db.execute("SELECT * FROM rollout_board").fetchall() == before
            city.begin_hub()
    assert kills > 10
    assert (city.state(), city.counts()) == ("done", {"healthy": 28, "returned": 2})
    updates = {name: board.starts for name, board in city.boards.items()}
    assert updates == dict.fromkeys(city.boards, 1) | {"b3": 2}
    given = city.db.execute("SELECT device, count(*) FROM board_order WHERE what = 'update' GROUP BY 1").fetchall()
    assert dict(given) == dict.fromkeys(city.boards, 1) | {"b3": 2}


def test_somebody_halts_it_and_goes_on(fleet):
    city = fleet(20)
    city.begin((10, 100))
    city.step()
    city.book.halt("li", "storm", city.now)
    city.until(lambda: city.counts() == {"waiting": 18, "healthy": 2})
    assert (city.state(), text_of(city.why()).en) == ("halted", "storm")
    for _ in range(20):
        city.step()
    assert city.counts() == {"waiting": 18, "healthy": 2}
    city.book.resume("li", "the storm is over", city.now)
    city.until(city.settled)
    assert (city.state(), city.counts()) == ("done", {"healthy": 20})
    assert [(step.who, step.what) for step in city.book.steps(1)] == [
        ("zhang", "begun"),
        ("li", "halted"),
        ("li", "resumed"),
        ("hub", "wave"),
        ("hub", "done"),
    ]


def test_somebody_calls_all_back_and_then_goes_on_all_the_same(fleet):
    city = fleet(10)
    city.begin((50, 100))
    city.until(lambda: city.counts().get("healthy"))
    city.book.halt("li", "", city.now, back=True)
    city.until(city.settled)
    assert (city.running(), city.counts()) == ({"0.1.0": 10}, {"returned": 10})  # also those that were just at it
    city.book.resume("li", "", city.now)
    city.until(city.settled)
    assert (city.state(), city.running()) == ("done", {"0.2.0": 10})


def test_after_a_halt_by_failures_it_goes_on_without_the_boards_that_failed(fleet):
    city = fleet(10, {"b1": "blind"})
    city.begin((100,), tolerate=0)
    city.until(city.settled)
    assert (city.state(), city.running()) == ("halted", {"0.1.0": 10})
    city.book.resume("li", "its sensor is broken", city.now)
    city.until(city.settled)
    assert (city.state(), city.running()) == ("done", {"0.2.0": 9, "0.1.0": 1})
    assert city.board("b1").state == "returned"


def test_a_board_that_was_off_for_a_month_gets_it_when_it_comes_back(fleet):
    city = fleet(6)
    away = city.boards["b2"]
    away.online = False
    away.say("status", json.dumps({"online": False, "t": city.now, "agent": "0.1.0"}))
    city.hear()
    city.begin((50, 100))
    city.until(city.settled)
    assert (city.state(), city.counts()) == ("done", {"healthy": 5, "waiting": 1})
    city.now += 30 * 86_400
    away.start()
    city.until(lambda: city.counts() == {"healthy": 6})
    assert away.agent == "0.2.0"


def test_a_board_that_goes_away_before_it_has_begun_is_no_failure(fleet):
    city = fleet(4)
    city.begin((25, 100), tolerate=0)
    for board in city.boards.values():
        board.online = False  # the network is down, and the broker has not noticed
    city.step()
    city.until(lambda: "ordered" not in city.counts(), (TAKES + 4000) / 3600)
    assert not any(row.failed for row in city.book.boards(1))
    for board in city.boards.values():
        board.start()
    city.until(city.settled)
    assert (city.state(), city.counts()) == ("done", {"healthy": 4})


def test_a_board_that_falls_silent_after_it_was_watched_is_called_back_when_it_is_heard(fleet):
    city = fleet(3)
    city.begin((100,), tolerate=0)
    city.until(lambda: city.counts() == {"watched": 3})
    silent = city.boards["b0"]
    silent.online = False
    city.until(lambda: city.state() == "halted", (WATCH + ANSWERS + 4000) / 3600)
    assert "does not answer" in text_of(city.board("b0").why).en
    silent.start()
    city.until(city.settled)
    assert city.running() == {"0.1.0": 3}


def test_a_board_from_which_no_records_come_is_not_healthy(fleet):
    city = fleet(2)
    city.boards["b1"].measure = lambda: None
    city.begin((100,))
    city.until(city.settled)
    assert text_of(city.board("b1").why) == ("no records come from it", "没有上报记录")


def test_a_board_says_of_what_kind_it_is_and_gets_the_bundle_for_it(fleet):
    city = fleet(4)
    city.now += 60  # of two bundles the older one is tried first
    city.add("0.1.0", "rv32imc")
    city.add("0.2.0", "rv32imc")
    city.boards["b1"].arch = "rv32imc"
    city.boards["b2"].arch = "x64"
    city.begin((100,), tolerate=100)
    city.until(city.settled)
    assert (city.board("b1").state, city.board("b1").arch, city.boards["b1"].agent) == ("healthy", "rv32imc", "0.2.0")
    assert city.board("b2").state == "failed"
    assert "no bundle of 0.2.0 for x64" in text_of(city.board("b2").why).en


def test_what_is_sent_is_as_the_contract_has_it_and_a_later_order_passes(fleet):
    city = fleet(1)
    city.begin((100,))
    board, heard = city.boards["b0"], []
    board.take = lambda payload: heard.append(json.loads(payload))
    city.step()
    city.db.execute("UPDATE board_order SET id = id")
    (update,) = heard
    COMMAND.validate(update)
    assert update["do"] == "update"
    assert update["url"].endswith(update["sha256"])
    assert OrderBook(city.db).next_of_each()[0].what == "update"


def test_an_older_version_needs_a_permission_which_boards_ask_for_too(fleet):
    city = fleet(3)
    city.begin((100,))
    city.until(city.settled)
    city.version = "0.1.0"
    with pytest.raises(OrderError, match=r"later version than 0\.1\.0"):
        city.begin((100,))
    city.begin((100,), downgrade=True)
    city.until(city.settled)
    assert (city.state(), city.running()) == ("done", {"0.1.0": 3})


def test_what_could_not_go_back_is_refused_unless_somebody_wants_it(fleet):
    city = fleet(2)
    for board in city.boards.values():
        board.agent = "0.0.9"
        board.status()
    city.hear()
    with pytest.raises(OrderError, match=r"run 0\.0\.9, of which the hub has no bundle"):
        city.begin()
    city.boards["b0"].fails = city.boards["b1"].fails = "blind"
    city.begin(one_way=True)
    city.until(city.settled)
    assert city.counts() == {"stuck": 1, "waiting": 1}
    assert "no bundle of 0.0.9" in text_of(city.book.boards(1, "stuck")[0].why).en


@pytest.mark.parametrize("percents", [(), (10,), (10, 5, 100), (0, 100), (1, 10, 10, 100), (50, 200)])
def test_waves_that_make_no_sense_are_refused(fleet, percents):
    with pytest.raises(OrderError, match="rise to 100"):
        fleet(1).begin(percents)


def test_there_is_one_at_a_time(fleet):
    city = fleet(2)
    city.begin()
    with pytest.raises(OrderError, match="under way"):
        city.begin()
    with pytest.raises(OrderError, match="no update is halted"):
        city.book.resume("li", "", city.now)
    city.until(city.settled)
    with pytest.raises(OrderError, match=r"every board runs 0\.2\.0 already"):
        city.begin()


def test_only_what_the_city_signed_is_taken(fleet, tmp_path):
    city = fleet(1)
    shelf = Shelf(city.db)
    other, _ = signing_key(tmp_path / "flash")
    cases = {
        "unsigned": (bundle(tmp_path / "c1", "0.3.0"), "manifest.sig cannot be read"),
        "foreign": (bundle(tmp_path / "c2", "0.3.0", key=other), "is not signed with the key"),
        "changed": (bundle(tmp_path / "c3", "0.3.0", key=city.key), "is not what the manifest says"),
        "manifest": (bundle(tmp_path / "c4", "0.3.0", key=city.key), "is not signed with the key"),
        "version": (bundle(tmp_path / "c5", "new", key=city.key), "a version of numbers and dots"),
    }
    (cases["changed"][0] / "edge" / "main.mpy").write_bytes(b"other code")
    manifest = cases["manifest"][0] / MANIFEST
    manifest.write_bytes(manifest.read_bytes().replace(b"0.3.0", b"0.3.1"))
    for folder, words in cases.values():
        with pytest.raises(OrderError, match=words):
            shelf.add(folder, city.trusted, "it", city.now)
    assert shelf.of("0.3.0") == []
    folder = bundle(tmp_path / "c6", "0.2.0", key=city.key)
    (folder / MANIFEST).write_bytes((folder / MANIFEST).read_bytes() + b"\n")
    (folder / "manifest.sig").write_text(city.key.sign((folder / MANIFEST).read_bytes()).hex())
    with pytest.raises(OrderError, match=r"another bundle of 0\.2\.0"):
        shelf.add(folder, city.trusted, "it", city.now)
    with pytest.raises(OrderError, match="no public key"):
        shelf.add(cases["foreign"][0], tmp_path / "nowhere.pub", "it", city.now)


def status(**more):
    usual = {
        "agent": "0.2.0",
        "reset": "software",
        "sensors": {"dust": "N"},
        "rejected": {"dust": 0},
        "heap_free": 25_000,
    }
    return Status(online=True, mac="0" * 64, **{"t": 1_700_000_000} | usual | more)


WAS = health.Before("0.1.0", 25_000, "power", {"dust": "N", "tsp": "D"}, {"mqtt": 1}, 60.0)


@pytest.mark.parametrize(
    ("more", "statuses", "words"),
    [
        ({"sensors": {"dust": "D"}}, 2, "sensor 'dust' does not measure: D, before N"),
        ({"sensors": {}}, 2, "sensor 'dust' does not measure"),
        ({"heap_free": 14_000}, 2, "heap: 14000 bytes free, before 25000"),
        ({"reset": "watchdog"}, 2, "it started by watchdog, before by power"),
        ({"tasks": {"mqtt": {"ends": 2, "cause": "OSError"}}}, 2, "task 'mqtt' ended 2 times: OSError"),
        ({"rejected": {"dust": 400}}, 2, "800 rejected frames an hour, before 60"),
        ({}, 9, "it connected 9 times in 0.5 h"),
        ({"sensors": {"dust": "M"}, "heap_free": 16_000, "rejected": {"dust": 80}}, 3, ""),
        ({"tasks": {"mqtt": {"ends": 1, "cause": "OSError"}}}, 2, ""),
    ],
)
def test_what_makes_a_board_worse_than_before(more, statuses, words):
    last = msgspec.convert(msgspec.to_builtins(status(t=1_700_001_800)) | more, Status)
    found = health.problem(WAS, status(), last, statuses=statuses, hours=0.5, recording=True)
    assert words in (found.en if found else "")
    assert bool(found) == bool(words)


def test_how_a_board_was_before():
    newest = status(t=1_700_003_600, rejected={"dust": 50})
    was = health.before([newest, status(t=1_700_001_800, rejected={"dust": 20}), status(reset="power")])
    assert (was.agent, was.heap_free, was.rejected_per_hour, was.statuses_per_hour) == ("0.2.0", 25_000, 60.0, 2.0)
    assert health.before([]) is None
    assert SILENT > 5 * 60  # a board's own trial ends before


def test_the_command_line_begins_shows_halts_and_goes_on(tmp_path):
    write_files(tmp_path)
    key, _ = signing_key(tmp_path)
    (tmp_path / "data").mkdir(exist_ok=True)
    Log(tmp_path / "data" / "log.db").close()
    assert "[fleet] trusted: missing" in run(tmp_path, "fleet", "add", str(tmp_path)).err
    config = tmp_path / "fenceline.toml"
    config.write_text(
        config.read_text() + '\n[fleet]\ntrusted = "bundle.pub"\naddress = "http://10.0.0.5:8433/bundles"\n'
    )
    assert run(tmp_path, "fleet", "status").out.strip() == "no version was ever brought to boards"
    added = run(tmp_path, "fleet", "add", str(bundle(tmp_path / "new", "0.2.0", key=key)), "--json")
    assert json.loads(added.out)["version"] == "0.2.0"
    assert "no bundle of 0.9" in run(tmp_path, "fleet", "update", "0.9").err
    assert "rise to 100" in run(tmp_path, "fleet", "update", "0.2.0", "--wave", "10,5").err
    assert "expected percents" in run(tmp_path, "fleet", "update", "0.2.0", "--wave", "ten").err
    begun = json.loads(run(tmp_path, "fleet", "update", "0.2.0", "--reason", "quieter", "--json").out)
    assert (begun["state"], begun["boards"]) == ("running", {"waiting": 3})
    assert "halted" in run(tmp_path, "fleet", "halt", "--reason", "storm").out
    shown = run(tmp_path, "fleet", "status").out
    assert "0.2.0: halted: storm" in shown
    assert "已中止：storm" in run(tmp_path, "fleet", "status", "--lang", "zh").out
    assert "goes on" in run(tmp_path, "fleet", "resume").out
    steps = json.loads(run(tmp_path, "fleet", "status", "--json").out)["steps"]
    assert [step["what"] for step in steps] == ["begun", "halted", "resumed"]
    assert len(run(tmp_path, "fleet", "status", "--boards", "--json").out.splitlines()) == 4
    assert len(query(load_config(config).data / "compliance.db", "SELECT id FROM rollout")) == 1
