"""The codec of HJ 212, on frames that stations really sent."""

import datetime as dt
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.wire import hj212
from hub.wire.hj212 import FAULTS, Item, Joiner, Packet, Splitter
from hub.wire.hj212.described import described, quantity_of
from hub.wire.hj212.secret import decrypt, encrypt
from schemas import load_quantities

ROOT = Path(__file__).resolve().parents[3]
FRAMES = [json.loads(line) for line in (ROOT / "tests/data/hj212_frames.jsonl").read_text("utf-8").splitlines()]
QUANTITY = quantity_of({key: (one.hj212, one.family) for key, one in load_quantities().items()})
FRAME = FRAMES[6]["frame"].encode()

# Faults by frame, found by reading the frames beside the standard's tables.
FOUND = {
    "": "a0 a1 a6 a16 a21 a26 a40 a41 a42 a43 a77 a80 a81 a83 a84 a85 a86 a87 a88 a89 b2 b8 b19",
    "item_space": "a2",
    "qn flag_missing": "a3 b6",
    "length_wrong pnum item_empty": "a4",
    "length_wrong st mn flag_missing": "a5",
    "crc_wrong mn suffix_twice": "a7",
    "crc_wrong item_empty suffix": "a8",
    "crc_modbus cn_unknown mn item_empty suffix_missing": "a9 b7",
    "length_wrong crc_wrong qn mn letter_shared time": "a10 b4",
    "mn code": "a11 a23 a33 a34 b10",
    "mn": "a12 a14 a15 a17 a18 a20 a29 a38 a78 b11 b12 b14 b15 b16 b17",
    "pnum item_empty suffix": "a13",
    "item_case code": "a19",
    "length_wrong crc_wrong": "a22 b13",
    "mn flag_early": "a24 a36 b18",
    "crc_wrong qn mn field_case item_empty item_case time": "a25",
    "mn flag_missing field_unknown cp_missing": "a27 b5",
    "length_wrong crc_wrong mn item_apart": "a28",
    "crc_wrong mn code": "a30",
    "crc_wrong": "a31 b0",
    "crc_wrong mn item_twice item_apart code": "a32",
    "crc_wrong mn flag_missing suffix": "a35",
    "qn_missing flag_missing code time": "a37",
    "pw mn": "a39",
    "qn_missing mn flag_missing code_2005": "a44",
    "qn_missing st mn flag_missing code": "a45",
    "crc_wrong qn_missing mn flag_missing code_2005": "a46",
    "length_long crc_wrong qn_missing mn flag_missing cp_long code_2005": "a47",
    "length_long crc_wrong mn flag_missing cp_long code_2005": "a48",
    "crc_modbus pnum": "a49 a51 a52 a53 a55 a56 a57 a58 a62 a64 a66 a67 a68 a71 a72 a74",
    "crc_modbus cn_unknown pnum": "a50 a54 a59 a60 a61 a63 a69",
    "crc_modbus mn flag_missing": "a65 a70",
    "crc_modbus": "a73",
    "qn_missing mn flag_missing code": "a75",
    "mn letter_shared": "a76",
    "length_wrong mn cp_close letter_shared": "a79",
    "item_space item_apart": "a82",
    "time": "b1",
    "length_wrong crc_wrong item_empty suffix_missing code": "b3",
    "mn item_case code": "b9",
}
EXPECTED = {frame: faults.split() for faults, frames in FOUND.items() for frame in frames.split()}


@pytest.mark.parametrize("row", FRAMES, ids=[row["id"] for row in FRAMES])
def test_a_frame_from_the_field(row):
    raw = row["frame"].encode()
    frame = hj212.read(raw)
    assert (frame.crc, frame.length) == (row["crc"], row["length"])
    assert list(frame.faults) == EXPECTED[row["id"]]
    assert frame.ok == (not frame.faults)
    assert frame.packet.segment() == frame.segment
    assert json.loads(json.dumps(described(frame)))["faults"] == list(frame.faults)
    if frame.sound and frame.length == "right":
        lower = frame.sent != frame.sent.upper()
        assert hj212.build(frame.packet, frame.crc, lower=lower) == raw
    splitter = Splitter()
    assert [*splitter.feed(raw), *splitter.rest()] == [hj212.Piece(raw)]


