"""The panels of packs whose rules watch things that haul loads: where rules were broken, loads, papers.

They read what `hub/reports/rulings.py` writes: `ruling`, `load` and `papers`.
"""

from typing import Any

from grafana_foundation_sdk.builders import geomap, table
from grafana_foundation_sdk.models import common as shapes

from dashboards import statements
from dashboards.basemap import Layer
from dashboards.influxql import InfluxQL
from dashboards.looks import GREY, RED, SUSPECT, sorted_by, thresholds, unseen, value, value_map
from dashboards.panels import Column, Panels
from schemas.domains import packs, rules
from schemas.domains.entries import Panel

_SHOWN = 500
"""Marks on the map at most: the newest."""
_DISTRICT = statements.DISTRICT
_UNKNOWN = "-"


def spots(panels: Panels, one: Panel) -> geomap.Panel:
    """Return the map of where rules were broken, by those on whom a position was heard."""
    text, basemap = panels.text, panels.basemap
    latitude, longitude = basemap.position
    layer = _marks(text("spots", "layer"), latitude, longitude)
    panel = panels.base(geomap.Panel(), one.text or one.draw).unit("none").basemap(basemap.tiles_layer())
    panel.layers([*basemap.district_layers(text("map", "districts")), Layer(layer)])
    panel.view(geomap.MapViewConfig().id("fit").all_layers(False).layer(layer.name).padding(20).zoom(15).max_zoom(18))
    columns = [f"rule_{text.lang}", f"subject_{text.lang}", latitude, longitude, "broken", "value", "unit", "proof"]
    listed = ", ".join(f'"{name}"' for name in columns)
    statement = (
        f'SELECT {listed} FROM "ruling" WHERE {_DISTRICT} AND ("broken" = 1 OR "suspected" = 1) AND $timeFilter '
        f"ORDER BY time DESC LIMIT {_SHOWN}"
    )
    panel.with_target(InfluxQL(statement, ref_id="spots", result_format="table"))
    grades = {
        "1": (f"✖ {text('spots', 'violation')}", RED),
        "0": (f"△ {text('spots', 'suspicion')}", SUSPECT),
    }
    panel.override_by_name(
        "broken",
        [
            value("displayName", text("column", "grade")),
            value("mappings", [value_map(grades)]),
            value("color", {"mode": "thresholds"}),
            value("thresholds", thresholds((None, SUSPECT), (1, RED)).build()),
        ],
    )
    for name in (f"rule_{text.lang}", f"subject_{text.lang}", "value", "unit", "proof"):
        panel.override_by_name(name, [value("displayName", text("column", name))])
    for name in (latitude, longitude):
        panel.override_by_name(name, [unseen()])
    return panel


def _marks(name: str, latitude: str, longitude: str) -> shapes.MapLayerOptions:
    return shapes.MapLayerOptions(
        type_val="markers",
        name=name,
        filter_data={"id": "byRefId", "options": "spots"},
        location=shapes.FrameGeometrySource(
            mode=shapes.FrameGeometrySourceMode.COORDS, latitude=latitude, longitude=longitude
        ),
        config={
            "showLegend": False,
            "style": {
                "color": {"field": "broken", "fixed": GREY},
                "opacity": 0.8,
                "size": {"fixed": 7, "min": 2, "max": 15},
                "symbol": {"mode": "fixed", "fixed": "img/icons/marker/circle.svg"},
            },
        },
        tooltip=True,
    )


def taken(panels: Panels, one: Panel) -> table.Panel:
    """Return how much was loaded in each district."""
    return _amounts(panels, one, "taken_in", '"taken_in" =~ /^$district$/', named=True)


def left(panels: Panels, one: Panel) -> table.Panel:
    """Return how much was unloaded in each district."""
    return _amounts(panels, one, "left_in", '"left_in" =~ /^$district$/', named=True)


def carriers(panels: Panels, one: Panel) -> table.Panel:
    """Return how much each company carried from these districts."""
    return _amounts(panels, one, "company", '"taken_in" =~ /^$district$/', named=True)


def materials(panels: Panels, one: Panel) -> table.Panel:
    """Return how much was carried of each material."""
    return _amounts(panels, one, "material", '"taken_in" =~ /^$district$/', named=False)


def compared(panels: Panels, one: Panel) -> table.Panel:
    """Return how often each company's vehicles broke a rule, per 100 trips."""
    return _per_trips(panels, one, "company")


def compared_each(panels: Panels, one: Panel) -> table.Panel:
    """Return how often each vehicle broke a rule, per 100 trips."""
    return _per_trips(panels, one, "subject")


