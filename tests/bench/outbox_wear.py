"""What the outbox costs in flash: `micropython -m tests.bench.outbox_wear [STEP]` prints one line of JSON.

A real littlefs, mounted as MicroPython mounts it on an ESP32 (2 MB of the flash of 4 MB: 512 blocks of 4096 bytes), on
a medium in memory that counts. 200 KB of files that do not change lie in it too, as two versions of the agent do. A
record of seven quantities, as edge/message.py writes it, is appended every 10 s:

- `acknowledged`: for ten days, each record acknowledged at once;
- `away`: for 72 hours, none acknowledged, in an outbox of at most 1.5 MB.

Ten days, because littlefs moves a directory on only after 100 erasures: after one day the most-worn block looks three
times as bad as it is, and in the 72 hours it still does.

Each has a day's `bytes_programmed` and `blocks_erased`; `worst_block`: erasures a day of the block with the most;
`years_even` and `years_worst`: until 100,000 erasures, if all blocks wore alike and of that block; `flash_used`: bytes
of the file system that are taken at the end. `fits_records`, `fits_hours`: what 1.5 MB holds. `append_reads`,
`append_writes`: transfers of up to 128 bytes for each append.

With a STEP greater than 1, only every STEP-th record is made and a day's figures are multiplied: for slow machines.
"""

import gc
import json
import os
import sys
from array import array

from vfs import VfsLfs2, mount, umount

from edge import message
from edge.outbox import Outbox, line

BLOCK = 4096  # bytes
BLOCKS = 512
CYCLES = 100000  # erasures that a block is specified for
CODE = 200 * 1024  # bytes of files that do not change
INTERVAL = 10  # s
DAY = 86400 // INTERVAL  # records
DAYS_ACKNOWLEDGED = 10
DAYS_AWAY = 3
MOST = 1536 * 1024  # bytes of outbox
VALUES = {
    "laeq": 67.2,
    "lafmax": 74.1,
    "lafmin": 61.3,
    "pm25": 35,
    "pm10": 68,
    "temperature": 24.3,
    "humidity": 61.5,
}


class Flash:
    """A chip in memory that counts what is done to it."""

    def __init__(self, blocks=BLOCKS):
        self._image = memoryview(bytearray(BLOCK * blocks))
        self._empty = b"\xff" * BLOCK
        self.erased = array("I", [0] * blocks)
        self.forget()

    def forget(self):
        """Count from nought again."""
        self.programmed = self.reads = self.writes = 0
        for i in range(len(self.erased)):
            self.erased[i] = 0

    def readblocks(self, number, buffer, offset=0):
        start = number * BLOCK + offset
        buffer[:] = self._image[start : start + len(buffer)]
        self.reads += 1

    def writeblocks(self, number, buffer, offset=0):
        start = number * BLOCK + offset
        self._image[start : start + len(buffer)] = buffer
        self.programmed += len(buffer)
        self.writes += 1

    def ioctl(self, operation, argument):
        if operation == 4:
            return len(self.erased)
        if operation == 5:
            return BLOCK
        if operation == 6:
            self._image[argument * BLOCK : (argument + 1) * BLOCK] = self._empty
            self.erased[argument] += 1
        return 0


def kept(number):
    """Return a typical record as the outbox keeps it."""
    return message.keep(0, "ntp", message.record(1795276800 + number * INTERVAL, INTERVAL, VALUES, {}))


def mounted(flash):
    """Make a file system as on a board, and mount it."""
    VfsLfs2.mkfs(flash)
    mount(VfsLfs2(flash), "/flash")
    os.mkdir("/flash/outbox")  # noqa: PTH102 - MicroPython has no pathlib
    for i in range(20):
        with open(f"/flash/code{i}", "wb") as file:  # noqa: PTH123
            file.write(bytes(CODE // 20))


def run(flash, records, acknowledges):
    """Append so many records; return what it cost, scaled to a day, and the outbox."""
    mounted(flash)
    flash.forget()
    box = Outbox("/flash/outbox", max_bytes=MOST)
    for number in range(1, records + 1):
        if box.append(kept(number)) != number:
            raise AssertionError(number)
        if acknowledges:
            box.acknowledge(box.stream, number)
    days = records / DAY
    erased = sum(flash.erased) / days
    worst = max(flash.erased) / days
    state = os.statvfs("/flash")
    return box, {
        "records": records,
        "bytes_programmed": round(flash.programmed / days),
        "blocks_erased": round(erased),
        "worst_block": round(worst, 1),
        "years_even": round(CYCLES / (erased / BLOCKS) / 365, 1),
        "years_worst": round(CYCLES / worst / 365, 1),
        "append_reads": round(flash.reads / records, 1),
        "append_writes": round(flash.writes / records, 1),
        "flash_used": (state[2] - state[3]) * state[0],
        "dropped": box.dropped,
    }


def main(step=1):
    """Measure and print."""
    flash = Flash()
    box, acknowledged = run(flash, DAYS_ACKNOWLEDGED * DAY // step, True)
    box.close()
    umount("/flash")
    gc.collect()
    box, away = run(flash, DAYS_AWAY * DAY // step, False)
    held = box.next - box.oldest
    if not box.dropped:
        held = MOST // len(line(box.next, kept(box.next)))
    box.close()
    umount("/flash")
    print(
        json.dumps(
            {
                "step": step,
                "record_bytes": len(kept(1)),
                "line_bytes": len(line(10000, kept(1))),
                "fits_records": held,
                "fits_hours": round(held * INTERVAL / 3600, 1),
                "acknowledged": acknowledged,
                "away": away,
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
