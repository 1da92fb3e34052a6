"""`fenceline things`: what the packs declare beside sites, looked at, imported, exported."""

import datetime as dt
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple
from zoneinfo import ZoneInfo

from hub.terminal.actor import actor
from hub.terminal.commands import argument, command, group, option
from hub.terminal.json_lines import print_list, print_object
from hub.terminal.options import FENCELINE, AsJson, Config, HubOf
from schemas.errors import CatalogueError, UserError
from schemas.language import Text

if TYPE_CHECKING:
    from hub.things.store import KeptEdition, ThingStore
    from schemas.domains.entries import ThingKind

app = group(
    Text(
        """What domain packs declare beside sites: vehicles, permits, areas, routes, bins, shifts.

        Each has editions with a day from which they hold. None is overwritten: verdicts cite the one that held.""",
        """领域包声明的站点以外的对象：车辆、许可证、区域、路线、垃圾桶、班次等。

        每个对象有若干版次，各有生效日期，从不覆盖：判定引用当时有效的版次。""",
    ),
    "fenceline things list",
    "fenceline things import trucks.csv --kind truck --dry-run",
    "fenceline things history permit p-2026-118",
)
KIND = Text("The kind, as its pack calls it.", "类别，按领域包中的名称。")
ID = Text("The thing.", "对象编号。")
On = Annotated[
    str | None,
    option(
        Text("What holds on this local day, or at this time.", "在该日（或该时刻，当地时间）有效的内容。"),
        "--on",
        show_default=Text("now", "现在"),
        metavar="TIME",
    ),
]
Kind = Annotated[str, argument(KIND, "KIND")]


class Format(StrEnum):
    """How things are written out."""

    toml = "toml"
    csv = "csv"
    geojson = "geojson"


class Coordinates(StrEnum):
    """The system of a file's coordinates."""

    wgs84 = "wgs84"
    gcj02 = "gcj02"
    bd09 = "bd09"


class Opened(NamedTuple):
    """The things of a hub, and what they are checked by."""

    store: "ThingStore"
    kinds: Mapping[str, "ThingKind"]
    districts: tuple[str, ...]
    zone: ZoneInfo


