"""Series stores behind one interface: the embedded one and InfluxDB."""

from hub.errors import StoreError
from hub.stores.base import PERIODS, Rollup, Store
from hub.stores.influx import InfluxStore
from hub.stores.sqlite import SqliteStore

__all__ = ["PERIODS", "InfluxStore", "Rollup", "SqliteStore", "Store", "StoreError"]
