"""Options that several commands of `fenceline board` share."""

import getpass
from pathlib import Path
from typing import Annotated

from hub.terminal.commands import option
from schemas.language import Text

NONE = Text("none", "无")
Port = Annotated[
    str | None,
    option(
        Text("The board's serial port.", "设备所在串口。"),
        "--port",
        show_default=Text("the only board there is", "唯一的设备"),
    ),
]
Baud = Annotated[int, option(Text("Of the line.", "串口波特率。"), "--baud")]
BAUD = 115200
Home = Annotated[
    Path | None,
    option(
        Text(
            "Folder of the ledger, the boards' records and what waits for the hub.",
            "存放台账、设备档案和待发送内容的目录。",
        ),
        "--home",
        envvar="FENCELINE_HOME",
        show_default=Text("~/.local/share/fenceline", "~/.local/share/fenceline"),
    ),
]
Who = Annotated[
    str | None,
    option(
        Text("Your name, for the records.", "您的姓名，用于记录。"),
        "--who",
        envvar="FENCELINE_WHO",
        show_default=Text("the system's user", "系统用户"),
    ),
]
Yes = Annotated[
    bool,
    option(
        Text("Do not wait for Enter, and take every question as answered yes.", "不等待回车，所有询问均视为“是”。"),
        "--yes",
    ),
]
Hub = Annotated[
    str | None,
    option(
        Text("The hub's address: https://HOST:PORT.", "数据中心地址：https://主机:端口。"),
        "--hub",
        envvar="FENCELINE_HUB",
        show_default=NONE,
    ),
]
TokenFile = Annotated[
    Path | None,
    option(
        Text(
            "File with your token (chmod 600): fenceline access add NAME --role technician.",
            "存放令牌的文件（chmod 600）：fenceline access add 姓名 --role technician。",
        ),
        "--token-file",
        envvar="FENCELINE_TOKEN_FILE",
        show_default=NONE,
    ),
]
HubCa = Annotated[
    Path | None,
    option(
        Text("Certificate of the authority behind the hub's.", "签发数据中心证书的机构证书。"),
        "--hub-ca",
        envvar="FENCELINE_HUB_CA",
        show_default=Text("the system's", "系统自带"),
    ),
]


def name_of(who: str | None) -> str:
    """Return who works: the name given, or the system's user."""
    return who or getpass.getuser()
