"""`fenceline domain`: the domain packs in use, and what is wrong with one."""

from pathlib import Path
from typing import Annotated, Any

from hub.terminal.commands import argument, command, group
from hub.terminal.json_lines import print_list, print_object
from hub.terminal.options import FENCELINE, AsJson, Config
from hub.terminal.tables import Cell, say, table, width
from schemas import domains
from schemas.domains.faults import Fault
from schemas.domains.pack import Pack
from schemas.errors import UserError
from schemas.language import Lang, Text, spoken, tell

app = group(
    Text(
        "Domain packs: what a sub-platform knows, as a folder of data. List them, show one, check one.",
        "领域包：以数据文件夹描述的业务领域。列出、查看、检查。",
    ),
    "fenceline domain list",
    "fenceline domain check ./harbour",
)

HEADS = {
    "id": Text("Pack", "领域包"),
    "name": Text("Name", "名称"),
    "kinds": Text("Site kinds", "站点类型"),
    "families": Text("Families", "类别"),
    "properties": Text("Properties", "站点属性"),
    "quantities": Text("Quantities", "监测项"),
    "standards": Text("Standards", "标准"),
    "things": Text("Things", "对象类型"),
    "rules": Text("Rules", "规则"),
    "sensors": Text("Templates", "传感器模板"),
    "panels": Text("Panels", "面板"),
    "sites": Text("Simulated sites", "模拟站点"),
    "folder": Text("Folder", "文件夹"),
}
WIDE = 130
"""Terminal width from which the list has every count [columns]."""
NARROW = ("id", "name", "kinds", "quantities", "things", "rules", "panels")
"""What a narrower one has room for."""


@command(
    app,
    "list",
    Text(
        "List the packs in use: those that come with Fenceline, then a city's own.",
        "列出正在使用的领域包：自带的以及本市自有的。",
    ),
    "fenceline domain list",
    "fenceline domain list --config /etc/fenceline/fenceline.toml --json",
)
def list_(as_json: AsJson = False, config: Config = FENCELINE) -> None:
    """List the packs in use."""
    _use(config)
    rows = [_row(pack) for pack in domains.packs()]
    if as_json:
        print_list(rows, "packs")
        return
    name = "zh" if spoken() is Lang.zh else "en"
    narrow = (width() or WIDE) < WIDE
    shown = [key for key in HEADS if (key in NARROW if narrow else key != "folder")]
    cells = [[str(row["id"]), str(row[name]), *(str(row[key]) for key in shown[2:])] for row in rows]
    table([tell(HEADS[key]) for key in shown], cells, numbers=range(2, len(shown)), whole=(0,))


@command(
    app,
    "show",
    Text("Show what a pack declares.", "查看一个领域包的内容。"),
    "fenceline domain show factory",
    "fenceline domain show ./harbour --json",
)
def show(
    pack: Annotated[str, argument(Text("Its id, or its folder.", "编号或文件夹。"), "PACK")],
    as_json: AsJson = False,
    config: Config = FENCELINE,
) -> None:
    """Show what a pack declares."""
    from sim.packs.check import of_name

    _use(config)
    found = of_name(pack)
    if found is None:
        known = ", ".join(one.id for one in domains.packs())
        raise UserError(f"there is no domain pack {pack!r}; expected the folder of one, or one of: {known}")
    row = _row(found) | _declared(found)
    if as_json:
        print_object(row)
        return
    say(Cell(found.id, "bold"), f" {tell(Text(str(row['en']), str(row['zh'])))}  {found.folder}")
    for key, head in HEADS.items():
        names = row.get(f"{key}_declared")
        if names:
            say(f"  {tell(head)}: {', '.join(names)}", wrap=True)


@command(
    app,
    "check",
    Text(
        """Check a pack: every fault of it, with file, line and field, what was expected and what to do.

        Exit code 0: none. 2: there are some.""",
        """检查领域包：列出全部问题及其文件、行号和字段、应有的内容和处理办法。

        退出码 0：没有问题；2：有问题。""",
    ),
    "fenceline domain check ./harbour",
    "fenceline domain check ./harbour --json --lang zh",
)
def check_command(
    folder: Annotated[Path, argument(Text("The pack's folder.", "领域包的文件夹。"), "FOLDER")],
    as_json: AsJson = False,
    config: Config = FENCELINE,
) -> None:
    """Check a pack."""
    import typer

    from sim.packs.check import check

    _use(config, leave_out=folder)
    found = sorted(check(folder).found, key=lambda fault: (str(fault.file), fault.line))
    if as_json:
        print_list((_fault_row(fault) for fault in found), "faults")
    else:
        for fault in found:
            say(tell(fault.text()), wrap=True)
        none = Text("All is well.", "一切正常。")
        say(Cell(tell(Text(f"{len(found)} fault(s).", f"{len(found)} 个问题。") if found else none), "bold"))
    if found:
        raise typer.Exit(2)


def _use(config: Path, leave_out: Path | None = None) -> None:
    """Use the packs of a hub's configuration if it is there; `leave_out` the one that is checked."""
    if not config.exists():
        if config != FENCELINE:
            raise UserError(f"--config {config}: there is no such file; name a fenceline.toml, or leave it out")
        return
    from hub.config.files import ConfigError, load_config, read_domains

    try:
        if leave_out is None:
            load_config(config)
        else:
            domains.use(one for one in read_domains(config) if one.resolve() != leave_out.resolve())
    except ConfigError as error:
        raise UserError(str(error)) from error


def _row(pack: Pack) -> dict[str, Any]:
    from sim.packs.check import counts

    names = {"id": pack.id, "en": pack.manifest.en, "zh": pack.manifest.zh}
    return names | counts(pack) | {"folder": str(pack.folder)}


def _declared(pack: Pack) -> dict[str, list[str]]:
    from sim.packs.check import quantities_of

    return {
        "kinds_declared": list(pack.manifest.kind),
        "families_declared": list(pack.manifest.family),
        "properties_declared": list(pack.manifest.property),
        "quantities_declared": quantities_of(pack),
        "standards_declared": sorted(path.stem for path in (pack.folder / "limits").glob("*.toml")),
        "things_declared": list(pack.things),
        "rules_declared": list(pack.rules),
        "sensors_declared": list(pack.sensors),
        "panels_declared": [one.text or one.draw for one in pack.dashboard.panel] if pack.dashboard else [],
        "sites_declared": [site.id for site in pack.scenario.site],
    }


def _fault_row(fault: Fault) -> dict[str, Any]:
    return {"file": str(fault.file), "line": fault.line, "field": fault.field, "problem": tell(fault.problem)}
