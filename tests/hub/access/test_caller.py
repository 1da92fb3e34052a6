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
from tests.hub.alerting import write_files
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
