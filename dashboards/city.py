"""The dashboard of the whole city: last night, what waits for somebody, where it is worst now, how old all that is."""

from typing import Any

from grafana_foundation_sdk.builders import common, geomap, stat
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as model

from dashboards import meanings, statements
from dashboards.basemap import EMPTY, Basemap, Layer
from dashboards.frame import district, finish, frame
from dashboards.influxql import InfluxQL
from dashboards.looks import (
    GREEN,
    GREY,
    NEUTRAL,
    ORANGE,
    RED,
    SUSPECT,
    no_value,
    range_map,
    sorted_by,
    thresholds,
    unseen,
    value,
)
from dashboards.panels import Column, Panels
from dashboards.texts import Lang, Texts

NAME = "city"
CAPTURED = ("laeq", "pm10", "stack_nox")
"""Quantities of which the data capture is told: one of each kind of sensors."""
LATE_S, OLD_S = 180, 600
"""The hub writes every minute: a picture is late, or not of now at all, when its newest sample is older [s]."""
LEAST_CAPTURE = 0.75
"""Share of an hour that most averaging windows need (GB 3095 and the like)."""
ABOVE = {"worst": '"level" > 1', "exceeded": '"level" = 3'}
"""What lies above all sites on the map, a layer each: of signs that would cover each other a layer drops the later."""
PAST = {"today": "from=now/d&to=now", "yesterday": "from=now-1d/d&to=now-1d/d", "week": "from=now-7d/d&to=now-7d/d"}
"""Time ranges of days, as an address has them."""


def build(lang: Lang, basemap: Basemap = EMPTY) -> model.Dashboard:
    """Return the dashboard in one language."""
    text = Texts(lang)
    panels = Panels(text)
    board = frame(NAME, text).with_variable(district(text, several=True))
    by_day = (
        f'SELECT sum("exceeded") AS "exceeded" FROM "verdict_24h" WHERE {statements.DISTRICT} AND {statements.BINDS} '
        f"AND {statements.before_end('8d')} {statements.DAYS} fill(none)"
    )
    boards = statements.newest("fleet", ("online",), statements.DISTRICT, ("device",))
    return finish(
        board,
        [
            _age(panels).height(4).span(6),
            *(_exceedances(panels, name, days).height(4).span(4) for name, days in (("today", 0), ("yesterday", 1))),
            _exceedances(panels, "week", 7).height(4).span(4),
            _waiting(panels).height(4).span(3),
            panels.number(
                "online",
                {
                    "online": (statements.over("sum", "online", boards), text("online", "online")),
                    "boards": (statements.over("count", "online", boards), text("online", "boards")),
                },
            )
            .decimals(0)
            .height(4)
            .span(3),
            _night(panels).height(9).span(24),
            _open_alerts(panels).height(8).span(24),
            _map(panels, basemap).height(14).span(12),
            _nearest(panels).height(14).span(12),
            _unjudged(panels).height(9).span(7),
            _silent(panels).height(9).span(9),
            _capture(panels).height(9).span(8),
            panels.columns_by_day("by_day", by_day, ref_id="by_day", alias=text("by_day", "exceeded"))
            .height(7)
            .span(24),
        ],
    )


def _age(panels: Panels) -> Any:
    """Return how old the picture is, in a word and in figures: red when it is not of now."""
    text = panels.text
    targets = {
        "word": (statements.age("at"), text("age", "word")),
        "hub": (statements.age("at"), text("age", "hub")),
        "heard": (statements.age("heard"), text("age", "heard")),
    }
    panel = panels.number("age", targets, "dthms").decimals(0).color_mode(shapes.BigValueColorMode.BACKGROUND)
    # No value is the first step's: nothing came for a month.
    panel.thresholds(thresholds((None, RED), (-LATE_S, GREEN), (LATE_S, ORANGE), (OLD_S, RED)))
    words = [
        range_map(-LATE_S, LATE_S, f"✔ {text('age', 'new')}", GREEN),
        range_map(LATE_S, OLD_S, f"▲ {text('age', 'late')}", ORANGE),
        range_map(OLD_S, 1e12, f"✖ {text('age', 'old')}", RED),
    ]
    panel.override_by_query("word", [value("mappings", words), value("noValue", f"✖ {text('age', 'old')}")])
    return panel.text(common.VizTextDisplayOptions().title_size(13).value_size(22))


def _exceedances(panels: Panels, name: str, days: int) -> stat.Panel:
    """Return the exceedances of one day, and the way to those windows."""
    place = f"exceedances_{name}"
    panel = panels.number(place, {name: (statements.exceedances(days), panels.text(place, "title"))}).decimals(0)
    panel.text_mode(shapes.BigValueTextMode.VALUE)
    link = f"/d/fenceline-verdicts-{panels.text.lang}?var-outcome=exceeded&{PAST[name]}&${{district:queryparam}}"
    return panel.override_by_regexp(
        "/.*/", [value("links", [{"title": panels.text("frame", "to_windows"), "url": link}])]
    )


