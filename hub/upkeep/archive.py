"""The file in which a hub is saved: a .tar.gz that says of itself what is in it and can be checked.

It holds, first, `manifest.json`, then `data/...` (a copy of every database), `registry.toml`, `keys.toml` and
`fenceline.toml`. Certificates, the broker's password and what stands in the environment are not in it.

The manifest proves that an archive is whole, not who made it: whoever can change the files can change the manifest. So
an archive is read as a stranger's: regular files under known names, no longer than the manifest says, nothing else.
"""

import datetime as dt
import gzip
import hashlib
import io
import os
import re
import sqlite3
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Protocol

import msgspec

from hub.config.files import ConfigError
from hub.log.reader import LogReader
from hub.storage.data_folder import LOG
from hub.storage.database import read_only
from hub.storage.trouble import no_room
from hub.upkeep.versions import versions_of

FORMAT = 1
MANIFEST = "manifest.json"
DATABASES = ("attachments", "cases", "compliance", "field", "log", "reports", "rollups", "series", "uplink")
NAME = re.compile(rf"(registry|keys|fenceline)\.toml|data(/[A-Za-z0-9_-]+)*/({'|'.join(DATABASES)})\.db")
"""What a name in an archive may be: no other is ever written, so none can lead out of the folder."""
TEXTS = ("registry.toml", "keys.toml", "fenceline.toml")
MOST_TEXT = 64 << 20
"""Bytes of one of the TOML files, which are read into memory: 100,000 boards need half of it."""
BLOCK = tarfile.BLOCKSIZE
LONG_SIZE = re.compile(rb"\d+ size=(\d{1,19})\n")
"""What tar writes before a file of 8 GiB or more; there is no other reason for such an entry here."""
CHUNK = 1 << 20
OTHER = "use another backup"


class Readable(Protocol):
    """Something that gives bytes."""

    def read(self, size: int, /) -> bytes:
        """Return that many bytes, fewer only at the end."""


class Saved(msgspec.Struct, frozen=True):
    """One file of an archive. All but the first two are of databases."""

    size: int
    sha256: str
    schema: int | None = None
    parts: dict[str, int] = {}
    """The versions of the owners' tables, where several packages have some in one database."""
    position: int | None = None
    """Of a consumer: the offset in the log up to which it is done."""
    first: int | None = None
    """Of a log: the offset of its oldest entry."""
    end: int | None = None
    """Of a log: the offset of its newest entry."""


class Manifest(msgspec.Struct, frozen=True):
    """What an archive says of itself."""

    format: int
    fenceline: str
    """Version of the hub that made it."""
    sqlite: str
    made: dt.datetime
    files: dict[str, Saved]
    """By name in the archive."""


class DamagedError(ConfigError):
    """A database that is damaged; `found`: what SQLite says of it."""

    def __init__(self, name: str, found: str) -> None:
        super().__init__(f"{name}: the database is damaged ({found}); put an earlier backup back")
        self.found = found


def describe(path: Path) -> Saved:
    """Describe a file; a database is looked through for damage.

    Raises:
        DamagedError: a database is damaged.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = path.stat().st_size
    if path.suffix != ".db":
        return Saved(size, digest)
    try:
        with closing(read_only(path)) as db:
            db.execute("PRAGMA trusted_schema = OFF")  # a stranger's database does nothing of its own
            damage = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            versions = versions_of(db)
            saved = Saved(size, digest, versions.schema, dict(versions.parts))
            if path.name != LOG:
                saved = msgspec.structs.replace(saved, position=_position(db))
            elif end := LogReader(db).end():
                saved = msgspec.structs.replace(saved, first=LogReader(db).begin(), end=end)
    except sqlite3.DatabaseError as error:
        damage = str(error)
    if damage != "ok":
        raise DamagedError(path.name, " ".join(damage.split()))
    return saved


def _position(db: sqlite3.Connection) -> int | None:
    """Return a consumer's position; None if the database is no consumer's."""
    if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'position'").fetchone():
        return None
    row = db.execute("SELECT offset FROM position").fetchone()
    return int(row[0]) if row else None


def write_archive(path: Path, folder: Path, manifest: Manifest) -> None:
    """Write the manifest's files from a folder; only its owner can read the archive, for it holds the boards' keys."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=3) as tar:
            text = msgspec.json.format(msgspec.json.encode(manifest))
            tar.addfile(_entry(MANIFEST, len(text), manifest), io.BytesIO(text))
            for name, saved in manifest.files.items():
                with (folder / name).open("rb") as content:
                    tar.addfile(_entry(name, saved.size, manifest), content)
        file.flush()
        os.fsync(file.fileno())


def _entry(name: str, size: int, manifest: Manifest) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, int(manifest.made.timestamp())
    return entry


