"""The roles in which people use the hub: `fenceline.toml` may name them, `hub.access` says what each may do."""

from typing import Literal

Role = Literal["viewer", "technician", "collector", "officer", "dispatcher", "handler", "supervisor", "admin"]
