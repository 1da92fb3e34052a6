"""Random and mutated frames are all accounted for: `make fuzz-jt808` does the same with as many as one likes."""

from hub.intake.terminals.judging import units_of
from hub.intake.terminals.profiles import Profiles
from hub.wire.jt808 import Header, build, read_plain
from hub.wire.terminal import decode_fix, identity, moment_of, pack
from tests.fuzz.terminals import Frames, run


def test_every_byte_and_every_frame_is_accounted_for(tmp_path):
    found = run(tmp_path, 400, seed=5)
    wrong = {name: found.get(name, 0) for name in ("bytes_missing", "missing", "good_missing", "unsafe", "tracebacks")}
    assert not any(wrong.values()), found
    assert found["good"] > 80
    assert found["quarantined"] > 30
    assert found["repeated"] > 10


def test_what_is_said_at_once_is_what_decoding_the_log_says():
    frames, head = Frames(9), Profiles().head("trwy")
    for _ in range(100):
        raw = build(Header(0x0200, "13800000000", 1), frames.body()[0])
        plain = read_plain(raw)
        (unit,) = units_of(plain.header, plain.body, raw, head)
        payload = pack(unit.head, unit.data)
        assert decode_fix(payload).moments == [moment_of(unit.position, head)]
        assert identity(payload) == unit.identity
