"""The dashboard of one construction site: its noise and dust against the limits as they apply through the day."""

from typing import Any

from grafana_foundation_sdk.models import dashboard as model

from dashboards import statements
from dashboards.frame import alerts, finish, frame, tag
from dashboards.influxql import InfluxQL
from dashboards.looks import BLUE, GREEN, GREY, ORANGE, RED, thresholds, value, value_map
from dashboards.panels import Panels
from dashboards.texts import Lang, Texts

NAME = "site"
KIND = "construction"


def build(lang: Lang) -> model.Dashboard:
    """Return the dashboard in one language."""
    text = Texts(lang)
    panels = Panels(text)
    board = (
        frame(NAME, text)
        .with_variable(tag("district", text, measurement="place", within=f"\"kind\" = '{KIND}'"))
        .with_variable(tag("site", text, measurement="place", within=f"\"kind\" = '{KIND}' AND {statements.DISTRICT}"))
        .with_variable(tag("device", text, measurement="fleet", within=statements.SITE, several=True))
        .annotation(alerts(text))
    )
    return finish(
        board,
        [
            panels.curves("noise", ("laeq", "lafmax"), ("laeq", "lafmax")).height(11).span(18),
            _budget(panels).height(11).span(6),
            panels.strip("strip").height(7).span(24),
            _percentiles(panels).height(8).span(12),
            panels.curves("dust", ("pm10", "pm25", "tsp"), ("tsp", "pm10")).height(8).span(12),
            _wind(panels).height(7).span(12),
            _relay(panels).height(7).span(12),
            panels.flag_lanes("flag_lanes").height(6).span(24),
            panels.flagged().height(8).span(24),
        ],
    )


def _budget(panels: Panels) -> Any:
    source = (
        f'FROM "budget" WHERE {statements.DEVICES} AND "quantity" =~ /^(laeq|lafmax)$/ '
        f'AND {statements.before_end("5m")} GROUP BY "device", "rule"'
    )
    panel = panels.bars(
        "budget", f'SELECT last("used") {source}', ref_id="budget", alias="$tag_rule $tag_device", unit="percentunit"
    )
    # The steps are of the picture; 1 is the limit, whichever it is.
    return panel.min(0).max(1.2).decimals(0).thresholds(thresholds((None, GREEN), (0.8, ORANGE), (1.0, RED)))


def _percentiles(panels: Panels) -> Any:
    """Return the levels exceeded 10, 50 and 90 % of the time: as measured, in long ranges their extremes.

    Nothing can be made of several such levels but which was the highest and which the lowest.
    """
    keys = ("l10", "l50", "l90")
    raw, longer = statements.READINGS[0], statements.READINGS[1]
    names = {key: panels.name(key) for key in keys}
    panel = panels.plot(
        "percentiles",
        statements.readings("noise", names, raw),
        ref_id="noise_raw",
        alias="$col $tag_device",
        step=raw.length,
    )
    highest, lowest = (panels.text("percentiles", name) for name in ("highest", "lowest"))
    beyond = longer._replace(up_to=None).condition
    panel.with_target(
        InfluxQL(
            f'SELECT max("l10") AS "{highest}", min("l90") AS "{lowest}" FROM "noise" WHERE {statements.DEVICES} '
            f'AND $timeFilter AND {beyond} GROUP BY time($__interval), "device" fill(null)',
            ref_id="noise_extremes",
            alias="$col $tag_device",
        )
    )
    return panel.unit(panels.unit("l10")).decimals(panels.quantities["l10"].resolution)


def _wind(panels: Panels) -> Any:
    panel = panels.curves("wind", ("wind_speed", "wind_dir"))
    panel.override_by_regexp(
        f"/^{panels.name('wind_dir')}/",
        [
            value("unit", panels.unit("wind_dir")),
            value("custom.axisPlacement", "right"),
            value("custom.drawStyle", "points"),
            value("min", 0),
            value("max", 360),
        ],
    )
    return panel


def _relay(panels: Panels) -> Any:
    text = panels.text
    switched = {"0": (f"○ {text('relay', 'off')}", GREY), "1": (f"● {text('relay', 'on')}", BLUE)}
    return panels.lanes(
        "relay",
        statements.SAMPLES,
        lambda step: (
            f'SELECT "relay" FROM "fleet{step.suffix}" WHERE {statements.DEVICES} AND $timeFilter '
            f'AND {step.condition} GROUP BY "device"'
        ),
        alias="$tag_device",
        mappings=[value_map(switched)],
    )
