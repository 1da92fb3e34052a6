"""The file in which a hub is saved: a .tar.gz that says of itself what is in it and can be checked.

It holds, first, `manifest.json`, then `data/...` (a copy of every database), `registry.toml`, `keys.toml` and
`fenceline.toml`. Certificates, the broker's password and what stands in the environment are not in it.
"""

import datetime as dt
import hashlib
import io
import os
import re
import sqlite3
import tarfile
import zlib
from contextlib import closing
from pathlib import Path
from typing import IO

import msgspec

from hub.config import ConfigError
from hub.data_folder import LOG

FORMAT = 1
MANIFEST = "manifest.json"
NAME = re.compile(r"(registry|keys|fenceline)\.toml|data(/[A-Za-z0-9_-]+)*/[A-Za-z0-9_-]+\.db")
"""What a name in an archive may be: no other is ever written, so none can lead out of the folder."""
CHUNK = 1 << 20
OTHER = "use another backup"


class Saved(msgspec.Struct, frozen=True):
    """One file of an archive. All but the first two are of databases."""

    size: int
    sha256: str
    schema: int | None = None
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


def describe(path: Path) -> Saved:
    """Describe a file; a database is looked through for damage.

    Raises:
        ConfigError: a database is damaged.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = path.stat().st_size
    if path.suffix != ".db":
        return Saved(size, digest)
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            damage = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            schema = int(db.execute("PRAGMA user_version").fetchone()[0])
            if path.name == LOG:
                first, end = db.execute("SELECT min(offset), max(offset) FROM message").fetchone()
                saved = Saved(size, digest, schema, first=first, end=end)
            else:
                saved = Saved(size, digest, schema, position=_position(db))
    except sqlite3.DatabaseError as error:
        damage = str(error)
    if damage != "ok":
        raise ConfigError(f"{path.name}: the database is damaged ({damage}); put an earlier backup back")
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
        with tarfile.open(path, "r:gz") as tar:
            manifest = _manifest(path, tar)
            missing = dict(manifest.files)
            while member := tar.next():
                saved = missing.pop(member.name, None)
                # A link is never followed: what it leads to is no part of a backup.
                content = tar.extractfile(member) if member.isreg() else None
                if saved is None or content is None:
                    raise ConfigError(f"{path}: holds {member.name!r}, which does not belong into a backup; {OTHER}")
                if not _take(member.name, content, saved, texts, into):
                    raise ConfigError(f"{path}: {member.name} is not what the manifest says; {OTHER}")
            while tar.fileobj and tar.fileobj.read(CHUNK):
                pass  # to the end, where gzip's checksum over all stands
    except (tarfile.TarError, EOFError, ValueError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise ConfigError(f"{error.filename or path}: {error.strerror}; make room, or name another file") from error
        raise ConfigError(f"{path}: is damaged, or no backup of a hub ({error}); {OTHER}") from error
    if missing:
        raise ConfigError(f"{path}: {', '.join(missing)} is missing in it; {OTHER}")
    return manifest, texts


def _manifest(path: Path, tar: tarfile.TarFile) -> Manifest:
    member = tar.next()
    content = tar.extractfile(member) if member and member.name == MANIFEST else None
    if content is None:
        raise ConfigError(f"{path}: is no backup of a hub (it does not begin with {MANIFEST}); name another file")
    text = content.read(CHUNK)
    if (format_ := msgspec.json.decode(text)["format"]) != FORMAT:
        raise ConfigError(f"{path}: has format {format_}, this version reads {FORMAT}; use the version that made it")
    manifest = msgspec.json.decode(text, type=Manifest)
    for name in manifest.files:
        if not NAME.fullmatch(name):
            raise ConfigError(f"{path}: holds {name!r}, which does not belong into a backup; {OTHER}")
    return manifest


def _take(name: str, content: IO[bytes], saved: Saved, texts: dict[str, bytes], into: Path | None) -> bool:
    """Take one file and tell whether it is what the manifest says."""
    if not name.startswith("data/"):
        texts[name] = content.read(saved.size + 1)
        return len(texts[name]) == saved.size and hashlib.sha256(texts[name]).hexdigest() == saved.sha256
    if into is None:
        return _copy(content, None, saved)
    (into / name).parent.mkdir(parents=True, exist_ok=True)
    with (into / name).open("xb") as file:
        same = _copy(content, file, saved)
        file.flush()
        os.fsync(file.fileno())
    return same


def _copy(content: IO[bytes], out: IO[bytes] | None, saved: Saved) -> bool:
    """Copy and tell whether size and hash are right; no more is written than the manifest says."""
    digest, size = hashlib.sha256(), 0
    while chunk := content.read(CHUNK):
        size += len(chunk)
        if size > saved.size:
            return False
        digest.update(chunk)
        if out:
            out.write(chunk)
    return size == saved.size and digest.hexdigest() == saved.sha256
