"""A terminal as tests play it, byte by byte, and a hub that it sends to."""

import datetime as dt
import time

import msgspec

from hub.wire.jt808 import Content, Header, Item, Position, Splitter, build, read
from hub.wire.jt808.position import digits_of
from tests.hub.intake.frame_hub import FrameHub, Line

CODE = "s3cret"
BEGUN = int(time.time()) // 60 * 60
__all__ = ["CODE", "Terminal", "TerminalHub", "fix", "registry"]


def fix(t, lat=23.0288, lon=113.1427, status=3, alarm=0, speed=36.0, items=()):
    """Return the body of a 0200 of a time (Unix s)."""
    when = digits_of(dt.datetime.fromtimestamp(t, dt.UTC))
    place = round(abs(lat) * 1e6), round(abs(lon) * 1e6), 12, round(speed * 10), 90
    return Position(alarm, status, *place, when, tuple(Item(*one) for one in items)).encode()


class TerminalHub(FrameHub):
    """A real hub in this process with terminals."""

    section = "jt808"

    def moments(self, device):
        """Return what the log's fixes of a terminal say, the oldest first."""
        return sorted((one for entry in self.entries(device, "fix") for one in entry.said.moments), key=lambda m: m.t)


class Terminal(Line):
    """One connection. It reads what the hub says as frames."""

    def __init__(self, port, phone, *, newer=False, tls=None):
        super().__init__(port, Splitter(), tls)
        self.phone, self.version = phone, 1 if newer else None
        self.serial = -1

    def header(self, message, **more):
        self.serial = (self.serial + 1) & 0xFFFF
        return Header(message, self.phone, self.serial, self.version, **more)

    def send(self, message, body=b"", **more):
        """Send a message; return its frame."""
        frame = build(self.header(message, **more), body)
        self.socket.sendall(frame)
        return frame

    def hear(self, seconds=60.0):
        """Return the next frame that the hub says; None when it closes the connection or says nothing."""
        raw = self.next_frame(seconds)
        if raw is None:
            return None
        found = read(raw)
        assert found.ok, found.faults
        assert found.header.terminal == self.phone.lstrip("0")
        return found

    def ask(self, message, body=b"", **more):
        """Send a message; return the result of its 8001."""
        self.send(message, body, **more)
        said = self.hear()
        assert said is not None, "no answer"
        assert (said.header.message, said.content.values["serial"], said.content.values["message"]) == (
            0x8001, self.serial, message,
        )  # fmt: skip
        return said.content.values["result"]

    def authenticate(self, code=CODE):
        """Say the code; return the result."""
        if self.version is None:
            return self.ask(0x0102, code.encode())
        return self.ask(0x0102, Content.make(0x0102, 2019, code=code, imei="1" * 15, software="1.0").encode())

    def register(self, plate="粤A00001"):
        """Register; return the result and the code of its 8100."""
        names = {"maker": "70111", "model": "M7", "terminal": "0000001"}
        edition = 2013 if self.version is None else 2019
        content = Content.make(0x0100, edition, province=44, city=101, colour=2, plate=plate, **names)
        self.send(0x0100, content.encode())
        said = self.hear()
        assert (said.header.message, said.content.values["serial"]) == (0x8100, self.serial)
        return said.content.values["result"], said.content.text("code")


def registry(*terminals, **more):
    """Return registry entries of terminals by id; the number ends in the place of the id's letter."""
    text = ""
    for id_ in terminals:
        fields = {"site": "tower", "phone": f"0138000000{ord(id_[0]) - 97:02d}", "plate": "粤A00001"} | more.get(
            id_, {}
        )
        text += f'\n[[terminal]]\nid = "{id_}"\n'
        text += "".join(f"{name} = {msgspec.json.encode(value).decode()}\n" for name, value in fields.items())
    return text


def minute_of(ago=2):
    """Return the start of a minute, Unix s, so many minutes before the tests began."""
    return BEGUN - 60 * ago
