"""Shows the registry to people: tables and changes, in English or Chinese; and to programs, as plain values."""

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from hub.registry.instruments import CLASSES
from hub.registry.live import Badge, Board, Node, Registry, Sender, Site, Station, Terminal
from hub.terminal.tables import Cell, say, table
from schemas.domains import kind_name, site_kinds
from schemas.language import Lang, Text, spoken

if TYPE_CHECKING:
    from hub.registry.edit import Change

TEXTS = {
    "id": Text("Id", "编号"),
    "city": Text("City", "城市"),
    "district": Text("District", "区"),
    "site": Text("Site", "站点"),
    "board": Text("Board", "设备"),
    "station": Text("Station", "监测站"),
    "terminal": Text("Terminal", "车载终端"),
    "badge": Text("Badge", "工牌"),
    "node": Text("LoRaWAN node", "LoRaWAN 节点"),
    "eui": Text("DevEUI", "DevEUI"),
    "codec": Text("Codec", "载荷格式"),
    "empty_mm": Text("Measured when empty [mm]", "空桶测距（mm）"),
    "full_mm": Text("Measured when full [mm]", "满桶测距（mm）"),
    "by server": Text("by its network server", "由网络服务器验证"),
    "mn": Text("Equipment number (MN)", "设备标识（MN）"),
    "phone": Text("SIM number", "终端手机号"),
    "number": Text("Number", "标识"),
    "profile": Text("Profile", "站点配置"),
    "addresses": Text("Addresses", "来源地址"),
    "plate": Text("Plate", "车牌"),
    "password": Text("Password", "密码"),
    "given": Text("given", "已设置"),
    "missing": Text("none: its origin is not proven", "未设置：来源未经验证"),
    "sites": Text("Sites", "站点数"),
    "boards": Text("Boards in use", "在用设备数"),
    "kind": Text("Kind", "类型"),
    "en": Text("English name", "英文名称"),
    "zh": Text("Chinese name", "中文名称"),
    "name": Text("Name", "名称"),
    "zone_class": Text("Zone class", "声环境功能区"),
    "position": Text("Position (WGS-84)", "坐标（WGS-84）"),
    "contacts": Text("Contacts", "联系人"),
    "night_work": Text("Night-work permits", "夜间施工许可"),
    "sensors": Text("Sensors", "传感器"),
    "installed": Text("Installed", "安装日期"),
    "calibration_due": Text("Calibration due", "校准到期"),
    "retired": Text("Retired from", "停用日期"),
    "note": Text("Note", "备注"),
    "background": Text("Background", "背景值"),
    "reference": Text("Reference station", "参照站"),
    "properties": Text("Properties", "属性"),
    "operation": Text("Declared operation", "工况申报"),
    "instruments": Text("Instruments", "仪器"),
    "since": Text("There since", "所在起始"),
    "earlier": Text("Earlier at", "曾在站点"),
    "no move": Text(
        "{}: another site without a time is a correction: what comes counts there, whenever it was made. If it was "
        "moved, undo this and run: fenceline registry move {} --to {} --at TIME",
        "{}：更改站点而不写时间视为更正，此后到达的数据无论何时测得都归入新站点。若是搬迁，请撤销后运行："
        "fenceline registry move {} --to {} --at 时间",
    ),
    "state": Text("State", "状态"),
    "in use": Text("in use", "在用"),
    "is retired": Text("RETIRED", "已停用"),
    "overdue": Text("CALIBRATION OVERDUE", "校准逾期"),
    "key": Text("Key", "密钥"),
    "present": Text("present, SHA-256 begins with {}", "已设置，SHA-256 开头为 {}"),
    "added": Text("added", "新增"),
    "changed": Text("changed", "修改"),
    "removed": Text("removed", "删除"),
    "its key": Text("its key is in {} (SHA-256 begins with {})", "密钥在 {} 中（SHA-256 开头为 {}）"),
    "hand out": Text(
        "for the board: {}, then put that file on it as the file that key_file in its config.json names",
        "写入文件：{}；再将该文件放到设备上，即其 config.json 中 key_file 所指的文件",
    ),
    "nothing": Text("nothing to change", "没有变化"),
    "count": Text("{} added, {} changed, {} removed", "新增 {}，修改 {}，删除 {}"),
    "dry": Text("nothing has been written (--dry-run)", "未写入任何内容（--dry-run）"),
}
STATES = {"is retired": "retired", "overdue": "calibration_overdue", "in use": "in_use"}
SIGNS = {"added": ("+", "green"), "changed": ("~", "yellow"), "removed": ("-", "red")}


