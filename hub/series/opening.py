"""Opens the series store that the configuration names."""

import os

from hub.config.files import Config, ConfigError
from hub.log.log import Log
from hub.series import InfluxStore, SqliteStore, Store
from schemas import Quantity


def open_store(config: Config, quantities: dict[str, Quantity]) -> Store:
    """Return the series store that the configuration names.

    Raises:
        ConfigError: InfluxDB's address or token is not in the environment.
    """
    check_store(config)
    if config.store.kind == "sqlite":
        return SqliteStore(config.data / "series.db")
    return InfluxStore(config.store.bucket, Log(config.data / "log.db"), quantities)


def check_store(config: Config) -> None:
    """Raise ConfigError when InfluxDB's address or token is not in the environment."""
    if config.store.kind == "influxdb":
        for name in ("INFLUXDB_V2_URL", "INFLUXDB_V2_TOKEN", "INFLUXDB_V2_ORG"):
            if not os.environ.get(name):
                raise ConfigError(
                    f'store: kind = "influxdb" needs the environment variable {name}; set it and start again'
                )
