"""An agent that keeps what it has done, to compare it with what the hub knows of it.

    micropython tests/system/keeping_board.py CONFIG

Its events stay after the hub has answered, in the file `events.old` of the outbox; each command that it begins to carry
out leaves its id in `orders.begun`. The agent's own code runs, unchanged; `"outbox": {"keep": true}` does the same for
its records, without this.
"""

import sys

from edge.agent import Agent
from edge.notes import Notes

OLD = ".old"
BEGUN = ".begun"
_forget = Notes.acknowledged
_carry_out = Agent._carry_out


def _keep_and_forget(self, number):
    """Copy an event to the file beside, whole or torn, before it leaves its own: a kill between leaves it in both."""
    with open(self._path, "rb") as waiting, open(self._path + OLD, "ab") as kept:  # noqa: PTH123 (MicroPython has no Path)
        for text in waiting:
            if text.startswith(b'{"n":%d,' % number):
                kept.write(b"\n" + text)
                kept.flush()
    _forget(self, number)


async def _note_and_carry_out(self, command):
    """Note a command before anything is done."""
    with open(self._given_path + BEGUN, "a") as file:  # noqa: PTH123 (MicroPython has no Path)
        file.write(command["id"] + "\n")
    return await _carry_out(self, command)


if __name__ == "__main__":
    from edge.main import run

    Notes.acknowledged = _keep_and_forget
    Agent._carry_out = _note_and_carry_out
    run(sys.argv[1])
