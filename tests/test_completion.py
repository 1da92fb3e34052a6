"""Tab in the shell, for the whole command."""

import os
import subprocess

import pytest

from tests.board_process import FENCELINE


def tab(words):
    """Return what bash is offered for a command line, the last word being incomplete."""
    environment = {"_FENCELINE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run(FENCELINE, capture_output=True, text=True, check=True, env=os.environ | environment)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("fenceline bo", ["board"]),
        ("fenceline board ins", ["install"]),
        ("fenceline board flash --im", ["--image"]),
        ("fenceline board install --lang z", ["zh"]),
    ],
)
def test_commands_options_and_values_are_completed(words, offered):
    assert tab(words) == offered


def test_the_script_is_shown_and_installed(tmp_path):
    environment = os.environ | {"HOME": str(tmp_path)}
    shown = subprocess.run(
        [*FENCELINE, "--show-completion", "bash"], capture_output=True, text=True, check=True, env=environment
    )
    assert "_FENCELINE_COMPLETE=complete_bash" in shown.stdout
    installed = subprocess.run(
        [*FENCELINE, "--install-completion", "bash"], capture_output=True, text=True, check=True, env=environment
    )
    assert "it works in the next terminal" in installed.stdout
    refused = subprocess.run([*FENCELINE, "--show-completion", "tcsh"], capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stderr) == (
        2,
        "fenceline: --show-completion tcsh: expected one of bash, zsh, fish, powershell, pwsh.\n",
    )
    assert (tmp_path / ".bash_completions" / "fenceline.sh").read_text().strip() == shown.stdout.strip()