def _per_trips(panels: Panels, one: Panel, by: str) -> table.Panel:
    """Return breaches beside the trips in which they could be made, by a tag, the most per 100 trips first."""
    shown = f"{by}_{panels.text.lang}"
    kinds = "|".join(sorted({rule.of for rule in rules().values() if rule.kind == "manifest" and rule.of}))
    statement = (
        'SELECT 100 * sum("broken") / sum("trips") AS "per_trips", sum("broken") AS "broken", '
        f'sum("suspected") AS "suspected", sum("trips") AS "trips", last("{shown}") AS "{shown}" '
        f'FROM "ruling" WHERE {_DISTRICT} AND "kind" =~ /^({kinds})$/ AND $timeFilter GROUP BY "{by}"'
    )
    columns = [
        Column(shown, title="company" if by == "company" else shown, least=120),
        Column("per_trips", decimals=1, bar=True, width=170),
        Column("trips", decimals=0, width=90),
        Column("broken", decimals=0, width=100),
        Column("suspected", decimals=0, width=110),
        Column(by, hidden=True),
    ]
    panel = panels.rows(one.text or one.draw, statement, columns, ref_id=one.draw).min(0)
    for step in sorted_by("per_trips", descending=True):
        panel.with_transformation(step)
    return panel


def _amounts(panels: Panels, one: Panel, by: str, where: str, *, named: bool) -> table.Panel:
    """Return the loads of a stretch of time, added up by a tag, the most first."""
    lang = panels.text.lang
    shown = f"{by}_{lang}" if named else by
    name = f', last("{shown}") AS "{shown}"' if named else ""
    statement = (
        f'SELECT sum("amount") AS "amount", sum("loads") AS "loads", sum("nominal") AS "nominal"{name} '
        f'FROM "load" WHERE {where} AND $timeFilter GROUP BY "{by}"'
    )
    columns = [
        Column(shown, title=by, least=120, mappings=() if named else _said(panels, "material")),
        Column("amount", unit="suffix:m³", decimals=0, bar=True, width=200),
        Column("loads", decimals=0, width=90),
        Column("nominal", decimals=0, width=110),
    ]
    if named:
        columns.append(Column(by, hidden=True))
    panel = panels.rows(one.text or one.draw, statement, columns, ref_id=one.draw).min(0)
    for step in sorted_by("amount", descending=True):
        panel.with_transformation(step)
    return panel


def _said(panels: Panels, name: str) -> list[Any]:
    """Return what the values of a property mean that packs let people choose."""
    found = {
        key: (said.zh if panels.text.lang == "zh" else said.en, None)
        for pack in packs()
        for kind in pack.things.values()
        for own, property_ in kind.property.items()
        if own == name
        for key, said in (property_.values or {}).items()
    }
    return [value_map({**found, _UNKNOWN: (panels.text("spots", "not_known"), GREY)})]


def kept(panels: Panels, one: Panel) -> Any:
    """Return in which share of the stretches of time in which rules applied they were kept."""
    rules = "|".join(one.rules)
    statement = (
        f'SELECT sum("kept") / sum("judged") AS "kept" FROM "ruling" WHERE {_DISTRICT} AND "rule" =~ /^({rules})$/ '
        "AND $timeFilter"
    )
    panel = panels.number(one.text or one.draw, {"kept": (statement, panels.text("column", "kept"))}, "percentunit")
    return panel.decimals(1)


def broken(panels: Panels, one: Panel) -> table.Panel:
    """Return how often each rule was broken, or some `rules`, the most first."""
    lang = panels.text.lang
    only = f' AND "rule" =~ /^({"|".join(one.rules)})$/' if one.rules else ""
    statement = (
        'SELECT sum("broken") AS "broken", sum("suspected") AS "suspected", sum("unknown") AS "unknown", '
        f'last("rule_{lang}") AS "rule_{lang}" FROM "ruling" WHERE {_DISTRICT}{only} AND $timeFilter GROUP BY "rule"'
    )
    columns = [
        Column(f"rule_{lang}", wrapped=True, least=220),
        Column("broken", coloured=True, thresholds=thresholds((None, GREY), (1, RED)), decimals=0, width=110),
        Column("suspected", coloured=True, thresholds=thresholds((None, GREY), (1, SUSPECT)), decimals=0, width=110),
        Column("unknown", decimals=0, width=120),
        Column("rule", hidden=True),
    ]
    panel = panels.rows(one.text or one.draw, statement, columns, ref_id="broken")
    for step in sorted_by("broken", descending=True):
        panel.with_transformation(step)
    return panel


def papers(panels: Panels, one: Panel) -> Any:
    """Return how many papers of some kinds hold now, and how many of them end within 30 days."""
    targets = {}
    for kind in one.things:
        named = next(found for pack in packs() for key, found in pack.things.items() if key == kind)
        name = named.zh if panels.text.lang == "zh" else named.en
        for field in ("holding", "ending"):
            now = statements.before_end("5m")
            statement = f'SELECT last("{field}") FROM "papers" WHERE "kind" = \'{kind}\' AND {now}'
            targets[f"{kind}_{field}"] = statement, panels.text("spots", field, paper=name)
    return panels.number(one.text or one.draw, targets).decimals(0)
