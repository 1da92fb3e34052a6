"""Opens the orders of a hub for a command line."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from hub.config.files import ConfigError, load_config
from hub.orders.keys import KeyBook, publish
from hub.orders.kinds import OrderError
from hub.orders.tables import PART
from hub.registry.live import Registry, load_registry
from hub.registry.rotated import FILE
from hub.storage.compliance_file import COMPLIANCE, compliance_of, open_compliance
from schemas.errors import UserError
from schemas.language import tell

log = logging.getLogger("hub.orders")


@contextmanager
def opened(config: Path, district: str = "", place: str = "") -> Iterator[tuple[sqlite3.Connection, Registry]]:
    """Open the database of a district's hub, or of the one to which a `place` belongs, a board or a site."""
    settings = load_config(config)
    registry = load_registry(settings)
    site = registry.boards[place].site if place in registry.boards else place
    if site in registry.sites:
        district = registry.sites[site].district
    with closing(open_compliance(compliance_of(settings, district), PART)) as db:
        try:
            yield db, registry
        except OrderError as error:
            raise UserError(tell(error.text)) from error


def publish_keys(data: Path, now: float) -> None:
    """Bring the file in a hub's data folder to what its database says, before the hub starts."""
    if not (data / COMPLIANCE).exists():
        return
    try:
        with closing(open_compliance(data / COMPLIANCE, PART)) as db:
            publish(KeyBook(db), data, now)
    except (sqlite3.Error, ConfigError) as error:
        log.warning("%s: stays as it is for now: %s", data / FILE, error)
