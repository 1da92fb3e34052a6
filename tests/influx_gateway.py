"""The part of InfluxDB's v2 API that the hub writes to, in front of the real 1.x engine. For tests only.

Debian packages InfluxDB 1.6, which stores and answers InfluxQL as later ones do but has no `/api/v2/write`. So this
gateway checks the token, the organisation and the precision as InfluxDB 2 does and hands the lines to the engine,
which judges and stores them. It creates nothing: an unknown bucket is an error, as with the real one.
"""

import contextlib
import json
import socket
import struct
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from urllib.parse import parse_qs, urlencode, urlsplit

PRECISIONS = {"ns": "ns", "us": "u", "ms": "ms", "s": "s"}  # of v2, as 1.x spells them
CODES = {
    HTTPStatus.BAD_REQUEST: "invalid",
    HTTPStatus.UNAUTHORIZED: "unauthorized",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "not found",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "request too large",
    HTTPStatus.UNPROCESSABLE_ENTITY: "unprocessable entity",
    HTTPStatus.TOO_MANY_REQUESTS: "too many requests",
    HTTPStatus.SERVICE_UNAVAILABLE: "unavailable",
}


PREFIXES = {
    HTTPStatus.INTERNAL_SERVER_ERROR: "unexpected error writing points to database: ",
    HTTPStatus.UNPROCESSABLE_ENTITY: "failure writing points to database: ",
}
PAGE = "<html>\n<head><title>{0} {1}</title></head>\n<body><h1>{0} {1}</h1><hr>nginx</body>\n</html>\n"
REFUSALS = {
    "400": (400, '{"code":"invalid","message":"unable to parse points"}'),
    "400 empty": (400, ""),
    "400 partial": (400, '{"error":"partial write: timeout"}'),
    "413": (413, '{"code":"request too large","message":"unable to read data: points batch is too large"}'),
    "413 page": (413, PAGE.format(413, "Request Entity Too Large")),
    "422": (422, '{"code":"unprocessable entity","message":"failure writing points to database: partial write"}'),
    "500": (500, '{"code":"internal error","message":"unexpected error writing points to database: timeout"}'),
    "500 partial": (500, '{"code":"internal error","message":"unexpected error writing points: partial write"}'),
    "502 page": (502, PAGE.format(502, "Bad Gateway")),
    "200 page": (200, PAGE.format("Login", "required")),
}
"""Answers to writes of which nothing is stored."""
WRONG = (*REFUSALS, "reset", "reset after writing", "late", "now and then")
"""Ways to answer wrongly. `late`: rightly, after `late_s`; `now and then`: of three writes two are refused with 400."""


