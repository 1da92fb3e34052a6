"""What codes in the data mean to people: words in their language, with a sign and a colour where it matters."""

import itertools
from typing import Any

from dashboards.looks import BLUE, GREEN, GREY, ORANGE, RED, SUSPECT, UNDECIDED, range_map, value_map
from dashboards.texts import Lang, Texts
from hub.alerts.text import KIND
from schemas import Quantity, load_limits, site_properties
from schemas.language import Text
from schemas.properties import told_assumed, told_missing

EIGHTH = 45
"""Of a circle, in degrees."""


def strip(text: Texts) -> list[Any]:
    """Return the meaning of the numbers of a strip of verdicts: 0 kept, above: windows that exceeded.

    -1 invalid, -2 a suspicion, -3 open.
    """
    found = value_map(
        {
            "-3": (f"◇ {text('outcome', 'open')}", UNDECIDED),
            "-2": (f"△ {text('severity', 'suspicion')}", SUSPECT),
            "-1": (f"? {text('outcome', 'invalid')}", GREY),
            "0": (f"✔ {text('outcome', 'compliant')}", GREEN),
        }
    )
    return [found, range_map(1, 1e9, f"✖ {text('outcome', 'exceeded')}", RED)]


def outcomes(text: Texts) -> list[Any]:
    """Return the meaning of a verdict's outcome."""
    marks = {"exceeded": ("✖", RED), "above_uncorrected": ("△", SUSPECT), "open": ("◇", UNDECIDED)}
    return _marked(text, "outcome", marks | {"invalid": ("?", GREY), "compliant": ("✔", GREEN)})


_LEVELS = {"0": ("?", GREY), "1": ("✔", GREEN), "2": ("▲", ORANGE), "3": ("✖", RED), "4": ("△", SUSPECT)}


def site_levels(text: Texts) -> list[Any]:
    """Return the meaning of the levels of a site's state."""
    return _marked(text, "level", _LEVELS)


def site_signs() -> list[Any]:
    """Return the signs of these levels alone: on a map of a thousand sites there is no room for words."""
    return [value_map(dict(_LEVELS))]


def severities(text: Texts) -> list[Any]:
    """Return the meaning of an alert's severity."""
    marks = {"info": ("ℹ", BLUE), "warning": ("▲", ORANGE), "suspicion": ("△", SUSPECT), "violation": ("✖", RED)}
    return _marked(text, "severity", marks | {"critical": ("‼", "dark-red")})


def named(text: Texts, place: str) -> list[Any]:
    """Return the meaning of codes that have a text each, such as the states of alerts (`place` "state")."""
    return [value_map({name: (text(place, name), None) for name in text.names(place)})]


def kinds(text: Texts) -> dict[str, str]:
    """Return the names of the kinds of alerts, as people are told of them."""
    return {kind: _in(text, name) for kind, name in KIND.items()}


def assumed(text: Texts) -> list[Any]:
    """Return the meaning of what is assumed of a site, of all that limits can ask of it at once."""
    asked = {tuple(name for name in limit.where if _assumable(name)) for _, limit in load_limits()}
    some = {part for names in asked for n in range(1, len(names) + 1) for part in itertools.combinations(names, n)}
    codes = [", ".join(f"{name}={site_properties()[name].default}" for name in part) for part in some]
    codes += ["operation=running", *(f"{code}, operation=running" for code in codes)]
    return [value_map({code: (_in(text, told_assumed(code)), None) for code in sorted(codes)})]


def missing(text: Texts) -> list[Any]:
    """Return the meaning of what is not known of a site, or of a limit."""
    return [
        value_map({name: (_in(text, told_missing(name)), None) for name in ("value", "zone_class", *site_properties())})
    ]


def _assumable(name: str) -> bool:
    return site_properties()[name].default is not None


def _in(text: Texts, said: Text) -> str:
    return said.zh if text.lang is Lang.ZH else said.en


def winds(text: Texts) -> list[Any]:
    """Return the names of the eight directions from which wind blows, by eighths of the circle."""
    ends = [n + 0.5 for n in range(8)]
    names = [text("direction", name) for name in text.names("direction")]
    north, *others = names
    return [
        range_map(0, ends[0], north),
        *(range_map(*part, name) for part, name in zip(itertools.pairwise(ends), others, strict=True)),
        range_map(ends[-1], 8, north),
    ]


def quantities(text: Texts, catalogue: dict[str, Quantity]) -> list[Any]:
    """Return the names and units of quantities."""
    return [
        value_map({key: (f"{q.zh if text.lang is Lang.ZH else q.en}, {q.label}", None) for key, q in catalogue.items()})
    ]


def _marked(text: Texts, place: str, marks: dict[str, tuple[str, str]]) -> list[Any]:
    return [value_map({code: (f"{mark} {text(place, code)}", color) for code, (mark, color) in marks.items()})]
