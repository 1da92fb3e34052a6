"""The panels of packs whose rules watch what is collected: levels, collections, tonnes, rounds; of people sums alone.

They read the readings of sensors' family, and what `hub/reports/rulings.py` and `hub/reports/weighed.py` write.
"""

from typing import Any

from grafana_foundation_sdk.builders import table

from dashboards import statements
from dashboards.looks import GREEN, GREY, ORANGE, RED, SUSPECT, sorted_by, thresholds, value_map
from dashboards.panels import Column, Panels
from schemas.domains import packs
from schemas.domains.entries import Panel

FULL, FILLING = 85, 60
"""From here on a level is red, or orange: colours alone, what is full the rules say (%)."""
FELL = 25
"""A level that falls by so much from one reading to the next was emptied [%]; as the packs' rules have it."""
_DISTRICT = statements.DISTRICT


def filled(panels: Panels, one: Panel) -> table.Panel:
    """Return the newest level of each sensor, the fullest first."""
    (key,) = one.quantities
    family = panels.quantities[key].family
    statement = f'SELECT last("{key}") AS "{key}" FROM "{family}" WHERE {_DISTRICT} AND $timeFilter GROUP BY "device"'
    steps = thresholds((None, GREEN), (FILLING, ORANGE), (FULL, RED))
    columns = [
        Column("device", title="sensor", least=120),
        Column(key, title="filled", unit=panels.unit(key), decimals=0, coloured=True, thresholds=steps, width=130),
    ]
    panel = panels.rows(one.text or one.draw, statement, columns, ref_id="filled", time="measured", before_time=2)
    for step in sorted_by(key, descending=True):
        panel.with_transformation(step)
    return panel


def emptied(panels: Panels, one: Panel) -> table.Panel:
    """Return when each sensor's level fell last, the longest ago first; one that never did stands in none."""
    (key,) = one.quantities
    family = panels.quantities[key].family
    levels = f'SELECT "{key}" AS "level" FROM "{family}" WHERE {_DISTRICT} AND $timeFilter GROUP BY "device"'
    falls = f'SELECT difference("level") AS "fell" FROM ({levels}) GROUP BY "device"'
    statement = f'SELECT last("fell") AS "fell" FROM ({falls}) WHERE "fell" <= -{FELL} GROUP BY "device"'
    columns = [
        Column("device", title="sensor", least=120),
        Column("fell", unit=panels.unit(key), decimals=0, width=110),
    ]
    panel = panels.rows(one.text or one.draw, statement, columns, ref_id="emptied", time="emptied", before_time=1)
    for step in sorted_by("Time", descending=False):
        panel.with_transformation(step)
    return panel


def tonnes(panels: Panels, one: Panel) -> table.Panel:
    """Return the tonnes of a stretch of time by kind of waste, the most first."""
    statement = (
        f'SELECT sum("tonnes") AS "tonnes", sum("loads") AS "loads" FROM "weighed" WHERE {_DISTRICT} '
        'AND $timeFilter GROUP BY "waste"'
    )
    columns = [Column("waste", least=120, mappings=[_wastes(panels)]), *_amounts()]
    return _most_first(panels.rows(one.text or one.draw, statement, columns, ref_id="tonnes").min(0))


def tonnes_in(panels: Panels, one: Panel) -> table.Panel:
    """Return the tonnes of a stretch of time by district, the most first."""
    name = f"district_{panels.text.lang}"
    statement = (
        f'SELECT sum("tonnes") AS "tonnes", sum("loads") AS "loads", last("{name}") AS "{name}" FROM "weighed" '
        f'WHERE {_DISTRICT} AND $timeFilter GROUP BY "district"'
    )
    columns = [Column(name, title="district", least=120), *_amounts(), Column("district", hidden=True)]
    return _most_first(panels.rows(one.text or one.draw, statement, columns, ref_id="tonnes_in").min(0))


def _amounts() -> list[Column]:
    return [
        Column("tonnes", unit="suffix:t", decimals=1, bar=True, width=200),
        Column("loads", decimals=0, width=90),
    ]


def _most_first(panel: table.Panel) -> table.Panel:
    for step in sorted_by("tonnes", descending=True):
        panel.with_transformation(step)
    return panel


def _wastes(panels: Panels) -> Any:
    """Return what kinds of waste are called, as packs let people choose them; mixed: several in one load."""
    found = {
        key: (said.zh if panels.text.lang == "zh" else said.en, None)
        for pack in packs()
        for kind in pack.things.values()
        for own, property_ in kind.property.items()
        if own == "waste"
        for key, said in (property_.values or {}).items()
    }
    return value_map({**found, "mixed": (panels.text("served", "mixed"), GREY)})


def served(panels: Panels, one: Panel) -> table.Panel:
    """Return which share of each round was done, the least first, and how often it missed something."""
    lang, rules = panels.text.lang, "|".join(one.rules)
    statement = (
        'SELECT mean("value") AS "done", sum("broken") AS "broken", sum("suspected") AS "suspected", '
        f'sum("unknown") AS "unknown", last("subject_{lang}") AS "subject_{lang}" FROM "ruling" WHERE {_DISTRICT} '
        f'AND "rule" =~ /^({rules})$/ AND $timeFilter GROUP BY "kind", "subject"'
    )
    columns = [
        Column(f"subject_{lang}", title="round", least=160),
        Column("done", unit="percentunit", decimals=0, width=110),
        Column("broken", coloured=True, thresholds=thresholds((None, GREY), (1, RED)), decimals=0, width=110),
        Column("suspected", coloured=True, thresholds=thresholds((None, GREY), (1, SUSPECT)), decimals=0, width=110),
        Column("unknown", decimals=0, width=120),
        Column("subject", hidden=True),
        Column("kind", hidden=True),
    ]
    panel = panels.rows(one.text or one.draw, statement, columns, ref_id="served")
    for step in sorted_by("done", descending=False):
        panel.with_transformation(step)
    return panel


def summed(panels: Panels, one: Panel) -> Any:
    """Return how often rules were kept, in doubt and not judged: one sum of all whom they watch."""
    rules = "|".join(one.rules)
    where = f'{_DISTRICT} AND "rule" =~ /^({rules})$/ AND $timeFilter'
    targets = {
        name: (f'SELECT sum("{name}") AS "{name}" FROM "ruling" WHERE {where}', panels.text("served", name))
        for name in ("kept", "suspected", "unknown")
    }
    return panels.number(one.text or one.draw, targets).decimals(0)
