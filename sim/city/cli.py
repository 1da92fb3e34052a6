"""`fenceline demo`: a simulated city on this machine, in one command."""

import asyncio
import shlex
import shutil
import sys
import tempfile
import time
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import amqtt  # noqa: F401 - where it is missing this is told here, and not by the broker's process
import typer
from rich.console import Console, Group
from rich.live import Live

from hub.terminal.commands import alone, command, option
from hub.terminal.json_lines import print_object
from hub.terminal.options import AsJson
from schemas.errors import UserError
from schemas.language import Text, spoken, tell
from sim.city.account import account
from sim.city.demo import Demo, Plan, check_port, city, interrupted
from sim.city.replay import load_recording
from sim.city.scenario import SHANGHAI
from sim.city.view import DemoView, elapsed, numbers
from sim.interpreter import HOW_TO_GET_IT, find_micropython, interpreter_name

app = alone()

BEGIN = timedelta(hours=5, minutes=37)
"""Local time at which a demo begins: one site still works at night, the stacks start up, at seven come the piles.

Until all boards have started some seconds pass, which are minutes here: then of the window that begins at 05:40 enough
is measured, and the night's limit, which ends at 06:00, is judged once.
"""
PLAIN_EVERY = 5.0  # s between plain lines


class Interpreter(StrEnum):
    """What the boards run on."""

    auto = "auto"
    micropython = "micropython"
    cpython = "cpython"


@command(
    app,
    "demo",
    Text(
        """Run a simulated city: 13 boards with the real agent, 2 stations, an MQTT broker, the hub, and a live view.

        The stations speak HJ 212, and one has faults. At the end the records that boards and stations made are compared
        with those in the series store.""",
        """运行模拟城市：13 台运行真实程序的设备、2 台监测站、MQTT 代理、数据中心和实时画面。

        监测站按 HJ 212 通信，其中一台有故障。结束时将全部生成的记录与时序库中的记录逐一核对。""",
    ),
    "fenceline demo",
    "fenceline demo --for 60 --json",
    "fenceline demo --lang zh --speed 120",
    "fenceline demo --replay PRSA_Data_Dongsi.csv.gz --replay gt_2011.csv",
)
def demo(
    seconds: Annotated[
        float | None,
        option(
            Text("Stop by itself after so many seconds.", "若干秒后自动停止。"),
            "--for",
            min=1,
            show_default=Text("Ctrl-C", "Ctrl-C"),
        ),
    ] = None,
    as_json: AsJson = False,
    replay: Annotated[
        list[Path] | None,
        option(
            Text(
                "Measure what this recording holds (CSV or CSV.gz, see sim/README.md); may be repeated.",
                "以此录制数据作为测量值（CSV 或 CSV.gz，见 sim/README.md），可重复。",
            )
        ),
    ] = None,
    speed: Annotated[
        float, option(Text("Simulated seconds in a real second.", "每实际秒对应的模拟秒数。"), min=1, max=600)
    ] = 60,
    port: Annotated[
        int,
        option(
            Text("Port of the MQTT broker on 127.0.0.1; 0: any.", "MQTT 代理在 127.0.0.1 上的端口；0 为任意。"),
            min=0,
            max=65535,
        ),
    ] = 0,
    console_port: Annotated[
        int | None,
        option(
            Text("Port of the console on 127.0.0.1; 0: any.", "管理台在 127.0.0.1 上的端口；0 为任意。"),
            envvar="FENCELINE_CONSOLE_PORT",
            show_default=Text("8433, or any where that is taken", "8433；已被占用时任选"),
            min=0,
            max=65535,
        ),
    ] = None,
    interpreter: Annotated[
        Interpreter, option(Text("What the boards run on.", "设备程序的运行环境。"))
    ] = Interpreter.auto,
    keep: Annotated[
        Path | None,
        option(
            Text(
                "Keep databases, logs and outboxes in this new folder.", "将数据库、日志和待发送记录保留在此新目录中。"
            ),
            show_default=Text("none", "无"),
        ),
    ] = None,
) -> None:
    """Run a simulated city."""
    recordings = [load_recording(path) for path in replay or ()]
    micropython = _micropython(interpreter)
    if port:
        check_port(port, "--port")
    if console_port:
        check_port(console_port, "--console-port")
    folder = _folder(keep)
    now = datetime.now(SHANGHAI)
    start = now.replace(hour=0, minute=0, second=0, microsecond=0) + BEGIN
    plan = Plan(folder, start.timestamp(), speed, recordings, micropython, port, console_port)
    name = interpreter_name(micropython or Path(sys.executable))
    try:
        result = asyncio.run(_run(plan, name, spoken().value, seconds, sys.stdout.isatty()))
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    if as_json:
        print_object(result)
    else:
        print("\n".join(_next(keep, real=micropython is not None)))
    if any(result[name] for name in ("lost", "duplicated", "fixes_lost", "fixes_twice")):
        raise typer.Exit(1)