def _waiting(panels: Panels) -> stat.Panel:
    """Return how many alerts about limits nobody has taken in hand."""
    statement = (
        f'SELECT sum("open") FROM "alert" WHERE {statements.DISTRICT} AND "kind" = \'limit\' '
        f"AND \"state\" = 'firing' AND {statements.before_end('400d')}"
    )
    panel = panels.number("waiting", {"waiting": (statement, panels.text("waiting", "title"))}).decimals(0)
    panel.no_value("0").color_mode(shapes.BigValueColorMode.VALUE)
    return panel.text_mode(shapes.BigValueTextMode.VALUE).thresholds(thresholds((None, NEUTRAL), (1, RED)))


def _night(panels: Panels) -> Any:
    """Return what was above a limit in the night that began last, 22:00 to 06:00: its windows are one click away."""
    lang = panels.text.lang
    site, *place = panels.where(None)
    columns = [
        site,
        Column("margin", decimals=1, width=80),
        Column("exceeded_s", unit="dthms", width=110),
        Column("exceeded", width=90),
        Column("uncorrected", width=100),
        Column("highest", decimals=1, width=85),
        Column("limit_value", width=70),
        Column("unit", width=65),
        Column(f"rule_{lang}", wrapped=True, width=200),
        *place,
        Column("device", width=120),
    ]
    asked = ", ".join(f'"{column.name}"' for column in columns)
    statement = (
        f'SELECT {asked} FROM "verdict_night" WHERE {statements.DISTRICT} AND {statements.BINDS} '
        f'AND ("exceeded" > 0 OR "uncorrected" > 0) AND {statements.before_end("1d")}'
    )
    panel = panels.rows("night", statement, columns, ref_id="night", time="night", before_time=len(columns))
    panel.no_value(panels.text("night", "none"))
    for step in sorted_by("exceeded_s", descending=True, most=200):
        panel.with_transformation(step)
    return panel


def _state(panels: Panels, basemap: Basemap, only: str = "") -> str:
    lang = panels.text.lang
    named = (f"site_{lang}", f"district_{lang}", "site_kind", f"rule_{lang}")
    fields = ("level", *basemap.position, *named, "value", "limit_value", "unit", "ratio")
    if only:
        return statements.newest("state", fields, f"{statements.DISTRICT} AND {only}", _PLACE, minutes=2)
    return statements.newest("state", fields, statements.DISTRICT, _PLACE)


def _map(panels: Panels, basemap: Basemap) -> geomap.Panel:
    """Return the map. A site's mark has the colour of its state, beside it stands its sign; the worst lie on top."""
    text = panels.text
    latitude, longitude = basemap.position
    layer = _marks(text("map", "layer"), "state", basemap)
    above = [_marks(text("map", name), name, basemap) for name in ABOVE]
    panel = panels.base(geomap.Panel(), "map").unit("none").basemap(basemap.tiles_layer())
    panel.layers([*basemap.district_layers(text("map", "districts")), *map(Layer, (layer, *above))])
    # With `fit` the zoom is the most that it goes in; the builder's own, 1, shows the whole world.
    panel.view(geomap.MapViewConfig().id("fit").all_layers(False).layer(layer.name).padding(20).zoom(15).max_zoom(18))
    panel.with_target(InfluxQL(_state(panels, basemap), ref_id="state", result_format="table"))
    for name, only in ABOVE.items():
        panel.with_target(InfluxQL(_state(panels, basemap, only), ref_id=name, result_format="table"))
    for step in sorted_by("level", descending=False):
        panel.with_transformation(step)
    colours = thresholds((None, GREY), (1, GREEN), (2, ORANGE), (3, RED), (4, SUSPECT))
    panel.override_by_name(
        "level",
        [
            value("mappings", meanings.site_signs()),
            value("displayName", text("column", "level")),
            value("color", {"mode": "thresholds"}),
            value("thresholds", colours.build()),
        ],
    )
    shown: dict[str, list[Any]] = {
        f"site_{text.lang}": [panels.site_links()],
        f"district_{text.lang}": [],
        f"rule_{text.lang}": [],
        "value": [value("decimals", 1)],
        "limit_value": [],
        "unit": [],
        "ratio": [value("unit", "percentunit"), value("decimals", 0)],
    }
    for name, properties in shown.items():
        panel.override_by_name(name, [value("displayName", text("column", name)), *properties])
    kind = next(column for column in panels.where() if column.name == "site_kind")
    panel.override_by_name("site_kind", [value("mappings", list(kind.mappings)), unseen()])
    for name in ("Time", "district", "site", latitude, longitude):
        panel.override_by_name(name, [unseen()])
    return panel


