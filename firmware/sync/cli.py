"""`fenceline board sync`: the hub is told what was done where there was no network."""

from typing import Any

import typer

from firmware.notebook.boards import Records
from firmware.notebook.folder import home
from firmware.sync.sync import client, sync
from firmware.terminal.options import Home, Hub, HubCa, TokenFile
from firmware.terminal.screen import progress
from firmware.terminal.speech import FieldError
from hub.terminal.commands import alone, command
from hub.terminal.json_lines import print_object
from hub.terminal.options import AsJson
from schemas.errors import UserError
from schemas.language import Text, tell

app = alone()


@command(
    app,
    "sync",
    Text(
        """Tell the hub what waits on this laptop: new boards with their keys, calibrations, repairs.

        Sent again, nothing changes. What the hub does not confirm stays. The exit code is 1 if something still
        waits.""",
        """将本机待发送的内容发给数据中心：新设备及密钥、校准、维修记录。

        重复发送不会有变化。数据中心未确认的内容保留。仍有待发送内容时退出码为 1。""",
    ),
    "fenceline board sync --hub https://hub.city.example --token-file token",
)
def sync_command(
    hub: Hub = None,
    token_file: TokenFile = None,
    hub_ca: HubCa = None,
    home_folder: Home = None,
    as_json: AsJson = False,
) -> None:
    """Tell the hub what waits on this laptop."""
    folder = home(home_folder)
    waiting = Records(folder).waiting()
    known_hub = client(hub, token_file, hub_ca)
    if known_hub is None:
        raise UserError(f"--hub is missing; {len(waiting)} boards wait: {', '.join(waiting) or 'none'}")
    done: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    with progress(Text("Telling the hub", "正在发送"), max(1, len(waiting))) as more:
        for board in waiting:
            more(0, board)
            try:
                done[board] = sync(folder, known_hub, board)
            except FieldError as error:
                failed[board] = str(error)
            more(1, board)
    if as_json:
        print_object({"told": done, "waiting": failed})
    else:
        for board, answer in done.items():
            print(tell(_outcome(board, answer)))
        for board, why in failed.items():
            print(f"{board}: {why}")
        if not waiting:
            print(tell(Text("Nothing waits for the hub.", "没有待发送的内容。")))
    if failed:
        raise typer.Exit(1)


def _outcome(board: str, answer: dict[str, Any]) -> Text:
    new = answer["registered"]
    entries = f"{answer['calibrations']} + {answer['repairs']}"
    return Text(
        f"{board}: {'registered' if new else 'known'}; new calibrations and repairs: {entries}",
        f"{board}：{'已登记' if new else '此前已登记'}；新增校准与维修记录：{entries}",
    )
