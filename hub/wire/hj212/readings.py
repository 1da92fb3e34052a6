"""The values of a packet: factor code, kind, value as it was sent, unit, letter; and how names are read leniently."""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

from hub.wire.hj212.codes import FACTORS, OF_2017, SUCCESSORS
from hub.wire.hj212.packet import Packet, moment

Kind = Literal[
    "rtd", "min", "avg", "max", "cou", "zs_rtd", "zs_min", "zs_avg", "zs_max", "data", "day_data", "night_data"
]
"""Of a value: of this moment; lowest, mean, highest of an interval; emitted mass or volume; the same at the reference
content of oxygen; of noise: of a time, by day, by night."""

SUFFIXES: Mapping[str, Kind | None] = {
    "Rtd": "rtd",
    "Min": "min",
    "Avg": "avg",
    "Max": "max",
    "Cou": "cou",
    "ZsRtd": "zs_rtd",
    "ZsMin": "zs_min",
    "ZsAvg": "zs_avg",
    "ZsMax": "zs_max",
    "Data": "data",
    "DayData": "day_data",
    "NightData": "night_data",
    "Flag": None,
    "EFlag": None,
    "SampleTime": None,
    "LowValue": None,
    "UpValue": None,
    "RS": None,
    "RT": None,
    "Info": None,
    "SN": None,
}
"""Suffixes (2017, table 4: P) and the kind of value that each names; None: it names none."""
_SUFFIXES = {suffix.upper(): suffix for suffix in SUFFIXES}
_CODES = {code.upper(): code for code in (*FACTORS, *SUCCESSORS)}
_LETTER_AND_DIGITS = re.compile(r"[A-Z]\d{5}\Z")


class Name(NamedTuple):
    """A name of an item, read: `code` and `suffix` as the standard writes them, "" where there is none that it knows.

    `wrote_code`, `wrote`: as they were sent. `doubled`: there is a second suffix, such as in LA-Rtd-Rtd.
    """

    code: str
    suffix: str
    wrote_code: str
    wrote: str
    doubled: bool

    @property
    def kind(self) -> Kind | None:
        """The kind of value that it names."""
        return SUFFIXES.get(self.suffix)


class Reading(NamedTuple):
    """A value as it was sent. `quantity`: key of the catalogue; `letter`: the item Flag behind it; None: not said."""

    code: str
    quantity: str | None
    kind: Kind
    value: str
    unit: str | None
    letter: str | None


@lru_cache(4096)
def parse_name(name: str) -> Name:
    """Return what an item's name says, whatever the case of its letters."""
    code, dash, suffix = name.strip().partition("-")
    if not dash:
        return Name("", "", code, "", doubled=False)
    first, doubled, second = suffix.partition("-")
    # Of two suffixes the last one says what the value is: LA-Rtd-Flag is the letter of LA-Rtd.
    wrote = second if doubled else first
    return Name(_spell(code), _SUFFIXES.get(wrote.upper(), ""), code, wrote, doubled=bool(doubled))


def _spell(code: str) -> str:
    """Return a factor code in the standard's letters: A34004 is a34004, LEQ is Leq."""
    if OF_2017.match(code):
        return code
    upper = code.upper()
    return _CODES.get(upper) or (upper.lower() if _LETTER_AND_DIGITS.match(upper) else code)


def time_of(packet: Packet) -> dt.datetime | None:
    """Return the time of a packet's values (DataTime, in Beijing's zone); None where it says none."""
    return moment(packet.item("DataTime"))


class Place(NamedTuple):
    """Where a data area of a form has a value: as in `Reading`, with `at`, the number of the value among all.

    `letter`: that of its letter; None: none belongs to it.
    """

    code: str
    kind: Kind
    unit: str | None
    at: int
    letter: int | None


class Form(NamedTuple):
    """What a form of a data area means: the values that are readings, and the number of DataTime, if there is one.

    `names`: of all items that have a value, in their order. `bare`: others have none.
    """

    places: tuple[Place, ...]
    time: int | None
    names: tuple[str, ...]
    bare: bool


MOST_FORM = 1024
"""Characters of a form that is remembered; one may make up others."""


def form_of(text: str) -> Form:
    """Return what a form (`Packet.cut`) means."""
    return _form(text) if len(text) <= MOST_FORM else _form.__wrapped__(text)


@lru_cache(1024)
def _form(text: str) -> Form:
    letters: dict[str, int] = {}
    shared, when, timed = None, None, False
    named: list[Name] = []
    names: list[str] = []
    pieces = text.replace(",", ";").split(";")
    for piece in pieces:
        name, equals, _ = piece.partition("=")
        upper = name.strip().upper()
        if upper == "DATATIME" and not timed:
            timed, when = True, len(named) if equals else None  # the first of the name, with a value or without
        if not equals:
            continue
        names.append(name)
        said = parse_name(name)
        if said.suffix == "Flag":
            letters[said.code] = len(named)
        elif upper == "FLAG":
            shared = len(named)
        named.append(said)
    places = []
    for at, (code, kind) in enumerate([(said.code, said.kind) for said in named]):
        if kind is None or not code:
            continue
        factor = FACTORS.get(SUCCESSORS.get(code, code))
        # In 2005 a flow was in other units, too: the station's profile says it.
        unit = factor.unit if factor and kind != "cou" and code != "B02" else None
        places.append(Place(code, kind, unit, at, letters.get(code, shared)))
    return Form(tuple(places), when, tuple(names), len(names) < len(pieces))


def readings(packet: Packet, quantity: Callable[[str, str], str | None] = lambda _st, _code: None) -> Iterator[Reading]:
    """Go through the values of a packet, as far as they can be read.

    Args:
        packet: The packet.
        quantity: Gives the catalogue's key of a factor code under a system (ST); of 2005 come the codes' successors.
    """
    system = packet.field("ST") or ""
    form, values = packet.cut()
    for code, kind, unit, at, letter in form_of(form).places:
        key = quantity(system, SUCCESSORS.get(code, code))
        yield Reading(code, key, kind, values[at].strip(), unit, None if letter is None else values[letter].strip())
