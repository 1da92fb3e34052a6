"""How fast the outbox appends: `micropython -m tests.bench.outbox_speed FOLDER` prints one line of JSON.

Records a second, each flushed to the medium before the next: `host` in FOLDER, `littlefs_in_ram` on the file system of
a board whose flash takes no time, which leaves the interpreter's own work and littlefs's.
"""

import json
import sys
import time

from vfs import umount

from edge.outbox import Outbox
from tests.bench.outbox_wear import Flash, kept, mounted

MOST_TIME = 3000  # ms
MOST_RECORDS = 2000


def speed(folder):
    """Return the records a second that are appended in a folder."""
    box = Outbox(folder)
    record = kept(1)
    start = time.ticks_ms()
    while box.next <= MOST_RECORDS and time.ticks_diff(time.ticks_ms(), start) < MOST_TIME:
        box.append(record)
    took = time.ticks_diff(time.ticks_ms(), start)
    box.close()
    return round((box.next - 1) * 1000 / took)


def main(folder):
    """Measure and print."""
    host = speed(folder)
    mounted(Flash())
    littlefs = speed("/flash/outbox")
    umount("/flash")
    print(json.dumps({"host": host, "littlefs_in_ram": littlefs}))


main(sys.argv[1])
