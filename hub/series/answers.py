"""What an InfluxDB's answer means when it is not "taken": does it speak of the points, or of the server?

The number does not tell. For one point that is older than the bucket keeps, InfluxDB 1.8 answers 400, 2.0 answers 500
and 2.7 answers 422; a cluster that is overloaded answers 400 or 500, and a proxy whatever it likes. So the text counts.
It names fields, series and boards, which people chose: what stands in quotes is left out.

What is said of points is a suspicion, until the server takes a point that is known to be good (`hub.series.influx`).
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

TOO_LARGE = 413
MOST_SAID = 500
"""Characters of an answer that are kept: a proxy sends a whole page."""

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
        return f"{self.status}: {self.said}"

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
    except ValueError:
        told = None
    if isinstance(told, dict):
        lines = told.get("data")
        reasons = lines if isinstance(lines, list) else [lines]
        parts = [told.get("message") or told.get("error")]
        parts += [reason.get("error_message") for reason in reasons if isinstance(reason, dict)]
        said = ": ".join(str(part) for part in parts if part)
    else:
        said = body or (error.message if error.status else error.reason) or ""
    return " ".join(str(said).split())[:MOST_SAID]


def _seconds(retry_after: str | None) -> float:
    """Return what a Retry-After header asks for (RFC 9110, 10.2.3: seconds or a date), s."""
    try:
        return Retry().parse_retry_after(retry_after) if retry_after else 0
    except HTTPError:
        return 0
