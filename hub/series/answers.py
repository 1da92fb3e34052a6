"""What an InfluxDB's answer means when it is not "taken": does it speak of the points, or of the server?

The number does not tell. For one point that is older than the bucket keeps, InfluxDB 1.8 answers 400, 2.0 answers 500
and 2.7 answers 422; a cluster that is overloaded answers 400 or 500, and a proxy whatever it likes. So the text counts.
It names fields, series and boards, which people chose: what stands in quotes is left out.

What is said of points is a suspicion, until the server takes a point that is known to be good (`hub.series.influx`).
"""

import html
import http.client
import json
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from influxdb_client.rest import ApiException
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)
from urllib3.util import Retry

TOO_LARGE = 413
MOST_SAID = 500
"""Characters of an answer that are kept: a proxy sends a whole page."""

MOST_TOLD = 200
"""Characters of a page that people are told."""
_SAYING = ("message", "error", "err", "error_message", "detail", "msg", "title", "reason")
"""Members of an answer in which a sentence stands: of v2, of v1 and openGemini, of v3's lines, of gateways."""
_HOLDING = ("data", "error", "errors", "results", "details")
"""Members in which more of them stand."""

_OF_POINTS = (
    # 1.x to 2.7: tsdb/shard.go, coordinator/points_writer.go, storage/points_writer.go, models/points.go
    "field type conflict",
    "beyond retention policy",
    "outside retention policy",
    "unable to parse",
    "time outside range",
    "max key length exceeded",
    "limit exceeded",  # max-series-per-database, max-values-per-tag: of new series, while the others are taken
    # 3.x: "partial write of line protocol occurred", the reason beside each line
    "line protocol",
    "invalid column type",
    # openGemini: lib/errno/message.go
    "conflict field type",
    "point time is expired",
    "parse fail",
    "point is invalid",
    "invalid measurement",
    "missing tag value",
    "error tag array",
    "too many tag keys",
    "too many series",
)
_OF_SERVER = (
    "timeout",
    "timed out",
    "deadline",
    "canceled",
    "hinted handoff",  # of a cluster: a node is away; it may have taken the points, and takes them again
    "cache-max-memory-size",
    "cache maximum memory size",
    "rate limit",
    "not found",  # database, bucket, organization, retention policy, shard
    "authoriz",
    "authenticat",
    "permission",
    "read-only",
    "readonly",
    "read only",
    "no space",
    "too many open files",
    "memory",
    "engine",
    "shard",
    "no node",
    "connection",
    "max connections",
    "unavailable",
)
_OF_SERVER_ALWAYS = (401, 403, 404, 429)
_QUOTED = re.compile(r"""(?<!\w)'[^']*'|"[^"]*\"""")  # not from the apostrophe of "can't map point to shard" on
_DROPPED = re.compile(r"\bdropped=(\d+)")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer by which points were not taken, or not all of them.

    `status`: of HTTP. `said`: its text. `retry_after`: how long the server wants to rest, s.
    """

    status: int
    said: str
    retry_after: float = 0

    def __str__(self) -> str:
        if self._is_a_page:  # what a proxy shows to people; of the markup nobody learns anything
            return f"{self.status}: a web page says {_plain(self.said)!r}: it comes from a proxy or another server"
        return f"{self.status}: {self.said}" if self.said else f"{self.status}, without a word"

    @property
    def speaks_of_points(self) -> bool:
        """Whether one of the points may be the reason."""
        if self.names_a_reason or self.status == TOO_LARGE:
            return True
        if self.status in _OF_SERVER_ALWAYS or self._is_a_page or self._says(_OF_SERVER):
            return False
        return self.status in (400, 422) or self._says(("partial write",))

    @property
    def names_a_reason(self) -> bool:
        """Whether it says what is wrong with a point."""
        return self.status not in _OF_SERVER_ALWAYS and not self._is_a_page and self._says(_OF_POINTS)

    @property
    def _is_a_page(self) -> bool:
        return self.said.startswith("<")  # HTML: a proxy's

    def _says(self, texts: tuple[str, ...]) -> bool:
        words = _QUOTED.sub("", self.said).lower()
        return any(text in words for text in texts)

    @property
    def dropped(self) -> int:
        """How many points it says that it has left out; 0 where it does not say."""
        counts = _DROPPED.findall(self.said) if "partial write" in self.said else []
        return int(counts[-1]) if counts else 0


def answer_of(error: ApiException) -> Answer:
    """Return what a server answered."""
    return Answer(int(error.status or 0), _text(error), _seconds(error.retry_after))


def _text(error: ApiException) -> str:
    """Return what the body says: `message` of v2, `error` of v1 and openGemini, of v3 each line's reason beside it."""
    body = error.body
    try:
        told: Any = json.loads(body) if body else None
    except (ValueError, RecursionError):
        told = None
    if isinstance(told, dict | list):
        said = ": ".join(dict.fromkeys(_sentences(told))) or "it gives no reason"
    else:
        said = body or (error.message if error.status else error.reason) or ""
        said = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return " ".join("".join(c if c.isprintable() else " " for c in said).split())[:MOST_SAID]


def _sentences(told: object, depth: int = 4) -> Iterator[str]:
    """Yield what a JSON answer says to people, the general before the particular."""
    if isinstance(told, list) and depth:
        for one in told:
            yield from _sentences(one, depth - 1)
    elif isinstance(told, dict):
        for name in _SAYING:
            value = told.get(name)
            if isinstance(value, str) and value.strip():
                yield value
                break
        for name in _HOLDING:
            if depth and isinstance(told.get(name), dict | list):
                yield from _sentences(told[name], depth - 1)


def silence(error: BaseException) -> str:
    """Return why nothing answers, in a few words: what the libraries say is made for programmers."""
    found = [error]
    for one in found:  # the reason lies deepest
        found += [
            deeper
            for deeper in (getattr(one, "reason", None), one.__cause__, one.__context__)
            if deeper and isinstance(deeper, BaseException) and deeper not in found
        ][: 20 - len(found)]
    for one in found:
        if isinstance(one, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted: {one.verify_message}"
        if isinstance(one, NameResolutionError | socket.gaierror):
            return "its name is not known; look at the address"
        late = isinstance(one, ReadTimeoutError | ConnectTimeoutError) and not isinstance(one, NewConnectionError)
        if late or isinstance(one, TimeoutError):
            return "nothing came in time"
        if isinstance(one, ssl.SSLError):
            return f"no TLS connection: {(one.reason or str(one)).replace('_', ' ').lower()}"
    for one in found:
        if isinstance(one, OSError) and one.strerror:
            return one.strerror.lower()
    if any(isinstance(one, ProtocolError | http.client.HTTPException) for one in found):
        return "the connection was closed in the middle of an answer, or what answers speaks no HTTP"
    return _plain(str(found[-1]) or type(found[-1]).__name__)


def _plain(text: str) -> str:
    """Return a text without markup, the addresses of objects and line ends."""
    bare = re.sub(r"<(script|style)\b.*?</\1>|<[^<>]*>", " ", text, flags=re.DOTALL | re.IGNORECASE)
    return html.unescape(" ".join(bare.split()))[:MOST_TOLD]


def _seconds(retry_after: str | None) -> float:
    """Return what a Retry-After header asks for (RFC 9110, 10.2.3: seconds or a date) [s]."""
    try:
        return Retry().parse_retry_after(retry_after) if retry_after else 0
    except HTTPError:
        return 0
