"""`fenceline quarantine`: what the hub could not accept, why, and another chance for it after the cause is mended."""

import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hub.config.files import Config, ConfigError, load_config
from hub.intake.admission import Admission
from hub.log.log import Log
from hub.registry.live import load_registry
from hub.storage.claims import claim
from hub.storage.data_folder import LOG
from hub.storage.database import DatabaseError, read_only
from schemas import load_quantities
from schemas.errors import UserError

PATIENCE = 30.0  # s to wait for the running hub

app = typer.Typer(
    add_completion=False,
    help="""What the hub could not accept, and why.

Every refused message is kept whole with its reason. Authentic ones, by a board's own MAC, stay until somebody lets them
go (`release`): their boards were told to forget them. Of the others the newest 100,000 stay ([keep] quarantined,
quarantined_mb). After the cause is mended (the board registered, the site corrected), `replay` has them judged again;
what is then admitted counts as if it came now, and nothing counts twice. Points that the series store refused (reason
`store`) are written to it again.

Examples:

  fenceline quarantine list --reason unknown_board

  fenceline quarantine show 17

  fenceline quarantine replay --device fence-0001

  fenceline quarantine release --device fence-0001 --reason schema --to fence-0001.jsonl
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
            "SELECT id, received, ifnull(device, '') AS device, reason, authentic, times, topic, detail "
            "FROM quarantine WHERE :device IN ('', device) AND :reason IN ('', reason) ORDER BY id DESC LIMIT :most",
            selected,
        ).fetchall()
        counts = db.execute(
            "SELECT device, reason, messages, last FROM count "
            "WHERE reason NOT IN ('accepted', 'duplicate', 'replayed', 'released') "
            "AND :device IN ('', device) AND :reason IN ('', reason) ORDER BY messages DESC",
            selected,
        ).fetchall()
    if as_json:
        for row in rows:
            row |= {"received": _utc(row["received"]), "authentic": row["authentic"] == 1}
            print(json.dumps(row, ensure_ascii=False))
        return
    console = Console()
    table = Table(
        "id",
        "received 收到",
        "board 设备",
        "reason 原因",
        "own 可信",
        "times 次数",
        "detail 说明",
        title="Quarantine 隔离区",
    )
    for row in rows:
        own = "yes 是" if row["authentic"] else "no 否"
        told = (Text(row["device"]), row["reason"], own, str(row["times"]), Text(row["detail"]))
        table.add_row(str(row["id"]), _utc(row["received"]), *told)
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
        "authentic": row["authentic"] == 1,
        "times": row["times"],
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


@app.command()
def release(
    ids: Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="These messages.")] = None,
    config: ConfigOption = CONFIG,
    district: District = "",
    device: Device = "",
    reason: Reason = "",
    all_: Annotated[bool, typer.Option("--all", help="All messages in quarantine.")] = False,
    to: Annotated[
        Path | None, typer.Option(help="First write them whole into this new file, a JSON object a line.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Remove messages for good, authentic ones, too: nobody has their records then but the file that --to names."""
    if not (ids or device or reason or all_):
        raise UserError("quarantine release: say which messages: IDs, --device, --reason, or --all")
    settings = _settings(config, district)
    with _open(config, district) as db:
        rows = db.execute(
            "SELECT * FROM quarantine WHERE :device IN ('', device) AND :reason IN ('', reason) "
            "AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids))) ORDER BY id",
            {"device": device, "reason": reason, "ids": json.dumps(ids) if ids else None},
        ).fetchall()
    own = sum(row["authentic"] for row in rows)
    if rows and not yes:
        _ask(len(rows), own, to)
    if to:
        _export(rows, to)
    try:
        with closing(Log(settings.data / LOG)) as log:
            released = log.release(row["id"] for row in rows)
    except (DatabaseError, sqlite3.Error) as error:
        raise UserError(f"quarantine release: {error}") from error
    if as_json:
        print(json.dumps({"released": released, "authentic": own, "to": str(to) if to else None}))
    else:
        print(f"{released} released, {own} of them authentic.\n已移除{released}条，其中可信{own}条。")


def _ask(count: int, own: int, to: Path | None) -> None:
    kept = f"after they are written to {to}" if to else "and kept nowhere"
    kept_zh = f"移除前写入{to}" if to else "且不保留副本"
    question = (
        f"{count} messages are removed for good, {kept}; {own} are authentic: their boards have forgotten them.\n"
        f"将永久移除{count}条消息（{kept_zh}），其中{own}条可信，设备上已无副本。 Go on 继续?"
    )
    if not sys.stdin.isatty():
        raise UserError(
            f"quarantine release: {count} messages, and nobody to ask; give --yes 没有终端可供应答：请使用 --yes"
        )
    if not typer.confirm(question):
        raise typer.Exit(1)


def _export(rows: list[dict[str, Any]], to: Path) -> None:
    """Write messages whole; they are on the medium when this returns."""
    try:
        with to.open("x", encoding="utf-8") as file:
            for row in rows:
                said = {name: row[name] for name in ("id", "topic", "device", "reason", "detail", "times")}
                said |= {"received": _utc(row["received"]), "authentic": row["authentic"] == 1}
                said |= {"done_with": json.loads(row["fresh"] or "[]"), "payload_hex": row["payload"].hex()}
                file.write(json.dumps(said, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UserError(
            f"{to}: cannot be written ({error.strerror}); nothing was released; name another file"
        ) from error


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
