"""`fenceline sim hj212`: a simulated station."""

import asyncio
import time
from pathlib import Path
from typing import Annotated

from hub.terminal.commands import option
from hub.terminal.json_lines import print_object
from schemas.errors import UserError
from schemas.language import Text
from sim.stations.station import FAULTS, SimStation

EXAMPLES = (
    "fenceline sim hj212 --port 9212 --mn 010000A8900016F000169DC0",
    "fenceline sim hj212 --port 9212 --mn MN-A --pw-file password --every 1 --fault gap --fault crc_modbus",
)
HELP = Text(
    """Run a station that speaks HJ 212: it sends minutes and hours, and answers what it is asked.

    Once for each minute sent it prints how it stands: what it made, what was acknowledged (9014), what waits, how often
    it was asked. Faults: """
    + "; ".join(f"{name}: {text}" for name, text in FAULTS.items())
    + ".",
    """运行一台按 HJ 212 通信的模拟监测站：上报分钟和小时数据，并应答上位机。

    每测得一分钟数据输出一次：已生成、已应答（9014）、等待、被询问次数。故障："""
    + "、".join(FAULTS)
    + "。",
)


def hj212(
    port: Annotated[int, option(Text("The hub's port.", "数据中心的端口。"), min=1, max=65535)],
    mn: Annotated[str, option(Text("Number of its equipment.", "设备唯一标识（MN）。"))],
    host: Annotated[str, option(Text("The hub's address.", "数据中心的地址。"))] = "127.0.0.1",
    pw_file: Annotated[
        Path | None,
        option(Text("File with its password.", "密码文件。"), "--pw-file", show_default="123456"),
    ] = None,
    every: Annotated[
        float,
        option(Text("Real seconds from one minute of data to the next.", "两条分钟数据的实际间隔秒数。"), min=0.01),
    ] = 60.0,
    back: Annotated[
        int,
        option(
            Text(
                "Begin so many minutes ago; --every then catches up with the clock, and never passes it.",
                "从若干分钟前开始，按 --every 追赶到当前时间为止。",
            ),
            min=0,
        ),
    ] = 0,
    minutes: Annotated[
        int | None,
        option(
            Text("End after so many minutes, when all is acknowledged.", "生成若干分钟数据并全部应答后结束。"),
            min=1,
            show_default=Text("Ctrl-C", "Ctrl-C"),
        ),
    ] = None,
    fault: Annotated[list[str] | None, option(Text("Has a fault; may be repeated.", "具有某种故障，可重复。"))] = None,
) -> None:
    """Run a simulated station."""
    faults = fault or []
    for name in faults:
        if name not in FAULTS:
            raise UserError(f"--fault {name}: expected one of: {', '.join(FAULTS)}")
    try:
        pw = pw_file.read_text("utf-8").strip() if pw_file else "123456"
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--pw-file {pw_file}: cannot be read ({error}); name a file with the password") from error
    begin = time.time() - 60 * back
    started = time.monotonic()
    station = SimStation(
        *(port, mn, pw),
        host=host,
        faults=faults,
        clock=lambda: min(begin + 60 * (time.monotonic() - started) / every, time.time()),
    )
    asyncio.run(_run(station, begin, minutes, every))


async def _run(station: SimStation, begin: float, minutes: int | None, every: float) -> None:
    talking = asyncio.create_task(station.run())
    t = int(begin) // 60 * 60
    made = 0
    try:
        while minutes is None or made < minutes:
            station.measure(t + 60 * made)
            made += 1
            print_object(station.account()._asdict())
            # Of a minute that has not begun there is nothing to send.
            await asyncio.sleep(max(every, t + 60 * made - time.time()))
        while station.account().waiting:
            await asyncio.sleep(0.1)
        print_object(station.account()._asdict())
    finally:
        talking.cancel()
