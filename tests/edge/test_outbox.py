"""The outbox's promise: what append() returned for is there after any cut, and nothing else is."""

import os

from edge.board_host import Board
from edge.outbox import KEPT, Outbox, line, parse, segments
from edge.stream import OWNER, resume
from tests.edge.helpers import tmp_dir


def fill(box, numbers):
    for number in numbers:
        assert box.append(b'{"t":%d}' % number) == number


def drain(box):
    out = []
    while True:
        seq, records = box.read(10, 100)
        if not records:
            return out
        out += [(seq + i, record) for i, record in enumerate(records)]


def expected(numbers):
    return [(number, b'{"t":%d}' % number) for number in numbers]


def test_a_line_survives_its_way_and_a_damaged_one_is_refused():
    text = line(7, b'{"v":{"laeq":67.2}}')
    assert parse(text) == (7, b'{"v":{"laeq":67.2}}')
    for i in range(len(text)):
        damaged = text[:i] + bytes([text[i] ^ 1]) + text[i + 1 :]
        assert parse(damaged) is None, damaged


def test_records_come_back_in_order_and_leave_when_acknowledged():
    box = Outbox(tmp_dir(), segment_records=4)
    fill(box, range(1, 11))
    assert drain(box) == expected(range(1, 11))
    assert drain(box) == []
    box.acknowledge(box.stream, 6)
    assert (box.oldest, box.next) == (7, 11)
    box.rewind()
    assert drain(box) == expected(range(7, 11))
    box.close()


def test_only_whole_acknowledged_segments_are_deleted():
    folder = tmp_dir()
    box = Outbox(folder, segment_records=4)
    fill(box, range(1, 11))
    box.acknowledge(box.stream, 6)
    assert [first for first, _, _ in segments(folder)] == [5, 9]
    box.close()


def test_kept_segments_still_tell_what_was_made():
    folder = tmp_dir()
    box = Outbox(folder, segment_records=4, keep=True)
    fill(box, range(1, 11))
    box.acknowledge(box.stream, 10)
    assert [first for first, _, _ in segments(folder, KEPT)] == [1, 5]
    box.close()


def test_a_restart_goes_on_with_the_same_stream_and_numbers():
    folder = tmp_dir()
    box = Outbox(folder, segment_records=4)
    fill(box, range(1, 7))
    box.close()
    again = Outbox(folder, segment_records=4)
    assert again.stream == box.stream
    fill(again, range(7, 10))
    assert drain(again) == expected(range(1, 10))
    again.close()


def test_an_acknowledgement_of_another_stream_or_of_the_future_deletes_nothing():
    box = Outbox(tmp_dir(), segment_records=4)
    fill(box, range(1, 10))
    box.acknowledge("00000000", 9)
    box.acknowledge(box.stream, 10)
    assert box.oldest == 1
    box.close()


def test_a_cut_at_every_byte_keeps_every_record_that_was_promised():
    folder = tmp_dir()
    box = Outbox(folder, segment_records=100)
    fill(box, range(1, 4))
    box.close()
    _, stream, path = segments(folder)[0]
    with open(path, "rb") as file:
        content = file.read()
    ends = [0]
    for text in content.split(b"\n")[:-1]:
        ends.append(ends[-1] + len(text) + 1)
    for cut in range(len(content) + 1):
        folder = tmp_dir()
        with open(folder + "/" + stream + "-0000000001.seg", "wb") as file:
            file.write(content[:cut])
        promised = len([end for end in ends[1:] if end <= cut])
        box = Outbox(folder)
        assert box.next == promised + 1, cut
        fill(box, range(promised + 1, promised + 3))
        assert drain(box) == expected(range(1, promised + 3)), cut
        box.close()


