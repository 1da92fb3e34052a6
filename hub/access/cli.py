"""`fenceline access`: who may use the HTTP API."""

import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from hub.access.tokens import Access, AccessError, Role
from hub.terminal.actor import actor
from hub.terminal.commands import argument, command, group, option
from hub.terminal.json_lines import print_list, print_object
from hub.terminal.options import FENCELINE, AsJson, Config, HubOf
from hub.terminal.tables import table
from schemas.errors import UserError
from schemas.language import Text, tell

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
ACTS = {"added": Text("added", "创建"), "revoked": Text("revoked", "撤销")}


app = group(
    Text(
        """Who may use the HTTP API: one token for each user.

        viewer: reads. technician: also registers boards, gives them orders and tells of calibrations. officer: reads,
        acknowledges, comments, and closes what is resolved. admin: everything, also closes what is not, and decides on
        maintenance windows.""",
        """HTTP 接口的访问权限：每个用户一个令牌。

        viewer：只读。technician：还可登记设备、下达指令、上报校准。officer：读取、确认、备注，关闭已解除的告警。
        admin：全部权限，包括关闭未解除的告警和设置维护时段。""",
    ),
    "fenceline access add officer-2 --role officer",
    "fenceline access list",
)


@command(
    app,
    "add",
    Text("Make a token and show it once.", "创建令牌，仅显示一次。"),
    "fenceline access add officer-2 --role officer",
    "fenceline access add fence-crew --role technician --json",
)
def add(
    name: Annotated[str, argument(Text("Who: small letters, digits and -.", "用户名：小写字母、数字和 -。"), "NAME")],
    role: Annotated[Role, option(Text("What they may do.", "权限。"))] = "viewer",
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Make a token and show it once."""
    with opened(config, district) as users:
        token = users.add(name, role, time.time(), actor())
    if as_json:
        print_object({"name": name, "role": role, "token": token})
        return
    print(token)
    print(tell(ONCE).format(name=name), file=sys.stderr)


@command(
    app,
    "list",
    Text("List the users; of a token nothing is kept that could be shown.", "列出用户；令牌本身不保存，无法显示。"),
    "fenceline access list",
    "fenceline access list --json",
)
def list_(as_json: AsJson = False, district: HubOf = "", config: Config = FENCELINE) -> None:
    """List the users."""
    with opened(config, district) as users:
        rows = [(name, role, _time(made), _time(revoked)) for name, role, made, revoked in users.users()]
    if as_json:
        names = ("name", "role", "made", "revoked")
        print_list((dict(zip(names, row, strict=True)) for row in rows), "users")
    elif rows:
        table([tell(head) for head in COLUMNS], [[cell or "-" for cell in row] for row in rows])
    else:
        print(tell(NOBODY))


@command(
    app,
    "history",
    Text("Show who let whom in, and whose access was revoked when.", "查看权限的创建与撤销记录。"),
    "fenceline access history",
    "fenceline access history --json",
)
def history(as_json: AsJson = False, district: HubOf = "", config: Config = FENCELINE) -> None:
    """Show who let whom in."""
    with opened(config, district) as users:
        rows = [(_time(when) or "", who, what, name, role) for when, who, what, name, role in users.history()]
    if as_json:
        names = ("time", "who", "what", "name", "role")
        print_list((dict(zip(names, row, strict=True)) for row in rows), "steps")
        return
    heads = [tell(head) for head in (WHEN, BY, WHAT, *COLUMNS[:2])]
    table(heads, [(when, who, tell(ACTS[what]), *rest) for when, who, what, *rest in rows])


@command(
    app,
    "revoke",
    Text("Take a user's token back; it is refused from then on.", "撤销用户的令牌，即刻失效。"),
    "fenceline access revoke officer-2",
)
def revoke(
    name: Annotated[str, argument(Text("Whose token.", "用户名。"), "NAME")],
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Take a user's token back."""
    with opened(config, district) as users:
        users.revoke(name, time.time(), actor())
    print(tell(REVOKED).format(name=name))


@contextmanager
def opened(config: Path, district: str) -> Iterator[Access]:
    """Open the users of a hub, of a district's where each has its own; what is done inside is one transaction."""
    from hub.access.tables import PART
    from hub.config.files import ConfigError, load_config
    from hub.storage.compliance_file import compliance_of, open_compliance
    from hub.storage.database import DatabaseError, transaction

    try:
        path = compliance_of(load_config(config), district)
        with closing(open_compliance(path, PART)) as db, transaction(db):
            yield Access(db)
    except (ConfigError, DatabaseError, AccessError) as error:
        raise UserError(str(error)) from error


def _time(when: float | None) -> str | None:
    return None if when is None else f"{datetime.fromtimestamp(when, UTC):%Y-%m-%dT%H:%M:%SZ}"
