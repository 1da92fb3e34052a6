"""What a series store is."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from hub.log.entry import Interval
from hub.series.periods import DAY

PERIODS = {600: "10m", 3600: "1h", DAY: "24h"}
"""The rollups' periods by their length in s."""


class Rollup(msgspec.Struct, frozen=True, gc=False):
    """One quantity of one board over a longer period.

    `period`: its length, s, one of `PERIODS`. `start`: Unix s, UTC. `value`: by the quantity's aggregate; None where
    there is none (the wind from all sides). `capture`: the share of the period that was measured with flag N, 0 to 1.
    `highest`, `lowest`: of the intervals' values, where they tell more than the value itself.
    """

    district: str
    site: str
    device: str
    quantity: str
    period: int
    start: int
    value: float | None
    capture: float
    highest: float | None = None
    lowest: float | None = None


class Gone(NamedTuple):
    """A rollup that is one no more; see `Rollup`."""

    district: str
    site: str
    device: str
    quantity: str
    period: int
    start: int


class Void(NamedTuple):
    """What a sensor gave from `since` to `until` (Unix s), all the time the same value: it does not count."""

    district: str
    site: str
    device: str
    quantity: str
    since: int
    until: int
    value: float


def voids_of(intervals: Iterable[Interval]) -> list[Void]:
    """Return what intervals take back."""
    return [
        Void(i.district, i.site, i.device, quantity, since, i.t, value)
        for i in intervals
        if i.void
        for quantity, since in i.void.items()
        if (value := i.flagged[quantity][1]) is not None
    ]


def without(intervals: Iterable[Interval], voids: Sequence[Void]) -> list[Interval]:
    """Return intervals in which what is taken back is flagged D instead of counted."""
    by_device: dict[str, list[Void]] = {}
    for void in voids:
        by_device.setdefault(void.device, []).append(void)
    found = []
    for i in intervals:
        gone = {
            v.quantity: ("D", v.value)
            for v in by_device.get(i.device, ())
            if v.since <= i.t < v.until and i.values.get(v.quantity) == v.value
        }
        if gone:
            values = {quantity: value for quantity, value in i.values.items() if quantity not in gone}
            found.append(msgspec.structs.replace(i, values=values, flagged=i.flagged | gone))
        else:
            found.append(i)
    return found


class Store(Protocol):
    """Keeps series by time. Writing the same again changes nothing: the log may be replayed at any time.

    Several threads may use one store at once.
    """

    def position(self) -> int:
        """Return the log's offset up to which everything has been written."""

    def write(self, intervals: list[Interval], position: int) -> None:
        """Write what was measured, then remember that the log is done up to `position`.

        What an interval takes back (`void`) is stored already, or part of this: from then on it stands there flagged.

        A point that the store refuses for ever, while it takes others, goes to quarantine and holds nothing up.

        Raises:
            StoreError: the store could not take them now; nothing is lost, the same call is made again later.
        """

    def write_rollups(self, rollups: list[Rollup]) -> None:
        """Write rollups, over earlier ones of the same board, quantity, period and start.

        Raises:
            StoreError: as for `write`.
        """

    def take_back_rollups(self, rollups: list[Gone]) -> None:
        """Remove rollups; what is left of the same board and time is written after it.

        Raises:
            StoreError: as for `write`.
        """

    def close(self) -> None:
        """Release files and connections."""
