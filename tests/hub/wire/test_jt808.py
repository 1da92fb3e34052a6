"""The codec of JT/T 808, on frames that terminals really sent."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.wire import jt808
from hub.wire.jt808 import FAULTS, Content, Header, Item, Joiner, Parameter, Piece, Position, Splitter
from hub.wire.jt808.bodies import LAYOUTS, batches, bytes_of, text_of
from hub.wire.jt808.codes import MESSAGES
from hub.wire.jt808.described import described
from hub.wire.jt808.frame import body_of

ROOT = Path(__file__).resolve().parents[3]
FRAMES = [json.loads(line) for line in (ROOT / "tests/data/jt808_frames.jsonl").read_text("utf-8").splitlines()]
RAW = {row["id"]: bytes.fromhex(row["frame"]) for row in FRAMES}
FIX = Position(0, 3, 23_000_000, 113_000_000, 12, 356, 90, "261128080000", (Item(1, b"\0\0\0\x64"),))

# Faults by frame, found by reading the frames beside the standard's tables.
FOUND = {
    "message_unknown": "f2 f24 f46 f48 f49 f50 f64 f65 f66 f67 f68",
    "version_flag": "f25 f26",
    "checksum item_overrun": "f27 f30",
    "item_length item_twice": "f29",
    "checksum": "f31",
    "checksum item_twice": "f32",
    "body_long": "f33",
    "checksum length body_long count": "f36",
    "item_overrun": "f43",
    "item_twice": "f44 f45",
    "checksum message_unknown": "f47",
    "latitude": "f55 f57 f58",
    "phone message_unknown": "f71",
    "mark": "f73",
    "item_twice item_overrun": "f77",
    "checksum length": "f89",
}
EXPECTED = {frame: faults.split() for faults, frames in FOUND.items() for frame in frames.split()}


@pytest.mark.parametrize("row", FRAMES, ids=[row["id"] for row in FRAMES])
def test_a_frame_from_the_field(row):
    raw = RAW[row["id"]]
    frame = jt808.read(raw)
    header = frame.header
    assert (frame.checksum == "right", frame.length == "right") == (row["xor"] == "ok", row["length"] == "ok")
    assert list(frame.faults) == EXPECTED.get(row["id"], [])
    assert (f"{header.message:04X}", header.phone, header.serial) == (row["msg"], row["phone"], row["serial"])
    assert (header.size - 4 * bool(header.total) == 17) == (row["header_form"] == "2019")
    assert [header.total, header.number] == row.get("sub", [0, 0])
    wanted = [row["pos"]] if "pos" in row else row.get("batch", {}).get("items", [])
    for one, said in zip(frame.content.positions, wanted, strict=False):
        assert (one.lat, one.lon, one.altitude, one.speed_kmh, one.direction, one.time) == (
            said["lat"], said["lon"], said["alt"], said["speed_kmh"], said["dir"], said["time"],
        )  # fmt: skip
        assert (f"{one.alarm:08X}", f"{one.status:08X}") == (said["alarm"], said["status"])
        if "items" in said:
            assert [f"{item.id:02X}:{item.value.hex()}" for item in one.items] == said["items"]
            assert bool(one.tail) == ("tail" in said)
        assert one.encode() in frame.content.bodies
    if frame.checksum == frame.length == "right":
        assert len(frame.content.positions) == row.get("batch", {}).get("got", len(wanted) or row["msg"] == "0201")
        if "mark" in frame.faults:  # one terminal did not escape a 7E within
            raw = raw.replace(b"\x87\x02\0\x7e", b"\x87\x02\0\x7d\x02")
        assert frame.encode() == raw
    assert json.loads(json.dumps(described(frame)))["faults"] == list(frame.faults)
    if "mark" not in frame.faults:
        splitter = Splitter()
        assert [*splitter.feed(raw), *splitter.rest()] == [Piece(raw)]


def test_what_the_messages_say():
    told = {id_: described(jt808.read(raw))["values"] for id_, raw in RAW.items()}
    registration = {"province": 40, "city": 50, "maker": "1234", "model": "smallchi123", "terminal": "CHI123"}
    registration |= {"colour": 1, "plate": "粤A12345"}
    assert told["f5"] == told["f6"] == registration
    assert (told["f72"]["maker"], told["f72"]["model"], told["f72"]["plate"]) == ("70111", "BSJ-M7B ", "粤B88888")
    assert told["f54"] == {"imei": "123456789012345", "software": "3.7.15"}
    assert jt808.read(RAW["f9"]).content.text("code") == "456121111"
    assert told["f56"]["name"] == "张三"
    assert told["f34"]["identity"] == "46030088888888888888"
    assert told["f59"] == {"serial": 4249, "count": 9, "parts": [1, 2, 3, 4, 5, 6, 7, 8, 9]}
    assert told["f63"]["text"] == "测试123@456#abc!...结束"
    assert told["f51"] == {"serial": 123, "message": "01C8", "result": 3}
    assert told["f39"] == {"count": 1, "parameters": [{"id": "0001", "hex": "0000000A"}]}
    assert jt808.read(RAW["f37"]).content.text("code") == "123456"
    text = json.dumps([described(jt808.read(RAW["f37"])), described(jt808.read(RAW["f9"]))])
    assert "123456" not in text.replace("0123456", "")
    assert "456121111" not in text


def test_a_fix_is_worth_something_only_where_the_terminal_stands_behind_it():
    no_fix, south = (jt808.read(RAW[id_]).content.positions[0] for id_ in ("f85", "f86"))
    assert (no_fix.lat, no_fix.located) == (6.152695, False)
    assert (south.lat, south.located) == (-6.152508, True)
    assert not FIX._replace(latitude=0, longitude=0).located
    assert not FIX._replace(status=3 | 1 << 5).located
    assert not FIX._replace(latitude=91_000_000).located
    below = FIX._replace(latitude=(1 << 32) - 23_000_000)
    assert (below.lat, below.located, below.faults()) == (-23.0, True, {"negative"})
    assert FIX.when.isoformat() == "2026-11-28T08:00:00+08:00"
    assert FIX._replace(time="261301000000").faults() == {"time"}


def test_the_standards_own_example_of_escapes():
    assert jt808.escape(bytes.fromhex("307E087D55")).hex() == "7e307d02087d01557e"


def change(raw, at, new):
    """Return a frame with other bytes between its marks, and the checksum that belongs to them."""
    inner = bytearray(raw[1:-2])
    inner[at : at + len(new)] = new
    return jt808.escape(bytes(inner) + bytes((jt808.frame.check(inner),)))


HEARTBEAT = jt808.build(Header(0x0002, "13800000000", 1))
PLACE = jt808.build(Header(0x0200, "13800000000", 1), FIX.encode())


@pytest.mark.parametrize(
    ("raw", "faults"),
    [
        (b"", ["no_frame", "delimiter"]),
        (b"\x7e\x7e", ["no_frame"]),
        (b"\x7e" + b"(734,1,001)" + b"\x7e", ["no_frame"]),
        (HEARTBEAT[1:], ["delimiter"]),
        (HEARTBEAT[:-2] + b"\x7d\x03\x7e", ["escape", "checksum", "length", "body_long"]),
        (HEARTBEAT[:-2] + bytes((HEARTBEAT[-2] ^ 1,)) + b"\x7e", ["checksum"]),
        (change(HEARTBEAT, 2, b"\x00\x01"), ["length"]),
        (change(HEARTBEAT, 2, b"\x40\x00"), ["version_flag"]),
        (change(HEARTBEAT, 2, b"\x80\x00"), ["reserved"]),
        (change(HEARTBEAT, 2, b"\x04\x00"), ["encrypted"]),
        (change(HEARTBEAT, 2, b"\x20\x00"), ["no_frame"]),
        (change(HEARTBEAT, 4, b"\xa0"), ["phone"]),
        (change(HEARTBEAT, 0, b"\x09\x00"), ["message_unknown"]),
        (jt808.build(Header(0x0200, "1", 1, total=2, number=3), b"x"), ["part"]),
        (jt808.build(Header(0x0200, "1", 1), b"x" * 27), ["body_short"]),
        (jt808.build(Header(0x8001, "1", 1), b"x" * 6), ["body_long"]),
        (jt808.build(Header(0x0704, "1", 1), b"\0\2\0\0\1x"), ["body_short", "count"]),
        (jt808.build(Header(0x0102, "1", 1), b"\xff\xff"), ["text"]),
        (jt808.build(Header(0x0200, "1", 1), FIX._replace(time="261128250000").encode()), ["time"]),
        (jt808.build(Header(0x0200, "1", 1), FIX._replace(latitude=90_000_001).encode()), ["latitude"]),
        (jt808.build(Header(0x0200, "1", 1), FIX._replace(longitude=180_000_001).encode()), ["longitude"]),
        (jt808.build(Header(0x0200, "1", 1), FIX._replace(direction=360).encode()), ["direction"]),
        (jt808.build(Header(0x0200, "1", 1), FIX._replace(items=(Item(1, b"\0"),)).encode()), ["item_length"]),
        (jt808.build(Header(0x0200, "1", 1), FIX._replace(items=(Item(0xF0, b""),) * 2).encode()), ["item_twice"]),
        (jt808.build(Header(0x0200, "1", 1), FIX.encode() + b"\xfb\x02x"), ["item_overrun"]),
        (jt808.build(Header(0x0701, "1", 1), b"\0\0\0\2x"), ["count"]),
        (PLACE, []),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_every_fault_is_named(raw, faults):
    assert list(jt808.read(raw).faults) == faults


def test_every_fault_that_is_told_stands_in_the_list_with_its_clause():
    assert {fault for faults in EXPECTED.values() for fault in faults} <= set(FAULTS)
    assert all(all(fault) and "[" in fault.clause for fault in FAULTS.values())
    assert LAYOUTS.keys() == MESSAGES.keys()


def test_a_header_of_2019_without_its_flag_is_read_and_told():
    inner = bytearray(jt808.build(Header(0x0200, "13800000000", 7, 1), FIX.encode())[1:-2])
    inner[2] &= ~0x40
    raw = jt808.escape(bytes(inner) + bytes((jt808.frame.check(inner),)))
    frame = jt808.read(raw)
    assert (frame.faults, frame.edition, frame.header.size, frame.header.terminal) == (
        ("version_flag",), None, 17, "13800000000",
    )  # fmt: skip
    assert frame.content.positions == [FIX]
    assert frame.encode() == raw


def test_a_long_message_goes_in_parts_and_is_put_together():
    bodies = tuple(FIX._replace(time=f"2611280{n // 60 % 10}{n % 60:02d}00").encode() for n in range(100))
    content = Content.make(0x0704, kind=1, bodies=bodies)
    frames = [jt808.read(raw) for raw in jt808.parts(Header(0x0704, "13800000000", 65_534), content)]
    assert [frame.header.serial for frame in frames] == [65_534, 65_535, 0, 1]
    assert [frame.ok for frame in frames] == [True] * 4
    joiner = Joiner()
    first, second, third, last = frames
    for frame in (last, first, third, first):
        assert joiner.add(frame.header, frame.body) is None
    assert joiner.missing(last.header) == (2,)
    whole, faults = Content.parse(0x0704, joiner.add(second.header, second.body), newer=False)
    assert (whole, faults) == (content, set())
    assert [len(group) for group in batches(bodies, 1023)] == [28, 28, 28, 16]


def numbers(most):
    return st.integers(0, most)


POSITIONS = st.builds(
    Position,
    *(numbers(0xFFFFFFFF) for _ in range(4)),
    *(numbers(0xFFFF) for _ in range(3)),
    st.binary(min_size=6, max_size=6).map(bytes.hex),
    st.lists(st.builds(Item, numbers(255), st.binary(max_size=40)), max_size=5).map(tuple),
    st.sampled_from([b"", b"\xfb\x05xx", b"\0"]),
)
TEXTS = st.text(st.sampled_from("粤A12345测 试abc"), max_size=10)


def contents(message, edition):
    kinds = {
        "digits": lambda field: st.binary(min_size=field.size, max_size=field.size).map(bytes.hex),
        "text": lambda field: TEXTS.map(lambda text: text[: (field.size or 20) // 2].rstrip("\0")),
        "counted": lambda _: TEXTS,
        "bytes": lambda _: POSITIONS.map(Position.encode),
        "words": lambda _: st.lists(numbers(0xFFFF), max_size=20).map(tuple),
        "parameters": lambda _: st.lists(
            st.builds(Parameter, numbers(0xFFFFFFFF), st.binary(max_size=30)), max_size=9
        ).map(tuple),
        "bodies": lambda _: st.lists(POSITIONS.map(Position.encode), max_size=4).map(tuple),
        "number": lambda field: numbers(256**field.size - 1),
    }
    fields = LAYOUTS[message][edition]
    values = {one.name: kinds[one.kind](one) for one in fields if one.name != "count"}
    return st.fixed_dictionaries(values).map(lambda found: Content.make(message, edition, **found))


CONTENTS = st.one_of(
    [contents(message, edition) for message, known in LAYOUTS.items() for edition in known if edition != 2011]
)


@given(CONTENTS, numbers(0xFFFF), st.text("0123456789", min_size=12, max_size=12))
def test_what_is_built_is_read_as_it_was(content, serial, phone):
    newer = 1 if content.edition == 2019 else None
    raw = b"".join(jt808.parts(Header(content.message, phone, serial, newer), content))
    pieces, joiner, body = Splitter().feed(raw), Joiner(), b""
    for piece in pieces:
        frame = jt808.read(piece.raw)
        assert frame.encode() == piece.raw
        assert {"checksum", "length", "escape", "no_frame", "version_flag"}.isdisjoint(frame.faults)
        body = joiner.add(frame.header, frame.body) if frame.header.total else frame.body
    if content.message == 0x0100 and content.edition == 2013 and len(body) < 37:
        return
    if content.message == 0x0702 and body[:1] == b"\x02" and len(body) == 7:
        return
    assert Content.parse(content.message, body, newer=newer is not None)[0] == content


@given(st.binary(max_size=300), st.lists(st.integers(1, 50), min_size=1, max_size=9))
def test_any_bytes_are_read_without_an_error_and_without_loss(data, sizes):
    frame = jt808.read(data)
    json.dumps(described(frame)).encode()
    assert frame.faults or frame.header is not None
    splitter, pieces, at = Splitter(), [], 0
    while at < len(data):
        size = sizes[at % len(sizes)]
        pieces += splitter.feed(data[at : at + size])
        at += size
    pieces += splitter.rest()
    assert b"".join(piece.raw for piece in pieces).replace(b"\x7e", b"") == data.replace(b"\x7e", b"")


@given(st.sampled_from(list(RAW.values())), st.data())
def test_a_mutated_frame_is_a_frame_or_has_a_named_fault(frame, data):
    inner = bytearray(frame[1:-1])
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(inner)))
        inner[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    raw = b"\x7e" + bytes(inner) + b"\x7e"
    found = jt808.read(raw)
    assert set(found.faults) <= set(FAULTS)
    json.dumps(described(found)).encode()
    if found.checksum == found.length == "right" and not {"mark", "escape"} & set(found.faults):
        assert found.encode() == raw


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW)
def test_the_short_way_to_a_body_gives_what_reading_the_frame_gives(raw):
    plain = jt808.read_plain(raw)
    body = body_of(raw, plain.header.message) if plain.header else None
    assert body is None or body == plain.body
    assert body_of(raw, 0xFFFF) is None


def test_the_short_way_is_taken_for_a_fix():
    frame = jt808.build(Header(0x0200, "013800000000", 1), b"\x7e\x7d" * 20)
    assert body_of(frame, 0x0200) == b"\x7e\x7d" * 20


@given(st.sampled_from(sorted(MESSAGES)), st.booleans(), st.binary(max_size=200))
def test_any_body_is_read_and_written_again(message, newer, body):
    content, faults = Content.parse(message, body, newer=newer)
    assert content.encode() == body
    assert faults <= set(FAULTS)
    assert (content.edition is None) == ("body_short" in faults and not content.values)


@given(st.binary(max_size=40))
def test_any_text_keeps_its_bytes(data):
    assert bytes_of(text_of(data)) == data


def test_what_never_ends_is_bounded():
    splitter, pieces = Splitter(), []
    for _ in range(100):
        pieces += splitter.feed(b"\x7e" + b"x" * 3000 + b"y" * 3000)
        assert splitter.waiting <= 6000
    pieces += splitter.rest()
    assert sum(len(piece.raw.strip(b"\x7e")) for piece in pieces) == 100 * 6000


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"serial": 1, "message": 2}, "result: expected exactly"),
        ({"serial": 1, "message": 2, "result": 256}, "result = 256"),
        ({"serial": 1, "message": "x", "result": 0}, "message = 'x'"),
    ],
)
def test_what_does_not_fit_is_refused(values, says):
    with pytest.raises(ValueError, match=says):
        Content.make(0x8001, **values).encode()


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def run(*arguments, input_=b""):
    """Run `fenceline jt808 ...`."""
    command = [Path(sys.executable).with_name("fenceline"), "jt808", *map(str, arguments)]
    done = subprocess.run(command, input=input_, capture_output=True, check=False)
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_the_command_reads_lines_and_explains_them(tmp_path):
    file = tmp_path / "frames.txt"
    lines = [
        "# a comment",
        "",
        RAW["f78"].hex(),
        RAW["f89"].hex(" "),
        "no hex",
        (RAW["f3"] + RAW["f25"]).hex(),
        "28373429",
    ]
    file.write_text("\n".join(lines))
    batch, short, no_hex, heartbeat, forced, junk = (json.loads(one) for one in run("decode", file).out.splitlines())
    assert (batch["ok"], batch["message"], batch["phone"], batch["header"], batch["edition"]) == (
        True, "0704", "079041168750", 12, None,
    )  # fmt: skip
    fix = batch["fixes"][0]
    assert (fix["lat"], fix["lon"], fix["speed_kmh"], fix["direction"], fix["time"]) == (
        33.576916, -7.535516, 37.0, 242, "2020-09-02T15:23:03+08:00",
    )  # fmt: skip
    assert fix["alarms"] == []
    assert (fix["states"]["acc"], fix["states"]["west"], fix["states"]["load"]) == (True, True, "empty")
    assert fix["items"][0] == {"id": "01", "name": "mileage", "value": 234.5, "unit": "km", "hex": "00000929"}
    assert (short["ok"], short["faults"]) == (False, ["checksum", "length"])
    assert (no_hex["ok"], no_hex["faults"]) == (False, ["hex"])
    assert heartbeat["ok"]
    assert (forced["faults"], forced["header"], forced["edition"]) == (["version_flag"], 12, None)
    assert (junk["message"], junk["faults"], junk["body"]) == (None, ["no_frame", "delimiter"], "28373429")
    english = run("decode", "--explain", file, "--lang", "en").out
    assert "✔ keeps to the standard" in english
    assert "✖ checksum: the checksum is wrong (2013, 4.4.4 [P])" in english
    assert "校验码错误" in run("decode", "--explain", file, "--lang", "zh").out


def test_the_command_makes_frames_that_it_reads():
    made = run("build", "--message", "0200", "--phone", "13800000000", "--edition", "2019", FIX.encode().hex())
    assert made.code == 0
    said = json.loads(run("decode", input_=made.out.encode()).out)
    assert (said["ok"], said["edition"], said["fixes"][0]["lat"]) == (True, 2019, 23.0)
    assert len(run("build", "--message", "0801", "--phone", "1", "00" * 1500).out.splitlines()) == 2


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["decode", "nothing.txt"], "nothing.txt: cannot be read"),
        (["build", "--message", "2", "--phone", "1"], "--message '2': expected"),
        (["build", "--message", "0002", "--phone", "x"], "--phone 'x': expected digits"),
        (["build", "--message", "0002", "--phone", "1" * 13], "expected at most 12 digits"),
        (["build", "--message", "0002", "--phone", "1", "0"], "BODY '0': expected hexadecimal digits"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path, monkeypatch, command, says):
    monkeypatch.chdir(tmp_path)
    done = run(*command)
    assert done.code == 2
    assert says in done.err.replace("\n", " ")
