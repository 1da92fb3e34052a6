"""Emitted mass of a period, what replaces what is missing, and the day on which a permitted total is used up."""

import datetime as dt
import math
from collections.abc import Iterable, Sequence

import msgspec

from hub.judge.stacks.hours import CAPTURE, OutletHour, period_mean, runs_of_gaps

SHORT = 24
"""Hours of a gap up to which few valid hours before it decide..."""
LOOK_BACK = (180, 720, 2160)
"""...and how many, by HJ 75-2017, tables 5 and 6 (U): for short gaps, for long ones, for a capture below 90 %."""
GOOD = 0.9
"""Capture of the quarter from which on the first two are taken (the same tables)."""
BASE_DAYS = 30
"""Days before, of which the rate is taken that a forecast goes on with."""
LEAST_DAYS = 7
"""With fewer days that have a mass nothing is forecast."""


class Replaced(msgspec.Struct, frozen=True):
    """A run of hours without a mass."""

    start: int
    """Unix s; `end` is the first moment after it."""
    end: int
    hours: int
    why: str
    """A key of `hub.judge.stacks.hours.GAPS`."""
    each_kg: float | None
    """Mass that stands for each hour; None: no rule gives one, and nothing is guessed."""
    looked_back: int
    """Valid hours before it whose highest mass that is."""


class Mass(msgspec.Struct, frozen=True):
    """Emitted mass of a period."""

    measured_kg: float
    replaced_kg: float
    """What stands for hours that were not measured; it is never judged as measured."""
    hours: int
    missing: int
    """Hours without a measured mass..."""
    unknown: int
    """...and of these without any."""

    @property
    def known_kg(self) -> float:
        """Measured and replaced: at least so much was emitted."""
        return self.measured_kg + self.replaced_kg

    def __add__(self, other: "Mass") -> "Mass":
        """Return the mass of both periods."""
        return Mass(
            self.measured_kg + other.measured_kg,
            self.replaced_kg + other.replaced_kg,
            self.hours + other.hours,
            self.missing + other.missing,
            self.unknown + other.unknown,
        )


NOTHING = Mass(0.0, 0.0, 0, 0, 0)


def replaced(quarter: Sequence[OutletHour], before: Sequence[float]) -> list[Replaced]:
    """Return what stands for the hours of a quarter that have no mass.

    HJ 75-2017, 12.2.3 and tables 5 and 6 (U): with a capture of 90 % or more in the quarter the highest mass of the 180
    valid hours before a gap of at most 24 h, of the 720 before a longer one; with 75 to 90 % of the 2160 before. Below
    75 % the tables say nothing, and so it is where fewer valid hours are known. An hour of which the concentration is
    valid and only the flow is missing is one without a mass, too.

    Args:
        quarter: its hours, the earliest first.
        before: hourly masses [kg] of valid hours before the quarter, the earliest first; 2160 are enough.
    """
    capture = period_mean(quarter).capture
    known = list(before)
    found = []
    following = 0
    for run in runs_of_gaps(quarter):
        while following < len(quarter) and quarter[following].start < run[0].start:
            one = quarter[following]
            if one.mass_kg is not None and one.valid:
                known.append(one.mass_kg)
            following += 1
        wanted = _wanted(capture, len(run))
        base = known[-wanted:] if wanted and len(known) >= wanted else []
        each = max(base) if base else None
        found.append(Replaced(run[0].start, run[-1].start + 3600, len(run), run[0].gap, each, len(base)))
    return found


def _wanted(capture: float | None, hours: int) -> int:
    if capture is None or capture < CAPTURE:
        return 0
    if capture < GOOD:
        return LOOK_BACK[2]
    return LOOK_BACK[0] if hours <= SHORT else LOOK_BACK[1]


def mass_of(hours: Iterable[OutletHour], replacements: Sequence[Replaced] = ()) -> Mass:
    """Return the mass of hours; what stands for those without one is looked up in the replacements."""
    measured, instead, count, missing, unknown = [], [], 0, 0, 0
    for one in hours:
        count += 1
        if one.mass_kg is not None:
            measured.append(one.mass_kg)
            continue
        missing += 1
        each = next((it.each_kg for it in replacements if it.start <= one.start < it.end), None)
        if each is None:
            unknown += 1
        else:
            instead.append(each)
    return Mass(math.fsum(measured), math.fsum(instead), count, missing, unknown)


class Forecast(msgspec.Struct, frozen=True):
    """The day on which a permitted total is used up, if it goes on as in the days before."""

    used_up: dt.date | None
    """None: not in this calendar year."""
    earliest: dt.date | None
    latest: dt.date | None
    """Within these with a probability of some 95 %, if the days are independent; None: not in this year."""
    rate_kg: float
    """Mean of a day."""
    deviation_kg: float
    """Standard deviation of a day."""
    days: int
    """On which the rate rests."""


def forecast(days: Sequence[float], used_kg: float, total_kg: float, today: dt.date) -> Forecast | None:
    """Return when a total is used up; None: there are too few days to say so, or nothing is emitted.

    With R = total - used, the mean m and the standard deviation s of the last N days (30 at most): it lasts n = R / m
    days. The sum of n such days has the standard deviation s x sqrt(n), and that of the mean adds n x s / sqrt(N), so
    the rate that comes lies within m +- 2 s x sqrt(1/n + 1/N), and the day between R / (m + ...) and R / (m - ...).

    Args:
        days: masses of whole days, the last one yesterday, kg; days of which too much is missing are left out.
        used_kg: since the first of January, up to the end of yesterday.
        total_kg: what is permitted.
        today: the local day; it is the first of those that are forecast.
    """
    base = list(days)[-BASE_DAYS:]
    if len(base) < LEAST_DAYS:
        return None
    mean = math.fsum(base) / len(base)
    deviation = math.sqrt(math.fsum((one - mean) ** 2 for one in base) / (len(base) - 1))
    rest = total_kg - used_kg
    if rest < 0:
        yesterday = today - dt.timedelta(1)
        return Forecast(yesterday, yesterday, yesterday, mean, deviation, len(base))
    if mean <= 0:
        return None
    lasts = max(rest / mean, 1.0)
    margin = 2 * deviation * math.sqrt(1 / lasts + 1 / len(base))
    return Forecast(
        _day(today, rest, mean),
        _day(today, rest, mean + margin),
        _day(today, rest, mean - margin),
        mean,
        deviation,
        len(base),
    )


def _day(today: dt.date, rest: float, rate: float) -> dt.date | None:
    """Return the day on which it is used up at a rate; None: not in this year."""
    if rate <= 0:
        return None
    left = (dt.date(today.year, 12, 31) - today).days
    whole = math.floor(rest / rate + 1e-9)
    return today + dt.timedelta(whole) if whole <= left else None
