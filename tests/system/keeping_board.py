"""An agent that keeps what it has done, to compare it with what the hub knows of it.

    micropython tests/system/keeping_board.py CONFIG

Its events stay after they have left the file `events` of the outbox: in `events.old` when the hub has answered, in
`events.given-up` when there was no room for them; each command that it begins to carry out leaves its id in
`orders.begun`. The agent's own code runs, unchanged; `"outbox": {"keep": true}` does the same for its records, without
this. What the agent waits for in minutes, it waits for in seconds here: its longest pause between two attempts to
connect, and how long it waits for the hub's answer to an event.
"""

import sys

from edge import mqtt, notes
from edge.agent import Agent
from edge.notes import Notes

OLD = ".old"
GIVEN_UP = ".given-up"
BEGUN = ".begun"
LONGEST_S = 5
_forget = Notes.acknowledged
_write = Notes._write
_carry_out = Agent._carry_out


def _forget_for_good(self, number):
    """Note that what leaves now is answered."""
    self.kept_in = OLD
    _forget(self, number)
    self.kept_in = GIVEN_UP


def _keep_and_write(self, waiting):
    """Copy what leaves the file to one beside, whole or torn, before: a kill between leaves it in both."""
    try:
        with open(self._path, "rb") as file:  # noqa: PTH123 (MicroPython has no Path)
            gone = [text[:-1] for text in file if text[-1:] == b"\n" and text[:-1] not in waiting]
    except OSError:
        gone = []
    if gone:
        with open(self._path + getattr(self, "kept_in", GIVEN_UP), "ab") as kept:  # noqa: PTH123
            kept.write(b"\n" + b"\n\n".join(gone) + b"\n")
    _write(self, waiting)


async def _note_and_carry_out(self, command, signer):
    """Note a command before anything is done."""
    with open(self._given_path + BEGUN, "a") as file:  # noqa: PTH123 (MicroPython has no Path)
        file.write(command["id"] + "\n")
    return await _carry_out(self, command, signer)


if __name__ == "__main__":
    from edge.main import run

    mqtt.LONGEST_PAUSE = notes.AGAIN = LONGEST_S
    Notes.acknowledged = _forget_for_good
    Notes._write = _keep_and_write
    Agent._carry_out = _note_and_carry_out
    run(sys.argv[1])
