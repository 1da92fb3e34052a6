"""`fenceline emissions` and /api/v1/outlets show the same, in both languages, to those whose district it is."""

import json
from contextlib import closing

import httpx
import pytest

from hub.access.caller import Gate
from hub.access.tokens import Access
from hub.compliance.emissions import cli
from hub.compliance.emissions.routes import emission_router
from hub.config.files import load_config
from hub.health.metrics import Metrics
from hub.http.problems import Rate
from hub.http.server import Server, make_app
from tests.hub.alerting import run
from tests.hub.compliance.emissions.plant import CITY, HOUR, LIMIT, LIMITS, MONDAY, PERMIT, QUANTITIES, TOTAL, Plant
from tests.hub.helpers import open_all
from tests.hub.http.test_http import Hub as Watched

REGISTRY = """timezone = "Asia/Shanghai"
[[site]]
id = "heat"
district = "north"
kind = "factory"
en = "Heating plant"
zh = "供热厂"
properties = {plant = "boiler", fuel = "gas", boiler = "new"}
[[station]]
id = "stack-1"
site = "heat"
mn = "31000000000001"
profile = "stack"
"""
NOW = MONDAY + 2 * HOUR + 400


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plant")
    (folder / "registry.toml").write_text(REGISTRY, "utf-8")
    (folder / "keys.toml").touch(0o600)
    (folder / "fenceline.toml").write_text('registry = "registry.toml"\nkeys = "keys.toml"\n', "utf-8")
    (folder / "data").mkdir()
    plant = Plant(folder / "data", PERMIT, LIMIT, TOTAL)
    values = {"stack_nox": 45.0, "stack_o2": 6.0, "stack_flow": 20.0}
    plant.say(MONDAY, zs={"stack_nox": 60.0}, **values)
    plant.say(MONDAY + HOUR, flags={"stack_nox": "C"}, **values)
    plant.take()
    plant.close()
    return folder


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(cli, "now", lambda: float(NOW))
    monkeypatch.setenv("FENCELINE_LANG", "en")


def lines(folder, *asked):
    shown = run(folder, "emissions", *asked, "--json")
    assert (shown.code, shown.err) == (0, "")
    return [json.loads(line) for line in shown.out.splitlines()]


def test_hours_are_listed_with_their_source(folder):
    first, second, summary = lines(folder, "hours", "heat-da001", "--day", "2026-03-02")
    assert (first["start"], first["state"], first["valid"]) == ("2026-03-02T00:00:00+08:00", "running", True)
    assert (first["raw"], first["converted"], first["limit"], first["limit_source"]) == (45.0, 52.5, 50.0, "9144-001P")
    assert first["mass_kg"] == pytest.approx(3.24)
    assert (first["own"], first["own_expected"], first["own_differs"]) == (60.0, 52.5, True)
    assert first["editions"][0] == {"kind": "discharge_permit", "id": "heat-permit", "edition": 1}
    assert (second["valid"], second["reason"], second["compared"], second["gap"]) == (
        (False, "calibrating", None, "invalid")
    )
    assert summary == {"summary": True, "hours": 2}


def test_an_outlet_is_shown_with_rates_days_and_totals(folder):
    (outlet, summary) = lines(folder, "list")
    assert (outlet["outlet"], outlet["enterprise"], outlet["site"]) == ("heat-da001", "heat-works", "heat")
    assert outlet["limits"][0]["permit"] == "9144-001P"
    assert summary["outlets"] == 1
    (shown,) = lines(folder, "show", "heat-da001", "--month", "2026-03")
    every = shown["rates"][-1]
    assert (every["pollutant"], every["due"], every["transmitted"], every["valid"]) == (None, 2, 2, 1)
    assert (every["transmission"], every["validity"], every["product"]) == (1.0, 0.5, 0.5)
    assert [day["measured_kg"] for day in shown["days"]] == [pytest.approx(3.24)]
    assert [total["total"] for total in shown["totals"]] == ["heat-nox-year"]
    (total, _) = lines(folder, "totals", "--enterprise", "heat-works")
    assert (total["permitted_t"], total["share"], total["unknown"]) == (0.1, pytest.approx(0.0324), 1)
    assert lines(folder, "totals", "--enterprise", "another") == [{"summary": True, "totals": 0}]


