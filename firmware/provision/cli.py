"""`fenceline board provision`: a board becomes one of the city's."""

import datetime as dt
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from edge import config
from firmware.link.link import Link
from firmware.notebook.boards import BoardRecord, Records
from firmware.notebook.folder import checked_id, home
from firmware.provision import certificates
from firmware.provision import sensors as templates
from firmware.provision.backup import save
from firmware.provision.board import (
    INTERVALS,
    Found,
    Wanted,
    clock_difference,
    find,
    mac,
    needs_wifi,
    provision,
    set_clock,
)
from firmware.sync.hub_client import HubClient, UnreachableError
from firmware.sync.sync import client, sync
from firmware.terminal.options import BAUD, NONE, Baud, Home, Hub, HubCa, Port, TokenFile, Who, name_of
from firmware.terminal.screen import progress, say
from firmware.terminal.speech import FieldError, if_stopped
from hub.terminal.commands import alone, command, option
from hub.terminal.json_lines import print_object
from hub.terminal.options import AsJson
from schemas.errors import UserError
from schemas.language import Text, tell

app = alone()

BEFORE = Text("as at this site before", "沿用该站点此前的设置")

UNFINISHED = Text(
    "The board is not provisioned: nothing on it counts before config.json, which comes last. Run it again.",
    "设备尚未配置完成：config.json 最后写入，在此之前的内容不生效。请重新执行该命令。",
)
CLOCK_WRONG_S = 300


