"""The hub's API as other machines reach it: through the real Caddy, with deploy/caddy/Caddyfile as it is, over TLS."""

import contextlib
import http.client
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from deploy.certificates import SERVER, Authority, Pair
from hub.http.server import Server as HttpServer
from tests.conftest import Server, require

CADDYFILE = Path(__file__).resolve().parents[2] / "deploy" / "caddy" / "Caddyfile"
FENCELINE = Path(sys.executable).parent / "fenceline"


class Proxy(Server):
    """Caddy in front of a port of this machine."""

    def __init__(self, folder, hub, port):
        self._folder = folder
        authority = Authority(folder)
        authority.make()
        authority.issue(Pair(folder / "proxy.crt", folder / "proxy.key"), "proxy", SERVER, ["localhost", "127.0.0.1"])
        self.trust = ssl.create_default_context(cafile=authority.certificate_file)
        environment = {
            "FENCELINE_API_PORT": str(port),
            "FENCELINE_CERTS": str(folder),
            "FENCELINE_HUB": f"127.0.0.1:{hub}",
            "HOME": str(folder),
            "XDG_DATA_HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder),
        }
        command = ["env", *(f"{name}={value}" for name, value in environment.items())]
        command += [require("caddy"), "run", "--config", CADDYFILE, "--adapter", "caddyfile"]
        super().__init__(command, port, folder / "caddy.log")

    def _is_ready(self):
        with contextlib.suppress(OSError), self.connection() as connection:
            connection.connect()
            return True
        return False

    @contextlib.contextmanager
    def connection(self, source="127.0.0.1"):
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=20, context=self.trust, source_address=(source, 0)
        )
        try:
            yield connection
        finally:
            connection.close()

    def ask(self, path, headers=None, body=None, source="127.0.0.1"):
        """Return the status and what was answered."""
        with self.connection(source) as connection:
            connection.request("POST" if body else "GET", path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def log_with(self, text):
        """Return the log once a text stands in it: Caddy writes after it has answered."""
        deadline = time.monotonic() + 60
        while text not in (log := (self._folder / "caddy.log").read_text()):
            assert time.monotonic() < deadline, f"{text!r} is not in {log}"
            time.sleep(0.05)
        return log


@pytest.fixture
def echo():
    """The hub's own HTTP server, with an application that tells what reaches it."""
    app = FastAPI()
    ended = threading.Event()

    @app.get("/api/who")
    def who(request: Request):
        return {"address": request.client.host, "scheme": request.url.scheme, "token": request.headers["authorization"]}

    @app.get("/api/events")
    def events():
        def some():
            yield "data: first\n\n"
            ended.wait(3)
            yield "data: second\n\n"

        return StreamingResponse(some(), media_type="text/event-stream")

    @app.get("/api/slow")
    def slow():
        time.sleep(2)
        return {"waited": True}

    @app.post("/api/size")
    async def size(request: Request):
        return {"bytes": sum([len(piece) async for piece in request.stream()])}

    server = HttpServer(app, "127.0.0.1", 0)
    server.start()
    yield server
    ended.set()
    server.stop()


@pytest.fixture
def proxy(echo, tmp_path, free_port):
    proxy = Proxy(tmp_path, echo.port, free_port())
    yield proxy
    proxy.kill()


def test_the_callers_address_reaches_the_hub_and_what_a_caller_says_of_it_does_not(proxy):
    for source in ("127.0.0.1", "127.0.0.9"):
        told = {"Authorization": "Bearer x", "X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "http"}
        status, answer = proxy.ask("/api/who", told, source=source)
        assert status == 200
        assert json.loads(answer) == {"address": source, "scheme": "https", "token": "Bearer x"}


def test_what_the_server_sends_comes_at_once_and_a_long_answer_is_waited_for(proxy):
    with proxy.connection() as connection:
        begin = time.monotonic()
        connection.request("GET", "/api/events")
        answer = connection.getresponse()
        assert answer.readline() == b"data: first\n"
        assert time.monotonic() - begin < 2.5, "not held back until the answer was whole"
        assert b"second" in answer.read()
    assert json.loads(proxy.ask("/api/slow")[1]) == {"waited": True}


def test_an_upload_passes_and_one_beyond_all_measure_does_not(proxy):
    assert json.loads(proxy.ask("/api/size", body=bytes(3_000_000))[1]) == {"bytes": 3_000_000}
    try:
        status, _ = proxy.ask("/api/size", body=bytes(33 << 20))
    except OSError:  # refused while it was still being sent
        return
    assert status >= 400


def test_only_what_asks_for_a_token_passes_and_no_token_is_written_down(proxy):
    assert [proxy.ask(path)[0] for path in ("/metrics", "/readyz", "/", "/docs", "/api", "/x/../metrics")] == [404] * 6
    proxy.ask("/api/who", {"Authorization": "Bearer very-secret"})
    log = proxy.log_with("/api/who")
    assert "very-secret" not in log
    assert "127.0.0.1" in log


def test_nobody_speaks_to_it_without_tls_or_without_trusting_the_citys_authority(proxy):
    plain = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
    plain.request("GET", "/healthz")
    assert plain.getresponse().status == 400
    plain.close()
    proxy.trust = ssl.create_default_context()
    with pytest.raises(ssl.SSLCertVerificationError):
        proxy.ask("/healthz")


def test_an_officer_reaches_the_real_hub_with_a_token(tmp_path, free_port):
    port, broker = free_port(), free_port()
    (tmp_path / "registry.toml").write_text('timezone = "Asia/Shanghai"\n')
    keys = tmp_path / "keys.toml"
    keys.touch(0o600)
    (tmp_path / "fenceline.toml").write_text(
        f'registry = "registry.toml"\nkeys = "keys.toml"\n[broker]\nhost = "127.0.0.1"\nport = {broker}\n'
        f"[http]\nport = {port}\n"
    )
    told = {"cwd": tmp_path, "env": os.environ | {"FENCELINE_LANG": "en"}}
    with (tmp_path / "hub.log").open("w") as log:
        hub = subprocess.Popen([FENCELINE, "run"], stdout=log, stderr=log, **told)
    proxy = None
    try:
        proxy = Proxy(tmp_path, port, free_port())
        deadline = time.monotonic() + 60
        while proxy.ask("/healthz")[0] != 200:
            assert time.monotonic() < deadline, (tmp_path / "hub.log").read_text()
            time.sleep(0.2)
        assert proxy.ask("/api/v1/alerts")[0] == 401
        added = subprocess.run(
            [FENCELINE, "access", "add", "officer-2", "--role", "officer", "--json"],
            check=True,
            capture_output=True,
            text=True,
            **told,
        )
        token = json.loads(added.stdout)["token"]
        status, answer = proxy.ask("/api/v1/alerts", {"Authorization": f"Bearer {token}"})
        assert status == 200, answer
        assert json.loads(answer)["alerts"] == []
        assert proxy.ask("/console/today")[0] == 303, "the console passes, too, and asks who it is"
        linked = subprocess.run(
            [FENCELINE, "access", "link", "officer-2", "--json"], check=True, capture_output=True, text=True, **told
        )
        path = json.loads(linked.stdout)["link"].partition(str(port))[2]
        status, answer = proxy.ask(path)
        assert status == 200
        assert b"officer-2" in (answer if isinstance(answer, bytes) else answer.encode())
        assert path not in proxy.log_with("/console/enter/-"), "a link that nobody has used yet stands in no log"
    finally:
        hub.terminate()
        hub.wait(60)
        if proxy:
            proxy.kill()
