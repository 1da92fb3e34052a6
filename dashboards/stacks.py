"""The panels of what stacks let out: masses, permitted totals with their forecast, rates, and what was marked.

They read what `hub/reports/emissions.py` writes: `emission`, `emission_24h`, `emission_month`, `permit_total`, `mark`.
"""

import datetime as dt
from typing import Any

from grafana_foundation_sdk.builders import table, timeseries
from grafana_foundation_sdk.models import common as shapes

from dashboards import meanings, statements
from dashboards.looks import GREY, ORANGE, RED, thresholds, value
from dashboards.panels import Column, Panels, hues
from schemas.domains.entries import Panel

_DAY = dt.timedelta(days=1)
MASSES = (
    (statements.Resolution("", dt.timedelta(hours=1), None, 4 * _DAY), "mass_kg"),
    (statements.Resolution("_24h", _DAY, 4 * _DAY, 93 * _DAY), "known_kg"),
    (statements.Resolution("_month", 31 * _DAY, 93 * _DAY, None), "known_kg"),
)
"""What of masses is read: each hour's, each local day's or each month's, and the field that has it."""
_SHOWN = 500
"""Marks in the table at most: the newest."""


def mass(panels: Panels, one: Panel) -> timeseries.Panel:
    """Return what each outlet let out: in each hour, in long ranges in each day or month."""
    place = one.text or one.draw
    which = f'{statements.SITE} AND "quantity" =~ /^({"|".join(one.quantities)})$/'
    panel: Any = None
    for step, field in MASSES:
        statement = (
            f'SELECT "{field}" AS "mass" FROM "emission{step.suffix}" WHERE {which} AND $timeFilter '
            f'AND {step.condition} GROUP BY "outlet", "quantity"'
        )
        asked = {"ref_id": f"mass{step.name}", "alias": "$col $tag_quantity $tag_outlet"}
        if panel is None:
            panel = panels.plot(place, statement, step=step.length, **asked)
        else:
            panels.add(panel, statement, step=step.length, **asked)
    for key, hue in hues(one.quantities).items():
        shown = [
            value("displayName", f"{panels.name(key)} · ${{__field.labels.outlet}}"),
            value("color", {"mode": "shades", "fixedColor": hue}),
        ]
        panel.override_by_regexp(f"/^mass {key} /", shown)
    panel.draw_style(shapes.GraphDrawStyle.BARS).fill_opacity(60).bar_alignment(shapes.BarAlignment.AFTER)
    return panel.unit("suffix:kg").min(0)  # type: ignore[no-any-return]


def totals(panels: Panels, one: Panel) -> table.Panel:
    """Return how much of each permitted yearly total is used up, and when all of it will be."""
    lang = panels.text.lang
    fields = (
        f"whose_{lang}",
        "share",
        "used_t",
        "replaced_t",
        "unknown",
        "used_up",
        "earliest",
        "latest",
        "permit",
    )
    statement = statements.newest(
        "permit_total", ["permitted_t", *fields], statements.SITE, ["total", "quantity"], minutes=36 * 60
    )
    columns = [
        Column("quantity", mappings=meanings.quantities(panels.text, panels.quantities), width=100),
        Column(f"whose_{lang}", least=120),
        Column(
            "share",
            unit="percentunit",
            decimals=1,
            coloured=True,
            thresholds=thresholds((None, GREY), (0.8, ORANGE), (1.0, RED)),
            width=110,
        ),
        Column("used_t", unit="suffix:t", decimals=3, width=120),
        Column("permitted_t", unit="suffix:t", width=120),
        Column("used_up", width=120),
        Column("earliest", width=120),
        Column("latest", width=120),
        Column("replaced_t", unit="suffix:t", decimals=3, width=120),
        Column("unknown", title="unknown_h", unit="suffix:h", decimals=0, width=120),
        Column("permit", width=200),
        Column("total", hidden=True),
    ]
    return panels.rows(one.text or one.draw, statement, columns, ref_id="totals")


def rates(panels: Panels, one: Panel) -> table.Panel:
    """Return transmission rate x validity rate of each outlet and pollutant in the time range's months."""
    lang = panels.text.lang
    statement = (
        'SELECT sum("valid") / sum("due") AS "product", sum("transmitted") / sum("due") AS "transmission", '
        'sum("valid") / sum("transmitted") AS "validity", sum("due") AS "due_h", '
        f'last("outlet_{lang}") AS "outlet_{lang}" FROM "emission_month" WHERE {statements.SITE} '
        'AND $timeFilter GROUP BY "outlet", "quantity"'
    )
    # The border is that of the national target of the 2010s (U); it colours, and judges nothing.
    steps = thresholds((None, RED), (0.75, GREY))
    columns = [
        Column(f"outlet_{lang}", least=100),
        Column("quantity", mappings=meanings.quantities(panels.text, panels.quantities), width=100),
        Column("product", unit="percentunit", decimals=1, coloured=True, thresholds=steps, width=130),
        Column("transmission", unit="percentunit", decimals=1, width=120),
        Column("validity", unit="percentunit", decimals=1, width=110),
        Column("due_h", unit="suffix:h", decimals=0, width=100),
        Column("outlet", hidden=True),
    ]
    return panels.rows(one.text or one.draw, statement, columns, ref_id="rates").time_from("now/M")


def marks(panels: Panels, one: Panel) -> table.Panel:
    """Return what enterprises marked as not counting, the newest first, and whether it changes anything."""
    lang = panels.text.lang
    listed = ", ".join(
        f'"{name}"' for name in (f"outlet_{lang}", f"kind_{lang}", "end_ms", "standing", "logged_ms", "proofs", "id")
    )
    statement = f'SELECT {listed} FROM "mark" WHERE {statements.SITE} AND $timeFilter ORDER BY time DESC LIMIT {_SHOWN}'
    moment = "time:YYYY-MM-DD HH:mm"
    columns = [
        Column(f"outlet_{lang}", least=120),
        Column("standing", mappings=meanings.named(panels.text, "standing"), width=230),
        Column(f"kind_{lang}", title="mark_kind", width=190),
        Column("end_ms", unit=moment, width=150),
        Column("logged_ms", unit=moment, width=150),
        Column("proofs", decimals=0, width=90),
        Column("id", decimals=0, width=90),
    ]
    return panels.rows(one.text or one.draw, statement, columns, ref_id="marks", time="mark_from", before_time=2)
