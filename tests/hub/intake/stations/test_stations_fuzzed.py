"""Random and mutated frames are all accounted for: `make fuzz-hj212` does the same with as many as one likes."""

import pytest

from hub.wire.hj212 import crc
from hub.wire.station import Head, decode, line_of, meaning, pack, packet_of
from tests.fuzz.stations import Frames, run


def test_every_byte_and_every_frame_is_accounted_for(tmp_path):
    found = run(tmp_path, 600, seed=5)
    wrong = {name: found.get(name, 0) for name in ("bytes_missing", "missing", "good_missing", "unsafe", "tracebacks")}
    assert not any(wrong.values()), found
    assert found["good"] > 100
    assert found["quarantined"] > 50
    assert found["repeated"] > 10


def test_what_is_said_at_once_is_what_decoding_the_log_says():
    frames, head = Frames(9), Head({"a34004": ("pm25", 1.0), "Leq": ("laeq", 1.0)})
    for _ in range(200):
        frame = frames.good().strip()
        line = line_of(head)
        assert meaning(packet_of(frame), line) == decode(pack(line, frame))


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 15, 16, 17, 64, 65, 255, 256, 1024])
def test_the_folded_checksum_is_that_of_single_bytes(length):
    segment = bytes(n * 37 % 256 for n in range(length))
    reg = 0xFFFF
    for byte in segment:
        reg = reg >> 8 ^ byte
        for _ in range(8):
            reg = reg >> 1 ^ (0xA001 if reg & 1 else 0)
    assert crc(segment) == reg
