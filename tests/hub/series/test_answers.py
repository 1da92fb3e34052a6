"""What an InfluxDB, a proxy or nothing at all says is told in words: from real sockets through the real client."""

import json
import socket
import threading
from contextlib import contextmanager

import pytest
import urllib3
from influxdb_client.rest import ApiException

from hub.series.answers import answer_of, silence
from tests.ports import free_port


@contextmanager
def server(answer):
    """Answer each connection with bytes, then close it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(2)
                    connection.recv(65_536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def why(url):
    with urllib3.PoolManager(retries=urllib3.Retry(1, backoff_factor=0)) as pool:
        with pytest.raises((urllib3.exceptions.HTTPError, OSError)) as failed:
            pool.request("POST", url, body=b"x", timeout=1)
        return silence(failed.value)


def test_nothing_that_answers_is_told_in_words():
    assert why(f"http://127.0.0.1:{free_port()}/api/v2/write") == "connection refused"
    assert why("http://no-such-host.invalid/") == "its name is not known; look at the address"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert why(f"http://127.0.0.1:{silent.getsockname()[1]}/") == "nothing came in time"
    with server(b"") as port:
        assert "closed in the middle" in why(f"http://127.0.0.1:{port}/")
        assert "TLS" in why(f"https://127.0.0.1:{port}/")
    with server(b"220 smtp.city.example ready\r\n") as port:
        assert "speaks no HTTP" in why(f"http://127.0.0.1:{port}/")


PAGE = "<html><head><style>a {color: red}</style><title>502 Bad Gateway</title></head><body>nginx</body></html>"


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (401, {"code": "unauthorized", "message": "unauthorized access"}, "401: unauthorized access"),
        (404, {"error": 'database not found: "city"'}, '404: database not found: "city"'),
        (400, {"error": {"code": 7, "message": "the bucket is gone"}}, "400: the bucket is gone"),
        (500, {"errors": [{"detail": "one"}, {"detail": "two"}]}, "500: one: two"),
        (500, [1, 2], "500: it gives no reason"),
        (500, {"code": 5}, "500: it gives no reason"),
        (503, "engine: cache-max-memory-size\n exceeded\x00", "503: engine: cache-max-memory-size exceeded"),
        (500, "", "500"),
        (502, PAGE, "502: a web page says '502 Bad Gateway nginx'"),
        (500, "[" * 5000, "500: [[["),
    ],
)
def test_an_answer_is_a_sentence_whatever_its_form(status, body, told):
    error = ApiException(status=status, reason="x")
    error.body = body if isinstance(body, str) else json.dumps(body)
    error.headers = {}
    said = str(answer_of(error))
    assert said.startswith(told)
    assert said.isprintable()
    assert len(said) < 700
