"""What the watch over the network remembers of each board: when it was heard, and what was wrong with it."""

from dataclasses import dataclass, field

from hub.judge.lateness import Late, follow
from hub.log.entry import Entry
from hub.wire.channels import TERMINAL, Measured, Observed
from hub.wire.messages import Event, Status

FAULTY = frozenset("BDFT")
"""Flags (HJ 212) of a sensor that gives nothing usable: no communication, faulty, stopped, over range."""
SAME_MOMENT = 60
"""What has failed alike within so long of each other has one cause: a sensor, or the bus that it hangs on [s]."""
WELL = 300
"""A sensor is in order again when nothing was flagged for so long [s]."""

UNSET = 90.0
"""A board that says for so long that its clock is not set waits for a time in vain [s]."""

LONGEST_DAY = 32
"""Characters of a date that are remembered; a board may write anything."""


@dataclass(slots=True)
class Fault:
    """A sensor's run of flagged values, in the board's time (Unix s)."""

    since: int
    last: int
    flag: str

    def begins_like(self, other: "Fault") -> bool:
        """Tell whether it has the flag of another one and began with it."""
        return self.flag == other.flag and abs(self.since - other.since) <= SAME_MOMENT


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
    late: Late | None = None
    """The fixes that come late now, or before they were made."""
    dropped: tuple[float, int, str] | None = None
    """When records were given up last, how many, and why."""
    other: tuple[float, str, int, int] | None = None
    """When other content came last under numbers that the hub had: stream, first and last number of this run of it."""
    let_go: tuple[float, float, int] | None = None
    """Since when messages were let go of that came beyond its share, when it was noticed last, and how many."""
    told: tuple[float, str, int] | None = None
    """When a message came whose records, and all before, the hub had then: its stream and last number. The next one
    that is looked at comes when the board has forgotten these."""
    unheard: tuple[float, float, int, int] | None = None
    """Since when the board has held what it may forget, when it said so last, the number it was told, its oldest."""
    repeats: int | None = None
    """How many messages it had sent again in all when `told` was noted; None: not known yet."""
    unset: float | None = None
    """Since when its statuses say that its clock is not set."""
    cal_due: str | None = None
    """What its last status said of its calibration; None: nothing yet."""

    def hear(self, entry: Entry, now: float, unheard: float) -> None:
        """Take a message of the board; `unheard`: it hears nothing that holds what it may forget for so long [s]."""
        said = entry.said
        if isinstance(said, Status):
            # The last will is the broker's word, and a retained status may be days old.
            if said.online:
                self.last = max(self.last, min(now, float(said.t)))
                self._follow_clock(said, entry.received, now)
            if isinstance(said.cal_due, str):
                self.cal_due = said.cal_due[:LONGEST_DAY]
            return
        self.last = now
        if isinstance(said, Measured):
            self._follow_sensors(entry)
            self._follow_acknowledgements(entry, said, unheard)
            self.unset = None
            if said.clock == "none":
                self.wrong_clock = (now, "none")
            if entry.branch and entry.fresh:
                self._follow_numbers(entry, now)
        elif isinstance(said, Observed):
            if entry.channel is TERMINAL and said.moments:
                self._follow_lateness(said.moments[-1].t, entry.received, now)
        elif isinstance(said, Event) and said.dropped:
            _, first, last, reason = said.dropped
            self.dropped = (now, last - first + 1, reason)

    def causes(self, patience: float) -> list[list[str]]:
        """Return the quantities that have been faulty for `patience` s, those of one cause together.

        The first one stands for the cause: one that has an alert already, so that the others raise no second one.
        """
        lasting = [quantity for quantity, fault in self.faults.items() if fault.last - fault.since >= patience]
        waiting = sorted(lasting, key=lambda quantity: (quantity not in self.suspected, quantity))
        found = []
        while waiting:
            first = self.faults[waiting[0]]
            alike = [one for one in waiting if self.faults[one].begins_like(first)]
            found.append(alike)
            waiting = [one for one in waiting if one not in alike]
        return found

    def _follow_clock(self, said: Status, received: float, now: float) -> None:
        """Notice a board that says again and again that it has no time: what it measures waits on it."""
        if said.t:
            self.unset = None
        elif self.unset is None:
            self.unset = received
        elif received - self.unset >= UNSET:
            self.wrong_clock = (now, "unset")

    def _follow_lateness(self, t: int, received: float, now: float) -> None:
        """Notice a terminal whose clock is behind or ahead: all that it says comes late, and always by as much.

        What was kept while there was no network comes late, too, but sooner one after the other than it was made.
        """
        self.late = follow(self.late, t, received - t)
        if self.late is not None and self.late.proven:
            self.wrong_clock = (now, "steady")

    def _follow_acknowledgements(self, entry: Entry, said: Measured, unheard: float) -> None:
        """Notice a board that goes on holding what it may forget."""
        last, at = said.seq + len(said.records) - 1, entry.received
        if self.told and self.told[1] == said.stream and said.oldest <= self.told[2]:
            since, _, number = self.told
            # Made so long after, not only come: what waited at the broker says nothing.
            made = said.records[-1].t + said.records[-1].dt
            if said.oldest and not entry.branch and made - since >= unheard:
                self.unheard = (since, at, number, said.oldest)
            return
        if self.told and self.told[1] != said.stream and at - self.told[0] < 2 * unheard:
            return  # a board may send what waits of an older stream in between
        if self.told and self.told[1] == said.stream:
            self.unheard = None
        self.repeats = None
        self.told = (at, said.stream, last) if entry.settled and not entry.branch and said.oldest else None

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
