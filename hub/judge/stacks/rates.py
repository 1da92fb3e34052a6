"""Transmission rate x validity rate (数据传输有效率), by which key polluters are graded."""

from collections.abc import Iterable

import msgspec

from hub.judge.stacks.hours import OutletHour


class Rates(msgspec.Struct, frozen=True):
    """What of the hourly values that were due came, and what of these is valid.

    An hourly value of each pollutant is due for each hour that is over in which the plant was not known to be at rest.
    """

    due: int
    transmitted: int
    """Hours of which anything came, with whatever letter."""
    valid: int

    @property
    def transmission(self) -> float | None:
        """Transmitted / due; None: nothing was due."""
        return self.transmitted / self.due if self.due else None

    @property
    def validity(self) -> float | None:
        """Valid / transmitted; None: nothing came."""
        return self.valid / self.transmitted if self.transmitted else None

    @property
    def product(self) -> float | None:
        """Transmission rate x validity rate: valid / due; None: nothing was due."""
        return self.valid / self.due if self.due else None


def rates_of(hours: Iterable[OutletHour]) -> Rates:
    """Return the rates of hours, of one pollutant or of several."""
    due = [one for one in hours if one.state != "stopped"]
    return Rates(len(due), sum(one.heard for one in due), sum(one.valid for one in due))
