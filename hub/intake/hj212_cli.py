"""`fenceline hj212`: frames of HJ 212 read, explained and made, without a hub."""

import datetime as dt
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from hub.terminal.commands import argument, command, group, option
from hub.terminal.json_lines import print_object
from schemas.errors import UserError
from schemas.language import Lang, Text, clause_text, spoken, tell

if TYPE_CHECKING:
    from hub.wire.hj212 import Frame, Piece

PIECE = 65_536  # bytes read at a time

app = group(
    Text(
        """Frames of HJ 212, by which China's monitoring stations report: read them, explain what is wrong, make some.

        The editions of 2005, 2017 and 2025. No hub is needed.""",
        """HJ 212 报文：解析、说明错误、生成。

        支持 2005、2017 和 2025 版，无需数据中心。""",
    ),
    "fenceline hj212 decode station.log",
    "fenceline hj212 decode --explain < frame.txt",
    'fenceline hj212 build --st 39 --cn 2011 --mn 010000A8900016F000169DC0 "DataTime=20261128080000;a34004-Rtd=35"',
)
KeyFile = Annotated[
    Path | None,
    option(
        Text(
            "File with the station's SM4 key, 16 characters or 32 hexadecimal digits (2025 edition).",
            "站点 SM4 密钥文件，16 个字符或 32 位十六进制数字（2025 版）。",
        ),
        "--key-file",
    ),
]
NO_FRAME = Text("no frame: {size} bytes that belong to none", "不是报文：{size} 字节不属于任何报文")
KEEPS = Text("keeps to the standard", "符合标准")


class Checksum(StrEnum):
    """Checksum behind a frame."""

    standard = "standard"
    modbus = "modbus"


@command(
    app,
    "decode",
    Text(
        """Print what frames say: one JSON object a frame.

        `ok`: the frame keeps to the standard; `faults`: the clauses that it breaks, as in docs/reference/hj212.md.
        `readings`: what can be read all the same; `value` as it was sent. `unit` is null where stations do not agree,
        as for particles. Bytes that belong to no frame are printed, too.""",
        """输出报文内容：每个报文一个 JSON 对象。

        `ok`：报文符合标准；`faults`：所违反的条款（代码见 docs/reference/hj212.md）。`readings`：仍可读出的数值，
        `value` 为原文。        各站单位不一致时（如颗粒物），`unit` 为 null。不属于任何报文的字节也会输出。""",
    ),
    "fenceline hj212 decode station.log",
    "fenceline hj212 decode --explain frame.txt",
    "tail -f station.log | fenceline hj212 decode",
)
def decode(
    file: Annotated[
        Path | None,
        argument(Text("File with frames, one after the other.", "报文文件。"), "FILE"),
    ] = None,
    explain: Annotated[
        bool,
        option(Text("In words, for people: each fault with its clause.", "以文字说明每处错误及其条款。"), "--explain"),
    ] = False,
    key_file: KeyFile = None,
) -> None:
    """Print frames of a file or of standard input."""
    from hub.wire.hj212 import read
    from hub.wire.hj212.described import described, quantity_of
    from schemas import load_quantities

    key = _key(key_file)
    quantity = quantity_of({key: (one.hj212, one.family) for key, one in load_quantities().items()})
    for number, piece in enumerate(_pieces(file), 1):
        if piece.junk:
            if piece.raw.strip():
                _say_junk(number, piece.raw, explain=explain)
            continue
        frame = read(piece.raw, key)
        if explain:
            _explain(number, frame)
        else:
            print_object(described(frame, quantity))


