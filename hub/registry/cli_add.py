"""`fenceline registry add`: one city, district, site, board, station, terminal, node or badge more."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from hub.registry.commands import cell, load, open_editor
from hub.registry.view import RegistryView, fingerprint
from hub.terminal.commands import argument, command, group, option
from hub.terminal.options import FENCELINE, Config
from hub.terminal.tables import say
from schemas.errors import UserError
from schemas.language import Text

if TYPE_CHECKING:
    from hub.registry.edit import Change

add = group(
    Text(
        "Add one city, district, site, board, station, terminal, node or badge.",
        "新增城市、区、站点、设备、监测站、车载终端、LoRaWAN 节点或工牌。",
    ),
    "fenceline registry add board station-pit-1 --site station-pit --sensors plantower,modbus",
)

Id = Annotated[str, argument(Text("1 to 32 of a-z, 0-9 and -.", "1 至 32 个字符：a-z、0-9 和 -。"), "ID")]
English = Annotated[str, option(Text("Name in English.", "英文名称。"), "--en")]
Chinese = Annotated[str, option(Text("Name in Chinese.", "中文名称。"), "--zh")]


def _add(config: Path, kind: str, entry: dict[str, Any], key: str | None = None) -> list["Change"]:
    with open_editor(config) as editor:
        if entry["id"] in editor.entries[kind]:
            raise UserError(f"there is a {kind} {entry['id']!r} already; to change it, edit the registry or import it")
        editor.entries[kind][entry["id"]] = {name: value for name, value in entry.items() if value is not None}
        return editor.commit({entry["id"]: key} if key else None)


@command(
    add,
    "city",
    Text("Add a city, by which districts can be grouped.", "新增城市，用于归并各区。"),
    "fenceline registry add city foshan --en Foshan --zh 佛山",
)
def add_city(id_: Id, en: English, zh: Chinese, config: Config = FENCELINE) -> None:
    """Add a city."""
    RegistryView().changes(_add(config, "city", {"id": id_, "en": en, "zh": zh}))


@command(
    add,
    "district",
    Text(
        "Add a district. As soon as there is one, every site's district must be one of them.",
        "新增区。登记任何一个区之后，每个站点所属的区都须已登记。",
    ),
    "fenceline registry add district nanhai --city foshan --en Nanhai --zh 南海",
)
def add_district(
    id_: Id,
    city: Annotated[str, option(Text("Id of its city.", "所属城市编号。"))],
    en: English,
    zh: Chinese,
    config: Config = FENCELINE,
) -> None:
    """Add a district."""
    RegistryView().changes(_add(config, "district", {"id": id_, "city": city, "en": en, "zh": zh}))


@command(
    add,
    "site",
    Text("Add a site.", "新增站点。"),
    "fenceline registry add site station-pit --district nanhai --kind construction --en 'Station pit' --zh 车站基坑 "
    "--zone-class 2 --position 23.0288,113.1427 --contact 'site manager|Li|+86 757 0000 0000' "
    "--night-work '2026-12-01T22:00|2026-12-02T06:00|2026-118'",
)
def add_site(
    id_: Id,
    district: Annotated[str, option(Text("Id of its district; stands in topics.", "所属区的编号，用于消息主题。"))],
    kind: Annotated[
        str,
        option(
            Text(
                "A kind that a domain pack declares, such as construction: decides which limits bind it.",
                "领域包声明的站点类型，如 construction（建筑工地），决定适用哪些限值。",
            )
        ),
    ],
    en: English,
    zh: Chinese,
    zone_class: Annotated[
        str | None,
        option(
            Text("0, 1, 2, 3, 4, 4a or 4b (GB 3096-2008).", "声环境功能区：0、1、2、3、4、4a 或 4b（GB 3096-2008）。")
        ),
    ] = None,
    position: Annotated[
        str | None,
        option(
            Text(
                "LATITUDE,LONGITUDE in degrees, WGS-84. Chinese maps show GCJ-02, hundreds of metres off.",
                "纬度,经度（度，WGS-84）。国内地图为 GCJ-02，偏差数百米。",
            )
        ),
    ] = None,
    contact: Annotated[
        list[str] | None,
        option(Text("ROLE|NAME|PHONE|EMAIL; may be repeated.", "角色|姓名|电话|邮箱，可重复。")),
    ] = None,
    night_work: Annotated[
        list[str] | None, option(Text("FROM|TO|PERMIT|NOTE; may be repeated.", "开始|结束|许可证|备注，可重复。"))
    ] = None,
    config: Config = FENCELINE,
) -> None:
    """Add a site."""
    entry: dict[str, Any] = {
        "id": id_,
        "district": district,
        "kind": kind,
        "en": en,
        "zh": zh,
        "zone_class": zone_class,
    }
    if position is not None:
        try:
            entry["position"] = [float(part) for part in position.split(",")]
        except ValueError:
            raise UserError(f"--position {position!r}: expected LATITUDE,LONGITUDE such as 22.5431,114.0579") from None
    entry["contacts"] = cell("--contact", "contacts", ";".join(contact or ()))
    entry["night_work"] = cell("--night-work", "night_work", ";".join(night_work or ()))
    RegistryView().changes(_add(config, "site", entry))


@command(
    add,
    "board",
    Text(
        "Add a board. Its key is drawn at random into the file of keys, unless the board has one already.",
        "新增设备。密钥随机生成并写入密钥文件，设备已有密钥的除外。",
    ),
    "fenceline registry add board station-pit-1 --site station-pit --sensors plantower,modbus",
    "fenceline registry add board station-pit-2 --site station-pit --key-file station-pit-2.key",
)
def add_board(
    id_: Id,
    site: Annotated[str, option(Text("Id of the site at whose fence it stands.", "所在站点的编号。"), "--site")],
    sensors: Annotated[str | None, option(Text("Driver names, separated by commas.", "驱动名称，以逗号分隔。"))] = None,
    installed: Annotated[str | None, option(Text("Date, such as 2026-12-01.", "安装日期，如 2026-12-01。"))] = None,
    calibration_due: Annotated[
        str | None, option(Text("Date from which its calibration is overdue.", "校准到期日期。"))
    ] = None,
    note: Annotated[str | None, option(Text("Anything worth knowing.", "备注。"))] = None,
    key_file: Annotated[
        Path | None,
        option(
            Text(
                "File with the key that the board has already (64 hexadecimal digits).",
                "设备已有密钥的文件（64 位十六进制数）。",
            ),
            show_default=Text("drawn", "随机生成"),
        ),
    ] = None,
    config: Config = FENCELINE,
) -> None:
    """Add a board."""
    from hub.config.files import load_config
    from hub.registry.check import EntryError, check_sensors

    entry = {"id": id_, "site": site, "sensors": cell("--sensors", "sensors", sensors), "note": note}
    try:
        check_sensors(id_, entry["sensors"] or ())
    except EntryError as error:
        raise UserError(f"--{error}") from None
    entry["installed"] = cell("--installed", "installed", installed)
    entry["calibration_due"] = cell("--calibration-due", "calibration_due", calibration_due)
    changes = _add(config, "board", entry, _given_key(key_file) if key_file else None)
    view = RegistryView()
    view.changes(changes)
    say(view.text("its key", load_config(config).keys, fingerprint(load(config).keys[id_])))
    if key_file is None:
        say(view.text("hand out", f"fenceline registry key {id_} --out {id_}.key --config {config}"))


Installed = Annotated[str | None, option(Text("Date, such as 2026-12-01.", "安装日期，如 2026-12-01。"))]
Note = Annotated[str | None, option(Text("Anything worth knowing.", "备注。"))]


@command(
    add,
    "station",
    Text(
        """Add an online monitoring station that speaks HJ 212.

        What it proves itself with (PW) is written by hand into the file of keys, as ID = "PW"; without it, its origin
        is not proven, and every verdict on it says so.""",
        """新增采用 HJ 212 的在线监测站。

        其访问密码（PW）由人工写入密钥文件，格式为 编号 = "密码"；没有密码则来源未经验证，相关判定均会注明。""",
    ),
    "fenceline registry add station mill-cems --site mill --mn 010000A8900016F000169DC0",
)
def add_station(
    id_: Id,
    site: Annotated[str, option(Text("Id of the site that it measures.", "所监测站点的编号。"), "--site")],
    mn: Annotated[str, option(Text("Number of its equipment, as it sends it.", "设备唯一标识（MN），与上报一致。"))],
    profile: Annotated[
        str | None,
        option(
            Text(
                "How its frames are understood; docs/stations.md lists the profiles.",
                "报文解读方式，见 docs/stations.md。",
            ),
            show_default=Text("by the standard", "按标准"),
        ),
    ] = None,
    installed: Installed = None,
    calibration_due: Annotated[
        str | None, option(Text("Date from which its calibration is overdue.", "校准到期日期。"))
    ] = None,
    note: Note = None,
    config: Config = FENCELINE,
) -> None:
    """Add a station."""
    entry = {"id": id_, "site": site, "mn": mn, "profile": profile, "note": note}
    entry["installed"] = cell("--installed", "installed", installed)
    entry["calibration_due"] = cell("--calibration-due", "calibration_due", calibration_due)
    RegistryView().changes(_add(config, "station", entry))


@command(
    add,
    "terminal",
    Text(
        """Add a vehicle's terminal that speaks JT/T 808.

        Its authentication code is written by hand into the file of keys, as ID = "CODE"; without it, its origin is not
        proven.""",
        """新增采用 JT/T 808 的车载终端。

        其鉴权码由人工写入密钥文件，格式为 编号 = "鉴权码"；没有鉴权码则来源未经验证。""",
    ),
    "fenceline registry add terminal truck-17 --site depot --phone 013800000000 --plate 粤A00000",
)
def add_terminal(
    id_: Id,
    site: Annotated[str, option(Text("Id of its site, such as a depot.", "所属站点的编号，如车场。"), "--site")],
    phone: Annotated[str, option(Text("Number of its SIM card, as it sends it.", "终端手机号，与上报一致。"))],
    plate: Annotated[str | None, option(Text("Plate of its vehicle.", "车牌号。"))] = None,
    profile: Annotated[
        str | None,
        option(
            Text(
                "How its frames are understood; docs/terminals.md lists the profiles.",
                "报文解析配置，列表见 docs/terminals.md。",
            ),
            "--profile",
            show_default=Text("by the standard", "按标准"),
        ),
    ] = None,
    installed: Installed = None,
    note: Note = None,
    config: Config = FENCELINE,
) -> None:
    """Add a terminal."""
    entry = {"id": id_, "site": site, "phone": phone, "plate": plate, "profile": profile, "note": note}
    entry["installed"] = cell("--installed", "installed", installed)
    RegistryView().changes(_add(config, "terminal", entry))


@command(
    add,
    "node",
    Text(
        """Add a device of LoRaWAN, such as the level sensor of a bin.

        Its network server has checked its frames; docs/bins.md tells how the hub hears of them.""",
        """新增 LoRaWAN 节点，如垃圾桶满溢传感器。

        其数据帧由网络服务器校验；数据中心如何接收见 docs/bins.md。""",
    ),
    "fenceline registry add node bin-17 --site depot --eui 24e124136b502217 --codec milesight "
    "--empty-mm 1180 --full-mm 320",
)
def add_node(
    id_: Id,
    site: Annotated[str, option(Text("Id of its site, such as a depot.", "所属站点的编号，如环卫所。"), "--site")],
    eui: Annotated[str, option(Text("Its DevEUI, as on its label.", "设备 DevEUI，见标签。"))],
    codec: Annotated[
        str, option(Text("Whose payloads it sends: milesight or decentlab.", "载荷格式：milesight 或 decentlab。"))
    ],
    empty_mm: Annotated[
        float | None,
        option(Text("What its sensor measures when the bin is empty, mm.", "桶空时传感器测得的距离（mm）。")),
    ] = None,
    full_mm: Annotated[
        float | None,
        option(Text("What its sensor measures when the bin is full, mm.", "桶满时传感器测得的距离（mm）。")),
    ] = None,
    installed: Installed = None,
    note: Note = None,
    config: Config = FENCELINE,
) -> None:
    """Add a node."""
    entry = {"id": id_, "site": site, "eui": eui, "codec": codec, "empty_mm": empty_mm, "full_mm": full_mm}
    entry |= {"installed": cell("--installed", "installed", installed), "note": note}
    RegistryView().changes(_add(config, "node", entry))


@command(
    add,
    "badge",
    Text(
        """Add a worker's badge or watch that speaks the watch protocol (3G*...).

        The protocol proves nothing of who sends; docs/workers.md tells what is kept of it, and when.""",
        """新增采用手表协议（3G*...）的工牌或手表。

        该协议不验证来源；保存哪些内容、何时保存见 docs/workers.md。""",
    ),
    "fenceline registry add badge badge-17 --site depot --number 8809008845",
)
def add_badge(
    id_: Id,
    site: Annotated[str, option(Text("Id of its site, such as a depot.", "所属站点的编号，如环卫所。"), "--site")],
    number: Annotated[str, option(Text("Number, as it sends it.", "设备号，与上报一致。"))],
    installed: Installed = None,
    note: Note = None,
    config: Config = FENCELINE,
) -> None:
    """Add a badge."""
    entry = {"id": id_, "site": site, "number": number, "note": note}
    entry["installed"] = cell("--installed", "installed", installed)
    RegistryView().changes(_add(config, "badge", entry))


def _given_key(path: Path) -> str:
    from hub.registry.live import key_of

    try:
        key = key_of(path.read_text("ascii").strip())
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UserError(f"--key-file {path}: cannot be read ({told}); name the file with the board's key") from None
    if key is None:
        raise UserError(f"--key-file {path}: does not hold 64 hexadecimal digits; make one: openssl rand -hex 32")
    return key.hex()
