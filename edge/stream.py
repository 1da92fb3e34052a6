"""Which stream a board's records go into: that of the last start, or a new one where its files are older than itself.

Needed once at each start; the agent lets go of the module then.
"""

import os
from binascii import hexlify

from edge import files
from edge.journal import log
from edge.outbox import draw, segments

OWNER = "stream"


def resume(folder, board):
    """Return the stream of what is made from now on: that of the last start, or a new one.

    The file `stream` holds its name, the chip's id, and the board's mark at the last start and at this one. The mark is
    drawn at each start and kept apart from the files too, so that files from before, put back on the same chip, are
    noticed. Where anything does not fit, or the file is missing (`fenceline board restore` leaves it out), the stream
    is a new one, which costs nothing. The file is written before the mark: after a cut between them the last one fits.
    """
    path = folder + "/" + OWNER
    chip, mark, drawn = board.chip(), board.mark(), hexlify(os.urandom(3)).decode()
    stream = ""
    try:
        with open(path) as file:
            text = file.read()
        parts = text.rstrip("\n").split(" ")
        if text.endswith("\n") and len(parts) == 4 and parts[1] == chip and mark and mark in parts[2:]:
            stream = parts[0]
    except (OSError, ValueError):
        pass  # none yet, or damaged
    # Without a segment nothing says how far its numbers have come.
    if stream not in [known for _, known, _ in segments(folder)]:
        stream = draw()
        log("outbox: new stream %s" % stream)
    try:
        files.replace(path, "%s %s %s %s\n" % (stream, chip, mark, drawn))
        board.set_mark(drawn)
    except OSError as error:
        log("outbox: stream not kept: %s" % error)  # the next start begins another one
    return stream
