"""Grafana dashboards as code, so that what inspectors see is typed, reviewed and the same in both languages."""

from dashboards.generate import PanelQuery, files, queries
from dashboards.texts import Lang

__all__ = ["Lang", "PanelQuery", "files", "queries"]
