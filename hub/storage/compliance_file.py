"""The compliance database of a hub: where it is, and how it is opened; each package brings its own tables."""

import sqlite3
from pathlib import Path

from hub.config.files import Config, ConfigError
from hub.storage.compliance_history import HISTORY
from hub.storage.database import Part, open_shared

COMPLIANCE = "compliance.db"


def open_compliance(
    path: Path, *parts: Part, factory: type[sqlite3.Connection] = sqlite3.Connection
) -> sqlite3.Connection:
    """Open a compliance database with the tables of `parts`: each is the `PART` of a package's `tables.py`.

    Whoever opens it names its own part and those that it writes to through other packages.

    Raises:
        DatabaseError: it was made by a later version, or cannot be opened.
    """
    return open_shared(path, HISTORY, *parts, factory=factory)


def compliance_of(config: Config, district: str = "") -> Path:
    """Return the path of the database with the alerts and users of a district (empty: of the only hub there is).

    Raises:
        ConfigError: every district has a hub of its own, and none was named.
    """
    if district and (district in config.districts or (config.data / district / COMPLIANCE).exists()):
        return config.data / district / COMPLIANCE
    path = config.data / COMPLIANCE
    if district or path.exists():
        return path
    own = sorted({*config.districts, *(found.parent.name for found in config.data.glob(f"*/{COMPLIANCE}"))})
    if own:
        raise ConfigError(f"every district has a hub of its own here; name one with --district: {', '.join(own)}")
    return path