@command(
    app,
    "provision",
    Text(
        """Make a board one of the city's: identity, key, certificates, Wi-Fi and sensors.

        The key is drawn here, goes to the board and to the hub, and is never shown. The hub is told at once where --hub
        is reached, else by 'fenceline board sync' later: until then what waits stays on this laptop, readable to you
        alone.

        A board that is provisioned is left alone without --force. With it, the same board keeps its key, its records
        and its calibration; another one first gets a backup.""",
        """将设备纳入全市网络：身份、密钥、证书、Wi-Fi 和传感器。

        密钥在本机生成，写入设备并发给数据中心，从不显示。能访问 --hub 时立即通知数据中心，否则以后用
        fenceline board sync 发送；此前待发送的内容保存在本机，仅您可读。

        已配置的设备不加 --force 时不作更改。使用 --force 时，同一设备保留密钥、记录和校准；其他设备先备份。""",
    ),
    "fenceline board provision --site station-pit --district nanhai --board station-pit-1 --sensor plantower "
    "--sensor noise-f --broker mqtt.city.example --ca ca.crt --certificate station-pit-1.crt "
    "--certificate-key station-pit-1.key --wifi fence",
    "fenceline board provision --site station-pit --board station-pit-2 "
    "--sensor plantower,port=uart:1:9600:rx=4:tx=5 --authority authority",
)
def provision_command(
    site: Annotated[
        str, option(Text("Id of the site, as in the city's registry.", "站点编号，与全市登记册一致。"), "--site")
    ],
    board: Annotated[
        str, option(Text("Id that the board gets: a-z, 0-9 and -.", "设备的编号：a-z、0-9 和 -。"), "--board")
    ],
    sensor: Annotated[
        list[str] | None,
        option(
            Text(
                f"TEMPLATE,KEY=VALUE,...; may be repeated. Templates: {', '.join(templates.templates())}.",
                f"模板,键=值,…，可重复。模板：{', '.join(templates.templates())}。",
            ),
            "--sensor",
        ),
    ] = None,
    sensors_file: Annotated[
        Path | None,
        option(Text("JSON list of sensors' settings instead.", "改用传感器设置的 JSON 列表文件。"), show_default=NONE),
    ] = None,
    district: Annotated[
        str | None, option(Text("Id of the site's district.", "站点所属区的编号。"), "--district", show_default=BEFORE)
    ] = None,
    broker: Annotated[
        str | None,
        option(
            Text("The city's broker, HOST or HOST:PORT.", "全市消息代理：主机，或 主机:端口。"), show_default=BEFORE
        ),
    ] = None,
    ca: Annotated[
        Path | None, option(Text("Certificate of the city's authority.", "全市证书机构的证书。"), show_default=NONE)
    ] = None,
    certificate: Annotated[
        Path | None,
        option(Text("The board's certificate, made in the office.", "在办公室生成的设备证书。"), show_default=NONE),
    ] = None,
    certificate_key: Annotated[Path | None, option(Text("Its key.", "设备证书的私钥。"), show_default=NONE)] = None,
    authority: Annotated[
        Path | None,
        option(
            Text(
                "Folder of the authority (ca.crt, ca.key): make it here.",
                "证书机构的目录（ca.crt、ca.key）：在此生成证书。",
            ),
            show_default=NONE,
        ),
    ] = None,
    plain: Annotated[
        bool,
        option(
            Text("No TLS: a broker on this machine or in a laboratory.", "不用 TLS：仅限本机或实验室的代理。"),
            "--plain",
        ),
    ] = False,
    wifi: Annotated[
        str,
        option(
            Text("Name of the Wi-Fi, also that of a 4G router.", "Wi-Fi 名称，包括 4G 路由器的。"), show_default=NONE
        ),
    ] = "",
    wifi_password_file: Annotated[
        Path | None,
        option(
            Text("File with its password.", "存放 Wi-Fi 密码的文件。"), show_default=Text("you are asked", "另行询问")
        ),
    ] = None,
    interval: Annotated[
        int, option(Text("Length of a record in s: a divisor of 60.", "记录时长（秒）：60 的约数。"))
    ] = 10,
    period: Annotated[
        float,
        option(
            Text("s between two samples of a sensor that is asked.", "问询式传感器两次采样的间隔（秒）。"),
            min=0.1,
            max=60,
        ),
    ] = 1.0,
    led: Annotated[
        int | None,
        option(
            Text("Pin of a light, for 'identify' to blink.", "指示灯的引脚，供 identify 闪灯查找。"),
            min=0,
            max=99,
            metavar="PIN",
            show_default=Text("none that it knows", "无"),
        ),
    ] = None,
    position: Annotated[
        str | None,
        option(
            Text("LATITUDE,LONGITUDE in degrees, WGS-84, for the report.", "纬度,经度（度，WGS-84），用于报告。"),
            show_default=NONE,
        ),
    ] = None,
    place: Annotated[str, option(Text("Where it hangs, in words.", "安装位置说明。"), show_default=NONE)] = "",
    site_name: Annotated[
        str,
        option(
            Text("The site's name, for the report.", "站点名称，用于报告。"), show_default=Text("its id", "站点编号")
        ),
    ] = "",
    force: Annotated[
        bool,
        option(
            Text("Also a board that is provisioned; says what is lost.", "设备已配置时也执行，并说明将丢失的内容。"),
            "--force",
        ),
    ] = False,
    port: Port = None,
    baud: Baud = BAUD,
    hub: Hub = None,
    token_file: TokenFile = None,
    hub_ca: HubCa = None,
    who: Who = None,
    home_folder: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make a board one of the city's."""
    folder = home(home_folder)
    records = Records(folder)
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    before = next((one for one in reversed(records.all()) if one.site == site), None)
    known_hub = client(hub, token_file, hub_ca)
    host, broker_port = _broker(broker or (before.broker if before else None), plain=plain)
    material = _material(board, host, ca, certificate, certificate_key, authority, now, plain=plain)
    wanted = Wanted(
        board=checked_id(board, "board"),
        site=checked_id(site, "site"),
        district=checked_id(district or (before.district if before else ""), "--district: district"),
        host=host,
        port=broker_port,
        sensors=_sensors(sensor, sensors_file),
        interval=_interval(interval),
        material=material,
        wifi=wifi,
        wifi_password=_password(wifi, wifi_password_file),
        more=({"period": period} if period != 1 else {}) | ({} if led is None else {"led_pin": led}),
    )
    _refuse_wrong(wanted.config())
    place_known = _position(position) or (before.position if before else None)
    with Link.open(port, baud=baud) as link:
        found = find(link)
        _refuse_overwriting(found, wanted, force=force)
        if needs_wifi(link) and not wifi:
            raise UserError("--wifi is missing: this board has no other network; the password is asked for")
        saved = None
        if found.config is not None and found.board != wanted.board:
            saved = save(link, folder / "backups", now).path
            say(Text(f"backup: {saved}", f"备份：{saved}"))
        waiting = records.outgoing(board)
        with (
            if_stopped(UNFINISHED),
            progress(Text("Provisioning", "正在配置"), 6) as more,
        ):
            key = provision(link, wanted, found, waiting.key if waiting else None, lambda path: more(1, path))
        clock_set = _mend_clock(link)
        address = mac(link)
    records.put(
        BoardRecord(
            board=board,
            site=site,
            district=wanted.district,
            sensors=wanted.sensors,
            broker=f"{host}:{broker_port}",
            who=name_of(who),
            provisioned=now,
            mac=address,
            site_name=site_name or (before.site_name if before else ""),
            position=place_known,
            place=place,
            interval=interval,
            certificate_expires=material.expires.date() if material else None,
        )
    )
    records.queue(board, now, key)
    told, trouble = _tell_now(folder, known_hub, board)
    if as_json:
        done: dict[str, Any] = {"board": board, "site": site, "district": wanted.district, "registered": told}
        print_object(done | {"clock_set": clock_set, "backup": str(saved) if saved else None})
    else:
        print(tell(Text(f"{board} is provisioned for {site}.", f"{board} 已配置到 {site}。")))
    if trouble:
        raise trouble
    if not told:
        say(
            Text(
                "The hub does not know it yet: fenceline board sync, when there is a network.",
                "数据中心尚未登记该设备：有网络时执行 fenceline board sync。",
            )
        )


def _tell_now(folder: Path, hub: HubClient | None, board: str) -> tuple[bool, FieldError | None]:
    """Tell the hub at once if it can be reached; return whether it knows, and what it refuses."""
    if hub is None:
        return False, None
    try:
        sync(folder, hub, board)
    except UnreachableError as error:
        say(error.text)
        return False, None
    except FieldError as error:
        return False, error
    return True, None


def _refuse_wrong(made: dict[str, Any]) -> None:
    """Refuse what the board would refuse, before anything is written to it."""
    told = config.wrong(made)
    if told:
        raise UserError(f"{told} (the board would refuse this configuration)")


def _refuse_overwriting(found: Found, wanted: Wanted, *, force: bool) -> None:
    if found.config is None:
        return
    lost = found.losses(wanted.board)
    en, zh = ", ".join(text.en for text in lost), "、".join(text.zh for text in lost)
    name = found.board or "?"
    if not force:
        raise FieldError(
            Text(
                f"this board is provisioned as {name}; with --force it would lose: {en}",
                f"该设备已配置为 {name}；使用 --force 将丢失：{zh}",
            )
        )
    say(Text(f"{name} loses: {en}", f"{name} 将丢失：{zh}"))


def _mend_clock(link: Link) -> bool:
    """Set a clock that is far off; return whether that was done."""
    now = dt.datetime.now(dt.UTC)
    if abs(clock_difference(link, now.timestamp())) < CLOCK_WRONG_S:
        return False
    done = set_clock(link, (now.year, now.month, now.day, now.weekday(), now.hour, now.minute, now.second))
    if done:
        say(Text("The board's clock was wrong; it is set from this laptop.", "设备时钟有误，已按本机时间设置。"))
    return done


def _broker(text: str | None, *, plain: bool) -> tuple[str, int]:
    host, _, port = (text or "").rpartition(":") if ":" in (text or "") else (text or "", "", "")
    if not host or not (port or "1").isdigit() or " " in host:
        raise UserError(f"--broker {text or ''}: expected HOST or HOST:PORT, such as mqtt.city.example:8883")
    return host, int(port) if port else 1883 if plain else 8883


def _material(
    board: str,
    host: str,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
    authority: Path | None,
    now: dt.datetime,
    *,
    plain: bool,
) -> certificates.Material | None:
    if plain:
        if ca or certificate or key or authority:
            raise UserError("--plain and certificates exclude each other; leave one out")
        return None
    if authority and not (ca or certificate or key):
        return certificates.make(board, authority)
    if ca and certificate and key and not authority:
        return certificates.from_files(board, ca, certificate, key, now)
    raise UserError(
        f"certificates for {host}: give --ca, --certificate and --certificate-key (made in the office), or --authority "
        "(made here); --plain only for a broker on this machine or in a laboratory"
    )


def _sensors(given: list[str] | None, file: Path | None) -> list[dict[str, Any]]:
    if bool(given) == (file is not None):
        raise UserError("sensors: give either --sensor, once for each, or --sensors-file")
    if file is None:
        sensors = [templates.sensor(text) for text in given or ()]
    else:
        try:
            sensors = json.loads(file.read_text("utf-8-sig"))
        except (OSError, ValueError) as error:
            raise UserError(f"--sensors-file {file}: expected a JSON list of settings ({error})") from error
        if not isinstance(sensors, list) or not sensors:
            raise UserError(f"--sensors-file {file}: expected a JSON list of settings, one for each sensor")
    templates.check(sensors)
    return sensors


def _interval(seconds: int) -> int:
    if seconds not in INTERVALS:
        raise UserError(f"--interval {seconds}: expected one of {', '.join(map(str, INTERVALS))} s")
    return seconds


def _password(wifi: str, file: Path | None) -> str:
    if not wifi:
        return ""
    if file is None:
        return str(typer.prompt(tell(Text(f"Password of {wifi}", f"{wifi} 的密码")), hide_input=True, err=True))
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--wifi-password-file {file}: cannot be read ({error})") from error


def _position(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        latitude, longitude = (float(part) for part in text.split(","))
    except ValueError:
        raise UserError(f"--position {text!r}: expected LATITUDE,LONGITUDE such as 22.5431,114.0579") from None
    if not (abs(latitude) <= 90 and abs(longitude) <= 180) or latitude == longitude == 0:
        raise UserError(f"--position {text!r}: is not on Earth; expected LATITUDE,LONGITUDE such as 22.5431,114.0579")
    return latitude, longitude
