"""The dashboard of the fleet: which boards need a visit, and whether the hub keeps up."""

from typing import Any

from grafana_foundation_sdk.models import dashboard as model

from dashboards import meanings, statements
from dashboards.frame import finish, frame, tag
from dashboards.looks import GREEN, ORANGE, RED, counted_by, sorted_by, thresholds, value_map
from dashboards.panels import Column, Panels
from dashboards.texts import Lang, Texts

NAME = "fleet"


def build(lang: Lang) -> model.Dashboard:
    """Return the dashboard in one language."""
    text = Texts(lang)
    panels = Panels(text)
    board = (
        frame(NAME, text)
        .with_variable(tag("district", text, measurement="place", several=True))
        .with_variable(tag("site", text, measurement="place", within=statements.DISTRICT, several=True))
        .with_variable(tag("device", text, measurement="fleet", within=statements.SITE, several=True))
    )
    newest = statements.newest("fleet", ("silent",), statements.DEVICES, ("device",))
    return finish(
        board,
        [
            panels.number(
                "silent",
                {
                    "silent": (statements.over("sum", "silent", newest), text("silent", "silent")),
                    "boards": (statements.over("count", "silent", newest), text("online", "boards")),
                },
            )
            .decimals(0)
            .height(6)
            .span(6),
            _firmware(panels).height(6).span(8),
            _calibration(panels).height(6).span(10),
            _boards(panels).height(10).span(24),
            _course(panels, "depth", "depth", "none").height(8).span(8),
            _course(panels, "dropped", "dropped", "none").height(8).span(8),
            _course(panels, "rssi", "rssi", "dBm").height(8).span(8),
            _clock(panels).height(8).span(16),
            _course(panels, "heap", "heap_free", "bytes").height(8).span(8),
            _quarantine(panels).height(9).span(8),
            _events(panels).height(9).span(16),
            _hub(panels, "lag", "lag_s", "s").height(7).span(12),
            _hub(panels, "backlog", "backlog_store", "none").height(7).span(12),
        ],
    )


def _boards(panels: Panels) -> Any:
    lang = panels.text.lang
    silence = {"0": (f"✔ {panels.text('silent', 'no')}", GREEN), "1": (f"✖ {panels.text('silent', 'yes')}", RED)}
    columns = [
        Column("silent", mappings=[value_map(silence)], coloured=True),
        Column("device"),
        Column(f"site_{lang}"),
        Column("district"),
        Column("site"),
        Column("silent_s", unit="s"),
        Column("depth"),
        Column("dropped"),
        Column("clock"),
        Column("rssi", unit="dBm"),
        Column("heap_free", unit="bytes"),
        Column("faulty"),
        Column("cal_due_days", unit="suffix: d"),
        Column("agent"),
        Column("runtime"),
        Column("reset"),
    ]
    tags = ("district", "site", "device")
    fields = [column.name for column in columns if column.name not in tags]
    panel = panels.rows(
        "boards", statements.newest("fleet", fields, statements.DEVICES, tags), columns, ref_id="boards"
    )
    for step in sorted_by("silent", descending=True):
        panel.with_transformation(step)
    return panel


def _firmware(panels: Panels) -> Any:
    columns = [Column("agent"), Column("runtime"), Column("boards")]
    statement = statements.newest("fleet", ("silent", "agent", "runtime"), statements.DEVICES, ("device",))
    panel = panels.rows("firmware", statement, columns, ref_id="firmware")
    return panel.with_transformation(counted_by("agent", "runtime"))


def _calibration(panels: Panels) -> Any:
    columns = [Column("cal_due_days", unit="suffix: d"), Column("device"), Column("district"), Column("site")]
    statement = statements.newest("fleet", ("cal_due_days",), statements.DEVICES, ("district", "site", "device"))
    panel = panels.rows("calibration", statement, columns, ref_id="calibration")
    panel.thresholds(thresholds((None, RED), (0, ORANGE), (30, GREEN)))
    for step in sorted_by("cal_due_days", descending=False):
        panel.with_transformation(step)
    return panel


def _course(panels: Panels, place: str, field: str, unit: str) -> Any:
    """Return one figure of every board over time."""
    panel = panels.stepped(
        place,
        statements.SAMPLES,
        lambda step: (
            f'SELECT "{field}" FROM "fleet{step.suffix}" WHERE {statements.DEVICES} AND $timeFilter '
            f'AND {step.condition} GROUP BY "device"'
        ),
        alias="$tag_device",
    )
    return panel.unit(unit)


def _clock(panels: Panels) -> Any:
    text = panels.text
    levels = {
        "0": (f"✖ {text('clock', 'none')}", RED),
        "1": (f"▲ {text('clock', 'rtc')}", ORANGE),
        "2": (f"✔ {text('clock', 'ntp')}", GREEN),
    }
    return panels.lanes(
        "clock",
        statements.SAMPLES,
        lambda step: (
            f'SELECT "clock_level" FROM "fleet{step.suffix}" WHERE {statements.DEVICES} '
            f'AND $timeFilter AND {step.condition} GROUP BY "device"'
        ),
        alias="$tag_device",
        mappings=[value_map(levels)],
    )


def _quarantine(panels: Panels) -> Any:
    columns = [
        Column("reason", mappings=meanings.named(panels.text, "reason")),
        Column("device"),
        Column("total"),
        Column("new"),
    ]
    statement = (
        'SELECT last("messages") AS "total", spread("messages") AS "new" FROM "quarantine" '
        f'WHERE {statements.DEVICES} AND $timeFilter GROUP BY "reason", "device"'
    )
    return panels.rows("quarantine", statement, columns, ref_id="quarantine")


def _events(panels: Panels) -> Any:
    columns = [
        Column("event", mappings=meanings.named(panels.text, "event")),
        Column("device"),
        Column("district"),
        Column("site"),
        Column("count"),
        Column("text"),
    ]
    asked = ", ".join(f'"{column.name}"' for column in columns)
    statement = f'SELECT {asked} FROM "event" WHERE {statements.DEVICES} AND $timeFilter ORDER BY time DESC LIMIT 1000'
    return panels.rows("events", statement, columns, ref_id="events")


def _hub(panels: Panels, place: str, field: str, unit: str) -> Any:
    statement = f'SELECT max("{field}") FROM "hub" WHERE $timeFilter GROUP BY time($__interval), "hub" fill(null)'
    panel = panels.plot(place, statement, ref_id=field, alias="$tag_hub")
    return panel.unit(unit).min(0)
