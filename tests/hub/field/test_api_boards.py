"""A technician's laptop registers boards over HTTP, on a real socket and real files."""

import json
import time
import urllib.error
import urllib.request
from contextlib import closing

import pytest

from hub.access.caller import Gate
from hub.access.tokens import Access
from hub.config.files import load_config
from hub.field.routes import board_router
from hub.field.tables import FILE, STEPS
from hub.health.metrics import Metrics
from hub.http.server import Server, make_app
from hub.registry.live import load_registry
from hub.storage.database import open_database
from tests.hub.helpers import open_all
from tests.hub.http.test_http import Hub

REGISTRY = """\
timezone = "Asia/Shanghai"

[[site]]
id = "pit" # beside the canal
district = "nanhai"
kind = "construction"
en = "Station pit"
zh = "车站基坑"

[[board]]
id = "pit-1"
site = "pit"
"""
OLD, KEY = "11" * 32, "ab" * 32
CALIBRATION = {"channel": "laf", "who": "Technician 7", "id": 1}


@pytest.fixture
def config(tmp_path):
    (tmp_path / "fenceline.toml").write_text('registry = "registry.toml"\nkeys = "keys.toml"\n')
    (tmp_path / "registry.toml").write_text(REGISTRY, "utf-8")
    (tmp_path / "keys.toml").touch(mode=0o600)
    (tmp_path / "keys.toml").write_text(f'pit-1 = "{OLD}"\n')
    return load_config(tmp_path / "fenceline.toml")


@pytest.fixture
def ask(config):
    """A function that asks the API as a user of a role; it returns status and body."""
    router = board_router(config, time.time, Gate(config.data / "compliance.db"))
    server = Server(make_app(Hub(), Metrics(), [router]), "127.0.0.1", 0)
    server.start()
    tokens = {}
    with closing(open_all(config.data / "compliance.db")) as db:
        for role in ("viewer", "technician", "officer", "admin"):
            tokens[role] = Access(db).add(role, role, time.time(), "root")

    def asked(path, body=None, role="technician"):
        headers = {"Authorization": f"Bearer {tokens[role]}"} if role else {}
        data = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{server.port}/api/v1/boards/{path}",
            data,
            headers | {"Content-Type": "application/json"},
            method="GET" if body is None else "PUT",
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    asked.url = f"http://127.0.0.1:{server.port}"
    yield asked
    server.stop()


BOARD = {
    "site": "pit",
    "key": KEY,
    "sensors": ["plantower", "modbus"],
    "installed": "2026-11-26",
    "calibration_due": "2027-05-26",
    "calibrations": [CALIBRATION],
    "repairs": [{"code": "S02"}],
}


def test_a_board_is_registered_with_its_key_and_sent_again_it_changes_nothing(config, ask):
    status, done = ask("pit-2", BOARD)
    assert (status, done["registered"], done["calibrations"], done["repairs"]) == (200, True, 1, 1)
    registry = load_registry(config)
    board = registry.boards["pit-2"]
    assert (board.site, board.sensors) == ("pit", ("plantower", "modbus"))
    assert board.calibration_due.isoformat() == "2027-05-26"
    assert registry.keys["pit-2"].hex() == KEY
    assert "# beside the canal" in config.registry.read_text("utf-8")

    again = {"board": "pit-2", "registered": False, "changed": [], "calibrations": 0, "repairs": 0}
    assert ask("pit-2", BOARD) == (200, again)
    assert ask("pit-2/calibrations", role="viewer") == (200, [CALIBRATION])
    assert ask("pit-2/repairs", role="officer") == (200, [{"code": "S02"}])
    assert ask("pit-1/calibrations") == (200, [])


def test_a_later_calibration_moves_the_due_date_and_needs_no_key(config, ask):
    ask("pit-2", BOARD)
    later = {"site": "pit", "calibration_due": "2027-11-26", "calibrations": [CALIBRATION, CALIBRATION | {"id": 2}]}
    status, done = ask("pit-2", later)
    assert (status, done["changed"], done["calibrations"]) == (200, ["calibration_due"], 1)
    board = load_registry(config).boards["pit-2"]
    assert (board.calibration_due.isoformat(), board.sensors) == ("2027-11-26", ("plantower", "modbus"))