def test_every_fault_that_is_told_stands_in_the_list_with_its_clause():
    told = {fault for faults in EXPECTED.values() for fault in faults}
    assert told <= set(FAULTS)
    for fault in FAULTS.values():
        assert all(fault)
        assert "[" in fault.clause


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        ((b"##", b"#"), ["start"]),
        ((b"##0239", b"##239"), ["length_digits"]),
        ((b"##0239", b"##0240"), ["length_wrong"]),
        ((b"59C0", b""), ["crc_missing"]),
        ((b"59C0", b"59C1"), ["crc_wrong"]),
        ((b"59C0", b"9C0"), ["crc_digits", "crc_wrong"]),
        ((b"QN=20180821142509000;", b""), ["qn_missing"]),
        ((b"QN=20180821142509000", b"QN=20180821142509000000"), ["qn"]),
        ((b"ST=39", b"ST=99"), ["st"]),
        ((b"CN=2011", b"CN=20I1"), ["cn"]),
        ((b"CN=2011", b"CN=2099"), ["cn_unknown"]),
        ((b"PW=123456", b"PW=12345"), ["pw"]),
        ((b"MN=F00000000000000000000002", b"MN=MYHJ0001"), ["mn"]),
        ((b"Flag=4;", b""), ["flag_missing"]),
        ((b"Flag=4", b"Flag=256"), ["flag"]),
        ((b"Flag=4", b"Flag=17"), ["flag_edition"]),
        ((b"Flag=4", b"Flag=9"), ["flag_early"]),
        ((b"Flag=4", b"Flag=6"), ["pnum"]),
        ((b"Flag=4", b"FLAG=4"), ["field_case"]),
        ((b"Flag=4", b"Flag=4;IMEI=8"), ["field_unknown"]),
        ((b"Flag=4", b"Flag=4;Flag=4"), ["field_twice"]),
        ((b"Flag=4", b"Flag=4;RF"), ["field_form"]),
        ((b"CP=&&", b"CP=&"), ["cp_open"]),
        ((b"&&59C0", b"59C0"), ["cp_close"]),
        ((b"a01008-Rtd=0&&", b"a01008-Rtd=0;&&"), ["item_empty"]),
        ((b"a01008-Rtd=0", b"a01008-Rtd"), ["item_form"]),
        ((b"a01008-Rtd", b" a01008-Rtd"), ["item_space"]),
        ((b"a01008-Rtd", b"A01008-RTD"), ["item_case"]),
        ((b"a01008-Rtd=0", b"a01008-Rtd=0,a01008-Rtd=0"), ["item_twice"]),
        ((b"a01008-Rtd=0", b"a01008-Rtd=0;a01008-Flag=N"), ["item_apart"]),
        ((b"a01007-Rtd=0.0;a01008", b"a01007-Rtd=0.0,a01008"), ["item_apart"]),
        ((b"a01008-Rtd=0", b"a01008-Rtd-Rtd=0"), ["suffix_twice"]),
        ((b"a01008-Rtd=0", b"a01008-td=0"), ["suffix"]),
        ((b"a01008-Rtd=0", b"a01008=0"), ["suffix_missing"]),
        ((b"a01008-Rtd=0", b"03-Rtd=0"), ["code_2005"]),
        ((b"a01008-Rtd=0", b"WD-Rtd=0"), ["code"]),
        ((b"a01008-Rtd=0", b"a01008-Rtd=-"), ["value"]),
        ((b"a01008-Rtd=0", b"a01008-Rtd=0,a01008-Flag=Q"), ["letter"]),
        ((b"a01008-Rtd=0", b"a01008-Rtd=0;Flag=N"), ["letter_shared"]),
        ((b"DataTime=20180821142509;", b""), ["time_missing"]),
        ((b"DataTime=20180821142509;", b"DataTime=20181321142509;"), ["time"]),
        ((b"DataTime=20180821142509;", b"DataTime=20180821142509000;"), ["time"]),
    ],
)
def test_a_fault_alone_is_found(change, faults):
    before, after = change
    assert before in FRAME
    changed = FRAME.replace(before, after, 1)
    of_frame = {"start", "length_digits", "length_wrong", "crc_missing", "crc_wrong", "crc_digits", "cp_close"}
    if not of_frame & set(faults):
        changed = hj212.build(hj212.read(changed).packet)
    frame = hj212.read(changed)
    left = [fault for fault in frame.faults if fault not in {"length_wrong", "crc_wrong"} or fault in faults]
    assert left == faults
    if "MN" not in str(change):
        assert sum(1 for _ in hj212.readings(frame.packet)) >= 8, "what can be read all the same"


