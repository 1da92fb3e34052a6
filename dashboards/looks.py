"""How things look in Grafana: colours with the words beside them, gaps, limits, the order of a table."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as model

GREEN, ORANGE, RED, GREY, BLUE = "green", "orange", "red", "#8e8e8e", "blue"
NEUTRAL, DARK_RED, FAINT = "text", "dark-red", "rgba(142, 142, 142, 0.07)"
SUSPECT, UNDECIDED = "semi-dark-yellow", "purple"
"""Above a limit without a measured background; what holds is not known."""


def value(name: str, content: Any) -> model.DynamicConfigValue:
    """Return one property of an override."""
    return model.DynamicConfigValue(name, content)


def gap_beyond(length: dt.timedelta) -> model.DynamicConfigValue:
    """Break a line where two values lie further apart: single values come without empty rows between them."""
    return value("custom.insertNulls", length // dt.timedelta(milliseconds=1))


def limit_line(dash: list[int], color: str = RED) -> list[model.DynamicConfigValue]:
    """Return how limits are drawn: dashed steps in a red."""
    return [
        value("color", {"mode": "fixed", "fixedColor": color}),
        value("custom.lineInterpolation", "stepAfter"),
        value("custom.lineStyle", {"fill": "dash", "dash": dash}),
        value("custom.showPoints", "never"),
    ]


def value_map(texts: Mapping[str, tuple[str, str | None]]) -> model.ValueMap:
    """Return the mapping of values to texts and colours."""
    results = {key: model.ValueMappingResult(text=text, color=color) for key, (text, color) in texts.items()}
    return model.ValueMap(results)


def range_map(from_: float, to: float, text: str, color: str | None = None) -> model.RangeMap:
    """Return the mapping of a range of values to a text and, if it has one, a colour."""
    result = model.ValueMappingResult(text=text, color=color)
    return model.RangeMap(model.DashboardRangeMapOptions(from_, to, result))


def colour(mode: str, color: str) -> Any:
    """Return how a panel's series are coloured where nothing else says so."""
    return dashboard.FieldColor().mode(model.FieldColorModeId(mode)).fixed_color(color)


def thresholds(*steps: tuple[float | None, str]) -> Any:
    """Return from which value on which colour holds; the first step has no value."""
    listed = [model.Threshold(value=at, color=color) for at, color in steps]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(listed)


def sorted_by(field: str, *, descending: bool, most: int | None = None) -> list[model.DataTransformerConfig]:
    """Return the transformations that sort a table, and leave its first rows."""
    steps = [model.DataTransformerConfig(id_val="sortBy", options={"sort": [{"field": field, "desc": descending}]})]
    if most:
        steps.append(model.DataTransformerConfig(id_val="limit", options={"limitField": str(most)}))
    return steps


def in_order(columns: Sequence[str], *, without: Sequence[str]) -> model.DataTransformerConfig:
    """Return the transformation that puts a table's columns in order: a database gives them as it likes."""
    options = {
        "indexByName": {name: index for index, name in enumerate(columns)},
        "excludeByName": dict.fromkeys(without, True),
        "renameByName": {},
    }
    return model.DataTransformerConfig(id_val="organize", options=options)


def no_value(text: str, color: str) -> model.SpecialValueMap:
    """Return the mapping of nothing to a text and a colour."""
    result = model.ValueMappingResult(text=text, color=color)
    return model.SpecialValueMap(model.DashboardSpecialValueMapOptions(model.SpecialValueMatch.NULL, result))


def unseen() -> model.DynamicConfigValue:
    """Take a field out of the picture, though links may name it."""
    return value("custom.hideFrom", {"viz": True, "legend": True, "tooltip": True})


def room(title: str, *, searched: bool) -> int:
    """Return how wide a column must be so that its name is not cut, in pixels; `searched`: a funnel stands beside it.

    The widths are those of Grafana's letters (Inter, 14 pixels, medium), in whose place nothing wider comes.
    """
    width = 0.0
    for sign in title:
        wide = 12.5 if sign in "mwMW%@" else 9.8 if sign.isupper() else 8.3
        width += 14.3 if ord(sign) > _CHINESE else 4.9 if sign in "ijltfrI.,:()' ·1" else wide
    return round(width) + (38 if searched else 16)


_CHINESE = 0x2E80
"""Signs from here on are as wide as they are high."""


def counted_by(*fields: str) -> model.DataTransformerConfig:
    """Return the transformation that counts a table's rows by the values of fields."""
    options: dict[str, Any] = {field: {"operation": "groupby", "aggregations": []} for field in fields}
    options["device"] = {"operation": "aggregate", "aggregations": ["count"]}  # "device (count)"
    return model.DataTransformerConfig(id_val="groupBy", options={"fields": options})


def merged() -> model.DataTransformerConfig:
    """Return the transformation that makes one table of those of several queries."""
    return model.DataTransformerConfig(id_val="merge", options={})
