"""`fenceline board`: what a technician does with a laptop at the fence."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fenceline import UserError
from firmware import work_cli
from firmware.bundle import Arch
from firmware.bundle import build as build_bundle
from firmware.ports import NO_BOARD, serial_ports
from firmware.speech import LangOption, tell

EDGE = Path(__file__).resolve().parent.parent / "edge"

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def board() -> None:
    """The technician's toolkit: find boards, build their bundle."""


@app.command("list")
def list_ports(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list for programs.")] = False,
    lang: LangOption = None,  # noqa: ARG001 - its callback chooses
) -> None:
    """List the serial ports of this computer and the USB chips behind them."""
    ports = serial_ports()
    if as_json:
        typer.echo(json.dumps([asdict(port) for port in ports], indent=2))
        return
    if ports:
        table = Table("Port", "USB", "Chip", "Description", box=None)
        for port in ports:
            table.add_row(port.device, port.usb or "-", port.chip or "-", port.description)
        Console().print(table)
    if not any(port.usb for port in ports):
        typer.echo(tell(NO_BOARD), err=True)


@app.command()
def bundle(
    arch: Annotated[Arch, typer.Option(help="The board's: xtensawin ESP32, S2, S3; rv32imc C3, C6.")] = Arch.XTENSAWIN,
    out: Annotated[Path | None, typer.Option(help="Folder of the bundle; without it, dist/board-ARCH.")] = None,
    source: Annotated[Path, typer.Option(help="The package to compile.", show_default=False)] = EDGE,
) -> None:
    """Compile the board's code and write it with a manifest of every file."""
    folder = out or Path("dist") / f"board-{arch}"
    try:
        manifest = build_bundle(source.resolve(), folder, arch)
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}; give --out a folder that can be written.") from error
    typer.echo(f"{folder}: {len(manifest['files'])} modules for {arch}, .mpy format {manifest['mpy']}")


work_cli.mount(app)
