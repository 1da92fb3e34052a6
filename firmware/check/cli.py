"""`fenceline board check`: everything that a board needs, tried for real, and the commissioning report."""

import datetime as dt
import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from firmware.check import results as checkup
from firmware.check.letterhead import read_letterhead
from firmware.check.network import network
from firmware.check.pictures import MOST_PHOTOS, picture
from firmware.check.report import STATES, Commissioned, render
from firmware.check.results import Result, ResultState, passed
from firmware.link import session
from firmware.link.link import Link
from firmware.link.live import Live
from firmware.link.session import Seen
from firmware.notebook.boards import BoardRecord, Records
from firmware.notebook.calibrations import Ledger
from firmware.notebook.folder import home
from firmware.provision.board import config_of, find, key_of, mac
from firmware.sync.hub_client import latest
from firmware.terminal.options import BAUD, NONE, Baud, Home, Port, Who, name_of
from firmware.terminal.screen import progress, say, table
from firmware.terminal.speech import FieldError, if_stopped
from hub.terminal.commands import alone, command, option
from hub.terminal.json_lines import print_object
from hub.terminal.options import AsJson
from schemas.errors import UserError
from schemas.language import Text, spoken, tell

app = alone()

STARTED = Text(
    "The board has started again and measures on; fenceline board console shows what.",
    "设备已重新启动并继续测量；用 fenceline board console 可查看读数。",
)
MEASURES_ON = Text("Nothing was changed; the board measures on.", "未作任何更改；设备继续测量。")
STYLES = {
    ResultState.ok: "green",
    ResultState.warning: "yellow",
    ResultState.problem: "bold red",
    ResultState.skipped: "dim",
}
_WHOLE = "[__import__('main').whole(p) for p in __import__('sys').path if p.startswith('slots/')]"


@command(
    app,
    "check",
    Text(
        """Check a board: every sensor, buses, clock, storage, network, broker, and a record to the hub and back.

        The board's own agent does it, with the sensors and the network that it will have. Each failure comes with what
        to do. The exit code is 1 if one is left. The report fits one page, to be printed and signed.""",
        """检查设备：各传感器、总线、时钟、存储、网络、消息代理，以及一条记录到数据中心的往返。

        由设备自身的程序执行，使用实际的传感器和网络。每项不合格均附处理办法。仍有不合格项时退出码为 1。
        报告为一页，可打印签字。""",
    ),
    "fenceline board check",
    "fenceline board check --offline --lang zh",
)
def check_command(
    report: Annotated[
        Path | None,
        option(
            Text("Write the report there (HTML).", "报告（HTML）的存放位置。"),
            show_default=Text("reports/ in your folder", "您的目录下的 reports/"),
        ),
    ] = None,
    offline: Annotated[
        bool,
        option(
            Text("No network here: leave it, broker and hub out.", "现场无网络：略去网络、代理和数据中心。"),
            "--offline",
        ),
    ] = False,
    patience: Annotated[
        float, option(Text("s to wait for sensors, broker and hub.", "等待传感器、代理和数据中心的时间（秒）。"), min=1)
    ] = 90.0,
    serial: Annotated[
        list[str] | None,
        option(
            Text(
                "SENSOR=NUMBER: a sensor's serial number, for the report; kept for the next one.",
                "传感器=编号：传感器的出厂编号，写入报告并保留至下次。",
            ),
            "--serial",
            show_default=Text("as told before", "沿用此前提供的"),
        ),
    ] = None,
    photo: Annotated[
        list[Path] | None,
        option(
            Text(
                f"A photo for the report (JPEG, PNG), up to {MOST_PHOTOS}; where and when it was taken is left out.",
                f"写入报告的照片（JPEG、PNG），最多 {MOST_PHOTOS} 张；不含拍摄地点和时间。",
            ),
            "--photo",
            show_default=NONE,
        ),
    ] = None,
    remark: Annotated[str, option(Text("A line for the report.", "写入报告的说明。"), show_default=NONE)] = "",
    port: Port = None,
    baud: Baud = BAUD,
    who: Who = None,
    home_folder: Home = None,
    as_json: AsJson = False,
) -> None:
    """Check a board."""
    folder = home(home_folder)
    ledger = Ledger(folder)
    # What is wrong with pictures is told before the board is stopped for minutes.
    photos = _photos(photo or ())
    letterhead = read_letterhead(folder)
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    with Link.open(port, baud=baud) as link, if_stopped(MEASURES_ON):
        version = session.enter(link)
        config = config_of(link)
        serials = _serials(serial or (), config)
        told = session.look(link)
        content = find(link).calibration
        has_key = key_of(link) is not None
        results = [
            checkup.software(version, whole=all(link.value(_WHOLE))),
            checkup.identity(config, has_key=has_key),
            checkup.certificate(_expires(link, config), now, secured="tls" in config["broker"]),
            checkup.clock(told["t"], time.time()),
            checkup.storage(told["storage"]),
            checkup.outbox(told["outbox"]),
            checkup.reset(told["reset"]),
            *checkup.buses(told["buses"]),
        ]
        # Without a key the agent does not start, and what has no identity has no records either.
        courses: dict[str, list[tuple[float, float]]] = {}
        seen = _watch(link, config, patience, courses, offline=offline) if has_key else None
        address = mac(link)
    values = seen.values if seen else {}
    if seen:
        results += [checkup.sensor(name, one, values) for name, one in seen.sensors.items()]
        results.append(checkup.supply(values))
        types = [str(one.get("type")) for one in config["sensors"]]
        channels = {channel for one in seen.sensors.values() for channel in one.channels}
        results += checkup.humidity(types, content, channels)
        results += network(seen, told["platform"], offline=offline)
    results.append(checkup.calibration(content, now.date()))
    board = str(config["device"])
    record = _record(Records(folder), config, name_of(who), address, serials)
    entries = [one for one in latest(ledger.entries(board)) if content and one.channel in content.get("channels", {})]
    done = Commissioned(
        record=record,
        version=version,
        runtime=str(told["runtime"]),
        results=results,
        values=values,
        entries=entries,
        calibration=int((content or {}).get("id", 0)),
        who=name_of(who),
        at=now,
        remark=remark,
        offline=offline,
        courses=dict(courses),
        photos=photos,
        letterhead=letterhead,
    )
    path = _write(report or folder / "reports" / f"{board}-{now:%Y%m%dT%H%M%SZ}.html", render(done, spoken()))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if as_json:
        print_object(_report(board, results, path) | {"report_sha256": digest})
    else:
        _show(results)
        well = passed(results)
        print(
            tell(
                Text(f"{board}: passed" if well else f"{board}: NOT passed", f"{board}：{'合格' if well else '不合格'}")
            )
        )
        say(Text(f"report: {path}", f"报告：{path}"))
        # Whoever gets the file can tell that it is the one which was written here.
        say(Text(f"its SHA-256: {digest}", f"其 SHA-256：{digest}"))
        if has_key:
            say(STARTED)
    if not passed(results):
        raise typer.Exit(1)


