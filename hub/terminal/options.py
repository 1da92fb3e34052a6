"""The options that mean the same wherever a command has them; --lang comes with every command."""

from pathlib import Path
from typing import Annotated

from hub.terminal.commands import option
from schemas.language import Text

FENCELINE = Path("fenceline.toml")
ALL = Text("all", "全部")
Config = Annotated[
    Path,
    option(
        Text(
            "The hub's configuration; it names the registry, the keys and the data folder.",
            "数据中心的配置文件，其中指定登记册、密钥文件和数据目录。",
        ),
        "--config",
    ),
]
AsJson = Annotated[
    bool,
    option(
        Text(
            "Print JSON for programs: one object; of a list, one object a line and a summary as the last.",
            "输出 JSON，供程序使用：单个对象；列表每行一个对象，最后一行为汇总。",
        ),
        "--json",
    ),
]
District = Annotated[str, option(Text("Only of this district.", "仅限该区。"), "--district", show_default=ALL)]
Site = Annotated[str, option(Text("Only of this site.", "仅限该站点。"), "--site", show_default=ALL)]
Board = Annotated[str, option(Text("Only of this board.", "仅限该设备。"), "--board", show_default=ALL)]
Device = Annotated[str, option(Text("As --board.", "同 --board。"), "--device", hidden=True)]
"""The earlier name of --board, for scripts that have it."""
HubOf = Annotated[
    str,
    option(
        Text("The hub of this district, where each has its own.", "各区各有数据中心时，指定其所属的区。"),
        "--district",
        show_default=Text("the only hub", "唯一的数据中心"),
    ),
]
Actor = Annotated[
    str,
    option(
        Text("Who does it, as it stands in the audit trail.", "操作人，记入处理记录。"),
        "--as",
        show_default=Text("the system's user", "系统用户"),
    ),
]
Reason = Annotated[
    str, option(Text("Why; it stands in the audit trail.", "原因，记入处理记录。"), show_default=Text("nothing", "无"))
]
