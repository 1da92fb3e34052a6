"""What the registry states of instruments: class, uncertainty and source; what is written there is checked here."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from hub.registry.entries import Instrument
from schemas import load_quantities
from schemas.domains import packs
from schemas.domains.pack import Pack
from schemas.language import Text

CLASSES: dict[str, Text] = {
    "type_approved": Text("type approved", "型式批准"),
    "class_1": Text("class 1", "1级"),
    "class_2": Text("class 2", "2级"),
    "indicative": Text("indicative", "指示性"),
    "": Text("class not stated", "等级未注明"),
}
DECISIONS: dict[str, Text] = {
    "simple": Text("simple acceptance", "简单接受"),
    "guarded_acceptance": Text("guarded acceptance", "保护带接受"),
    "guarded_rejection": Text("guarded rejection", "保护带拒绝"),
}
"""The decision rules of JCGM 106 (ISO/IEC Guide 98-4) and ILAC-G8."""
_UNCERTAINTY = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)( ?%)?")


class Uncertainty(NamedTuple):
    """An expanded uncertainty (k = 2)."""

    value: float
    """In the quantity's unit; with `relative`, a share."""
    relative: bool


def uncertainty_of(text: str) -> Uncertainty:
    """Return what a text such as "1.4" or "25 %" says.

    Raises:
        ValueError: it says nothing of the kind.
    """
    found = _UNCERTAINTY.fullmatch(text)
    if found is None or float(found[1]) <= 0:
        raise ValueError(f'uncertainty = {text!r}: expected a number such as "1.4", in the quantity\'s unit, or "25 %"')
    return Uncertainty(float(found[1]) / 100 if found[2] else float(found[1]), bool(found[2]))


def instrument_for(instruments: Sequence[Instrument], quantity: str) -> Instrument | None:
    """Return what is stated of the instrument of a quantity: by its own name, or else by its family's."""
    of = {one.of: one for one in instruments}
    return (of.get(quantity) or of.get(_families().get(quantity, ""))) if of else None


def _families() -> dict[str, str]:
    return _families_with(packs())


@lru_cache(2)
def _families_with(_among: tuple[Pack, ...]) -> dict[str, str]:
    return {key: quantity.family for key, quantity in load_quantities().items()}


def check_instruments(instruments: Sequence[Instrument]) -> None:
    """Check what is stated of the instruments of a board or station.

    Raises:
        ValueError: something in it is wrong; the text says what.
    """
    if not instruments:
        return
    families = _families()
    named = [one.of for one in instruments]
    for one in instruments:
        if one.of not in families and one.of not in families.values():
            known = ", ".join(dict.fromkeys(families.values()))
            raise ValueError(f"of = {one.of!r}: expected a quantity such as pm10, or one of: {known}")
        if named.count(one.of) > 1:
            raise ValueError(f"of = {one.of!r} stands there twice; keep one of them")
        if one.uncertainty is None:
            continue
        if uncertainty_of(one.uncertainty).relative and families.get(one.of, one.of) == "noise":
            raise ValueError(f'uncertainty = {one.uncertainty!r}: of a level it is stated in dB, such as "1.4"')
        if one.source is None:
            raise ValueError(
                f"of = {one.of!r}: source is missing; say where the uncertainty is from, such as a certificate"
            )
