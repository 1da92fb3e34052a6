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
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.terminal.commands import argument, command, group, option
from hub.terminal.json_lines import print_list, print_object
from hub.terminal.options import ALL, FENCELINE, AsJson, Board, Config, Device, HubOf
from hub.terminal.tables import Cell, say, table
from schemas.errors import UserError
from schemas.language import Text, tell

if TYPE_CHECKING:
    from hub.config.files import Config as Settings
    from hub.log.log import Log

PATIENCE = 30.0  # s to wait for the running hub

app = group(
    Text(
        """What the hub could not accept, and why.

        Every refused message is kept whole with its reason. Authentic ones carry a right MAC of a board: the board sent
        them, the hub has answered for them, and the board has deleted them, so that the quarantine alone has them. They
        stay until somebody lets them go with release. Of the others the newest 100,000 stay (keep.quarantined and
        keep.quarantined_mb in the configuration).

        After the cause is mended (the board registered, the site corrected), replay has them judged again; what is then
        admitted counts as if it came now, and nothing counts twice. Points that the series store refused (reason store)
        are written to it again.

        release removes messages for good, authentic ones, too: nobody has their records afterwards but the file that
        --to names.""",
        """数据中心未接受的消息及原因。

        每条被拒绝的消息连同原因完整保存。可信消息带有设备自身的有效 MAC：确由该设备发送，数据中心已答复，
        设备已将其删除，仅隔离区中留有；在用 release 放行移除之前一直保留。其余消息保留最新的 100,000 条
        （配置项 keep.quarantined 和 keep.quarantined_mb）。

        原因消除后（登记设备、更正站点），用 replay 重新判定；此时接受的消息视为刚刚收到，不会重复计数。
        时序数据库拒绝的数据点（原因为 store）会重新写入。

        release 永久移除消息，包括可信消息：此后除 --to 指定的文件外，任何地方都不再有其记录。""",
    ),
    "fenceline quarantine list --reason unknown_board",
    "fenceline quarantine show 17",
    "fenceline quarantine replay --board fence-0001",
    "fenceline quarantine release --board fence-0001 --reason schema --to fence-0001.jsonl",
)

These = Annotated[list[int] | None, argument(Text("These messages.", "这些消息。"), "ID...")]
All = Annotated[bool, option(Text("All messages in quarantine.", "隔离区中的全部消息。"), "--all")]
Reason = Annotated[
    str,
    option(
        Text("Only with this reason, for example unknown_board.", "仅限该原因，如 unknown_board。"), show_default=ALL
    ),
]

TITLE = Text("Quarantine", "隔离区")
HEADS = (
    Text("id", "编号"),
    Text("received", "收到时间"),
    Text("board", "设备"),
    Text("reason", "原因"),
    Text("authentic", "可信"),
    Text("times", "次数"),
    Text("detail", "说明"),
)
COUNTS_TITLE = Text("Since the beginning", "累计")
COUNTS_HEADS = (Text("board", "设备"), Text("reason", "原因"), Text("messages", "消息数"), Text("last", "最近"))
NOTHING = Text("The quarantine holds nothing of that.", "隔离区中没有符合条件的消息。")
FIELDS = {
    "id": Text("id", "编号"),
    "received": Text("received", "收到时间"),
    "topic": Text("topic", "主题"),
    "device": Text("board", "设备"),
    "reason": Text("reason", "原因"),
    "detail": Text("detail", "说明"),
    "authentic": Text("authentic", "可信"),
    "times": Text("times", "次数"),
    "records done with": Text("records done with", "已处理的记录"),
    "payload": Text("payload", "内容"),
}
DONE = Text(
    "{asked} judged again: {admitted} admitted, {refused} refused again (the list shows why).",
    "重新判定{asked}条：接受{admitted}条，仍拒绝{refused}条（原因见列表）。",
)
WAITING = Text(
    "{waiting} are points that the store refused: the hub writes them again when it runs with InfluxDB.",
    "另有{waiting}条为时序数据库拒绝的数据点：数据中心以 InfluxDB 运行时会重新写入。",
)
RELEASED = Text("{released} released, {authentic} of them authentic.", "已移除{released}条，其中可信{authentic}条。")
GO_ON = Text(
    "{count} messages are removed for good, {kept}; {own} are authentic: their boards have forgotten them. Go on?",
    "将永久移除{count}条消息（{kept}），其中{own}条可信，设备上已无副本。是否继续？",
)
KEPT = Text("after they are written to {to}", "移除前写入{to}")
NOT_KEPT = Text("and kept nowhere", "且不保留副本")
NOBODY = Text("{count} messages, and nobody to ask; give --yes", "{count}条消息，没有终端可供应答；请使用 --yes")
YES, NO = Text("yes", "是"), Text("no", "否")


