"""The dashboard of one factory: what leaves its stacks and crosses its boundary, against each limit."""

from typing import Any

from grafana_foundation_sdk.models import dashboard as model

from dashboards import statements
from dashboards.frame import alerts, finish, frame, tag
from dashboards.looks import RED, limit_line, value
from dashboards.panels import Panels
from dashboards.texts import Lang, Texts

NAME = "factory"
KIND = "factory"
STACK = ("stack_pm", "stack_so2", "stack_nox")
"""Quantities whose hourly means are converted to the reference oxygen before they are judged."""


_NO_NOISE = '"quantity" !~ /^(laeq|lafmax)$/'
"""Noise at a factory is judged minute by minute: that is no picture of a week."""


def build(lang: Lang) -> model.Dashboard:
    """Return the dashboard in one language."""
    text = Texts(lang)
    panels = Panels(text)
    board = (
        frame(NAME, text, since="now-7d")
        .with_variable(tag("district", text, measurement="place", within=f"\"kind\" = '{KIND}'"))
        .with_variable(tag("site", text, measurement="place", within=f"\"kind\" = '{KIND}' AND {statements.DISTRICT}"))
        .with_variable(tag("device", text, measurement="fleet", within=statements.SITE, several=True))
        .annotation(alerts(text))
    )
    return finish(
        board,
        [
            *(_judged(panels, key).height(9).span(8) for key in STACK),
            panels.curves("stack", ("stack_pm", "stack_so2", "stack_nox", "stack_co")).height(8).span(16),
            panels.curves("oxygen", ("stack_o2",)).height(8).span(8),
            _boundary(panels).height(9).span(12),
            panels.curves("hydrocarbons", ("nmhc",)).height(9).span(6),
            panels.curves("particulates", ("tsp", "pm10")).height(9).span(6),
            panels.flag_lanes("flag_lanes").height(7).span(24),
            panels.strip("strip", _NO_NOISE).height(7).span(24),
            _hours(panels).height(8).span(8),
            _capture(panels).height(8).span(16),
            panels.flagged().height(8).span(24),
        ],
    )


def _judged(panels: Panels, key: str) -> Any:
    """Return the hourly values as they were judged, each with its limit; in long ranges each day's highest."""
    quantity = panels.quantities[key]
    panel = panels.plot(
        key, _values(key, "value", statements.VERDICTS[0]), ref_id="judged", alias="$tag_device", step=_HOUR
    )
    panels.add(
        panel,
        _values(key, "highest", statements.VERDICTS[1]),
        ref_id="judged_24h",
        alias=panels.text("frame", "highest") + " $tag_device",
        step=_DAY,
    )
    for step, length in zip(statements.VERDICTS, (_HOUR, _DAY), strict=True):
        panels.add(
            panel,
            _values(key, "limit_value", step),
            ref_id=f"limit{step.name}",
            alias=panels.text("frame", "limit", symbol="$tag_rule"),
            step=length,
            more=limit_line([12, 6]),
        )
    return panel.unit(panels.unit(key)).decimals(quantity.resolution).min(0)


_HOUR, _DAY = (step.length for step in statements.VERDICTS)


def _values(key: str, field: str, step: statements.Step) -> str:
    where = f"{statements.SITE} AND \"quantity\" = '{key}' AND {statements.BINDS} AND $timeFilter AND {step.condition}"
    return f'SELECT "{field}" FROM "verdict{step.suffix}" WHERE {where} GROUP BY "device", "standard", "rule"'


def _boundary(panels: Panels) -> Any:
    """Return how much of each boundary limit the judged values come to: quantities of several units in one picture."""
    source = f'{statements.SITE} AND {statements.BINDS} AND "quantity" !~ /^(stack_.*|laeq|lafmax)$/ AND $timeFilter'
    panel = panels.stepped(
        "boundary",
        statements.VERDICTS,
        lambda step: (
            f'SELECT "ratio" FROM "verdict{step.suffix}" WHERE {source} AND {step.condition} '
            'GROUP BY "device", "quantity", "standard", "rule"'
        ),
        alias="$tag_quantity $tag_device ($tag_standard)",
    )
    steps = {"mode": "absolute", "steps": [{"value": None, "color": "transparent"}, {"value": 1, "color": RED}]}
    panel.override_by_regexp("/.*/", [value("thresholds", steps), value("custom.thresholdsStyle", {"mode": "dashed"})])
    return panel.unit("percentunit").min(0)


def _hours(panels: Panels) -> Any:
    """Return for how long each limit was exceeded in this month."""
    statement = (
        f'SELECT sum("exceeded_s") / 3600 FROM "verdict_24h" WHERE {statements.SITE} AND {statements.BINDS} '
        'AND $timeFilter GROUP BY "standard", "rule"'
    )
    panel = panels.bars("hours", statement, ref_id="hours", alias="$tag_rule ($tag_standard)", unit="suffix: h")
    return panel.time_from("now/M").min(0).decimals(1)


def _capture(panels: Panels) -> Any:
    panel = panels.stepped(
        "judged_capture",
        statements.VERDICTS,
        lambda step: (
            f'SELECT min("capture") FROM "verdict{step.suffix}" WHERE {statements.SITE} AND {statements.BINDS} '
            f"AND $timeFilter AND {step.condition} GROUP BY time({'1d, -8h' if step.suffix else '1h'}), "
            '"device", "quantity" fill(none)'
        ),
        alias="$tag_quantity $tag_device",
    )
    return panel.unit("percentunit").min(0).max(1)
