"""Brings what waits on the laptop to the hub, a board at a time; what the hub has not confirmed stays."""

import datetime as dt
from pathlib import Path
from typing import Any

from firmware.notebook.boards import Records
from firmware.notebook.calibrations import Ledger
from firmware.notebook.repairs import RepairLog
from firmware.sync.hub_client import HubClient, read_token
from firmware.terminal.speech import FieldError
from schemas.errors import UserError
from schemas.language import Text


def client(hub: str | None, token_file: Path | None, ca: Path | None) -> HubClient | None:
    """Return the client of the hub that was named, None when none was.

    Raises:
        FieldError: its token is missing or cannot be used.
    """
    if hub is None:
        return None
    if token_file is None:
        raise FieldError(
            Text(
                "--hub needs --token-file with your token: at the hub, fenceline access add NAME --role technician",
                "--hub 须与 --token-file 一起使用；令牌在数据中心生成：fenceline access add 姓名 --role technician",
            )
        )
    return HubClient(hub, read_token(token_file), ca)


def sync(folder: Path, hub: HubClient, board: str) -> dict[str, Any]:
    """Tell the hub of one board; return its answer.

    Raises:
        FieldError: the hub is not reached, or refuses it.
        UserError: the board was not provisioned from this laptop.
    """
    records = Records(folder)
    record, outgoing = records.get(board), records.outgoing(board)
    if record is None or outgoing is None:
        raise UserError(f"board {board!r}: nothing waits for the hub; it was not provisioned from this laptop")
    answer = hub.tell(record, outgoing, Ledger(folder).entries(board), RepairLog(folder).repairs(board))
    records.told(board, dt.datetime.now(dt.UTC).replace(microsecond=0))
    return answer
