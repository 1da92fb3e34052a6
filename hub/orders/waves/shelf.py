"""The bundles that boards may take: each was signed by the city, and is kept, whole, in compliance.db.

`fenceline board bundle --sign` makes one. The signature (Ed25519, `manifest.sig`) covers the manifest, which names the
SHA-256 of every file. A board gets the manifest's SHA-256 in an order under its own key: so it takes nothing else,
whoever serves the files.
"""

import hashlib
import json
import re
import sqlite3
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hub.orders.kinds import OrderError
from hub.storage.database import transaction
from schemas.language import Text

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
MOST = 16 * 1024
"""Bytes of a manifest that a board takes (edge/update.py)."""


class _File(msgspec.Struct, frozen=True):
    size: int
    sha256: str


class _Manifest(msgspec.Struct, frozen=True):
    version: str
    arch: str
    mpy: str
    files: dict[str, _File]


class Bundle(msgspec.Struct, frozen=True):
    """A bundle on the shelf; `sha256` is that of its manifest."""

    sha256: str
    version: str
    arch: str
    who: str
    added: float


def number(version: str) -> tuple[int, ...]:
    """Return a version so that later ones are larger, as boards count (edge/update.py)."""
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))


class Shelf:
    """The bundles in the database behind `db`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, folder: Path, trusted: Path, who: str, now: float) -> Bundle:
        """Take in the bundle of a folder if the key whose public half is in the file `trusted` has signed it.

        Raises:
            OrderError: it is not signed with it, not whole, or another one of its version is there.
        """
        manifest, signature = _read(folder / MANIFEST), _read(folder / SIGNATURE)
        refuse_foreign(folder, manifest, signature, trusted)
        said = _manifest(folder, manifest)
        files = {name: _read(folder / name) for name in said.files}
        for name, content in files.items():
            if hashlib.sha256(content).hexdigest() != said.files[name].sha256:
                raise OrderError(
                    Text(
                        f"{folder}: {name} is not what the manifest says; build it again with 'fenceline board bundle'",
                        f"{folder}：{name}与清单不符；请用 fenceline board bundle 重新生成",
                    )
                )
        sha256 = hashlib.sha256(manifest).hexdigest()
        with transaction(self._db):
            there = {one.arch: one for one in self.of(said.version)}.get(said.arch)
            if there is not None and there.sha256 != sha256:
                raise OrderError(
                    Text(
                        f"{folder}: another bundle of {said.version} for {said.arch} is there already; "
                        "what differs needs a version of its own",
                        f"{folder}：已有{said.version}（{said.arch}）的另一软件包；内容不同须使用新的版本号",
                    ),
                    status=409,
                )
            self._db.executemany(
                "INSERT OR IGNORE INTO bundle_file (sha256, content) VALUES (?, ?)",
                [(said.files[name].sha256, content) for name, content in files.items()],
            )
            self._db.execute(
                "INSERT OR IGNORE INTO bundle (sha256, version, arch, manifest, signature, who, added) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (sha256, said.version, said.arch, manifest, signature.decode("ascii").strip(), who, now),
            )
        return next(one for one in self.of(said.version) if one.arch == said.arch)

    def of(self, version: str) -> list[Bundle]:
        """Return the bundles of a version, one for each architecture."""
        return [one for one in self.all() if one.version == version]

    def all(self) -> list[Bundle]:
        """Return every bundle, the latest version last."""
        rows = self._db.execute("SELECT sha256, version, arch, who, added FROM bundle ORDER BY added, arch")
        return sorted((Bundle(*row) for row in rows), key=lambda one: number(one.version))

    def file(self, sha256: str, name: str) -> bytes | None:
        """Return a file of the bundle whose manifest has this SHA-256; None: there is none."""
        row = self._db.execute("SELECT manifest FROM bundle WHERE sha256 = ?", (sha256,)).fetchone()
        if row is None or name == MANIFEST:
            return bytes(row[0]) if row else None
        file = json.loads(row[0])["files"].get(name)
        found = (
            self._db.execute("SELECT content FROM bundle_file WHERE sha256 = ?", (file["sha256"],)) if file else None
        )
        content = found.fetchone() if found else None
        return bytes(content[0]) if content else None

    def refuse_unsigned(self, version: str, trusted: Path) -> None:
        """Raise OrderError unless there are bundles of a version, each signed with the key that is trusted now."""
        rows = self._db.execute("SELECT arch, manifest, signature FROM bundle WHERE version = ?", (version,)).fetchall()
        if not rows:
            known = ", ".join(dict.fromkeys(one.version for one in self.all()))
            raise OrderError(
                Text(
                    f"there is no bundle of {version}: add one with 'fenceline fleet add FOLDER'; "
                    f"there are {known or 'none'}",
                    f"没有{version}的软件包：请用 fenceline fleet add 目录 添加；现有：{known or '无'}",
                ),
                "version",
                404,
            )
        for arch, manifest, signature in rows:
            refuse_foreign(Path(f"{version} ({arch})"), bytes(manifest), signature.encode(), trusted)


def refuse_foreign(what: Path, manifest: bytes, signature: bytes, trusted: Path) -> None:
    """Raise OrderError unless a manifest was signed with the key whose public half is in the file `trusted`."""
    try:
        public = serialization.load_pem_public_key(trusted.read_bytes())
    except (OSError, ValueError) as error:
        raise _no_key(trusted, str(error)) from error
    if not isinstance(public, Ed25519PublicKey):
        raise _no_key(trusted, "not an Ed25519 key")
    try:
        public.verify(bytes.fromhex(signature.decode("ascii")), manifest)
    except (ValueError, InvalidSignature) as error:
        raise OrderError(
            Text(
                f"{what} is not signed with the key of {trusted}: it was changed or comes from elsewhere; "
                "boards do not get it",
                f"{what}未用{trusted}对应的密钥签名：内容被改动或来源不明，不会下发",
            )
        ) from error


def _no_key(trusted: Path, why: str) -> OrderError:
    return OrderError(
        Text(
            f"{trusted}: no public key to check bundles with ({why}); it is the .pub of 'fenceline board bundle-key'",
            f"{trusted}：不是可用的公钥（{why}）；应为 fenceline board bundle-key 生成的 .pub 文件",
        )
    )


def _manifest(folder: Path, text: bytes) -> _Manifest:
    try:
        said = msgspec.json.decode(text, type=_Manifest)
    except msgspec.DecodeError as error:
        raise OrderError(Text(f"{folder}: not a manifest ({error})", f"{folder}：清单无效（{error}）")) from error
    wrong = [name for name in said.files if name.startswith("/") or ".." in name]
    if wrong or not said.files or len(text) > MOST or not re.fullmatch(r"[0-9]+(\.[0-9]+)*", said.version):
        raise OrderError(
            Text(
                f"{folder}: boards would refuse it; expected a version of numbers and dots (it is {said.version!r}), "
                f"files below the folder, and a manifest of at most {MOST} bytes",
                f"{folder}：设备不会接受；版本号应为数字和点（现为{said.version!r}），文件须在目录内，清单不超过{MOST}字节",
            )
        )
    return said


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise OrderError(
            Text(
                f"{path} cannot be read ({error.strerror}); expected the folder of 'fenceline board bundle --sign KEY'",
                f"{path}无法读取（{error.strerror}）；应为 fenceline board bundle --sign 密钥 生成的目录",
            )
        ) from error
