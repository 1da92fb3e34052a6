"""Orders through the HTTP API and the command line of one hub: who may give them, and what is refused."""

import json
import time
from contextlib import closing

import httpx
import pytest

from hub.access.caller import Gate
from hub.access.tokens import ROLES, Access
from hub.config.files import load_config
from hub.health.metrics import Metrics
from hub.http.problems import Rate
from hub.http.server import Server, make_app
from hub.orders.routes import order_router
from hub.orders.waves.book import RolloutBook
from schemas import domains
from tests.hub.alerting import run, write_files
from tests.hub.helpers import CITY, open_all
from tests.hub.http.test_http import Hub as Watched
from tests.hub.orders.fleet import bundle, signing_key
from tests.json_lines import rows_of


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv("FENCELINE_LANG", "en")
    monkeypatch.setenv("LOGNAME", "zhang")


PACK = domains.pack_at(CITY.sites["tower"].kind).id


@pytest.fixture
def folder(tmp_path):
    write_files(tmp_path)
    return tmp_path


@pytest.fixture
def ask(folder):
    """A function that asks the API as a user of a role."""
    config = load_config(folder / "fenceline.toml")
    with closing(open_all(config.data / "compliance.db")) as db:
        of = {"company": "acme"}
        tokens = {role: Access(db).add(role, role, time.time(), "root", company=of.get(role, "")) for role in ROLES}
        tokens["foreign"] = Access(db).add("foreign", "technician", time.time(), "root", ["elsewhere"])
    gate = Gate(config.data / "compliance.db", Rate(1e6, 1e6))
    server = Server(
        make_app(Watched(), Metrics(), [order_router(config, lambda: CITY, time.time, gate)]), "127.0.0.1", 0
    )
    server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}/api/v1", timeout=20, trust_env=False) as client:

        def asked(method, path, body=None, role="technician", **headers):
            headers["authorization"] = f"Bearer {tokens[role]}"
            return client.request(method, path, json=body, headers=headers)

        yield asked
    server.stop()


def test_a_technician_gives_an_order_and_everybody_sees_it(ask):
    given = ask("POST", "orders", {"device": "fence-1", "what": "relay", "on": True, "reason": "storm"})
    assert given.status_code == 201
    order = given.json()
    assert (order["state"], order["who"], order["reason"]) == ("waiting", "technician", "storm")
    assert order["settings"] == {"on": True, "minutes": 10}
    listed = ask("GET", "orders?open=true&board=fence-1", role="viewer").json()
    assert listed == {"orders": [order], "cursor": None}
    shown = ask("GET", f"orders/{order['id']}", role="officer").json()
    assert [(step["who"], step["what"], step["detail"]) for step in shown.pop("steps")] == [
        ("technician", "given", "storm")
    ]
    assert shown == order
    assert ask("GET", "orders?district=south", role="viewer").json()["orders"] == []


def test_a_request_that_is_repeated_gives_one_order(ask):
    asked = {"device": "fence-1", "what": "relay", "on": True}
    first = ask("POST", "orders", asked, **{"idempotency-key": "storm-1"})
    again = ask("POST", "orders", asked, **{"idempotency-key": "storm-1"})
    assert (first.status_code, again.json()) == (201, first.json())
    other = ask("POST", "orders", asked | {"on": False}, **{"idempotency-key": "storm-1"})
    assert (other.status_code, other.json()["field"]) == (422, "Idempotency-Key")
    ask("POST", "orders", asked, **{"idempotency-key": "storm-2"})
    ask("POST", "orders", asked, role="admin", **{"idempotency-key": "storm-1"})  # another user's key is another key
    ask("POST", "orders", asked)
    ask("POST", "orders", asked)
    assert len(ask("GET", "orders").json()["orders"]) == 5
    assert ask("POST", "orders", asked, **{"idempotency-key": "x" * 65}).status_code == 422


