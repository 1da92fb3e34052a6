"""What a series store is."""

from typing import Protocol

from hub.readings import Reading


class Store(Protocol):
    """Keeps readings by time. Writing the same readings again changes nothing: the log may be replayed at any time."""

    def position(self) -> int:
        """Return the log's offset up to which everything has been written."""

    def write(self, readings: list[Reading], position: int) -> None:
        """Write readings, then remember that the log is done up to `position`.

        Raises:
            StoreError: the store could not take them now; nothing is lost, the same call is made again later.
        """

    def close(self) -> None:
        """Release files and connections."""


class StoreError(Exception):
    """A store that does not answer or refuses; its text says why."""
