"""What tests of stations and of terminals have in common: a hub that takes frames, and one connection to it."""

import contextlib
import socket
import time
from pathlib import Path

from hub.config.files import load_config
from hub.log.reader import reading_log
from hub.run.hub import Hub
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


def until(condition, what, seconds=20):
    """Wait until the condition holds; return what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return found


class FrameHub:
    """A real hub in this process that listens as `section` says; no broker is needed.

    `entries`: of the registry; `secrets`: lines of the file of keys; `settings`: of the section; `more`: lines above.
    """

    section = ""

    def __init__(self, folder: Path, entries: str, secrets: str = "", settings: str = "", more: str = ""):
        self.folder = folder
        self.port = free_port()
        (folder / "fenceline.toml").write_text(
            f'registry = "registry.toml"\nkeys = "keys.toml"\n{more}[broker]\nport = {free_port()}\n[http]\nport = 0\n'
            f"[{self.section}]\nport = {self.port}\n{settings}"
        )
        (folder / "registry.toml").write_text(SITES + entries, "utf-8")
        (folder / "keys.toml").touch(0o600)
        (folder / "keys.toml").write_text(secrets)
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
        """Return the log's entries, of one sender and kind."""
        with reading_log(self.folder / "data" / "log.db") as log:
            found = log.read(0, 1_000_000)
        return [one for one in found if device in (None, one.place.device) and kind in (None, one.place.kind)]

    def quarantine(self):
        """Return (device, reason, payload) of what is in quarantine."""
        with reading_log(self.folder / "data" / "log.db") as log:
            return log._db.execute("SELECT device, reason, payload FROM quarantine ORDER BY id").fetchall()

    def counts(self):
        with reading_log(self.folder / "data" / "log.db") as log:
            return log.counts()

    def settled(self):
        return all(not state.problem for state in self.hub._downstream.states.values())


class Line:
    """One connection to a hub. `splitter` cuts what the hub says; `tls`: how it is spoken to, if not in plain."""

    def __init__(self, port, splitter, tls=None):
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self._splitter, self._heard = splitter, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.close()

    def next_frame(self, seconds):
        """Return the next frame's bytes; None when the hub closes the connection or says nothing."""
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
            self._heard += [one for one in self._splitter.feed(data) if one.raw.strip()]
        piece = self._heard.pop(0)
        assert not piece.junk, piece.raw
        return piece.raw
