"""Which engine of InfluxQL answers at an address, by what it says of itself (the headers of /ping)."""

from typing import NamedTuple

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException
from influxdb_client.service.ping_service import PingService
from urllib3.exceptions import HTTPError


class Engine(NamedTuple):
    """A server's name and version; the version is empty where it tells none."""

    name: str
    version: str

    @property
    def is_gemini(self) -> bool:
        """Whether it is openGemini."""
        return self.name == "openGemini"

    @property
    def ignores_org(self) -> bool:
        """Whether it knows no organisations: those came with InfluxDB 2."""
        return self.is_gemini or self.version.removeprefix("v").startswith("1.")


def engine_at(client: InfluxDBClient) -> Engine | None:
    """Return what answers; None if nobody does."""
    try:
        _, _, headers = PingService(client.api_client).get_ping_with_http_info()  # type: ignore[no-untyped-call]
    except (ApiException, HTTPError, OSError, ValueError):
        return None
    if "X-Geminidb-Version" in headers:
        return Engine("openGemini", headers["X-Geminidb-Version"])
    return Engine("InfluxDB", headers.get("X-Influxdb-Version", ""))
