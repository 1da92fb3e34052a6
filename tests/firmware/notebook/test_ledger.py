"""The calibration ledger: nothing in it can be changed unnoticed."""

import datetime as dt
import re

import msgspec
import pytest

from firmware.notebook.calibrations import START, CalibrationEntry, Comparison, Ledger, Reference
from schemas.errors import UserError

CALIBRATOR = Reference("Sound calibrator, class 1", "35021", "L2026-118", dt.date(2027, 3, 31))


def entry(**changes):
    made = CalibrationEntry(
        board="pit-1",
        sensor="noise",
        channel="laf",
        method="noise",
        who="Technician 7",
        at=dt.datetime(2026, 11, 26, 8, 0, tzinfo=dt.UTC),
        reference=CALIBRATOR,
        conditions="dry, calm",
        readings=(Comparison(true=94.0, raw=94.6, before=94.6, after=94.0),),
        before={},
        after={"offset": -0.6},
        id=1,
        due=dt.date(2027, 5, 26),
    )
    return msgspec.structs.replace(made, **changes)


def test_entries_come_back_as_they_were_made_by_board_and_the_last_of_a_channel(tmp_path):
    ledger = Ledger(tmp_path)
    assert ledger.entries() == []
    first = ledger.add(entry())
    ledger.add(entry(board="pit-2"))
    last = ledger.add(entry(id=2, drift=0.3))
    assert ledger.entries("pit-1") == [first, last]
    assert first.previous == START
    assert last.previous != START
    assert ledger.last("pit-1", "laf") == last
    assert ledger.last("pit-1", "pm10") is None
    assert oct(ledger.path.stat().st_mode & 0o777) == "0o600"


@pytest.mark.parametrize(
    ("tamper", "line"),
    [
        (lambda lines: [lines[0].replace(b"Technician 7", b"Technician 8"), *lines[1:]], 2),
        (lambda lines: [lines[0], *lines[2:]], 2),
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[1], lines[0], lines[2]], 1),
        (lambda lines: [lines[0], lines[1][:40]], 2),
    ],
)
def test_a_change_a_loss_a_swap_and_a_torn_line_are_noticed_and_nothing_is_added_behind_them(tmp_path, tamper, line):
    ledger = Ledger(tmp_path)
    for number in range(3):
        ledger.add(entry(id=number + 1))
    lines = ledger.path.read_bytes().splitlines(keepends=True)
    ledger.path.write_bytes(b"".join(tamper(lines)))
    before = ledger.path.read_bytes()
    with pytest.raises(UserError, match=re.escape(f"line {line}:")):
        ledger.entries()
    with pytest.raises(UserError, match="keep the file as it is"):
        ledger.add(entry(id=4))
    assert ledger.path.read_bytes() == before


def test_an_entry_without_a_certificate_is_none():
    text = msgspec.json.encode(entry()).replace(b"L2026-118", b"")
    with pytest.raises(msgspec.ValidationError, match=r"certificate|length"):
        msgspec.json.decode(text, type=CalibrationEntry)
