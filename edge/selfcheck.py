"""What a board says of itself: versions, clock, storage, outbox, buses; for `fenceline board check` and `diagnose`."""

import json
import os
import sys

from edge import VERSION, files
from edge.outbox import parse, segments

PIECE = 4096  # bytes written and read back


def storage(folder):
    """Return what a real write and read of a file in `folder` shows: `{"problem", "free", "size"}`, sizes in bytes."""
    told = {"problem": "", "free": None, "size": None}  # type: dict
    path = folder + "/selfcheck"
    written = os.urandom(PIECE)
    try:
        with open(path, "wb") as file:
            file.write(written)
            file.flush()
            files.fsync(file)
        with open(path, "rb") as file:
            if file.read() != written:
                told["problem"] = "what was read is not what was written"
    except OSError as error:
        told["problem"] = str(error)
    try:
        os.remove(path)
        about = os.statvfs(folder)
        told["free"], told["size"] = about[0] * about[3], about[1] * about[2]
    except (OSError, AttributeError):
        pass  # never made; or a system without statvfs
    return told


def outbox(folder):
    """Return `{"records", "damaged", "bytes"}` of an outbox, with acknowledged records of its oldest file."""
    records = damaged = size = 0
    for _, _, path in segments(folder):
        size += os.stat(path)[6]
        with open(path, "rb") as file:
            for text in file:
                if parse(text):
                    records += 1
                elif text.endswith(b"\n"):
                    damaged += 1
    return {"records": records, "damaged": damaged, "bytes": size}


def buses(board, sensors):
    """Return for each I2C or I2S line of the sensors' settings `{"problem", "found"}`, `found` being I2C addresses."""
    told = {}
    for spec in sorted({settings["port"] for settings in sensors if settings["port"].startswith("i2")}):
        told[spec] = {"problem": "", "found": None}
        try:
            bus = board.open_bus(spec)
            if hasattr(bus, "scan"):
                told[spec]["found"] = bus.scan()
        except (OSError, ValueError, KeyError) as error:
            told[spec]["problem"] = str(error) or error.__class__.__name__
    return told


def look(path="config.json"):
    """Print one line `#field {JSON}` of all that."""
    from edge.board import Board
    from edge.field import MARK, unix_time  # here, since an order wants the rest of this file alone (edge/errands.py)

    with open(path) as file:
        config = json.load(file)
    folder = config["folder"]
    try:
        os.mkdir(folder)
    except OSError:
        pass  # it is there
    board = Board(config)
    told = {
        "agent": VERSION,
        "runtime": board.runtime(),
        "platform": sys.platform,
        "reset": board.reset_cause(),
        "t": unix_time(),
        "storage": storage(folder),
        "outbox": outbox(folder),
        "buses": buses(board, config["sensors"]),
    }
    print(MARK + json.dumps(told))
