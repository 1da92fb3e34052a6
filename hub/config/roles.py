"""The roles in which people use the hub: `fenceline.toml` may name them, `hub.access` says what each may do."""

from typing import Literal

Own = Literal["viewer", "technician", "collector", "officer", "dispatcher", "handler", "supervisor", "admin"]
"""Of the city's own people: groups of the city's sign-on may give them."""
Role = Literal[Own, "company"]
"""company: somebody of an enterprise that is watched, who sees nothing but that."""
