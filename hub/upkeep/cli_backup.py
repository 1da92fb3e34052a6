"""`fenceline backup`: saves a hub."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from hub.terminal.commands import alone, argument, command
from hub.terminal.json_lines import print_object
from hub.terminal.options import FENCELINE, AsJson, Config
from schemas.errors import UserError
from schemas.language import Text, tell

app = alone()

DONE = Text(
    "{path}: {files} files, {size:.1f} MiB, verified. It holds the boards' keys: keep it where nobody else reads it.\n"
    "Not in it: certificates, the broker's password, and what stands in the environment.",
    "{path}：{files} 个文件，{size:.1f} MiB，已校验。其中含有设备密钥，请妥善保管。\n"
    "不包含：证书、代理密码和环境变量。",
)


@command(
    app,
    "backup",
    Text(
        """Save a hub as one verified file, also while it runs: its databases, registry, keys and configuration.

        TARGET is a new file NAME.tar.gz, or a folder for files with the time in their names. Readings in InfluxDB are
        saved with InfluxDB's own tools.""",
        """将数据中心备份为一个已校验的文件，可在运行时进行：数据库、登记册、密钥和配置。

        TARGET 为新文件 NAME.tar.gz，或一个目录（文件名中带时间）。InfluxDB 中的读数请用 InfluxDB 自带工具备份。""",
    ),
    "fenceline backup /var/backups/fenceline",
    "fenceline backup monday.tar.gz --config fenceline.toml --json",
)
def backup_command(
    target: Annotated[
        Path, argument(Text("New file NAME.tar.gz, or a folder.", "新文件 NAME.tar.gz，或目录。"), "TARGET")
    ],
    config: Config = FENCELINE,
    as_json: AsJson = False,
) -> None:
    """Save a hub."""
    from hub.config.files import ConfigError, load_config
    from hub.upkeep.backup import back_up

    try:
        with _progress() as show:
            path, manifest = back_up(config, load_config(config), target, show)
    except ConfigError as error:
        raise UserError(str(error)) from error
    size = path.stat().st_size
    if as_json:
        files = {name: saved.size for name, saved in manifest.files.items()}
        print_object({"path": str(path), "bytes": size, "made": manifest.made.isoformat(), "files": files})
    else:
        print(tell(DONE).format(path=path, files=len(manifest.files), size=size / (1 << 20)))


@contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    """Show a bar for each database, on standard error and only on a terminal: standard output is for the result."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:

        def show(name: str, share: float) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=1.0)
            bar.update(tasks[name], completed=share)

        yield show
