"""The `fenceline` command: mounts each room's sub-commands and loads only the room that is called.

A user's mistake is a `UserError`: one sentence on standard error and exit code 2, never a traceback.
"""

import difflib
import importlib
import itertools
import os
import sys
from importlib.metadata import version

from schemas.errors import UserError

COMMANDS = {
    "demo": ("sim.city.cli", "Run a simulated city on this machine: sensors, boards, broker and hub."),
    "run": ("hub.run.cli", "Run the hub: take the boards' messages, keep, judge and pass on."),
    "check": ("hub.upkeep.cli_check", "Explain every problem of a hub: files, certificates, broker, store."),
    "backup": ("hub.upkeep.cli_backup", "Save a hub, also while it runs, as one verified file."),
    "restore": ("hub.upkeep.cli_restore", "Put a backup back."),
    "registry": ("hub.registry.cli", "The city's registry: districts, sites and boards; import, export, retire."),
    "backtest": ("hub.backtest.cli", "Judge recorded data by the law, without a hub."),
    "limits": ("hub.limits.cli", "The limits of the law: list, show, explain which bind a site."),
    "quarantine": ("hub.intake.cli", "What the hub could not accept, why, and another chance for it."),
    "alerts": ("hub.alerts.cli", "Alerts: list, show, acknowledge, comment, close."),
    "notify": ("hub.notify.cli", "Prove that alerts reach people."),
    "access": ("hub.access.cli", "Who may use the HTTP API: make and revoke tokens."),
    "board": ("firmware.cli", "The technician's toolkit: from a bare board to a calibrated one."),
    "sim": ("sim.chip.board_cli", "Simulated parts to try things out: a board, a chip in download mode."),
    "grafana": ("dashboards.cli", "Dashboards and alert rules as code: build, push, check."),
    "deploy": ("deploy.cli", "A city on one machine: certificates, passwords, tokens."),
}


def main() -> None:
    """Run the sub-command that the command line names."""
    arguments = sys.argv[1:]
    name = arguments[0] if arguments else "--help"
    if name in ("--install-completion", "--show-completion") or "_FENCELINE_COMPLETE" in os.environ:
        sys.exit(_complete(arguments))
    if name in ("-h", "--help"):
        print(_help())
    elif name == "--version":
        print(f"fenceline {version('fenceline')}")
    elif name in COMMANDS:
        sys.exit(_run(name, arguments[1:]))
    else:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"expected one of: {', '.join(COMMANDS)}."
        sys.exit(_refuse(f"there is no command '{name}'; {hint} See 'fenceline --help'."))


def _complete(arguments: list[str]) -> int:
    import fenceline_completion

    try:
        return fenceline_completion.run(arguments)
    except UserError as error:
        return _refuse(str(error))


def _run(name: str, arguments: list[str]) -> int:
    import typer
    from typer.main import get_command

    command = get_command(importlib.import_module(COMMANDS[name][0]).app)
    try:
        return int(command(args=arguments, prog_name=f"fenceline {name}", standalone_mode=False) or 0)
    except UserError as error:
        return _refuse(str(error))
    except typer.TyperException as error:
        if not error.format_message():
            return 2  # a command group called without a command has shown its help
        given = _value_given(error, arguments)
        return _refuse(f"{name}: {error.format_message().rstrip('.')}{given}; see 'fenceline {name} --help'.")
    except typer.Abort:
        return 130


def _value_given(error: Exception, arguments: list[str]) -> str:
    """Return what the user wrote behind the option that is wrong, since the parser's message may leave it out."""
    for option in getattr(getattr(error, "param", None), "opts", ()):
        for argument, following in itertools.pairwise([*arguments, ""]):
            if argument == option:
                return f" (given: {following})"
            if argument.startswith(f"{option}="):
                return f" (given: {argument[len(option) + 1 :]})"
    return ""


def _refuse(sentence: str) -> int:
    print(f"fenceline: {sentence}", file=sys.stderr)
    return 2


def _help() -> str:
    rows = "\n".join(f"  {name:<9} {text}" for name, (_, text) in COMMANDS.items())
    return (
        "Fenceline: noise, dust and emissions at the fence, from the sensor's bytes to the law's clause.\n\n"
        f"Usage: fenceline COMMAND [OPTIONS]\n\n{rows}\n\n"
        "Try:\n  fenceline demo                 a simulated city, here, now\n"
        "  fenceline run --config FILE    the hub\n  fenceline COMMAND --help       everything about one command\n"
        "  fenceline --install-completion complete commands and options in your shell"
    )
