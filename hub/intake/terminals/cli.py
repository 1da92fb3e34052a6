"""`fenceline jt808`: frames of JT/T 808 read, explained and made, without a hub."""

import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from hub.terminal.commands import argument, command, group, option
from hub.terminal.json_lines import print_object
from schemas.errors import UserError
from schemas.language import Lang, Text, spoken, tell

if TYPE_CHECKING:
    from hub.wire.jt808 import Frame

LONGEST = 100_000
"""Characters of a line that are looked at: a frame has 4,180 at most."""

app = group(
    Text(
        """Frames of JT/T 808, by which vehicles' terminals report: read them, explain what is wrong, make some.

        The editions of 2011, 2013 and 2019. No hub is needed.""",
        """JT/T 808 报文：解析、说明错误、生成。

        支持 2011、2013 和 2019 版，无需数据中心。""",
    ),
    "fenceline jt808 decode frames.txt",
    "fenceline jt808 decode --explain < frames.txt",
    "fenceline jt808 build --message 0002 --phone 13800000000",
)
KEEPS = Text("keeps to the standard", "符合标准")
NO_FRAME = Text("no frame: {size} bytes", "不是报文：{size} 字节")
NO_HEX = Text("no hexadecimal digits", "不是十六进制数字")


class Edition(StrEnum):
    """Edition of a frame's header."""

    old = "2013"
    new = "2019"


@command(
    app,
    "decode",
    Text(
        """Print what frames say: one JSON object a frame.

        A line holds a frame or several in hexadecimal digits; spaces do not count, empty lines and those that begin
        with # are passed over. `ok`: the frame keeps to the standard; `faults`: what it breaks, as in
        docs/reference/jt808.md. A line that is no hexadecimal text has the fault `hex`.""",
        """解析报文：每个报文一个 JSON 对象。

        每行为一个或多个十六进制报文，空格忽略，空行和以 # 开头的行跳过。`ok`：符合标准；`faults`：所违反的条款，
        见 docs/reference/jt808.md。非十六进制的行，错误为 `hex`。""",
    ),
    "fenceline jt808 decode frames.txt",
    "fenceline jt808 decode --explain frames.txt",
    "echo 7E00020000012345678900000A817E | fenceline jt808 decode",
)
def decode(
    file: Annotated[
        Path | None,
        argument(Text("File with frames in hexadecimal digits, line by line.", "十六进制报文文件，逐行。"), "FILE"),
    ] = None,
    explain: Annotated[
        bool,
        option(Text("In words, for people: each fault with its clause.", "以文字说明每处错误及其条款。"), "--explain"),
    ] = False,
) -> None:
    """Print frames of a file or of standard input."""
    from hub.wire.jt808 import read
    from hub.wire.jt808.described import described

    number = 0
    for line in _lines(file):
        for raw in _frames(line):
            number += 1
            if raw is None:
                _say_no_hex(number, line, explain=explain)
            elif explain:
                _explain(number, read(raw))
            else:
                print_object(described(read(raw)))


@command(
    app,
    "build",
    Text(
        """Make a frame, with its length, checksum and escapes, and print it in hexadecimal digits.

        A body of more than 1023 bytes becomes several frames, with serials that follow on.""",
        """生成报文，含长度、校验码和转义，以十六进制输出。

        消息体超过 1023 字节时分为多个报文，流水号递增。""",
    ),
    "fenceline jt808 build --message 0002 --phone 13800000000",
    "fenceline jt808 build --message 0102 --phone 13800000000 --edition 2019 --serial 1 0432333435",
)
def build(
    message: Annotated[str, option(Text("Message, such as 0002: heartbeat.", "消息 ID，如 0002：心跳。"), "--message")],
    phone: Annotated[str, option(Text("The terminal's number.", "终端手机号。"), "--phone")],
    body: Annotated[str, argument(Text("The body in hexadecimal digits.", "消息体，十六进制。"), "BODY")] = "",
    serial: Annotated[int, option(Text("Serial number.", "流水号。"), "--serial", min=0, max=65_535)] = 0,
    edition: Annotated[
        Edition, option(Text("Of the header; 2011 is as 2013.", "消息头版本；2011 同 2013。"), "--edition")
    ] = Edition.old,
) -> None:
    """Print a frame."""
    from hub.wire.jt808 import Header, parts

    id_ = _bytes("--message", message)
    if len(id_) != 2:
        raise UserError(f"jt808 build: --message {message!r}: expected four hexadecimal digits, such as 0200")
    if not (phone.isascii() and phone.isdigit()):
        raise UserError(f"jt808 build: --phone {phone!r}: expected digits")
    header = Header(int.from_bytes(id_), phone, serial, 1 if edition is Edition.new else None)
    try:
        for frame in parts(header, _bytes("BODY", body)):
            print(frame.hex().upper())
    except ValueError as error:
        raise UserError(f"jt808 build: {error}") from error


