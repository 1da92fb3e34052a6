"""Keeps the HTTP server answering: connections and requests that take too long, are too large or make no sense end."""

import asyncio
import math
import re
from typing import Any

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from hub.http.problems import RequestError, language, problem
from schemas.language import Text

MOST_BODY = 32_768
"""A remark has at most 2,000 characters: 8,000 bytes, up to 24,000 where a program writes them as \\u1234."""
UPLOADS = re.compile(
    r"/(api/v1|console)/(cases/[0-9]{1,19}/attachments|marks/[0-9]{1,19}/proofs?)|/console/import-things"
    r"|/console/patrol/[a-z][a-z0-9_-]{0,31}/[a-z0-9-]{1,32}"
)
"""Where files are sent."""
MOST_UPLOAD = 26_000_000
"""Of a body there; how large a file may be, the city's configuration says."""
MOST_UPLOADS = 4
"""At once: each is in memory; who comes beyond is told to come again (503)."""
UPLOAD_S = 120.0
"""A file has so long [s]: a phone at the edge of the network sends 12 MB in two minutes."""
MOST_DEPTH = 16
"""Objects and lists in each other in a body."""
MOST_CONNECTIONS = 256
"""At once; for one more the one that has waited longest without a request is let go of."""
MOST_AT_ONCE = 128
"""Requests in work; who comes beyond is told to come again (503). /healthz is answered all the same."""
HEADERS_S = 10.0
"""A connection has so long for the head of its request [s]."""
BODY_S = 10.0
"""And so long for the body [s]."""
READ_S = 30.0
"""A client that takes nothing of its answer for so long is let go of [s]."""
ALWAYS = "/healthz"


class JsonError(ValueError):
    """A body that is not strictly JSON, or more of it than anybody sends."""


def strict_json(data: bytes) -> Any:
    """Return what a JSON text says.

    Raises:
        JsonError: it is no JSON (RFC 8259), as NaN, half a surrogate pair or a number out of range; or it is too deep.
    """
    try:
        value = msgspec.json.decode(data)
    except RecursionError:
        raise JsonError(f"nested more than {MOST_DEPTH} deep") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise JsonError(str(error)) from None
    if _depth(value) > MOST_DEPTH:
        raise JsonError(f"nested more than {MOST_DEPTH} deep")
    return value


def _depth(value: Any) -> int:
    level, depth = [value], 0
    while level := [one for one in level if isinstance(one, dict | list)]:
        depth += 1
        if depth > MOST_DEPTH:
            break
        level = [part for one in level for part in (one.values() if isinstance(one, dict) else one)]
    return depth


class Connection(H11Protocol):
    """A connection that must not keep its place without using it."""

    _timer: asyncio.TimerHandle | None = None
    _blocked: asyncio.TimerHandle | None = None
    _since = 0.0

    @property
    def waiting(self) -> bool:
        """Tell whether there is no request in work on it."""
        return self.cycle is None or self.cycle.response_complete or self.cycle.disconnected

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a place; if there is none, that of whoever has waited longest."""
        super().connection_made(transport)
        self._arm()
        if len(self.connections) > MOST_CONNECTIONS:
            others = [
                one for one in self.connections if isinstance(one, Connection) and one.waiting and one is not self
            ]
            one = min(others, key=lambda one: one._since, default=self)  # noqa: SLF001 - of its own kind
            self.connections.discard(one)
            one.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._disarm()
        self.resume_writing()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Note when the head of a request has come."""
        super().handle_events()
        if not self.waiting:
            self._disarm()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._arm()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Note that the client does not read."""
        super().pause_writing()
        self._blocked = self._blocked or self.loop.call_later(READ_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Note that it reads again."""
        if self._blocked is not None:
            self._blocked.cancel()
            self._blocked = None
        super().resume_writing()

    def _arm(self) -> None:
        self._disarm()
        self._since = self.loop.time()
        self._timer = self.loop.call_later(HEADERS_S, self.transport.abort)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Guard:
    """Refuses what is too much before a part of the application sees it: requests at once, bodies, time (ASGI).

    A body is read whole, so that what is slow waits here and in no thread.
    """

    def __init__(self, app: ASGIApp, most: int = MOST_BODY) -> None:
        self._app = app
        self._most = most
        self._at_once = 0
        self._uploads = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request (ASGI)."""
        if scope["type"] != "http" or scope["path"] == ALWAYS:
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        self._at_once += 1
        try:
            if self._at_once > MOST_AT_ONCE:
                raise _busy()
            if scope["method"] == "POST" and UPLOADS.fullmatch(scope["path"]):
                await self._upload(scope, headers, receive, send)
                return
            body = await self._body(headers, receive, self._most, BODY_S)
            if body is None:
                return
            if body and scope["path"].startswith("/api/"):
                _refuse_nonsense(body)
        except RequestError as refused:
            lang = language(headers.get(b"accept-language", b"").decode("latin-1"))
            await problem(refused, lang)(scope, receive, send)
        else:
            await self._app(scope, _replayed(body, receive), send)
        finally:
            self._at_once -= 1

    async def _upload(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send) -> None:
        """Handle a request that brings a file."""
        if self._uploads >= MOST_UPLOADS:
            raise _busy()
        self._uploads += 1
        try:
            body = await self._body(headers, receive, MOST_UPLOAD, UPLOAD_S)
            if body is not None:
                await self._app(scope, _replayed(body, receive), send)
        finally:
            self._uploads -= 1

    async def _body(self, headers: dict[bytes, bytes], receive: Receive, most: int, within: float) -> bytes | None:
        """Return the body, of at most so many bytes, that comes within so many s; None: the client has gone."""
        length = headers.get(b"content-length", b"0")
        if b"transfer-encoding" in headers or not length.isdigit() or int(length) > most:
            text = Text(
                f"the body must have a Content-Length of at most {most} bytes",
                f"请求体须带Content-Length且不超过{most}字节",
            )
            raise RequestError(413, text, headers={"Connection": "close"})
        body = bytearray()
        try:
            async with asyncio.timeout(within):
                more = int(length) > 0
                while more:
                    message = await receive()
                    if message["type"] != "http.request":
                        return None
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
        except TimeoutError:
            text = Text(f"the body did not come within {within:g} s", f"请求体未在{within:g}秒内发送完毕")
            raise RequestError(408, text, headers={"Connection": "close"}) from None
        return bytes(body)


def _busy() -> RequestError:
    text = Text("the hub answers as many requests as it can; ask again", "数据中心繁忙，请重试")
    return RequestError(503, text, headers={"Retry-After": f"{math.ceil(BODY_S / 2)}", "Connection": "close"})


def _refuse_nonsense(body: bytes) -> None:
    try:
        strict_json(body)
    except JsonError as error:
        raise RequestError(422, Text(f"the body is no JSON: {error}", f"不是有效的JSON：{error}"), "body") from None


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body first."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
