"""`fenceline quarantine`: what the hub could not accept, why, and another chance for it after the cause is mended."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fenceline import UserError
from hub.admission import Admission
from hub.config import Config, ConfigError, load_config
from hub.data_folder import LOG
from hub.database import DatabaseError
from hub.log import Log
from hub.registry import load_registry
from hub.service import claim, read_only
from schemas import load_quantities

PATIENCE = 30.0  # s to wait for the running hub

app = typer.Typer(
    add_completion=False,
    help="""What the hub could not accept, and why.

Every refused message is kept whole with its reason, the newest 100,000 of them ([keep] quarantined). After the cause is
mended (the board registered, the site corrected), `replay` has them judged again; what is then admitted counts as if it
came now, and nothing counts twice. Points that the series store refused (reason `store`) are written to it again.

Examples:

  fenceline quarantine list --reason unknown_board

  fenceline quarantine show 17

  fenceline quarantine replay --device fence-0001
""",
)

ConfigOption = Annotated[Path, typer.Option(help="The hub's configuration.")]
District = Annotated[str, typer.Option(help="Of a hub that owns districts (run --districts): of this one.")]
Device = Annotated[str, typer.Option(help="Only of this board.")]
Reason = Annotated[str, typer.Option(help="Only with this reason, for example unknown_board.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
CONFIG = Path("fenceline.toml")


@app.command("list")
def list_(
    config: ConfigOption = CONFIG,
    district: District = "",
    device: Device = "",
    reason: Reason = "",
    most: Annotated[int, typer.Option(help="The newest so many.", min=1)] = 50,
    as_json: Json = False,
) -> None:
    """List the newest messages in quarantine, and how many came for each board and reason since the beginning."""
    selected = {"device": device, "reason": reason, "most": most}
    with _open(config, district) as db:
        rows = db.execute(
            "SELECT id, received, ifnull(device, '') AS device, reason, topic, detail FROM quarantine "
            "WHERE :device IN ('', device) AND :reason IN ('', reason) ORDER BY id DESC LIMIT :most",
            selected,
        ).fetchall()
        counts = db.execute(
            "SELECT device, reason, messages, last FROM count "
            "WHERE reason NOT IN ('accepted', 'duplicate', 'replayed') "
            "AND :device IN ('', device) AND :reason IN ('', reason) ORDER BY messages DESC",
            selected,
        ).fetchall()
    if as_json:
        for row in rows:
            print(json.dumps({**row, "received": _utc(row["received"])}, ensure_ascii=False))
        return
    console = Console()
    table = Table("id", "received 收到", "board 设备", "reason 原因", "detail 说明", title="Quarantine 隔离区")
    for row in rows:
        table.add_row(
            str(row["id"]), _utc(row["received"]), *(Text(row[key]) for key in ("device", "reason", "detail"))
        )
    console.print(table if rows else "The quarantine holds nothing of that. 隔离区中没有符合条件的消息。")
    if counts:
        table = Table("board 设备", "reason 原因", "messages 消息数", "last 最近", title="Since the beginning 累计")
        for row in counts:
            table.add_row(Text(row["device"] or "-"), row["reason"], f"{row['messages']:,}", _utc(row["last"]))
        console.print(table)


@app.command()
def show(
    id_: Annotated[int, typer.Argument(metavar="ID", help="As `list` shows it.")],
    config: ConfigOption = CONFIG,
    district: District = "",
    as_json: Json = False,
) -> None:
    """Show one message whole: topic, reason, and the bytes as they came."""
    with _open(config, district) as db:
        row = db.execute("SELECT * FROM quarantine WHERE id = ?", (id_,)).fetchone()
    if row is None:
        raise UserError(f"quarantine: there is no message {id_}; see 'fenceline quarantine list'")
    payload: bytes = row["payload"]
    shown = {
        "id": row["id"],
        "received": _utc(row["received"]),
        "topic": row["topic"],
        "device": row["device"],
        "reason": row["reason"],
        "detail": row["detail"],
        "records done with": row["fresh"] or "none",
        "payload": payload.decode("utf-8", "backslashreplace"),
    }
    if as_json:
        print(json.dumps({**shown, "payload_hex": payload.hex()}, ensure_ascii=False))
        return
    table = Table(show_header=False, box=None)
    for name, value in shown.items():
        table.add_row(name, Text(str(value)))
    Console().print(table)


@app.command()
def replay(
    ids: Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="These messages.")] = None,
    config: ConfigOption = CONFIG,
    district: District = "",
    device: Device = "",
    reason: Reason = "",
    all_: Annotated[bool, typer.Option("--all", help="All messages in quarantine.")] = False,
    as_json: Json = False,
) -> None:
    """Have messages judged again. A running hub does it itself, within seconds; else it is done here."""
    if not (ids or device or reason or all_):
        raise UserError("quarantine replay: say which messages: IDs, --device, --reason, or --all")
    settings = _settings(config, district)
    try:
        with closing(Log(settings.data / LOG)) as log:
            before = log.counts().get(("", "replayed"), 0)
            asked = log.ask(ids, device, reason)
            _wait_or_do(settings, log)
            admitted = log.counts().get(("", "replayed"), 0) - before
            waiting = log.asked()
    except (ConfigError, DatabaseError, sqlite3.Error) as error:
        raise UserError(f"quarantine replay: {error}") from error
    refused = max(0, asked - admitted - waiting)  # others may have waited before
    if as_json:
        print(json.dumps({"asked": asked, "admitted": admitted, "refused": refused, "waiting": waiting}))
        return
    print(
        f"{asked} judged again: {admitted} admitted, {refused} refused again (the list shows why).\n"
        f"重新判定{asked}条：接受{admitted}条，仍拒绝{refused}条（原因见列表）。"
    )
    if waiting:
        print(
            f"{waiting} are points that the store refused: the hub writes them again when it runs with InfluxDB.\n"
            f"另有{waiting}条为时序数据库拒绝的数据点：数据中心以 InfluxDB 运行时会重新写入。"
        )


def _wait_or_do(settings: Config, log: Log) -> None:
    """Wait until the running hub has judged what was asked for; where none runs, judge it here."""
    try:
        held = claim(settings.data)
    except ConfigError:
        deadline = time.monotonic() + PATIENCE
        while log.asked(points=settings.store.kind == "influxdb"):
            if time.monotonic() > deadline:
                raise UserError(
                    "quarantine replay: the running hub has not done it yet; look again with 'quarantine list'"
                ) from None
            time.sleep(0.2)
        return
    with held:
        admission = Admission(load_registry(settings), load_quantities(), time.time)
        while log.asked(points=False):
            log.replay(admission.judge, time.time())


def _settings(config: Path, district: str) -> Config:
    try:
        settings = load_config(config)
    except ConfigError as error:
        raise UserError(str(error)) from error
    if district:
        settings = msgspec.structs.replace(settings, data=settings.data / district)
    if not (settings.data / LOG).exists():
        raise UserError(f"{settings.data / LOG}: there is no log yet; run the hub once, or name another --config")
    return settings


@contextmanager
def _open(config: Path, district: str) -> Iterator[sqlite3.Connection]:
    """Open a log to be read while the hub writes; its rows are dicts."""
    path = _settings(config, district).data / LOG
    try:
        Log(path).close()  # brings an older one forward
    except DatabaseError as error:
        raise UserError(str(error)) from error
    with closing(read_only(path)) as db:
        db.row_factory = lambda cursor, row: dict(zip([column[0] for column in cursor.description], row, strict=True))
        yield db


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
