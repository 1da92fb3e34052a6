"""What dashboards need beside the readings, as points for InfluxDB: verdicts, alerts, budgets, the fleet, the hub."""

from hub.reports.law import Law
from hub.reports.sink import Reports

__all__ = ["Law", "Reports"]
