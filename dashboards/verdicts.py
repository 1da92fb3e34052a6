"""The dashboard of verdicts and alerts: what was exceeded, who took it in hand, and how long that took."""

from typing import Any

from grafana_foundation_sdk.builders import common
from grafana_foundation_sdk.models import dashboard as model

from dashboards import meanings, statements
from dashboards.frame import choice, district, finish, frame, site, tag
from dashboards.looks import GREY, NEUTRAL, RED, no_value, sorted_by, thresholds, value, value_map
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
        .with_variable(district(text, several=True))
        .with_variable(site(text, several=True))
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
            _rules(panels).height(9).span(24),
            _verdicts(panels).height(14).span(24),
        ],
    )


def _open(panels: Panels) -> Any:
    """Return how many alerts are open, by kind: whenever they were opened in the last 400 days."""
    statement = (
        f'SELECT sum("open") FROM "alert" WHERE {_MATCHES} AND "open" = 1 AND {statements.before_end("400d")} '
        'GROUP BY "kind"'
    )
    panel = panels.number("open", {"open": (statement, "$tag_kind")}).decimals(0)
    for kind, name in meanings.kinds(panels.text).items():
        panel.override_by_name(kind, [value("displayName", name)])
    return panel


def _taken(panels: Panels) -> Any:
    text = panels.text
    found = f'FROM "alert" WHERE {_MATCHES} AND "kind" = \'limit\' AND $timeFilter'
    panel = panels.number(
        "taken",
        {
            "acknowledged": (f'SELECT median("acknowledged_after_s") {found}', text("taken", "acknowledged")),
            "slowest": (f'SELECT max("acknowledged_after_s") {found}', text("taken", "slowest")),
            "resolved": (f'SELECT median("resolved_after_s") {found}', text("taken", "resolved")),
        },
        "dthms",
    )
    return panel.text(common.VizTextDisplayOptions().title_size(13).value_size(22))


def _by_day(panels: Panels) -> Any:
    statement = (
        f'SELECT count("id") FROM "alert" WHERE {_MATCHES} AND "kind" = \'limit\' AND $timeFilter '
        f"{statements.DAYS} fill(0) LIMIT 400 OFFSET 1"  # the first day is cut
    )
    return panels.columns_by_day(
        "alerts_by_day", statement, ref_id="alerts_by_day", alias=panels.text("column", "alerts")
    )


def _alerts(panels: Panels) -> Any:
    lang = panels.text.lang
    site_, *place = panels.where(200 if lang == "en" else 235)  # a Chinese name stands in one line
    columns = [
        site_,
        Column("severity", mappings=meanings.severities(panels.text), coloured=True, width=110),
        Column("state", mappings=meanings.named(panels.text, "state"), width=115),
        *(column for column in place if column.name != f"district_{lang}"),  # it stands in the text
        Column(
            "kind",
            mappings=[value_map({k: (name, None) for k, name in meanings.kinds(panels.text).items()})],
            width=130,
        ),
        Column("acknowledged_by", mappings=[no_value("–", GREY)], width=110),
        Column("acknowledged_after_s", unit="dthms", width=110),
        Column("resolved_after_s", unit="dthms", width=105),
        Column(f"text_{lang}", least=350),  # a line an alert: wrapped, three would fill the panel
        Column("id", width=110),
    ]
    asked = ", ".join(f'"{column.name}"' for column in columns)
    statement = f'SELECT {asked} FROM "alert" WHERE {_MATCHES} AND $timeFilter ORDER BY time DESC LIMIT 1000'
    return panels.rows("alerts", statement, columns, ref_id="alerts", time="opened", before_time=2, searched=True)


def _rules(panels: Panels) -> Any:
    lang = panels.text.lang
    columns = [
        Column("exceeded", coloured=True, thresholds=thresholds((None, NEUTRAL), (1, RED)), width=85),
        Column("hours", unit="suffix:h", decimals=1, width=115),
        Column(f"rule_{lang}", wrapped=True, least=300),
        Column("windows", width=80),
        Column("uncorrected", width=100),
        Column("open", width=60),
        Column("invalid", width=120),
        Column("standard", width=140),
        Column("rule", hidden=True),
    ]
    statement = (
        'SELECT sum("windows") AS "windows", sum("exceeded") AS "exceeded", '
        'sum("uncorrected") AS "uncorrected", sum("open") AS "open", sum("invalid") AS "invalid", '
        f'sum("exceeded_s") / 3600 AS "hours", last("rule_{lang}") AS "rule_{lang}" FROM "verdict_24h" '
        f'WHERE {_MATCHES} AND {statements.BINDS} AND $timeFilter GROUP BY "standard", "rule"'
    )
    panel = panels.rows("rules", statement, columns, ref_id="rules")
    for step in sorted_by("exceeded", descending=True):
        panel.with_transformation(step)
    return panel


def _verdicts(panels: Panels) -> Any:
    """Return single verdicts; in long ranges the days with exceedances: a city gives millions of verdicts a year."""
    lang = panels.text.lang
    site_, *place = panels.where(200 if lang == "en" else 260)  # a Chinese name stands in one line
    columns = [
        site_,
        Column("outcome", mappings=meanings.outcomes(panels.text), coloured=True, width=110),
        *place,
        Column("value", decimals=1, width=75),
        Column("limit_value", width=65),
        Column("unit", width=75),
        Column("ratio", unit="percentunit", decimals=0, width=85),
        Column(f"rule_{lang}", wrapped=True, width=190),
        Column("exceeded", width=85),
        Column("highest", decimals=1, width=85),
        Column("uncorrected", width=100),
        Column("capture", unit="percentunit", decimals=0, width=90),
        Column("compared", decimals=1, width=85),
        Column("background", decimals=1, width=95),
        Column("device", width=110),
        Column("standard", width=130),
        Column("grade", mappings=meanings.named(panels.text, "grade"), width=90),
        Column("instrument", mappings=meanings.named(panels.text, "instrument"), width=110),
        Column("uncertainty", decimals=1, width=95),
        Column("verified", width=80),
        Column("missing", mappings=meanings.missing(panels.text), width=130),
        Column("assumed", mappings=meanings.assumed(panels.text), width=300),
        Column("revision", width=80),
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
    panel = panels.rows(
        "judged",
        of_single,
        columns,
        ref_id=f"judged{single.name}",
        time="window",
        before_time=2,
        more=of_days,
        searched=True,
    )
    return panel.no_value(panels.text("judged", "none"))


def _listed(columns: list[Column], absent: set[str]) -> str:
    return ", ".join(f'"{column.name}"' for column in columns if column.name not in absent)