def test_frames_of_other_lengths():
    data = ";".join(f"a{n:05d}-Rtd={n}.00" for n in range(100))
    long = Packet.make(data, QN="20260101000000000", ST="39", CN="2011", PW="123456", MN="A" * 24, Flag="5")
    assert hj212.read(hj212.build(long)).faults == ("length_long", "cp_long", "time_missing")
    with pytest.raises(ValueError, match="in parts"):
        hj212.build(long._replace(behind="x" * 9000))


def test_readings_say_kind_unit_letter_and_quantity():
    stack = hj212.read(next(row["frame"] for row in FRAMES if "TY0102183V0001" in row["frame"]).encode())
    assert [one for one in hj212.readings(stack.packet, QUANTITY) if one.code in {"02", "S01"}] == [
        ("S01", "stack_o2", "rtd", "14.913", "%", "N"),
        ("02", "stack_so2", "rtd", "20.3400", "mg/m3", "N"),
        ("02", "stack_so2", "zs_rtd", "51.0317", "mg/m3", "N"),
    ]
    air = hj212.Packet.make("a21026-Rtd=0.1;a34004-Rtd=35,a34004-Flag=D", ST="22", CN="2011")
    assert list(hj212.readings(air, QUANTITY)) == [
        ("a21026", "so2", "rtd", "0.1", "mg/m3", None),
        ("a34004", "pm25", "rtd", "35", None, "D"),  # ng, ug and mg are all sent: the station's profile says it
    ]


def test_names_are_read_leniently():
    packet = hj212.Packet.make("DATATIME=20260101080000;LEQ-RTD=61;LA-Rtd-Rtd=71.0,LA-Rtd-Flag=N;A34004-AVG=3;Flag=M")
    assert [(one.code, one.kind, one.value, one.letter) for one in hj212.readings(packet)] == [
        ("Leq", "rtd", "61", "M"),
        ("LA", "rtd", "71.0", "N"),
        ("a34004", "avg", "3", "M"),
    ]
    assert hj212.time_of(packet) == dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def test_the_edition_is_named_only_where_everything_agrees_on_it():
    def edition(flag, code, qn="20260701000000000"):
        fields = {"QN": qn, "ST": "31", "CN": "2011"} | ({"Flag": flag} if flag else {})
        return hj212.read(hj212.build(Packet.make(f"{code}-Rtd=1", **fields))).edition

    assert [edition(flag, "a21026") for flag in ("4", "5", "8", "9")] == [2017, 2017, 2025, 2025]
    assert [edition(flag, "02") for flag in ("", "0", "3")] == [2005, 2005, 2005]
    assert [edition("5", "02"), edition("", "a21026"), edition("0", "a21026"), edition("x", "02")] == [None] * 4
    assert edition("9", "a21026", "20201030000000437") is None


def test_text_in_gbk_is_read_and_written_again_as_it_was():
    packet = Packet.make("i11001-Info=正常", ST="31", CN="3020", MN="A" * 24)._replace(encoding="gb18030")
    raw = hj212.build(packet)
    assert "正常".encode("gbk") in raw
    frame = hj212.read(raw)
    assert frame.packet.item("i11001-Info") == "正常"
    assert (frame.crc, frame.length, "encoding" in frame.faults) == ("standard", "right", True)
    assert hj212.build(frame.packet) == raw


