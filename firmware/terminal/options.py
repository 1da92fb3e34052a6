"""Options that several commands of `fenceline board` share."""

import getpass
from pathlib import Path
from typing import Annotated

import typer

Port = Annotated[
    str | None, typer.Option("--port", help="The board's serial port.", show_default="the only board there is")
]
Baud = Annotated[int, typer.Option("--baud", help="Of the line.")]
BAUD = 115200
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")]
Home = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar="FENCELINE_HOME",
        help="Folder of the ledger, the boards' records and what waits for the hub.",
        show_default="~/.local/share/fenceline",
    ),
]
Who = Annotated[
    str | None,
    typer.Option("--who", envvar="FENCELINE_WHO", help="Your name, for the records.", show_default="the system's user"),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not wait for Enter, and take every question as answered yes.")]
Hub = Annotated[
    str | None,
    typer.Option("--hub", envvar="FENCELINE_HUB", help="The hub's address: https://HOST[:PORT].", show_default="none"),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        envvar="FENCELINE_TOKEN_FILE",
        help="File with your token (chmod 600): fenceline access add NAME --role technician.",
        show_default="none",
    ),
]
HubCa = Annotated[
    Path | None,
    typer.Option(
        "--hub-ca",
        envvar="FENCELINE_HUB_CA",
        help="Certificate of the authority behind the hub's.",
        show_default="the system's",
    ),
]


def name_of(who: str | None) -> str:
    """Return who works: the name given, or the system's user."""
    return who or getpass.getuser()
