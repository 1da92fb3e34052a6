"""`fenceline backup`: saves a hub."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from hub.config.files import ConfigError, load_config
from hub.upkeep.backup import back_up
from schemas.errors import UserError
from schemas.language import Text, system_language
from schemas.language_option import LangOption

app = typer.Typer(add_completion=False)

DONE = Text(
    "{path}: {files} files, {size:.1f} MiB, verified. It holds the boards' keys: keep it where nobody else reads it.\n"
    "Not in it: certificates, the broker's password, and what stands in the environment.",
    "{path}：{files} 个文件，{size:.1f} MiB，已校验。其中含有设备密钥，请妥善保管。\n"
    "不包含：证书、代理密码和环境变量。",
)


@app.command(
    name="backup",
    help="""Save a hub as one verified file, also while it runs: its databases, registry, keys and configuration.

TARGET is a new file NAME.tar.gz, or a folder for files with the time in their names. \
Readings in InfluxDB are saved with InfluxDB's own tools.

Examples: fenceline backup /var/backups/fenceline | fenceline backup monday.tar.gz --config fenceline.toml --json
""",
)
def backup_command(
    target: Annotated[Path, typer.Argument(help="New file NAME.tar.gz, or a folder.", show_default=False)],
    config: Annotated[Path, typer.Option(help="The hub's configuration.")] = Path("fenceline.toml"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")] = False,
    lang: LangOption = None,
) -> None:
    """Save a hub."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    # On standard error, and only on a terminal: standard output is for the result.
    console = Console(stderr=True)
    try:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:

            def show(name: str, share: float) -> None:
                if name not in tasks:
                    tasks[name] = bar.add_task(name, total=1.0)
                bar.update(tasks[name], completed=share)

            path, manifest = back_up(config, load_config(config), target, show)
    except ConfigError as error:
        raise UserError(str(error)) from error
    size = path.stat().st_size
    if as_json:
        files = {name: saved.size for name, saved in manifest.files.items()}
        print(json.dumps({"path": str(path), "bytes": size, "made": manifest.made.isoformat(), "files": files}))
    else:
        text = DONE.into(lang or system_language())
        print(text.format(path=path, files=len(manifest.files), size=size / (1 << 20)))
