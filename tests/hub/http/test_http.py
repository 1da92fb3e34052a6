"""The hub answers over HTTP whether it is alive and ready, on real sockets."""

import json
import socket
import threading
import urllib.error
import urllib.request

import pytest
from fastapi import APIRouter

from hub.config.files import ConfigError
from hub.health.metrics import Metrics
from hub.http.server import SERVICE, Condition, Server, is_loopback, make_app


class Hub:
    """A hub in a state of the test's choice."""

    def __init__(self):
        self.ended, self.needs = [], [Condition("broker", ok=True, text="connected to 127.0.0.1:1883")]

    def dead(self):
        return self.ended

    def conditions(self):
        return self.needs


@pytest.fixture
def hub():
    return Hub()


@pytest.fixture
def server(hub):
    metrics = Metrics()
    metrics.committed(0.1, accepted=41, duplicate=0, quarantined={}, records=1)
    router = APIRouter()
    router.get("/alerts")(lambda: ["a later part"])
    server = Server(make_app(hub, metrics, [router]), "127.0.0.1", 0)
    server.start()
    yield server
    server.stop()


def get(server, path):
    """Return (status, media type, body)."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=20) as answer:
            return answer.status, answer.headers.get_content_type(), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get_content_type(), error.read()


def test_a_live_process_says_so_and_a_half_dead_one_names_what_ended(server, hub):
    status, media, body = get(server, "/healthz")
    assert (status, media) == (200, "application/json")
    assert json.loads(body) == {"ok": True, "service": SERVICE, "dead": []}
    hub.ended = ["ingest"]
    status, _, body = get(server, "/healthz")
    assert status == 503
    assert json.loads(body)["dead"] == ["ingest"]


def test_what_the_hub_needs_is_listed_and_one_missing_thing_is_enough(server, hub):
    assert get(server, "/readyz")[0] == 200
    hub.needs.append(Condition("log", ok=False, text="the log cannot be written: disk full"))
    status, _, body = get(server, "/readyz")
    assert status == 503
    answer = json.loads(body)
    assert not answer["ok"]
    assert answer["checks"] == [
        {"name": "broker", "ok": True, "text": "connected to 127.0.0.1:1883"},
        {"name": "log", "ok": False, "text": "the log cannot be written: disk full"},
    ]


def test_prometheus_gets_its_text_format(server):
    status, media, body = get(server, "/metrics")
    assert (status, media) == (200, "text/plain")
    assert b'fenceline_messages_total{outcome="accepted"} 41.0' in body


def test_further_parts_are_mounted_and_described(server):
    assert json.loads(get(server, "/alerts")[2]) == ["a later part"]
    described = json.loads(get(server, "/openapi.json")[2])
    assert described["info"]["title"] == "Fenceline hub"
    assert {"/healthz", "/readyz", "/metrics", "/alerts"} <= described["paths"].keys()


def test_the_port_is_given_back_and_no_thread_stays(hub):
    server = Server(make_app(hub, Metrics()), "127.0.0.1", 0)
    server.start()
    assert get(server, "/healthz")[0] == 200
    assert server.is_alive()
    server.stop()
    assert not server.is_alive()
    assert "http" not in [thread.name for thread in threading.enumerate()]
    Server(make_app(hub, Metrics()), "127.0.0.1", server.port).stop()


def test_a_server_can_be_stopped_before_it_was_started(hub):
    server = Server(make_app(hub, Metrics()), "127.0.0.1", 0)
    server.stop()
    assert not server.is_alive()


def test_a_taken_port_is_told_in_a_sentence(hub):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"http: .*port = {port} .*name another port"):
            Server(make_app(hub, Metrics()), "127.0.0.1", port)


def test_a_host_that_is_not_here_is_told_in_a_sentence(hub):
    with pytest.raises(ConfigError, match=r"http: cannot listen at host = '192\.0\.2\.1'"):
        Server(make_app(hub, Metrics()), "192.0.2.1", 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_is_known(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "10.1.2.3", "::", "hub.city.example"])
def test_what_other_machines_reach_is_known(host):
    assert not is_loopback(host)


def test_listening_to_other_machines_warns(hub, caplog):
    Server(make_app(hub, Metrics()), "127.0.0.1", 0).stop()
    assert not caplog.text
    # Loopback in an old spelling, which is taken for a host name: nobody outside is let in by this test.
    Server(make_app(hub, Metrics()), "127.1", 0).stop()
    assert "nobody is asked for a password" in caplog.text
