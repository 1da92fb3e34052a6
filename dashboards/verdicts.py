"""The dashboard of verdicts and alerts: what was exceeded, who took it in hand, and how long that took."""

from typing import Any

from grafana_foundation_sdk.models import dashboard as model

from dashboards import meanings, statements
from dashboards.frame import choice, finish, frame, tag
from dashboards.influxql import InfluxQL
from dashboards.looks import merged
from dashboards.panels import Column, Panels
from dashboards.texts import Lang, Texts

NAME = "verdicts"
OUTCOMES = ("exceeded", "above_uncorrected", "open", "invalid", "compliant")
_SINGLE = {
    *("outcome", "grade", "value", "compared", "background", "unit", "verified", "missing", "assumed", "revision"),
    *("instrument", "uncertainty"),
}
"""What only a single verdict has, no day."""
_MATCHES = f'{statements.SITE} AND "standard" =~ /^$standard$/'


def build(lang: Lang) -> model.Dashboard:
    """Return the dashboard in one language."""
    text = Texts(lang)
    panels = Panels(text)
    board = (
        frame(NAME, text, since="now-7d")
        .with_variable(tag("district", text, measurement="place", several=True))
        .with_variable(tag("site", text, measurement="place", within=statements.DISTRICT, several=True))
        .with_variable(tag("standard", text, measurement="verdict_24h", within=statements.SITE, several=True))
        .with_variable(choice("outcome", text, OUTCOMES))
    )
    return finish(
        board,
        [
            _open(panels).height(5).span(8),
            _taken(panels).height(5).span(8),
            _by_day(panels).height(5).span(8),
            _alerts(panels).height(12).span(24),
            _rules(panels).height(10).span(10),
            _verdicts(panels).height(10).span(14),
        ],
    )


def _open(panels: Panels) -> Any:
    """Return how many alerts are open, by kind: whenever they were opened in the last 400 days."""
    statement = (
        f'SELECT sum("open") FROM "alert" WHERE {_MATCHES} AND "open" = 1 AND {statements.before_end("400d")} '
        'GROUP BY "kind"'
    )
    return panels.number("open", {"open": (statement, "$tag_kind")}).decimals(0)


def _taken(panels: Panels) -> Any:
    text = panels.text
    found = f'FROM "alert" WHERE {_MATCHES} AND "kind" = \'limit\' AND $timeFilter'
    return panels.number(
        "taken",
        {
            "acknowledged": (f'SELECT median("acknowledged_after_s") {found}', text("taken", "acknowledged")),
            "slowest": (f'SELECT max("acknowledged_after_s") {found}', text("taken", "slowest")),
            "resolved": (f'SELECT median("resolved_after_s") {found}', text("taken", "resolved")),
        },
        "s",
    )


def _by_day(panels: Panels) -> Any:
    statement = (
        f'SELECT count("id") FROM "alert" WHERE {_MATCHES} AND "kind" = \'limit\' AND $timeFilter '
        f"{statements.DAYS} fill(0)"
    )
    return panels.columns_by_day(
        "alerts_by_day", statement, ref_id="alerts_by_day", alias=panels.text("column", "alerts")
    )


def _alerts(panels: Panels) -> Any:
    lang = panels.text.lang
    columns = [
        Column("severity", mappings=meanings.severities(panels.text), coloured=True),
        Column("state", mappings=meanings.named(panels.text, "state")),
        Column(f"site_{lang}"),
        Column("district"),
        Column("site"),
        Column("device"),
        Column("rule"),
        Column("value", decimals=1),
        Column("limit_value"),
        Column("unit"),
        Column("acknowledged_by"),
        Column("acknowledged_after_s", unit="s"),
        Column("resolved_after_s", unit="s"),
        Column(f"text_{lang}"),
        Column("id"),
    ]
    asked = ", ".join(f'"{column.name}"' for column in columns)
    statement = f'SELECT {asked} FROM "alert" WHERE {_MATCHES} AND $timeFilter ORDER BY time DESC LIMIT 1000'
    return panels.rows("alerts", statement, columns, ref_id="alerts")


def _rules(panels: Panels) -> Any:
    columns = [
        Column("standard"),
        Column("rule"),
        Column("windows"),
        Column("exceeded"),
        Column("uncorrected"),
        Column("open"),
        Column("invalid"),
        Column("hours", unit="suffix: h", decimals=1),
    ]
    statement = (
        'SELECT sum("windows") AS "windows", sum("exceeded") AS "exceeded", '
        'sum("uncorrected") AS "uncorrected", sum("open") AS "open", sum("invalid") AS "invalid", '
        f'sum("exceeded_s") / 3600 AS "hours" FROM "verdict_24h" WHERE {_MATCHES} AND {statements.BINDS} '
        'AND $timeFilter GROUP BY "standard", "rule"'
    )
    return panels.rows("rules", statement, columns, ref_id="rules")


def _verdicts(panels: Panels) -> Any:
    """Return single verdicts; in long ranges the days with exceedances: a city gives millions of verdicts a year."""
    columns = [
        Column("outcome", mappings=meanings.outcomes(panels.text), coloured=True),
        Column("grade", mappings=meanings.named(panels.text, "grade")),
        Column("exceeded"),
        Column("uncorrected"),
        Column("district"),
        Column("site"),
        Column("device"),
        Column("standard"),
        Column("rule"),
        Column("quantity", mappings=meanings.quantities(panels.text, panels.quantities)),
        Column("value", decimals=1),
        Column("compared", decimals=1),
        Column("background", decimals=1),
        Column("highest", decimals=1),
        Column("limit_value"),
        Column("unit"),
        Column("ratio", unit="percentunit", decimals=0),
        Column("capture", unit="percentunit", decimals=0),
        Column("instrument", mappings=meanings.named(panels.text, "instrument")),
        Column("uncertainty", decimals=1),
        Column("verified"),
        Column("missing"),
        Column("assumed"),
        Column("revision"),
    ]
    single, days = statements.LISTED
    of_single, of_days = (
        f"SELECT {_listed(columns, absent)} "
        f'FROM "verdict{step.suffix}" WHERE {_MATCHES} AND {statements.BINDS} AND {chosen} AND {step.condition} '
        "AND $timeFilter ORDER BY time DESC LIMIT 1000"
        for step, chosen, absent in (
            (single, '"outcome" =~ /^$outcome$/', {"exceeded", "uncorrected", "highest"}),
            (days, '("exceeded" > 0 OR "uncorrected" > 0)', _SINGLE),
        )
    )
    panel = panels.rows("judged", of_single, columns, ref_id=f"judged{single.name}")
    panel.with_target(InfluxQL(of_days, ref_id=f"judged{days.name}", result_format="table"))
    return panel.with_transformation(merged())


def _listed(columns: list[Column], absent: set[str]) -> str:
    return ", ".join(f'"{column.name}"' for column in columns if column.name not in absent)
