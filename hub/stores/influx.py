"""InfluxDB through its own client: any server that takes the v2 write API (1.8+, 2.x, 3.x, openGemini).

Measurement = family of the quantity, tags district, site, device, fields = quantity keys, time = start of the interval.
What is not flag N goes to measurement `flagged` with tags quantity and flag, so that no query averages it in. A point
is identified by measurement, tags and time, so writing it again changes nothing. Behind the second stand the record's
last digits as nanoseconds: a board whose clock was set back makes two records for one second, and both are kept.

Rollups go to measurements FAMILY_10m, FAMILY_1h and FAMILY_24h with the same tags; beside field QUANTITY stand
QUANTITY_capture and, where they tell more, QUANTITY_max and QUANTITY_min.

What else dashboards need (verdicts, alerts, the fleet, ...) comes from `hub.reports`; dashboards/README.md lists all.
"""

import logging
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from hub.admission import Refused
from hub.log import Log
from hub.readings import Interval
from hub.stores.base import PERIODS, Rollup, StoreError
from schemas import Quantity

CONSUMER = "influxdb"
TOPIC = "store/influxdb"
"""Under which refused points stand in quarantine."""
MOST = 5000
"""Points in one request: the size that InfluxDB's makers recommend."""

_UNUSABLE = (400, 413, 422)
"""Answers that speak of the points; the others speak of the server, its configuration or its load."""
_REMEDIES = {
    401: "set INFLUXDB_V2_TOKEN to a token that may write to bucket {bucket!r}",
    403: "set INFLUXDB_V2_TOKEN to a token that may write to bucket {bucket!r}",
    404: "create bucket {bucket!r}, or mend [store] bucket or INFLUXDB_V2_ORG",
}

log = logging.getLogger("hub.stores.influx")


def lines(intervals: list[Interval], families: Mapping[str, str]) -> Iterator[str]:
    """Yield what was measured as line protocol, the values of one record and family in one line.

    Ids and keys need no escaping: the contract allows only letters, digits, `-` and `_` in them.
    """
    for i in intervals:
        tags = f"device={i.device},district={i.district},site={i.site}"
        # Boards that were copied may have the same number at the same moment: a branch is a millisecond behind.
        branch = int(i.stream.partition("~")[2] or 0)
        moment = i.t * 1_000_000_000 + branch * 1_000_000 + i.seq % 1_000_000
        points: dict[str, list[str]] = defaultdict(list)
        for quantity, value in i.values.items():
            points[families.get(quantity, "other")].append(f"{quantity}={float(value)!r}")
        for family, fields in points.items():
            yield f"{family},{tags} {','.join(fields)} {moment}"
        for quantity, (flag, found) in i.flagged.items():
            value_field = "" if found is None else f",value={float(found)!r}"
            yield f"flagged,{tags},flag={flag},quantity={quantity} dt={float(i.dt)!r}{value_field} {moment}"


def rollup_lines(rollups: list[Rollup], families: Mapping[str, str]) -> Iterator[str]:
    """Yield rollups as line protocol, those of one board, family and period in one line."""
    points: dict[str, list[str]] = defaultdict(list)
    for r in rollups:
        measurement = f"{families.get(r.quantity, 'other')}_{PERIODS[r.period]}"
        series = f"{measurement},device={r.device},district={r.district},site={r.site}"
        fields = {"": r.value, "_capture": r.capture, "_max": r.highest, "_min": r.lowest}
        points[f"{series} %s {r.start * 1_000_000_000}"] += [
            f"{r.quantity}{suffix}={float(value)!r}" for suffix, value in fields.items() if value is not None
        ]
    for point, fields_ in points.items():
        yield point % ",".join(fields_)


class InfluxStore:
    """Series in InfluxDB; where the client finds the server is told by INFLUXDB_V2_URL, _TOKEN and _ORG.

    The position is kept in the hub's log, after the write: a crash between the two writes some points a second time.
    A point that InfluxDB refuses goes to the log's quarantine with InfluxDB's reason; its neighbours are written.
    """

    def __init__(self, bucket: str, log: Log, quantities: dict[str, Quantity]) -> None:
        self._bucket = bucket
        self._log = log
        self._families = {key: quantity.family for key, quantity in quantities.items()}
        # It waits 10 s for an answer (INFLUXDB_V2_TIMEOUT), and does not try again by itself: our consumers do.
        self._client = InfluxDBClient.from_env_properties(retries=False)  # type: ignore[no-untyped-call]
        self._api = self._client.write_api(write_options=SYNCHRONOUS)
        self._lock = threading.Lock()

    def position(self) -> int:
        """See `Store`."""
        with self._lock:
            return self._log.position(CONSUMER)

    def write(self, intervals: list[Interval], position: int) -> None:
        """See `Store`."""
        self._write(list(lines(intervals, self._families)), position)

    def write_rollups(self, rollups: list[Rollup]) -> None:
        """See `Store`."""
        self._write(list(rollup_lines(rollups, self._families)))

    def write_lines(self, points: list[str]) -> None:
        """Write points that are line protocol already, as `write` does.

        Raises:
            StoreError: as for `write`.
        """
        self._write(points)

    def close(self) -> None:
        """See `Store`."""
        self._api.close()
        self._client.close()
        self._log.close()

    def _write(self, points: list[str], position: int | None = None) -> None:
        with self._lock:
            refused = self._send(points)
            if refused:
                log.warning("InfluxDB refused %d of %d points, e.g. %s", len(refused), len(points), refused[0].detail)
            try:
                for point in refused:
                    self._log.refuse(point, time.time())
                if position is not None:
                    self._log.save_position(CONSUMER, position)
            except sqlite3.Error as error:
                raise StoreError(f"what InfluxDB has taken cannot be noted in the log: {error}") from error

    def _send(self, points: list[str]) -> list[Refused]:
        """Write the points; return those that InfluxDB will never take.

        A request it refuses is halved until the bad points stand alone. It may have taken some of the others already;
        writing them again changes nothing.
        """
        refused: list[Refused] = []
        waiting = [points[first : first + MOST] for first in range(0, len(points), MOST)][::-1]
        while waiting:
            batch = waiting.pop()
            try:
                self._api.write(self._bucket, record="\n".join(batch).encode(), write_precision=WritePrecision.NS)
            except ApiException as error:
                if error.status not in _UNUSABLE:
                    raise self._explained(error) from error
                half = len(batch) // 2
                if half:
                    waiting += [batch[half:], batch[:half]]
                else:
                    refused.append(_refusal(batch[0], error))
            except (HTTPError, OSError) as error:
                raise StoreError(f"InfluxDB does not answer: {error}") from error
        return refused

    def _explained(self, error: ApiException) -> StoreError:
        said = f"{error.status}: {error.message}"
        if error.status in _REMEDIES:
            return StoreError(f"InfluxDB refused ({said}); {_REMEDIES[error.status].format(bucket=self._bucket)}")
        return StoreError(f"InfluxDB cannot take points now ({said})", _seconds(error.retry_after))


def _refusal(point: str, error: ApiException) -> Refused:
    device = point.partition("device=")[2].partition(",")[0]
    return Refused(TOPIC, point.encode(), device, "store", f"{error.status}: {error.message}")


def _seconds(retry_after: str | None) -> float:
    """Return what a Retry-After header asks for (RFC 9110, 10.2.3: seconds or a date), s."""
    try:
        return Retry().parse_retry_after(retry_after) if retry_after else 0
    except HTTPError:
        return 0
