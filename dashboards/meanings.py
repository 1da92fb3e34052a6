"""What codes in the data mean to people: words in their language, with a sign and a colour where it matters."""

from typing import Any

from dashboards.looks import BLUE, GREEN, GREY, ORANGE, RED, SUSPECT, UNDECIDED, range_map, value_map
from dashboards.texts import Lang, Texts
from schemas import Quantity


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


def quantities(text: Texts, catalogue: dict[str, Quantity]) -> list[Any]:
    """Return the names and units of quantities."""
    return [
        value_map({key: (f"{q.zh if text.lang is Lang.ZH else q.en}, {q.label}", None) for key, q in catalogue.items()})
    ]


def _marked(text: Texts, place: str, marks: dict[str, tuple[str, str]]) -> list[Any]:
    return [value_map({code: (f"{mark} {text(place, code)}", color) for code, (mark, color) in marks.items()})]
