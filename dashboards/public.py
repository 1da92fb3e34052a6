"""The dashboard for everybody: air and noise by district. It reads only what has no name of a site or board in it.

Grafana shares a dashboard with the public only without variables, and its server alone fills in the statements: so
nothing stands in them but `$timeFilter` and `$__interval`, and the database is the one with our own uid.
"""

from typing import Any

from grafana_foundation_sdk.builders import common
from grafana_foundation_sdk.models import dashboard as model

from dashboards import statements
from dashboards.frame import finish, frame
from dashboards.looks import thresholds
from dashboards.panels import Panels
from dashboards.texts import Lang, Texts

NAME = "public"
COLORS = ("#00e400", "#ffff00", "#ff7e00", "#ff0000", "#99004c", "#7e0023")
"""Of the index's six levels (HJ 633)."""
HIGHEST = (50, 100, 150, 200, 300)
"""Highest index of the levels but the last (HJ 633)."""


def build(lang: Lang) -> model.Dashboard:
    """Return the dashboard in one language."""
    text = Texts(lang)
    panels = Panels(text)
    panels.public = True
    board = frame(NAME, text, since="now-7d", public=True)
    kept = (
        'SELECT 1 - sum("exceeded") / (sum("windows") - sum("invalid") - sum("open") - sum("uncorrected")) '
        f'FROM "verdict_24h" WHERE {statements.BINDS} AND "quantity" =~ /^(laeq|lafmax)$/ AND $timeFilter '
        'GROUP BY "district"'
    )
    return finish(
        board,
        [
            _now(panels).height(8).span(8),
            _level(panels).height(8).span(4),
            _course(panels, "aqi", "aqi", "none").height(8).span(12),
            _course(panels, "district_noise", "laeq", panels.unit("laeq")).height(8).span(12),
            _course(panels, "district_dust", "pm10", panels.unit("pm10")).height(8).span(12),
            panels.bars("kept", kept, ref_id="kept", alias="$tag_district", unit="percentunit")
            .min(0)
            .max(1)
            .decimals(1)
            .height(7)
            .span(12),
        ],
    )


def _steps() -> Any:
    return thresholds((None, COLORS[0]), *((most + 1, color) for most, color in zip(HIGHEST, COLORS[1:], strict=True)))


def _now(panels: Panels) -> Any:
    statement = 'SELECT last("aqi") FROM "district" WHERE $timeFilter GROUP BY "district"'
    return panels.bars("aqi_now", statement, ref_id="aqi", alias="$tag_district").min(0).max(500).thresholds(_steps())


def _level(panels: Panels) -> Any:
    """Return the level in words, so that nobody has to read it off a colour."""
    statement = f'SELECT last("level_{panels.text.lang}") FROM "district" WHERE $timeFilter GROUP BY "district"'
    every = common.ReduceDataOptions().calcs(["lastNotNull"]).fields("/.*/").values(False)
    return panels.number("aqi_level", {"level": (statement, "$tag_district")}).reduce_options(every)


def _course(panels: Panels, place: str, field: str, unit: str) -> Any:
    """Return a figure of each hour; in long ranges the highest of each step."""
    statement = (
        f'SELECT max("{field}") FROM "district" WHERE $timeFilter GROUP BY time($__interval), "district" fill(null)'
    )
    panel = panels.plot(place, statement, ref_id=field, alias="$tag_district")
    return panel.interval("1h").unit(unit).decimals(0)
