"""A flash that was put into another chip: the power is cut at each step of that chip's first starts and records.

Only MicroPython has littlefs: there tests/test_edge_on_micropython.py runs this file; under pytest it is skipped.
"""

import os

try:
    from vfs import VfsLfs2, mount, umount
except ImportError:  # CPython
    import pytest

    pytest.skip("CPython has no littlefs; it is tested on MicroPython", allow_module_level=True)

from edge import stream
from edge.board_host import Board
from edge.outbox import Outbox
from edge.stream import resume
from tests.edge.test_outbox_littlefs import FOLDER, TEAR, Flash, drained, record, replayed


class Chip(Board):
    """The chip that a restored flash is in; its mark lies on the same flash, so that cuts within that are met, too."""

    def __init__(self, id_):
        super().__init__({"folder": FOLDER})
        self._id = id_

    def chip(self):
        return self._id


def boxes(box):
    """Return a board's outbox and its elders."""
    found = list(box.elders)
    found.append(box)
    return found


def restarted(flash, chip):
    """Start the board `chip` with its flash; return its outbox."""
    umount("/flash")
    mount(VfsLfs2(flash), "/flash")
    return Outbox(FOLDER, 5, stream=resume(FOLDER, Chip(chip)))


class Restored:
    """The life of a chip that was given the flash of another: its streams, its records, and what was acknowledged.

    `given`: `(stream, seq, record)` in order. `moments`: how many of them were promised before each piece of work, and
    for each stream up to which number the hub's acknowledgement may have been carried out after it.
    """

    def __init__(self, flash):
        VfsLfs2.mkfs(flash)
        mount(VfsLfs2(flash), "/flash")
        os.mkdir(FOLDER)
        box = restarted(flash, "24")
        self.old = box.stream
        self.given = []
        self.moments = []
        self.acknowledged = {}
        for _ in range(12):
            self._append(box)
        box.close()
        umount("/flash")
        mount(VfsLfs2(flash), "/flash")
        self.image = bytearray(flash.image)
        self.moments.clear()
        flash.work = 0
        flash.journal = []
        for _ in range(2):
            flash.work += self._moment()
            box = restarted(flash, "25")
            assert box.stream != self.old
            for _ in range(7):
                self._append(box, flash)
            for one in boxes(box):
                flash.work += self._acknowledge(one, one.next - 2)
            box.close()
        flash.work += self._acknowledge(box.elders[0], 12)
        assert box.elders[0].oldest == 13
        umount("/flash")

    def _moment(self):
        self.moments.append((len(self.given), dict(self.acknowledged)))
        return 1

    def _append(self, box, flash=None):
        number = len(self.given) + 1
        moment = self._moment()
        self.given.append((box.stream, box.append(record(number)), record(number)))
        if flash:
            flash.work += moment

    def _acknowledge(self, box, seq):
        self.acknowledged[box.stream] = seq
        moment = self._moment()
        box.acknowledge(box.stream, seq)
        return moment


def held(box):
    """Return `{(stream, seq): record}` of all that waits on a board."""
    return {(one.stream, seq): kept for one in boxes(box) for seq, kept in drained(one)}


def inspected(life, work, image, size):
    """Start the restored chip after a cut: what was promised is there, and no number is given to two records."""
    promised, acknowledged = life.moments[work]
    numbers = {(stream, seq): kept for stream, seq, kept in life.given[: promised + 1]}
    flash = Flash(bytearray(image), size)
    mount(VfsLfs2(flash), "/flash")
    for beyond in (1001, 1002):
        box = restarted(flash, "25")
        assert box.stream != life.old, work
        found = held(box)
        for name, seq, kept in life.given[:promised]:
            if seq > acknowledged.get(name, 0):
                assert found.get((name, seq)) == kept, (work, name, seq)
        for key, kept in found.items():
            assert numbers.get(key) == kept, (work, key)
        number = (box.stream, box.append(record(beyond)))
        # The record that was under way may be there or not: its number is free only when it is not.
        assert number not in found, (work, number)
        assert number not in {(stream, seq) for stream, seq, _ in life.given[:promised]}, (work, number)
        numbers[number] = record(beyond)
        box.close()
    umount("/flash")


def test_a_power_cut_at_each_step_after_a_restore_gives_no_number_twice_and_costs_no_record():
    stream.log = lambda text: None  # at each cut it tells of a new stream
    flash = Flash(bytearray(4096 * 24), 4096)
    life = Restored(flash)
    image = life.image
    try:
        cuts = replayed(image, flash.journal, 4096, lambda work, now: inspected(life, work, now, 4096))
    except AssertionError:
        umount("/flash")
        raise
    assert image == flash.image, "the journal is whole"
    assert len({stream for stream, _, _ in life.given}) == 2
    print(cuts, "cuts", end=" ")
    assert cuts > 300 * 16 // TEAR