def fingerprint(key: bytes) -> str:
    """Return the first 8 hexadecimal digits of the key's SHA-256, by which two people can compare keys."""
    return hashlib.sha256(key).hexdigest()[:8]


def state(sender: Sender, day: dt.date) -> str:
    """Return "is retired", "overdue" or "in use"."""
    if sender.retired is not None and day >= sender.retired:
        return "is retired"
    due = sender.calibration_due if isinstance(sender, Board | Station) else None
    return "overdue" if due and day >= due else "in use"


def kind_of(sender: Sender) -> str:
    """Return by which table of the registry a sender is described."""
    return type(sender).__name__.lower()


def sender_row(sender: Sender, registry: Registry, day: dt.date) -> dict[str, Any]:
    """Return what programs are told of a station, terminal or node."""
    row: dict[str, Any] = plain(sender)
    more = {"district": registry.sites[sender.site].district, "state": STATES[state(sender, day)]}
    return row | more | {"password": sender.id in registry.passwords}


def board_row(board: Board, registry: Registry, day: dt.date) -> dict[str, Any]:
    """Return what programs are told of a board."""
    more = {"district": registry.sites[board.site].district, "state": STATES[state(board, day)]}
    row: dict[str, Any] = plain(board)
    return row | more | {"key_fingerprint": fingerprint(registry.keys[board.id])}


def site_row(site: Site, registry: Registry) -> dict[str, Any]:
    """Return what programs are told of a site."""
    row: dict[str, Any] = plain(site)
    return row | {"boards": [board.id for board in registry.boards.values() if board.site == site.id]}


def district_row(district: str, registry: Registry, day: dt.date) -> dict[str, Any]:
    """Return what programs are told of a district; only boards in use count."""
    named = registry.named_districts.get(district)
    boards = sum(not registry.is_retired(board.id, day) for board in registry.boards_in(district))
    counts = {"sites": sum(1 for _ in registry.sites_in(district)), "boards": boards}
    return (plain(named) if named else {"id": district}) | counts


def plain(value: Any) -> Any:
    """Return an entry, or a list of them, as JSON has it."""
    return msgspec.to_builtins(value)


def _number(one: Station | Terminal | Node | Badge) -> str:
    """Return by what its channel knows a sender."""
    if isinstance(one, Badge):
        return one.number
    return one.mn if isinstance(one, Station) else one.phone if isinstance(one, Terminal) else one.eui


