"""`fenceline registry`: the city's sites and boards, looked at and changed from the command line."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from hub.registry.cli_add import add
from hub.registry.commands import cell, load, open_editor, refusing, today, unknown
from hub.registry.entries import SENDERS
from hub.registry.view import RegistryView, board_row, district_row, kind_of, plain, sender_row, site_row
from hub.terminal.commands import argument, command, group, option
from hub.terminal.json_lines import print_list, print_object
from hub.terminal.options import ALL, FENCELINE, AsJson, Config, Site
from schemas.errors import UserError
from schemas.language import Text, tell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.config.files import Config as Settings
    from hub.registry.edit import Plain
    from hub.registry.live import Badge, Node, Station, Terminal

app = group(
    Text("The city's registry: districts, sites and boards.", "全市登记册：区、站点和设备。"),
    "fenceline registry list sites",
    "fenceline registry add board station-pit-1 --site station-pit",
    "fenceline registry import boards.csv --dry-run",
)
app.add_typer(add, name="add")
CHECKING = Text("checking the whole registry", "正在检查整个登记册")
BOARD = Text("The board.", "设备编号。")


class What(StrEnum):
    """What is listed."""

    sites = "sites"
    boards = "boards"
    stations = "stations"
    terminals = "terminals"
    nodes = "nodes"
    badges = "badges"
    districts = "districts"


class CsvKind(StrEnum):
    """What a CSV file holds."""

    sites = "sites"
    boards = "boards"
    stations = "stations"
    terminals = "terminals"
    nodes = "nodes"
    badges = "badges"


class Format(StrEnum):
    """How the registry is written out."""

    toml = "toml"
    csv = "csv"


FIRST_KEY = Text(
    "The hub's data are not on this machine: where the board's key was rotated since, this is not the one in force.",
    "本机没有数据中心的数据：如设备密钥已远程更换，此密钥并非现用密钥。",
)


@command(
    app,
    "list",
    Text(
        "List the boards, stations, terminals, sites or districts. Retired ones and overdue calibrations are marked.",
        "列出设备、监测站、车载终端、站点或区，并标出已停用的设备和逾期的校准。",
    ),
    "fenceline registry list",
    "fenceline registry list sites --district nanhai --json",
    "fenceline registry list boards --site station-pit",
)
def list_(
    what: Annotated[What, argument(Text("What to list.", "列出内容。"), "WHAT", show_default=True)] = What.boards,
    district: Annotated[
        str, option(Text("Only those of this district.", "仅限该区。"), "--district", show_default=ALL)
    ] = "",
    site: Site = "",
    as_json: AsJson = False,
    config: Config = FENCELINE,
) -> None:
    """List what the registry has."""
    city = load(config)
    if district and district not in city.districts:
        raise unknown("district", district, city.districts)
    if site and site not in city.sites:
        raise unknown("site", site, city.sites)
    day = today(city.zone)
    sites = [one for one in city.sites.values() if district in ("", one.district) and site in ("", one.id)]
    if what is What.districts:
        named = dict.fromkeys(one.district for one in sites) if district or site else city.districts
        rows = [district_row(id_, city, day) for id_ in named]
        print_list(rows, "districts") if as_json else RegistryView().districts(rows)
    elif what is What.sites:
        print_list(map(plain, sites), "sites") if as_json else RegistryView().sites(sites, city, day)
    elif what is not What.boards:
        ids = {one.id for one in sites}
        tables: dict[What, Mapping[str, Station | Terminal | Node | Badge]] = {
            What.stations: city.stations,
            What.terminals: city.terminals,
            What.nodes: city.nodes,
            What.badges: city.badges,
        }
        others = [one for one in tables[what].values() if one.site in ids]
        rows = [sender_row(one, city, day) for one in others]
        print_list(rows, what.value) if as_json else RegistryView().senders(others, city, day)
    else:
        ids = {one.id for one in sites}
        boards = [board for board in city.boards.values() if board.site in ids]
        rows = [board_row(board, city, day) for board in boards]
        print_list(rows, "boards") if as_json else RegistryView().boards(boards, city, day)


@command(
    app,
    "show",
    Text(
        "Show everything of a site, board, station or terminal; of a key only a fingerprint.",
        "查看站点、设备、监测站或车载终端的全部信息；密钥只显示指纹。",
    ),
    "fenceline registry show station-pit-1",
    "fenceline registry show station-pit --json",
)
def show(
    id_: Annotated[str, argument(Text("A site, or what sends from it.", "站点、设备、监测站或车载终端编号。"), "ID")],
    as_json: AsJson = False,
    config: Config = FENCELINE,
) -> None:
    """Show a site or a board."""
    city = load(config)
    site, board = city.sites.get(id_), city.boards.get(id_)
    other = None if board else city.sender(id_)
    if not site and not board and not other:
        raise unknown("site or board", id_, [*city.sites, *(one.id for one in city.senders())])
    day = today(city.zone)
    if as_json:
        told = {"site": site_row(site, city)} if site else {}
        told |= {"board": board_row(board, city, day)} if board else {}
        print_object(told | ({kind_of(other): sender_row(other, city, day)} if other else {}))
        return
    view = RegistryView()
    if site:
        view.site(site, city)
    if board:
        view.board(board, city, day)
    if other:
        view.sender(other, city, day)


@command(
    app,
    "key",
    Text(
        "Write a board's key into a file of its own, to be put on the board. It is never printed.",
        "将设备密钥写入单独的文件，供放到设备上。密钥从不显示。",
    ),
    "fenceline registry key station-pit-1 --out station-pit-1.key",
)
def key(
    board: Annotated[str, argument(BOARD, "BOARD")],
    out: Annotated[Path, option(Text("New file, which only you can read.", "新文件，仅您可读。"))],
    config: Config = FENCELINE,
) -> None:
    """Write a board's key into a file."""
    from hub.config.files import load_config

    keys = load(config).keys
    if board not in keys:
        raise unknown("board", board, keys)
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{keys[board].hex()}\n")
    except OSError as error:
        raise UserError(f"--out {out}: cannot be made ({error.strerror}); name a new file") from error
    print(out)
    if not load_config(config).data.exists():
        print(tell(FIRST_KEY), file=sys.stderr)


