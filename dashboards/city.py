"""The dashboard of the whole city: where it is worst now, and whether what is shown can be relied on."""

from typing import Any

from grafana_foundation_sdk.builders import geomap
from grafana_foundation_sdk.cog import builder
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as model

from dashboards import meanings, statements
from dashboards.frame import finish, frame, tag
from dashboards.influxql import InfluxQL
from dashboards.looks import GREY, sorted_by, value
from dashboards.panels import Column, Panels
from dashboards.texts import Lang, Texts

NAME = "city"
CAPTURED = ("laeq", "pm10", "stack_nox")
"""Quantities of which the data capture is told: one of each kind of sensors."""


def build(lang: Lang) -> model.Dashboard:
    """Return the dashboard in one language."""
    text = Texts(lang)
    panels = Panels(text)
    board = frame(NAME, text).with_variable(tag("district", text, measurement="place", several=True))
    counted = {
        name: (statements.exceedances(days), text("exceedances", name))
        for name, days in (("today", 0), ("yesterday", 1), ("week", 7))
    }
    by_day = (
        f'SELECT sum("exceeded") AS "exceeded" FROM "verdict_24h" WHERE {statements.DISTRICT} AND {statements.BINDS} '
        f"AND {statements.before_end('8d')} {statements.DAYS} fill(0)"
    )
    names = {key: panels.name(key) for key in CAPTURED}
    captured = {"capture": (statements.capture(names), "$col $tag_district")}
    boards = statements.newest("fleet", ("online",), statements.DISTRICT, ("device",))
    return finish(
        board,
        [
            _map(panels).height(14).span(14),
            _nearest(panels).height(14).span(10),
            panels.number("exceedances", counted).decimals(0).height(5).span(8),
            panels.number("capture", captured, "percentunit").decimals(0).height(5).span(8),
            panels.number(
                "online",
                {
                    "online": (statements.over("sum", "online", boards), text("online", "online")),
                    "boards": (statements.over("count", "online", boards), text("online", "boards")),
                },
            )
            .decimals(0)
            .height(5)
            .span(8),
            panels.columns_by_day("by_day", by_day, ref_id="by_day", alias=text("by_day", "exceeded"))
            .height(8)
            .span(8),
            _open_alerts(panels).height(8).span(16),
        ],
    )


def _state(panels: Panels) -> str:
    fields = ("level", "lat", "lon", f"site_{panels.text.lang}", "rule", "value", "limit_value", "unit", "ratio", "end")
    return statements.newest("state", fields, statements.DISTRICT, ("district", "site", "kind"))


def _map(panels: Panels) -> geomap.Panel:
    """Return the map. A site's mark has the colour of its state, and beside it stands the state in words."""
    text = panels.text
    layer = shapes.MapLayerOptions(
        type_val="markers",
        name=text("map", "layer"),
        location=shapes.FrameGeometrySource(
            mode=shapes.FrameGeometrySourceMode.COORDS, latitude="lat", longitude="lon"
        ),
        config={
            "showLegend": True,
            "style": {
                "color": {"field": "level", "fixed": GREY},
                "opacity": 0.8,
                "size": {"fixed": 8, "min": 2, "max": 15},
                "symbol": {"mode": "fixed", "fixed": "img/icons/marker/circle.svg"},
                "text": {"mode": "field", "field": "level", "fixed": ""},
                "textConfig": {
                    "fontSize": 12,
                    "offsetX": 10,
                    "offsetY": 0,
                    "textAlign": "left",
                    "textBaseline": "middle",
                },
            },
        },
        tooltip=True,
    )
    panel = panels.base(geomap.Panel(), "map").unit("none").basemap(_Layer(shapes.MapLayerOptions("default", "")))
    panel.layers([_Layer(layer)]).view(geomap.MapViewConfig().id("fit").all_layers(True).padding(20).max_zoom(15))
    panel.with_target(InfluxQL(_state(panels), ref_id="state", result_format="table"))
    panel.override_by_name(
        "level", [value("mappings", meanings.site_levels(panels.text)), value("displayName", text("column", "level"))]
    )
    for name in (f"site_{text.lang}", "rule", "value", "limit_value", "unit", "ratio", "district", "site", "kind"):
        shown = [value("displayName", text("column", name))]
        panel.override_by_name(name, shown + [panels.site_links()] * (name == "site"))
    return panel


class _Layer(builder.Builder[shapes.MapLayerOptions]):
    """A layer that needs no building."""

    def __init__(self, layer: shapes.MapLayerOptions) -> None:
        self._layer = layer

    def build(self) -> shapes.MapLayerOptions:
        """Return it."""
        return self._layer


def _nearest(panels: Panels) -> Any:
    lang = panels.text.lang
    columns = [
        Column("level", mappings=meanings.site_levels(panels.text), coloured=True),
        Column(f"site_{lang}"),
        Column("ratio", unit="percentunit", decimals=0),
        Column("value", decimals=1),
        Column("limit_value"),
        Column("unit"),
        Column("rule"),
        Column("district"),
        Column("site"),
        Column("device"),
    ]
    fields = ("ratio", "level", f"site_{lang}", "value", "limit_value", "unit", "rule", "device")
    statement = statements.newest("state", fields, statements.DISTRICT, ("district", "site"))
    panel = panels.rows("nearest", statement, columns, ref_id="nearest")
    for step in sorted_by("ratio", descending=True, most=10):
        panel.with_transformation(step)
    return panel


def _open_alerts(panels: Panels) -> Any:
    lang = panels.text.lang
    columns = [
        Column("severity", mappings=meanings.severities(panels.text), coloured=True),
        Column("state", mappings=meanings.named(panels.text, "state")),
        Column(f"site_{lang}"),
        Column("district"),
        Column("site"),
        Column(f"text_{lang}"),
    ]
    asked = ", ".join(f'"{column.name}"' for column in columns)
    statement = (
        f'SELECT {asked} FROM "alert" WHERE {statements.DISTRICT} AND "open" = 1 '
        f"AND {statements.before_end('60d')} ORDER BY time DESC LIMIT 100"
    )
    return panels.rows("open_alerts", statement, columns, ref_id="open_alerts")