class Gateway(ThreadingHTTPServer):
    """Listens on 127.0.0.1 at a port of its own; `engine` is the address of an InfluxDB 1.x.

    What an engine of 1.x does not do, a test may ask for: `most_bytes` is the largest request it takes; `partial_write`
    is the status when it has taken only a part of the points (400 in 1.x, 500 in 2.0, 422 in 2.7); `overload`, if there
    is one, is what every write is refused with: status and headers. `wrong`, if there is one, is how every write is
    answered wrongly: one of `WRONG`, or status and body. `removes_nothing`: as InfluxDB 3, which knows no
    DELETE. `writes` counts the requests. `calls_itself`: the headers by which it is known.
    """

    daemon_threads = True
    most_bytes: int | None = None
    partial_write = HTTPStatus.BAD_REQUEST
    overload: tuple[HTTPStatus, Mapping[str, str]] | None = None
    wrong: str | tuple[int, str] | None = None
    late_s = 0.5
    removes_nothing = False
    writes = 0
    calls_itself: Mapping[str, str] = MappingProxyType({"X-Influxdb-Version": "v2.test-gateway"})

    def __init__(self, engine: str, token: str, org: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.engine, self.token, self.org = engine, token, org
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer's body does not wait until its head is acknowledged
    server: Gateway

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/ping":
            self._answer(HTTPStatus.NO_CONTENT)
        elif path == "/health":
            self._answer(
                HTTPStatus.OK, {"name": "influxdb", "status": "pass", "message": "ready for queries and writes"}
            )
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "path not found")

    def do_POST(self) -> None:
        self.server.writes += 1
        lines = self.rfile.read(int(self.headers["Content-Length"]))
        address = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(address.query).items()}
        if address.path == "/query" and query.get("q", "").startswith("DELETE "):
            self._remove(address.query)
        elif address.path != "/api/v2/write":
            self._refuse(HTTPStatus.NOT_FOUND, "path not found")
        elif self.headers["Authorization"] != f"Token {self.server.token}":
            self._refuse(HTTPStatus.UNAUTHORIZED, "unauthorized access")
        elif query.get("org") != self.server.org:
            self._refuse(HTTPStatus.NOT_FOUND, f'organization name "{query.get("org")}" not found')
        elif query.get("precision", "ns") not in PRECISIONS:
            self._refuse(HTTPStatus.BAD_REQUEST, "invalid precision; valid precision units are ns, us, ms, and s")
        elif self.server.wrong and self._answers_wrongly(self.server.wrong):
            pass
        elif self.server.overload:
            self._refuse(self.server.overload[0], "come back later", self.server.overload[1])
        elif self.server.most_bytes is not None and len(lines) > self.server.most_bytes:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "unable to read data: points batch is too large")
        else:
            self._write(query["bucket"], PRECISIONS[query.get("precision", "ns")], lines)

    def _remove(self, query: str) -> None:
        """Hand a DELETE of InfluxQL to the engine, if who asks may; other statements go to the engine itself."""
        if self.headers["Authorization"] != f"Token {self.server.token}":
            self._refuse(HTTPStatus.UNAUTHORIZED, "unauthorized access")
        elif self.server.removes_nothing:
            self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "method not allowed")
        else:
            with urllib.request.urlopen(f"{self.server.engine}/query?{query}", b"") as answer:
                self._send(HTTPStatus.OK, answer.read(), {"Content-Type": "application/json"})

    def _answers_wrongly(self, wrong: str | tuple[int, str]) -> bool:
        """Answer wrongly instead of doing what is asked; return False when that is still to be done."""
        if wrong == "now and then":
            if self.server.writes % 3 == 0:
                return False
            wrong = "400"
        if isinstance(wrong, tuple) or wrong in REFUSALS:
            status, body = wrong if isinstance(wrong, tuple) else REFUSALS[wrong]
            kind = "application/json" if body.startswith("{") else "text/html"
            self._send(HTTPStatus(status), body.encode(), {"Content-Type": kind})
            return True
        if wrong == "reset":
            self._reset()
            return True
        return False

    def _reset(self) -> None:
        """End the connection as a router does that has forgotten it: RST instead of an answer."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def _write(self, bucket: str, precision: str, lines: bytes) -> None:
        address = f"{self.server.engine}/write?{urlencode({'db': bucket, 'precision': precision})}"
        encoding = {"Content-Encoding": self.headers.get("Content-Encoding", "identity")}  # gzip is known to the engine
        message = ""
        try:
            with urllib.request.urlopen(urllib.request.Request(address, lines, encoding)) as answer:
                status = HTTPStatus(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                status, message = HTTPStatus(error.code), json.load(error)["error"]
            if message.startswith("partial write"):
                status = self.server.partial_write
                message = PREFIXES.get(status, "") + message
        except OSError as error:
            status, message = HTTPStatus.SERVICE_UNAVAILABLE, f"the engine does not answer: {error}"
        if self.server.wrong == "reset after writing":
            self._reset()
            return
        if self.server.wrong == "late":
            time.sleep(self.server.late_s)
        with contextlib.suppress(ConnectionError):  # it has not waited for so long
            if message:
                self._refuse(status, message)
            else:
                self._answer(status)

    def _refuse(self, status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None) -> None:
        self._answer(status, {"code": CODES.get(status, "internal error"), "message": message}, headers)

    def _answer(
        self,
        status: HTTPStatus,
        content: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        body = json.dumps(content).encode() if content else b""
        kind = {"Content-Type": "application/json"} if content else {}
        self._send(status, body, {**self.server.calls_itself, **(headers or {}), **kind})

    def _send(self, status: HTTPStatus, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output to the test."""
