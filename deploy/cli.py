"""`fenceline deploy`: what a city needs before its first `compose up`, and a certificate for each of its boards."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text as RichText

from deploy.files import Done, Made, board, broker_access, init, wrong_owners
from hub.config.files import ConfigError, load_config
from hub.registry.live import load_registry
from schemas.errors import UserError
from schemas.language import Lang, Text, system_language
from schemas.language_option import LangOption

app = typer.Typer(add_completion=False, no_args_is_help=True)

Folder = Annotated[Path | None, typer.Option(help="Where compose.yaml lies.", show_default="here, or ./deploy")]
AuthorityFolder = Annotated[
    Path | None,
    typer.Option("--authority", help="Where the authority's key is, or is to be.", show_default="authority/ beside it"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

STATES = {
    Done.MADE: (Text("made", "已生成"), "green"),
    Done.RENEWED: (Text("renewed", "已更新"), "yellow"),
    Done.KEPT: (Text("kept", "已保留"), "dim"),
}
OWNERS = Text(
    "Not root, so these files are still yours; the services start only when they can read them:",
    "当前不是root用户，以下文件仍归您所有；服务能够读取后才能启动：",
)
PUT_AWAY = Text(
    "Whoever has {path} can make boards: move it to a safe place off this machine.",
    "持有{path}即可签发设备证书：请将其移至本机以外的安全位置。",
)
ON_BOARD = Text("Put the files of {folder} on the board.", "请将{folder}中的文件放到设备上。")


@app.callback()
def deploy() -> None:
    """Certificates, passwords and tokens of a city on one machine; deploy/README.md tells the whole way."""


@app.command(
    "init",
    help="""Make what a city needs before the first `docker compose up`: authority, certificates, passwords, tokens.

Nothing that exists is overwritten, so run it as often as you like: it renews certificates that end within 90 days or
lack a --host, gives each file to the user who must read it (as root), and tells what it did. Secrets are never shown.

Examples:

  docker compose run --rm tools deploy init --host fenceline.city.example

  sudo fenceline deploy init --host fenceline.city.example --host 203.0.113.7 --authority /media/safe/authority
""",
)
def init_command(
    host: Annotated[
        list[str], typer.Option(help="Name or address by which boards and people reach this machine; may be repeated.")
    ],
    district: Annotated[
        list[str] | None, typer.Option(help="District with a hub of its own; may be repeated (SIZING.md).")
    ] = None,
    folder: Folder = None,
    authority: AuthorityFolder = None,
    as_json: AsJson = False,
    lang: LangOption = None,
) -> None:
    """Make what is missing."""
    place = _place(folder)
    keys = authority or place / "authority"
    made = list(init(place, host, keys, district or ()))
    commands = wrong_owners(place)
    _tell(place, made, commands, as_json, lang or system_language())
    if (keys / "ca.key").exists() and not as_json:
        print(PUT_AWAY.into(lang or system_language()).format(path=keys / "ca.key"))


@app.command(
    "board-certificate",
    help="""Make certificates for boards: three files for each in certs/boards/ID, which are put on the board.

With --registry every board of the registry gets one that has none, or whose own ends within 90 days.

Examples:

  fenceline deploy board-certificate fence-0001 fence-0002

  fenceline deploy board-certificate --registry --authority /media/safe/authority
""",
)
def board_certificate(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids of boards.", show_default=False)] = None,
    registry: Annotated[
        bool, typer.Option("--registry", help="All boards of the registry that are not retired.")
    ] = False,
    folder: Folder = None,
    authority: AuthorityFolder = None,
    as_json: AsJson = False,
    lang: LangOption = None,
) -> None:
    """Make boards' certificates."""
    place = _place(folder)
    wanted = list(ids or ())
    if registry:
        try:
            known = load_registry(load_config(place / "fenceline.toml"))
        except ConfigError as error:
            raise UserError(str(error)) from error
        wanted += [id_ for id_, one in known.boards.items() if one.retired is None]
    if not wanted:
        raise UserError("no board is named; name its id, or all of the registry with --registry")
    made = [board(place, authority or place / "authority", id_) for id_ in dict.fromkeys(wanted)]
    wrong_owners(place)
    _tell(place, made, [], as_json, lang or system_language())
    if not as_json:
        told = ON_BOARD.into(lang or system_language())
        for one in made:
            if one.done is not Done.KEPT:
                print(told.format(folder=one.path.parent))


@app.command(
    "access",
    help="""Let each board of the registry, at its own place, say and hear what it must at the broker, and nothing else.

After every change of which boards there are and where they stand; the broker reads it when it starts. `init` does it, \
too.

Example: docker compose run --rm tools deploy access && docker compose restart mosquitto
""",
)
def access_command(folder: Folder = None, as_json: AsJson = False, lang: LangOption = None) -> None:
    """Make the broker's list of who may say and hear what."""
    place = _place(folder)
    made = broker_access(place)
    _tell(place, [made], wrong_owners(place), as_json, lang or system_language())


def _place(folder: Path | None) -> Path:
    for place in [folder] if folder else [Path(), Path("deploy")]:
        if (place / "compose.yaml").is_file():
            return place
    where = f"--folder {folder}" if folder else "here and in ./deploy"
    raise UserError(f"{where}: there is no compose.yaml; go to the project's folder deploy, or name it with --folder")


def _tell(place: Path, made: list[Made], commands: list[str], as_json: bool, lang: Lang) -> None:
    if as_json:
        rows = [{"path": str(one.path), "done": one.done.value} for one in made]
        print(json.dumps({"files": rows, "to_do": commands}))
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in made:
        said, style = STATES[one.done]
        path = one.path.relative_to(place) if one.path.is_relative_to(place) else one.path
        table.add_row(RichText(said.into(lang), style), str(path), one.note.into(lang) if one.note else "")
    Console(highlight=False).print(table)
    if commands:
        print(OWNERS.into(lang))
        for command in commands:
            print(f"  {command}")
