"""The HTTP server under what programs, accidents and enemies send: it goes on answering, on real sockets."""

import contextlib
import json
import socket
import threading
import time

import pytest
from fastapi import APIRouter, Response
from pydantic import BaseModel

from hub.health.metrics import Metrics
from hub.http import guard
from hub.http.guard import MOST_AT_ONCE, MOST_CONNECTIONS, JsonError, strict_json
from hub.http.problems import ProblemRoute
from hub.http.server import Server, make_app
from tests.hub.http.test_http import Hub, get


class Told(BaseModel):
    """What the test's part of the API takes."""

    text: str


@pytest.fixture
def gate():
    """Keeps the API's answers back until it is set."""
    opened = threading.Event()
    yield opened
    opened.set()


@pytest.fixture
def server(gate):
    router = APIRouter(prefix="/api/v1", route_class=ProblemRoute)

    @router.get("/slow")
    def slow() -> str:
        gate.wait(30)
        return "done"

    @router.get("/large")
    def large() -> Response:
        return Response(bytes(2**26))

    @router.post("/told")
    def told(told: Told) -> str:
        return told.text

    server = Server(make_app(Hub(), Metrics(), [router]), "127.0.0.1", 0)
    server.start()
    yield server
    gate.set()
    server.stop()


@contextlib.contextmanager
def connections(server, count, sent=b""):
    """Hold connections on each of which the beginning of a request was sent."""
    with contextlib.ExitStack() as stack:
        opened = []
        for _ in range(count):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20))
            one.sendall(sent)
            opened.append(one)
        yield opened


def answer(connection):
    """Return the status and the body; None where the connection ended without one."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(65536):
            data += chunk
            head, found, body = data.partition(b"\r\n\r\n")
            if found and len(body) >= int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]):
                break
    return (int(data.split()[1]), data.partition(b"\r\n\r\n")[2]) if data else None


def post(server, body, path="/api/v1/told"):
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with connections(server, 1, head.encode() + body) as (one,):
        return answer(one)


@pytest.mark.parametrize("sent", [b"", b"GET /", b"GET /api/v1/slow HTTP/1.1\r\nHost: x\r\n"])
def test_half_open_requests_keep_nobody_out(server, sent):
    with connections(server, MOST_CONNECTIONS + 44, sent):
        begin = time.monotonic()
        assert get(server, "/healthz")[0] == 200
        assert get(server, "/readyz")[0] == 200
        assert time.monotonic() - begin < guard.HEADERS_S  # nobody waited until the others were let go of


def test_a_connection_without_a_request_is_let_go_of_after_a_while(server, monkeypatch):
    monkeypatch.setattr(guard, "HEADERS_S", 0.5)
    with connections(server, 2, b"GET /healthz HTTP/1.1\r\n") as (silent, slow):
        begin = time.monotonic()
        with contextlib.suppress(ConnectionError):  # it is let go of in the middle
            while time.monotonic() - begin < 10:
                slow.sendall(b"x: y\r\n")  # a head that never ends
                time.sleep(0.05)
        assert answer(silent) is None
        assert answer(slow) is None
        assert time.monotonic() - begin < 9


def test_a_kept_connection_is_used_again_and_then_let_go_of(server, monkeypatch):
    monkeypatch.setattr(guard, "HEADERS_S", 2.0)
    with connections(server, 1) as (one,):
        for _ in range(3):
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert answer(one)[0] == 200
            time.sleep(0.8)
        one.sendall(b"GET /heal")
        assert answer(one) is None


def test_a_body_that_does_not_come_is_refused(server, monkeypatch):
    monkeypatch.setattr(guard, "BODY_S", 0.3)
    head = b"POST /api/v1/told HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{"
    with connections(server, 1, head) as (one,):
        status, body = answer(one)
    assert (status, json.loads(body)["title"]) == (408, "Request Timeout")


def test_healthz_answers_while_the_api_waits_for_its_database(server, gate):
    asked = b"GET /api/v1/slow HTTP/1.1\r\nHost: x\r\n\r\n"
    with connections(server, MOST_AT_ONCE, asked) as waiting:
        deadline = time.monotonic() + 20
        while post(server, b'{"text": "x"}')[0] != 503:  # all have come, and one more is too many
            assert time.monotonic() < deadline
            time.sleep(0.05)
        begin = time.monotonic()
        assert get(server, "/healthz")[0] == 200
        assert time.monotonic() - begin < 5
        gate.set()
        assert {answer(one)[0] for one in waiting} == {200}
        assert get(server, "/readyz")[0] == 200


NONSENSE = [
    b'{"text": "\\ud800"}',
    b'{"text": "\\udc00\\ud800"}',
    b'{"text": ' + b"[" * 900 + b"]" * 900 + b"}",
    b"[" * 16_000,
    b'{"a":' * 5000,
    b'{"text": NaN}',
    b'{"text": -Infinity}',
    b'{"text": 1e999}',
    b'{"text": ' + b"9" * 5000 + b"}",
    b'{"text": "\xff"}',
    b'{"text": "\xed\xa0\x80"}',
    b'{"text": "a\nb"}',
    b'{"text": "x",}',
    b"\xef\xbb\xbf{",
]


@pytest.mark.parametrize("body", NONSENSE)
def test_a_body_that_is_not_strictly_json_is_refused(server, body):
    status, told = post(server, body)
    assert status == 422
    assert json.loads(told)["field"] == "body"
    with pytest.raises(JsonError):
        strict_json(body)
    assert post(server, '{"text": "工地 \\ud83d\\ude00"}'.encode()) == (200, '"工地 😀"'.encode())


def test_a_client_that_does_not_read_is_let_go_of(server, monkeypatch):
    monkeypatch.setattr(guard, "READ_S", 0.3)
    # More than any kernel keeps for a connection, so that the server waits for the client however slow both are.
    with connections(server, 1, b"GET /api/v1/large HTTP/1.1\r\nHost: x\r\n\r\n") as (one,):
        deadline = time.monotonic() + 60
        ended = False
        while not ended and time.monotonic() < deadline:
            time.sleep(0.1)
            try:
                one.send(b"x")
            except ConnectionError:
                ended = True
        assert ended
    assert get(server, "/healthz")[0] == 200
