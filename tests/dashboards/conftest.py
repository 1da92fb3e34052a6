"""A Grafana to push to: always the tests' own, and a real one, too, where GRAFANA_URL and GRAFANA_TOKEN name it."""

import os
import threading

import pytest
from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaClientError
from typer.testing import CliRunner

from dashboards.cli import app
from tests.grafana_server import ADMIN, GrafanaServer


@pytest.fixture
def server():
    """The tests' own Grafana; every request that its schemas refuse fails the test."""
    with GrafanaServer() as grafana:
        threading.Thread(target=grafana.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield grafana
        grafana.shutdown()
    assert grafana.invalid == []


@pytest.fixture
def run(tmp_path):
    """Run `fenceline grafana ...` against an address, with the token of an administrator unless another is given."""

    def call(command, url, *arguments, token=ADMIN, **environment):
        file = tmp_path / "token"
        file.write_text(token)
        line = [command, "--url", url, "--token-file", str(file), *map(str, arguments)]
        return CliRunner().invoke(app, line, env={"FENCELINE_LANG": "en", "COLUMNS": "200"} | environment)

    return call


class Place:
    """A Grafana, known by its address and token only, as grafana-client sees it."""

    def __init__(self, url, token):
        self.url, self.token = url, token
        self.api = GrafanaApi.from_url(f"{url}/", token, 30)

    def get(self, path):
        try:
            return self.api.client.GET(path)
        except GrafanaClientError as error:
            if error.status_code != 404:
                raise
            return None

    def boards(self, uids):
        """Return the version of each dashboard."""
        found = {uid: self.get(f"/dashboards/uid/{uid}") for uid in uids}
        return {uid: board and board["dashboard"]["version"] for uid, board in found.items()}

    def alerting(self):
        """Return rules, contact points and policies, but for the time of the last change."""
        rules = {rule["uid"]: rule | {"updated": ""} for rule in self.get("/v1/provisioning/alert-rules")}
        points = {point["uid"]: point for point in self.get("/v1/provisioning/contact-points")}
        return rules, points, self.get("/v1/provisioning/policies")

    def clean(self, tree):
        """Take away what a push has brought."""
        rules, points, _ = self.alerting()
        for uid in rules:
            if uid.startswith("fenceline-"):
                self.api.client.DELETE(f"/v1/provisioning/alert-rules/{uid}", headers={"X-Disable-Provenance": "true"})
        self.api.alertingprovisioning.set_notification_policy_tree(tree, disable_provenance=True)
        for uid in points:
            if uid.startswith("fenceline-"):
                self.api.alertingprovisioning.delete_contactpoint(uid)
        for uid in ("fenceline-en", "fenceline-zh", "fenceline-alerts", "fenceline-tests"):
            if self.get(f"/folders/{uid}"):
                self.api.client.DELETE(f"/folders/{uid}?forceDeleteRules=true")
        if self.get("/datasources/uid/fenceline"):
            self.api.datasource.delete_datasource_by_uid("fenceline")


@pytest.fixture(params=["ours", "live"])
def place(request):
    """The tests' own Grafana, and a real one, too, where GRAFANA_URL and GRAFANA_TOKEN name it; it is cleaned up."""
    if request.param == "ours":
        server = request.getfixturevalue("server")
        there = Place(server.url, ADMIN)
        yield there
        there.api.client.s.close()
        return
    if not (os.environ.get("GRAFANA_URL") and os.environ.get("GRAFANA_TOKEN")):
        pytest.skip("GRAFANA_URL and GRAFANA_TOKEN name no real Grafana")
    there = Place(os.environ["GRAFANA_URL"].rstrip("/"), os.environ["GRAFANA_TOKEN"])
    if there.get("/datasources/uid/fenceline") or "fenceline-hub-silent" in there.alerting()[0]:
        there.api.client.s.close()
        pytest.skip("this Grafana has Fenceline in it already; give the tests one of their own")
    tree = there.get("/v1/provisioning/policies")
    yield there
    there.clean(tree)
    there.api.client.s.close()