def test_boards_fetch_what_was_signed_and_people_see_how_far_a_version_is(ask, folder):
    assert ask("GET", "fleet", role="viewer").status_code == 404
    key, trusted = signing_key(folder)
    with closing(open_all(load_config(folder / "fenceline.toml").data / "compliance.db")) as db:
        book = RolloutBook(db)
        made = book.shelf.add(bundle(folder / "new", "0.2.0", key=key), trusted, "it", time.time())
        book.begin("0.2.0", (10, 100), {"fence-1": "", "fence-2": "0.2.0"}, "zhang", "", time.time(), 0)
        book.halt("li", "storm", time.time())
    for name in ("manifest.json", "edge/main.mpy"):
        got = ask("GET", f"../../bundles/{made.sha256}/{name}")
        assert (got.status_code, got.content) == (200, (folder / "new" / name).read_bytes())
        assert int(got.headers["content-length"]) == len(got.content)
    for path in (f"{made.sha256}/edge/other.mpy", f"{'0' * 64}/manifest.json", f"{made.sha256}/../../../etc/passwd"):
        assert ask("GET", f"../../bundles/{path}").status_code == 404
    fleet = ask("GET", "fleet", role="viewer").json()
    assert (fleet["version"], fleet["state"], fleet["why"]) == ("0.2.0", "halted", "storm")
    assert (fleet["boards"], [wave["percent"] for wave in fleet["waves"]]) == ({"waiting": 1}, [10, 100])


@pytest.mark.parametrize("role", ["viewer", "officer"])
def test_who_is_no_technician_gives_no_orders(ask, role):
    refused = ask("POST", "orders", {"device": "fence-1", "what": "reboot"}, role)
    assert refused.status_code == 403
    assert ask("GET", "orders").json()["orders"] == []


def test_what_belongs_to_another_district_is_as_if_it_were_not_there(ask):
    order = ask("POST", "orders", {"device": "fence-1", "what": "selftest"}).json()
    assert ask("GET", "orders", role="foreign").json()["orders"] == []
    asked = [
        ("GET", f"orders/{order['id']}", None),
        ("POST", "orders", {"device": "fence-1", "what": "reboot"}),
        ("PATCH", "desired/boards/fence-1", {"interval": 30}),
        ("PATCH", f"desired/sites/{order['site']}", {"interval": 30}),
        ("GET", "desired/boards/fence-1", None),
        ("GET", "desired/boards/fence-1/history", None),
    ]
    assert {ask(*one, role="foreign").status_code for one in asked} == {404}
    assert ask("GET", "desired/boards/fence-1").json()["desired"] == {}


def test_an_admin_may(ask):
    assert ask("POST", "orders", {"device": "fence-1", "what": "reboot"}, "admin").status_code == 201


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"device": "fence-9", "what": "ping"}, 404, "device"),
        ({"device": "fence-1", "what": "dance"}, 422, "what"),
        ({"device": "fence-1", "what": "calibrate"}, 422, "what"),
        ({"device": "fence-1", "what": "relay"}, 422, "on"),
        ({"device": "fence-1", "what": "ping", "minutes": 5}, 422, "minutes"),
        ({"device": "fence-1", "what": "live", "minutes": 1441}, 422, "minutes"),
        ({"device": "fence-1", "what": "ping", "expires_in": 1}, 422, "expires_in"),
        ({"device": "fence-1", "what": "ping", "url": "http://evil"}, 422, "url"),
    ],
)
def test_what_is_wrong_with_an_order_is_told_in_both_languages(ask, body, status, field):
    for language in ("en", "zh"):
        refused = ask("POST", "orders", body, **{"accept-language": language})
        assert (refused.status_code, refused.json()["field"]) == (status, field), refused.json()
    assert ask("GET", "orders").json()["orders"] == []


def test_pages_of_orders(ask):
    ids = [ask("POST", "orders", {"device": "fence-1", "what": "ping"}).json()["id"] for _ in range(5)]
    seen, cursor = [], ""
    while cursor is not None:
        page = ask("GET", f"orders?limit=2{cursor and f'&cursor={cursor}'}").json()
        seen += [order["id"] for order in page["orders"]]
        cursor = page["cursor"]
    assert seen == ids[::-1]
    assert ask("GET", "orders/99").status_code == 404


