"""A station as tests play it, byte by byte, and a hub that it sends to."""

import contextlib
import datetime as dt
import socket
import time
from pathlib import Path

import msgspec

from hub.config.files import load_config
from hub.log.reader import reading_log
from hub.run.hub import Hub
from hub.wire.hj212 import END, Packet, Splitter, build, read_packet
from tests.ports import free_port

SITES = """
timezone = "Asia/Shanghai"

[[site]]
id = "tower"
district = "north"
kind = "construction"
en = "Tower"
zh = "塔楼"
zone_class = "2"
"""
PASSWORD = "s3cret"
BEIJING = dt.timezone(dt.timedelta(hours=8))


def minute_of(ago=2):
    """Return the start of a minute, Unix s, so many minutes ago."""
    return int(time.time()) // 60 * 60 - 60 * ago


def local(t):
    """Return a time (Unix s) in 14 digits."""
    return f"{dt.datetime.fromtimestamp(t, BEIJING):%Y%m%d%H%M%S}"


def until(condition, what, seconds=20):
    """Wait until the condition holds; return what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return found


class StationHub:
    """A real hub in this process with stations `a` (a password), `b` (none) and more; no broker is needed."""

    def __init__(self, folder: Path, stations: str, passwords: str = "", settings: str = ""):
        self.folder = folder
        self.port = free_port()
        (folder / "fenceline.toml").write_text(
            f'registry = "registry.toml"\nkeys = "keys.toml"\n[broker]\nport = {free_port()}\n[http]\nport = 0\n'
            f"[hj212]\nport = {self.port}\n{settings}"
        )
        (folder / "registry.toml").write_text(SITES + stations, "utf-8")
        (folder / "keys.toml").touch(0o600)
        (folder / "keys.toml").write_text(passwords)
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

    def entries(self, device=None):
        """Return the log's entries, of one station."""
        with reading_log(self.folder / "data" / "log.db") as log:
            found = log.read(0, 1_000_000)
        return [one for one in found if device in (None, one.place.device)]

    def quarantine(self):
        """Return (device, reason, payload) of what is in quarantine."""
        with reading_log(self.folder / "data" / "log.db") as log:
            return log._db.execute("SELECT device, reason, payload FROM quarantine ORDER BY id").fetchall()

    def counts(self):
        with reading_log(self.folder / "data" / "log.db") as log:
            return log.counts()

    def settled(self):
        return all(not state.problem for state in self.hub._downstream.states.values())


class Station:
    """One connection. It reads what the hub says as frames."""

    def __init__(self, port, mn, pw="123456", st="39", flag="5", tls=None):
        self.mn, self.pw, self.st, self.flag = mn, pw, st, flag
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self._splitter, self._heard, self._number = Splitter(), [], 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.close()

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
            self._heard += [read_packet(one.raw) for one in self._splitter.feed(data) if not one.junk]
        found = self._heard.pop(0)
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
