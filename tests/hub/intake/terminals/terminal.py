"""A terminal as tests play it, byte by byte, and a hub that it sends to."""

import contextlib
import datetime as dt
import socket
import time

import msgspec

from hub.config.files import load_config
from hub.log.reader import reading_log
from hub.run.hub import Hub
from hub.wire.jt808 import Content, Header, Item, Position, Splitter, build, read
from hub.wire.jt808.position import digits_of
from tests.hub.intake.stations.station import SITES
from tests.ports import free_port

CODE = "s3cret"
BEGUN = int(time.time()) // 60 * 60
__all__ = ["CODE", "Terminal", "TerminalHub", "fix", "registry"]


def fix(t, lat=23.0288, lon=113.1427, status=3, alarm=0, speed=36.0, items=()):
    """Return the body of a 0200 of a time (Unix s)."""
    when = digits_of(dt.datetime.fromtimestamp(t, dt.UTC))
    place = round(abs(lat) * 1e6), round(abs(lon) * 1e6), 12, round(speed * 10), 90
    return Position(alarm, status, *place, when, tuple(Item(*one) for one in items)).encode()


class TerminalHub:
    """A real hub in this process with terminals; no broker is needed."""

    def __init__(self, folder, terminals, codes="", settings="", more=""):
        self.folder = folder
        self.port = free_port()
        (folder / "fenceline.toml").write_text(
            f'registry = "registry.toml"\nkeys = "keys.toml"\n{more}[broker]\nport = {free_port()}\n[http]\nport = 0\n'
            f"[jt808]\nport = {self.port}\n{settings}"
        )
        (folder / "registry.toml").write_text(SITES + terminals, "utf-8")
        (folder / "keys.toml").touch(0o600)
        (folder / "keys.toml").write_text(codes)
        self.hub = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self.hub = Hub(load_config(self.folder / "fenceline.toml"))
        self.hub.start()

    def stop(self):
        if self.hub:
            self.hub.stop()
            self.hub = None

    def entries(self, device=None, kind=None):
        """Return the log's entries, of one terminal and kind."""
        with reading_log(self.folder / "data" / "log.db") as log:
            found = log.read(0, 1_000_000)
        return [one for one in found if device in (None, one.place.device) and kind in (None, one.place.kind)]

    def moments(self, device):
        """Return what the log's fixes of a terminal say, the oldest first."""
        return sorted((one for entry in self.entries(device, "fix") for one in entry.said.moments), key=lambda m: m.t)

    def quarantine(self):
        """Return (device, reason, payload) of what is in quarantine."""
        with reading_log(self.folder / "data" / "log.db") as log:
            return log._db.execute("SELECT device, reason, payload FROM quarantine ORDER BY id").fetchall()


class Terminal:
    """One connection. It reads what the hub says as frames."""

    def __init__(self, port, phone, *, newer=False):
        self.phone, self.version = phone, 1 if newer else None
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.serial = -1
        self._splitter, self._heard = Splitter(), []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.close()

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
        self.socket.settimeout(seconds)
        while not self._heard:
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                return None
            except OSError:
                data = b""
            if not data:
                return None
            self._heard += [read(one.raw) for one in self._splitter.feed(data)]
        found = self._heard.pop(0)
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
