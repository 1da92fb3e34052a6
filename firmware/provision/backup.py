"""Saves what is a board's own, its configuration, key, calibration and unsent records, and puts it on another chip.

A backup is a .tar.gz that only its owner can read (the board's key is in it), with the SHA-256 of each file in its
`manifest.json`. From a dying board as much is taken as it still gives; what could not be read is named.

The SHA-256s show damage, not who made the file. So no backup brings other files than a board's own ones: no code onto a
board, and nothing outside its folder onto a laptop.
"""

import datetime as dt
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from edge.stream import OWNER
from firmware.link.link import Link
from firmware.notebook.folder import write_secret
from firmware.provision.board import CA, CERTIFICATE, CERTIFICATE_KEY, CONFIG, KEY, OUTBOX, WIFI, Found, find
from firmware.terminal.speech import FieldError
from schemas.errors import UserError

OWN = (CONFIG, KEY, WIFI, CA, CERTIFICATE, CERTIFICATE_KEY)
FORMAT = 1
PLACE = re.compile(r"[A-Za-z0-9_-]{1,32}")
"""What the folder of a board's records may be called."""
FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}")
"""What a file in it may be called."""
CODE = ("edge", "lib", "slots")
"""Folders of a board's software, of which nothing is its own."""
MOST_BYTES = 64 * 1024 * 1024
"""The largest content of a backup that is read [bytes]; no board has as much flash."""

Told = Callable[[float, str], None]


class Manifest(msgspec.Struct, frozen=True):
    """What is in a backup."""

    format: int
    board: str
    made: dt.datetime
    files: dict[str, str]
    """SHA-256 by path on the board."""
    unreadable: list[str]
    """Files that the board did not give."""


@dataclass(frozen=True)
class Saved:
    """A backup that was written."""

    path: Path
    manifest: Manifest
    trouble: FieldError | None = None
    """What ended it before the board had given everything."""


@dataclass(repr=False)
class Content:
    """A backup in memory. `repr` shows nothing: a key is in it."""

    manifest: Manifest
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def config(self) -> dict[str, Any]:
        """The board's configuration.

        Raises:
            UserError: the backup has none.
        """
        try:
            config = json.loads(self.files[CONFIG])
        except (KeyError, ValueError):
            raise UserError("the backup has no whole config.json: nobody can tell whose records these are") from None
        if not isinstance(config, dict):
            raise UserError("the backup's config.json is no object: nobody can tell whose records these are")
        return config


def save(link: Link, target: Path, now: dt.datetime, told: Told = lambda *_: None) -> Saved:
    """Save a board to `target`: a .tar.gz, or the folder for one with the board's id and the time in its name.

    Args:
        link: to the board.
        target: file or folder.
        now: for the name.
        told: is told how many files more are done, and the next one.

    Raises:
        UserError: the file exists or cannot be written, or the board has nothing of its own.
    """
    content, trouble = collect(link, now, told)
    board = content.manifest.board or "unknown"
    path = target if target.name.endswith(".tar.gz") else target / f"{board}-{now:%Y%m%dT%H%M%SZ}.tar.gz"
    if path.exists():
        raise UserError(f"{path}: it exists already; name another file")
    if not content.files:
        raise trouble or UserError("this board has nothing of its own: it is not provisioned")
    write_secret(path, pack(content))
    return Saved(path, content.manifest, trouble)


def collect(link: Link, now: dt.datetime, told: Told = lambda *_: None) -> tuple[Content, FieldError | None]:
    """Read what is a board's own; a file that it does not give is named and the others are read."""
    found = find(link)
    folder = str((found.config or {}).get("folder", OUTBOX))
    outbox = [path for path, size in sorted(link.files(f"/{folder}").items()) if size >= 0]
    paths = [path for path in OWN if link.size(path) is not None] + outbox
    files: dict[str, bytes] = {}
    trouble = None
    for path in paths:
        told(1 / max(1, len(paths)), path)
        try:
            files[path] = link.read(path)
        except FieldError as error:
            trouble = error
            if not _still_answers(link):
                break
    missing = [path for path in paths if path not in files]
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    return Content(Manifest(FORMAT, found.board, now, digests, missing), files), trouble if missing else None


def pack(content: Content) -> bytes:
    """Return a backup as the bytes of a .tar.gz."""
    buffer = io.BytesIO()
    manifest = msgspec.json.format(msgspec.json.encode(content.manifest))
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in {"manifest.json": manifest, **content.files}.items():
            info = tarfile.TarInfo(name.lstrip("/"))
            info.size, info.mode, info.mtime = len(data), 0o600, int(content.manifest.made.timestamp())
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def load(path: Path) -> Content:
    """Read a backup and compare every file with the manifest.

    Raises:
        UserError: it is none, or something in it was changed.
    """
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                file = archive.extractfile(member)
                if file is None or member.size > MOST_BYTES or sum(map(len, files.values())) > MOST_BYTES:
                    raise UserError(f"{path}: holds {member.name!r}, which no backup of a board does")
                files["/" + member.name] = file.read()
        manifest = msgspec.json.decode(files.pop("/manifest.json", b""), type=Manifest)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); name a backup") from error
    except (tarfile.TarError, EOFError, msgspec.DecodeError) as error:
        raise UserError(f"{path}: is no backup of a board, or damaged ({error})") from error
    if manifest.format != FORMAT:
        raise UserError(f"{path}: was made by a later version (format {manifest.format}); use that one")
    if {name: hashlib.sha256(content).hexdigest() for name, content in files.items()} != manifest.files:
        raise UserError(f"{path}: its files are not those of its manifest: it was damaged or changed")
    content = Content(manifest, files)
    _refuse_other_files(path, content)
    return content


def _refuse_other_files(path: Path, content: Content) -> None:
    try:
        folder = str(content.config.get("folder", OUTBOX))
    except UserError:  # of a board that did not give it any more
        folder = OUTBOX
    for name in content.files:
        place, _, file = name.removeprefix("/").partition("/")
        records = place == folder and PLACE.fullmatch(folder) and folder not in CODE and FILE.fullmatch(file)
        if name not in OWN and not records:
            raise UserError(f"{path}: holds {name!r}, which no backup of a board does; use another one")
    if not PLACE.fullmatch(folder) or folder in CODE:
        raise UserError(f"{path}: names {folder!r} as the folder of the records, which no board does; use another one")


def restore(link: Link, content: Content, found: Found, told: Told = lambda *_: None) -> None:
    """Put a backup on a board; the configuration comes last and makes the rest count.

    The outbox's owner is left out: nobody knows which numbers were given since the backup was made, so what is measured
    from now on gets a new stream. Records that wait in the backup go to the hub under their own numbers.

    Args:
        link: to the board.
        content: the backup.
        found: what is on the board; what belongs to another identity is removed.
        told: is told how many files more are done, and the next one.
    """
    folder = str(content.config.get("folder", OUTBOX))
    link.remove(CONFIG)
    link.remove(f"/{folder}")
    if found.config and found.config.get("folder", OUTBOX) != folder:
        link.remove(f"/{found.config['folder']}")
    paths = sorted(content.files.keys() - {f"/{folder}/{OWNER}"}, key=lambda path: (path == CONFIG, path))
    for path in paths:
        told(1 / len(paths), path)
        link.write(path, content.files[path])


def _still_answers(link: Link) -> bool:
    try:
        link.run("pass")
    except FieldError:
        return False
    return True
