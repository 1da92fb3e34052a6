"""The outbox's promise: what append() returned for is there after any cut, and nothing else is."""

import os

from edge.outbox import KEPT, Outbox, line, parse, segments
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
