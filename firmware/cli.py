"""`fenceline board`: what a technician does with a laptop at the fence."""

import typer

from firmware import mount as work_cli
from firmware.software import cli as software_cli

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def board() -> None:
    """The technician's toolkit: from a bare board to a calibrated one at the fence."""


app.command("list")(software_cli.list_command)
app.command("flash")(software_cli.flash_command)
app.command("install")(software_cli.install_command)
app.command("bundle")(software_cli.bundle_command)
app.command("bundle-key")(software_cli.bundle_key_command)
work_cli.mount(app)
