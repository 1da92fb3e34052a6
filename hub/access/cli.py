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
from rich.text import Text as RichText

from hub.access.tables import PART
from hub.access.tokens import Access, AccessError
from hub.config.files import ConfigError, load_config
from hub.storage.compliance_file import compliance_of, open_compliance
from hub.storage.database import DatabaseError, transaction
from hub.terminal.doer import doer
from schemas.errors import UserError
from schemas.language import Lang, Text, system_language
from schemas.language_option import LangOption

app = typer.Typer(add_completion=False, no_args_is_help=True)

Configuration = Annotated[Path, typer.Option("--config", help="The hub's configuration: it names the data folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
District = Annotated[
    str,
    typer.Option("--district", help="The hub of this district, where each has its own.", show_default="the only hub"),
]
FENCELINE = Path("fenceline.toml")

ONCE = Text(
    "This token is shown once and kept nowhere. Give it to {name}, who sends it as: Authorization: Bearer TOKEN",
    "此令牌仅显示一次，系统不保存。请交给{name}，使用方式：Authorization: Bearer 令牌",
)
REVOKED = Text("{name} has no access any more.", "{name}的访问权限已撤销。")
COLUMNS = (
    Text("User", "用户"),
    Text("Role", "角色"),
    Text("Since (UTC)", "创建时间（UTC）"),
    Text("Revoked", "撤销时间"),
)
NOBODY = Text(
    "nobody has access yet: fenceline access add NAME --role officer",
    "尚无用户：fenceline access add 姓名 --role officer",
)
WHEN, BY, WHAT = Text("Time (UTC)", "时间（UTC）"), Text("By", "操作人"), Text("What", "操作")
ADDED, TAKEN = Text("added", "创建"), Text("revoked", "撤销")


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


@app.command(epilog="Example: fenceline access add officer-2 --role officer")
def add(
    name: Annotated[str, typer.Argument(help="Who: small letters, digits and -.", show_default=False)],
    role: Annotated[RoleName, typer.Option(help="What they may do.")] = RoleName.viewer,
    as_json: AsJson = False,
    district: District = "",
    config: Configuration = FENCELINE,
    lang: LangOption = None,
) -> None:
    """Make a token and show it once."""
    with opened(config, district) as users:
        token = users.add(name, role.value, time.time(), doer())
    if as_json:
        print(json.dumps({"name": name, "role": role.value, "token": token}))
        return
    print(token)
    typer.echo(ONCE.into(lang or system_language()).format(name=name), err=True)


@app.command("list", epilog="Examples: fenceline access list | fenceline access list --json")
def list_(
    as_json: AsJson = False, district: District = "", config: Configuration = FENCELINE, lang: LangOption = None
) -> None:
    """List the users; of a token nothing is kept that could be shown."""
    with opened(config, district) as users:
        rows = users.users()
    if as_json:
        names = ("name", "role", "made", "revoked")
        told = [(name, role, _time(made), _time(revoked)) for name, role, made, revoked in rows]
        print(json.dumps([dict(zip(names, row, strict=True)) for row in told]))
        return
    lang = lang or system_language()
    if not rows:
        print(NOBODY.into(lang))
        return
    _print_table(
        COLUMNS, [(name, role, _time(made), _time(revoked) or "-") for name, role, made, revoked in rows], lang
    )


@app.command(epilog="Examples: fenceline access history | fenceline access history --json")
def history(
    as_json: AsJson = False, district: District = "", config: Configuration = FENCELINE, lang: LangOption = None
) -> None:
    """Show who let whom in, and whose access was revoked when."""
    with opened(config, district) as users:
        rows = [(_time(when), who, what, name, role) for when, who, what, name, role in users.history()]
    if as_json:
        names = ("time", "who", "what", "name", "role")
        print(json.dumps([dict(zip(names, row, strict=True)) for row in rows], ensure_ascii=False))
        return
    lang = lang or system_language()
    acts = {"added": ADDED.into(lang), "revoked": TAKEN.into(lang)}
    _print_table(
        (WHEN, BY, WHAT, *COLUMNS[:2]), [(when, who, acts[what], *rest) for when, who, what, *rest in rows], lang
    )


@app.command(epilog="Example: fenceline access revoke officer-2")
def revoke(
    name: Annotated[str, typer.Argument(help="Whose token.", show_default=False)],
    district: District = "",
    config: Configuration = FENCELINE,
    lang: LangOption = None,
) -> None:
    """Take a user's token back; it is refused from then on."""
    with opened(config, district) as users:
        users.revoke(name, time.time(), doer())
    print(REVOKED.into(lang or system_language()).format(name=name))


@contextmanager
def opened(config: Path, district: str) -> Iterator[Access]:
    """Open the users of a hub, of a district's where each has its own; what is done inside is one transaction."""
    try:
        path = compliance_of(load_config(config), district)
        with closing(open_compliance(path, PART)) as db, transaction(db):
            yield Access(db)
    except (ConfigError, DatabaseError, AccessError) as error:
        raise UserError(str(error)) from error


def _print_table(columns: tuple[Text, ...], rows: list[tuple[str | None, ...]], lang: Lang) -> None:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.into(lang), overflow="fold")
    for row in rows:
        table.add_row(*[RichText(cell or "") for cell in row])
    console = Console(highlight=False)
    (console if console.is_terminal else Console(highlight=False, width=200)).print(table)


def _time(when: float | None) -> str | None:
    return None if when is None else f"{datetime.fromtimestamp(when, UTC):%Y-%m-%dT%H:%M:%SZ}"