def _marks(name: str, ref_id: str, basemap: Basemap) -> shapes.MapLayerOptions:
    """Return a layer with a mark for each site of a query. Signs that would cover each other are left out."""
    latitude, longitude = basemap.position
    return shapes.MapLayerOptions(
        type_val="markers",
        name=name,
        filter_data={"id": "byRefId", "options": ref_id},
        location=shapes.FrameGeometrySource(
            mode=shapes.FrameGeometrySourceMode.COORDS, latitude=latitude, longitude=longitude
        ),
        config={
            # It would tell the steps of the level; the words beside the marks tell what they mean.
            "showLegend": False,
            "style": {
                "color": {"field": "level", "fixed": GREY},
                "opacity": 0.8,
                "size": {"fixed": 7, "min": 2, "max": 15},
                "symbol": {"mode": "fixed", "fixed": "img/icons/marker/circle.svg"},
                "text": {"mode": "field", "field": "level", "fixed": ""},
                "textConfig": {
                    "fontSize": 12,
                    "offsetX": 9,
                    "offsetY": 0,
                    "textAlign": "left",
                    "textBaseline": "middle",
                },
            },
        },
        tooltip=True,
    )


def _nearest(panels: Panels) -> Any:
    lang = panels.text.lang
    site, *place = panels.where(None)
    columns = [
        Column("level", mappings=meanings.site_levels(panels.text), coloured=True, width=105),
        site,
        Column("ratio", unit="percentunit", decimals=0, width=75),
        Column("value", decimals=1, width=65),
        Column("limit_value", width=60),
        Column("unit", width=60),
        Column(f"rule_{lang}", wrapped=True, width=150),
        *place,
    ]
    fields = ("ratio", "level", *(column.name for column in columns if column.name not in ("ratio", "level", *_PLACE)))
    statement = statements.newest("state", fields, statements.DISTRICT, _PLACE)
    panel = panels.rows("nearest", statement, columns, ref_id="nearest")
    for step in sorted_by("ratio", descending=True, most=10):
        panel.with_transformation(step)
    return panel


_PLACE = ("district", "site")


def _open_alerts(panels: Panels) -> Any:
    """Return the open alerts about limits, the oldest first: how old, and who has taken it."""
    lang = panels.text.lang
    site, *place = panels.where(None)
    nobody = [no_value(f"✖ {panels.text('open_alerts', 'nobody')}", RED)]
    columns = [
        site,
        Column("age", unit="dthms", width=110),
        Column("acknowledged_by", mappings=nobody, coloured=True, width=110),
        Column("severity", mappings=meanings.severities(panels.text), coloured=True, width=110),
        *place,
        Column(f"text_{lang}", wrapped=True, width=960),
    ]
    asked = ", ".join(f'"{column.name}"' for column in columns if column.name != "age")
    statement = (
        f'SELECT ${{__to}} / 1000 - "fired" AS "age", {asked} FROM "alert" WHERE {statements.DISTRICT} AND "open" = 1 '
        f"AND \"kind\" = 'limit' AND {statements.before_end('400d')} ORDER BY time ASC LIMIT 200"
    )
    panel = panels.rows("open_alerts", statement, columns, ref_id="open_alerts")
    return panel.no_value(panels.text("open_alerts", "none"))


def _unjudged(panels: Panels) -> Any:
    """Return the sites of which nothing can be said now, by name."""
    columns = [
        Column("level", mappings=meanings.site_levels(panels.text), coloured=True, width=140),
        *panels.where(None, 110),
    ]
    fields = tuple(column.name for column in columns if column.name not in _PLACE)
    statement = statements.newest("state", fields, f'{statements.DISTRICT} AND "level" = 0', _PLACE, minutes=2)
    panel = panels.rows("unjudged", statement, columns, ref_id="unjudged")
    return panel.no_value(panels.text("unjudged", "none"))


def _silent(panels: Panels) -> Any:
    """Return the boards from which nothing comes, by their sites' names, the longest first."""
    site, *place = panels.where(None, 110)
    columns = [site, Column("silent_s", unit="dthms", width=115), Column("device", width=115), *place]
    fields = ("silent", "silent_s", *(c.name for c in (site, *place) if c.name not in _PLACE))
    where = f'{statements.DISTRICT} AND "silent" = 1'
    statement = statements.newest("fleet", fields, where, (*_PLACE, "device"), minutes=2)
    panel = panels.rows("silent_boards", statement, [*columns, Column("silent", hidden=True)], ref_id="silent_boards")
    for step in sorted_by("silent_s", descending=True):
        panel.with_transformation(step)
    return panel.no_value(panels.text("silent_boards", "none"))


def _capture(panels: Panels) -> Any:
    lang = panels.text.lang
    # Nothing has the first step's colour: where there is no stack, none is missing.
    poor = thresholds((None, GREY), (0, RED), (LEAST_CAPTURE, NEUTRAL))
    columns = [
        Column(f"district_{lang}"),
        *(
            Column(
                f"{key}_capture",
                unit="percentunit",
                decimals=0,
                coloured=True,
                thresholds=poor,
                width=95,
            )
            for key in CAPTURED
        ),
    ]
    panel = panels.rows("capture", statements.capture(CAPTURED, lang), columns, ref_id="capture")
    for step in sorted_by("laeq_capture", descending=False):
        panel.with_transformation(step)
    return panel
