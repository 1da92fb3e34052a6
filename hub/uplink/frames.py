"""What an interval says in HJ 212: its data area, by the editions of 2017 and 2025. Pure."""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from hub.config.files import ConfigError
from hub.config.uplinks import Kind, Uplink
from hub.intake.stations.profiles import UNITS, factor_of
from hub.series.periods import Sums
from hub.wire.hj212.codes import FACTORS
from hub.wire.hj212.described import quantity_of
from hub.wire.station import local_text
from schemas import Quantity

COMMANDS: Mapping[Kind, str] = {"minute": "2051", "hour": "2061", "day": "2031"}
UTC = 480
"""Minutes by which the time of every frame is ahead of UTC."""
ENOUGH = 0.75
"""The share of an interval that must be measured for flag N; HJ 75-2017 asks for 45 min of an hour (S)."""
NOISE = "noise"
"""Family of quantities whose value stands under -Data (2017, table 4)."""


class Factor(NamedTuple):
    """How a platform takes a quantity: under which code, by what values are divided, and with how many decimals."""

    code: str
    divided_by: float
    decimals: int


class Factors:
    """The factor codes of a platform. `unknown`: those without a unit, which are left out.

    Raises:
        ConfigError: a unit is named that is none of the quantity, or for a code that there is not.
    """

    def __init__(self, uplink: Uplink, quantities: Mapping[str, Quantity]) -> None:
        self._quantities = quantities
        self._key_of = quantity_of({key: (one.hj212, one.family) for key, one in quantities.items()})
        self._units = uplink.units
        self._name = uplink.name
        for code, unit in uplink.units.items():
            of = [one for one in quantities.values() if one.hj212 == code]
            if not of:
                raise ConfigError(f"uplink {uplink.name!r}: units: {code!r}: expected factor codes such as a34004")
            if all(factor_of(unit, one.unit) is None for one in of):
                raise ConfigError(
                    f"uplink {uplink.name!r}: units: {code} = {unit!r}: expected one of: {', '.join(UNITS)}, "
                    "and one that measures the same"
                )

    def known(self, st: str) -> dict[str, Factor]:
        """Return by quantity how the platform takes it, under a system; a code whose unit nobody says is left out."""
        found = {}
        for key, code, factor in self._all(st):
            if factor is not None:
                digits = self._quantities[key].resolution + 1  # a mean is finer than what it is made of
                found[key] = Factor(code, factor, max(0, digits + round(math.log10(factor))))
        return found

    def unknown(self, st: str) -> dict[str, str]:
        """Return by quantity the code whose unit nobody says."""
        return {key: code for key, code, factor in self._all(st) if factor is None}

    def _all(self, st: str) -> Iterator[tuple[str, str, float | None]]:
        for key, one in self._quantities.items():
            if one.hj212 and self._key_of(st, one.hj212) == key:
                said = self._units.get(one.hj212) or (FACTORS[one.hj212].unit if one.hj212 in FACTORS else one.unit)
                yield key, one.hj212, 1.0 if said == one.unit else factor_of(said or "", one.unit)


def area_of(
    start: int,
    length: int,
    totals: Mapping[tuple[str, str], Sums],
    factors: Mapping[str, Factor],
    quantities: Mapping[str, Quantity],
) -> str:
    """Return the data area of an interval (Unix s, s); empty where nothing of it has a code."""
    groups = []
    for key, factor in factors.items():
        letters = {letter: sums for (quantity, letter), sums in totals.items() if quantity == key}
        if letters:
            groups.append(_group(factor, quantities[key], letters, length))
    if not groups:
        return ""
    return ";".join([f"DataTime={local_text(start, UTC)}", *sorted(groups)])


def _group(factor: Factor, quantity: Quantity, letters: Mapping[str, Sums], length: int) -> str:
    sums, flag = letters.get("N"), _flag(letters, length)
    items = []
    value = sums.value(quantity.aggregate) if sums and sums.seconds else None
    if sums and value is not None:
        said = {"Avg": value}
        if quantity.family == NOISE:
            said = {"Data": value}
        elif quantity.aggregate == "mean":
            said = {"Min": sums.lowest, "Avg": value, "Max": sums.highest}
        items = [f"{factor.code}-{name}={one / factor.divided_by:.{factor.decimals}f}" for name, one in said.items()]
    return ",".join([*items, f"{factor.code}-Flag={flag}"])


def _flag(letters: Mapping[str, Sums], length: int) -> str:
    """Return the letter of an interval: N with enough data, else what took most of the rest."""
    normal = letters["N"].seconds if "N" in letters else 0.0
    if normal >= ENOUGH * length:
        return "N"
    others = {letter: sums.seconds for letter, sums in letters.items() if letter != "N"}
    others["B"] = others.get("B", 0.0) + length - normal - sum(others.values())
    return max(others, key=lambda letter: others[letter])
