"""What one board or station said of one hour, added up: the ground on which everything about a stack is calculated."""

from collections.abc import Iterable, Mapping

import msgspec

from hub.judge.stacks.oxygen import AIR, DILUTED

HOUR = 3600
OXYGEN, FLOW = "stack_o2", "stack_flow"
ZS = ("_min_zs_avg", "_hour_zs_avg", "_rtd_zs_rtd", "_min_zs_rtd")
"""Ends of the keys under which a station's own converted values stand in a record's `r` (`hub.wire.station`); of
several, the first counts."""


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One interval of one board or station: what it measured in the stack."""

    t: int
    """Start, Unix s."""
    dt: int
    """Length, s; it lies in one hour."""
    values: dict[str, float]
    """With flag N, by quantity."""
    flagged: dict[str, str]
    """Letters of what is not normal, by quantity."""
    zs: dict[str, float] = {}
    """What the station itself has converted to the reference oxygen, by quantity."""


class Measured(msgspec.Struct, array_like=True, gc=False):
    """One quantity in one hour."""

    seconds: float = 0.0
    """Measured with flag N."""
    total: float = 0.0
    """Integral over time of that."""
    flagged: dict[str, float] = {}
    """Seconds by letter of what is not normal."""
    zs_seconds: float = 0.0
    """Of these the station has sent its own conversion, too."""
    zs_total: float = 0.0
    """Integral of the station's own."""
    zs_raw: float = 0.0
    """Integral of the measured value over the same time..."""
    zs_basis: float = 0.0
    """...and of the measured value / (21 - oxygen)."""

    @property
    def mean(self) -> float | None:
        """Mean of what was measured with flag N."""
        return self.total / self.seconds if self.seconds else None

    @property
    def heard(self) -> float:
        """Seconds of which anything was said."""
        return self.seconds + sum(self.flagged.values())


class Cells(msgspec.Struct, array_like=True, gc=False):
    """All quantities of one source in one hour."""

    quantities: dict[str, Measured] = {}


def cells_of(records: Iterable[Record]) -> Cells:
    """Return what records of one source in one hour come to."""
    found: dict[str, Measured] = {}
    for one in records:
        for quantity, value in one.values.items():
            cell = found.setdefault(quantity, Measured(flagged={}))
            cell.seconds += one.dt
            cell.total += value * one.dt
            _compare(cell, one, value, one.zs.get(quantity))
        for quantity, letter in one.flagged.items():
            cell = found.setdefault(quantity, Measured(flagged={}))
            cell.flagged[letter] = cell.flagged.get(letter, 0.0) + one.dt
    return Cells(found)


def _compare(cell: Measured, record: Record, value: float, zs: float | None) -> None:
    oxygen = record.values.get(OXYGEN)
    if zs is None or oxygen is None or oxygen >= DILUTED:
        return
    cell.zs_seconds += record.dt
    cell.zs_total += zs * record.dt
    cell.zs_raw += value * record.dt
    cell.zs_basis += value / (AIR - oxygen) * record.dt


def own_conversions(reported: Mapping[str, float], quantities: Iterable[str]) -> dict[str, float]:
    """Return what a station itself has converted of the same interval, by quantity."""
    found = {}
    for quantity in quantities:
        for end in ZS:
            if (value := reported.get(quantity + end)) is not None:
                found[quantity] = value
                break
    return found