def test_a_damaged_record_is_told_as_lost_and_its_number_is_not_used_again():
    folder = tmp_dir()
    box = Outbox(folder, segment_records=100)
    fill(box, range(1, 5))
    box.close()
    path = segments(folder)[0][2]
    for damaged in (2, 4):
        with open(path, "rb") as file:
            content = file.read()
        with open(path, "wb") as file:
            file.write(content.replace(b'"t":%d}' % damaged, b'"t":9}'))
    box = Outbox(folder)
    fill(box, range(5, 7))
    assert drain(box) == expected([1, 3, 5, 6])
    assert box.losses() == [(2, 2, "damaged"), (4, 4, "damaged")]
    assert box.losses() == []
    assert box.dropped == 2
    box.close()


def test_a_full_outbox_gives_up_the_oldest_and_says_so():
    folder = tmp_dir()
    size = len(line(1, b'{"t":1}'))
    box = Outbox(folder, segment_records=3, max_bytes=7 * size)
    fill(box, range(1, 10))
    assert box.losses() == [(1, 3, "overflow")]
    assert (box.oldest, box.dropped) == (4, 3)
    assert drain(box) == expected(range(4, 10))
    assert sum([os.stat(path)[6] for _, _, path in segments(folder)]) <= 7 * size
    box.close()


class Chip(Board):
    """A board with an id of its own, which outlives its files."""

    def __init__(self, id_="24", apart=None):
        super().__init__({"folder": apart or tmp_dir() + "/apart"})
        self._id = id_

    def chip(self):
        return self._id


class FailsToMark(Chip):
    def set_mark(self, _mark):
        raise OSError(5)


def start(folder, chip, **options):
    """Start the board on the files of a folder."""
    return Outbox(folder, stream=resume(folder, chip), **options)


def image(folder):
    """Return the content of each file of a folder."""
    found = {}
    for name in os.listdir(folder):
        with open(folder + "/" + name, "rb") as file:
            found[name] = file.read()
    return found


def put_back(files, without=()):
    """Return a folder with the files of an image."""
    folder = tmp_dir()
    for name, content in files.items():
        if name not in without:
            with open(folder + "/" + name, "wb") as file:
                file.write(content)
    return folder


def monday(chip, numbers=range(1, 101)):
    """Return the files of a board that has made some records, and its stream."""
    folder = tmp_dir()
    box = start(folder, chip, segment_records=40)
    fill(box, numbers)
    box.close()
    return image(folder), box.stream, folder


def goes_on_apart(box, stream, numbers):
    """Assert that an outbox has another stream than `stream`, whose records wait under their own numbers."""
    assert box.stream != stream
    assert box.next == 1
    assert [elder.stream for elder in box.elders] == [stream]
    assert drain(box.elders[0]) == expected(numbers)


def test_the_chip_that_made_its_records_goes_on_with_its_stream_start_after_start():
    chip = Chip()
    _, stream, folder = monday(chip)
    for number in (101, 102, 103):
        box = start(folder, chip)
        assert (box.stream, box.elders) == (stream, [])
        fill(box, [number])
        box.close()


def test_on_another_chip_records_made_after_a_restore_carry_no_number_of_the_old_stream():
    files, stream, _ = monday(Chip("24"))
    chip = Chip("25")
    folder = put_back(files)
    box = start(folder, chip)
    goes_on_apart(box, stream, range(1, 101))
    fill(box, range(1, 4))
    box.close()
    again = start(folder, chip)
    assert again.stream == box.stream
    assert drain(again) == expected(range(1, 4))
    again.acknowledge(stream, 100)
    assert again.oldest == 1
    elder = again.elders[0]
    elder.acknowledge(again.stream, 3)
    elder.acknowledge(stream, 101)
    assert elder.oldest == 1
    elder.acknowledge(stream, 100)
    assert [known for _, known, _ in segments(folder) if known == stream] == []
    again.close()
    last = start(folder, chip)
    assert (last.stream, last.elders, last.next) == (box.stream, [], 4)
    last.close()


