"""Takes points out of InfluxDB whose values do not hold any more: InfluxDB overwrites a field, but never clears one.

So a point that is amended to say less is removed, and what holds of it is written again. InfluxQL's DELETE does it on
InfluxDB 1.x and 2.x. A store without it (InfluxDB 3) keeps what it has: that is logged, and holds nothing up.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from hub.log.errors import StoreError
from hub.series.answers import silence

AT_ONCE = 50
"""Statements in one request."""
_LATER = {401, 403, 408, 429}
"""Answers that another time, or another token, changes; as those from 500 on."""

log = logging.getLogger("hub.stores.influx")


class Span(NamedTuple):
    """Points of one series in `start` <= t < `end`, Unix s."""

    measurement: str
    tags: Mapping[str, str | None]
    start: int
    end: int

    def statement(self) -> str:
        """Return what removes them, as InfluxQL."""
        tags = [
            f"\"{_escaped(tag, chr(34))}\" = '{_escaped(value, chr(39))}'" for tag, value in self.tags.items() if value
        ]
        where = " AND ".join([*tags, f"time >= {self.start}s", f"time < {self.end}s"])
        return f'DELETE FROM "{_escaped(self.measurement, chr(34))}" WHERE {where}'  # noqa: S608 - all of it is escaped


class Eraser:
    """Removes points from the bucket behind `client`."""

    def __init__(self, client: InfluxDBClient, bucket: str) -> None:
        self._client = client
        self._bucket = bucket
        self._refused = False

    def erase(self, spans: Sequence[Span]) -> None:
        """Remove points.

        Raises:
            StoreError: not now.
        """
        for some in _batched([span.statement() for span in spans]):
            refusal = self._ask("; ".join(some))
            if refusal and not self._refused:
                log.warning(
                    "the store removes no points (%s): panels go on showing values that do not hold any more; the "
                    "verdicts and the log are right",
                    refusal,
                )
            self._refused = bool(refusal)

    def _ask(self, statements: str) -> str:
        """Ask for it; return why it is not done, empty if it is."""
        try:
            answer = self._client.api_client.call_api(  # type: ignore[no-untyped-call]
                "/query",
                "POST",
                query_params=[("db", self._bucket), ("q", statements)],
                _preload_content=False,
                _return_http_data_only=True,
            )
            said = json.loads(answer.data or b"{}")
        except ApiException as error:
            if error.status in _LATER or (error.status or 500) >= 500:
                raise StoreError(f"InfluxDB cannot remove points now (HTTP {error.status})") from error
            return f"HTTP {error.status}"
        except (HTTPError, OSError, ValueError) as error:
            raise StoreError(f"InfluxDB does not answer: {silence(error)}") from error
        results = said.get("results", []) if isinstance(said, dict) else []
        return next((str(one["error"]) for one in results if isinstance(one, dict) and "error" in one), "")


def _batched(statements: list[str]) -> Iterator[list[str]]:
    wanted = list(dict.fromkeys(statements))
    for first in range(0, len(wanted), AT_ONCE):
        yield wanted[first : first + AT_ONCE]


def _escaped(text: str, quote: str) -> str:
    return text.replace("\\", "\\\\").replace(quote, f"\\{quote}")
