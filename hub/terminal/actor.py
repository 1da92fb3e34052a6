"""Who does something at the hub's own machine, as it stands in the audit trail."""

import getpass
import os

from schemas.errors import UserError

MOST = 64
"""Longest name, characters."""


def actor(given: str = "") -> str:
    """Return the system's user; with another name `given`, that name and for whom the system takes them.

    Raises:
        UserError: the name cannot stand in an audit trail.
    """
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # no name for this number, as in some containers
        user = f"uid-{os.getuid()}"
    name = given.strip()
    if not name or name == user:
        return user
    if len(name) > MOST or not name.isprintable() or name == "hub":
        raise UserError(f"--as {given!r}: expected a person's name of at most {MOST} characters, and not 'hub'")
    return f"{name} ({user})"
