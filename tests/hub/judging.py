"""Judges readings by the catalogue as it is, with the engine that hub and backtest share."""

import datetime as dt
from zoneinfo import ZoneInfo

from hub.judge import Background, Engine, NoArchive, Place, Plans
from hub.judge.averaging import rounded
from hub.judge.boards import UNSTATED
from hub.judge.windows import LocalTime
from schemas import jurisdictions_of, load_limits, load_quantities

LIMITS = load_limits()
QUANTITIES = load_quantities()
MINUTE, HOUR, DAY = 60, 3600, 86_400
END = 1 << 60


class Sites:
    """Boards `a` and `b` of one site, and board `r` elsewhere that measures the background for `a`, if asked."""

    def __init__(self, place, background=None, reference=None, instrument=UNSTATED):
        self._instrument = instrument
        self.declared = ()
        self._place = place
        self._reference = reference
        # Measured at each hour of a day: it holds by day and by night, on whatever clock.
        hours = () if background is None or background == "r" else range(0, DAY, HOUR)
        self._backgrounds = [Background("laeq", background, t, 0, END) for t in hours]
        self._quiet = background == "r"
        if self._quiet:
            self._backgrounds = [Background("laeq", None, 0, 0, END, "r")]

    def place(self, device):
        return self._place

    def neighbours(self, device):
        return ("r",) if device == "r" else ("a", "b")

    def backgrounds(self, device):
        return () if device == "r" else self._backgrounds

    def starting(self, device):
        return self.declared

    def marked(self, device, quantity, start, end):
        return ()

    def instrument(self, device, quantity):
        if isinstance(self._instrument, dict):
            return self._instrument.get(device, UNSTATED)
        return self._instrument(quantity) if callable(self._instrument) else self._instrument

    def reference(self, device):
        return self._reference if device == "a" else None

    def referring(self, device):
        return ("a",) if device == self._reference or (self._quiet and device == "r") else ()


class Bench:
    """A site whose readings are judged.

    Args:
        standards: those to judge by, of all that there are.
        day: the first local day; times of readings are counted from its midnight.
        kind, zone, where, properties: of the site.
        tz: its time zone.
        background: LAeq of the site at rest; so low that nothing is taken off, unless a test says otherwise; or "r".
        reference: the board that measures the background of the area.
        instrument: what is stated of all that measures there; or tells it by quantity; or of each board by id.
    """

    def __init__(
        self,
        *standards,
        day="2026-06-01",
        kind="construction",
        zone=None,
        where="CN",
        tz=None,
        background=20.0,
        reference=None,
        instrument=UNSTATED,
        **properties,
    ):
        self.zone = ZoneInfo(tz or "Asia/Shanghai")
        limits = [(s, n) for s, n in LIMITS if not standards or s.id in standards]
        place = Place(kind, zone, jurisdictions_of(where), tuple(sorted(properties.items())))
        self.engine = Engine(
            Plans(limits, QUANTITIES),
            LocalTime(self.zone),
            Sites(place, background, reference, instrument),
            NoArchive(),
        )
        self.midnight = self.at(day)

    def at(self, day, hour=0):
        """Return the Unix time of a local hour of a day."""
        midnight = dt.datetime.fromisoformat(str(day)).replace(tzinfo=self.zone)
        return int((midnight + dt.timedelta(hours=hour)).timestamp())

    def add(self, quantity, start, length, *values, device="a"):
        """Add one reading after the other, of `length` s each, from `start` s after the first midnight on; None: D."""
        for number, value in enumerate(values):
            self.engine.add(device, quantity, self.midnight + start + number * length, length, value)
        return self

    def days(self, quantity, day, *values):
        """Add a reading of a whole local day for each value."""
        date = dt.date.fromisoformat(day)
        for number, value in enumerate(values):
            start, end = (self.at(date + dt.timedelta(number + more)) for more in (0, 1))
            for t in range(start, end, HOUR):
                self.engine.add("a", quantity, t, min(HOUR, end - t), value)
        return self

    def judge(self, until=END, devices=("a",)):
        """Return the judgements on the windows that end up to `until`, in order of time."""
        for device in ("a", "b", "r"):
            self.engine.reach(device, until)
        found = [one for device in devices for one in self.engine.judge(device)]
        return sorted(found, key=lambda one: (one.start, one.rule.id))

    def told(self, limit="", **options):
        """Return (value, outcome) of each window of a limit, in order of time; what is invalid with the reason."""
        return [
            (None if one.value is None else rounded(one.value, one.rule.decimals), one.reason or one.outcome)
            for one in self.judge(**options)
            if one.rule.limit.id == limit or not limit
        ]
