"""`fenceline cases`: cases looked at and worked on at the hub's machine, without the HTTP API."""

from hub.cases.cli import acting, attaching, looking, telling
from hub.cases.cli.group import app

__all__ = ["acting", "app", "attaching", "looking", "telling"]
