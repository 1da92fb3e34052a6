"""The dashboard of one construction site: what an inspector looks at first.

All that is judged (limits, units, how values may be merged) is read from the catalogues in ``schemas``.
"""

import datetime as dt
from collections.abc import Sequence

from grafana_foundation_sdk.builders import dashboard, table, timeseries
from grafana_foundation_sdk.models import dashboard as model

from dashboards import statements
from dashboards.influxql import InfluxQL
from dashboards.texts import Lang, Texts
from schemas import Quantity, load_limits, load_quantities

STANDARD = "GB 12523-2025"
"""Whose limits are drawn into the noise panel."""

SYMBOLS = {"laeq": "LAeq", "lafmax": "LAFmax", "pm10": "PM10", "pm25": "PM2.5", "stack_nox": "NOx", "stack_co": "CO"}
"""How legends name a quantity; the same in both languages."""

_DATABASE = model.DataSourceRef(type_val="influxdb", uid="${datasource}")
_DASHES = {"laeq": [12, 6], "lafmax": [3, 6]}


def build(lang: Lang) -> model.Dashboard:
    """Return the dashboard in one language."""
    text = Texts(lang)
    quantities = load_quantities()
    panels: list[timeseries.Panel | table.Panel] = [
        _with_limits(_curves("noise", ("laeq", "lafmax"), text, quantities), text, quantities).height(10).span(24),
        _curves("dust", ("pm10", "pm25"), text, quantities).height(8).span(12),
        _curves("stack", ("stack_nox", "stack_co"), text, quantities).height(8).span(12),
        _flagged(text, quantities).height(8).span(24),
    ]
    site = (
        dashboard.Dashboard(text("site", "title"))
        .uid(f"fenceline-site-{lang}")
        .description(text("site", "description"))
        .tags(["fenceline", lang])
        .timezone(statements.ZONE.key)
        .time("now-24h", "now")
        .refresh("1m")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(
            dashboard.DatasourceVariable("datasource").label(text("variable", "datasource")).type("influxdb")
        )
        .with_variable(_tag("district", "", text))
        .with_variable(_tag("site", statements.DISTRICT, text))
        .with_variable(_tag("device", statements.SITE, text).multi(True).include_all(True))
    )
    for number, panel in enumerate(panels, start=1):
        site.with_panel(panel.id(number))
    return site.build()


def _tag(name: str, within: str, text: Texts) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(text("variable", name))
        .datasource(_DATABASE)
        .query({"query": statements.tag_values(name, within), "refId": name})
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )


def _curves(place: str, keys: Sequence[str], text: Texts, quantities: dict[str, Quantity]) -> timeseries.Panel:
    """Return a panel with a curve for each quantity and device. The quantities share one unit."""
    first = quantities[keys[0]]
    panel = (
        timeseries.Panel()
        .title(text(place, "title"))
        .description(text(place, "description", standard=STANDARD))
        .datasource(_DATABASE)
        .unit(_unit(first))
        .decimals(first.resolution)
        # A shorter step than the longest record would put a gap between any two records.
        .interval(f"{statements.LONGEST_INTERVAL.seconds}s")
        .span_nulls(False)
    )
    for key in keys:
        statement = statements.readings(key, quantities[key])
        panel.with_target(InfluxQL(statement, ref_id=key, alias=f"{SYMBOLS[key]} $tag_device"))
        if statements.is_raw(quantities[key]):
            # Single readings come without empty rows between them, so Grafana has to tell a gap by its length.
            panel.override_by_query(key, [_gap_beyond(statements.LONGEST_INTERVAL * 1.5)])
    return panel


def _with_limits(panel: timeseries.Panel, text: Texts, quantities: dict[str, Quantity]) -> timeseries.Panel:
    """Draw the limits into the noise panel, as dashed steps through the day."""
    for key, dash in _DASHES.items():
        limits = [limit for standard, limit in load_limits() if standard.id == STANDARD and limit.quantity == key]
        statement = statements.limit_line(key, quantities[key], limits)
        panel.with_target(InfluxQL(statement, ref_id=f"{key}_limit", alias=text("noise", "limit", symbol=SYMBOLS[key])))
        panel.override_by_query(
            f"{key}_limit",
            [
                _gap_beyond(statements.LIMIT_STEP * 1.5),
                model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": "red"}),
                model.DynamicConfigValue("custom.lineInterpolation", "stepAfter"),
                model.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": dash}),
                model.DynamicConfigValue("custom.showPoints", "never"),
            ],
        )
    return panel


def _flagged(text: Texts, quantities: dict[str, Quantity]) -> table.Panel:
    names = {
        key: f"{quantity.zh if text.lang is Lang.ZH else quantity.en}, {quantity.label}"
        for key, quantity in quantities.items()
    }
    flags = {letter: text("flag", letter) for letter in text.names("flag")}
    mappings = {"quantity": [_mapping(names)], "flag": [_mapping(flags)]}
    panel = (
        table.Panel()
        .title(text("flagged", "title"))
        .description(text("flagged", "description"))
        .datasource(_DATABASE)
        .with_target(InfluxQL(statements.flagged(), ref_id="flagged", result_format="table"))
        .override_by_regexp("/^[Tt]ime$/", [model.DynamicConfigValue("displayName", text("column", "time"))])
    )
    for column in ("device", "quantity", "flag", "value", "dt"):
        properties = [model.DynamicConfigValue("displayName", text("column", column))]
        if column in mappings:
            properties.append(model.DynamicConfigValue("mappings", mappings[column]))
        if column == "dt":
            properties.append(model.DynamicConfigValue("unit", "suffix: s"))
        panel.override_by_name(column, properties)
    return panel


def _unit(quantity: Quantity) -> str:
    """Return Grafana's way of saying "this text after the number"."""
    return f"suffix: {quantity.label}"


def _gap_beyond(length: dt.timedelta) -> model.DynamicConfigValue:
    return model.DynamicConfigValue("custom.insertNulls", length // dt.timedelta(milliseconds=1))


def _mapping(texts: dict[str, str]) -> model.ValueMap:
    return model.ValueMap({value: model.ValueMappingResult(text=text) for value, text in texts.items()})