@command(
    app,
    "list",
    Text(
        "List the newest messages in quarantine, and how many came for each board and reason since the beginning.",
        "列出隔离区中最新的消息，以及各设备、各原因的累计数量。",
    ),
    "fenceline quarantine list",
    "fenceline quarantine list --board fence-0001 --reason unknown_board --json",
)
def list_(
    config: Config = FENCELINE,
    district: HubOf = "",
    board: Board = "",
    device: Device = "",
    reason: Reason = "",
    most: Annotated[int, option(Text("The newest so many.", "最新的条数。"), min=1)] = 50,
    as_json: AsJson = False,
) -> None:
    """List the newest messages in quarantine."""
    selected = {"device": board or device, "reason": reason, "most": most}
    with _open(config, district) as db:
        rows = db.execute(
            "SELECT id, received, ifnull(device, '') AS device, reason, authentic, times, topic, detail "
            "FROM quarantine WHERE :device IN ('', device) AND :reason IN ('', reason) ORDER BY id DESC LIMIT :most",
            selected,
        ).fetchall()
        counts = db.execute(
            "SELECT device, reason, messages, last FROM count "
            "WHERE reason NOT IN ('accepted', 'duplicate', 'again', 'replayed', 'released') "
            "AND :device IN ('', device) AND :reason IN ('', reason) ORDER BY messages DESC",
            selected,
        ).fetchall()
    if as_json:
        told = [{**row, "last": _utc(row["last"])} for row in counts]
        messages = ({**row, "received": _utc(row["received"]), "authentic": row["authentic"] == 1} for row in rows)
        print_list(messages, "messages", since_the_beginning=told)
        return
    if rows:
        say(Cell(tell(TITLE), "italic"))
        cells = []
        for row in rows:
            own = tell(YES if row["authentic"] else NO)
            begin = (str(row["id"]), _utc(row["received"]), row["device"], row["reason"])
            cells.append((*begin, own, str(row["times"]), row["detail"]))
        table([tell(head) for head in HEADS], cells, numbers=(5,), whole=(0, 1))
    else:
        say(tell(NOTHING))
    if counts:
        say(Cell(tell(COUNTS_TITLE), "italic"))
        table(
            [tell(head) for head in COUNTS_HEADS],
            [(row["device"] or "-", row["reason"], f"{row['messages']:,}", _utc(row["last"])) for row in counts],
            numbers=(2,),
        )


@command(
    app,
    "show",
    Text(
        "Show one message whole: topic, reason, and the bytes as they came.",
        "查看一条完整的消息：主题、原因和原始字节。",
    ),
    "fenceline quarantine show 17",
    "fenceline quarantine show 17 --json",
)
def show(
    id_: Annotated[int, argument(Text("As 'quarantine list' shows it.", "quarantine list 中的编号。"), "ID")],
    config: Config = FENCELINE,
    district: HubOf = "",
    as_json: AsJson = False,
) -> None:
    """Show one message whole."""
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
        print_object({**shown, "payload_hex": payload.hex()})
        return
    shown["authentic"] = tell(YES if shown["authentic"] else NO)
    table((), [(tell(FIELDS[name]), str(value)) for name, value in shown.items()], whole=(0,))