def test_the_command_line_gives_lists_and_shows(folder):
    assert run(folder, "orders", "list").out == "there are no orders\n"
    sent = run(folder, "orders", "send", "fence-1", "flag", "--flag", "M", "--minutes", "60", "--reason", "filter")
    assert (sent.code, sent.out.startswith("order 1: flag for fence-1; it expires at ")) == (0, True)
    off = run(folder, "orders", "send", "stack-1", "relay", "--off", "--as", "Li", "--json")
    assert json.loads(off.out)["settings"] == {"on": False, "minutes": 10}
    rows = rows_of(run(folder, "orders", "list", "--json").out)
    assert [(row["id"], row["device"], row["who"]) for row in rows] == [
        (2, "stack-1", "Li (zhang)"),
        (1, "fence-1", "zhang"),
    ]
    (row,) = rows_of(run(folder, "orders", "list", "--district", "north", "--json").out)
    assert row["device"] == "fence-1"
    shown = run(folder, "orders", "show", "1").out
    assert "flag: flag what sensors give" in shown
    assert "filter" in shown
    assert "待发送" in run(folder, "orders", "show", "1", "--lang", "zh").out
    assert json.loads(run(folder, "orders", "show", "1", "--json").out)["steps"][0]["what"] == "given"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("fence-9", "ping"), "board 'fence-9' is not in the registry"),
        (("fence-1", "relay"), "relay: on: is missing; add it: expected true or false; it takes on, minutes"),
        (("fence-1", "ping", "--minutes", "5"), "it takes nothing else"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_sentence(folder, arguments, words, capsys):
    assert run(folder, "orders", "send", *arguments).code == 2
    ended = run(folder, "orders", "send", *arguments)
    assert words in ended.err
    assert len(ended.err.splitlines()) == 1
    assert run(folder, "orders", "list").out == "there are no orders\n"


def test_a_retired_board_gets_no_orders(folder):
    registry = folder / "registry.toml"
    text = registry.read_text("utf-8").replace('id = "fence-2"\n', 'id = "fence-2"\nretired = 2026-01-01\n')
    registry.write_text(text, "utf-8")
    ended = run(folder, "orders", "send", "fence-2", "ping")
    assert (ended.code, "retired since 2026-01-01" in ended.err) == (2, True)


def test_a_technician_says_how_boards_are_to_work_and_everybody_sees_it(ask):
    of_site = ask("PATCH", "desired/sites/tower", {"interval": 30, "reason": "nights"}).json()
    assert (of_site["settings"], of_site["replaced"]) == ({"interval": 30}, None)
    shown = ask("PATCH", "desired/boards/fence-1", {"period": 2.0}).json()
    assert shown.pop("replaced") is None
    assert shown["template_edition"] == of_site["edition"]
    assert (shown["template"], shown["overrides"]) == ({"interval": 30}, {"period": 2.0})
    assert (shown["desired"], shown["state"]) == ({"interval": 30, "period": 2.0}, "pending")
    assert [one["key"] for one in shown["diff"]] == ["interval", "period"]
    assert ask("GET", "desired/boards/fence-1", role="viewer").json() == shown
    history = ask("GET", "desired/boards/fence-1/history", role="viewer").json()
    assert [(one["place"], one["who"], one["reason"]) for one in history] == [
        ("site", "technician", "nights"),
        ("board", "technician", ""),
    ]
    assert ask("PATCH", "desired/boards/fence-1", {"period": None}).json()["overrides"] == {}
    assert ask("GET", "desired/boards/stack-1").json()["state"] == "none"


def test_of_two_who_change_the_same_the_second_is_told_what_the_first_did(ask):
    """Whoever says what he has read of is refused; whoever says nothing is told what he has replaced."""
    for path, edition in (("desired/boards/fence-1", "edition"), ("desired/sites/tower", "template_edition")):
        read = ask("GET", "desired/boards/fence-1").json()[edition]
        assert ask("PATCH", path, {"interval": 30, "seen": read}, "admin").status_code == 200
        refused = ask("PATCH", path, {"interval": 10, "seen": read})
        assert (refused.status_code, refused.json()["field"]) == (409, "seen")
        assert 'admin has decided meanwhile: {"interval": 30}' in refused.json()["detail"]
        done = ask("PATCH", path, {"interval": 10})
        replaced = done.json()["replaced"]
        assert (done.status_code, replaced["who"], replaced["settings"]) == (200, "admin", {"interval": 30})
        assert ask("PATCH", path, {"interval": 10}).json()["replaced"] is None, "nothing has changed"
        # Who has read the newest, or made it himself, is not held up.
        own = ask("GET", "desired/boards/fence-1").json()[edition]
        assert ask("PATCH", path, {"interval": 20, "seen": replaced["id"]}).status_code == 200
        assert ask("PATCH", path, {"interval": 60, "seen": own + 1}, "admin").status_code == 200


def test_errands_are_ordered_as_the_others_are(ask, folder):
    asked = {"identify": {"minutes": 5}, "time": {}, "diagnose": {}}
    for what, settings in asked.items():
        given = ask("POST", "orders", {"device": "fence-1", "what": what, **settings}).json()
        assert (given["what"], given["settings"], given["state"]) == (what, settings, "waiting")
        assert ask("POST", "orders", {"device": "fence-1", "what": what}, "officer").status_code == 403
    refused = ask("POST", "orders", {"device": "fence-1", "what": "identify", "minutes": 61})
    assert (refused.status_code, refused.json()["field"]) == (422, "minutes")
    assert run(folder, "orders", "send", "fence-1", "identify").code == 0
    ended = run(folder, "orders", "send", "fence-1", "diagnose", "--minutes", 5)
    assert (ended.code, "it takes nothing else" in ended.err) == (2, True)


def test_an_order_that_another_one_has_given_meanwhile_is_told_first(ask, folder):
    first = ask("POST", "orders", {"device": "fence-1", "what": "reboot", "seen": 0}, "admin").json()["id"]
    refused = ask("POST", "orders", {"device": "fence-1", "what": "ping", "seen": 0})
    assert (refused.status_code, refused.json()["field"]) == (409, "seen")
    assert "admin has decided meanwhile: start again" in refused.json()["detail"]
    ended = run(folder, "orders", "send", "fence-1", "ping", "--seen", 0)
    assert (ended.code, "admin has decided meanwhile: start again" in ended.err) == (2, True)
    assert ask("POST", "orders", {"device": "fence-1", "what": "ping", "seen": first}).status_code == 201
    assert run(folder, "orders", "send", "fence-1", "ping").code == 0, "who does not ask is not held up"


def test_how_boards_are_to_work_is_checked_and_only_technicians_change_it(ask):
    refused = ask("PATCH", "desired/boards/fence-1", {"interval": 7})
    assert (refused.status_code, refused.json()["field"]) == (422, "interval")
    assert "interval: expected one of" in refused.json()["detail"]
    assert ask("PATCH", "desired/boards/fence-1", {"sensors": []}).json()["field"] == "sensors"
    assert ask("PATCH", "desired/boards/fence-1", {"interval": 30}, "officer").status_code == 403
    assert ask("PATCH", "desired/sites/nowhere", {"interval": 30}).status_code == 404
    assert ask("GET", "desired/boards/fence-9").status_code == 404
    assert ask("GET", "desired/boards/fence-1/history").json() == []


def test_a_pack_s_template_is_the_whole_city_s_and_an_admin_s_and_a_site_s_is_its_technician_s(ask):
    there = f"desired/packs/{PACK}"
    assert ask("PATCH", there, {"interval": 30}).status_code == 403
    assert ask("PATCH", there, {"interval": 7}, "admin").status_code == 422
    assert ask("PATCH", "desired/packs/nobody", {"interval": 30}, "admin").status_code == 404
    ships = ask("GET", there, role="admin").json()["shipped"]
    made = ask("PATCH", there, ships | {"interval": 30, "reason": "one way for all"}, "admin").json()
    assert ask("PATCH", "desired/sites/tower", {"raw": True}).status_code == 200
    shown = ask("GET", "desired/sites/tower", role="viewer").json()
    assert (shown["desired"]["interval"], shown["sources"]["interval"], shown["sources"]["raw"]) == (30, "pack", "site")
    assert [(one["device"], one["state"]) for one in shown["boards"]] == [
        ("fence-1", "pending"),
        ("fence-2", "pending"),
    ]
    refused = ask("PATCH", there, {"interval": 60, "seen": made["edition"] - 1}, "admin")
    assert refused.status_code == 200, "one may change what one has set oneself"
    history = ask("GET", "desired/sites/tower/history", role="viewer").json()
    assert [(one["place"], one["who"], one["reason"]) for one in history] == [
        ("pack", "admin", "one way for all"),
        ("site", "technician", ""),
        ("pack", "admin", ""),
    ]
    for path in ("desired/sites/tower", "desired/sites/tower/history"):
        assert ask("GET", path, role="foreign").status_code == 404
    assert ask("GET", there, role="foreign").status_code == 403
    assert ask("PATCH", "desired/sites/tower", {"interval": 10}, "foreign").status_code == 404


def test_the_command_line_takes_over_what_a_pack_ships_and_shows_a_template_with_its_boards(folder):
    config = "orders", "config"
    assert run(folder, *config, "set", "fence-2", "interval=60").code == 0
    told = run(folder, *config, "diff", PACK, "--pack").out
    assert "what the pack ships is other" in told
    assert run(folder, *config, "set", PACK, "--pack", "--shipped", "--reason", "one way for all").code == 0
    shown = run(folder, *config, "show", PACK, "--pack").out
    assert "ships" not in shown
    (row,) = [line for line in shown.splitlines() if "fence-2" in line]
    assert ("pending" in row, "interval" in row) == (True, True)
    rows = rows_of(run(folder, *config, "diff", "tower", "--site", "--json").out)
    assert {(one["device"], one["key"]) for one in rows} >= {("fence-1", "interval"), ("fence-2", "outbox")}
    table = run(folder, *config, "show", "fence-2").out.splitlines()
    (interval,) = [line.split() for line in table if line.strip().startswith("interval")]
    assert interval == ["interval", "10", "-", "60", "60", "board", "-"]
    assert "one way for all" in run(folder, *config, "history", "fence-2").out
    for words, why in (
        (("set", "tower", "--site", "--shipped"), "packs alone ship a template"),
        (("set", "tower", "--site", "--pack", "interval=10"), "exclude each other"),
        (("set", "tower", "--site"), "nothing to change"),
        (("show", "nobody", "--pack"), "there is no pack 'nobody'"),
        (("show", "nobody", "--site"), "site 'nobody' is not in the registry"),
    ):
        ended = run(folder, *config, *words)
        assert (ended.code, why in ended.err) == (2, True), ended


def test_the_command_line_says_how_boards_are_to_work(folder):
    rule = '{"quantity": "pm10", "on": 150, "off": 100}'
    assert run(folder, "orders", "config", "show", "fence-1").out == "fence-1: as its own file says\n"
    assert run(folder, "orders", "config", "set", "tower", "interval=30", "--site").code == 0
    done = run(folder, "orders", "config", "set", "fence-1", "period=2", f"relay={rule}", "--reason", "dust", "--json")
    assert json.loads(done.out) == {
        "place": "board",
        "name": "fence-1",
        "settings": {"period": 2, "relay": json.loads(rule)},
        "edition": 2,
        "replaced": None,
    }
    shown = json.loads(run(folder, "orders", "config", "show", "fence-1", "--json").out)
    assert shown["desired"] == {"interval": 30, "period": 2, "relay": json.loads(rule)}
    assert "interval" in run(folder, "orders", "config", "show", "fence-1", "--lang", "zh").out
    assert [row["key"] for row in rows_of(run(folder, "orders", "config", "diff", "fence-1", "--json").out)] == [
        "interval",
        "period",
        "relay",
    ]
    assert [row["who"] for row in rows_of(run(folder, "orders", "config", "history", "fence-1", "--json").out)] == [
        "zhang",
        "zhang",
    ]
    assert "dust" in run(folder, "orders", "config", "history", "fence-1").out
    assert run(folder, "orders", "config", "set", "fence-1", "relay=", "period=").code == 0
    assert json.loads(run(folder, "orders", "config", "show", "fence-1", "--json").out)["overrides"] == {}


def test_the_command_line_says_what_a_change_replaces_and_refuses_it_where_another_one_was_first(folder):
    change = "orders", "config", "set", "fence-1"
    assert run(folder, *change, "interval=30", "period=2", "--as", "zhang").code == 0
    shown = json.loads(run(folder, "orders", "config", "show", "fence-1", "--json").out)["edition"]
    assert f"edition of the board: {shown}, of its site: 0" in run(folder, "orders", "config", "show", "fence-1").out
    told = run(folder, *change, "interval=10", "--as", "li").out
    assert f"it replaces edition {shown}, set by zhang at " in told
    (row,) = [line.split() for line in told.splitlines() if "interval" in line and "{" not in line]
    assert row[-2:] == ["30", "10"]
    assert "period" not in told.splitlines()[-1], "only what differs"
    refused = run(folder, *change, "interval=60", "--as", "zhang", "--seen", shown)
    assert (refused.code, refused.out) == (2, "")
    assert 'li (zhang) has decided meanwhile: {"interval": 10, "period": 2}' in refused.err
    assert run(folder, *change, "interval=60", "--as", "zhang", "--seen", shown + 1).code == 0


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("interval=7", "boards would refuse it: interval: expected one of"),
        ("interval=x", "'x' is no JSON"),
        ("interval", "expected KEY=VALUE"),
        ("levels=false", "levels: not known here"),
        ("outbox=5", "outbox: 5; expected max_bytes"),
    ],
)
def test_a_wrong_setting_is_one_sentence(folder, setting, words):
    ended = run(folder, "orders", "config", "set", "fence-1", setting)
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    assert words in ended.err
    assert "nothing has been set" in run(folder, "orders", "config", "history", "fence-1").out
