"""What the watch over the network remembers of each board: when it was heard, and what was wrong with it."""

from dataclasses import dataclass, field

from hub.log.entry import Entry
from hub.wire.channels import Measured
from hub.wire.messages import Event, Status

FAULTY = frozenset("BDFT")
"""Flags (HJ 212) of a sensor that gives nothing usable: no communication, faulty, stopped, over range."""
WELL = 300
"""A sensor is in order again when nothing was flagged for so long, s."""

LONGEST_DAY = 32
"""Characters of a date that are remembered; a board may write anything."""


@dataclass(slots=True)
class Fault:
    """A sensor's run of flagged values, in the board's time (Unix s)."""

    since: int
    last: int
    flag: str


@dataclass(slots=True)
class Heard:
    """What is remembered of a board; times are the hub's (Unix s)."""

    last: float
    faults: dict[str, Fault] = field(default_factory=dict)
    suspected: set[str] = field(default_factory=set)
    """Quantities with an alert: they are looked at even in messages without a flag."""
    well: set[str] = field(default_factory=set)
    """Of those, what gave a normal value since."""
    wrong_clock: tuple[float, str] | None = None
    """When it was noticed last, and how."""
    dropped: tuple[float, int, str] | None = None
    """When records were given up last, how many, and why."""
    other: tuple[float, str, int, int] | None = None
    """When other content came last under numbers that the hub had: stream, first and last number of this run of it."""
    let_go: tuple[float, float, int] | None = None
    """Since when messages were let go of that came beyond its share, when it was noticed last, and how many."""
    cal_due: str | None = None
    """What its last status said of its calibration; None: nothing yet."""

    def hear(self, entry: Entry, now: float) -> None:
        """Take a message of the board."""
        said = entry.said
        if isinstance(said, Status):
            # The last will is the broker's word, and a retained status may be days old.
            if said.online:
                self.last = max(self.last, min(now, float(said.t)))
            if isinstance(said.cal_due, str):
                self.cal_due = said.cal_due[:LONGEST_DAY]
            return
        self.last = now
        if isinstance(said, Measured):
            self._follow_sensors(entry)
            if said.clock == "none":
                self.wrong_clock = (now, "none")
            if entry.branch:
                self._follow_numbers(entry, now)
        elif isinstance(said, Event) and said.dropped:
            _, first, last, reason = said.dropped
            self.dropped = (now, last - first + 1, reason)

    def _follow_numbers(self, entry: Entry, now: float) -> None:
        stream = entry.intervals[0].stream
        first, last = entry.fresh[0][0], entry.fresh[-1][1] - 1
        if self.other and self.other[1] == stream:
            first, last = min(first, self.other[2]), max(last, self.other[3])
        self.other = (now, stream, first, last)

    def _follow_sensors(self, entry: Entry) -> None:
        for i in entry.intervals:
            if not (i.flagged or self.faults or self.suspected):
                continue
            for quantity, (flag, _) in i.flagged.items():
                if flag in FAULTY:
                    fault = self.faults.setdefault(quantity, Fault(i.t, i.t, flag))
                    fault.last, fault.flag = max(fault.last, i.t + i.dt), flag
                    self.well.discard(quantity)
            for quantity in i.values:
                run = self.faults.get(quantity)
                if run and i.t + i.dt - run.last >= WELL:
                    del self.faults[quantity]
                if quantity in self.suspected and quantity not in self.faults:
                    self.well.add(quantity)
