"""The hub's HTTP interface: is it alive, is it ready, what does it count; and whatever else is mounted in it.

These three ask nobody who they are, and there is no TLS: it listens on loopback, and a reverse proxy in front of it
decides who gets through.
"""

import ipaddress
import logging
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, Protocol, TypeVar

import anyio
import anyio.to_thread
import prometheus_client
import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware

from hub.config.files import ConfigError
from hub.health.metrics import Metrics
from hub.http.guard import MOST_BODY, Connection, Guard
from hub.http.problem import Problem, answers
from hub.http.problems import RequestError, language, problem
from schemas.language import Text

SERVICE = "fenceline-hub"
"""How /healthz names itself, so that `fenceline check` knows whom it has found at the port."""

OPERATIONS_AT_ONCE = 4
"""Requests for /readyz and /metrics that are answered at once, in threads that the API does not use."""

COMPRESSED_FROM = 1000
"""Answers of so many bytes are compressed for those who ask for it; streams of events never are."""
COMPRESSION = 5
"""Level of gzip: a map of 1,000 sites is 3 % larger than with level 9, in a third of the time."""

T = TypeVar("T")

log = logging.getLogger("hub.http")


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing without which the hub does not do its work."""

    name: str
    ok: bool
    text: str
    """A sentence for people; holds no secret."""


class Alive(BaseModel):
    """What /healthz answers."""

    ok: bool
    service: str
    dead: list[str]


class Ready(BaseModel):
    """What /readyz answers."""

    ok: bool
    service: str
    checks: list[Condition]


class Watched(Protocol):
    """A hub that knows whether it works. Both are called from the HTTP server and must not wait."""

    def dead(self) -> list[str]:
        """Return the names of its threads that have ended although nobody stopped them."""

    def conditions(self) -> list[Condition]:
        """Return what it needs: broker, log, consumers, registry."""


class _App(FastAPI):
    """Describes what it refuses with, too."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        described = super().openapi()
        schemas = described.setdefault("components", {}).setdefault("schemas", {})
        schemas.setdefault("Problem", Problem.model_json_schema())
        return described


async def _refuse(request: Request, error: Exception) -> Response:
    """Answer what no part of the application answers: an unknown path or method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    texts = {
        404: Text("there is nothing here; /openapi.json lists what there is", "无此地址；参见/openapi.json"),
        405: Text("this is not done with that method; see /openapi.json", "不支持该方法；参见/openapi.json"),
    }
    detail = str(error.detail) if isinstance(error, HTTPException) else "failed"
    headers = error.headers if isinstance(error, HTTPException) else None
    refused = RequestError(status, texts.get(status, Text(detail, detail)), headers=headers)
    return problem(refused, language(request.headers.get("accept-language")))


def make_app(hub: Watched, metrics: Metrics, routers: Sequence[APIRouter] = ()) -> FastAPI:
    """Return the application; `routers` bring further parts of it."""
    app = _App(
        title="Fenceline hub",
        version=version("fenceline"),
        description="State and counts of the hub; alerts, verdicts and maintenance under /api/v1.",
        docs_url=None,  # its page would load scripts from the Internet; /openapi.json is there
        redoc_url=None,
    )
    app.add_middleware(Guard, most=MOST_BODY)
    app.add_middleware(GZipMiddleware, minimum_size=COMPRESSED_FROM, compresslevel=COMPRESSION)
    app.add_exception_handler(HTTPException, _refuse)
    for router in (_operations(hub, metrics), *routers):
        # Not included but taken as they are: an included router is searched twice for each request.
        app.router.routes.extend(router.routes)
    return app


def _operations(hub: Watched, metrics: Metrics) -> APIRouter:
    router = APIRouter(tags=["operations"])
    threads: list[anyio.CapacityLimiter] = []

    async def apart(ask: Callable[[], T]) -> T:
        """Ask in a thread, but in none that the API uses: there every one may wait for a database."""
        if not threads:
            threads.append(anyio.CapacityLimiter(OPERATIONS_AT_ONCE))
        return await anyio.to_thread.run_sync(ask, limiter=threads[0])

    @router.get(
        "/healthz",
        summary="Is the process alive? 503 asks for a restart",
        responses={200: {"model": Alive}, 503: {"model": Alive, "description": "A thread has ended: restart the hub"}},
    )
    async def healthz() -> JSONResponse:  # on the loop itself: it is answered whatever the API suffers
        dead = hub.dead()
        return _answer(ok=not dead, service=SERVICE, dead=dead)

    @router.get(
        "/readyz",
        summary="Does the hub do its work? 503 says what is missing; a restart would not help",
        responses={
            200: {"model": Ready},
            **answers(408, 413, 503),
            503: answers(503)[503]
            | {"model": Ready, "description": "Something is missing; or, as a problem, the hub is busy"},
        },
    )
    async def readyz() -> JSONResponse:
        conditions = await apart(hub.conditions)
        return _answer(ok=all(c.ok for c in conditions), service=SERVICE, checks=[asdict(c) for c in conditions])

    @router.get(
        "/metrics",
        summary="Counts and state in Prometheus's text format",
        response_class=PlainTextResponse,
        responses=answers(408, 413, 503),
    )
    async def measured() -> Response:
        return Response(await apart(metrics.text), media_type=prometheus_client.CONTENT_TYPE_LATEST)

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
                "the tokens of the API come unencrypted; "
                "use 127.0.0.1 and a reverse proxy with TLS unless only your own network reaches it",
                host,
            )
        # The hub's signals and log settings stay the hub's.
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=2,
                http=Connection,
                server_header=False,
            )
        )
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="http", daemon=True)

    def start(self) -> None:
        """Begin to answer; returns at once. The socket listens already, so nobody is turned away meanwhile."""
        self._thread.start()
        log.info("http: http://%s:%d/console, /healthz, /readyz, /metrics, /api/v1", self.host, self.port)

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
        found = socket.create_server(address[:2], family=family, backlog=128)
    except OSError as error:
        raise ConfigError(
            f"http: cannot listen at host = {host!r}, port = {port} ({error.strerror}); "
            "stop what listens there, or name another port under [http]"
        ) from error
    # Connections inherit it: else the body of an answer waits 40 ms for the client's acknowledgement of its head.
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found
