"""When a record was made: by the clock if it was ever set, else by a timeline of its own that is placed in time later.

A record made before the clock was set carries the seconds of a numbered timeline (clock `-N`). When the clock is set,
the place of timeline N is kept in the file `timelines`, and the record gets its time when it is sent. After a reset the
same timeline goes on where its last record ended, so such records never overlap. The time without power is not in it:
that is why they are sent with clock "none".
"""

from edge import files


class Timeline:
    """The board's time for records; `folder` holds the file, `last` is the last record kept, if any."""

    def __init__(self, board, folder, last=None):
        self._board = board
        self._path = folder + "/timelines"
        self._places = {}
        try:
            with open(self._path) as file:
                for text in file:
                    if not text.endswith("\n"):
                        break
                    number, place = text.split()
                    self._places[int(number)] = int(place)
        except (OSError, ValueError):
            pass  # none yet, or its last line is torn: that timeline is placed again
        begin = 0
        self._number = max(self._places) + 1 if self._places else 1
        if last:
            clock, t, dt = last
            if clock[0] == "-" and -int(clock) not in self._places:
                self._number, begin = -int(clock), t + dt
        self._shift = begin * 1000 - board.ticks_ms()

    def now(self):
        """Return `(ms, clock)`: Unix time and how good it is, or milliseconds of the timeline and its name `-N`."""
        quality = self._board.clock_quality
        if quality == "none":
            return self._board.ticks_ms() + self._shift, "-%d" % self._number
        if self._number not in self._places:
            place = (self._board.now_ms() - self._board.ticks_ms() - self._shift) // 1000
            self._places[self._number] = place
            lines = ["%d %d\n" % item for item in sorted(self._places.items())]
            files.replace(self._path, "".join(lines))
        return self._board.now_ms(), quality

    def place(self, clock, t, dt):
        """Return `(t, clock)` as they are sent, or None while the timeline `clock` has no place yet."""
        if clock[0] != "-":
            return t, clock
        place = self._places.get(-int(clock))
        return None if place is None else (t + place // dt * dt, "none")
