"""What a series store is."""

from typing import Protocol

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


class Store(Protocol):
    """Keeps series by time. Writing the same again changes nothing: the log may be replayed at any time.

    Several threads may use one store at once.
    """

    def position(self) -> int:
        """Return the log's offset up to which everything has been written."""

    def write(self, intervals: list[Interval], position: int) -> None:
        """Write what was measured, then remember that the log is done up to `position`.

        A point that the store refuses for ever, while it takes others, goes to quarantine and holds nothing up.

        Raises:
            StoreError: the store could not take them now; nothing is lost, the same call is made again later.
        """

    def write_rollups(self, rollups: list[Rollup]) -> None:
        """Write rollups, over earlier ones of the same board, quantity, period and start.

        Raises:
            StoreError: as for `write`.
        """

    def close(self) -> None:
        """Release files and connections."""
