"""`fenceline demo`: a simulated city on this machine, in one command."""

import asyncio
import json
import locale
import os
import shutil
import sys
import tempfile
import time
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from schemas.errors import UserError
from sim.city.account import account
from sim.city.demo import Demo, Plan, check_port, city, interrupted
from sim.city.replay import load_recording
from sim.city.scenario import SHANGHAI
from sim.city.source import SimClock
from sim.city.view import View, elapsed, numbers
from sim.interpreter import find_micropython, interpreter_name

app = typer.Typer(add_completion=False)

BEGIN = timedelta(hours=5, minutes=19)
"""Local time at which a demo begins: one site still works at night, the stacks start up, at seven come the piles."""
PLAIN_EVERY = 5.0  # s between plain lines


class Lang(StrEnum):
    """Language of the view."""

    en = "en"
    zh = "zh"


class Interpreter(StrEnum):
    """What the boards run on."""

    auto = "auto"
    micropython = "micropython"
    cpython = "cpython"


@app.command(
    epilog="Examples: fenceline demo | fenceline demo --for 60 --json | fenceline demo --lang zh --speed 120 | "
    "fenceline demo --replay PRSA_Data_Dongsi.csv.gz --replay gt_2011.csv",
)
def demo(
    seconds: Annotated[
        float | None, typer.Option("--for", min=1, help="Stop by itself after so many seconds.", show_default="Ctrl-C")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the account as one line of JSON at the end.")] = False,
    replay: Annotated[
        list[Path] | None,
        typer.Option(help="Measure what this recording holds (CSV or CSV.gz, see sim/README.md); may be repeated."),
    ] = None,
    speed: Annotated[float, typer.Option(min=1, max=600, help="Simulated seconds in a real second.")] = 60,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the MQTT broker on 127.0.0.1; 0: any.")] = 0,
    lang: Annotated[Lang | None, typer.Option(help="Language of the view.", show_default="as the system's")] = None,
    interpreter: Annotated[Interpreter, typer.Option(help="What the boards run on.")] = Interpreter.auto,
    keep: Annotated[
        Path | None, typer.Option(help="Keep databases, logs and outboxes in this new folder.", show_default="none")
    ] = None,
) -> None:
    """Run a simulated city: 12 boards with the real agent, an MQTT broker, the hub, and a live view.

    At the end the records that the boards made are compared with those in the series store.
    """
    recordings = [load_recording(path) for path in replay or ()]
    micropython = _micropython(interpreter)
    if port:
        check_port(port)
    folder = _folder(keep)
    now = datetime.now(SHANGHAI)
    start = now.replace(hour=0, minute=0, second=0, microsecond=0) + BEGIN
    clock = SimClock(start.timestamp(), time.time(), speed)
    plan = Plan(folder, clock, recordings, micropython, port)
    name = interpreter_name(micropython or Path(sys.executable))
    try:
        result = asyncio.run(_run(plan, name, (lang or _system_language()).value, seconds, sys.stdout.isatty()))
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    if as_json:
        print(json.dumps(result))
    if result["lost"] or result["duplicated"]:
        raise typer.Exit(1)


async def _run(plan: Plan, name: str, lang: str, seconds: float | None, live: bool) -> dict[str, object]:
    began = time.monotonic()
    stop = interrupted()
    console = Console(stderr=False)
    async with city(plan) as demo:
        view = View(demo, name, lang)
        deadline = None if seconds is None else time.monotonic() + seconds
        if live:
            await _show_live(view, demo, console, stop, deadline)
        else:
            await _show_plain(view, demo, stop, deadline)
        print(_TEXTS[lang]["ending"], flush=True)
        await demo.finish()
        counted = account({board.id: demo.outbox(board) for board in demo.boards}, demo.series)
        n = numbers(demo)
        print(view.line())
        print(_TEXTS[lang]["account"].format(**vars(counted)), flush=True)
    return {
        "boards": len(demo.boards),
        "interpreter": name,
        "records_made": counted.made,
        "records_stored": counted.stored,
        "lost": counted.lost,
        "duplicated": counted.duplicated,
        "quarantined": n.quarantined,
        "alerts": n.alerts,
        "seconds": elapsed(began),
    }


_TEXTS = {
    "en": {
        "ending": "stopping: the boards send what they still hold ...",
        "account": "account: {made} records made, {stored} stored, {lost} lost, {duplicated} duplicated",
    },
    "zh": {
        "ending": "正在停止：设备发送剩余记录……",
        "account": "核对：生成{made}条，入库{stored}条，丢失{lost}条，重复{duplicated}条",
    },
}


async def _show_live(view: View, demo: Demo, console: Console, stop: asyncio.Event, deadline: float | None) -> None:
    with Live(view.screen(), console=console, auto_refresh=False, screen=False) as live:
        while not await _over(stop, deadline, 0.5):
            demo.check()
            live.update(view.screen(), refresh=True)


async def _show_plain(view: View, demo: Demo, stop: asyncio.Event, deadline: float | None) -> None:
    print(view.heading(), flush=True)
    told = 0
    while not await _over(stop, deadline, PLAIN_EVERY):
        demo.check()
        for alert, text in view.alerts(told):
            print(text, flush=True)
            told = alert
        print(view.line(), flush=True)


async def _over(stop: asyncio.Event, deadline: float | None, pause: float) -> bool:
    """Wait for `pause` seconds; tell whether the demo is over by then."""
    left = pause if deadline is None else min(pause, deadline - time.monotonic())
    try:
        await asyncio.wait_for(stop.wait(), max(0, left))
    except TimeoutError:
        return deadline is not None and time.monotonic() >= deadline
    return True


def _micropython(wanted: Interpreter) -> Path | None:
    if wanted is Interpreter.cpython:
        return None
    found = find_micropython()
    if found is None and wanted is Interpreter.micropython:
        raise UserError(
            "--interpreter micropython: no MicroPython 1.24 or newer found; install the package micropython, "
            "set FENCELINE_MICROPYTHON to its path, or leave the option out"
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


def _system_language() -> Lang:
    wanted = os.environ.get("FENCELINE_LANG") or locale.getlocale()[0] or ""
    return Lang.zh if wanted.lower().startswith(("zh", "chinese")) else Lang.en
