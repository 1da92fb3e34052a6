"""Shell completion for the whole `fenceline` command, by typer's own scripts for bash, zsh, fish and PowerShell.

`fenceline --install-completion [SHELL]` puts the script where the shell finds it, `--show-completion` prints it. On
each press of Tab the script calls `fenceline` with _FENCELINE_COMPLETE set, which loads only the room that is meant.
"""

import importlib
import os
from pathlib import Path
from typing import Any

import typer
from typer.completion import completion_init, get_completion_script, install  # type: ignore[attr-defined]
from typer.core import TyperGroup
from typer.main import get_command

import fenceline
from schemas.errors import UserError
from schemas.language import tell

VARIABLE = "_FENCELINE_COMPLETE"
SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")


class _Rooms(TyperGroup):
    """All commands, each loaded when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - as the base class has it
        return list(fenceline.COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        if cmd_name not in fenceline.COMMANDS:
            return None
        module, text = fenceline.COMMANDS[cmd_name]
        command = get_command(importlib.import_module(module).app)
        command.short_help = tell(text)
        return command


app = typer.Typer(cls=_Rooms, add_completion=False)


@app.callback()
def _fenceline() -> None:
    """Complete the command line."""


def run(arguments: list[str]) -> int:
    """Answer the shell, or install or show its script; return the exit code.

    Raises:
        UserError: the shell is none of SHELLS.
    """
    if VARIABLE not in os.environ:
        shell = arguments[1] if len(arguments) > 1 else Path(os.environ.get("SHELL", "bash")).name
        if shell not in SHELLS:
            raise UserError(f"{arguments[0]} {shell}: expected one of {', '.join(SHELLS)}.")
        if arguments[0] == "--show-completion":
            print(get_completion_script(prog_name="fenceline", complete_var=VARIABLE, shell=shell))
        else:
            _, path = install(shell=shell, prog_name="fenceline", complete_var=VARIABLE)
            print(f"{shell}: {path}; it works in the next terminal that you open.")
        return 0
    completion_init()
    return int(get_command(app)(args=arguments, prog_name="fenceline", standalone_mode=False) or 0)
