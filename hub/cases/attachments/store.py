"""Takes, keeps and gives the files of cases. A file is kept first, then the case's history tells of it.

A hub that is killed in between has a file of which no case tells; whoever sends it again gets it attached, and it is
kept once. What does not fit is refused whole: what is there stays as it is.
"""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from hub.cases.attachments.content import look_at
from hub.cases.attachments.tables import FILE, STEPS
from hub.cases.desk import CaseDesk
from hub.cases.refusal import CaseError, wrong
from hub.cases.rules.records import Case, Event, Shows
from hub.config.files import Config
from hub.storage.database import open_database, transaction
from hub.storage.room import short_of_room
from hub.storage.trouble import means_full
from schemas.language import Text

LONGEST_NAME = 120
INSUFFICIENT_STORAGE = 507


class Kept(NamedTuple):
    """A file as it is kept."""

    media: str
    content: bytes
    shown: bytes | None


class Attached(NamedTuple):
    """A file of a case, as its history tells of it."""

    event: Event
    sha256: str
    name: str
    media: str
    size: int
    shows: Shows

    @property
    def is_picture(self) -> bool:
        """Whether pages show it."""
        return self.media.startswith("image/")


def attach(
    desk: CaseDesk,
    config: Config,
    id_: int,
    name: str,
    content: bytes,
    shows: str,
    *,
    seen: int | None = None,
    key: str = "",
    text: str = "",
) -> Case:
    """Attach a file to a case.

    Raises:
        CaseError: it is none that is taken, there is no room for it, or the case does not allow it.
    """
    case = desk.get(id_)
    if "attach" not in desk.may(case):  # before megabytes are decoded and kept
        return desk.act(id_, "attach", text, seen=seen, key=key)
    most = config.cases.attachment_mb * 1e6
    if len(content) > most:
        raise wrong(
            "file",
            f"{len(content) / 1e6:.1f} MB; at most {most / 1e6:g} MB ([cases] attachment_mb)",
            f"文件{len(content) / 1e6:.1f} MB，最大{most / 1e6:g} MB（[cases] attachment_mb）",
        )
    digest = keep(config, content)
    kept = find(config.data, digest)
    assert kept, "it was kept"
    given = {"sha256": digest, "name": clean(name, kept.media), "media": kept.media, "size": len(content)}
    return desk.act(id_, "attach", text, seen=seen, key=key, shows=shows, **given)


def keep(config: Config, content: bytes) -> str:
    """Keep a file and return its SHA-256; one that is there already is kept once.

    Raises:
        CaseError: it is none that is taken, or there is no room for it.
    """
    looked, digest = look_at(content), hashlib.sha256(content).hexdigest()
    if problem := short_of_room(config.data, config.keep, 0):
        raise _no_room(problem, "磁盘空间不足")
    try:
        with closing(open_database(config.data / FILE, STEPS)) as db, transaction(db):
            if db.execute("SELECT 1 FROM attachment WHERE sha256 = ?", (digest,)).fetchone():
                return digest
            stored = len(content) + len(looked.shown or b"")
            if usage(db) + stored > config.cases.attachments_mb * 1e6:
                most = f"{config.cases.attachments_mb:g} MB ([cases] attachments_mb)"
                raise _no_room(f"all attachments together may have {most}", f"全部附件合计最多{most}")
            db.execute(
                "INSERT INTO attachment (sha256, media, size, stored, content, shown) VALUES (?, ?, ?, ?, ?, ?)",
                (digest, looked.media, len(content), stored, content, looked.shown),
            )
    except (sqlite3.Error, OSError) as error:
        if means_full(error, config.data):
            raise _no_room("the disk is full", "磁盘已满") from error
        raise
    return digest


def usage(db: sqlite3.Connection) -> int:
    """Return how many bytes are kept."""
    return int(db.execute("SELECT ifnull(sum(stored), 0) FROM attachment").fetchone()[0])


def stored(data: Path) -> tuple[set[str], int]:
    """Return which files are kept in a data folder, and how many bytes they take."""
    if not (data / FILE).exists():
        return set(), 0
    with closing(open_database(data / FILE, STEPS)) as db:
        return {digest for (digest,) in db.execute("SELECT sha256 FROM attachment")}, usage(db)


def find(data: Path, digest: str) -> Kept | None:
    """Return a file by its SHA-256; None: it is not kept."""
    if not (data / FILE).exists():
        return None
    with closing(open_database(data / FILE, STEPS)) as db:
        row = db.execute("SELECT media, content, shown FROM attachment WHERE sha256 = ?", (digest,)).fetchone()
    return Kept(*row) if row else None


def attached(history: list[Event]) -> list[Attached]:
    """Return the files of which a history tells, the first one first."""
    return [
        Attached(event, *(event.data[name] for name in ("sha256", "name", "media", "size", "shows")))
        for event in history
        if event.what == "attach"
    ]


def of_case(desk: CaseDesk, data: Path, id_: int, digest: str) -> tuple[Attached, Kept]:
    """Return a file of a case that concerns the user.

    Raises:
        CaseError: there is none.
    """
    desk.get(id_)
    told = next((one for one in attached(desk.book.events(id_)) if one.sha256 == digest), None)
    kept = find(data, digest) if told else None
    if told is None or kept is None:
        raise CaseError("file", Text(f"case {id_} has no such file", f"案件{id_}没有此文件"), 404)
    return told, kept


def clean(name: str, media: str) -> str:
    """Return a file's name without its path and what no name should have; it is shown, and offered when it is saved."""
    bare = "".join(one for one in name.replace("\\", "/").rpartition("/")[2] if one.isprintable() and one not in '"<>')
    return bare.strip(" .")[-LONGEST_NAME:] or f"file.{media.rpartition('/')[2]}"


def _no_room(en: str, zh: str) -> CaseError:
    text = Text(
        f"there is no room for it ({en}); nothing was kept, and what is there stays; tell the city's IT",
        f"没有空间保存该文件（{zh}）；未做任何更改，请联系系统管理员",
    )
    return CaseError("file", text, INSUFFICIENT_STORAGE)
