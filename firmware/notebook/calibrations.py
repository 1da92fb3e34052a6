"""The calibration ledger: who calibrated which sensor, when, by what, with which result. Entries are only ever added.

A file of lines of JSON on the technician's laptop, one entry a line. Each entry holds the SHA-256 of the line before
it, so an entry that is changed or taken out later is noticed: the chain no longer fits. It is no proof against somebody
who writes the whole file anew; the copy that the hub gets (`fenceline board sync`) and the event in the hub's log are.
"""

import datetime as dt
import hashlib
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from firmware.notebook.folder import locked
from schemas.errors import UserError
from schemas.language import Text

FILE = "calibrations.jsonl"
START = "0" * 64
"""What the first entry has before it."""

SUFFICES = Text(", suffices", "，满足要求")
STAYS = Text(", does not suffice: indicative", "，不满足要求：指示性")
"""What is said beside a collocation's figures."""
Method = Literal["noise", "zero", "collocation", "gas", "points"]
Filled = Annotated[str, msgspec.Meta(min_length=1)]


class Reference(msgspec.Struct, frozen=True, omit_defaults=True):
    """The instrument or gas that the sensor was compared with."""

    instrument: Filled
    serial: Filled
    """Serial number; of a cylinder, its number."""
    certificate: Filled
    expires: dt.date
    """Last day on which the certificate holds."""


class Comparison(msgspec.Struct, frozen=True, omit_defaults=True):
    """One point: the true value, and what the sensor gave beside it."""

    true: float
    raw: float
    """Before any correction."""
    before: float
    """With the correction that was in force: what the hub would have been told."""
    after: float
    """With the new correction."""
    spread: float = 0.0
    """Two standard deviations of the readings."""
    seconds: float = 0.0


class Trial(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a collocation shows of the instrument (`firmware.calibrate.sufficiency`)."""

    since: dt.datetime | None = None
    """When its first pair began, and its last one ended."""
    until: dt.datetime | None = None
    figures: dict[str, float] = {}
    """Of the corrected means on the reference's: days, means, slope, intercept, r2, rmse."""
    lacks: tuple[str, ...] = ()
    """Figures that are not as asked; none: it suffices."""

    @property
    def suffices(self) -> bool:
        """Whether it makes the sensor more than indicative."""
        return not self.lacks


class CalibrationEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One calibration of one channel. Values are in the catalogue's unit."""

    board: Filled
    sensor: Filled
    channel: Filled
    method: Method
    who: Filled
    at: dt.datetime
    reference: Reference
    conditions: str
    """Weather and surroundings: what the technician wrote, and what the board measured."""
    readings: tuple[Comparison, ...]
    before: dict[str, Any]
    """The correction that was in force, as the board's calibration has it."""
    after: dict[str, Any]
    id: int
    """Of the board's calibration after it: records say under which id they were made."""
    due: dt.date
    """Day from which it is overdue."""
    drift: float | None = None
    """How far the corrected reading had moved off the truth since the last calibration: the largest of the points;
    None at the first."""
    fit: dict[str, float] = {}
    """Collocation: slope, offset, r2, rmse, n."""
    trial: Trial | None = None
    """Of a collocation: whether it suffices, and from when to when it was."""
    remark: str = ""
    previous: str = START


class Ledger:
    """The ledger in the file `calibrations.jsonl` of a folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def add(self, entry: CalibrationEntry) -> CalibrationEntry:
        """Add an entry, on the medium when it returns; return it as it stands there.

        Raises:
            UserError: the file cannot be written, or was tampered with.
        """
        with locked(self.path):
            _, last = self._read()
            entry = msgspec.structs.replace(entry, previous=last)
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND)
            try:
                os.write(handle, msgspec.json.encode(entry) + b"\n")
                os.fsync(handle)
            except OSError as error:
                raise UserError(f"{self.path}: {error.strerror}; make room and calibrate again") from error
            finally:
                os.close(handle)
        return entry

    def entries(self, board: str = "") -> list[CalibrationEntry]:
        """Return the entries in the order in which they were made, of one board or of all.

        Raises:
            UserError: an entry was changed, taken out or damaged.
        """
        found, _ = self._read() if self.path.exists() else ([], START)
        return [entry for entry in found if board in ("", entry.board)]

    def last(self, board: str, channel: str) -> CalibrationEntry | None:
        """Return the newest entry of a board's channel."""
        return next((entry for entry in reversed(self.entries(board)) if entry.channel == channel), None)

    def _read(self) -> tuple[list[CalibrationEntry], str]:
        """Return the entries and the hash of the last line."""
        try:
            lines = self.path.read_bytes().splitlines(keepends=True)
        except OSError as error:
            raise UserError(f"{self.path}: {error.strerror}; the calibration ledger must be readable") from error
        entries, last = [], START
        for number, line in enumerate(lines, 1):
            try:
                entry = msgspec.json.decode(line, type=CalibrationEntry)
            except msgspec.DecodeError as error:
                raise UserError(f"{self.path}, line {number}: damaged ({error}); {_KEEP}") from None
            if entry.previous != last or not line.endswith(b"\n"):
                raise UserError(f"{self.path}, line {number}: the chain is broken: an entry {_CHANGED}; {_KEEP}")
            entries.append(entry)
            last = hashlib.sha256(line).hexdigest()
        return entries, last


_CHANGED = "before it was changed, taken out or cut off"
_KEEP = "keep the file as it is for the records, move it aside, and get the copy that the hub has"
