"""A station as tests play it, byte by byte, and a hub that it sends to."""

import datetime as dt
import time

import msgspec

from hub.wire.hj212 import END, Packet, Splitter, build, read_packet
from tests.hub.intake.frame_hub import SITES, FrameHub, Line, until

__all__ = ["PASSWORD", "SITES", "Station", "StationHub", "local", "minute_of", "registry", "until"]

PASSWORD = "s3cret"
BEIJING = dt.timezone(dt.timedelta(hours=8))


def minute_of(ago=2):
    """Return the start of a minute, Unix s, so many minutes ago."""
    return int(time.time()) // 60 * 60 - 60 * ago


def local(t):
    """Return a time (Unix s) in 14 digits."""
    return f"{dt.datetime.fromtimestamp(t, BEIJING):%Y%m%d%H%M%S}"


class StationHub(FrameHub):
    """A real hub in this process with stations."""

    section = "hj212"


class Station(Line):
    """One connection. It reads what the hub says as frames."""

    def __init__(self, port, mn, pw="123456", st="39", flag="5", tls=None):
        super().__init__(port, Splitter(), tls)
        self.mn, self.pw, self.st, self.flag = mn, pw, st, flag
        self._number = 0

    def qn(self):
        """Return a new QN."""
        self._number += 1
        return f"{local(time.time())}{self._number % 1000:03d}"

    def packet(self, cn, data, **fields):
        fields = {"QN": self.qn(), "ST": self.st, "CN": cn, "PW": self.pw, "MN": self.mn, "Flag": self.flag} | fields
        return Packet.make(data, **{name: value for name, value in fields.items() if value is not None})

    def frame(self, cn, data, checksum="standard", **fields):
        """Return a frame, ended."""
        return build(self.packet(cn, data, **fields), checksum) + END

    def send(self, cn, data, checksum="standard", **fields):
        """Send a frame; return its bytes without the ending."""
        frame = self.frame(cn, data, checksum, **fields)
        self.socket.sendall(frame)
        return frame.removesuffix(END)

    def minute(self, t, value=35.0, letter="N", **fields):
        """Send a minute of PM2.5 and noise; return its bytes."""
        data = f"DataTime={local(t)};a34004-Avg={value},a34004-Flag={letter};Leq-Data=61.5,Leq-Flag=N"
        return self.send("2051", data, **fields)

    def hear(self, seconds=10.0):
        """Return the next packet that the hub says; None when it closes the connection or says nothing."""
        raw = self.next_frame(seconds)
        if raw is None:
            return None
        found = read_packet(raw)
        assert found.sound
        return found.packet

    def hear_of(self, cn, seconds=10.0):
        """Return the next packet with this command; others are left out."""
        while (packet := self.hear(seconds)) is not None:
            if packet.field("CN") == cn:
                return packet
        return None


def registry(*stations, **more):
    """Return registry entries of stations by id; MN is `MN-` and the id in capitals."""
    text = ""
    for id_ in stations:
        fields = {"site": "tower", "mn": f"MN-{id_.upper()}", "profile": "dust_ug"} | more.get(id_, {})
        text += f'\n[[station]]\nid = "{id_}"\n'
        text += "".join(f"{name} = {msgspec.json.encode(value).decode()}\n" for name, value in fields.items())
    return text
