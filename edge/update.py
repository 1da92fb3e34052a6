"""Fetches a new version beside the running one and puts it on trial; boot.py starts it, and goes back if need be.

Trust: the order to update has a MAC under the board's own key and names the SHA-256 of the bundle's manifest; the
manifest names the SHA-256 of every file. So the web server need not be trusted, and plain http is as safe as https,
if not as private.

What it promises: the running version is never touched; a bundle with one wrong byte is never put on trial; what is cut
off at any moment can be ordered again and goes on with the files that are missing. One piece of PIECE bytes and the
manifest are what it holds in memory. What it does not promise: that an old order is not played back to the board (the
agent must refuse those), or that there is room in flash (two versions and the outbox must fit).
"""

import asyncio
import hashlib
import json
import os
import sys
from binascii import hexlify

try:
    from time import monotonic  # type: ignore[attr-defined] # CPython
except ImportError:
    from time import ticks_diff, ticks_ms

    _STARTED = ticks_ms()

    def monotonic():
        """Return s since the start, right for 6 days: a trial is long over by then."""
        return ticks_diff(ticks_ms(), _STARTED) / 1000


from edge import VERSION, boot
from edge.borrow import borrow
from edge.port import close

HEALTHY_WITHIN = 300  # s from the start of a version on trial
TIMEOUT = 20  # s for a connection, and for each piece
MOST_TIME = 3600  # s for a whole bundle: a server that trickles must not keep the next order waiting
PIECE = 1024  # bytes
MOST_HEAD = 4096  # bytes, of an HTTP answer
MOST_MANIFEST = 16 * 1024  # bytes
NEW = "manifest.new"  # becomes the manifest when every file is there
ARCHS = {1: "x86", 2: "x64", 10: "xtensawin", 11: "rv32imc"}  # by their numbers in MicroPython

_under_way = asyncio.Lock()


class UpdateError(Exception):
    """The update was refused or cut off; the text names the file and the reason."""


def running(slots=boot.FOLDER):
    """Return the slot that boot.py started, or None when the agent was started in another way."""
    for slot in boot.SLOTS:
        if slots + "/" + slot in sys.path:
            return slot
    return None


def _number(version):
    return [int(part) if part.isdigit() else 0 for part in version.split(".")]


async def obey(command, known, tls, notes):
    """Install what an order names; return what the reply says about it. Raises ValueError with why it is refused.

    `known`: addresses of names, as `names.connect` has them; `tls`: the broker's files, None without; `notes`: the
    board's events.
    """

    async def open_connection(host, port, secured):
        more = {"ssl": borrow("secure").context(**tls), "server_hostname": host} if secured else {}
        return await borrow("names").connect(known, host, port, **more)

    try:
        version = await install(
            command["url"], command["sha256"], open_connection, downgrade=command.get("downgrade") is True
        )
    except (UpdateError, KeyError) as error:
        raise ValueError("update: %s" % error) from None
    if version is None:
        raise ValueError("update: this version runs already")
    notes.add("update", {"version": version})
    return "%s is fetched and starts now, on trial" % version


async def install(url, sha256, open_connection, slots=boot.FOLDER, downgrade=False):
    """Fetch a bundle into the slot that is not running and put it on trial: the next reset starts it.

    Returns its version, or None when it is the one that runs already (an order may arrive twice). Raises UpdateError;
    the running version then stays as it is. `url`, `sha256` and `open_connection` are those of `fetch`. An older
    version than the one that runs is refused, unless the order permits the `downgrade`.
    """
    slot = running(slots)
    state = boot.read(slots)
    if slot is None or state is None:
        raise UpdateError("this agent was not started by boot.py: put it on the board as main.py")
    if state["trial"]:
        raise UpdateError("%s is on trial: order again when it is confirmed" % state.get("version", "?"))
    if boot.digest(slots + "/" + slot + "/" + boot.MANIFEST) == sha256:
        return None
    if _under_way.locked():
        raise UpdateError("another update is under way")
    async with _under_way:
        least = None if downgrade else VERSION
        version = await fetch(url, sha256, slots + "/" + boot.other(slot), open_connection, least)
        state = boot.read(slots) or state
        state.update({"trial": boot.other(slot), "starts": 0, "version": version, "why": "", "last": ""})
        if not boot.write(slots, state):
            raise UpdateError("%s: the medium refuses the state" % version)
        return version


