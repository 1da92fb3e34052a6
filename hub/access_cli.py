"""`fenceline access`: who may use the HTTP API."""

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fenceline import UserError
from hub.access import Access, AccessError
from hub.alert_desk import transaction
from hub.compliance import STEPS
from hub.config import ConfigError, load_config
from hub.database import DatabaseError, open_database
from hub.language import LangOption, Text, system_language

app = typer.Typer(add_completion=False, no_args_is_help=True)

Configuration = Annotated[Path, typer.Option("--config", help="The hub's configuration: it names the data folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
FENCELINE = Path("fenceline.toml")

ONCE = Text(
    "This token is shown once and kept nowhere. Give it to {name}, who sends it as: Authorization: Bearer TOKEN",
    "此令牌仅显示一次，系统不保存。请交给{name}，使用方式：Authorization: Bearer 令牌",
)
REVOKED = Text("{name} has no access any more.", "{name}的访问权限已撤销。")
COLUMNS = (Text("User", "用户"), Text("Role", "角色"), Text("Since", "创建时间"), Text("Revoked", "撤销时间"))


class RoleName(StrEnum):
    """What a user may do."""

    viewer = "viewer"
    technician = "technician"
    officer = "officer"
    admin = "admin"


@app.callback()
def access() -> None:
    """Who may use the HTTP API: one token for each user.

    viewer: reads. technician: also registers boards and tells of calibrations. officer: reads, acknowledges, comments,
    and closes what is resolved. admin: everything, also closes what is not, and decides on maintenance windows.
    """


@app.command(epilog="Example: fenceline access add li-wei --role officer")
def add(
    name: Annotated[str, typer.Argument(help="Who: small letters, digits and -.", show_default=False)],
    role: Annotated[RoleName, typer.Option(help="What they may do.")] = RoleName.viewer,
    as_json: AsJson = False,
    config: Configuration = FENCELINE,
    lang: LangOption = None,
) -> None:
    """Make a token and show it once."""
    with opened(config) as users:
        token = users.add(name, role.value, time.time())
    if as_json:
        print(json.dumps({"name": name, "role": role.value, "token": token}))
        return
    print(token)
    typer.echo(ONCE.into(lang or system_language()).format(name=name), err=True)


@app.command("list", epilog="Examples: fenceline access list | fenceline access list --json")
def list_(as_json: AsJson = False, config: Configuration = FENCELINE, lang: LangOption = None) -> None:
    """List the users; of a token nothing is kept that could be shown."""
    with opened(config) as users:
        rows = users.users()
    if as_json:
        names = ("name", "role", "made", "revoked")
        told = [(name, role, _time(made), _time(revoked)) for name, role, made, revoked in rows]
        print(json.dumps([dict(zip(names, row, strict=True)) for row in told]))
        return
    table = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column.into(lang or system_language()), overflow="fold")
    for name, role, made, revoked in rows:
        table.add_row(name, role, _time(made), _time(revoked) or "-")
    Console(highlight=False).print(table)


@app.command(epilog="Example: fenceline access revoke li-wei")
def revoke(
    name: Annotated[str, typer.Argument(help="Whose token.", show_default=False)],
    config: Configuration = FENCELINE,
    lang: LangOption = None,
) -> None:
    """Take a user's token back; it is refused from then on."""
    with opened(config) as users:
        users.revoke(name, time.time())
    print(REVOKED.into(lang or system_language()).format(name=name))


@contextmanager
def opened(config: Path) -> Iterator[Access]:
    """Open the users of the hub at `config`; what is done inside is one transaction."""
    try:
        path = load_config(config).data / "compliance.db"
        with closing(open_database(path, STEPS)) as db, transaction(db):
            yield Access(db)
    except (ConfigError, DatabaseError, AccessError) as error:
        raise UserError(str(error)) from error


def _time(when: float | None) -> str | None:
    return None if when is None else f"{datetime.fromtimestamp(when, UTC):%Y-%m-%dT%H:%M:%SZ}"
