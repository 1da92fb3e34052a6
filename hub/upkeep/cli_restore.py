"""`fenceline restore`: puts a backup back."""

import json
from pathlib import Path
from typing import Annotated

import typer

from hub.config.files import ConfigError
from hub.upkeep.restore import Restored, restore
from schemas.errors import UserError
from schemas.language import Text, system_language
from schemas.language_option import LangOption

app = typer.Typer(add_completion=False)

DONE = Text("The hub of {made} is back in {data}.", "已将 {made} 的数据中心恢复到 {data}。")
ASIDE = Text("What was there is now in {aside}.", "原有数据现位于 {aside}。")
FILES = Text("Put back: {files}.", "已恢复文件：{files}。")
MEANING = Text(
    "What boards sent after the backup and the hub acknowledged, the boards no longer have: in the log, verdicts and "
    "alerts it is missing, and becomes a recorded gap. InfluxDB still has its readings.",
    "备份之后设备发送且已被确认的记录，设备上已不再保存：日志、判定和告警中缺少这些记录，并登记为缺口。"
    "InfluxDB 中仍有这些读数。",
)


@app.command(
    name="restore",
    help=f"""Put a backup back, while no hub runs in the data folder; do it as the user who runs the hub.

The backup is verified before anything is changed. Without a configuration at --config, the backup's own is put there; \
one that exists stays. The backup's own may name places below that folder only. No link is followed. \
With --force, what is there is moved aside, to before-restore-TIME in the data folder.

{MEANING.en}

Examples: fenceline restore fenceline-20261122T031500Z.tar.gz | fenceline restore monday.tar.gz --force --data-only
""",
)
def restore_command(
    archive: Annotated[Path, typer.Argument(help="A file that `fenceline backup` made.", show_default=False)],
    config: Annotated[Path, typer.Option(help="The hub's configuration.")] = Path("fenceline.toml"),
    force: Annotated[bool, typer.Option("--force", help="Move aside what is there.")] = False,
    data_only: Annotated[bool, typer.Option("--data-only", help="Leave registry and keys as they are.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")] = False,
    lang: LangOption = None,
) -> None:
    """Put a backup back."""
    try:
        done = restore(archive, config, force=force, data_only=data_only)
    except ConfigError as error:
        raise UserError(str(error)) from error
    if as_json:
        print(json.dumps(_report(done)))
        return
    lang = lang or system_language()
    print(DONE.into(lang).format(made=f"{done.manifest.made:%Y-%m-%d %H:%M:%S UTC}", data=done.data))
    if done.aside:
        print(ASIDE.into(lang).format(aside=done.aside))
    if done.files:
        print(FILES.into(lang).format(files=", ".join(map(str, done.files))))
    print(MEANING.into(lang))


def _report(done: Restored) -> dict[str, object]:
    return {
        "made": done.manifest.made.isoformat(),
        "data": str(done.data),
        "aside": str(done.aside) if done.aside else None,
        "restored": [str(path) for path in done.files],
    }