@command(
    app,
    "build",
    Text(
        """Make a frame, with its length and checksum, and print it.

        CP stands between the && of the data area. What is longer than 950 bytes becomes several frames.""",
        """生成报文，含长度和校验码，并输出。

        CP 为数据区 && 之间的内容。超过 950 字节时分为多个报文。""",
    ),
    'fenceline hj212 build --st 39 --cn 2011 --mn 010000A8900016F000169DC0 "DataTime=20261128080000;a34004-Rtd=35"',
    "fenceline hj212 build --st 91 --cn 9014 --mn 010000A8900016F000169DC0 --flag 4",
)
def build(
    st: Annotated[str, option(Text("System, such as 39: construction dust.", "系统编码，如 39：工地扬尘。"), "--st")],
    cn: Annotated[str, option(Text("Command, such as 2011: real-time data.", "命令编码，如 2011：实时数据。"), "--cn")],
    mn: Annotated[
        str, option(Text("The station's number, 24 digits 0-9, A-F.", "设备唯一标识，24 位 0-9、A-F。"), "--mn")
    ],
    cp: Annotated[str, argument(Text("What stands between the &&.", "&& 之间的内容。"), "CP")] = "",
    qn: Annotated[
        str,
        option(
            Text("Time of the request, 17 digits.", "请求编号，17 位时间。"),
            "--qn",
            show_default=Text("now", "现在"),
        ),
    ] = "",
    flag: Annotated[
        int,
        option(
            Text("Edition and bits: 4 and 5 of 2017, 8 and 9 of 2025; odd: an answer is wanted.", "版本和标志位。"),
            "--flag",
            min=0,
            max=255,
        ),
    ] = 5,
    pw_file: Annotated[
        Path | None,
        option(
            Text("File with the station's password, six characters.", "站点密码文件，6 个字符。"),
            "--pw-file",
            show_default="123456",
        ),
    ] = None,
    checksum: Annotated[
        Checksum, option(Text("The standard's, or CRC-16/MODBUS.", "标准校验码或 CRC-16/MODBUS。"), "--crc")
    ] = Checksum.standard,
    key_file: KeyFile = None,
) -> None:
    """Print a frame."""
    from hub.wire.hj212 import END, Packet, parts
    from hub.wire.hj212 import build as made
    from hub.wire.hj212.packet import BEIJING

    now = dt.datetime.now(BEIJING)
    password = _secret(pw_file) if pw_file else "123456"
    fields = {"QN": qn or f"{now:%Y%m%d%H%M%S}{now.microsecond // 1000:03d}"}
    fields |= {"ST": st, "CN": cn, "PW": password, "MN": mn, "Flag": str(flag)}
    for name, value in fields.items():
        if any(mark in value for mark in ";=&\r\n"):
            raise UserError(f"hj212 build: {name} = {value!r}: expected no ; = & and no line break in it")
    key = _key(key_file)
    try:
        for packet in parts(Packet.make(cp, **fields)):
            frame = made(packet, checksum.value, key)
            sys.stdout.buffer.write(frame + END)
    except (ValueError, UnicodeError) as error:
        raise UserError(f"hj212 build: {error}") from error


def _pieces(file: Path | None) -> Iterator["Piece"]:
    from hub.wire.hj212 import Splitter

    splitter = Splitter()
    file = None if file == Path("-") else file
    try:
        with open(sys.stdin.fileno() if file is None else file, "rb", buffering=0, closefd=file is not None) as stream:
            while data := stream.read(PIECE):
                yield from splitter.feed(data)
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}); expected a file with frames of HJ 212") from error
    yield from splitter.rest()


def _key(path: Path | None) -> bytes | None:
    if path is None:
        return None
    text = _secret(path)
    try:
        key = bytes.fromhex(text) if len(text) == 32 else text.encode()
    except ValueError:
        key = b""
    if len(key) != 16:
        raise UserError(f"{path}: is no SM4 key; expected 16 characters, or 32 hexadecimal digits")
    return key


def _secret(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); name a file with nothing else in it") from error


def _say_junk(number: int, raw: bytes, *, explain: bool) -> None:
    if explain:
        print(f"{number}  {tell(NO_FRAME).format(size=len(raw))}\n   {raw[:60]!r}\n")
    else:
        print_object({"ok": False, "faults": ["start"], "readings": [], "bytes": raw.hex()})


def _explain(number: int, frame: "Frame") -> None:
    from hub.wire.hj212 import FAULTS, readings, time_of
    from hub.wire.hj212.codes import COMMANDS, FACTORS, SUCCESSORS, SYSTEMS

    chinese = spoken() is Lang.zh
    packet = frame.packet
    st, cn = packet.field("ST") or "?", packet.field("CN") or "?"
    command_, system = COMMANDS.get(cn), SYSTEMS.get(st)
    said = [
        f"ST {st} {system[chinese]}" if system else f"ST {st}",
        f"CN {cn} {command_[chinese]}" if command_ else f"CN {cn}",
    ]
    when = time_of(packet)
    head = [*said, f"MN {packet.field('MN')}", str(frame.edition or "?"), f"{when:%Y-%m-%d %H:%M:%S}" if when else "-"]
    print(f"{number}  {' · '.join(head)}")
    for one in readings(packet):
        factor = FACTORS.get(SUCCESSORS.get(one.code, one.code))
        name = f"  {factor[chinese]}" if factor else ""
        print(f"   {one.code:8} {one.kind:6} {one.value:>12} {one.unit or '':6} {one.letter or '-'}{name}")
    for code in frame.faults:
        fault = FAULTS[code]
        clause = clause_text(fault.clause)[chinese]
        print(f"   ✖ {code}: {fault[chinese]} ({clause})")
    if frame.ok:
        print(f"   ✔ {tell(KEEPS)}")
    print()