@command(
    app,
    "replay",
    Text(
        """Have messages judged again. A running hub does it itself, within seconds; else it is done here.

        Points that the series store refused wait for a hub that runs with InfluxDB.""",
        """重新判定消息。数据中心运行时由其在数秒内完成，否则在此执行。

        时序数据库拒绝的数据点须等待以 InfluxDB 运行的数据中心。""",
    ),
    "fenceline quarantine replay 17 18",
    "fenceline quarantine replay --board fence-0001",
    "fenceline quarantine replay --all --json",
)
def replay(
    ids: These = None,
    config: Config = FENCELINE,
    district: HubOf = "",
    board: Board = "",
    device: Device = "",
    reason: Reason = "",
    all_: All = False,
    as_json: AsJson = False,
) -> None:
    """Have messages judged again."""
    from hub.config.files import ConfigError
    from hub.log.log import Log
    from hub.storage.data_folder import LOG
    from hub.storage.database import DatabaseError

    board = board or device
    if not (ids or board or reason or all_):
        raise UserError("quarantine replay: say which messages: IDs, --board, --reason, or --all")
    settings = _settings(config, district)
    try:
        with closing(Log(settings.data / LOG)) as log:
            before = log.counts().get(("", "replayed"), 0)
            asked = log.ask(ids, board, reason)
            _wait_or_do(settings, log)
            admitted = log.counts().get(("", "replayed"), 0) - before
            waiting = log.asked()
    except (ConfigError, DatabaseError, sqlite3.Error) as error:
        raise UserError(f"quarantine replay: {error}") from error
    refused = max(0, asked - admitted - waiting)  # others may have waited before
    done = {"asked": asked, "admitted": admitted, "refused": refused, "waiting": waiting}
    if as_json:
        print_object(done)
        return
    print(tell(DONE).format(**done))
    if waiting:
        print(tell(WAITING).format(**done))


@command(
    app,
    "release",
    Text(
        """Remove messages for good, authentic ones, too, and say how many there were.

        An authentic message is a board's own: the hub has answered for it and the board has deleted it. Once it is
        released, nobody has its records but the file that --to names; nothing is removed before that file is on the
        disk. Without --yes it asks first.""",
        """永久移除消息，包括可信消息，并报告条数。

        可信消息确由设备发送：数据中心已答复，设备已将其删除。移除后，除 --to 指定的文件外，任何地方都不再有其记录；
        该文件写入磁盘之前不移除任何消息。未使用 --yes 时先询问。""",
    ),
    "fenceline quarantine release 17 18",
    "fenceline quarantine release --board fence-0001 --reason schema --to fence-0001.jsonl",
    "fenceline quarantine release --all --to quarantine.jsonl --yes --json",
)
def release(
    ids: These = None,
    config: Config = FENCELINE,
    district: HubOf = "",
    board: Board = "",
    device: Device = "",
    reason: Reason = "",
    all_: All = False,
    to: Annotated[
        Path | None,
        option(
            Text(
                "First write them whole into this new file, a JSON object a line.",
                "移除前先完整写入此新文件，每行一个 JSON 对象。",
            ),
            "--to",
            show_default=Text("kept nowhere", "不保留"),
        ),
    ] = None,
    yes: Annotated[bool, option(Text("Do not ask.", "不询问。"), "--yes")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove messages for good."""
    from hub.log.log import Log
    from hub.storage.data_folder import LOG
    from hub.storage.database import DatabaseError

    board = board or device
    if not (ids or board or reason or all_):
        raise UserError("quarantine release: say which messages: IDs, --board, --reason, or --all")
    settings = _settings(config, district)
    with _open(config, district) as db:
        rows = db.execute(
            "SELECT * FROM quarantine WHERE :device IN ('', device) AND :reason IN ('', reason) "
            "AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids))) ORDER BY id",
            {"device": board, "reason": reason, "ids": json.dumps(ids) if ids else None},
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
    done = {"released": released, "authentic": own, "to": str(to) if to else None}
    if as_json:
        print_object(done)
    else:
        print(tell(RELEASED).format(**done))


def _ask(count: int, own: int, to: Path | None) -> None:
    if not sys.stdin.isatty():
        raise UserError(f"quarantine release: {tell(NOBODY).format(count=count)}")
    kept = tell(KEPT if to else NOT_KEPT).format(to=to)
    if not typer.confirm(tell(GO_ON).format(count=count, own=own, kept=kept)):
        raise typer.Exit(1)


def _export(rows: list[dict[str, Any]], to: Path) -> None:
    """Write messages whole; they are on the medium when this returns."""
    try:
        with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
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


def _wait_or_do(settings: "Settings", log: "Log") -> None:
    """Wait until the running hub has judged what was asked for; where none runs, judge it here."""
    from hub.config.files import ConfigError
    from hub.intake.admission import Admission
    from hub.registry.live import load_registry
    from hub.storage.claims import claim
    from schemas import load_quantities

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


def _settings(config: Path, district: str) -> "Settings":
    import msgspec

    from hub.config.files import ConfigError, load_config
    from hub.storage.data_folder import LOG

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
    from hub.log.log import Log
    from hub.storage.data_folder import LOG
    from hub.storage.database import DatabaseError, read_only

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