async def _run(plan: Plan, name: str, lang: str, seconds: float | None, live: bool) -> dict[str, object]:
    began = time.monotonic()
    stop = interrupted()
    console = Console(stderr=False)
    async with city(plan) as demo:
        view = DemoView(demo, name, lang)
        print("\n".join(_web(demo)), flush=True)
        deadline = None if seconds is None else time.monotonic() + seconds
        if live:
            await _show_live(view, demo, console, stop, deadline)
        else:
            await _show_plain(view, demo, stop, deadline)
        print(_TEXTS[lang]["ending"], flush=True)
        await demo.finish()
        outboxes = {board.id: demo.outbox(board) for board in demo.boards}
        counted = account(outboxes, demo.series, demo.made_by_stations(), demo.round.sensors)
        fixes, driven = demo.trucks.account(demo.data), demo.round.account(demo.data)
        uplinks = await demo.round.heard(demo.data)
        n = numbers(demo)
        orders = demo.orders()
        print("\n".join([*view.orders(), view.line()]))
        print(_TEXTS[lang]["account"].format(**vars(counted)))
        print(_TEXTS[lang]["trucks"].format(trucks=len(demo.trucks), **fixes._asdict()))
        said = {"bins": len(demo.round.sensors), "uplinks": uplinks.sent, "heard": uplinks.logged}
        print(_TEXTS[lang]["round"].format(**said, **driven._asdict()), flush=True)
    return {
        "boards": len(demo.boards),
        "stations": len(demo.stations),
        "interpreter": name,
        "records_made": counted.made,
        "records_stored": counted.stored,
        "lost": counted.lost,
        "duplicated": counted.duplicated,
        "trucks": len(demo.trucks),
        "shops": demo.shops,
        "cases": demo.cases,
        "rounds": len(demo.round),
        "bins": len(demo.round.sensors),
        "uplinks_sent": uplinks.sent,
        "uplinks_in_log": uplinks.logged,
        "fixes_sent": fixes.sent + driven.sent,
        "fixes_acknowledged": fixes.acknowledged + driven.acknowledged,
        "fixes_in_log": fixes.logged + driven.logged,
        "fixes_lost": fixes.lost + driven.lost,
        "fixes_twice": fixes.twice + driven.twice,
        "quarantined": n.quarantined,
        "alerts": n.alerts,
        "orders": len(orders),
        "orders_answered": sum(order.state in ("done", "refused") for order in orders),
        "seconds": elapsed(began),
    }


def _web(demo: Demo) -> list[str]:
    """Return where to look at the city in a browser; each link signs in once."""
    said = {
        "viewer": Text("as an inspector", "以检查员身份登录"),
        "officer": Text("as an officer", "以执法人员身份登录"),
        "technician": Text("as a technician", "以技术人员身份登录"),
        "admin": Text("as an admin", "以管理员身份登录"),
        "company": Text("as somebody of an enterprise", "以排污单位人员身份登录"),
        "collector": Text("as a collector, who finds and inspects", "以采集员身份登录"),
        "dispatcher": Text("as a dispatcher of cases", "以派遣员身份登录"),
        "handler": Text("as a handler of cases", "以处置人员身份登录"),
        "supervisor": Text("as a supervisor of cases", "以值班长身份登录"),
    }
    links = [f"  {link}  {tell(said[role])}" for role, link in demo.links.items()]
    return [f"{tell(Text('In a browser', '浏览器'))}: {demo.console}", *links, ""]


