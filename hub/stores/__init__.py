"""Series stores behind one interface: the embedded one and InfluxDB."""

from hub.stores.base import Store
from hub.stores.influx import InfluxStore
from hub.stores.sqlite import SqliteStore

__all__ = ["InfluxStore", "SqliteStore", "Store"]