class Trial:
    """The health of the version that runs, and whether it may stay.

    In the agent, with `now` in s from `update.monotonic()` (Unix time jumps when the clock is set):

        self._trial = Trial(monotonic())        # before the board joins the network
        if self._trial.check(monotonic()):      # every few seconds, in a task that waits for nothing else
            self._board.reset()
        self._trial.confirm()                   # a record of this run was acknowledged: connected and sampling
        if self._trial.why:                     # connected: tell the hub why the last version was given up
            ... publish ...; self._trial.reported()

    `confirm` costs nothing when there is no trial, so it may be called at each acknowledgement. `on_trial` tells
    whether there is one; `why` is the reason, or "".
    """

    def __init__(self, now, slots=boot.FOLDER):
        self._slots = slots
        self._deadline = now + HEALTHY_WITHIN
        state = boot.read(slots) or {}
        slot = running(slots)
        self.on_trial = slot is not None and state.get("trial") == slot
        self.why = state.get("why", "")

    def confirm(self):
        """Make the version that runs the one to stay. A medium that refuses it leaves it on trial."""
        state = self.on_trial and boot.read(self._slots)
        if state:
            state.update({"run": state["trial"], "trial": "", "starts": 0, "last": ""})
            self.on_trial = not boot.write(self._slots, state)

    def check(self, now):
        """Return True when the trial has failed: the next start is that of the old version, so reset at once."""
        if not self.on_trial or now < self._deadline:
            return False
        state = boot.read(self._slots)
        if state and state["trial"]:
            boot.give_up(self._slots, state, "not healthy within %d s" % HEALTHY_WITHIN)
        return True

    def reported(self):
        """Forget why the last version was given up: the hub has been told."""
        state = boot.read(self._slots)
        if state and state.get("why"):
            state["why"] = ""
            boot.write(self._slots, state)
        self.why = ""


async def fetch(url, sha256, folder, open_connection, least=None):
    """Bring a bundle into `folder` and return its version; what lies there and is right is not fetched again.

    `url`: http:// or https:// of the bundle's folder; `sha256`: of its manifest.json, 64 small hexadecimal digits.
    `open_connection(host, port, secured)` is an async function giving `(reader, writer)`, such as

        async def open_connection(host, port, secured):
            tls = {"ssl": secure.context(**broker["tls"]), "server_hostname": host} if secured else {}
            return await asyncio.open_connection(host, port, **tls)

    `least`: an older version than that is refused. The server must give Content-Length. Raises UpdateError naming the
    file and the reason. `folder` counts as a whole version (boot.whole) only after the last step.
    """
    site = _Site(url, open_connection)
    try:
        _make_folder(folder)
        sealed = boot.digest(folder + "/" + boot.MANIFEST) == sha256
        path = folder + "/" + (boot.MANIFEST if sealed else NEW)
        await _bring(site, boot.MANIFEST, sha256, MOST_MANIFEST, path)
        version, files = _contents(path, least)
        _clear(folder, files)
        for name in sorted(files):
            await _bring(site, name, files[name]["sha256"], files[name]["size"], folder + "/" + name)
        if not sealed:
            os.rename(path, folder + "/" + boot.MANIFEST)
        return version
    except OSError as error:
        raise UpdateError("%s: %s" % (folder, error)) from None
    finally:
        await site.close()


def _contents(path, least):
    """Return version and files of a manifest that is what was ordered, and refuse one that is not for this board."""
    try:
        with open(path) as file:
            manifest = json.load(file)
        version, files, arch, mpy = [manifest[key] for key in ("version", "files", "arch", "mpy")]
        sizes = [files[name]["size"] + len(files[name]["sha256"]) for name in files]
    except (ValueError, KeyError, TypeError) as error:
        raise UpdateError("%s: not a manifest: %r" % (boot.MANIFEST, error)) from None
    own = getattr(sys.implementation, "_mpy", None)  # None on CPython: any bundle of .py files fits
    if own is not None:
        own = (ARCHS.get(own >> 10 & 0x0F), str(own & 0xFF))
        if (arch, mpy.split(".")[0]) != own:
            told = (boot.MANIFEST, arch, mpy, own[0], own[1])
            raise UpdateError("%s: made for %s with .mpy format %s, this board is %s with %s" % told)
    if least is not None and _number(version) < _number(least):
        raise UpdateError("%s is older than %s, which runs; only an order with downgrade takes it" % (version, least))
    if not sizes or [name for name in files if name.startswith("/") or ".." in name]:
        raise UpdateError("%s: no files, or some outside the slot" % boot.MANIFEST)
    return version, files