def test_files_from_before_put_back_on_the_same_chip_are_noticed():
    chip = Chip()
    files, stream, folder = monday(chip)
    for _ in range(2):  # even if it was started only once since
        start(folder, chip).close()
        box = start(put_back(files), chip)
        goes_on_apart(box, stream, range(1, 101))
        box.close()


def test_a_restore_by_the_tool_leaves_the_owner_out():
    chip = Chip()
    files, stream, _ = monday(chip)
    box = start(put_back(files, without=(OWNER,)), chip)
    goes_on_apart(box, stream, range(1, 101))
    box.close()


def test_whatever_is_left_of_the_owner_after_a_cut_no_number_is_given_twice():
    for chip in (Chip(), Chip("")):
        files, stream, _ = monday(chip, range(1, 4))
        owner, kept = files[OWNER], chip.mark()
        for cut in range(len(owner) + 1):
            files[OWNER] = owner[:cut]
            chip.set_mark(kept)
            box = start(put_back(files), chip)
            if cut == len(owner):
                assert (box.stream, box.next) == (stream, 4)
            else:
                goes_on_apart(box, stream, range(1, 4))
            box.close()
        for odd in (b"\xff" * 30, b"../../x 24 1 2\n", b"\n", owner * 2, bytes(30)):
            files[OWNER] = odd
            chip.set_mark(kept)
            box = start(put_back(files), chip)
            goes_on_apart(box, stream, range(1, 4))
            box.close()


def test_a_cut_between_the_owner_and_the_mark_costs_no_stream():
    apart = tmp_dir() + "/apart"
    _, stream, folder = monday(Chip(apart=apart))
    for _ in range(3):
        assert resume(folder, FailsToMark(apart=apart)) == stream
    box = start(folder, Chip(apart=apart))
    assert (box.stream, box.next) == (stream, 101)
    box.close()


def test_without_its_files_a_stream_begins_anew_and_not_with_the_same_numbers():
    chip = Chip()
    _, stream, folder = monday(chip)
    for _, _, path in segments(folder):
        os.remove(path)
    box = start(folder, chip)
    assert (box.stream != stream, box.next, box.elders) == (True, 1, [])
    box.close()


def test_restored_again_and_again_every_stream_that_waits_is_kept():
    made = {}
    files = {}
    for number in range(4):
        chip = Chip("%d" % number)
        folder = put_back(files)
        box = start(folder, chip)
        assert {elder.stream: drain(elder) for elder in box.elders} == made
        fill(box, range(1, 3 + number))
        made[box.stream] = expected(range(1, 3 + number))
        box.close()
        files = image(folder)
    assert len(made) == 4


def test_what_waits_of_an_older_stream_is_given_up_first_when_there_is_no_room_and_that_is_told():
    size = len(line(1, b'{"t":1}'))
    chip = Chip()
    files, stream, _ = monday(chip, range(1, 7))
    folder = put_back(files, without=(OWNER,))
    box = start(folder, chip, segment_records=2, max_bytes=8 * size)
    elder = box.elders[0]
    assert elder.stream == stream
    fill(box, range(1, 4))
    assert (elder.losses(), elder.dropped, drain(elder)) == ([(1, 6, "overflow")], 6, [])
    assert elder.oldest == elder.next
    fill(box, range(4, 10))
    assert box.losses() == [(1, 2, "overflow")]
    assert sum([os.stat(path)[6] for _, _, path in segments(folder)]) <= 8 * size
    box.close()


def test_a_file_of_somebody_else_does_not_keep_the_board_from_starting():
    chip = Chip()
    _, stream, folder = monday(chip)
    for name in ("copy.seg", "a-b-c.seg", "9f3a12c4-x.seg", "-.seg"):
        with open(folder + "/" + name, "wb") as file:
            file.write(b"x")
    box = start(folder, chip)
    assert (box.stream, box.next, box.elders) == (stream, 101, [])
    box.close()
