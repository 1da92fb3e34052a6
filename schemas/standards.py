"""What a standard, its limits and their averaging are. ``limits/README.md`` tells how they stand in a file."""

import datetime as dt
from functools import lru_cache
from typing import Annotated, Literal

import msgspec

from schemas.faults import takes

Verified = Literal["P", "S", "U"]
"""P: read in the standard's own text. S: secondary source. U: unverified."""
Nature = Literal["emission", "ambient", "guideline"]
"""emission: binds whoever emits. ambient: the state of the air or the sound around, which no site alone answers for.
guideline: advice. Only a limit of the first kind can be violated by a site; the others are judged for information."""
Statistic = Literal["energy_mean", "mean", "max", "p90", "p95", "p98"]
"""p90, p95, p98: percentiles of the values of the step before, as HJ 663 interpolates them (`hub.judge.averaging`)."""

DAY = 86_400
TimeOfDay = Annotated[
    str,
    msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d\Z", extra=takes("a local time such as 06:00, in quotes")),
]
"""Local time of day, ``HH:MM``."""
Span = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^([1-9]\d* (s|min|h)|period|day|month|quarter|year)\Z",
        extra=takes("a window such as 20 min, 1 h, day, month or year, in quotes"),
    ),
]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step of an averaging: the values before it (first: the readings) become one value for each window.

    `window` is a length such as ``20 min``, laid end to end from local midnight; or a local ``day`` (23 or 25 h when
    the clocks change), ``month``, ``quarter`` or ``year``; or the ``period``: the whole of a limit's `from_`..`to`.
    A window belongs to the day, and to the part of the day, in which it starts.

    With `slide` a new window ends every `slide` (``8 h`` every ``1 h``: running means), and each is stamped by its
    **end**: a running mean belongs to the day in which its last instant lies, so one that ends at midnight belongs to
    the day just over. With `within_day` only those that lie wholly in one local day count (of 8 h: 17 a day, not 24).

    A window is valid with enough of it: `least_valid` is a share, of its time in the first step and of the values that
    the step before can give in later ones; `least` is a number of such values (of hours in a day with 23 hours, too).
    `least_each_month` must be reached in every month besides, in February `least_february`.
    """

    window: Span
    statistic: Statistic
    least_valid: Share | None = None
    least: Count | None = None
    least_each_month: Count | None = None
    least_february: Count | None = None
    slide: Span | None = None
    within_day: bool = False

    @property
    def seconds(self) -> int | None:
        """Length of the window in s; None where the calendar or the period decides it."""
        return seconds(self.window)


class Averaging(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How readings become the value that is compared with a limit, and how well that rule is known.

    The windows of the last step are judged. In `max` a single value above the limit is an exceedance however little of
    the window was measured; too little data is never "compliant".
    """

    steps: Annotated[tuple[Step, ...], msgspec.Meta(min_length=1)]
    verified: Verified
    clause: str | None = None
    source: str = ""
    note: str = ""


class Permitted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many windows above the value are permitted in each local day or calendar year: one more breaks the limit."""

    count: Count
    per: Literal["day", "year"]


class Weather(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Weather in which a measurement is void: wind at or above a speed; rain, snow or thunder."""

    wind_below: Annotated[float, msgspec.Meta(gt=0)]
    """The mean wind speed must be below it, m/s."""
    dry: bool
    """No rain, snow or thunder."""
    verified: Verified
    clause: str | None = None
    source: str = ""


class Rounding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """To how many decimals of the quantity's own unit a value is rounded before it is compared with a limit.

    It is applied where the text or secondary sources say so (P, S). What is unverified (U) is shown and not applied:
    then a value is compared with the decimals of its quantity.
    """

    decimals: Annotated[int, msgspec.Meta(ge=0, le=6)]
    verified: Verified
    quantities: tuple[str, ...] = ()
    """None named: all that the standard limits."""
    clause: str | None = None
    source: str = ""
    note: str = ""


class Correction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a noise level is corrected for the background: what is taken off, dB, by the difference between the two.

    The difference, dB, is rounded to a whole number. Above the greatest that is named nothing is taken off; below the
    least one the level cannot be judged.
    """

    minus: dict[str, Annotated[float, msgspec.Meta(ge=0)]]
    verified: Verified
    quantities: tuple[str, ...] = ()
    """None named: all that the standard limits."""
    clause: str | None = None
    source: str = ""
    note: str = ""

    def of(self, difference: float) -> float | None:
        """Return what is taken off at a whole difference, dB; None: the level cannot be judged."""
        known = {float(one): minus for one, minus in self.minus.items()}
        if difference > max(known):
            return 0.0
        return known.get(difference)


class Oxygen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From which share of oxygen on an hour is void: the plant is being started, stopped or at rest."""

    void_from: Annotated[float, msgspec.Meta(gt=0, lt=21)]
    """The mean of `stack_o2`, %."""
    verified: Verified
    clause: str | None = None
    source: str = ""
    note: str = ""


