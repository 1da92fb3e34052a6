"""Opens the cases of a hub."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from hub.access.tokens import User
from hub.cases.desk import CaseDesk
from hub.cases.refusal import CaseError
from hub.cases.rules.rulebook import Rulebook
from hub.cases.tables import FILE, STEPS
from hub.config.files import ConfigError, load_config
from hub.registry.live import Registry, load_registry
from hub.storage.compliance_file import compliance_of
from hub.storage.database import DatabaseError, open_database
from schemas.errors import UserError
from schemas.language import Text, tell

NOT_THERE = Text(
    "{path}: there are no cases yet; 'fenceline cases open' makes the first, or --config names another hub",
    "{path}：尚无案件；请先用fenceline cases open上报，或用--config指定其他数据中心",
)


def open_cases(data: Path, factory: type[sqlite3.Connection] = sqlite3.Connection) -> sqlite3.Connection:
    """Open the database of cases in a hub's data folder.

    Raises:
        DatabaseError: it was made by a later version, or cannot be opened.
    """
    return open_database(data / FILE, STEPS, factory)


@contextmanager
def opened(
    config_file: Path, district: str, who: str, *, make: bool = False
) -> Iterator[tuple[CaseDesk, Registry, Path]]:
    """Open the cases of a district's hub for somebody at the hub's machine, who may do it all.

    `make`: where there are none yet, the database is made. The path is that of the hub's alerts.
    """
    try:
        config = load_config(config_file)
        registry = load_registry(config)
        rules = Rulebook(config.cases.folder, registry.zone)
        compliance = compliance_of(config, district)
        if not make and not compliance.with_name(FILE).exists():
            raise UserError(tell(NOT_THERE).format(path=compliance.with_name(FILE)))
        with closing(open_cases(compliance.parent)) as db:
            user = User(who, "admin")
            desk = CaseDesk(db, rules, registry, time.time, user, joined=config.cases.joined)
            desk.follow_calendar()
            yield desk, registry, compliance
    except (ConfigError, DatabaseError) as error:
        raise UserError(str(error)) from error
    except CaseError as error:
        field = {"id": "", "act": ""}.get(error.field, f"{error.field}: ")
        raise UserError(f"{field}{tell(error.text)}") from error