@pytest.mark.parametrize(
    ("board", "changes", "status", "why"),
    [
        ("pit-2", {"site": "nowhere"}, 422, "no site 'nowhere'; ask an admin"),
        ("pit-2", {"key": None}, 422, "not registered yet; send the key"),
        ("pit-2", {"key": "AB"}, 422, "String should match pattern"),
        ("pit-2", {"sensors": ["Plan Tower"]}, 422, "String should match pattern"),
        ("pit-2", {"unknown": 1}, 422, "Extra inputs"),
        ("Pit 2".replace(" ", "%20"), {}, 422, "String should match"),
        ("hub", {}, 422, "a name of the deployment's own"),
        ("pit-1", {}, 409, "another key here"),
    ],
)
def test_what_cannot_be_is_refused_whole_and_no_answer_repeats_a_key(config, ask, board, changes, status, why):
    before = config.registry.read_text("utf-8"), config.keys.read_text()
    code, told = ask(board, BOARD | changes)
    assert (code, told["status"]) == (status, status)
    assert why in told["detail"]
    assert KEY not in json.dumps(told)
    assert OLD not in json.dumps(told)
    assert (config.registry.read_text("utf-8"), config.keys.read_text()) == before
    assert ask("pit-2/calibrations") == (200, [])


def test_a_board_is_not_moved_or_woken_by_a_laptop(config, ask):
    text = REGISTRY + 'retired = 2026-10-01\n\n[[site]]\nid = "mill"\ndistrict = "nanhai"\nkind = "factory"\n'
    config.registry.write_text(text + 'en = "Mill"\nzh = "厂"\n', "utf-8")
    assert "ask an admin to move it" in ask("pit-1", {"site": "mill"})[1]["detail"]
    assert "retired from 2026-10-01" in ask("pit-1", {"site": "pit"})[1]["detail"]


@pytest.mark.parametrize(("role", "status"), [(None, 401), ("viewer", 403), ("officer", 403), ("admin", 200)])
def test_only_technicians_and_admins_register(ask, role, status):
    assert ask("pit-2", BOARD, role)[0] == status


def test_a_registry_that_cannot_be_written_is_told_without_its_path(config, ask):
    config.keys.chmod(0o644)  # others could read the keys: the hub refuses to touch them
    status, told = ask("pit-2", BOARD)
    assert (status, told["detail"]) == (503, "the registry cannot be changed now; the hub's log says why")


@pytest.mark.parametrize(
    "entry",
    [
        '{"a": ' * 900 + "1" + "}" * 900,
        '{"who": "\\ud800"}',
        '{"value": NaN}',
        '{"value": 1e999}',
        '{"value": ' + "9" * 5000 + "}",
    ],
)
def test_an_entry_that_no_answer_could_hold_is_refused_and_one_kept_by_an_earlier_version_is_shown(config, ask, entry):
    body = json.dumps(BOARD).replace(json.dumps(CALIBRATION), entry)
    status, told = ask("pit-2", body)
    assert (status, told["field"]) == (422, "body")
    assert ask("pit-2", BOARD)[0] == 200
    assert ask("pit-2/calibrations")[1] == [CALIBRATION]
    with closing(open_database(config.data / FILE, STEPS)) as db, db:
        db.execute(
            "INSERT INTO entry (board, kind, hash, content, sender, received) VALUES (?, ?, 'x', ?, 'technician', 1)",
            ("pit-2", "calibration", entry),
        )
    assert ask("pit-2/calibrations") == (200, [CALIBRATION, {"content": entry}])


def test_every_answer_is_one_that_is_described(config, ask):
    described = json.loads(urllib.request.urlopen(f"{ask.url}/openapi.json", timeout=20).read())["paths"]
    act = described["/api/v1/boards/{id}"]["put"]
    seen = {
        200: ask("pit-2", BOARD),
        401: ask("pit-2", BOARD, role=None),
        403: ask("pit-2", BOARD, role="viewer"),
        409: ask("pit-2", {**BOARD, "key": OLD}),
        413: ask("pit-2", "x" * 40_000),
        422: ask("pit-2", {**BOARD, "site": "nowhere"}),
    }
    assert {status: answer[0] for status, answer in seen.items()} == {status: status for status in seen}
    # 404: a board of a district that does not concern the user.
    assert {str(status) for status in (*seen, 404, 408, 429, 503)} == set(act["responses"])
    assert ask("pit-2/calibrations", role=None)[0] == 401
    assert ask("a b/calibrations".replace(" ", "%20"))[0] == 422
    assert set(described["/api/v1/boards/{id}/{kind}s"]["get"]["responses"]) == set(act["responses"]) - {"409"}
