"""The outbox's promise on the board's own file system: the power is cut at each step that the flash takes.

Only MicroPython has littlefs: there tests/test_edge_on_micropython.py runs this file; under pytest it is skipped.
"""

import os

from edge.outbox import Outbox

try:
    from vfs import VfsLfs2, mount, umount
except ImportError:  # CPython
    import pytest

    pytest.skip("CPython has no littlefs; it is tested on MicroPython", allow_module_level=True)

TEAR = int(os.getenv("FENCELINE_TEAR") or 64)  # bytes between two cuts within a write; `make test-long` takes 16
FOLDER = "/flash/outbox"


class Flash:
    """A chip in memory. With a `journal`, it notes for each write or erasure `(work, start, data, None if erased)`."""

    def __init__(self, image, size):
        self.image, self.size = image, size
        self.journal = None
        self.work = 0

    def readblocks(self, number, buffer, offset=0):
        start = number * self.size + offset
        buffer[:] = memoryview(self.image)[start : start + len(buffer)]

    def writeblocks(self, number, buffer, offset=0):
        start = number * self.size + offset
        self.image[start : start + len(buffer)] = buffer
        if self.journal is not None:
            self.journal.append((self.work, start, bytes(buffer)))

    def ioctl(self, operation, argument):
        if operation == 4:
            return len(self.image) // self.size
        if operation == 5:
            return self.size
        if operation == 6:
            start = argument * self.size
            self.image[start : start + self.size] = b"\xff" * self.size
            if self.journal is not None:
                self.journal.append((self.work, start, None))
        return 0


def record(number):
    return b'0 ntp {"t":%d,"dt":10,"v":{"laeq":%d.5,"pm10":%s}}' % (number * 10, number, b"7" * 90)


def worked(flash, segment_records, max_bytes, appends):
    """Do what a board does in its life, acknowledgements, an overflow and a restart among it, on an empty `flash`.

    Returns `(image, promises)`: the flash before, and for each piece of work the numbers of the oldest record that it
    leaves, and of the last that was promised before it began.
    """
    VfsLfs2.mkfs(flash)
    mount(VfsLfs2(flash), "/flash")
    os.mkdir(FOLDER)
    image = bytearray(flash.image)
    flash.journal = []
    promises = []
    dropped = 0
    for number in range(1, appends + 1):
        if number in (1, appends * 3 // 4):
            umount("/flash")
            mount(VfsLfs2(flash), "/flash")
            box = Outbox(FOLDER, segment_records, max_bytes)
            promises.append((box.oldest, number - 1))
            flash.work += 1
        assert box.append(record(number)) == number
        promises.append((box.oldest, number - 1))
        flash.work += 1
        if number % 3 == 0 and number < appends // 2:
            box.acknowledge(box.stream, number - 2)
            promises.append((box.oldest, number))
            flash.work += 1
        dropped = max(dropped, box.dropped)
    assert dropped > 0
    umount("/flash")
    return image, promises


def replayed(image, journal, size, check):
    """Do the journal's steps on the flash as it was before, and `check(work, image)` at each cut; return their number.

    A program cut short has written its first bytes; an erasure cut short has left half of the block, or nonsense.
    """
    cuts = 0
    for work, start, data in journal:
        if data is None:
            old = bytes(image[start : start + size])
            torn = [b"\xff" * (size // 2) + old[size // 2 :], b"\x5a\xff\x00\xa5" * (size // 4), b"\xff" * size]
        else:
            torn = [data[:length] for length in range(TEAR, len(data), TEAR)] + [data]
        for there in torn:
            image[start : start + len(there)] = there
            check(work, image)
            cuts += 1
    return cuts


def drained(box):
    found = []
    while True:
        seq, records = box.read(20, 2500)
        if not records:
            return found
        found += [(seq + i, kept) for i, kept in enumerate(records)]


class Inspector:
    """Starts the board from a copy of its flash and asks the outbox for what was promised."""

    def __init__(self, promises, size, length):
        self._promises, self._size = promises, size
        self._copy = bytearray(length)

    def check(self, work, image):
        oldest, promised = self._promises[work]
        self._copy[:] = image
        flash = Flash(self._copy, self._size)
        box = self._started(flash)
        found = drained(box)
        last = box.next - 1
        # The record that was under way may be there or not: nobody was told.
        assert last in (promised, promised + 1), (work, last, promised)
        expected = range(found[0][0], last + 1) if found else ()
        assert found == [(number, record(number)) for number in expected], (work, found)
        assert (found[0][0] if found else last + 1) <= oldest, (work, found, oldest)
        assert box.losses() == [] and box.dropped == 0  # noqa: PT018 - one of many thousand cuts
        for number in (last + 1, last + 2):
            assert box.append(record(number)) == number
        box.close()
        umount("/flash")
        box = self._started(flash)
        assert drained(box) == found + [(number, record(number)) for number in (last + 1, last + 2)], work
        box.close()
        umount("/flash")

    @staticmethod
    def _started(flash):
        mount(VfsLfs2(flash), "/flash")
        if "outbox" not in os.listdir("/flash"):
            os.mkdir(FOLDER)
        return Outbox(FOLDER, 100)


def cut_everywhere(size, blocks, segment_records, max_bytes, appends):
    flash = Flash(bytearray(size * blocks), size)
    try:
        image, promises = worked(flash, segment_records, max_bytes, appends)
        inspector = Inspector(promises, size, len(image))
        cuts = replayed(image, flash.journal, size, inspector.check)
    except AssertionError:
        umount("/flash")
        raise
    assert image == flash.image, "the journal is whole"
    print(cuts, "cuts", end=" ")
    return cuts


def test_a_power_cut_at_each_step_of_a_boards_flash_costs_no_promised_record():
    assert cut_everywhere(size=4096, blocks=16, segment_records=30, max_bytes=5200, appends=70) > 5000 * 16 // TEAR


def test_a_power_cut_where_records_and_directories_go_over_many_small_blocks_costs_none():
    assert cut_everywhere(size=512, blocks=64, segment_records=12, max_bytes=3600, appends=60) > 1500 * 16 // TEAR


def test_the_power_cut_of_these_tests_is_seen():
    flash = Flash(bytearray(512 * 64), 512)
    image, promises = worked(flash, 12, 3600, 60)
    # An outbox that says "kept" one record too early.
    early = Inspector([(oldest, promised + 1) for oldest, promised in promises], 512, len(image))
    try:
        replayed(image, flash.journal, 512, early.check)
    except AssertionError:
        umount("/flash")
        return
    raise AssertionError("a record that was promised and is not there went unseen")