@command(
    app,
    "retire",
    Text(
        "Retire a board, station or terminal. Its key stays, so that what it has said can still be verified.",
        "停用设备、监测站或车载终端。密钥保留，以便核验其已发送的数据。",
    ),
    "fenceline registry retire station-pit-1",
    "fenceline registry retire station-pit-1 --date 2026-12-31 --json",
)
def retire(
    board: Annotated[str, argument(BOARD, "BOARD")],
    date: Annotated[
        str | None,
        option(
            Text("Local day from which the hub refuses it.", "自该日（当地时间）起数据中心拒收其数据。"),
            show_default=Text("today", "今天"),
            metavar="DAY",
        ),
    ] = None,
    as_json: AsJson = False,
    config: Config = FENCELINE,
) -> None:
    """Retire what sends."""
    wanted = cell("--date", "retired", date)
    with open_editor(config) as editor:
        kind = _kind_of(board, editor.entries)
        entries = editor.entries[kind]
        entries[board] = entries[board] | {"retired": wanted or today(editor.zone)}
        told = {kind: board, "retired": str(entries[board]["retired"])}
        changes = editor.commit()
    if as_json:
        print_object(told | {"changed": bool(changes)})
    else:
        RegistryView().changes(changes)


@command(
    app,
    "move",
    Text(
        """Say that a board, station or terminal stands at another site, and from when on.

        What it made before counts at the site where it was, however late it comes; what it made between --left and --at
        counts nowhere and is kept in quarantine. A move that is told late holds from its own time on: what has come
        under the new topic is judged then, and 'fenceline check' names the verdicts that were given at the wrong site.
        Then put the new site on the board: fenceline board provision.""",
        """登记设备、监测站或车载终端自何时起位于另一站点。

        搬迁前的数据无论多晚到达都归入原站点；--left 与 --at 之间的数据不归入任何站点，保留在隔离区。补登的搬迁自其
        实际时间起生效：已用新主题上报的数据随即判定，fenceline check 会列出在错误站点作出的判定。
        之后请为设备写入新站点：fenceline board provision。""",
    ),
    "fenceline registry move station-pit-1 --to mill --at 2026-12-01T14:00 --left 2026-12-01T09:30",
    "fenceline registry move station-pit-1 --to mill --at 2026-12-01T14:00 --dry-run",
)
def move(
    board: Annotated[str, argument(BOARD, "BOARD")],
    to: Annotated[str, option(Text("Id of the site where it stands now.", "现所在站点的编号。"))],
    at: Annotated[
        str,
        option(
            Text("Since when, such as 2026-12-01T14:00, local time.", "自何时起（当地时间），如 2026-12-01T14:00。"),
            metavar="TIME",
        ),
    ],
    left: Annotated[
        str | None,
        option(
            Text("Until when it stood at the site before.", "离开原站点的时间。"),
            show_default=Text("as --at", "同 --at"),
            metavar="TIME",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        option(Text("Check and show the changes; write nothing.", "仅检查并显示更改，不写入。"), "--dry-run"),
    ] = False,
    as_json: AsJson = False,
    config: Config = FENCELINE,
) -> None:
    """Move what sends to another site."""
    since = cell("--at", "since", at)
    until = cell("--left", "since", left) or since
    if since is None:
        raise UserError("--at: is empty; expected a date and time such as 2026-12-01T14:00")
    with open_editor(config) as editor:
        kind = _kind_of(board, editor.entries)
        entry = editor.entries[kind][board]
        if to not in editor.entries["site"]:
            raise unknown("site", to, editor.entries["site"])
        before = {"site": entry["site"], "from": entry.get("since"), "until": until}
        earlier = [*entry.get("earlier", []), {name: value for name, value in before.items() if value is not None}]
        editor.entries[kind][board] = entry | {"site": to, "since": since, "earlier": earlier}
        changes = editor.commit(dry_run=dry_run)
        told = {kind: board, "dry_run": dry_run, "changes": plain(changes)}
    if as_json:
        print_object(told)
    else:
        RegistryView().changes(changes, dry_run=dry_run)


def _kind_of(id_: str, entries: "Plain") -> str:
    """Return by which table of the registry a sender is described."""
    found = next((kind for kind in SENDERS if id_ in entries[kind]), None)
    if found is None:
        raise unknown("board", id_, [one for kind in SENDERS for one in entries[kind]])
    return found


@command(
    app,
    "import",
    Text(
        """Add the entries of a TOML or CSV file and update those there; nothing is deleted without --replace.

        The registry that would result is checked whole first: if anything is wrong, nothing changes. Boards that are
        new get a key; 'fenceline registry key' hands it out.

        CSV: the first line names the columns, in any order, all but id may be left out. Sites: id, district, kind, en,
        zh, zone_class, latitude, longitude, contacts (role|name|phone|email), night_work (from|to|permit|note),
        operation (from|to|state|confirmed|note). Boards: id, site, sensors (separated by blanks), installed,
        calibration_due, retired, note, instruments (of|class|uncertainty|source), since, earlier (site|from|until).
        Stations have mn, terminals phone and plate. Several contacts, permits and the like are
        separated by semicolons. An empty cell takes the field away. UTF-8 and GB18030, as spreadsheets save them.""",
        """从 TOML 或 CSV 文件新增条目并更新已有条目；不加 --replace 时不删除任何内容。

        先整体检查导入后的登记册：有任何错误则不作更改。新设备会生成密钥，用 fenceline registry key 导出。

        CSV：第一行为列名，顺序不限，除 id 外均可省略。站点：id、district、kind、en、zh、zone_class、latitude、
        longitude、contacts（角色|姓名|电话|邮箱）、night_work（开始|结束|许可证|备注）、
        operation（开始|结束|工况|确认人|备注）。设备：id、site、sensors（以空格分隔）、installed、calibration_due、
        retired、note、instruments（监测项|等级|不确定度|依据）、since、earlier（站点|开始|结束）。
        监测站有 mn，车载终端有 phone 和 plate。多个联系人、许可证等以分号分隔。
        空单元格表示清除该字段。支持电子表格保存的 UTF-8 和 GB18030 编码。""",
    ),
    "fenceline registry import boards.csv --dry-run",
    "fenceline registry import city.toml --replace",
)
def import_(
    file: Annotated[Path, argument(Text("FILE.toml or FILE.csv.", "FILE.toml 或 FILE.csv。"), "FILE")],
    kind: Annotated[
        CsvKind | None,
        option(
            Text("What the CSV file holds.", "CSV 文件的内容。"),
            show_default=Text("as its columns tell", "按列名判断"),
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        option(Text("Check and show the changes; write nothing.", "仅检查并显示更改，不写入。"), "--dry-run"),
    ] = False,
    replace: Annotated[
        bool,
        option(
            Text("Remove what the file leaves out; keys are never removed.", "删除文件中没有的条目；密钥从不删除。"),
            "--replace",
        ),
    ] = False,
    as_json: AsJson = False,
    config: Config = FENCELINE,
) -> None:
    """Import entries."""
    from hub.registry.check import EntryError
    from hub.registry.exchange import read_import
    from hub.terminal.progress import busy, reading

    with refusing():
        imported = read_import(
            file, kind.removesuffix("s") if kind else None, lambda source: reading(source, file.name)
        )
    with busy(CHECKING), open_editor(config) as editor:
        if imported.timezone and imported.timezone != editor.zone.key:
            raise UserError(
                f"{file}: timezone = {imported.timezone!r}, but the registry's is {editor.zone.key!r}; make them equal"
            )
        imported.merge(editor.entries, editor.zone, replace=replace)
        try:
            changes = editor.commit(dry_run=dry_run)
        except EntryError as error:
            raise imported.located(error) from error
    if as_json:
        print_object({"dry_run": dry_run, "changes": plain(changes)})
    else:
        RegistryView().changes(changes, dry_run=dry_run)


@command(
    app,
    "export",
    Text(
        "Write the registry, without keys, for other offices and spreadsheets.",
        "导出登记册（不含密钥），供其他部门和电子表格使用。",
    ),
    "fenceline registry export",
    "fenceline registry export boards.csv",
    "fenceline registry export - --format csv --kind sites",
)
def export(
    file: Annotated[
        str, argument(Text("FILE, or - for standard output.", "文件，- 表示标准输出。"), "FILE", show_default=True)
    ] = "-",
    format_: Annotated[
        Format | None,
        option(
            Text("How.", "格式。"),
            "--format",
            show_default=Text("as FILE ends, else toml", "按文件扩展名，否则为 toml"),
        ),
    ] = None,
    kind: Annotated[CsvKind, option(Text("What a CSV file is to hold.", "CSV 文件的内容。"))] = CsvKind.boards,
    config: Config = FENCELINE,
) -> None:
    """Write the registry."""
    from hub.config.files import load_config
    from hub.registry.edit import render, replace_file
    from hub.registry.exchange import to_csv
    from hub.registry.live import load_entries

    with refusing():
        settings = load_config(config)
        found = load_entries(settings)
        entries = found.plain()
        as_csv = format_ is Format.csv or (format_ is None and file.lower().endswith(".csv"))
        text = to_csv(entries, kind.removesuffix("s")) if as_csv else render(entries, found.zone.key)
        if file == "-":
            sys.stdout.write(text)
            return
        _refuse_own(Path(file), settings)
        # With the mark a spreadsheet knows that it is UTF-8.
        replace_file(Path(file), f"\ufeff{text}" if as_csv else text, 0o644)
        print(file)


def _refuse_own(file: Path, config: "Settings") -> None:
    for own in (config.registry, config.keys):
        if file.resolve() == own.resolve():
            raise UserError(f"{file} is the hub's own file; name another")
