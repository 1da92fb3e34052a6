"""The dashboard of the fleet: which boards need a visit, and whether the hub keeps up."""

from typing import Any

from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as model

from dashboards import meanings, statements
from dashboards.frame import district, finish, frame, site, tag
from dashboards.looks import (
    BLUE,
    GREEN,
    NEUTRAL,
    ORANGE,
    RED,
    counted_by,
    in_order,
    range_map,
    sorted_by,
    thresholds,
    value,
    value_map,
)
from dashboards.panels import Column, Panels
from dashboards.texts import Lang, Texts

NAME = "fleet"
SOON_D = 30
"""A calibration that is due in fewer days should be planned."""
DUE = {"due": "cal_due_days"}
"""The same days once more, for the word that they mean."""
STEPS = {"": "5m", "_1h": "1h", "_24h": "1d, -8h"}
"""From one value to the next, by coarseness, as InfluxQL writes it."""


def build(lang: Lang) -> model.Dashboard:
    """Return the dashboard in one language."""
    text = Texts(lang)
    panels = Panels(text)
    board = (
        frame(NAME, text)
        .with_variable(district(text, several=True))
        .with_variable(site(text, several=True))
        .with_variable(tag("device", text, measurement="fleet", within=statements.SITE, several=True))
    )
    return finish(
        board,
        [
            _silent(panels).height(8).span(6),
            _firmware(panels).height(8).span(7),
            _calibration(panels).height(8).span(11),
            _boards(panels).height(10).span(24),
            _ordered(panels).height(8).span(24),
            _course(panels, "depth", "depth", "none", "max").height(8).span(8),
            _course(panels, "dropped", "dropped", "none", "max").height(8).span(8),
            _course(panels, "rssi", "rssi", "dBm", "min").height(8).span(8),
            _clock(panels).height(8).span(16),
            _course(panels, "heap", "heap_free", "bytes", "min").height(8).span(8),
            _quarantine(panels).height(9).span(8),
            _events(panels).height(9).span(16),
            _hub(panels, "lag", "lag_s", "suffix:s").height(7).span(12),
            _hub(panels, "backlog", "backlog_store", "none").height(7).span(12),
        ],
    )


def _silent(panels: Panels) -> Any:
    """Return how many boards are silent, in red where one is, and how many there are."""
    text = panels.text
    newest = statements.newest("fleet", ("silent",), statements.DEVICES, ("device",))
    targets = {
        "silent": (statements.over("sum", "silent", newest), text("silent", "silent")),
        "boards": (statements.over("count", "silent", newest), text("online", "boards")),
    }
    panel = panels.number("silent", targets).decimals(0).color_mode(shapes.BigValueColorMode.VALUE)
    some = [value("thresholds", thresholds((None, NEUTRAL), (1, RED)).build()), value("color", {"mode": "thresholds"})]
    return panel.override_by_query("silent", some)


def _boards(panels: Panels) -> Any:
    text = panels.text

    def wide(en: int, zh: int) -> int:
        """Return a width, so that at 1600 pixels the last column is seen in either language."""
        return zh if text.lang is Lang.ZH else en

    silence = {"0": (f"✔ {text('silent', 'no')}", GREEN), "1": (f"✖ {text('silent', 'yes')}", RED)}
    columns = [
        Column("silent", mappings=[value_map(silence)], coloured=True, width=wide(85, 80)),
        Column("device", width=wide(95, 90)),
        *panels.where(None, wide(95, 75), least=wide(115, 135)),
        Column("silent_s", unit="dthms", width=95),
        Column("depth", width=85),
        Column("dropped", width=95),
        Column("clock", mappings=_clocks(text), coloured=True, width=wide(145, 120)),
        Column("rssi", unit="dBm", width=wide(90, 80)),
        Column("heap_free", unit="bytes", decimals=0, width=90),
        Column("faulty", width=80),
        *_due(panels, wide(110, 75), 81),
        Column("agent", width=75),
        Column("key_days", unit="suffix:" + text("calibration", "days"), decimals=0, width=60),
        Column("reset", mappings=meanings.named(text, "reset"), width=98),
    ]
    tags = ("district", "site", "device")
    fields = [column.name for column in columns if column.name not in (*tags, "due")]
    statement = statements.newest("fleet", fields, statements.DEVICES, tags, again=DUE)
    panel = panels.rows("boards", statement, columns, ref_id="boards", searched=True)
    for step in sorted_by("silent", descending=True):
        panel.with_transformation(step)
    return panel


def _ordered(panels: Panels) -> Any:
    """Return the boards that are not yet, or will not be, as somebody has ordered."""
    text = panels.text
    columns = [
        Column("device", width=120),
        *panels.where(140),
        Column("orders_open", width=110),
        Column("config_state", mappings=meanings.named(text, "config_state"), width=140),
        Column("config_why", wrapped=True, least=200),
        Column("update_state", mappings=meanings.named(text, "update_state"), width=140),
        Column("agent", width=80),
        Column("runtime", width=150),
    ]
    tags = ("district", "site", "device")
    fields = [column.name for column in columns if column.name not in tags]
    where = f'{statements.DEVICES} AND "wants_a_look" > 0'
    panel = panels.rows(
        "ordered", statements.newest("fleet", fields, where, tags, minutes=2), columns, ref_id="ordered"
    )
    return panel.no_value(f"✔ {text('ordered', 'none')}")


