"""Gives processes a wall clock that can be set wrong and right again while they run, by Debian's libfaketime."""

from pathlib import Path


class WrongClock:
    """A wall clock in the file `folder`/clock; start what shall see it with `environment`. It begins right.

    Only the wall clock is another: the monotonic clock, by which programs wait, and the times of files stay true, as
    they do when a machine's clock is set.
    """

    def __init__(self, library: Path, folder: Path) -> None:
        self._path = folder / "clock"
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self.set(0)

    def set(self, offset: float) -> None:
        """Set it `offset` s before (negative) or ahead of the right time."""
        new = self._path.with_suffix(".new")
        new.write_text(f"{offset:+}\n")
        new.replace(self._path)  # at once: a process that finds half of it ends


def clean_up(pid: int) -> None:
    """Remove what libfaketime leaves behind of a process that was killed."""
    for left in Path("/dev/shm").glob(f"*faketime_s[eh]m_{pid}"):
        left.unlink(missing_ok=True)
