"""`fenceline sim jt808`: simulated terminals."""

import asyncio
import time
from pathlib import Path
from typing import Annotated

from hub.terminal.commands import option
from hub.terminal.json_lines import print_object
from schemas.errors import UserError
from schemas.language import Text
from sim.terminals.terminal import FAULTS, Account, SimTerminal

EXAMPLES = (
    "fenceline sim jt808 --port 8808 --phone 13800000017",
    "fenceline sim jt808 --port 8808 --phone 13800000017 --terminals 50 --every 1 --fault twice",
)
HELP = Text(
    """Run terminals that speak JT/T 808: they register, drive in circles, and send fixes until each is acknowledged.

    Once for each fix they print how they stand together: made, acknowledged (8001), waiting. Faults: """
    + "; ".join(f"{name}: {text}" for name, text in FAULTS.items())
    + ".",
    """运行按 JT/T 808 通信的模拟车载终端：注册、绕圈行驶，并上报位置直至全部应答。

    每个位置输出一次合计：已生成、已应答（8001）、等待。故障："""
    + "、".join(FAULTS)
    + "。",
)


def jt808(
    port: Annotated[int, option(Text("The hub's port.", "数据中心的端口。"), min=1, max=65535)],
    phone: Annotated[str, option(Text("Number of the first terminal; they count up.", "首个终端手机号，依次递增。"))],
    host: Annotated[str, option(Text("The hub's address.", "数据中心的地址。"))] = "127.0.0.1",
    code_file: Annotated[
        Path | None,
        option(
            Text("File with their code.", "鉴权码文件。"),
            "--code-file",
            show_default=Text("what a registration tells", "注册时获得"),
        ),
    ] = None,
    terminals: Annotated[int, option(Text("How many.", "终端数量。"), min=1, max=10_000)] = 1,
    newer: Annotated[bool, option(Text("Frames of the edition of 2019.", "采用 2019 版报文。"), "--newer")] = False,
    every: Annotated[
        float, option(Text("Real seconds from one fix to the next.", "两个位置的实际间隔秒数。"), min=0.01)
    ] = 10.0,
    back: Annotated[
        int,
        option(
            Text("Begin so many minutes ago; --every then catches up.", "从若干分钟前开始，按 --every 追赶。"), min=0
        ),
    ] = 0,
    fixes: Annotated[
        int | None,
        option(
            Text(
                "End after so many fixes of each, when all is acknowledged.", "每个终端生成若干位置并全部应答后结束。"
            ),
            min=1,
            show_default=Text("Ctrl-C", "Ctrl-C"),
        ),
    ] = None,
    fault: Annotated[list[str] | None, option(Text("Have a fault; may be repeated.", "具有某种故障，可重复。"))] = None,
) -> None:
    """Run simulated terminals."""
    faults = fault or []
    for name in faults:
        if name not in FAULTS:
            raise UserError(f"--fault {name}: expected one of: {', '.join(FAULTS)}")
    if not (phone.isascii() and phone.isdigit()) or len(phone) > (20 if newer else 12):
        raise UserError(f"--phone {phone!r}: expected at most {20 if newer else 12} digits")
    try:
        code = code_file.read_text("utf-8").strip() if code_file else None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--code-file {code_file}: cannot be read ({error}); name a file with the code") from error
    numbers = [str(int(phone) + number).rjust(len(phone), "0") for number in range(terminals)]
    fleet = [SimTerminal(port, one, code, host=host, newer=newer, faults=faults) for one in numbers]
    asyncio.run(_run(fleet, int(time.time()) - 60 * back, fixes, every))


async def _run(fleet: list[SimTerminal], begin: int, fixes: int | None, every: float) -> None:
    talking = [asyncio.create_task(one.run()) for one in fleet]
    t, made = begin, 0
    try:
        while fixes is None or made < fixes:
            for one in fleet:
                one.make(t)
            made += 1
            t += 10 if t + 10 <= time.time() else max(1, round(every))
            _say(fleet)
            await asyncio.sleep(every)
        while any(one.account().waiting for one in fleet):
            await asyncio.sleep(0.1)
        _say(fleet)
    finally:
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)


def _say(fleet: list[SimTerminal]) -> None:
    accounts = [one.account() for one in fleet]
    total = Account(*(sum(one[n] for one in accounts) for n in range(len(Account._fields))))
    print_object(total._asdict())