def _firmware(panels: Panels) -> Any:
    columns = [Column("agent", width=90), Column("runtime"), Column("device (count)", title="boards", width=90)]
    statement = statements.newest("fleet", ("silent", "agent", "runtime"), statements.DEVICES, ("device",))
    panel = panels.rows("firmware", statement, columns, ref_id="firmware")
    panel.with_transformation(counted_by("agent", "runtime"))
    # Counting leaves the columns in an order of its own.
    return panel.with_transformation(in_order([column.name for column in columns], without=[]))


def _calibration(panels: Panels) -> Any:
    columns = [*_due(panels, 105, 95), *panels.where(140, district=None), Column("device", width=120)]
    tags = ("district", "site", "device")
    fields = [column.name for column in columns if column.name not in (*tags, "due")]
    where = f'{statements.DEVICES} AND "cal_due_days" < {SOON_D}'
    statement = statements.newest("fleet", fields, where, tags, minutes=2, again=DUE)
    panel = panels.rows("calibration", statement, columns, ref_id="calibration")
    for step in sorted_by("cal_due_days", descending=False):
        panel.with_transformation(step)
    return panel.no_value(f"✔ {panels.text('calibration', 'none')}")


def _course(panels: Panels, place: str, field: str, unit: str, worst: str) -> Any:
    """Return one figure over time: of the worst board and of the middle one, however many there are.

    A silent board's last word counts no more. Which board it is says the table above; one alone may be chosen.
    """
    text = panels.text
    names = f'{worst}("{field}") AS "{text("course", "worst")}", median("{field}") AS "{text("course", "middle")}"'
    panel = panels.stepped(
        place,
        statements.SAMPLES,
        lambda step: (
            f'SELECT {names} FROM "fleet{step.suffix}" WHERE {statements.DEVICES} AND {statements.HEARD} '
            f"AND $timeFilter AND {step.condition} GROUP BY time({STEPS[step.suffix]}) fill(none)"
        ),
        alias="$col",
    )
    return panel.unit(unit).decimals(0)  # half a record waits nowhere


def _clock(panels: Panels) -> Any:
    """Return a lane for each board whose clock is not the network's: of a thousand boards there are few."""
    text = panels.text
    levels = {"0": (f"✖ {text('clock', 'none')}", RED), "1": (f"▲ {text('clock', 'rtc')}", ORANGE)}
    panel = panels.lanes(
        "clock",
        statements.SAMPLES,
        lambda step: (
            f'SELECT "clock_level" FROM "fleet{step.suffix}" WHERE {statements.DEVICES} AND {statements.HEARD} '
            f'AND "clock_level" < 2 AND $timeFilter AND {step.condition} GROUP BY "device"'
        ),
        alias="$tag_device",
        mappings=[value_map(levels)],
    )
    return panel.row_height(0.4).no_value(f"✔ {text('clock', 'all')}")


def _clocks(text: Texts) -> list[Any]:
    words = {
        "none": ("✖", "none", RED),
        "rtc": ("▲", "rtc", ORANGE),
        "ntp": ("✔", "ntp", GREEN),
        "hub": ("✔", "hub", BLUE),
    }
    return [value_map({code: (f"{mark} {text('clock', name)}", color) for code, (mark, name, color) in words.items()})]


def _due(panels: Panels, width: int, days: int) -> list[Column]:
    """Return the columns that tell when a calibration is due: in a word with a sign, and in days."""
    text = panels.text
    words = [
        range_map(-1e6, -0.5, f"✖ {text('calibration', 'overdue')}", RED),
        range_map(-0.5, SOON_D - 0.5, f"▲ {text('calibration', 'soon')}", ORANGE),
        range_map(SOON_D - 0.5, 1e6, f"✔ {text('calibration', 'later')}", GREEN),
    ]
    return [
        Column("due", mappings=words, coloured=True, width=width),
        Column("cal_due_days", unit="suffix:" + text("calibration", "days"), width=days),
    ]


def _quarantine(panels: Panels) -> Any:
    columns = [
        Column("reason", mappings=meanings.named(panels.text, "reason")),
        Column("device", width=100),
        Column("total", width=90),
        Column("new", width=75),
    ]
    statement = (
        'SELECT last("messages") AS "total", spread("messages") AS "new" FROM "quarantine" '
        f'WHERE {statements.DEVICES} AND $timeFilter GROUP BY "reason", "device"'
    )
    return panels.rows("quarantine", statement, columns, ref_id="quarantine")


def _events(panels: Panels) -> Any:
    site_, *place = panels.where(None, least=120)
    columns = [
        site_,
        Column("event", mappings=meanings.named(panels.text, "event"), width=145),
        Column("device", width=100),
        *place,
        Column("count", width=95),
        Column(f"text_{panels.text.lang}", title="text", wrapped=True, width=300),
    ]
    asked = ", ".join(f'"{column.name}"' for column in columns)
    statement = f'SELECT {asked} FROM "event" WHERE {statements.DEVICES} AND $timeFilter ORDER BY time DESC LIMIT 1000'
    return panels.rows("events", statement, columns, ref_id="events", time="time", before_time=2, searched=True)


def _hub(panels: Panels, place: str, field: str, unit: str) -> Any:
    statement = f'SELECT max("{field}") FROM "hub" WHERE $timeFilter GROUP BY time($__interval), "hub" fill(null)'
    panel = panels.plot(place, statement, ref_id=field, alias="$tag_hub")
    panel.unit(unit).min(0)
    return panel.decimals(0) if unit == "none" else panel