def test_people_read_them_in_their_language(folder):
    for command in (("list",), ("show", "heat-da001"), ("hours", "heat-da001"), ("totals",)):
        en = run(folder, "emissions", *command)
        zh = run(folder, "emissions", *command, "--lang", "zh")
        assert (en.code, zh.code) == (0, 0), en.err + zh.err
        assert en.out != zh.out
    en, zh = (run(folder, "emissions", "hours", "heat-da001", "--lang", lang).out for lang in ("en", "zh"))
    assert "the instrument was being calibrated" in en
    assert "仪器校准" in zh


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("show", "nowhere"), "there is no outlet 'nowhere'; expected one of: heat-da001"),
        (("show", "heat-da001", "--month", "2026-13"), "expected a month such as 2026-03"),
        (("hours", "heat-da001", "--day", "tomorrow"), "expected a day such as 2026-03-02"),
    ],
)
def test_a_slip_is_one_sentence(folder, asked, told):
    shown = run(folder, "emissions", *asked)
    assert shown.code == 2
    assert told in " ".join(shown.err.split())


@pytest.fixture(scope="module")
def api(folder):
    config = load_config(folder / "fenceline.toml")
    users = (("everywhere", ()), ("north", ("north",)), ("south", ("south",)))
    with closing(open_all(folder / "data" / "compliance.db")) as db:
        tokens = {name: Access(db).add(name, "viewer", NOW, "root", districts) for name, districts in users}
    gate = Gate(config.data / "compliance.db", Rate(1e6, 1e6))
    router = emission_router(config, lambda: CITY, LIMITS, QUANTITIES, lambda: float(NOW), gate)
    server = Server(make_app(Watched(), Metrics(), [router]), "127.0.0.1", 0)
    server.start()

    def get(path, name="north", **params):
        headers = {"authorization": f"Bearer {tokens[name]}"} if name else {}
        url = f"http://127.0.0.1:{server.port}/api/v1{path}"
        return httpx.get(url, params=params, headers=headers, timeout=60, trust_env=False)

    yield get
    server.stop()


def test_the_api_gives_what_the_command_prints(folder, api):
    span = {"since": "2026-03-02T00:00:00+08:00", "until": "2026-03-03T00:00:00+08:00"}
    assert (
        api("/outlets/heat-da001/hours", **span).json()["hours"]
        == lines(folder, "hours", "heat-da001", "--day", "2026-03-02")[:-1]
    )
    assert api("/outlets").json()["outlets"] == lines(folder, "list")[:-1]
    assert api("/permit-totals").json()["totals"] == lines(folder, "totals")[:-1]
    month = api("/outlets/heat-da001", month="2026-03").json()
    (shown,) = lines(folder, "show", "heat-da001", "--month", "2026-03")
    assert {name: month[name] for name in ("rates", "days", "totals")} == {
        name: shown[name] for name in ("rates", "days", "totals")
    }


def test_of_another_district_nobody_is_told(api):
    assert api("/outlets", name=None).status_code == 401
    assert api("/outlets", name="everywhere").json()["outlets"]
    assert api("/outlets", name="south").json() == {"outlets": []}
    assert api("/permit-totals", name="south").json() == {"totals": []}
    assert api("/outlets/heat-da001", name="south").status_code == 404
    span = {"since": "2026-03-02T00:00:00+08:00", "until": "2026-03-03T00:00:00+08:00"}
    assert api("/outlets/heat-da001/hours", name="south", **span).status_code == 404


def test_what_is_asked_wrongly_is_refused_with_the_field(api):
    late = api("/outlets/heat-da001/hours", since="2026-01-01T00:00:00+08:00", until="2026-03-03T00:00:00+08:00")
    assert (late.status_code, late.json()["errors"][0]["field"] if "errors" in late.json() else "until") == (
        422,
        "until",
    )
    assert api("/outlets/heat-da001", month="2026-13").status_code == 422
    assert api("/outlets/nowhere").status_code == 404