class Operation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes of an hour of a stack in which its plant is started or stopped, as the registry declares it."""

    starting: Literal["void"]
    verified: Verified
    clause: str | None = None
    source: str = ""
    note: str = ""


class Standard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A published standard: citation, where and when it is in force, and how well its citation and dates are known."""

    id: str
    en: str
    zh: str
    jurisdiction: str
    """A code of ``schemas.jurisdictions``."""
    nature: Nature
    in_force: dt.date
    verified: Verified
    source: str
    issued: dt.date | None = None
    early: dt.date | None = None
    """From when it was applied in some places before `in_force`: in between, whether it binds a site is open."""
    ends: dt.date | None = None
    """First day on which it is no longer in force; follows from the edition that replaces it."""
    replaces: str | None = None
    """The edition before."""
    displaces: tuple[str, ...] = ()
    """Standards that give way, for the quantities which this one limits, where this one binds."""
    weather: Weather | None = None
    rounding: tuple[Rounding, ...] = ()
    background: Correction | None = None
    """A level above the limit is a certain exceedance only when corrected by this; None: as it is measured."""
    oxygen: Oxygen | None = None
    operation: Operation | None = None
    """None: every hour counts, whatever the plant does."""
    note: str = ""

    def rounding_of(self, quantity: str) -> Rounding | None:
        """Return how the standard rounds a quantity; None: nothing is known of it."""
        return next((one for one in self.rounding if not one.quantities or quantity in one.quantities), None)

    @property
    def series(self) -> str:
        """The standard without its year: editions of one series are never in force together."""
        head, _, year = self.id.rpartition("-")
        return head if head and year.isdigit() else self.id


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """One limit, complete in itself: every entry of a file with several values has become several of these.

    It is exceeded by a value **above** `value`. It binds on days of `in_force` <= day < `ends`, at sites of one of
    `site_kinds` and `zone_classes` (none named: of any), whose every property in `where` has one of the values named.
    `from_`..`to` is the part of the local day in which it applies (``22:00``..``06:00`` runs over midnight).
    """

    id: str
    en: str
    zh: str
    quantity: str
    averaging: Averaging
    value: float | None
    """In the quantity's own unit (``quantities.toml``). None: there is such a limit, and its value is not known here;
    what it limits is judged by nothing else, and its outcome is "open"."""
    stated: str
    """Value and unit as the standard states them."""
    verified: Verified
    """How well the value, and what it applies to, is known; the averaging has its own letter."""
    in_force: dt.date
    ends: dt.date | None = None
    site_kinds: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    """Only in these of the places where its standard is in force; codes of ``schemas.jurisdictions``."""
    zone_classes: tuple[str, ...] = ()
    where: dict[str, tuple[str, ...]] = {}
    from_: TimeOfDay = "00:00"
    to: TimeOfDay = "00:00"
    permitted: Permitted | None = None
    reference_o2: float | None = None
    """Share of oxygen, % of dry volume; the mean is converted to it first: c * (21 - reference) / (21 - measured)."""
    above_background: bool = False
    """The background of the area at the same time is taken off before the value is compared."""
    background_cap: float | None = None
    """At most so much of the background is taken off, in the quantity's own unit."""
    decimals: int | None = None
    """To which a value is rounded before it is compared; None: to those of its quantity."""
    rounding: Verified = "U"
    """How well the rounding is known; with U it is not applied."""
    correction: Correction | None = None
    """How a level above the limit is corrected for the background."""
    clause: str | None = None
    source: str = ""
    note: str = ""
    screening: bool = False
    """What measures it here does not do so by the standard's method: above it is a suspicion at most."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of its averaging."""
        return self.averaging.steps

    @property
    def statistic(self) -> Statistic:
        """How readings become the values of the first step: as the catalogue of quantities says, too."""
        return self.averaging.steps[0].statistic

    @property
    def window(self) -> int:
        """Length of the first step's window in s (of a day: 86,400).

        Raises:
            ValueError: the first step's window has no one length.
        """
        step = self.averaging.steps[0]
        length = DAY if step.window == "day" else step.seconds
        if length is None:
            raise ValueError(f"{self.id}: a {step.window} has no one length in seconds")
        return length

    @property
    def least_valid(self) -> float:
        """Share of the first step's window that must be measured with flag N; with less the verdict is "invalid"."""
        return self.averaging.steps[0].least_valid or 0.0

    @property
    def whole_day(self) -> bool:
        """Whether it applies at every time of day."""
        return self.from_ == self.to

    def applies_at(self, time: dt.time) -> bool:
        """Tell whether it applies at a local time of day."""
        clock = f"{time:%H:%M}"
        if self.from_ < self.to:
            return self.from_ <= clock < self.to
        return self.whole_day or clock >= self.from_ or clock < self.to

    @property
    def weakest(self) -> Verified:
        """The worse of the letters of its value and its averaging."""
        return max(self.verified, self.averaging.verified)

    @property
    def judged_simply(self) -> bool:
        """Whether one window of a fixed length, its statistic and its value say everything."""
        step = self.averaging.steps[0]
        one_fixed_window = len(self.averaging.steps) == 1 and step.slide is None and step.seconds is not None
        return one_fixed_window and not (
            self.permitted or self.above_background or self.value is None or self.reference_o2 is not None
        )


@lru_cache
def seconds(span: str) -> int | None:
    """Return the length in s of a span such as ``20 min``; None for ``day``, ``year`` and the like."""
    number, _, unit = span.partition(" ")
    return int(number) * {"s": 1, "min": 60, "h": 3600}[unit] if unit else None