@command(
    app,
    "list",
    Text("List what holds, with its edition.", "列出有效的对象及其版次。"),
    "fenceline things list",
    "fenceline things list permit --on 2026-12-01 --json",
)
def list_(
    kind: Annotated[
        str | None, argument(Text("Only this kind.", "仅限该类别。"), "KIND", show_default=Text("all", "全部"))
    ] = None,
    on: On = None,
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """List what holds."""
    from hub.things.view import row_of, show_list

    with opened(config, district) as things:
        rows = in_force(things.store.rows(_known(things, kind) if kind else ""), _moment(on, things.zone))
        if as_json:
            print_list((row_of(row, things.zone) for row in rows), "things")
        else:
            show_list(rows, things.kinds, things.zone)


@command(
    app,
    "show",
    Text("Show a thing as it holds now, or held.", "查看对象当前或当时有效的内容。"),
    "fenceline things show permit p-2026-118",
    "fenceline things show permit p-2026-118 --on 2026-12-01T22:00 --json",
)
def show(
    kind: Kind,
    id_: Annotated[str, argument(ID, "ID")],
    on: On = None,
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Show a thing."""
    from hub.things.view import row_of, show_thing

    with opened(config, district) as things:
        rows = _rows_of(things, kind, id_)
        held = in_force(rows, _moment(on, things.zone))
        if not held:
            raise UserError(f"{kind} {id_!r} does not hold then; 'fenceline things history {kind} {id_}' shows when")
        if as_json:
            print_object(row_of(held[0], things.zone))
        else:
            show_thing(held[0], things.kinds, things.zone)


@command(
    app,
    "history",
    Text("Show every edition of a thing: from when it held, who made it, from which file.", "查看对象的全部版次。"),
    "fenceline things history permit p-2026-118",
    "fenceline things history permit p-2026-118 --json",
)
def history(
    kind: Kind,
    id_: Annotated[str, argument(ID, "ID")],
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Show every edition of a thing."""
    from hub.things.view import history_row, show_history

    with opened(config, district) as things:
        rows = _rows_of(things, kind, id_)
        if as_json:
            print_list((history_row(row, things.zone) for row in rows), "editions")
        else:
            show_history(rows, things.zone)


@command(
    app,
    "import",
    Text(
        """Add the things of a TOML, CSV or GeoJSON file, and new editions of those there.

        Everything is checked first: if anything is wrong, nothing changes. An entry with the 'from' of an edition
        corrects it; with another 'from' it follows it; without one it holds from --since on. What an entry leaves out
        stays as it was.

        CSV: the first line names the columns, in any order, all but id may be left out: kind, id, en, zh, district,
        from, until, longitude, latitude, geometry (GeoJSON), people (role|name|phone|email), note, and the properties
        of the kind. Several values are separated by semicolons. UTF-8 and GB18030, as spreadsheets save them.""",
        """从 TOML、CSV 或 GeoJSON 文件导入对象，已有对象则新增版次。

        先整体检查：有任何错误则不作更改。条目的 from 与某版次相同则更正该版次，不同则接续其后；未写 from
        的自 --since 起有效。条目未写的内容保持不变。

        CSV：第一行为列名，顺序不限，除 id 外均可省略：kind、id、en、zh、district、from、until、longitude、
        latitude、geometry（GeoJSON）、people（角色|姓名|电话|邮箱）、note，以及该类别的属性。多个值以分号
        分隔。支持电子表格保存的 UTF-8 和 GB18030 编码。""",
    ),
    "fenceline things import trucks.csv --kind truck --dry-run",
    "fenceline things import districts.geojson --kind area --coordinates gcj02",
)
def import_(
    file: Annotated[
        Path, argument(Text("FILE.toml, FILE.csv or FILE.geojson.", "FILE.toml、FILE.csv 或 FILE.geojson。"), "FILE")
    ],
    kind: Annotated[
        str | None,
        option(
            Text("Kind of the entries that do not say it.", "未注明类别的条目的类别。"),
            show_default=Text("as each says", "按各条目所注"),
        ),
    ] = None,
    since: Annotated[
        str | None,
        option(
            Text("From when changes hold that do not say it.", "未注明起始时间的变更自何时起有效。"),
            show_default=Text("now", "现在"),
            metavar="TIME",
        ),
    ] = None,
    coordinates: Annotated[
        Coordinates,
        option(
            Text(
                "System of the file's coordinates; they are kept in WGS-84. Chinese maps give GCJ-02, Baidu's BD-09.",
                "文件坐标系，保存时转换为 WGS-84。国内地图为 GCJ-02，百度地图为 BD-09。",
            )
        ),
    ] = Coordinates.wgs84,
    dry_run: Annotated[
        bool,
        option(Text("Check and show the changes; write nothing.", "仅检查并显示更改，不写入。"), "--dry-run"),
    ] = False,
    replace: Annotated[
        bool,
        option(
            Text(
                "End what the file leaves out, of the kinds that it holds; editions are never removed.",
                "终止文件中没有的同类对象；版次从不删除。",
            ),
            "--replace",
        ),
    ] = False,
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Import things."""
    from hub.terminal.progress import reading
    from hub.things.change import Context, Origin, WrongThingError, apply
    from hub.things.exchange import located, read_things
    from hub.things.view import change_row, show_changes

    with opened(config, district) as things:
        said = read_things(
            file,
            _known(things, kind) if kind else None,
            things.kinds,
            lambda source: reading(source, file.name),
        )
        try:
            changes = apply(
                things.store,
                said,
                Context(things.kinds, things.districts, things.zone),
                Origin(time.time(), actor(), file.name),
                since=_moment(since, things.zone, "--since"),
                replace={one.kind for one in said} if replace else (),
                system=coordinates.value,
                dry_run=dry_run,
            )
        except WrongThingError as error:
            raise located(file, error) from error
        kinds = things.kinds
    if as_json:
        print_object({"dry_run": dry_run, "changes": [change_row(change) for change in changes]})
    else:
        show_changes(changes, kinds, dry_run=dry_run)


@command(
    app,
    "export",
    Text(
        "Write what holds and will hold, for other offices, maps and spreadsheets; import takes it back.",
        "导出当前及将来有效的内容，供其他部门、地图和电子表格使用，可再导入。",
    ),
    "fenceline things export",
    "fenceline things export bins.csv --kind bin",
    "fenceline things export city.geojson",
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
    kind: Annotated[
        str | None,
        option(
            Text("Only this kind; a CSV file holds one.", "仅限该类别；CSV 文件只含一类。"),
            show_default=Text("all", "全部"),
        ),
    ] = None,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Write what holds and will hold."""
    from hub.registry.edit import replace_file
    from hub.things.exchange import to_csv, to_geojson, to_toml
    from hub.things.store import by_thing, standing

    ending = Path(file).suffix.lower().removeprefix(".").replace("json", "geojson").replace("geogeo", "geo")
    wanted = format_ or (Format(ending) if ending in set(Format) else Format.toml)
    if wanted is Format.csv and kind is None:
        raise UserError("a CSV file holds things of one kind; name it with --kind")
    with opened(config, district) as things:
        rows = things.store.rows(_known(things, kind) if kind else "")
        now = int(time.time())
        held = [
            row.thing()
            for of_one in by_thing(rows).values()
            for row in standing(of_one).values()
            if row.valid_until is None or row.valid_until > now
        ]
        if wanted is Format.csv:
            text = to_csv(held, kind or "", things.kinds, things.zone)
        else:
            text = (to_toml if wanted is Format.toml else to_geojson)(held, things.zone)
        if file == "-":
            sys.stdout.write(text)
            return
        # With the mark a spreadsheet knows that it is UTF-8.
        replace_file(Path(file), f"\ufeff{text}" if wanted is Format.csv else text, 0o644)
    print(file)


def in_force(rows: "list[KeptEdition]", t: int) -> "list[KeptEdition]":
    """Return the editions that hold at a moment, one of each thing at most."""
    from hub.things.store import by_thing, standing

    found = []
    for of_one in by_thing(rows).values():
        begun = [row for start, row in standing(of_one).items() if start is None or start <= t]
        if begun and (begun[-1].valid_until is None or t < begun[-1].valid_until):
            found.append(begun[-1])
    return sorted(found, key=lambda row: (row.kind, row.id))


@contextmanager
def opened(config: Path, district: str) -> Iterator[Opened]:
    """Open the things of a hub, of a district's where each has its own; what is done inside is one transaction."""
    from hub.config.files import load_config
    from hub.registry.commands import refusing
    from hub.registry.live import load_entries
    from hub.storage.compliance_file import compliance_of, open_compliance
    from hub.storage.database import DatabaseError, transaction
    from hub.things.store import ThingStore
    from hub.things.tables import PART
    from schemas.domains import thing_kinds

    try:
        with refusing():
            settings = load_config(config)
            city = load_entries(settings)
            districts = tuple(city.districts)
            path = compliance_of(settings, district)
            with closing(open_compliance(path, PART)) as db, transaction(db):
                yield Opened(ThingStore(db), thing_kinds(), districts, city.zone)
    except (DatabaseError, CatalogueError) as error:
        raise UserError(str(error)) from error
    except sqlite3.Error as error:
        raise UserError(
            f"{path}: cannot be written or read ({error}); see that the disk has room, try again"
        ) from error


def _known(things: Opened, kind: str) -> str:
    from hub.registry.commands import unknown

    if kind not in things.kinds:
        error = unknown("kind of things", kind, things.kinds)
        if "did you mean" in str(error):
            raise error
        known = ", ".join(things.kinds) or "none is declared by the packs in use"
        raise UserError(f"there is no kind of things {kind!r}; expected one of: {known}")
    return kind


def _rows_of(things: Opened, kind: str, id_: str) -> "list[KeptEdition]":
    import difflib

    rows = things.store.rows(_known(things, kind), id_)
    if not rows:
        near = difflib.get_close_matches(id_, {row.id for row in things.store.rows(kind)}, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"'fenceline things list {kind}' shows what there is"
        raise UserError(f"there is no {kind} {id_!r}; {hint}")
    return rows


def _moment(text: str | None, zone: ZoneInfo, name: str = "--on") -> int:
    if text is None:
        return int(time.time())
    try:
        when = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"{name} {text!r}: expected a day or time such as 2026-12-01 or 2026-12-01T22:00") from None
    return int((when if when.tzinfo else when.replace(tzinfo=zone)).timestamp())
