"""`fenceline restore`: puts a backup back."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from hub.terminal.commands import alone, argument, command, option
from hub.terminal.json_lines import print_object
from hub.terminal.options import FENCELINE, AsJson, Config
from schemas.errors import UserError
from schemas.language import Text, tell

if TYPE_CHECKING:
    from hub.upkeep.restore import Restored

app = alone()

DONE = Text("The hub of {made} is back in {data}.", "已将 {made} 的数据中心恢复到 {data}。")
ASIDE = Text("What was there is now in {aside}.", "原有数据现位于 {aside}。")
FILES = Text("Put back: {files}.", "已恢复文件：{files}。")
SALVAGED = Text(
    "Taken from the log that was there: {messages} messages that the backup does not have; {unreadable} could not be "
    "read, {altered} had a wrong MAC or are refused.",
    "从原有日志中取回备份所没有的消息 {messages} 条；{unreadable} 条无法读取，{altered} 条签名错误或被拒。",
)
MEANING = Text(
    "What boards sent after the backup and the hub acknowledged, the boards no longer have: in the log, verdicts and "
    "alerts it is missing, and becomes a recorded gap. InfluxDB still has its readings.",
    "备份之后设备发送且已被确认的记录，设备上已不再保存：日志、判定和告警中缺少这些记录，并登记为缺口。"
    "InfluxDB 中仍有这些读数。",
)


@command(
    app,
    "restore",
    Text(
        f"""Put a backup back, while no hub runs in the data folder; do it as the user who runs the hub.

        The backup is verified before anything is changed. Without a configuration at --config, the backup's own is put
        there; one that exists stays. The backup's own may name places below that folder only. No link is followed.
        With --force, what is there is moved aside, to before-restore-TIME in the data folder. With --salvage, what can
        still be read of the damaged log that is there, and is newer than the backup, is kept.

        {MEANING.en}""",
        f"""恢复备份，此时数据目录中不得有数据中心在运行；请以运行数据中心的用户执行。

        更改之前先校验备份。--config 处没有配置文件时，放入备份中的配置；已有的保留。备份中的配置
        只能指定该目录之下的位置。不跟随任何链接。使用 --force 时，原有数据移到数据目录下的 before-restore-TIME。
        使用 --salvage 时，损坏的原日志中仍可读取且比备份新的消息会被保留。

        {MEANING.zh}""",
    ),
    "fenceline restore fenceline-20261122T031500Z.tar.gz",
    "fenceline restore monday.tar.gz --force --data-only",
    "fenceline restore monday.tar.gz --force --data-only --salvage",
)
def restore_command(
    archive: Annotated[
        Path, argument(Text("A file that 'fenceline backup' made.", "由 fenceline backup 生成的文件。"), "ARCHIVE")
    ],
    config: Config = FENCELINE,
    force: Annotated[bool, option(Text("Move aside what is there.", "将原有数据移到一旁。"), "--force")] = False,
    data_only: Annotated[
        bool, option(Text("Leave registry and keys as they are.", "不更改登记册和密钥。"), "--data-only")
    ] = False,
    salvage: Annotated[
        bool,
        option(
            Text(
                "Keep what can be read of the damaged log that is there; with --force.",
                "保留损坏的原日志中仍可读取的消息；与 --force 同用。",
            ),
            "--salvage",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put a backup back."""
    from hub.config.files import ConfigError
    from hub.upkeep.restore import restore

    if salvage and not force:
        raise UserError("--salvage takes from what is moved aside; give it together with --force")
    try:
        done = restore(archive, config, force=force, data_only=data_only, salvaging=salvage)
    except ConfigError as error:
        raise UserError(str(error)) from error
    if as_json:
        print_object(_report(done))
        return
    print(tell(DONE).format(made=f"{done.manifest.made:%Y-%m-%d %H:%M:%S UTC}", data=done.data))
    if done.aside:
        print(tell(ASIDE).format(aside=done.aside))
    if done.files:
        print(tell(FILES).format(files=", ".join(map(str, done.files))))
    if done.salvaged:
        print(tell(SALVAGED).format(**asdict(done.salvaged)))
    print(tell(MEANING))


def _report(done: "Restored") -> dict[str, object]:
    return {
        "made": done.manifest.made.isoformat(),
        "data": str(done.data),
        "aside": str(done.aside) if done.aside else None,
        "restored": [str(path) for path in done.files],
        "salvaged": asdict(done.salvaged) if done.salvaged else None,
    }
