"""What a technician's laptop knows of the boards it has worked on, and what the hub has not been told yet.

`boards/ID.json`: site, position, sensors; no secret. `outgoing/ID.json`: there is something to tell the hub; with a
board's key in it until the hub has it, so only its owner can read it.
"""

import datetime as dt
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from firmware.notebook.folder import write_secret
from schemas.errors import UserError

T = TypeVar("T")


class BoardRecord(msgspec.Struct, omit_defaults=True):
    """A board as it was provisioned."""

    board: str
    site: str
    district: str
    sensors: list[dict[str, Any]]
    """Settings as in its `config.json`."""
    broker: str
    """HOST:PORT."""
    who: str
    provisioned: dt.datetime | None = None
    """None: from another laptop."""
    mac: str = ""
    """Hardware address of the chip."""
    site_name: str = ""
    position: tuple[float, float] | None = None
    """Latitude and longitude in degrees, WGS-84."""
    place: str = ""
    """Where at the fence it hangs, in words: gate 2, 3 m above ground."""
    interval: int = 10
    certificate_expires: dt.date | None = None
    serials: dict[str, str] = {}
    """Serial numbers of its sensors, by the sensor's name: what a calibration and a site's contract speak of."""
    registered: dt.datetime | None = None
    """When the hub last took what was told of it."""


class Outgoing(msgspec.Struct, omit_defaults=True):
    """What the hub is to be told: always the whole record; the key only of a board that it does not know yet."""

    board: str
    since: dt.datetime
    key: str | None = None

    def __repr__(self) -> str:
        """Show no key, not even in a traceback."""
        return f"Outgoing({self.board!r})"


class Records:
    """The records in a technician's folder."""

    def __init__(self, folder: Path) -> None:
        self._boards = folder / "boards"
        self._outgoing = folder / "outgoing"

    def put(self, record: BoardRecord) -> None:
        """Keep a board's record."""
        write_secret(self._boards / f"{record.board}.json", msgspec.json.format(msgspec.json.encode(record)))

    def get(self, board: str) -> BoardRecord | None:
        """Return a board's record, None if it was never provisioned from here."""
        return _read(self._boards / f"{board}.json", BoardRecord)

    def all(self) -> list[BoardRecord]:
        """Return the records of all boards, by id."""
        paths = sorted(self._boards.glob("*.json")) if self._boards.exists() else []
        return [record for path in paths if (record := _read(path, BoardRecord))]

    def adopt(self, config: dict[str, Any], who: str) -> None:
        """Make a record of a board that was provisioned from another laptop; one that is there stays."""
        board, broker = str(config["device"]), config["broker"]
        if self.get(board) is None:
            place = f"{broker['host']}:{broker['port']}"
            self.put(BoardRecord(board, str(config["site"]), str(config["district"]), config["sensors"], place, who))

    def queue(self, board: str, now: dt.datetime, key: str | None = None) -> None:
        """Note that the hub is to be told of a board; a key that waits already stays."""
        there = self.outgoing(board)
        new = Outgoing(board, there.since if there else now, key or (there.key if there else None))
        write_secret(self._outgoing / f"{board}.json", msgspec.json.encode(new))

    def outgoing(self, board: str) -> Outgoing | None:
        """Return what waits for a board."""
        return _read(self._outgoing / f"{board}.json", Outgoing)

    def waiting(self) -> list[str]:
        """Return the boards of which the hub is to be told, by id."""
        return sorted(path.stem for path in self._outgoing.glob("*.json")) if self._outgoing.exists() else []

    def told(self, board: str, now: dt.datetime) -> None:
        """Note that the hub has it all; the key on this laptop is gone."""
        record = self.get(board)
        if record:
            record.registered = now
            self.put(record)
        (self._outgoing / f"{board}.json").unlink(missing_ok=True)


def _read(path: Path, type_: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=type_)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "damaged"
        raise UserError(f"{path}: cannot be used ({why}); move it aside and provision the board again") from None