def read_archive(path: Path, into: Path | None = None) -> tuple[Manifest, dict[str, bytes]]:
    """Read an archive through and compare every file with the manifest.

    With `into`, its databases are written below that folder, under their names.

    Returns:
        The manifest, and the contents of the TOML files by name.

    Raises:
        ConfigError: it cannot be read, is no archive of a hub, is damaged, or was made by a later version.
    """
    texts: dict[str, bytes] = {}
    try:
        with gzip.open(path, "rb") as stream:
            members = _members(path, stream)
            manifest = _manifest(path, stream, next(members, None))
            missing = dict(manifest.files)
            for name, size in members:
                saved = missing.pop(name, None)
                if saved is None:
                    raise ConfigError(f"{path}: holds {name!r}, which does not belong into a backup; {OTHER}")
                if size != saved.size or not _take(name, stream, saved, texts, into):
                    raise ConfigError(f"{path}: {name} is not what the manifest says; {OTHER}")
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            remedy = "make room" if no_room(error) else "name another file"
            raise ConfigError(f"{error.filename or path}: {error.strerror}; {remedy}") from error
        raise ConfigError(f"{path}: is damaged, or no backup of a hub ({error}); {OTHER}") from error
    if missing:
        raise ConfigError(f"{path}: {', '.join(missing)} is missing in it; {OTHER}")
    return manifest, texts


def _members(path: Path, stream: Readable) -> Iterator[tuple[str, int]]:
    """Go through the regular files of an archive as (name, size); whoever takes one reads its content to the end.

    tarfile's own reader also knows links, devices, sparse files and headers of any length, none of which may be here.
    """
    while True:
        head = _exactly(stream, BLOCK)
        if not any(head):
            break
        entry, size = tarfile.TarInfo.frombuf(head, "utf-8", "strict"), None
        if entry.type == tarfile.XHDTYPE and entry.size <= BLOCK:
            long = LONG_SIZE.fullmatch(_exactly(stream, entry.size))
            _exactly(stream, -entry.size % BLOCK)
            if long:
                size = int(long[1])
                entry = tarfile.TarInfo.frombuf(_exactly(stream, BLOCK), "utf-8", "strict")
        if entry.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            # A link is never followed: what it leads to is no part of a backup.
            raise ConfigError(f"{path}: holds {entry.name!r}, which does not belong into a backup; {OTHER}")
        size = entry.size if size is None else size
        yield entry.name, size
        _exactly(stream, -size % BLOCK)
    while stream.read(CHUNK):
        pass  # to the end, where gzip's checksum over all stands


def _exactly(stream: Readable, size: int) -> bytes:
    content = stream.read(size)
    if len(content) != size:
        raise EOFError("it ends in the middle")
    return content


def _manifest(path: Path, stream: Readable, first: tuple[str, int] | None) -> Manifest:
    name, size = first or ("", 0)
    if name != MANIFEST or size > CHUNK:
        raise ConfigError(f"{path}: is no backup of a hub (it does not begin with {MANIFEST}); name another file")
    text = _exactly(stream, size)
    if (format_ := msgspec.json.decode(text)["format"]) != FORMAT:
        raise ConfigError(f"{path}: has format {format_}, this version reads {FORMAT}; use the version that made it")
    manifest = msgspec.json.decode(text, type=Manifest)
    for name, saved in manifest.files.items():
        if not NAME.fullmatch(name) or saved.size < 0 or (name in TEXTS and saved.size > MOST_TEXT):
            raise ConfigError(f"{path}: holds {name!r}, which does not belong into a backup; {OTHER}")
    if lacking := [name for name in TEXTS if name not in manifest.files]:
        raise ConfigError(f"{path}: {', '.join(lacking)} is missing in it; {OTHER}")
    return manifest


def _take(name: str, content: Readable, saved: Saved, texts: dict[str, bytes], into: Path | None) -> bool:
    """Take one file and tell whether it is what the manifest says."""
    if name in TEXTS:
        texts[name] = _exactly(content, saved.size)
        return hashlib.sha256(texts[name]).hexdigest() == saved.sha256
    if into is None:
        return _copy(content, None, saved)
    (into / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Never over a file that is there, nor through a link; and only the owner reads it.
    with os.fdopen(os.open(into / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        same = _copy(content, file, saved)
        file.flush()
        os.fsync(file.fileno())
    return same


def _copy(content: Readable, out: IO[bytes] | None, saved: Saved) -> bool:
    """Copy and tell whether the hash is right."""
    digest, left = hashlib.sha256(), saved.size
    while left:
        chunk = _exactly(content, min(left, CHUNK))
        left -= len(chunk)
        digest.update(chunk)
        if out:
            out.write(chunk)
    return digest.hexdigest() == saved.sha256
