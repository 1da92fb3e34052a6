"""The hub's HTTP interface: is it alive, is it ready, what does it count.

It asks nobody who they are: it listens on loopback, and a reverse proxy in front of it decides who gets through.
"""

import ipaddress
import logging
import socket
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, Protocol

import prometheus_client
import uvicorn
from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse

from hub.config import ConfigError
from hub.metrics import Metrics

SERVICE = "fenceline-hub"
"""How /healthz names itself, so that `fenceline check` knows whom it has found at the port."""

log = logging.getLogger("hub.http")


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing without which the hub does not do its work."""

    name: str
    ok: bool
    text: str
    """A sentence for people; holds no secret."""


class Watched(Protocol):
    """A hub that knows whether it works. Both are called from threads of the HTTP server and must not wait."""

    def dead(self) -> list[str]:
        """Return the names of its threads that have ended although nobody stopped them."""

    def conditions(self) -> list[Condition]:
        """Return what it needs: broker, log, consumers, registry."""


def make_app(hub: Watched, metrics: Metrics, routers: Sequence[APIRouter] = ()) -> FastAPI:
    """Return the application; `routers` bring further parts of it."""
    app = FastAPI(
        title="Fenceline hub",
        version=version("fenceline"),
        description="State and counts of the hub.",
        docs_url=None,  # its page would load scripts from the Internet; /openapi.json is there
        redoc_url=None,
    )
    app.include_router(_operations(hub, metrics))
    for router in routers:
        app.include_router(router)
    return app


def _operations(hub: Watched, metrics: Metrics) -> APIRouter:
    router = APIRouter(tags=["operations"])

    @router.get("/healthz", summary="Is the process alive? 503 asks for a restart")
    def healthz() -> JSONResponse:
        dead = hub.dead()
        return _answer(ok=not dead, service=SERVICE, dead=dead)

    @router.get("/readyz", summary="Does the hub do its work? 503 says what is missing; a restart would not help")
    def readyz() -> JSONResponse:
        conditions = hub.conditions()
        return _answer(ok=all(c.ok for c in conditions), service=SERVICE, checks=[asdict(c) for c in conditions])

    @router.get("/metrics", summary="Counts and state in Prometheus's text format", response_class=Response)
    def measured() -> Response:
        return Response(metrics.text(), media_type=prometheus_client.CONTENT_TYPE_LATEST)

    return router


def _answer(*, ok: bool, **content: Any) -> JSONResponse:
    return JSONResponse({"ok": ok, **content}, status_code=200 if ok else 503, headers={"Cache-Control": "no-store"})


class Server:
    """Serves an application from a thread of its own. The port is taken when it is made; port 0 takes a free one."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        self._socket = listen(host, port)
        self.host, self.port = host, int(self._socket.getsockname()[1])
        if not is_loopback(host):
            log.warning(
                "http: host = %s lets other machines read /metrics and /readyz, and nobody is asked for a password; "
                "use 127.0.0.1 and a reverse proxy unless only your own network reaches it",
                host,
            )
        # The hub's signals and log settings stay the hub's.
        self._server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2)
        )
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="http", daemon=True)

    def start(self) -> None:
        """Begin to answer; returns at once. The socket listens already, so nobody is turned away meanwhile."""
        self._thread.start()
        log.info("http: http://%s:%d/healthz, /readyz, /metrics", self.host, self.port)

    def stop(self) -> None:
        """Answer what has been asked, at most 2 s long, and give the port back."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join()
        self._socket.close()

    def is_alive(self) -> bool:
        """Tell whether its thread runs."""
        return self._thread.is_alive()


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches what listens at `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listen(host: str, port: int) -> socket.socket:
    """Take a port; 0 takes a free one.

    Raises:
        ConfigError: it is taken, or no address of this machine.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=128)
    except OSError as error:
        raise ConfigError(
            f"http: cannot listen at host = {host!r}, port = {port} ({error.strerror}); "
            "stop what listens there, or name another port under [http]"
        ) from error
