"""Series stores behind one interface: the embedded one and InfluxDB."""

from hub.log.errors import StoreError
from hub.series.base import PERIODS, Rollup, Store
from hub.series.influx import InfluxStore
from hub.series.sqlite import SqliteStore

__all__ = ["PERIODS", "InfluxStore", "Rollup", "SqliteStore", "Store", "StoreError"]