KEY = b"0" * 16


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 147, 208, 950])
def test_an_encrypted_frame(size):
    data = ("DataTime=20260101000000;" + "a34004-Rtd=35.0,a34004-Flag=N;" * 40)[:size].rstrip(";").ljust(size, "N")
    plain = Packet.make(data, QN="20260101000000000", ST="39", CN="2011", PW="123456", MN="A" * 24, Flag="9")
    raw = hj212.build(plain, key=KEY)
    assert (b"{0x" in raw) == (size >= 16)
    assert raw.count(b"0x") == size // 16 * 16
    frame = hj212.read(raw, KEY)
    assert (frame.packet, frame.crc, frame.length) == (plain, "standard", "right")
    splitter = Splitter()
    assert splitter.feed(raw + b"\r\n") == [hj212.Piece(raw, b"\r\n")]
    if size >= 16:
        blind = hj212.read(raw)
        assert "encrypted" in blind.faults
        assert not blind.sound
        assert blind.packet.field("MN") == "A" * 24
        assert "encrypted" not in hj212.read(raw, b"1" * 16).faults, "a wrong key is seen by the checksum"
        assert hj212.read(raw, b"1" * 16).crc == "wrong"


def test_the_block_cipher_is_that_of_the_standard():
    # The worked example of GB/T 32907-2016, appendix A.1.
    key = bytes.fromhex("0123456789abcdeffedcba9876543210")
    segment = encrypt(b"CP=&&" + key + b"&&", key)
    assert (
        segment
        == b"CP=&&{%s}&&" % ",".join(f"0x{b:02X}" for b in bytes.fromhex("681edf34d206965e86b3e94f536e4246")).encode()
    )
    assert decrypt(segment, key) == b"CP=&&" + key + b"&&"
    with pytest.raises(hj212.UnreadableError):
        decrypt(b"CP=&&{0x00,0x01}&&", key)
    with pytest.raises(ValueError, match="expected 16"):
        encrypt(segment + b" " * 20 + b"&&", b"short")


def test_a_packet_in_parts_comes_together_in_any_order():
    data = "DataTime=20260101000000;" + ";".join(f"a{n:05d}-Avg={n}.5,a{n:05d}-Flag=N" for n in range(120))
    whole = Packet.make(data, QN="20260101000000000", ST="31", CN="2051", PW="123456", MN="A" * 24, Flag="5")
    made = [hj212.read(hj212.build(part)) for part in hj212.parts(whole)]
    assert len(made) == 4
    assert {frame.faults for frame in made} <= {(), ("time_missing",)}
    assert [frame.packet.field("Flag") for frame in made] == ["7"] * 4
    random.Random(3).shuffle(made)
    joiner = Joiner()
    joined = [joiner.add(frame.packet) for frame in [made[0], *made]]
    assert joined[:-1] == [None] * 4
    assert joined[-1] is not None
    assert joined[-1].data == whole.data
    assert list(hj212.parts(Packet.make("a=1", Flag="5"))) == [Packet.make("a=1", Flag="5")]
    with pytest.raises(ValueError, match="one factor"):
        list(hj212.parts(Packet.make("x=" + "1" * 951, Flag="5")))
    with pytest.raises(ValueError, match="Flag"):
        list(hj212.parts(Packet.make("x=" + "1" * 951)))


def test_parts_that_never_come_are_forgotten_the_oldest_first():
    joiner = Joiner()
    for n in range(1000):
        packet = Packet.make("a=1", QN=str(n), Flag="7", PNUM="2", PNO="1")
        assert joiner.add(packet) is None
    assert len(joiner._parts) <= 64
    assert joiner.add(Packet.make("b=1", QN="999", Flag="7", PNUM="2", PNO="2")) is not None
    assert joiner.add(Packet.make("b=1", QN="0", Flag="7", PNUM="2", PNO="2")) is None
    odd = Packet.make("b=1", QN="0", Flag="7", PNUM="0", PNO="2")
    assert joiner.add(odd) == odd


WHOLE = [row["frame"].encode() for row in FRAMES[:20]]


@given(
    st.lists(
        st.tuples(st.sampled_from(WHOLE), st.sampled_from([b"\r\n", b"\n", b"", b"\r\n\r\n", b"#", b"noise \xff "]))
    ),
    st.lists(st.integers(1, 400), min_size=1),
)
def test_a_stream_in_any_pieces_gives_every_frame_and_every_byte(sent, cuts):
    stream = b"".join(frame + ending for frame, ending in sent)
    splitter, found, at, n = Splitter(), [], 0, 0
    while at < len(stream):
        found += splitter.feed(stream[at : at + cuts[n % len(cuts)]])
        at, n = at + cuts[n % len(cuts)], n + 1
    found += splitter.rest()
    assert b"".join(piece.raw + piece.ending for piece in found) == stream
    assert [piece.raw for piece in found if not piece.junk] == [frame for frame, _ in sent]


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error_and_without_loss(data):
    frame = hj212.read(data)
    assert frame.packet.segment() == frame.segment
    json.dumps(described(frame, QUANTITY))
    splitter = Splitter()
    pieces = [*splitter.feed(data), *splitter.rest()]
    assert b"".join(piece.raw + piece.ending for piece in pieces) == data