def _lines(file: Path | None) -> Iterator[str]:
    file = None if file == Path("-") else file
    try:
        with open(
            sys.stdin.fileno() if file is None else file, encoding="utf-8", errors="replace", closefd=file is not None
        ) as stream:
            while line := stream.readline(LONGEST):
                text = line.strip().removeprefix("\ufeff")
                if text and not text.startswith("#"):
                    yield text
    except OSError as error:
        raise UserError(
            f"{file}: cannot be read ({error.strerror}); expected a file with frames of JT/T 808"
        ) from error


def _frames(line: str) -> Iterator[bytes | None]:
    """Yield the frames of a line, and what is none; None: it is no hexadecimal text."""
    from hub.wire.jt808 import Splitter, read_plain

    try:
        data = bytes.fromhex(line.removeprefix("0x"))
    except ValueError:
        yield None
        return
    # A line is most often one frame, whatever stands in it; more than one only where it is none as a whole.
    if b"\x7e" not in data[1:-1] or read_plain(data).sound:
        yield data
        return
    splitter = Splitter()
    for piece in [*splitter.feed(data), *splitter.rest()]:
        yield piece.raw


def _bytes(name: str, text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise UserError(f"jt808 build: {name} {text[:40]!r}: expected hexadecimal digits, two for each byte") from None


def _say_no_hex(number: int, line: str, *, explain: bool) -> None:
    if explain:
        print(f"{number}  {tell(NO_HEX)}: {line[:60]!r}\n")
    else:
        print_object({"ok": False, "message": None, "faults": ["hex"], "fixes": [], "text": line[:200]})


def _explain(number: int, frame: "Frame") -> None:
    from hub.wire.jt808 import FAULTS
    from hub.wire.jt808.codes import MESSAGES
    from hub.wire.jt808.described import described

    chinese = spoken() is Lang.zh
    header = frame.header
    if header is None:
        print(f"{number}  {tell(NO_FRAME).format(size=len(frame.body))}")
    else:
        name = MESSAGES.get(header.message)
        said = f"{header.message:04X} {name[chinese]}" if name else f"{header.message:04X}"
        part = f"{header.number}/{header.total}" if header.total else ""
        print(f"{number}  {' · '.join(filter(None, (said, header.phone, f'#{header.serial}', part)))}")
    told = described(frame)
    for key, value in told["values"].items():
        print(f"   {key:12} {value}")
    for fix in told["fixes"]:
        where = f"{fix['lat']:.6f}, {fix['lon']:.6f}" + ("" if fix["located"] else " ?")
        alarms = ", ".join(fix["alarms"])
        print(f"   {fix['time'] or '?'}  {where}  {fix['speed_kmh']} km/h  {fix['direction']}°  {alarms}")
        for item in fix["items"]:
            value = f"{item['value']} {item['unit'] or ''}".strip() if "value" in item else item["hex"]
            print(f"      {item['id']} {item['name'] or '':16} {value}")
    for code in frame.faults:
        fault = FAULTS[code]
        clause = fault.clause.replace("table ", "表").replace("annex ", "附录") if chinese else fault.clause
        print(f"   ✖ {code}: {fault[chinese]} ({clause})")
    if frame.ok:
        print(f"   ✔ {tell(KEEPS)}")
    print()
