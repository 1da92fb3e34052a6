"""An agent that keeps its events after the hub has answered, to compare what it made with what arrived.

    micropython tests/system/keeping_board.py CONFIG

The agent's own code runs, unchanged; `"outbox": {"keep": true}` does the same for its records, without this.
"""

import sys

from edge.notes import Notes

OLD = ".old"
_forget = Notes.acknowledged


def _keep_and_forget(self, number):
    """Copy an event to the file beside, whole or torn, before it leaves its own: a kill between leaves it in both."""
    with open(self._path, "rb") as waiting, open(self._path + OLD, "ab") as kept:  # noqa: PTH123 (MicroPython has no Path)
        for text in waiting:
            if text.startswith(b'{"n":%d,' % number):
                kept.write(b"\n" + text)
                kept.flush()
    _forget(self, number)


if __name__ == "__main__":
    from edge.main import run

    Notes.acknowledged = _keep_and_forget
    run(sys.argv[1])