class RegistryView:
    """Prints in the language of the command line."""

    def __init__(self) -> None:
        self._lang = spoken()

    def text(self, key: str, *values: object) -> str:
        """Return a text in the view's language, with the values in it."""
        return TEXTS[key].into(self._lang).format(*values)

    def boards(self, boards: list[Board], registry: Registry, day: dt.date) -> None:
        """Print a table of boards."""
        rows = []
        for board in boards:
            home = registry.sites[board.site]
            due = str(board.calibration_due or "-")
            cells = (board.id, board.site, home.district, " ".join(board.sensors) or "-", due)
            rows.append((*cells, self._state(board, day)))
        table(self._heads("id", "site", "district", "sensors", "calibration_due", "state"), rows)

    def senders(self, senders: Sequence[Station | Terminal | Node | Badge], registry: Registry, day: dt.date) -> None:
        """Print a table of stations, terminals, nodes or badges."""
        rows = []
        for one in senders:
            number = _number(one)
            cells = (one.id, one.site, registry.sites[one.site].district, number, self._password(one, registry))
            rows.append((*cells, self._state(one, day)))
        table(self._heads("id", "site", "district", "number", "password", "state"), rows)

    def sender(self, sender: Sender, registry: Registry, day: dt.date) -> None:
        """Print everything of a station, terminal or node but its password."""
        fields = self._fields(sender)
        fields.append((self.text("state"), self._state(sender, day)))
        fields.append((self.text("password"), self._password(sender, registry)))
        self._print_fields(kind_of(sender), fields)

    def _password(self, sender: Sender, registry: Registry) -> str:
        if isinstance(sender, Node):
            return self.text("by server")
        return self.text("given" if sender.id in registry.passwords else "missing")

    def sites(self, sites: list[Site], registry: Registry, day: dt.date) -> None:
        """Print a table of sites; only boards in use count."""
        used = Counter(board.site for board in registry.boards.values() if not registry.is_retired(board.id, day))
        rows = []
        for site in sites:
            where = f"{site.position[0]:.5f}, {site.position[1]:.5f}" if site.position else "-"
            kind = kind_name(site.kind).into(self._lang)
            cells = (site.id, site.district, kind, self._name(site), site.zone_class or "-", where)
            rows.append((*cells, str(used[site.id])))
        table(self._heads("id", "district", "kind", "name", "zone_class", "position", "boards"), rows)

    def districts(self, rows: list[dict[str, Any]]) -> None:
        """Print a table of districts."""
        cells = [
            (row["id"], row.get("city", "-"), row.get(self._lang.value, "-"), str(row["sites"]), str(row["boards"]))
            for row in rows
        ]
        table(self._heads("id", "city", "name", "sites", "boards"), cells)

    def board(self, board: Board, registry: Registry, day: dt.date) -> None:
        """Print everything of a board but its key."""
        fields = self._fields(board)
        fields.append((self.text("state"), self._state(board, day)))
        fields.append((self.text("key"), self.text("present", fingerprint(registry.keys[board.id]))))
        self._print_fields("board", fields)

    def site(self, site: Site, registry: Registry) -> None:
        """Print everything of a site, and its boards."""
        boards = [board.id for board in registry.boards.values() if board.site == site.id]
        self._print_fields("site", [*self._fields(site), (self.text("board"), " ".join(boards) or "-")])

    def changes(self, changes: list["Change"], *, dry_run: bool = False) -> None:
        """Print what has been changed, or would be."""
        for change in changes:
            sign, colour = SIGNS[change.what]
            told = f"{sign} {self.text(change.what)}: {self.text(change.kind)} {change.id}"
            if change.what == "changed":
                told += ": " + "; ".join(
                    f"{name} {_short(old)} -> {_short(new)}" for name, (old, new) in _sorted(change)
                )
            say(Cell(told, colour))
            if change.what == "changed" and "site" in change.fields and not {"since", "earlier"} & change.fields.keys():
                say(Cell(self.text("no move", change.id, change.id, change.fields["site"][1]), "yellow"))
        counts = [sum(change.what == what for change in changes) for what in SIGNS]
        say(self.text("count", *counts) if changes else self.text("nothing"))
        if dry_run:
            say(self.text("dry"))

    def _heads(self, *columns: str) -> list[str]:
        return [self.text(column) for column in columns]

    def _name(self, site: Site) -> str:
        return site.zh if self._lang is Lang.zh else site.en

    def _state(self, board: Sender, day: dt.date) -> Cell:
        now = state(board, day)
        if now == "is retired":
            return Cell(f"{self.text(now)} {board.retired}", "dim")
        if now == "overdue":
            return Cell(self.text(now), "bold red")
        later = f" ({self.text('retired')} {board.retired})" if board.retired else ""
        return Cell(self.text(now) + later)

    def _fields(self, entry: Sender | Site) -> list[tuple[str, str | Cell]]:
        shown = {name: self._value(value) for name, value in plain(entry).items()}
        if isinstance(entry, Board | Station):
            parts = (
                (one.of, CLASSES[one.class_].into(self._lang), one.uncertainty, one.source) for one in entry.instruments
            )
            told = "\n".join(", ".join(filter(None, part)) for part in parts)
            shown["instruments"] = told or CLASSES[""].into(self._lang)
        return [(self.text(name), value) for name, value in shown.items()]

    def _value(self, value: Any) -> str:
        if isinstance(value, (list, tuple)):
            nested = any(isinstance(part, dict) for part in value)
            return ("\n" if nested else ", ").join(self._value(part) for part in value)
        if isinstance(value, dict):
            return ", ".join(f"{name}: {part}" for name, part in value.items())
        return kind_name(value).into(self._lang) if value in site_kinds() else str(value)

    def _print_fields(self, kind: str, fields: list[tuple[str, str | Cell]]) -> None:
        say(Cell(self.text(kind), "italic"))
        table((), fields)


def _sorted(change: "Change") -> list[tuple[str, tuple[Any, Any]]]:
    return sorted(change.fields.items())


def _short(value: Any) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, dt.date) else msgspec.json.encode(value).decode()