def _clear(folder, files, inside=""):
    """Remove what a former version left: a module that is not in this one must not be found by an import."""
    for name in os.listdir(folder):
        path = folder + "/" + name
        if os.stat(path)[0] & 0x4000:
            _clear(path, files, inside + name + "/")
            if not os.listdir(path):
                os.rmdir(path)
        elif inside + name not in files and inside + name not in (NEW, boot.MANIFEST):
            os.remove(path)


def _make_folder(path):
    """Make a folder and those above it that are missing."""
    try:
        os.stat(path)
    except OSError:
        if "/" in path:
            _make_folder(path.rsplit("/", 1)[0])
        os.mkdir(path)


async def _bring(site, name, sha256, most, path):
    await asyncio.sleep(0)  # checking what is there takes time that sensors need
    if boot.digest(path) == sha256:
        return
    content = hashlib.sha256()
    try:
        _make_folder(path.rsplit("/", 1)[0])
        with open(path, "wb") as file:

            def take(piece):
                content.update(piece)
                file.write(piece)

            await site.get(name, most, take)
            file.flush()
            boot.fsync(file)
    except asyncio.TimeoutError:
        raise UpdateError("%s: nothing came for %d s" % (name, TIMEOUT)) from None
    except (OSError, ValueError) as error:
        raise UpdateError("%s: %s" % (name, error)) from None
    found = hexlify(content.digest()).decode()
    if found != sha256:
        os.remove(path)
        raise UpdateError("%s: its SHA-256 is %s, expected %s" % (name, found, sha256))


class _Site:
    """The web server that has the bundle, asked over one connection for as long as it keeps that open."""

    def __init__(self, url, open_connection):
        scheme, _, rest = url.partition("://")
        self._place, _, path = rest.partition("/")
        self._host, _, port = self._place.partition(":")
        if scheme not in ("http", "https") or not self._host or not (port or "1").isdigit():
            raise UpdateError("%s: expected http://HOST[:PORT]/FOLDER or https://" % url)
        self._secured = scheme == "https"
        self._port = int(port) if port else 443 if self._secured else 80
        self._path = "/" + path.rstrip("/") + "/" if path.rstrip("/") else "/"
        self._open_connection = open_connection
        self._stream = None
        self._until = monotonic() + MOST_TIME

    async def get(self, name, most, take):
        """Call `take` with each piece of a file of at most `most` bytes; raise OSError or ValueError without all."""
        if self._stream is None:
            opening = self._open_connection(self._host, self._port, self._secured)
            self._stream = await asyncio.wait_for(opening, TIMEOUT)
        writer = self._stream[1]
        writer.write(("GET %s%s HTTP/1.1\r\nHost: %s\r\n\r\n" % (self._path, name, self._place)).encode())
        await asyncio.wait_for(writer.drain(), TIMEOUT)
        left, piece, lasts = await self._head()
        if left > most:
            raise ValueError("%d bytes, expected at most %d" % (left, most))
        while True:
            take(piece)
            left -= len(piece)
            if left <= 0:
                break
            piece = await self._read(min(PIECE, left))
        if not lasts or left:
            await self.close()

    async def close(self):
        """Hang up."""
        stream, self._stream = self._stream, None
        if stream:
            await close(stream[1])

    async def _head(self):
        """Return the length of the answer, the first of its bytes, and whether the connection lasts after it."""
        head = b""
        while b"\r\n\r\n" not in head:
            if len(head) > MOST_HEAD:
                raise ValueError("HTTP head of more than %d bytes" % MOST_HEAD)
            head += await self._read(256)
        head, _, rest = head.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        status = lines[0].split(b" ")
        if len(status) < 2 or not status[0].startswith(b"HTTP/1.") or status[1] != b"200":
            raise ValueError("the server answered %r" % lines[0][:80])
        length, lasts = None, status[0] != b"HTTP/1.0"
        for line in lines[1:]:
            key, _, value = line.lower().partition(b":")
            if key == b"content-length":
                length = int(value.strip())
            elif key == b"connection":
                lasts = value.strip() != b"close"
        if length is None:
            raise ValueError("the server gives no Content-Length")
        return length, rest, lasts

    async def _read(self, most):
        if monotonic() > self._until:
            raise ValueError("the bundle did not come within %d s" % MOST_TIME)
        piece = await asyncio.wait_for(self._stream[0].read(most), TIMEOUT)
        if not piece:
            raise OSError("connection lost")
        return piece
