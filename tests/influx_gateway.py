"""The part of InfluxDB's v2 API that the hub writes to, in front of the real 1.x engine. For tests only.

Debian packages InfluxDB 1.6, which stores and answers InfluxQL as later ones do but has no `/api/v2/write`. So this
gateway checks the token, the organisation and the precision as InfluxDB 2 does and hands the lines to the engine,
which judges and stores them. It creates nothing: an unknown bucket is an error, as with the real one.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


class Gateway(ThreadingHTTPServer):
    """Listens on 127.0.0.1 at a port of its own; `engine` is the address of an InfluxDB 1.x.

    What an engine of 1.x does not do, a test may ask for: `most_bytes` is the largest request it takes; `partial_write`
    is the status when it has taken only a part of the points (400 in 1.x, 422 in 2.x); `overload`, if there is one, is
    what every write is refused with: status and headers. `writes` counts the requests.
    """

    daemon_threads = True
    most_bytes: int | None = None
    partial_write = HTTPStatus.BAD_REQUEST
    overload: tuple[HTTPStatus, Mapping[str, str]] | None = None
    writes = 0

    def __init__(self, engine: str, token: str, org: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.engine, self.token, self.org = engine, token, org
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
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
        if address.path != "/api/v2/write":
            self._refuse(HTTPStatus.NOT_FOUND, "path not found")
        elif self.headers["Authorization"] != f"Token {self.server.token}":
            self._refuse(HTTPStatus.UNAUTHORIZED, "unauthorized access")
        elif query.get("org") != self.server.org:
            self._refuse(HTTPStatus.NOT_FOUND, f'organization name "{query.get("org")}" not found')
        elif query.get("precision", "ns") not in PRECISIONS:
            self._refuse(HTTPStatus.BAD_REQUEST, "invalid precision; valid precision units are ns, us, ms, and s")
        elif self.server.overload:
            self._refuse(self.server.overload[0], "come back later", self.server.overload[1])
        elif self.server.most_bytes is not None and len(lines) > self.server.most_bytes:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "unable to read data: points batch is too large")
        else:
            self._write(query["bucket"], PRECISIONS[query.get("precision", "ns")], lines)

    def _write(self, bucket: str, precision: str, lines: bytes) -> None:
        address = f"{self.server.engine}/write?{urlencode({'db': bucket, 'precision': precision})}"
        encoding = {"Content-Encoding": self.headers.get("Content-Encoding", "identity")}  # gzip is known to the engine
        try:
            with urllib.request.urlopen(urllib.request.Request(address, lines, encoding)) as answer:
                self._answer(HTTPStatus(answer.status))
        except urllib.error.HTTPError as error:
            with error:
                message = json.load(error)["error"]
                partial = message.startswith("partial write")
                self._refuse(self.server.partial_write if partial else HTTPStatus(error.code), message)
        except OSError as error:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, f"the engine does not answer: {error}")

    def _refuse(self, status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None) -> None:
        self._answer(status, {"code": CODES.get(status, "internal error"), "message": message}, headers)

    def _answer(
        self,
        status: HTTPStatus,
        content: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        body = json.dumps(content).encode() if content else b""
        self.send_response(status)
        self.send_header("X-Influxdb-Version", "v2.test-gateway")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if content:
            self.send_header("Content-Type", "application/json")
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output to the test."""
