"""The repair log: what was wrong with a board and what was done, by coded causes, so that faults can be counted."""

import datetime as dt
import os
from pathlib import Path
from typing import NamedTuple

import msgspec

from firmware.notebook.folder import locked
from firmware.terminal.speech import FieldError
from schemas.errors import UserError
from schemas.language import Text

FILE = "repairs.jsonl"


class Cause(NamedTuple):
    """A coded cause and the part that it concerns."""

    part: Text
    text: Text


_POWER, _CABLE = Text("power", "供电"), Text("cables", "线缆")
_SENSOR, _NETWORK = Text("sensor", "传感器"), Text("network", "网络")
_BOARD, _MOUNT = Text("board", "主板"), Text("mounting", "安装")
CAUSES = {
    "P01": Cause(_POWER, Text("mains or site supply away", "市电或工地供电中断")),
    "P02": Cause(_POWER, Text("power supply unit failed", "电源模块损坏")),
    "P03": Cause(_POWER, Text("battery or solar panel weak", "电池或太阳能板供电不足")),
    "C01": Cause(_CABLE, Text("cable or plug broken", "线缆或接头损坏")),
    "C02": Cause(_CABLE, Text("water in plug or housing", "接头或机箱进水")),
    "C03": Cause(_CABLE, Text("wired wrongly", "接线错误")),
    "S01": Cause(_SENSOR, Text("sensor dead", "传感器失效")),
    "S02": Cause(_SENSOR, Text("sensor dirty, cleaned", "传感器脏污，已清洁")),
    "S03": Cause(_SENSOR, Text("fan or pump worn", "风扇或泵磨损")),
    "S04": Cause(_SENSOR, Text("end of life, replaced", "寿命到期，已更换")),
    "S05": Cause(_SENSOR, Text("drifted, calibrated again", "漂移，已重新校准")),
    "S06": Cause(_SENSOR, Text("windscreen or inlet damaged", "防风罩或进气口损坏")),
    "N01": Cause(_NETWORK, Text("no or weak signal", "无信号或信号弱")),
    "N02": Cause(_NETWORK, Text("SIM card or tariff", "SIM卡或资费问题")),
    "N03": Cause(_NETWORK, Text("wrong settings", "配置错误")),
    "N04": Cause(_NETWORK, Text("certificate expired", "证书过期")),
    "B01": Cause(_BOARD, Text("board replaced", "更换主板")),
    "B02": Cause(_BOARD, Text("storage worn or damaged", "存储磨损或损坏")),
    "B03": Cause(_BOARD, Text("software installed again", "重新安装软件")),
    "M01": Cause(_MOUNT, Text("moved or fallen", "移位或跌落")),
    "M02": Cause(_MOUNT, Text("vandalism or theft", "人为破坏或被盗")),
    "M03": Cause(_MOUNT, Text("lightning or storm", "雷击或风暴")),
    "X00": Cause(Text("other", "其他"), Text("other: say what in --text", "其他：请用 --text 说明")),
    "X01": Cause(Text("other", "其他"), Text("nothing found", "未发现故障")),
}


class Repair(msgspec.Struct, frozen=True, omit_defaults=True):
    """One visit's cause and work at a board."""

    board: str
    code: str
    who: str
    at: dt.datetime
    sensor: str = ""
    text: str = ""


class RepairLog:
    """The repairs in the file `repairs.jsonl` of a folder, a line of JSON each."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def add(self, repair: Repair) -> None:
        """Add a repair, on the medium when it returns.

        Raises:
            FieldError: there is no such code, or it needs words.
        """
        if repair.code not in CAUSES:
            known = ", ".join(CAUSES)
            raise FieldError(
                Text(
                    f"--code {repair.code}: expected one of {known}; fenceline board repair-log codes shows them",
                    f"--code {repair.code}：可选 {known}；用 fenceline board repair-log codes 查看含义",
                )
            )
        if repair.code == "X00" and not repair.text:
            raise FieldError(Text("code X00 needs --text: say what it was", "代码 X00 须用 --text 说明原因"))
        with locked(self.path), self.path.open("ab") as file:
            file.write(msgspec.json.encode(repair) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def repairs(self, board: str = "") -> list[Repair]:
        """Return the repairs in the order in which they were made, of one board or of all.

        Raises:
            UserError: a line is damaged.
        """
        found = []
        for number, line in enumerate(self.path.read_bytes().splitlines() if self.path.exists() else [], 1):
            try:
                found.append(msgspec.json.decode(line, type=Repair))
            except msgspec.DecodeError as error:
                raise UserError(f"{self.path}, line {number}: damaged ({error}); mend or remove that line") from None
        return [repair for repair in found if board in ("", repair.board)]
