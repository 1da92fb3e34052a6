"""`fenceline access`: who may use the console and the HTTP API."""

import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from hub.access.tokens import NAME, Access, AccessError, Role
from hub.access.words import ACTS
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
    Text("Districts", "区"),
    Text("Since (UTC)", "创建时间（UTC）"),
    Text("Revoked", "撤销时间"),
    Text("Second factor", "两步验证"),
    Text("Enterprise", "排污单位"),
)
YES = Text("yes", "已启用")
NOBODY = Text(
    "nobody has access yet: fenceline access add NAME --role officer",
    "尚无用户：fenceline access add 姓名 --role officer",
)
WHEN, BY, WHAT = Text("Time (UTC)", "时间（UTC）"), Text("By", "操作人"), Text("What", "操作")
CHANGED = Text(
    "{name} is {role} from the next request on, districts: {districts}.",
    "{name}的角色现为{role}，管辖区：{districts}，即刻生效。",
)
RESET = Text(
    "{name} is asked for no code any more, and may set up another phone.",
    "{name}登录时不再需要验证码，可重新绑定手机。",
)
ALL = Text("all", "全部")
LINKED = Text(
    "It signs {name} in once, within {hours:.0f} hours. Whoever has it can use it: send it to nobody else.",
    "{name}可凭此链接登录一次，{hours:.0f}小时内有效。持有链接即可登录，请勿转发。",
)


app = group(
    Text(
        """Who may use the console and the HTTP API: one token for each user, and links to sign in to the console.

        viewer: reads. technician: also registers boards, gives them orders and tells of calibrations. officer: reads,
        acknowledges, comments, and closes what is resolved; files, checks and closes cases. collector: verifies and
        inspects cases on site. dispatcher: sends them to departments. handler: works on them. supervisor: watches over
        them. admin: everything, also closes alerts that are not resolved, and decides on maintenance windows.
        company: somebody of an enterprise, who sees nothing but its outlets and marks periods of theirs.""",
        """管理台和 HTTP 接口的访问权限：每个用户一个令牌，并可生成管理台登录链接。

        viewer：只读。technician：还可登记设备、下达指令、上报校准。officer：读取、确认、备注，关闭已解除的告警；案件立案、核查、结案。
        collector：现场核实、核查案件。dispatcher：派遣案件。handler：处置案件。supervisor：督办、强制结案、决定申诉。
        admin：全部权限，包括关闭未解除的告警和设置维护时段。company：排污单位人员，仅可查看和标记本单位的排放口。""",
    ),
    "fenceline access add officer-2 --role officer",
    "fenceline access link officer-2",
)


