"""InfluxDB through its own client: any server that takes the v2 write API (1.8+, 2.x, 3.x, openGemini).

Measurement = family of the quantity, tags district, site, device, fields = quantity keys, time = start of the interval.
What is not flag N goes to measurement `flagged` with tags quantity and flag, so that no query averages it in. A point
is identified by measurement, tags and time, so writing it again changes nothing. Behind the second stand the record's
last digits as nanoseconds: a board whose clock was set back makes two records for one second, and both are kept.
"""

from collections import defaultdict

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from hub.log import Log
from hub.readings import Reading
from hub.stores.base import StoreError
from schemas import Quantity

CONSUMER = "influxdb"


def lines(readings: list[Reading], quantities: dict[str, Quantity]) -> list[str]:
    """Return the readings as line protocol, the fields of one record and family in one line.

    Ids and keys need no escaping: the contract allows only letters, digits, `-` and `_` in them.
    """
    points: dict[tuple[str, int], list[str]] = defaultdict(list)
    for r in readings:
        moment = r.t * 1_000_000_000 + r.seq % 1_000_000
        tags = f"device={r.device},district={r.district},site={r.site}"
        if r.flag == "N" and r.value is not None:
            points[f"{quantities[r.quantity].family},{tags}", moment].append(f"{r.quantity}={float(r.value)!r}")
        else:
            fields = points[f"flagged,{tags},flag={r.flag},quantity={r.quantity}", moment]
            fields.append(f"dt={float(r.dt)!r}")
            if r.value is not None:
                fields.append(f"value={float(r.value)!r}")
    return [f"{series} {','.join(fields)} {moment}" for (series, moment), fields in points.items()]


class InfluxStore:
    """Series in InfluxDB; where the client finds the server is told by INFLUXDB_V2_URL, _TOKEN and _ORG.

    The position is kept in the hub's log, after the write: a crash between the two writes some points a second time.
    """

    def __init__(self, bucket: str, log: Log, quantities: dict[str, Quantity]) -> None:
        self._bucket = bucket
        self._log = log
        self._quantities = quantities
        self._client = InfluxDBClient.from_env_properties()  # type: ignore[no-untyped-call]
        self._api = self._client.write_api(write_options=SYNCHRONOUS)

    def position(self) -> int:
        """See `Store`."""
        return self._log.position(CONSUMER)

    def write(self, readings: list[Reading], position: int) -> None:
        """See `Store`."""
        batch = lines(readings, self._quantities)
        try:
            if batch:
                self._api.write(self._bucket, record=batch, write_precision=WritePrecision.NS)
        except ApiException as error:
            raise StoreError(f"InfluxDB refused {len(batch)} points: {error.status} {error.message}") from error
        except (HTTPError, OSError) as error:
            raise StoreError(f"InfluxDB does not answer: {error}") from error
        self._log.save_position(CONSUMER, position)

    def close(self) -> None:
        """See `Store`."""
        self._api.close()
        self._client.close()
        self._log.close()
