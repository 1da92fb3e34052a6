"""`fenceline sim`: simulated parts, each behind the interface of the real one."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from hub.terminal.commands import command, group, option
from schemas.domains import sensor_templates
from schemas.errors import UserError
from schemas.language import Text
from sim.chip.held import Held
from sim.chip.rom_loader import FLASH_ID, Chip, VirtualChip
from sim.chip.serial_port import Fault
from sim.chip.virtual_board import VirtualBoard
from sim.city.demo import interrupted
from sim.city.scenario import WorkingDay
from sim.city.sensors import EchoPulse, ModbusBus, Plantower, SerialLine, Ultrasonic, modbus_device, noise_transmitter
from sim.city.source import FillingBin, SimClock
from sim.interpreter import HOW_TO_GET_IT, find_micropython
from sim.rounds import cli as rounds
from sim.stations import cli as stations
from sim.terminals import cli as terminals
from sim.trucks import cli as trucks

app = group(
    Text(
        "Simulated parts for trying things out: a virtual board, a chip in download mode, an HJ 212 station.",
        "供试用的模拟部件：虚拟设备、下载模式的芯片、HJ 212 监测站。",
    ),
    "fenceline sim board --sensors dust,noise",
    "fenceline sim chip --kind esp32c3",
)
NONE = Text("none", "无")
command(app, "hj212", stations.HELP, *stations.EXAMPLES)(stations.hj212)
command(app, "jt808", terminals.HELP, *terminals.EXAMPLES)(terminals.jt808)
command(app, "rounds", rounds.HELP, *rounds.EXAMPLES)(rounds.rounds)
command(app, "trucks", trucks.HELP, *trucks.EXAMPLES)(trucks.trucks)


class Sensor(StrEnum):
    """What can be connected to a virtual board."""

    dust = "dust"
    noise = "noise"
    stack = "stack"
    level = "level"
    echo = "echo"


HELD = "held.json"
"""In the board's folder: values that are held to its sensors, such as {"laf": 94.3} for a calibrator."""
PULSES = "echo:5"
"""The port of the sensor of pulses: its trigger pin is 5."""
LINES = {
    EchoPulse: "echo: HC-SR04, trigger=5, echo=18",
    Plantower: "dust: Plantower, 9600 baud",
    Ultrasonic: "level: A02YYUW, 9600 baud",
    ModbusBus: "RS-485: noise transmitter at Modbus address 1, stack gas analyser at 2",
}
"""What hangs at a virtual board's ports, by what simulates it."""