@command(
    app,
    "add",
    Text("Make a token and show it once.", "创建令牌，仅显示一次。"),
    "fenceline access add officer-2 --role officer",
    "fenceline access add officer-3 --role officer --scope nanhai,shunde",
    "fenceline access add ceramics-1 --role company --company ceramics",
)
def add(
    name: Annotated[str, argument(Text("Who: small letters, digits and -.", "用户名：小写字母、数字和 -。"), "NAME")],
    role: Annotated[Role, option(Text("What they may do.", "权限。"))] = "viewer",
    scope: Annotated[
        str,
        option(
            Text(
                "They see and do only what belongs to these districts, separated by commas.",
                "仅可查看和处理这些区，以逗号分隔。",
            ),
            show_default=ALL,
        ),
    ] = "",
    company: Annotated[
        str,
        option(
            Text(
                "Of the role company: the enterprise, all that they see.",
                "角色 company 所属的排污单位编号，仅可查看该单位。",
            ),
            show_default=Text("none", "无"),
        ),
    ] = "",
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Make a token and show it once."""
    with opened(config, district) as users:
        token = users.add(name, role, time.time(), actor(), districts_of(scope), company)
    if as_json:
        print_object({"name": name, "role": role, "districts": districts_of(scope), "company": company, "token": token})
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
    from hub.access.factor import SecondFactor

    with opened(config, district) as users:
        coded = SecondFactor(users.db).on()
        rows = [
            (one.name, one.role, one.districts, _time(made), _time(revoked), one.name in coded, one.company)
            for one, made, revoked in users.users()
        ]
    if as_json:
        names = ("name", "role", "districts", "made", "revoked", "second_factor", "company")
        print_list((dict(zip(names, row, strict=True)) for row in rows), "users")
    elif rows:
        shown = [
            (
                *(name, role, "-" if company else ", ".join(districts) or tell(ALL), made or "-", revoked or "-"),
                *(tell(YES) if coded else "-", company or "-"),
            )
            for name, role, districts, made, revoked, coded, company in rows
        ]
        table([tell(head) for head in COLUMNS], shown)
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
        rows = [
            (_time(one.time) or "", one.who, one.what, one.name, one.role, one.districts, one.company)
            for one in users.history()
        ]
    if as_json:
        names = ("time", "who", "what", "name", "role", "districts", "company")
        print_list((dict(zip(names, row, strict=True)) for row in rows), "steps")
        return
    heads = [tell(head) for head in (WHEN, BY, WHAT, *COLUMNS[:3])]
    shown = [
        (when, who, tell(ACTS[what]), name, role, company or ", ".join(districts) or tell(ALL))
        for when, who, what, name, role, districts, company in rows
    ]
    table(heads, shown)


@command(
    app,
    "change",
    Text(
        "Give a user another role or other districts; it holds from the next request on.",
        "更改用户的角色或管辖区，即刻生效。",
    ),
    "fenceline access change officer-2 --role viewer",
    "fenceline access change officer-2 --role officer --scope nanhai,shunde",
)
def change(
    name: Annotated[str, argument(Text("Whose.", "用户名。"), "NAME")],
    role: Annotated[Role, option(Text("What they may do from now on.", "新的权限。"))],
    scope: Annotated[
        str,
        option(
            Text(
                "They see and do only what belongs to these districts, separated by commas.",
                "仅可查看和处理这些区，以逗号分隔。",
            ),
            show_default=ALL,
        ),
    ] = "",
    company: Annotated[
        str,
        option(
            Text(
                "Of the role company: the enterprise, all that they see.",
                "角色 company 所属的排污单位编号，仅可查看该单位。",
            ),
            show_default=Text("none", "无"),
        ),
    ] = "",
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Give a user another role or other districts."""
    with opened(config, district) as users:
        user = users.change(name, role, time.time(), actor(), districts_of(scope), company)
    print(tell(CHANGED).format(name=name, role=role, districts=", ".join(user.districts) or tell(ALL)))


@command(
    app,
    "token",
    Text(
        "Make a new token in place of a user's earlier one, and show it once.",
        "为用户生成新令牌（旧令牌失效），仅显示一次。",
    ),
    "fenceline access token technician-7",
)
def token(
    name: Annotated[str, argument(Text("Whose.", "用户名。"), "NAME")],
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Make a new token in place of a user's earlier one."""
    with opened(config, district) as users:
        made = users.renew(name, time.time(), actor())
    if as_json:
        print_object({"name": name, "token": made})
        return
    print(made)
    print(tell(ONCE).format(name=name), file=sys.stderr)


@command(
    app,
    "reset-factor",
    Text(
        "Take off a user's second factor: the phone is lost, and no recovery code is left.",
        "重置用户的两步验证：手机遗失且无恢复码时使用。",
    ),
    "fenceline access reset-factor officer-2",
)
def reset_factor(
    name: Annotated[str, argument(Text("Whose.", "用户名。"), "NAME")],
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Take off a user's second factor."""
    from hub.access.factor import SecondFactor

    with opened(config, district) as users:
        SecondFactor(users.db).off(users.named(name), time.time(), actor())
    print(tell(RESET).format(name=name))


@command(
    app,
    "link",
    Text("Make a link by which a user signs in to the console once.", "生成管理台一次性登录链接。"),
    "fenceline access link officer-2",
    "fenceline access link officer-2 --json",
)
def link(
    name: Annotated[str, argument(Text("Who signs in.", "用户名。"), "NAME")],
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Make a link by which a user signs in to the console once."""
    from hub.access.sessions import LINK_S, Sessions
    from hub.config.districts import config_of
    from hub.config.files import load_config

    with opened(config, district) as users:
        own = config_of(load_config(config), district)
        address = own.console_address
        if not address:
            raise UserError(
                f"{config}: [http] port = 0 serves no console; name a port there, or as [console] address the "
                "hub that serves it"
            )
        secret = Sessions(users.db).make_link(name, time.time(), actor())
    url = f"{address}/console/enter/{secret}"
    if as_json:
        print_object({"name": name, "link": url, "hours": LINK_S / 3600})
        return
    print(url)
    print(tell(LINKED).format(name=name, hours=LINK_S / 3600), file=sys.stderr)


@command(
    app,
    "revoke",
    Text(
        "Take a user's access back: token, links and sessions are refused from then on.",
        "撤销用户的权限：令牌、登录链接和已登录的浏览器即刻失效。",
    ),
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


def districts_of(scope: str) -> list[str]:
    """Return the ids of districts in a text, separated by commas.

    Raises:
        UserError: one of them cannot be the id of a district.
    """
    found = sorted({one.strip() for one in scope.split(",")} - {""})
    for one in found:
        if not NAME.fullmatch(one):
            raise UserError(f"--scope {scope}: {one!r} is no id of a district: small letters, digits and -")
    return found


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