@given(st.sampled_from(WHOLE), st.data())
def test_a_mutated_frame_is_read_without_an_error(frame, data):
    raw = bytearray(frame)
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not raw:
            return
    read = hj212.read(bytes(raw))
    assert read.packet.segment() == read.segment
    json.dumps(described(read, QUANTITY))


def test_what_never_ends_is_bounded():
    splitter = Splitter()
    pieces = []
    for _ in range(100):
        pieces += splitter.feed(b"##9999" + b"x" * 4000)
        assert splitter.waiting <= 30_000
    pieces += splitter.rest()
    assert sum(len(piece.raw) for piece in pieces) == 100 * 4006


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def run(*arguments):
    """Run `fenceline hj212 ...`."""
    done = subprocess.run(
        [Path(sys.executable).with_name("fenceline"), "hj212", *map(str, arguments)], capture_output=True, check=False
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_the_command_reads_a_file_and_explains_it(tmp_path):
    file = tmp_path / "frames.txt"
    wrong = next(row["frame"] for row in FRAMES if row["id"] == "b13").encode()
    file.write_bytes(b"noise\r\n" + FRAME + b"\r\n" + wrong + b"\n")
    junk, good, bad = (json.loads(line) for line in run("decode", str(file)).out.splitlines())
    assert junk == {"ok": False, "faults": ["start"], "readings": [], "bytes": b"noise\r\n".hex()}
    assert (good["ok"], good["edition"], good["time"], good["crc"]) == (
        True,
        2017,
        "2018-08-21T14:25:09+08:00",
        "standard",
    )
    assert good["readings"][0] == {
        "code": "a34004",
        "quantity": "pm25",
        "kind": "rtd",
        "value": "0.0",
        "unit": None,
        "flag": None,
    }
    assert bad["faults"] == ["length_wrong", "crc_wrong"]
    assert "123456" not in json.dumps([good, bad]).replace("0123456", "")
    english = run("decode", "--explain", str(file), "--lang", "en").out
    assert "✔ keeps to the standard" in english
    assert "crc_wrong: the checksum is wrong (2017, appendix A [P])" in english
    assert "校验码错误" in run("decode", "--explain", str(file), "--lang", "zh").out


def test_the_command_makes_frames_that_it_reads(tmp_path):
    key = tmp_path / "key"
    key.write_text("0123456789abcdef\n")
    made = run("build", "--st", "39", "--cn", "2011", "--mn", "A" * 24, "--flag", "9",
               "DataTime=20261128080000;a34004-Rtd=35,a34004-Flag=N", "--key-file", str(key))  # fmt: skip
    assert made.code == 0
    assert made.out.startswith("##0138QN=")
    file = tmp_path / "frame"
    file.write_text(made.out)
    said = json.loads(run("decode", str(file), "--key-file", str(key)).out)
    assert (said["ok"], said["edition"], said["readings"][0]["value"]) == (True, 2025, "35")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["decode", "nothing.txt"], "nothing.txt: cannot be read"),
        (["decode", "--key-file", "nothing.txt", "nothing.txt"], "nothing.txt: cannot be read"),
        (["build", "--st", "3;9", "--cn", "2011", "--mn", "A"], "expected no ; = & and no line break"),
        (["build", "--st", "39", "--cn", "2011", "--mn", "A", "x=" + "1" * 951], "for one factor"),
        (["build", "--st", "39", "--cn", "2011", "--mn", "A", "--key-file", "short"], "is no SM4 key"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path, monkeypatch, command, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short").write_text("short")
    done = run(*command)
    assert done.code == 2
    assert says in done.err
    assert Item("a", None) == Item.parse("a")