def _serials(given: Sequence[str], config: dict[str, Any]) -> dict[str, str]:
    """Take SENSOR=NUMBER apart.

    Raises:
        UserError: one names no sensor of the board, or no number.
    """
    names = [str(one["name"]) for one in config["sensors"]]
    found = {}
    for text in given:
        name, _, number = (part.strip() for part in text.partition("="))
        if name not in names or not number:
            raise UserError(f"--serial {text}: expected SENSOR=NUMBER with SENSOR one of {', '.join(names)}")
        found[name] = number
    return found


def _record(records: Records, config: dict[str, Any], who: str, address: str, serials: dict[str, str]) -> BoardRecord:
    """Return what the laptop knows of the board, with what it has shown now."""
    records.adopt(config, who)
    record = records.get(str(config["device"]))
    assert record
    record.mac, record.sensors = record.mac or address, config["sensors"]
    if serials:
        record.serials |= serials
        records.put(record)
    return record


def _photos(given: Sequence[Path]) -> list[str]:
    if len(given) > MOST_PHOTOS:
        raise UserError(f"--photo: is given {len(given)} times; expected {MOST_PHOTOS} at most, choose among them")
    return [picture("--photo", path) for path in given]


def _watch(
    link: Link,
    config: dict[str, Any],
    patience: float,
    courses: dict[str, list[tuple[float, float]]],
    *,
    offline: bool,
) -> Seen:
    """Let the agent work until every sensor has given something and the hub has answered, or for `patience` s.

    What each channel gave is put into `courses`: s since the beginning, value.
    """
    sensors, begin = len(config["sensors"]), time.monotonic()
    with Live(link, 0.5) as live, progress(Text("Checking", "正在检查"), sensors + 2 * (not offline)) as more:
        done = 0
        while True:
            seen = live.next(20)
            for channel, value in seen.values.items():
                courses.setdefault(channel, []).append((time.monotonic() - begin, value))
            good = sum(one.flag == "N" and one.n > 1 for one in seen.sensors.values())
            reached = 0 if offline else seen.connected + seen.reached_hub
            now = Text("the hub", "数据中心") if good == sensors else Text("sensors", "传感器")
            more(good + reached - done, tell(now))
            done = good + reached
            if done == sensors + 2 * (not offline) or time.monotonic() - begin > patience:
                return seen


def _expires(link: Link, config: dict[str, Any]) -> dt.datetime | None:
    from cryptography import x509

    named = config["broker"].get("tls", {}).get("certificate")
    if not named:
        return None
    try:
        return x509.load_pem_x509_certificate(link.read(f"/{named}")).not_valid_after_utc
    except (FieldError, ValueError):
        return None


def _write(path: Path, text: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise UserError(f"--report {path}: {error.strerror}; name a file that can be written") from error
    return path


def _show(results: list[Result]) -> None:
    columns = Text("Check", "检查"), Text("Result", "结果"), Text("Found", "情况"), Text("What to do", "处理办法")
    rows = [[tell(one.name), tell(STATES[one.state]), tell(one.found), tell(one.remedy)] for one in results]
    table(columns, rows, [STYLES[one.state] for one in results])


def _report(board: str, results: list[Result], path: Path) -> dict[str, Any]:
    checks = [
        {"check": one.name.en, "state": one.state.value, "found": tell(one.found), "remedy": tell(one.remedy)}
        for one in results
    ]
    return {"board": board, "passed": passed(results), "checks": checks, "report": str(path)}