def _next(keep: Path | None, *, real: bool) -> list[str]:
    """Return what to try next; `real`: the boards ran on MicroPython."""
    place = "DIR" if keep is None else str(keep)
    config = shlex.quote(f"{place}/fenceline.toml")
    tries = [
        (f"fenceline alerts list --config {config}", Text("the alerts it raised", "查看产生的告警")),
        (f"fenceline run --config {config}", Text("a hub on its data", "用这些数据运行数据中心")),
    ]
    if keep is None:
        tries.insert(
            0, ("fenceline demo --keep DIR", Text("keep what the next demo measures, then:", "保留数据，然后："))
        )
    if not real:
        tries.append(("make micropython", Text("boards on a real MicroPython", "让设备运行于真实的 MicroPython")))
    width = max(len(line) for line, _ in tries)
    return [tell(Text("What next:", "接下来：")), *(f"  {line:<{width}}  {tell(text)}" for line, text in tries)]


_TEXTS = {
    "en": {
        "ending": "stopping: boards, stations and trucks send what they still hold ...",
        "account": "account: {made} records made, {stored} stored, {lost} lost, {duplicated} duplicated",
        "trucks": "{trucks} muck trucks: {sent} fixes sent, {logged} in the log, {lost} lost, {twice} twice",
        "round": "a collection round of {bins} bins: {sent} fixes sent, {logged} in the log, {lost} lost; "
        "{uplinks} uplinks sent, {heard} in the log",
    },
    "zh": {
        "ending": "正在停止：设备、监测站和渣土车发送剩余记录……",
        "account": "核对：生成{made}条，入库{stored}条，丢失{lost}条，重复{duplicated}条",
        "trucks": "{trucks}辆渣土车：发送定位{sent}条，日志中{logged}条，丢失{lost}条，重复{twice}条",
        "round": "1条收运线路（{bins}个垃圾桶）：发送定位{sent}条，日志中{logged}条，丢失{lost}条；"
        "上行{uplinks}条，日志中{heard}条",
    },
}


async def _show_live(view: DemoView, demo: Demo, console: Console, stop: asyncio.Event, deadline: float | None) -> None:
    def picture() -> Group:
        return view.screen(console.width, console.height)

    with Live(picture(), console=console, auto_refresh=False, screen=False) as live:
        while not await _over(stop, deadline, 0.5):
            demo.check()
            live.update(picture(), refresh=True)


async def _show_plain(view: DemoView, demo: Demo, stop: asyncio.Event, deadline: float | None) -> None:
    print(view.heading(), flush=True)
    told, ordered = 0, set[str]()
    while not await _over(stop, deadline, PLAIN_EVERY):
        demo.check()
        for line in view.orders():
            if line not in ordered:
                print(line, flush=True)
            ordered.add(line)
        for alert, text in view.alerts(told):
            print(text, flush=True)
            told = alert
        print(view.line(), flush=True)
        if slow := view.too_slow():
            print(slow, flush=True)


async def _over(stop: asyncio.Event, deadline: float | None, pause: float) -> bool:
    """Wait for `pause` seconds; tell whether the demo is over by then."""
    left = pause if deadline is None else min(pause, deadline - time.monotonic())
    try:
        async with asyncio.timeout(max(0, left)):
            await stop.wait()
    except TimeoutError:
        return deadline is not None and time.monotonic() >= deadline
    return True


def _micropython(wanted: Interpreter) -> Path | None:
    if wanted is Interpreter.cpython:
        return None
    found = find_micropython()
    if found is None and wanted is Interpreter.micropython:
        raise UserError(
            f"--interpreter micropython: no MicroPython 1.24 or newer here: {HOW_TO_GET_IT}; or leave the option out"
        )
    return found


def _folder(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="fenceline-demo-"))
    try:
        keep.mkdir(parents=True)
    except FileExistsError:
        raise UserError(f"--keep {keep}: it exists already; name a new folder") from None
    except OSError as error:
        raise UserError(f"--keep {keep}: cannot be made: {error.strerror}") from error
    return keep.resolve()
