"""Who is let in to the HTTP API: one door for all its routers, and one count of a user's requests."""

import time
from contextlib import closing

import httpx
import pytest

from hub.access.caller import Gate
from hub.access.tables import PART
from hub.access.tokens import Access
from hub.compliance.routes import verdict_router
from hub.config.files import load_config
from hub.desk.routes import alert_router
from hub.field.routes import board_router
from hub.health.metrics import Metrics
from hub.http.problems import Rate
from hub.http.server import Server, make_app
from hub.orders.routes import order_router
from hub.reports.routes import noise_router
from hub.storage.compliance_file import open_compliance
from tests.hub.alerting import AlertCity, write_files
from tests.hub.helpers import CITY, LIMITS, QUANTITIES
from tests.hub.http.test_http import Hub

NOISE = "noise?site=tower&since=2026-03-02T09:00:00%2B08:00&until=2026-03-02T10:00:00%2B08:00"
PATHS = ("alerts", "maintenance", "verdicts", "boards/fence-1/repairs", NOISE, "orders")
"""One of each router and resource that a viewer may read."""


@pytest.fixture
def api(tmp_path):
    """The whole API of a hub that has just been installed: nothing but its users is in the database."""
    config = load_config(write_files(tmp_path))
    with closing(open_compliance(config.data / "compliance.db", PART)) as db:
        token = Access(db).add("officer-1", "viewer", time.time(), "root")
    gate = Gate(config.data / "compliance.db", Rate(per_second=0.01, burst=len(PATHS)))
    routers = [
        alert_router(config, lambda: CITY, LIMITS, QUANTITIES, time.time, gate),
        verdict_router(config, lambda: CITY, time.time, gate),
        board_router(config, time.time, gate),
        noise_router(config, lambda: CITY, gate),
        order_router(config, lambda: CITY, time.time, gate),
    ]
    server = Server(make_app(Hub(), Metrics(), routers), "127.0.0.1", 0)
    server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}/api/v1", timeout=20, trust_env=False) as client:
        client.headers["authorization"] = f"Bearer {token}"
        yield client
    server.stop()


def test_a_user_has_one_rate_at_the_whole_api(api):
    assert [api.get(path).status_code for path in PATHS] == [200] * len(PATHS)
    for path in PATHS:
        refused = api.get(path)
        assert (refused.status_code, refused.headers["content-type"]) == (429, "application/problem+json")
        assert int(refused.headers["retry-after"]) > 0


def test_every_router_refuses_whom_it_does_not_know_in_the_same_words(api):
    answers = [api.get(path, headers={"authorization": "Bearer officer-1.guessed"}) for path in PATHS]
    assert {(one.status_code, one.headers["www-authenticate"]) for one in answers} == {(401, "Bearer")}
    assert len({one.text for one in answers}) == 1


def test_the_role_decides_in_every_router(api):
    span = {"from": "2026-03-02T09:00:00+08:00", "to": "2026-03-02T10:00:00+08:00"}
    answers = [
        api.post("alerts/1/acknowledge"),
        api.post("maintenance", json={"site": "tower", "reason": "x", **span}),
        api.put("boards/fence-1", json={"site": "tower"}),
        api.post("orders", json={"device": "fence-1", "what": "ping"}),
    ]
    assert [one.status_code for one in answers] == [403] * 4
    assert all("officer-1 is viewer" in one.json()["detail"] for one in answers)


def test_a_user_of_some_districts_sees_and_does_nothing_in_the_others(api, tmp_path, monkeypatch):
    db = open_compliance(tmp_path / "data" / "compliance.db", PART)
    with closing(db):
        tokens = {
            district: Access(db).add(f"{district}-{role}", role, time.time(), "root", [district])
            for district, role in (("north", "admin"), ("south", "technician"))
        }
    with AlertCity(tmp_path / "data", now=time.time()) as city:
        city.judge(74.0, start=int(city.now) - 1300)  # at the tower, which is in the district north

    def ask(district, method, path, **more):
        headers = {"authorization": f"Bearer {tokens[district]}"}
        monkeypatch.setattr(Rate, "wait", lambda *_: 0.0)  # what is counted is tested above
        return api.request(method, path, headers=headers, **more)

    begin, end = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + s)) for s in (60, 3600))
    window = {"site": "tower", "from": begin, "to": end, "reason": "works"}
    made = ask("north", "POST", "maintenance", json=window)
    assert made.status_code == 201
    assert ask("north", "POST", "maintenance", json=window | {"site": "mill"}).status_code == 422
    reads = {"alerts/1": 404, "alerts/1/messages": 404, "boards/fence-1/repairs": 404, NOISE: 404}
    assert {path: ask("south", "GET", path).status_code for path in reads} == reads
    assert {ask("north", "GET", path).status_code for path in reads} == {200}
    assert [len(ask(one, "GET", "alerts").json()["alerts"]) for one in ("north", "south")] == [1, 0]
    assert ask("south", "GET", "alerts?district=north").json()["alerts"] == []
    assert [len(ask(one, "GET", "maintenance").json()) for one in ("north", "south")] == [1, 0]
    moved = {"site": "tower", "key": "00" * 32}
    assert ask("south", "PUT", "boards/fence-9", json=moved).status_code == 404
    assert ask("south", "PUT", "boards/fence-1", json={"site": "mill"}).status_code == 404
    assert ask("north", "DELETE", f"maintenance/{made.json()['id']}").status_code == 204


def test_an_admin_of_a_district_takes_back_no_maintenance_of_another(api, tmp_path):
    with closing(open_compliance(tmp_path / "data" / "compliance.db", PART)) as db:
        whole, south = (
            Access(db).add(name, "admin", time.time(), "root", scope)
            for name, scope in (("root", ()), ("s", ["south"]))
        )
    begin, end = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + s)) for s in (60, 3600))
    window = {"site": "tower", "from": begin, "to": end, "reason": "works"}
    made = api.post("maintenance", json=window, headers={"authorization": f"Bearer {whole}"}).json()["id"]
    assert api.delete(f"maintenance/{made}", headers={"authorization": f"Bearer {south}"}).status_code == 404
    assert api.delete(f"maintenance/{made}", headers={"authorization": f"Bearer {whole}"}).status_code == 204
