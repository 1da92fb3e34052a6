"""A Grafana to push to: always the tests' own, and a real one, too, where GRAFANA_URL and GRAFANA_TOKEN name it."""

import os
import threading

import pytest
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


@pytest.fixture
def live():
    """Address and token of a real Grafana whose user has offered it to the tests."""
    if not (os.environ.get("GRAFANA_URL") and os.environ.get("GRAFANA_TOKEN")):
        pytest.skip("GRAFANA_URL and GRAFANA_TOKEN name no real Grafana")
    return os.environ["GRAFANA_URL"], os.environ["GRAFANA_TOKEN"]