@command(
    app,
    "board",
    Text(
        """Run a virtual board, a real MicroPython behind a serial port; the first line printed is the port.

        A file held.json in its folder holds values to its sensors, as a calibrator or a gas would: {"laf": 94.3}.""",
        """运行虚拟设备：串口背后是真实的 MicroPython；输出的第一行为串口名。

        其目录中的 held.json 可为传感器施加固定值，如同校准器或标准气：{"laf": 94.3}。""",
    ),
    "fenceline sim board",
    "fenceline sim board --folder ./board --sensors dust,noise",
    "fenceline sim board --fault cable-pull@5000",
)
def board(
    sensors: Annotated[
        str,
        option(
            Text(
                "Connect these, by commas: dust or level (uart:1), noise and stack (RS-485 at uart:2), echo (pins).",
                "连接的传感器，以逗号分隔：dust 或 level（uart:1）、noise 和 stack（uart:2 的 RS-485）、echo（引脚）。",
            ),
            show_default=NONE,
        ),
    ] = "",
    fault: Annotated[
        list[str] | None,
        option(
            Text(
                "What goes wrong, once; may be repeated. cable-pull@N: after N bytes from the computer, for a second. "
                "power-cut@N: within the Nth change of flash. slow@N: a line of N baud (9600). garbage@N: after N "
                "bytes, as at a wrong baud rate. full-disk@N: N bytes are left (4096).",
                "发生一次的故障，可重复。cable-pull@N：收到计算机 N 字节后断线一秒。power-cut@N：第 N 次写闪存时断电。"
                "slow@N：N 波特的慢速线路（9600）。garbage@N：N 字节后出现乱码，如同波特率错误。"
                "full-disk@N：只剩 N 字节空间（4096）。",
            )
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        option(
            Text("Keep the board's flash here, to start it again.", "将设备闪存保留在此，以便再次启动。"),
            show_default=NONE,
        ),
    ] = None,
) -> None:
    """Run a virtual board."""
    faults = tuple(Fault.parse(text) for text in fault or ())
    wanted = _sensors(sensors)
    micropython = find_micropython()
    if micropython is None:
        raise UserError(f"no MicroPython 1.24 or newer here: {HOW_TO_GET_IT}.")
    home = folder or Path(tempfile.mkdtemp(prefix="fenceline-board-"))
    try:
        asyncio.run(_run(home, micropython, faults, wanted))
    finally:
        if folder is None:
            shutil.rmtree(home, ignore_errors=True)


@command(
    app,
    "chip",
    Text(
        "Run a chip in download mode, to be flashed; the first line printed is the port.",
        "运行下载模式的芯片，供烧录；输出的第一行为串口名。",
    ),
    "fenceline sim chip --kind esp32c3",
    "fenceline sim chip --fault power-cut@100",
)
def chip(
    kind: Annotated[Chip, option(Text("Which one.", "芯片型号。"))] = Chip.esp32,
    fault: Annotated[
        list[str] | None,
        option(
            Text(
                "As of 'fenceline sim board', without full-disk; may be repeated.",
                "同 fenceline sim board，不含 full-disk，可重复。",
            )
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        option(
            Text("Keep the chip's flash here, to start it again.", "将芯片闪存保留在此，以便再次启动。"),
            show_default=NONE,
        ),
    ] = None,
    megabytes: Annotated[int, option(Text("Of flash: 2, 4, 8 or 16.", "闪存容量（MB）：2、4、8 或 16。"))] = 4,
) -> None:
    """Run a chip in download mode."""
    if megabytes not in FLASH_ID:
        raise UserError(f"--megabytes {megabytes}: expected one of {', '.join(map(str, FLASH_ID))}.")
    faults = tuple(Fault.parse(text) for text in fault or ())
    if any(each.kind == "full-disk" for each in faults):
        raise UserError("--fault full-disk: a chip in download mode has no file system; take another fault.")
    home = folder or Path(tempfile.mkdtemp(prefix="fenceline-chip-"))
    try:
        asyncio.run(_serve(VirtualChip(home, kind, faults, megabytes)))
    finally:
        if folder is None:
            shutil.rmtree(home, ignore_errors=True)


async def _serve(device: VirtualChip) -> None:
    stop = interrupted()
    try:
        await device.start()
        print(device.port.path, flush=True)
        await stop.wait()
    finally:
        await device.stop()


def _sensors(text: str) -> list[Sensor]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in set(Sensor):
            raise UserError(f"--sensors {name}: expected some of {','.join(Sensor)}.")
    if {Sensor.dust, Sensor.level} <= set(names):
        raise UserError("--sensors: dust and level hang at the same line, uart:1; expected one of them.")
    return [Sensor(name) for name in names]


async def _run(folder: Path, micropython: Path, faults: tuple[Fault, ...], sensors: Sequence[Sensor]) -> None:
    stop = interrupted()
    lines = serial_lines(sensors, folder / HELD)
    for line in lines.values():
        await line.start()
    places = {port: f"tcp:127.0.0.1:{line.port}" for port, line in lines.items()}
    board = VirtualBoard(folder, micropython, faults, places)
    try:
        await board.start()
        print(board.port.path, flush=True)
        for port, line in lines.items():
            print(f"{port}  {LINES[type(line)]}", flush=True)
        await stop.wait()
    finally:
        await board.stop()
        for line in lines.values():
            await line.stop()


def serial_lines(sensors: Sequence[Sensor], held: Path) -> dict[str, SerialLine]:
    """Return the lines at a board's ports: uart:1 dust or a bin, uart:2 RS-485, echo:5 a bin; on a day of earthworks.

    The file `held` says what they measure instead while it is there (sim/chip/held.py).
    """
    now = time.time()
    clock = SimClock(now, now)
    # A day of earthworks has no stack; a ceramics works' boiler is measured in its place.
    source = Held(held, WorkingDay("boiler_house" if Sensor.stack in sensors else "earthworks", seed=1))
    lines: dict[str, SerialLine] = {}
    if Sensor.dust in sensors:
        lines["uart:1"] = Plantower(source, clock)
    if Sensor.level in sensors:
        lines["uart:1"] = Ultrasonic(Held(held, FillingBin(now)), clock)
    if Sensor.echo in sensors:
        lines[PULSES] = EchoPulse(Held(held, FillingBin(now)), clock)
    devices = []
    if Sensor.noise in sensors:
        devices.append(noise_transmitter(1))
    if Sensor.stack in sensors:
        devices.append(modbus_device(sensor_templates()["stack"]))
    if devices:
        lines["uart:2"] = ModbusBus(source, clock, devices)
    return lines
